//! Rules of a grammar in GBNF, as llama.cpp reads it and xgrammar's EBNF does too: their names, their sizes, and texts
//! that hold none of several others. Knows nothing of calls and schemas.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;

/// Servers read a grammar for each request, and keep its rules as long as the answer takes.
pub const BYTES_MAX: usize = 64 << 10;

/// The rules of one grammar. Equal ones are one.
#[derive(Debug, Default)]
pub struct Rules {
    /// Each rule's name and what it stands for; one that is still to be defined stands for nothing.
    rules: Vec<(String, String)>,
    by_body: HashMap<String, usize>,
    /// Rules of what holds none of these texts.
    by_texts: HashMap<Vec<String>, String>,
    bytes: usize,
}

/// A rule whose name is known before what it stands for.
#[derive(Debug)]
pub struct Reserved(usize);

impl Rules {
    /// A rule for this expression, by its name.
    pub fn add(&mut self, kind: &str, body: String) -> String {
        if let Some((name, _)) = self.by_body.get(&body).and_then(|&at| self.rules.get(at)) {
            return name.clone();
        }
        let (name, Reserved(at)) = self.reserve(kind);
        self.by_body.insert(body.clone(), at);
        self.define(Reserved(at), body);
        name
    }

    /// A name for a rule that is defined later, so that it can refer to itself.
    pub fn reserve(&mut self, kind: &str) -> (String, Reserved) {
        let name = format!("{kind}-{}", self.rules.len());
        self.rules.push((name.clone(), String::new()));
        (name, Reserved(self.rules.len() - 1))
    }

    /// Says what a reserved name stands for.
    pub fn define(&mut self, reserved: Reserved, body: String) {
        if let Some(rule) = self.rules.get_mut(reserved.0) {
            self.bytes += rule.0.len() + body.len() + " ::= \n".len();
            rule.1 = body;
        }
    }

    /// Whether it is larger than a grammar may be, so that nothing more of it is needed.
    pub fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// The whole grammar, which begins with `root`.
    pub fn write(&self, root: &str) -> String {
        let mut out = format!("root ::= {root}\n");
        for (name, body) in &self.rules {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name} ::= {body}");
        }
        out
    }

    /// Any text in which none of these occurs: one rule for each state of their Aho-Corasick automaton that is no match.
    pub fn until(&mut self, texts: &[&str]) -> String {
        let mut texts: Vec<_> = texts.iter().filter(|text| !text.is_empty()).map(ToString::to_string).collect();
        texts.sort_unstable();
        texts.dedup();
        if let Some(name) = self.by_texts.get(&texts) {
            return name.clone();
        }
        let states = States::of(&texts);
        let open: Vec<_> = (0..states.list.len()).filter(|at| !states.is_match(*at)).collect();
        let reserved: Vec<_> = open.iter().map(|at| (*at, self.reserve("until"))).collect();
        let names: HashMap<usize, String> = reserved.iter().map(|(at, (name, _))| (*at, name.clone())).collect();
        for (at, (_, reserved)) in reserved {
            self.define(reserved, states.rule(at, &names));
        }
        let first = names.get(&0).cloned().unwrap_or_default();
        self.by_texts.insert(texts, first.clone());
        first
    }
}

/// The Aho-Corasick automaton of some texts, over characters.
struct States {
    list: Vec<State>,
    alphabet: Vec<char>,
}

#[derive(Debug, Default)]
struct State {
    next: BTreeMap<char, usize>,
    fail: usize,
    is_match: bool,
}

impl States {
    fn of(texts: &[String]) -> Self {
        let mut list = vec![State::default()];
        for text in texts {
            let mut at = 0;
            for c in text.chars() {
                let new = list.len();
                let Some(state) = list.get_mut(at) else { break };
                let next = *state.next.entry(c).or_insert(new);
                if next == new {
                    list.push(State::default());
                }
                at = next;
            }
            if let Some(state) = list.get_mut(at) {
                state.is_match = true;
            }
        }
        let mut alphabet: Vec<_> = texts.iter().flat_map(|text| text.chars()).collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let mut states = Self { list, alphabet };
        states.link();
        states
    }

    /// Finds where each state goes on when its text does not: breadth first, so that shorter ones are known.
    fn link(&mut self) {
        let mut queue: VecDeque<usize> = self.children(0).map(|(_, child)| child).collect();
        while let Some(at) = queue.pop_front() {
            let children: Vec<_> = self.children(at).collect();
            for (c, child) in children {
                let fail = self.list.get(at).map_or(0, |state| self.go(state.fail, c));
                let is_match = self.is_match(fail);
                if let Some(state) = self.list.get_mut(child) {
                    state.fail = fail;
                    state.is_match |= is_match;
                }
                queue.push_back(child);
            }
        }
    }

    fn children(&self, at: usize) -> impl Iterator<Item = (char, usize)> {
        self.list.get(at).into_iter().flat_map(|state| state.next.iter().map(|(c, child)| (*c, *child)))
    }

    fn is_match(&self, at: usize) -> bool {
        self.list.get(at).is_some_and(|state| state.is_match)
    }

    fn go(&self, mut at: usize, c: char) -> usize {
        loop {
            let Some(state) = self.list.get(at) else { return 0 };
            match state.next.get(&c) {
                Some(next) => return *next,
                None if at == 0 => return 0,
                None => at = state.fail,
            }
        }
    }

    /// The end of the text, or one character more. States that are matches have no name.
    fn rule(&self, at: usize, names: &HashMap<usize, String>) -> String {
        let mut by_next: BTreeMap<usize, Vec<char>> = BTreeMap::new();
        for c in &self.alphabet {
            by_next.entry(self.go(at, *c)).or_default().push(*c);
        }
        let mut out = String::from("\"\"");
        let mut others = Vec::new();
        for (next, chars) in &by_next {
            if *next == 0 {
                continue;
            }
            others.extend(chars);
            if let Some(name) = names.get(next) {
                let _ = write!(out, " | {} {name}", class("", chars));
            }
        }
        if let Some(name) = names.get(&0) {
            let _ = write!(out, " | {} {name}", class("^", &others));
        }
        out
    }
}

/// A class of characters; `sign` stands before them.
pub fn class(sign: &str, chars: &[char]) -> String {
    let mut out = format!("[{sign}");
    for c in chars {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // None of them may stand there bare in every reader.
            '\\' | ']' | '[' | '^' | '-' | '"' => {
                let _ = write!(out, "\\x{:02X}", u32::from(*c));
            }
            c => out.push(*c),
        }
    }
    out.push(']');
    out
}

/// Exactly this text.
pub fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\x{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One of these expressions.
pub fn any_of(all: &[String]) -> String {
    match all {
        [one] => one.clone(),
        all => format!("( {} )", all.join(" | ")),
    }
}

/// So many of an expression, from the least to the most.
pub fn repeated(expression: &str, least: u64, most: Option<u64>) -> String {
    match (least, most) {
        (0, None) => format!("( {expression} )*"),
        (0, Some(1)) => format!("( {expression} )?"),
        (least, None) => format!("( {expression} ){{{least},}}"),
        (least, Some(most)) => format!("( {expression} ){{{least},{most}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a text is one that the rules of `until` allow, by walking them as a reader of grammars does.
    fn allows(texts: &[&str], text: &str) -> bool {
        let owned: Vec<_> = texts.iter().map(ToString::to_string).collect();
        let states = States::of(&owned);
        let mut at = 0;
        text.chars().all(|c| {
            at = states.go(at, c);
            !states.is_match(at)
        })
    }

    #[test]
    fn a_text_until_others_holds_none_of_them() {
        let sets: [&[&str]; 4] =
            [&["</tool_call>"], &["aba", "bab"], &["aab", "ab", "b"], &["<｜end｜>", "<｜end▁of▁call｜>", "\n<"]];
        for texts in sets {
            let alphabet: Vec<_> = texts.concat().chars().chain(['x']).collect();
            // Every text of five of these characters, or as many of them as are told apart in a small number.
            for mut number in 0..alphabet.len().pow(5).min(10_000) {
                let mut text = String::new();
                for _ in 0..5 {
                    text.push(alphabet[number % alphabet.len()]);
                    number /= alphabet.len();
                }
                for text in [text.clone(), format!("{text}{}", texts[0]), format!("{}{text}", &texts[0][..1])] {
                    let holds = texts.iter().any(|other| text.contains(other));
                    assert_eq!(allows(texts, &text), !holds, "{texts:?}: {text:?}");
                }
            }
        }
    }

    #[test]
    fn rules_of_a_text_until_another() {
        let mut rules = Rules::default();
        assert_eq!(rules.until(&["</a>"]), "until-0");
        assert_eq!(rules.until(&["</a>"]), "until-0");
        let grammar = rules.write("until-0");
        assert!(grammar.contains("until-0 ::= \"\" | [<] until-1 | [^<] until-0\n"), "{grammar}");
        assert!(grammar.contains("until-3 ::= \"\" | [<] until-1 | [^<>] until-0\n"), "{grammar}");
    }

    #[test]
    fn texts_are_escaped_as_readers_of_grammars_want() {
        assert_eq!(literal("a\"\\\n\t\u{1}｜"), r#""a\"\\\n\t\x01｜""#);
        assert_eq!(class("^", &['-', ']', '\n', '｜']), r"[^\x2D\x5D\n｜]");
    }

    #[test]
    fn equal_rules_are_one() {
        let mut rules = Rules::default();
        let first = rules.add("a", "\"x\"".into());
        assert_eq!(rules.add("b", "\"x\"".into()), first);
        assert_eq!(rules.write("a-0"), "root ::= a-0\na-0 ::= \"x\"\n");
        assert_eq!(rules.bytes, "a-0 ::= \"x\"\n".len());
    }
}
