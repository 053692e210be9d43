//! Sampler of grammars: writes random sentences of one, as a server does with a model that knows nothing, and tells
//! whether a text is one.

use std::collections::{BTreeSet, HashMap};

/// What a rule can be.
#[derive(Clone, Debug)]
enum Expression {
    Text(String),
    /// Characters, or all but those.
    Class {
        chars: Vec<(char, char)>,
        is_negated: bool,
    },
    Rule(String),
    Either(Vec<Expression>),
    All(Vec<Expression>),
    Repeated(Box<Expression>, u64, Option<u64>),
}

/// A grammar that was read.
pub struct Sampler {
    rules: HashMap<String, Expression>,
}

/// Deeper rules take the shortest way out.
const DEPTH: u32 = 60;
/// What strings are made of: what ends something, and what is escaped.
const HOSTILE: &[char] = &['<', '>', '/', '"', '\\', '{', '}', '[', ']', 'a', '｜', '\n', ' ', '|', '🦀'];

impl Sampler {
    pub fn read(grammar: &str) -> Self {
        let rules = grammar.lines().map(|line| {
            let (name, body) = line.split_once(" ::= ").expect("a rule");
            let mut reader = Reader { rest: body };
            let expression = reader.either();
            assert_eq!(reader.rest, "", "in {line}");
            (name.to_owned(), expression)
        });
        Self { rules: rules.collect() }
    }

    pub fn sentence(&self, seed: u64) -> String {
        let mut writer = Writer { sampler: self, dice: Dice(seed), out: String::new() };
        writer.write(&Expression::Rule("root".into()), 0);
        writer.out
    }
}

impl Sampler {
    /// Whether a text is a sentence.
    pub fn accepts(&self, text: &str) -> bool {
        let mut matcher = Matcher { sampler: self, text, known: HashMap::new() };
        matcher.ends(&Expression::Rule("root".into()), 0).contains(&text.len())
    }
}

/// Finds where what an expression stands for may end.
struct Matcher<'s> {
    sampler: &'s Sampler,
    text: &'s str,
    /// Where a rule that begins at a place may end.
    known: HashMap<(&'s str, usize), BTreeSet<usize>>,
}

impl<'s> Matcher<'s> {
    fn ends(&mut self, expression: &Expression, at: usize) -> BTreeSet<usize> {
        match expression {
            Expression::Text(text) => {
                self.text[at..].starts_with(text.as_str()).then(|| at + text.len()).into_iter().collect()
            }
            Expression::Class { chars, is_negated } => {
                let next = self.text[at..].chars().next();
                let is_in = |c: &char| chars.iter().any(|(first, last)| (*first..=*last).contains(c)) != *is_negated;
                next.filter(is_in).map(|c| at + c.len_utf8()).into_iter().collect()
            }
            Expression::Rule(name) => {
                let (name, rule) = self.sampler.rules.get_key_value(name).unwrap();
                if let Some(known) = self.known.get(&(name.as_str(), at)) {
                    return known.clone();
                }
                let ends = self.ends(rule, at);
                self.known.insert((name, at), ends.clone());
                ends
            }
            Expression::Either(all) => all.iter().flat_map(|one| self.ends(one, at)).collect(),
            Expression::All(all) => all.iter().fold(BTreeSet::from([at]), |begun, one| self.ends_behind(one, &begun)),
            Expression::Repeated(one, least, most) => {
                let mut last = (0..*least).fold(BTreeSet::from([at]), |begun, _| self.ends_behind(one, &begun));
                let mut all = last.clone();
                for _ in *least..most.unwrap_or(u64::MAX) {
                    last = self.ends_behind(one, &last).difference(&all).copied().collect();
                    if last.is_empty() {
                        break;
                    }
                    all.extend(&last);
                }
                all
            }
        }
    }

    fn ends_behind(&mut self, one: &Expression, begun: &BTreeSet<usize>) -> BTreeSet<usize> {
        begun.iter().flat_map(|at| self.ends(one, *at)).collect()
    }
}

struct Reader<'g> {
    rest: &'g str,
}

impl Reader<'_> {
    fn either(&mut self) -> Expression {
        let mut all = vec![self.sequence()];
        while self.take("|") {
            all.push(self.sequence());
        }
        if all.len() == 1 { all.remove(0) } else { Expression::Either(all) }
    }

    fn sequence(&mut self) -> Expression {
        let mut all = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if self.rest.is_empty() || self.rest.starts_with(['|', ')']) {
                return Expression::All(all);
            }
            let one = self.atom();
            all.push(self.counted(one));
        }
    }

    fn atom(&mut self) -> Expression {
        if self.take("(") {
            let inside = self.either();
            assert!(self.take(")"));
            return inside;
        }
        if self.take("\"") {
            let mut text = String::new();
            while !self.take_here("\"") {
                text.push(self.char());
            }
            return Expression::Text(text);
        }
        if self.take("[") {
            let is_negated = self.take_here("^");
            let mut chars = Vec::new();
            while !self.take_here("]") {
                let first = self.char();
                let last = if self.take_here("-") { self.char() } else { first };
                chars.push((first, last));
            }
            return Expression::Class { chars, is_negated };
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(self.rest.len());
        assert!(end > 0, "no rule at {}", self.rest);
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Expression::Rule(name.to_owned())
    }

    fn counted(&mut self, one: Expression) -> Expression {
        let (least, most) = match self.rest.chars().next() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('{') => {
                let (inside, rest) = self.rest[1..].split_once('}').unwrap();
                let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
                self.rest = rest;
                return Expression::Repeated(Box::new(one), least.parse().unwrap(), most.parse().ok());
            }
            _ => return one,
        };
        self.rest = &self.rest[1..];
        Expression::Repeated(Box::new(one), least, most)
    }

    fn char(&mut self) -> char {
        let mut chars = self.rest.chars();
        let mut c = chars.next().unwrap();
        if c == '\\' {
            c = match chars.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => {
                    let code = u32::from_str_radix(&chars.as_str()[..2], 16).unwrap();
                    chars.nth(1);
                    char::from_u32(code).unwrap()
                }
                c @ ('"' | '\\') => c,
                other => panic!("no escape: {other}"),
            };
        }
        self.rest = chars.as_str();
        c
    }

    fn take(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start_matches(' ');
        self.take_here(text)
    }

    fn take_here(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

struct Writer<'s> {
    sampler: &'s Sampler,
    dice: Dice,
    out: String,
}

impl Writer<'_> {
    fn write(&mut self, expression: &Expression, depth: u32) {
        match expression {
            Expression::Text(text) => self.out.push_str(text),
            Expression::Class { chars, is_negated } => {
                let is_in = |c: char| chars.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *is_negated;
                let own = chars.iter().map(|(first, _)| *first);
                let possible: Vec<_> = HOSTILE.iter().copied().chain(own).filter(|c| is_in(*c)).collect();
                self.out.push(possible[self.dice.below(possible.len())]);
            }
            Expression::Rule(name) => {
                let rule = &self.sampler.rules[name];
                self.write(rule, depth + 1);
            }
            Expression::Either(all) => {
                // A text ends with its first choice, and what holds itself with its last.
                let is_text = matches!(&all[0], Expression::All(one) if is_nothing(one));
                let at = match is_text {
                    true if depth > DEPTH || self.dice.below(6) == 0 => 0,
                    false if depth > DEPTH => all.len() - 1,
                    _ => self.dice.below(all.len()),
                };
                self.write(&all[at], depth);
            }
            Expression::All(all) => all.iter().for_each(|one| self.write(one, depth)),
            Expression::Repeated(one, least, most) => {
                let most = most.unwrap_or(least + 4).min(least + 4);
                let more = if depth > DEPTH { 0 } else { self.dice.below(usize::try_from(most - least).unwrap() + 1) };
                for _ in 0..least + u64::try_from(more).unwrap() {
                    self.write(one, depth + 1);
                }
            }
        }
    }
}

fn is_nothing(all: &[Expression]) -> bool {
    matches!(all, [Expression::Text(text)] if text.is_empty())
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(count).unwrap()).unwrap()
    }
}
