//! Answers that are messages, each with a header that says what its body is.

use super::*;

/// Messages for somebody, on a channel; the body of a call is its arguments.
fn addressed() -> Case {
    own(
        "messages:\n  start: [\"<|start|>\"]\n  first: [\"<|channel|>\", \" to=\", \"to=\"]\n  body: [\"<|message|>\"]\n  \
         end: [\"<|end|>\", \"<|return|>\", \"<|call|>\"]\n  kinds:\n  \
         - { is: call, name: [[\" to=functions.\", \" to=\", \"to=\"], [\" \", \"<\"]] }\n  \
         - { is: reasoning, has: [\"<|channel|>analysis\"] }\n  - { is: text }\n\
         call: { end_tokens: [\"<|eot|>\"] }\npayload: { header: {} }",
    )
}

/// Messages whose calls stand in a section, and name themselves.
fn sectioned() -> Case {
    own(
        "messages:\n  start: [\"<|start|>\"]\n  first: [\"to=\", \"<|message|>\"]\n  body: [\"<|message|>\"]\n  end: [\"<|eom|>\", \"<|eot|>\"]\n  \
         kinds:\n  - { is: reasoning, has: [\"to=self\"] }\n  - { is: text, has: [\"to=user\"] }\n  \
         - { is: calls, name: [\"to=\", [\" \", \"<\"]] }\n  - { is: text }\n\
         section: { open: [\"<calls>\"], close: [\"</calls>\"] }\ncall: {}\n\
         payload: { tagged: { name: [\"<invoke name=\\\"\", \"\\\">\"], key: [\"<p name=\\\"\", \"\\\">\"], \
         value: [\"\", \"</p>\"], close: \"</invoke>\" } }",
    )
}

/// A name and a line break begin each message, and nothing the first.
fn named() -> Case {
    own("messages:\n  start: [\">>>\"]\n  first: [\"\"]\n  body: [\"\\n\"]\n  end: []\n  \
         kinds:\n  - { is: text, has: [\"all\\n\"] }\n  - { is: call, name: [\"\", \"\\n\"] }\n\
         call: { end_tokens: [\"<|eot|>\"] }\npayload: { header: {} }")
}

/// What the body is stands right before it, and the call names itself.
fn marked() -> Case {
    own(
        "messages:\n  start: [\"<|model|>\"]\n  first: [\"\", \"<|text|>\", \"<|thinking|>\", \"<|json|>\"]\n  body: [\"<|text|>\", \"<|thinking|>\", \"<|json|>\"]\n  end: [\"<|end|>\"]\n  \
         kinds:\n  - { is: call, has: [\"<|json|>\"] }\n  - { is: reasoning, has: [\"<|thinking|>\"] }\n  - { is: text, has: [\"<|text|>\"] }\n\
         call: {}\npayload: { json: { name: [name], arguments: [args] } }",
    )
}

t!(a_header_says_what_the_body_is, addressed(),
    "<|channel|>final<|message|>Hi.<|return|>" => r#"text "Hi.""#,
    "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>\nHi.<|return|>"
        => r#"think "hm" / text "\nHi.""#,
    "<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{}<|call|>" => "call get_time / args {} / end",
    // The recipient in the role, and on the channel of thoughts.
    "<|start|>assistant to=functions.get_time<|channel|>commentary json<|message|>{}<|call|>" => "call get_time / args {} / end",
    " to=get_time<|channel|>analysis code<|message|>{}" => "call get_time / args {} / end",
    "<|channel|>analysis to=functions.bash<|message|>{\"command\": \"<|call|>\"}<|call|>" => r#"call bash / args {"command": "<|call|>"} / end"#,
    // Several, with and without what stands between them.
    "<|channel|>commentary to=get_time<|message|>{}<|end|>\n<|start|>assistant<|channel|>commentary to=bash<|message|>{\"command\": \"ls\"}<|call|>"
        => r#"call get_time / args {} / end / call bash / args {"command": "ls"} / end"#,
    "<|channel|>commentary to=get_time<|message|>{}<|channel|>commentary to=get_time<|message|> {}"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "<|channel|>analysis<|message|>hm<|start|>assistant<|channel|>final<|message|>Hi.<|start|>assistant to=get_time<|message|>{}"
        => r#"think "hm" / text "Hi." / call get_time / args {} / end"#,
    "<|channel|>commentary<|message|>I look.<|end|><|channel|>commentary to=get_time<|message|>{}<|call|>"
        => r#"text "I look." / call get_time / args {} / end"#,
    // What stands behind a call is text, and nothing is invented where it is cut.
    "<|channel|>commentary to=get_time<|message|>{}<|call|><|eot|>" => "call get_time / args {} / end",
    "<|channel|>commentary to=get_time<|message|>{} so<|call|>" => r#"call get_time / args {} / end / text " so""#,
    "<|channel|>commentary to=bash<|message|>{\"command\": \"ls" => r#"call bash / args {"command": "ls / cut"#,
    "<|channel|>analysis<|message|>hm" => r#"think "hm""#,
    "<|channel|>analysis<|message|>hm<|end|>" => r#"think "hm""#,
);

t!(what_no_header_introduces_is_text, addressed(),
    "Plain words, and <|channel|>analysis in them." => r#"text "Plain words, and <|channel|>analysis in them.""#,
    " \n" => r#"text " \n""#,
    " Plain" => r#"text " Plain""#,
    "The marker <|start|> begins a message." => r#"text "The marker <|start|> begins a message.""#,
    "<|channel|>analysis and no more" => r#"text "<|channel|>analysis and no more""#,
    "<|start|><|start|>assistant<|channel|>final<|message|>Hi." => r#"text "<|start|>Hi.""#,
    "<|channel|>final<|message|>A<|start|>B" => r#"text "A<|start|>B""#,
    // Nobody that was offered: to the letter, its end too.
    "<|start|>assistant to=python<|channel|>commentary<|message|>print()<|call|>" => r#"text "<|start|>assistant to=python<|channel|>commentary<|message|>print()<|call|>""#,
    "<|channel|>commentary to=get_time<|message|>nothing<|call|>" => r#"text "<|channel|>commentary to=get_time<|message|>nothing<|call|>""#,
    "<|start|>assistant to=python<|message|>1<|call|> <|channel|>commentary to=get_time<|message|>{}<|call|>"
        => r#"text "<|start|>assistant to=python<|message|>1<|call|>" / call get_time / args {} / end"#,
    "<|channel|>final<|message|>A<|start|>assistant to=python<|message|>1<|call|>B"
        => r#"text "A<|start|>assistant to=python<|message|>1B""#,
    "<|channel|>final<|message|>A<|en" => r#"text "A<|en""#,
    "<|en" => r#"text "<|en""#,
    // An end of nothing, where a message could begin.
    "<|call|><|channel|>final<|message|>Hi." => r#"text "Hi.""#,
);

t!(a_prompt_may_have_opened_the_thought, Case { reasoning: Reasoning::Open, ..addressed() },
    "hm<|end|><|start|>assistant<|channel|>final<|message|>Hi.<|return|>" => r#"think "hm" / text "Hi.""#,
    "hm <|start|>assistant to=get_time<|message|>{}" => r#"think "hm " / call get_time / args {} / end"#,
);

t!(calls_may_stand_in_a_message, sectioned(),
    " to=bash<|message|><calls>\n<invoke name=\"bash\">\n<p name=\"command\">ls</p>\n</invoke>\n</calls><|eom|><|start|>assistant to=get_time<|message|><calls><invoke name=\"get_time\"></invoke></calls><|eot|>"
        => r#"call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
    "to=self<|message|>I could <calls><invoke name=\"get_time\"></invoke></calls><|eom|><|start|>assistant to=user<|message|>I did: <calls><invoke name=\"get_time\"></invoke></calls><|eot|>"
        => r#"think "I could <calls><invoke name=\"get_time\"></invoke></calls>" / text "I did: <calls><invoke name=\"get_time\"></invoke></calls>""#,
    "to=get_time<|message|>Now: <calls><invoke name=\"get_time\"></invoke></calls><|eot|>" => r#"text "Now: " / call get_time / args {} / end"#,
    "<|message|>Hi.<|eot|>" => r#"text "Hi.""#,
    // Without messages they are found as well.
    "Hi <calls><invoke name=\"get_time\"></invoke></calls> so" => r#"text "Hi " / call get_time / args {} / end / text " so""#,
    "to=nope<|message|><calls><invoke name=\"nope\"></invoke></calls><|eom|>" => r#"text "to=nope<|message|><calls><invoke name=\"nope\"></invoke></calls><|eom|>""#,
);

t!(a_name_alone_may_begin_an_answer, named(),
    "all\nHi.\n" => r#"text "Hi.\n""#,
    "get_time\n{}" => "call get_time / args {} / end",
    "all\nI look.>>>get_time\n{}>>>bash\n{\"command\": \"ls\"}<|eot|>"
        => r#"text "I look." / call get_time / args {} / end / call bash / args {"command": "ls"} / end"#,
    "The weather" => r#"text "The weather""#,
    "all is well\n" => r#"text "all is well\n""#,
    "get_time" => r#"text "get_time""#,
    "get_time is a tool\n" => r#"text "get_time is a tool\n""#,
    "all\n>>> 1 + 1\n2" => r#"text ">>> 1 + 1\n2""#,
);

t!(what_ends_the_header_may_say_what_follows, marked(),
    "<|text|>Hi.<|end|><|model|><|json|>{\"name\": \"get_time\", \"args\": {}}<|end|>" => r#"text "Hi." / call get_time / args {} / end"#,
    "bash<|json|>{\"name\": \"bash\", \"args\": {\"command\": \"a<|end|>\"}}<|end|><|model|>get_time<|json|>{\"name\": \"get_time\", \"args\": {}}"
        => r#"call bash / args {"command": "a<|end|>"} / end / call get_time / args {} / end"#,
    "<|thinking|>hm<|end|><|json|>{\"name\": \"get_time\"}" => r#"think "hm" / call get_time / args {} / end"#,
    "Hi.<|model|>get_time<|json|>{\"name\": \"get_time\"}<|end|>" => r#"text "Hi." / call get_time / args {} / end"#,
    "<|json|>{\"name\": \"nope\"}<|end|><|json|>{\"name\": \"get_time\"}<|end|>"
        => r#"text "<|json|>{\"name\": \"nope\"}<|end|>" / call get_time / args {} / end"#,
);

#[test]
fn a_message_header_has_a_length() {
    let text = format!("<|channel|>{}<|message|>Hi.", "x".repeat(600));
    addressed().check(&text, &format!("text {text:?}"));
}
