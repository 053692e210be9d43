//! Shapes of the answer that a client asks for in the engine's own words, beside tools.

use super::*;
use crate::engine::Constraint;

/// Of a client's own words for what the answer may be nothing is left that could forbid a call which is required, by
/// whichever means that is brought about; where none is, they stay.
#[test]
fn what_a_client_says_of_the_answers_shape_gives_way_to_a_required_call() {
    let shapes = [
        (Engine::LlamaCpp, &["grammar", "json_schema"][..]),
        (Engine::LlamaSwap, &["grammar", "json_schema"]),
        (
            Engine::Vllm,
            &["structured_outputs", "structural_tag", "guided_json", "guided_regex", "guided_choice", "guided_grammar"],
        ),
        (Engine::Sglang, &["ebnf", "regex", "structural_tag"]),
        (Engine::Ollama, &["format"]),
        (Engine::OpenAi, &[]),
    ];
    for (engine, keys) in shapes {
        for constraint in [Constraint::Grammar, Constraint::Schema, Constraint::None] {
            for key in keys.iter().chain(&["response_format"]) {
                for choice in ["required", "auto"] {
                    let own = r#"{"type":"of the client"}"#;
                    let body = format!(
                        r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{TOOLS},"tool_choice":"{choice}","{key}":{own}}}"#
                    );
                    let mut policy = policy("hermes", ToolsMode::Inject, engine);
                    policy.tools.iter_mut().for_each(|tools| tools.constraint = constraint);
                    let Ok(Rewritten::Body { bytes, shape, .. }) = rewritten(&body, &policy) else { panic!("{body}") };
                    let expected = if choice == "auto" { Shape::Kept } else { Shape::Dropped };
                    let is_kept = Object::of_body(&bytes).unwrap().get(key) == Some(own);
                    assert_eq!((shape, is_kept), (expected, choice == "auto"), "{engine:?} {constraint:?} {key}");
                }
            }
        }
    }
}
