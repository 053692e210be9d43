//! Which blocks come of what is said, by tables.

use std::borrow::Cow;

use super::*;
use crate::json::{escape_into, unescape_into};

/// Shows blocks as they are written, a line each; `~` where one has not ended.
#[derive(Default)]
struct Shown {
    lines: Vec<String>,
    is_open: bool,
}

impl Sink for Shown {
    fn begin(&mut self, block: Block<'_>) {
        assert!(!std::mem::replace(&mut self.is_open, true), "blocks overlap");
        self.lines.push(match block {
            Block::Words(Kind::Text) => "text ".to_owned(),
            Block::Words(Kind::Thinking) => "thinking ".to_owned(),
            Block::Call { id, name } => format!("{id}={name} "),
        });
    }

    fn piece(&mut self, inside: &str) {
        assert!(self.is_open && !inside.is_empty());
        unescape_into(inside, self.lines.last_mut().unwrap()).unwrap();
    }

    fn end(&mut self) {
        assert!(std::mem::take(&mut self.is_open));
    }
}

/// Says words (`text a`, `thinking a`) and pieces of calls: place, id, name and arguments (`0 a f {}`), of which `-` is none.
fn say(blocks: &mut Blocks, said: &[&str], shown: &mut Shown) {
    for said in said {
        let (what, rest) = said.split_once(' ').unwrap();
        let escaped = |text: &str| {
            let mut inside = String::new();
            escape_into(text, &mut inside);
            inside
        };
        let Ok(place) = what.parse() else {
            let kind = if what == "text" { Kind::Text } else { Kind::Thinking };
            blocks.say(kind, &escaped(rest), shown);
            continue;
        };
        let mut parts = rest.splitn(3, ' ').map(|part| if part == "-" { "" } else { part });
        let mut next = || parts.next().unwrap();
        let (id, name, arguments) = (next(), next(), escaped(next()));
        blocks.take(&CallPiece { place, id, name, arguments: Cow::Borrowed(&arguments) }, shown);
    }
}

fn blocks_of(said: &[&str], bytes_max: usize) -> Vec<String> {
    let mut blocks = Blocks::new(bytes_max);
    let mut shown = Shown::default();
    say(&mut blocks, said, &mut shown);
    blocks.finish(&mut shown);
    assert!(!shown.is_open);
    shown.lines
}

#[test]
fn words_are_blocks_in_their_order() {
    for (said, expected) in [
        (&[][..], &["text "][..]),
        (&["text ", "thinking "], &["text "]),
        (&["text a", "text b"], &["text ab"]),
        (&["text a", "thinking b", "thinking c", "text d"], &["text a", "thinking bc", "text d"]),
        (&["thinking a", "0 x f {}", "thinking b"], &["thinking a", "x=f {}", "thinking b"]),
        (&["text a", "0 x f {}", "text b", "1 y g {}"], &["text a", "x=f {}", "text b", "y=g {}"]),
    ] {
        assert_eq!(blocks_of(said, usize::MAX), expected, "{said:?}");
    }
}

#[test]
fn white_space_alone_is_no_block() {
    for (said, expected) in [
        (&["text \n", "text  ", "text a\n"][..], &["text \n a\n"][..]),
        (&["text a", "text \n", "0 x f {}"], &["text a\n", "x=f {}"]),
        (&["text \n", "0 x f {}"], &["x=f {}"]),
        (&["0 x f {}", "text \n", "1 y g {}", "text \n"], &["x=f {}", "y=g {}"]),
        (&["0 x f {}", "text \n", "text a"], &["x=f {}", "text \na"]),
        (&["thinking a\n", "text \n", "text \nb"], &["thinking a\n", "text b"]),
        (&["thinking a", "text \n", "thinking b"], &["thinking ab"]),
        (&["thinking a", "text \n", "0 x f {}"], &["thinking a", "x=f {}"]),
        (&["text \n", "thinking a", "text b"], &["thinking a", "text b"]),
        (&["text \n", "text \n"], &["text \n\n"]),
        (&["thinking a", "text \n"], &["thinking a"]),
    ] {
        assert_eq!(blocks_of(said, usize::MAX), expected, "{said:?}");
    }
    let long = " ".repeat(SPACE_BYTES_MAX);
    let text = format!("text {long}");
    assert_eq!(blocks_of(&[&text, "0 x f {}"], usize::MAX), ["x=f {}"]);
    assert_eq!(blocks_of(&[&text, "text  ", "0 x f {}"], usize::MAX), [format!("text {long} "), "x=f {}".to_owned()]);
}

#[test]
fn a_call_goes_on_with_its_own_pieces_alone() {
    for (said, expected) in [
        (&["0 x f -", "0 - - {\"a", "0 - - \":1}"][..], &[r#"x=f {"a":1}"#][..]),
        // It is said who calls, piece by piece.
        (&["0 x f {", "0 x f }"], &["x=f {}"]),
        (&["0 x - -", "0 - f {", "0 - - }"], &["x=f {}"]),
        (&["0 - f -", "0 x - {}"], &["x=f {}"]),
        // A place is used again.
        (&["0 x f {}", "0 y g {}"], &["x=f {}", "y=g {}"]),
        (&["0 x f {", "0 y g {", "0 - - }"], &["x=f {", "y=g {}"]),
        // They come in turns.
        (&["0 x f {", "1 y g {", "0 - - }", "1 - - }"], &["x=f {}", "y=g {}"]),
        (&["0 x f {", "1 y g {", "2 z h {}", "1 - - }", "0 - - }"], &["x=f {}", "y=g {}", "z=h {}"]),
        (&["0 x f {", "text a", "thinking b", "thinking c", "0 - - }"], &["x=f {}", "text a", "thinking bc"]),
        (&["0 x f {", "text a", "text b", "1 y g {}"], &["x=f {", "text ab", "y=g {}"]),
        (&["0 x f {", "text \n", "1 y g {}"], &["x=f {", "y=g {}"]),
        // Nothing more can come of what is no JSON.
        (&["0 x f {\"a\":1}}", "text a"], &["x=f {\"a\":1}", "text a"]),
        (&["0 x f {z", "text a", "0 - - more"], &["x=f {", "text a"]),
        (&["0 x f [1", "0 - - ]"], &["x=f {\"value\":[1]}"]),
        (&["0 x f 1", "0 - - 2", "text a"], &["x=f {\"value\":12}", "text a"]),
        // What nobody began is text, if it is not the end of another.
        (&["0 - - {}"], &["text {}"]),
        (&["0 x - {}"], &["text {}"]),
        (&["0 x - -"], &["text "]),
        (&["0 x f {}", "text a", "0 - - {}", "1 - - b"], &["x=f {}", "text ab"]),
        (&["0 x.y f {}"], &["tgb_eC55=f {}"]),
    ] {
        assert_eq!(blocks_of(said, usize::MAX), expected, "{said:?}");
    }
}

#[test]
fn a_call_that_has_no_id_gets_one_before_its_arguments() {
    for said in [&["0 - f -"][..], &["0 - f {}"], &["0 - f {", "0 late - }"], &["0 - f -", "0 - - {}"]] {
        let [call] = &blocks_of(said, usize::MAX)[..] else { panic!("{said:?}") };
        let (id, rest) = call.split_once('=').unwrap();
        assert!(id.starts_with("toolu_") && id.len() == 30 && rest.starts_with("f "), "{call}");
    }
    for said in [["0 - f {}", "0 - g {}"], ["0 - f {}", "0 y g {}"]] {
        let two = blocks_of(&said, usize::MAX);
        assert!(two.len() == 2 && two[0].ends_with("=f {}") && two[1].ends_with("=g {}"), "{two:?}");
    }
}

#[test]
fn what_waits_has_its_limit() {
    let said = ["0 x f {", "text abc", "1 y g {}", "0 - - }"];
    assert_eq!(blocks_of(&said, 1000), ["x=f {}", "text abc", "y=g {}"]);
    // The call ends as it is, and what still comes of it is dropped.
    assert_eq!(blocks_of(&said, 100), ["x=f {", "text abc", "y=g {}"]);
    let held = format!("0 x - {}", "a".repeat(101));
    assert_eq!(blocks_of(&[&held, "text b"], 100), [format!("text {}b", "a".repeat(101))]);
    let calls: Vec<String> = (1..300).map(|place| format!("{place} {place} f {{}}")).collect();
    let mut blocks = Blocks::new(usize::MAX);
    let mut shown = Shown::default();
    say(&mut blocks, &["0 x f {"], &mut shown);
    for (at, call) in calls.iter().enumerate() {
        say(&mut blocks, &[call], &mut shown);
        assert_eq!(shown.lines.len() > 1, at >= 128, "so many wait, and no more");
    }
}

#[test]
fn more_may_follow_what_was_closed() {
    let mut blocks = Blocks::new(usize::MAX);
    let mut shown = Shown::default();
    say(&mut blocks, &["0 x f {", "text a"], &mut shown);
    blocks.close(&mut shown);
    blocks.close(&mut shown);
    say(&mut blocks, &["text b", "1 y g {}"], &mut shown);
    blocks.finish(&mut shown);
    assert_eq!(shown.lines, ["x=f {", "text a", "text b", "y=g {}"]);
    assert!(blocks.has_calls() && !Blocks::new(0).has_calls());
}
