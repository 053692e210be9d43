//! What is read of a model whose family nobody knows.

use super::*;

fn union() -> Case {
    of(Arc::clone(DIALECTS.union().unwrap()))
}

t!(calls_of_any_family_are_read, union(),
    // What it was told.
    "So: {\"tool_call\": {\"name\": \"get_time\", \"arguments\": {}}}" => r#"text "So: " / call get_time / args {} / end"#,
    "```json\n{\"tool_call\": {\"name\": \"get_time\"}}\n```" => "call get_time / args {} / end",
    // What it may have learnt.
    "<tool_call>{\"name\": \"get_time\"}</tool_call>" => "call get_time / args {} / end",
    "<tool_call>\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>" => r#"call bash / args {"command":"ls"} / end"#,
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "<|tool_call>call:bash{command:<|\"|>ls<|\"|>}<tool_call|>" => r#"call bash / args {"command":"ls"} / end"#,
    "[TOOL_CALLS]bash[ARGS]{\"command\": \"ls\"}" => r#"call bash / args {"command": "ls"} / end"#,
    "<think>hm</think>\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_time<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        => r#"think "hm" / call get_time / args {} / end"#,
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_time:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>"
        => "call get_time as functions.get_time:0 / args {} / end",
    "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"bash\">\n<｜DSML｜parameter name=\"command\" string=\"true\">ls</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>"
        => r#"call bash / args {"command":"ls"} / end"#,
);

t!(what_any_answer_may_hold_is_text, union(),
    "{\"name\": \"get_time\"}" => r#"text "{\"name\": \"get_time\"}""#,
    "<answer>Hi.</answer>" => r#"text "<answer>Hi.</answer>""#,
    "<|channel|>final<|message|>Hi." => r#"text "<|channel|>final<|message|>Hi.""#,
    "To call, write <tool_call>. Or {\"tool_call\": 1}." => r#"text "To call, write <tool_call>. Or {\"tool_call\": 1}.""#,
);

#[test]
fn few_families_are_left_out() {
    let union = DIALECTS.union().unwrap();
    let opens = |marker: &String| union.reads().call.open.contains(marker);
    let left_out: Vec<_> = DIALECTS.iter().filter(|dialect| !dialect.spec().call.open.iter().all(opens)).collect();
    assert!(
        left_out.len() * 5 < DIALECTS.iter().count(),
        "{:?}",
        left_out.iter().map(|d| d.name()).collect::<Vec<_>>()
    );
}

t!(which_form_a_call_has_does_not_hang_on_the_cut, Case { unknown_tools: UnknownTools::Pass, ..union() },
    "<|tool_calls_section_begin|>A</｜DSML｜function_calls>egins with `<start_function_call>`.\n<start_function_call>call:get_time{}"
        => "call A / args {} / end / call get_time / args {} / end",
);
