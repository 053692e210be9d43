//! Model as the small pages tell of it, and when two names are one.

/// A model that is offered. What is not known is said to be unknown, empty, or nothing at all; nothing is made up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// As clients ask for it.
    pub name: String,
    /// Bytes of its weights. Unknown, it is 0: clients want a number.
    pub size: Option<u64>,
    /// How many parameters it has. Unknown, the text for people is empty and the count is left out.
    pub parameters: Option<u64>,
    /// Such as `Q4_K_M`. Unknown, it is `unknown`, as Ollama has it.
    pub quantization: Option<String>,
    /// Tokens that one conversation may have. Unknown, it is left out.
    pub context_length: Option<u64>,
    /// Such as the first word in a GGUF's keys. Unknown, it is `unknown`.
    pub architecture: Option<String>,
    /// Its chat template. Unknown, it is empty.
    pub template: Option<String>,
    pub capabilities: Vec<Capability>,
    /// When it was made or first seen, in seconds since 1970 began. Clients refuse a list without a time.
    pub modified: u64,
}

/// What a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    Completion,
    Tools,
    Thinking,
    Vision,
    Audio,
    Embedding,
}

impl Capability {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::Tools => "tools",
            Self::Thinking => "thinking",
            Self::Vision => "vision",
            Self::Audio => "audio",
            Self::Embedding => "embedding",
        }
    }
}

/// Whether two names are of one model: `x`, `x:latest`, in any case.
pub fn same_name(one: &str, other: &str) -> bool {
    name_key(one) == name_key(other)
}

/// What all names of one model have in common, for whoever looks them up.
pub fn name_key(name: &str) -> String {
    let key = name.to_lowercase();
    match tag(&key) {
        Some(LATEST) => key.strip_suffix(LATEST).and_then(|key| key.strip_suffix(':')).unwrap_or(&key).to_owned(),
        _ => key,
    }
}

/// A name without the tag that is meant where there is none. `None` where it has no such tag.
pub fn untagged(name: &str) -> Option<&str> {
    tag(name).filter(|tag| tag.eq_ignore_ascii_case(LATEST))?;
    let at = name.len().checked_sub(LATEST.len() + 1)?;
    name.get(..at).filter(|bare| !bare.is_empty())
}

/// The name with its tag.
pub(super) fn tagged(name: &str) -> String {
    match tag(name) {
        Some(_) => name.to_owned(),
        None => [name, ":", LATEST].concat(),
    }
}

/// What follows the last colon after the last slash.
fn tag(name: &str) -> Option<&str> {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.rsplit_once(':').map(|(_, tag)| tag)
}

const LATEST: &str = "latest";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_model_are_one() {
        for (one, other, expected) in [
            ("x", "x:latest", true),
            ("X:Latest", "x", true),
            ("Ünder/x", "ünder/X:LATEST", true),
            ("x:8b", "X:8B", true),
            ("x:8b", "x", false),
            ("host:11434/x", "host:11434/x:latest", true),
            ("host:latest/x", "host/x", false),
            ("latest", "", false),
            ("", ":latest", true),
        ] {
            assert_eq!(same_name(one, other), expected, "{one} {other}");
        }
        let bare = ["x:latest", "h:1/X:Latest", "x", "x:8b", "h:latest/x", ":latest", "ü:LATEST"].map(untagged);
        assert_eq!(bare, [Some("x"), Some("h:1/X"), None, None, None, None, Some("ü")]);
        assert_eq!([tagged("x"), tagged("h:1/x"), tagged("x:8b")], ["x:latest", "h:1/x:latest", "x:8b"]);
    }
}
