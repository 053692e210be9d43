//! Any blocks in any order: nothing of them is lost, results stand behind their calls, and a conversation that goes on
//! begins as it did before.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A message of a conversation, its texts numbered by their places later.
#[derive(Clone, Debug)]
enum Said {
    User(Vec<Thing>),
    Assistant(Vec<Thing>),
    System,
}

#[derive(Clone, Copy, Debug)]
enum Thing {
    Text,
    Image,
    Thought,
    /// A call in the assistant's words, the result of one in the user's.
    Call,
    Empty,
}

fn a_message() -> impl Strategy<Value = Said> {
    let thing = prop_oneof![
        3 => Just(Thing::Text),
        1 => Just(Thing::Image),
        1 => Just(Thing::Thought),
        3 => Just(Thing::Call),
        1 => Just(Thing::Empty),
    ];
    let things = prop::collection::vec(thing, 0..5);
    prop_oneof![
        3 => things.clone().prop_map(Said::User),
        3 => things.prop_map(Said::Assistant),
        1 => Just(Said::System),
    ]
}

/// The messages as a client writes them, and their texts, each of which occurs once.
fn written(said: &[Said]) -> (Vec<Value>, Vec<String>) {
    let (mut texts, mut open) = (vec![], vec![]);
    let mut text = |kind: &str| {
        texts.push(format!("{kind}{}.\n", texts.len()));
        texts[texts.len() - 1].clone()
    };
    let messages = said.iter().enumerate().map(|(at, said)| match said {
        Said::System => json!({"role": "system", "content": text("s")}),
        Said::Assistant(things) => {
            let blocks = things.iter().enumerate().map(|(place, thing)| match thing {
                Thing::Thought => json!({"type": "thinking", "thinking": text("h"), "signature": ""}),
                Thing::Call => {
                    let id = format!("call_{at}_{place}");
                    open.push(id.clone());
                    json!({"type": "tool_use", "id": id, "name": "f", "input": {"x": text("i")}})
                }
                Thing::Empty => json!({"type": "text", "text": ""}),
                Thing::Text | Thing::Image => json!({"type": "text", "text": text("a")}),
            });
            json!({"role": "assistant", "content": blocks.collect::<Vec<_>>()})
        }
        Said::User(things) => {
            let blocks = things.iter().map(|thing| match thing {
                Thing::Call => match open.pop() {
                    Some(id) => json!({"type": "tool_result", "tool_use_id": id, "content": text("r")}),
                    None => json!({"type": "text", "text": text("u")}),
                },
                Thing::Image => serde_json::from_str(PNG).unwrap(),
                Thing::Empty => json!({"type": "text", "text": ""}),
                Thing::Text | Thing::Thought => json!({"type": "text", "text": text("u")}),
            });
            json!({"role": "user", "content": blocks.collect::<Vec<_>>()})
        }
    });
    (messages.collect(), texts)
}

/// What a conversation becomes. It ends with words of the user's, so that nothing of it is a text to go on with.
fn becomes(messages: &[Value], server: &Server) -> Vec<Value> {
    let mut messages = messages.to_vec();
    messages.push(json!({"role": "user", "content": "end"}));
    let (conversation, _) = conversation(&json!(messages).to_string(), server).unwrap();
    assert_eq!(conversation.prefill, None);
    serde_json::from_str(&conversation.messages).unwrap()
}

fn roles(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["role"].as_str().unwrap()).collect()
}

proptest! {
    /// Voices take turns: results first, at once behind what the assistant said, and no system message but the first.
    #[test]
    fn voices_take_turns(said in prop::collection::vec(a_message(), 0..8), engine in prop::sample::select(&Engine::ALL[..])) {
        let (messages, _) = written(&said);
        let told = becomes(&messages, &server(engine, None));
        let turns: Vec<_> = said.iter().skip_while(|said| matches!(said, Said::System)).collect();
        for pair in roles(&told).windows(2) {
            let fits = match pair[1] {
                "system" => false,
                "assistant" => pair[0] != "assistant",
                "tool" => pair[0] == "assistant" || pair[0] == "tool"
                    || matches!(turns.first(), Some(Said::User(_))) && pair[0] == "system",
                _ => pair[0] != "user",
            };
            prop_assert!(fits, "{pair:?} in {told:?}");
        }
    }

    /// Each text is told once, and those of one voice in the order in which they were said.
    #[test]
    fn nothing_is_lost(said in prop::collection::vec(a_message(), 0..8), engine in prop::sample::select(&Engine::ALL[..])) {
        let (messages, texts) = written(&said);
        let told = json!(becomes(&messages, &server(engine, None))).to_string();
        let images = json!(messages).to_string().matches("iVBORw0K").count();
        prop_assert_eq!(told.matches("iVBORw0K").count(), images);
        let mut places = vec![];
        for text in &texts {
            // Arguments are JSON in a string.
            let found: Vec<_> = told.match_indices(text.trim_end()).map(|(at, _)| at).collect();
            prop_assert_eq!(found.len(), 1, "{} in {}", text, &told);
            places.push((text.chars().next(), found[0]));
        }
        for kind in ['u', 'a', 'h', 'i', 'r'] {
            let own = places.iter().filter(|(own, _)| *own == Some(kind)).map(|(_, at)| *at);
            prop_assert!(own.is_sorted(), "{} in {}", kind, &told);
        }
    }

    /// A conversation that goes on begins as it did before, so that servers find it in their caches.
    #[test]
    fn a_conversation_that_goes_on_begins_as_it_did(
        said in prop::collection::vec(a_message(), 0..6),
        more in prop::collection::vec(a_message(), 0..4),
        engine in prop::sample::select(&Engine::ALL[..]),
        sees in prop::sample::select(vec![None, Some(false)]),
    ) {
        let server = server(engine, sees);
        let (before, _) = written(&said);
        let told = becomes(&before, &server);
        let (mut all, _) = written(&said);
        all.push(json!({"role": "user", "content": "end"}));
        all.push(json!({"role": "assistant", "content": "answer"}));
        all.extend(written(&more).0);
        let later = becomes(&all, &server);
        prop_assert!(later.len() > told.len());
        prop_assert_eq!(&later[..told.len()], &told[..]);
    }
}
