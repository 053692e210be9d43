//! Frames of a stream: its events as they are written, each with its name in front of its data.
//! Chooses none; what a delta has around its text is written once a block.

use std::fmt::Write;

use super::blocks::{Block, Kind, Sink};

/// The blocks of one stream.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// How many blocks have ended.
    index: u64,
    is_thought: bool,
    /// The beginning of the open block's deltas.
    head: String,
}

impl Frames {
    /// The number of a block that is written elsewhere. None may be open.
    pub(super) fn take_index(&mut self) -> u64 {
        let index = self.index;
        self.index += 1;
        index
    }
}

/// Appends what blocks are made of.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) frames: &'a mut Frames,
    pub(super) out: &'a mut String,
}

impl Sink for Writer<'_> {
    fn begin(&mut self, block: Block<'_>) {
        let (frames, out) = (&mut *self.frames, &mut *self.out);
        let index = frames.index;
        // Writing to a string does not fail.
        let _ = write!(out, "{BLOCK_START}{index},\"content_block\":{{\"type\":\"");
        let delta = match block {
            Block::Words(Kind::Text) => {
                out.push_str("text\",\"text\":\"");
                "text_delta\",\"text\":\""
            }
            Block::Words(Kind::Thinking) => {
                out.push_str("thinking\",\"thinking\":\"\",\"signature\":\"");
                "thinking_delta\",\"thinking\":\""
            }
            Block::Call { id, name } => {
                out.extend(["tool_use\",\"id\":\"", id, "\",\"name\":\"", name, "\",\"input\":{"]);
                "input_json_delta\",\"partial_json\":\""
            }
        };
        out.push_str(if matches!(block, Block::Call { .. }) { "}}}\n\n" } else { "\"}}\n\n" });
        frames.is_thought = block == Block::Words(Kind::Thinking);
        frames.head.clear();
        let _ = write!(frames.head, "{BLOCK_DELTA}{index},\"delta\":{{\"type\":\"{delta}");
    }

    fn piece(&mut self, inside: &str) {
        self.out.extend([self.frames.head.as_str(), inside, "\"}}\n\n"]);
    }

    fn end(&mut self) {
        let (index, out) = (self.frames.index, &mut *self.out);
        if self.frames.is_thought {
            let _ = write!(
                out,
                "{BLOCK_DELTA}{index},\"delta\":{{\"type\":\"signature_delta\",\"signature\":\"{SIGNATURE}\"}}}}\n\n"
            );
        }
        let _ = write!(out, "{BLOCK_STOP}{index}}}\n\n");
        self.frames.index += 1;
    }
}

/// What a client hears that waits and is not forgotten. It may stand between any two events.
pub fn ping() -> &'static str {
    "event: ping\ndata: {\"type\":\"ping\"}\n\n"
}

/// Of thoughts. None at all would make another message of them for some clients; what it says nobody asks here.
pub(super) const SIGNATURE: &str = "toolgate";

pub(super) const BLOCK_START: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":";
pub(super) const BLOCK_DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":";
pub(super) const BLOCK_STOP: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_begun_goes_on_and_ends() {
        for (block, expected) in [
            (
                Block::Words(Kind::Text),
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a\n"}}
{"type":"content_block_stop","index":1}"#,
            ),
            (
                Block::Words(Kind::Thinking),
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"a\n"}}
{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"toolgate"}}
{"type":"content_block_stop","index":1}"#,
            ),
            (
                Block::Call { id: "i", name: "f" },
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"i","name":"f","input":{}}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"a\n"}}
{"type":"content_block_stop","index":1}"#,
            ),
        ] {
            let mut frames = Frames { index: 1, ..Frames::default() };
            let mut out = String::new();
            let mut writer = Writer { frames: &mut frames, out: &mut out };
            writer.begin(block);
            writer.piece("a\\n");
            writer.end();
            let data: Vec<_> =
                out.split_terminator("\n\n").map(|event| event.split_once("\ndata: ").unwrap()).collect();
            assert!(
                data.iter()
                    .all(|(name, data)| data.starts_with(&format!("{{\"type\":\"{}\"", &name["event: ".len()..])))
            );
            assert_eq!(data.iter().map(|(_, data)| *data).collect::<Vec<_>>().join("\n"), expected);
            assert_eq!(frames.index, 2);
        }
    }
}
