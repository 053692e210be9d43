//! Which family a chat template is of. The templates here are our own, each with the words by which its family's is
//! known, and with those of other families that it holds too: there the order of the rules decides.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;

use toolgate::dialect::{Dialect, Dialects};

/// A family, a template of its shape, and the other families whose words that has.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// Templates for which there is one of a model, seen with llama.cpp, or with vLLM for those that llama.cpp has none of.
const TEMPLATES: &[Row] = &[
    ("mistral", "{% for c in calls %}[TOOL_CALLS][{{ c }}]{% endfor %}</s>", &[]),
    ("mistral", "[TOOL_CALLS]{{ name }}[CALL_ID]{{ id }}[ARGS]{{ arguments }}", &[]),
    ("mistral", "[THINK]{{ thought }}[/THINK][TOOL_CALLS]{{ name }}[ARGS]{{ arguments }}", &[]),
    ("muse", "<|start|>assistant to={{ name }}<|message|><atem:function_calls><atem:invoke name=\"{{ name }}\">", &[]),
    ("beam", "<|start|>assistant<|channel|>commentary<|message|><rfl:parameter name=\"{{ k }}\">", &["harmony"]),
    ("harmony", "<|start|>assistant to=functions.{{ name }}<|channel|>commentary json<|message|>{{ arguments }}", &[]),
    ("inkling", "<|message_model|>{{ name }}<|content_invoke_tool_json|>{{ call }}<|end_message|>", &[]),
    ("functionary-v3.2", "write >>>all for text, >>>${recipient} for a call; {% for c in calls %}>>>{{ c }}", &[]),
    ("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>{{ id }}<|tool_call_argument_begin|>{{ a }}", &[]),
    ("kimi-k3", "<|open|>call tool=\"{{ name }}\"<|sep|>{{ a }}<|close|>call<|sep|><|end_of_msg|>", &[]),
    ("command-a", "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": {{ n }}}]<|END_ACTION|>", &[]),
    // The examples in its prompt are in a fence, as the older ones' calls are.
    (
        "command-a",
        "Action: ```json [{\"tool_name\": {{ n }}}]``` <|START_ACTION|>{{ calls }}<|END_ACTION|>",
        &["command-r"],
    ),
    ("lfm2", "List of tools: <|tool_list_start|>{{ tools }}<|tool_list_end|>", &[]),
    ("lfm2", "<|tool_call_start|>[{{ call }}]<|tool_call_end|>", &[]),
    ("gigachat3", "function call<|role_sep|>\n{{ call }}<|message_sep|>", &[]),
    // Behind its prefix stand the words of others.
    ("minimax-m3", "]<]minimax[>[<tool_call>]<]minimax[>[<invoke name=\"{{ n }}\">", &["hermes"]),
    ("deepseek-dsml", "<｜DSML｜function_calls><｜DSML｜invoke name=\"{{ n }}\">", &[]),
    ("gigachat3.5", "<｜GCML｜tool_calls><｜GCML｜invoke name=\"{{ n }}\">", &[]),
    ("gemma4", "<|tool_call>call:{{ name }}{{ arguments }}<tool_call|>", &[]),
    ("functiongemma", "<start_function_call>call:{{ name }}{{ arguments }}<end_function_call>", &[]),
    ("minicpm5", "<function name=\"{{ n }}\"><param name=\"{{ k }}\">{{ v }}</param></function>", &[]),
    ("seed-oss", "<seed:tool_call><function={{ n }}><parameter={{ k }}>{{ v }}</parameter>", &["functionary-v3.1"]),
    ("minimax-m2", "<minimax:tool_call><invoke name=\"{{ n }}\"><parameter name=\"{{ k }}\">{{ v }}", &[]),
    ("hunyuan", "<tool_call{{ HYTK }}>{{ n }}<tool_sep{{ HYTK }}><arg_key{{ HYTK }}>{{ k }}", &[]),
    ("glm", "<tool_call>{{ n }}\n<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v }}</arg_value>", &["hermes"]),
    // Ling, Laguna and Spark.
    ("glm", "<tool_call>{{ n }}<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value><|role_end|>", &["hermes"]),
    (
        "qwen3-coder",
        "<tool_call><function={{ n }}><parameter={{ k }}>{{ v }}</parameter></function></tool_call>",
        &["functionary-v3.1", "hermes"],
    ),
    (
        "step3",
        "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name=\"{{ n }}\">",
        &[],
    ),
    (
        "deepseek-v3",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ n }}\n```json\n{{ a }}\n```",
        &["deepseek-v3.1"],
    ),
    ("deepseek-v3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{{ n }}<｜tool▁sep｜>{{ a }}", &[]),
    ("nemotron", "<AVAILABLE_TOOLS>{{ tools }}</AVAILABLE_TOOLS><TOOLCALL>[{{ calls }}]</TOOLCALL>", &[]),
    ("apertus", "<|tools_prefix|>[{\"{{ n }}\": {{ a }}}]<|tools_suffix|>", &[]),
    ("solar-open", "<|tool_calls|><|tool_call:begin|>{{ id }}<|tool_call:name|>{{ n }}<|tool_call:args|>{{ a }}", &[]),
    ("plamo3", "<|plamo:begin_tool_request:plamo|>{{ call }}", &[]),
    ("solar-open2", "<|tool_call:start|>{{ n }}\n<|tool_arg:start|>{{ k }}<|tool_arg:value|>{{ v }}", &[]),
    ("k2-horizon", "<ifm|tool_calls><ifm|tool_call>{{ n }}<ifm|arg_key>{{ k }}</ifm|arg_key>", &[]),
    ("dots", "<dots_function_call>{{ call }}</dots_function_call>", &[]),
    ("olmo3", "<function_calls>{{ n }}({{ a }})</function_calls>", &[]),
    ("pangu", "return a JSON object within [unused11] and [unused12]", &[]),
    ("granite-20b-fc", "<function_call> {\"name\": {{ n }}, \"arguments\": {{ a }}}", &[]),
    ("internlm2", "<|action_start|><|plugin|>\n{{ call }}<|action_end|>", &[]),
    ("sarashina", "<|tool_calls|>[{'name': '{{ n }}', 'arguments': {{ a }}}]", &[]),
    ("functools", "functools[{\"name\": {{ n }}, \"arguments\": {{ a }}}]", &[]),
    ("functools", "<|tool|>{{ tools }}<|/tool|>", &[]),
    ("granite3", "<|start_of_role|>assistant<|end_of_role|>respond with <|tool_call|> and a list", &[]),
    ("hunyuan-a13b", "<answer>{{ text }}</answer><tool_calls>{{ calls }}</tool_calls>", &["jamba"]),
    ("jamba", "<tool_calls>{% for c in calls %}{{ c }}\n{% endfor %}</tool_calls>", &[]),
    // Apriel's says in its prompt what others' calls begin with.
    (
        "jamba",
        "Return calls within <tool_calls>, one <tool_call> each. <tool_calls>[{{ calls }}]</tool_calls>",
        &["hermes"],
    ),
    ("functionary-v3.1", "<function={{ n }}>{{ a }}</function><|eom_id|>{# or <|python_tag|> #}", &["llama3-json"]),
    ("ernie4.5", "<response>\n{{ text }}\n</response>\n<tool_call>\n{{ call }}\n</tool_call>", &["hermes"]),
    ("hermes", "<tools>{{ tools }}</tools><tool_call>\n{{ call }}\n</tool_call>", &[]),
    ("llama3-json", "\"parameters\": dictionary of argument name and its value}", &[]),
    ("llama3-json", "{% if code %}<|python_tag|>{{ code }}{% endif %}", &[]),
    ("command-r", "Action: ```json [{\"tool_name\": {{ n }}, \"parameters\": {{ a }}}]```", &[]),
    ("pythonic", "<|python_start|>[{{ calls }}]<|python_end|>", &[]),
    ("pythonic", "[func_name1(params_name1=params_value1, params_name2=params_value2...)]", &[]),
];

/// Templates that write no call.
const OTHERS: [&str; 4] = [
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}",
    "<start_of_turn>user\n{{ text }}<end_of_turn>",
    "User: {{ text }}\n\nAssistant:",
    "",
];

fn has_words_of(template: &str) -> impl Fn(&Dialect) -> bool {
    move |dialect| {
        let all = |set: &Vec<String>| !set.is_empty() && set.iter().all(|sign| template.contains(sign));
        dialect.spec().detect.template.iter().any(all)
    }
}

#[test]
fn a_template_is_of_the_family_whose_calls_it_writes() {
    let dialects = Dialects::builtin();
    for (family, template, others) in TEMPLATES {
        assert_eq!(dialects.by_template(template).map(|dialect| dialect.name()), Some(*family), "{template}");
        let known = dialects.iter().filter(|dialect| has_words_of(template)(dialect)).map(|dialect| dialect.name());
        let expected: BTreeSet<_> = others.iter().copied().chain([*family]).collect();
        assert_eq!(known.collect::<BTreeSet<_>>(), expected, "{template}");
    }
    for template in OTHERS {
        assert!(dialects.by_template(template).is_none(), "{template}");
    }
}

/// What would be decided by the names of the files is decided by nobody.
#[test]
fn every_rule_is_shown_and_has_a_place_of_its_own() {
    let (dialects, mut orders) = (Dialects::builtin(), BTreeSet::new());
    for dialect in dialects.iter() {
        let detect = &dialect.spec().detect;
        assert!(orders.insert(detect.order), "{} has the order of another", dialect.name());
        let shown = TEMPLATES.iter().filter(|(family, ..)| *family == dialect.name());
        for set in &detect.template {
            let holds = |template: &str| set.iter().all(|sign| template.contains(sign));
            let is_escaped = set.iter().any(|sign| sign.contains("\\n"));
            assert!(is_escaped || shown.clone().any(|(_, template, _)| holds(template)), "{}: {set:?}", dialect.name());
        }
    }
}
