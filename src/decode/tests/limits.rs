//! What is over a limit is over it at the same letter, however the text is cut.

use super::*;

fn limited(dialect: &str, pending_bytes_max: usize, value_bytes_max: usize) -> Case {
    Case { limits: Limits { pending_bytes_max, value_bytes_max, ..Limits::default() }, ..case(dialect) }
}

t!(limits_make_text, limited("hermes", 24, 1024),
    "<tool_call>{\"ignored\": \"é long one\", \"name\": \"get_time\"}</tool_call>!"
        => r#"text "<tool_call>{\"ignored\": \"é long one\", \"name\": \"get_time\"}</tool_call>!""#,
);

t!(what_may_be_a_values_end_is_held_so_far, limited("qwen3-coder", 60, 1024),
    "<function=get_time>\n<parameter=zone>\nUTC\n</parameter>\n</function>\nSo much text that nothing shows a mistake.\n<parameter="
        => r#"call get_time / args {"zone":"UTC"} / end / text "\nSo much text that nothing shows a mistake.\n<parameter=""#,
    "<tool_call>\n<function=get_time>\n<parameter=zone>\n</function>\nSo much text that nothing shows it.\n</parameter>\n</function>\n</tool_call>"
        => r#"call get_time / args {"zone":"</function>\nSo much text that nothing shows it."} / end"#,
);

t!(what_has_no_place_in_the_arguments_is_kept_so_far, limited("qwen3-coder", 60, 16),
    "<function=get_weather><parameter=where>{} and so much more, <b>really</b>"
        => r#"call get_weather / args {"where":{}} / end / text "and so much more, <b>really</b>""#,
    // Half a marker is held when it is too much.
    "<function=get_weather><parameter=where>{}and so much more\n\n</par" => r#"call get_weather / args {"where":{}} / end / text "and so much more\n\n</par""#,
    "<function=get_weather><parameter=where>{}a          \n</p  \n" => r#"call get_weather / args {"where":{}} / end / text "a          \n</p  ""#,
);
