//! Engines that are named, and those that are to be found.

use super::*;

#[test]
fn an_engine_is_named_or_to_be_found() {
    for (keys, expected) in [
        ("", (Engine::LlamaCpp, EngineChoice::Auto)),
        (", engine: auto", (Engine::LlamaCpp, EngineChoice::Auto)),
        (", engine: llama.cpp", (Engine::LlamaCpp, EngineChoice::Named)),
        (", engine: openai", (Engine::OpenAi, EngineChoice::Named)),
    ] {
        let pool = &good(&format!("pools: [{{name: a, peers: http://h{keys}}}]")).pools[0];
        assert_eq!((pool.engine, pool.engine_choice), expected, "{keys}");
    }
    let of = |name| Config::from_upstreams(&["http://h".to_owned()], &[], None).unwrap().with_engine(name);
    let found = |name| of(name).map(|config| (config.pools[0].engine, config.pools[0].engine_choice)).unwrap();
    assert_eq!(found("auto"), (Engine::LlamaCpp, EngineChoice::Auto));
    assert_eq!(found("sglang"), (Engine::Sglang, EngineChoice::Named));
    assert!(of("vlm").is_err());
}

#[test]
fn what_an_engine_that_was_found_has_no_use_for_is_off_and_told() {
    for (keys, engine, expected, told) in [
        ("", Engine::LlamaCpp, (Chats::Tools, Chats::Tools, ToolsChoice::Auto), &[][..]),
        ("", Engine::Vllm, (Chats::Off, Chats::Off, ToolsChoice::Auto), &[]),
        ("assemble: off, tools: parse", Engine::Vllm, (Chats::Off, Chats::Off, ToolsChoice::Parse), &[]),
        (
            "assemble: all, progress: all, tools: parse, models_loaded: {preload: x}",
            Engine::Sglang,
            (Chats::Off, Chats::Off, ToolsChoice::Inject),
            &["assemble", "progress", "tools: parse", "models_loaded"],
        ),
    ] {
        let pool = &good(&format!("pools: [{{name: a, peers: http://h, {keys}}}]")).pools[0];
        let suited = pool.suited_to(engine);
        assert_eq!((suited.assemble, suited.progress, suited.tools), expected, "{keys} {engine:?}");
        let useless: Vec<_> = pool.useless_with(engine).collect();
        let words: Vec<_> = useless.iter().map(|word| word.split_once(" is for ").unwrap().0).collect();
        assert_eq!(words, told, "{keys} {engine:?}");
    }
}
