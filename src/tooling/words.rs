//! Words of a command line, and the list of commands that may be run without a shell.
//! Expands nothing and runs nothing: what a shell would do something with is refused, unless it is quoted.

/// The commands that may be run; without any, all may, by a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Prefix>);

/// A beginning of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Prefix {
    words: Vec<String>,
    /// As the operator wrote it.
    written: String,
}

/// A prefix that no command can begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no beginning of a command: a program's name and words, without what a shell reads")]
pub struct PrefixError(String);

impl AllowList {
    /// Reads prefixes. Fails with the first that can be no command's beginning.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, PrefixError> {
        let prefix = |written: &str| {
            let words = words(written).ok_or_else(|| PrefixError(written.to_owned()))?;
            Ok(Prefix { words, written: written.to_owned() })
        };
        prefixes.into_iter().map(prefix).collect::<Result<_, _>>().map(Self)
    }

    /// Whether all commands may be run, by a shell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The prefixes, as they were written.
    pub fn prefixes(&self) -> Vec<String> {
        self.0.iter().map(|prefix| prefix.written.clone()).collect()
    }

    /// The words of a command that begins with all words of a prefix; no shell is to see them. None where it does not,
    /// or where a shell would do more than take it apart.
    pub fn admit(&self, command: &str) -> Option<Vec<String>> {
        let words = words(command)?;
        self.0.iter().any(|prefix| words.starts_with(&prefix.words)).then_some(words)
    }

    pub(super) fn shown(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.prefixes().join(", "))
    }
}

/// What a shell does something with, when it is not quoted.
const META: &str = ";&|<>()$`{}*?[]~#!\n\r";
/// What it does something with between double quotes.
const META_QUOTED: &str = "$`";
/// What a backslash takes away the meaning of, between double quotes.
const ESCAPED: &str = "$`\"\\";

/// The words of one plain command, quotes taken off. None where it is more than that, or nothing.
fn words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_assignment = false;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let (quoted, rest) = letters.as_str().split_once('\'')?;
                word.get_or_insert_default().push_str(quoted);
                letters = rest.chars();
            }
            '"' => quoted(&mut letters, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(letters.next().filter(|letter| *letter != '\n')?),
            letter if META.contains(letter) => return None,
            letter => {
                // Only what is not quoted assigns; to be sure, a name of a program may have none at all.
                is_assignment |= letter == '=' && words.is_empty();
                word.get_or_insert_default().push(letter);
            }
        }
    }
    words.extend(word);
    let program = words.first()?;
    // A path could name anything, the workspace's own files among it.
    let is_name = !program.is_empty() && !program.contains('/') && !is_assignment;
    is_name.then_some(words)
}

/// Reads to the closing double quote.
fn quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match letters.next()? {
            '"' => return Some(()),
            '\\' => match letters.next()? {
                letter if ESCAPED.contains(letter) => word.push(letter),
                // A shell takes the line's end away.
                '\n' => return None,
                letter => word.extend(['\\', letter]),
            },
            letter if META_QUOTED.contains(letter) => return None,
            letter => word.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_a_shell_would_make() {
        for (command, expected) in [
            ("ls", &["ls"][..]),
            ("  ls \t -l  ", &["ls", "-l"]),
            ("echo 'a  b' c", &["echo", "a  b", "c"]),
            ("echo 'a; id' \"b|c\"", &["echo", "a; id", "b|c"]),
            (r#"echo a\ b "c\"d\\e\f" 'g\h'"#, &["echo", "a b", "c\"d\\e\\f", r"g\h"]),
            ("echo '' \"\"", &["echo", "", ""]),
            ("e'ch'o a\"b\"c", &["echo", "abc"]),
            ("echo A=1 \\$HOME '$HOME' '`id`'", &["echo", "A=1", "$HOME", "$HOME", "`id`"]),
            ("echo \"a\nb\" 'c\nd'", &["echo", "a\nb", "c\nd"]),
        ] {
            assert_eq!(
                words(command).as_deref(),
                Some(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn what_a_shell_does_something_with_is_refused() {
        for meta in META.chars() {
            assert_eq!(words(&format!("echo a{meta}b")), None, "{meta:?}");
            assert_eq!(words(&format!("echo a {meta} id")), None, "{meta:?}");
        }
        for command in [
            "",
            "   ",
            "''",
            "'' a",
            "A=1 id",
            "A=1",
            "A='1' id",
            "/bin/echo a",
            "./echo",
            "'/bin/echo' a",
            "echo 'a",
            "echo \"a",
            "echo a\\",
            "echo \"$HOME\"",
            "echo \"`id`\"",
            "echo a\\\nb",
            "echo \"a\\\nb\"",
            "echo a\r\nid",
        ] {
            assert_eq!(words(command), None, "{command:?}");
        }
    }

    #[test]
    fn a_prefix_is_whole_words() {
        let allow = AllowList::new(["echo", "git status", "ls"]).unwrap();
        for (command, is_allowed) in [
            ("echo", true),
            ("git status -s", true),
            ("git 'status'", true),
            ("git  status", true),
            ("git", false),
            ("git diff", false),
            ("git 'status -s'", false),
            ("git statusx", false),
            ("echohi", false),
            ("rm -rf /", false),
        ] {
            assert_eq!(allow.admit(command).is_some(), is_allowed, "{command}");
        }
        assert!(AllowList::new(["git status; id"]).is_err());
        assert!(AllowList::new([" "]).is_err());
    }
}
