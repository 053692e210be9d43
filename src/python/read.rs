//! Reader of Python expressions: the source of one to the value that it says, where it is a literal.
//! Runs nothing, mends nothing and knows no tools: a call of a function, a comparison or an unknown name is no literal.
//!
//! It descends by Python's own precedence: a sum of products of signed powers of atoms.

mod arithmetic;
mod number;
mod string;

use std::collections::HashMap;

use self::arithmetic::{Operator, combined, negated, unchanged};
use super::{Value, Variables, is_class};

/// The value of an expression's whole source, as it stands between brackets, where line ends are blanks.
/// `None` where it is no literal, nests deeper than `depth_max`, or copies more out of variables than is left.
pub fn read(source: &str, variables: &mut Variables, depth_max: usize) -> Option<Value> {
    // Python reads all ends of lines as one.
    let unix = source.contains('\r').then(|| source.replace("\r\n", "\n").replace('\r', "\n"));
    let source = unix.as_deref().unwrap_or(source);
    let mut reader = Reader { rest: source, variables, depth_left: depth_max };
    let value = reader.expression()?;
    reader.skip_blanks();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    variables: &'a mut Variables,
    depth_left: usize,
}

impl<'a> Reader<'a> {
    fn expression(&mut self) -> Option<Value> {
        let mut left = self.product()?;
        while let Some(operator) = self.operator(&[("+", Operator::Add), ("-", Operator::Subtract)]) {
            left = combined(left, operator, self.product()?)?;
        }
        Some(left)
    }

    fn product(&mut self) -> Option<Value> {
        let operators = [
            ("//", Operator::DivideDown),
            ("/", Operator::Divide),
            ("%", Operator::Remainder),
            ("*", Operator::Multiply),
        ];
        let mut left = self.signed()?;
        while let Some(operator) = self.operator(&operators) {
            left = combined(left, operator, self.signed()?)?;
        }
        Some(left)
    }

    fn signed(&mut self) -> Option<Value> {
        if self.takes("-") {
            negated(self.deeper(Self::signed)?)
        } else if self.takes("+") {
            unchanged(self.deeper(Self::signed)?)
        } else {
            self.power()
        }
    }

    fn power(&mut self) -> Option<Value> {
        let base = self.atom()?;
        if !self.takes("**") {
            return Some(base);
        }
        combined(base, Operator::Power, self.deeper(Self::signed)?)
    }

    fn atom(&mut self) -> Option<Value> {
        self.skip_blanks();
        match self.rest.chars().next()? {
            '(' => self.deeper(Self::parenthesised),
            '[' => self.deeper(Self::list),
            '{' => self.deeper(Self::braced),
            c if c == '.' || c.is_ascii_digit() => {
                let (number, rest) = number::read(self.rest)?;
                self.rest = rest;
                Some(Value::Number(number))
            }
            _ if string::begins(self.rest) => self.text(),
            _ => self.named(),
        }
    }

    /// Strings that stand side by side are one.
    fn text(&mut self) -> Option<Value> {
        let mut text = String::new();
        while string::begins(self.rest) {
            self.rest = string::read(self.rest, &mut text)?;
            self.skip_blanks();
        }
        Some(Value::Text(text))
    }

    /// A tuple, or whatever stands in parentheses.
    fn parenthesised(&mut self) -> Option<Value> {
        self.take("(")?;
        if self.takes(")") {
            return Some(Value::List(vec![]));
        }
        let first = self.expression()?;
        if self.takes(")") {
            return Some(first);
        }
        self.take(",")?;
        self.elements(vec![first], ")")
    }

    fn list(&mut self) -> Option<Value> {
        self.take("[")?;
        self.elements(vec![], "]")
    }

    fn elements(&mut self, mut elements: Vec<Value>, closer: &str) -> Option<Value> {
        self.items(closer, |reader| {
            elements.push(reader.expression()?);
            Some(())
        })?;
        Some(Value::List(elements))
    }

    /// A dict or a set, which the first item tells.
    fn braced(&mut self) -> Option<Value> {
        self.take("{")?;
        let (mut members, mut elements) = (Members::default(), vec![]);
        let mut is_dict = None;
        self.items("}", |reader| {
            let mut is_member = true;
            if reader.takes("**") {
                reader.spread()?.into_iter().for_each(|(key, value)| members.put(key, value));
            } else {
                let first = reader.expression()?;
                is_member = reader.takes(":");
                if is_member {
                    members.put(key(first)?, reader.expression()?);
                } else {
                    elements.push(first);
                }
            }
            (*is_dict.get_or_insert(is_member) == is_member).then_some(())
        })?;
        if is_dict.unwrap_or(true) {
            return Some(Value::Dict(members.list));
        }
        // What can change is no element of a set.
        elements.iter().all(is_scalar).then_some(Value::List(elements))
    }

    /// What stands behind `**`.
    fn spread(&mut self) -> Option<Vec<(String, Value)>> {
        match self.expression()? {
            Value::Dict(members) => Some(members),
            _ => None,
        }
    }

    /// A variable, a class's constructor or member, or a word that is a value.
    fn named(&mut self) -> Option<Value> {
        let mut path = vec![self.identifier()?];
        while self.takes(".") {
            self.skip_blanks();
            path.push(self.identifier()?);
        }
        if self.rest.starts_with('(') {
            return self.deeper(|reader| reader.constructed(&path));
        }
        match *path.as_slice() {
            ["None" | "null"] => Some(Value::None),
            ["True" | "true"] => Some(Value::Bool(true)),
            ["False" | "false"] => Some(Value::Bool(false)),
            [name] => self.variables.copy(name, self.depth_left),
            [first, ..] if self.variables.has(first) => None,
            [.., class, name, "value"] | [.., class, name] if is_class(class) => {
                Some(Value::Member { class: class.to_owned(), name: name.to_owned() })
            }
            _ => None,
        }
    }

    fn constructed(&mut self, path: &[&str]) -> Option<Value> {
        let Given { alone, fields } = self.arguments()?;
        match (path, alone) {
            (["dict"], None) => Some(Value::Dict(fields)),
            (["dict"], Some(dict @ Value::Dict(_))) if fields.is_empty() => Some(dict),
            ([.., class, "model_validate"], Some(Value::Dict(given))) if is_class(class) && fields.is_empty() => {
                Some(Value::Model { class: (*class).to_owned(), fields: given })
            }
            ([.., class], None) if is_class(class) => Some(Value::Model { class: (*class).to_owned(), fields }),
            ([.., class], alone) if is_class(class) && fields.is_empty() => alone,
            _ => None,
        }
    }

    fn arguments(&mut self) -> Option<Given> {
        self.take("(")?;
        let (mut alone, mut fields) = (None, Members::default());
        self.items(")", |reader| {
            if reader.takes("**") {
                reader.spread()?.into_iter().try_for_each(|(key, value)| fields.add(key, value))
            } else if let Some(keyword) = reader.keyword() {
                fields.add(keyword.to_owned(), reader.expression()?)
            } else {
                let value = reader.expression()?;
                (alone.replace(value).is_none() && fields.list.is_empty()).then_some(())
            }
        })?;
        Some(Given { alone, fields: fields.list })
    }

    /// A name with its `=`.
    fn keyword(&mut self) -> Option<&'a str> {
        let before = self.rest;
        self.skip_blanks();
        let name = self.identifier();
        if name.is_some() && self.takes("=") && !self.rest.starts_with('=') {
            return name;
        }
        self.rest = before;
        None
    }

    /// Reads items up to the closer: a comma stands between them, and perhaps one behind the last.
    fn items(&mut self, closer: &str, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        while !self.takes(closer) {
            item(self)?;
            if !self.takes(",") {
                return self.take(closer);
            }
        }
        Some(())
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Option<Value>) -> Option<Value> {
        self.depth_left = self.depth_left.checked_sub(1)?;
        let value = read(self)?;
        self.depth_left += 1;
        Some(value)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        operators.iter().find(|(sign, _)| self.takes(sign)).map(|(_, operator)| *operator)
    }

    fn identifier(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        let begins = name.starts_with(|c: char| c == '_' || c.is_alphabetic());
        self.rest = if begins { rest } else { self.rest };
        begins.then_some(name)
    }

    fn take(&mut self, sign: &str) -> Option<()> {
        self.takes(sign).then_some(())
    }

    /// Whether this comes next, which is read then.
    fn takes(&mut self, sign: &str) -> bool {
        self.skip_blanks();
        let behind = self.rest.strip_prefix(sign);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// Skips what means nothing between brackets: blanks, ends of lines and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\u{c}']);
            if self.rest.starts_with('#') {
                self.rest = self.rest.trim_start_matches(|c| c != '\n');
            } else if let Some(behind) = self.rest.strip_prefix("\\\n") {
                self.rest = behind;
            } else {
                return;
            }
        }
    }
}

/// What stands in the parentheses of a call: one value by its place, and those with a keyword, of which no two are the
/// same.
struct Given {
    alone: Option<Value>,
    fields: Vec<(String, Value)>,
}

/// The members of a dict or the fields of a model, in the order in which their keys first came.
#[derive(Default)]
struct Members {
    list: Vec<(String, Value)>,
    places: HashMap<String, usize>,
}

impl Members {
    /// The last of equal keys counts.
    fn put(&mut self, key: String, value: Value) {
        if let Some((_, former)) = self.places.get(&key).and_then(|&place| self.list.get_mut(place)) {
            *former = value;
            return;
        }
        self.places.insert(key.clone(), self.list.len());
        self.list.push((key, value));
    }

    /// `None` where the key is there.
    fn add(&mut self, key: String, value: Value) -> Option<()> {
        let is_new = !self.places.contains_key(&key);
        self.put(key, value);
        is_new.then_some(())
    }
}

/// A key as JSON has it.
fn key(value: Value) -> Option<String> {
    match value {
        Value::Text(key) | Value::Number(key) => Some(key),
        Value::Bool(is_true) => Some(is_true.to_string()),
        Value::None => Some("null".to_owned()),
        _ => None,
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Dict(_) | Value::Model { .. })
}

#[cfg(test)]
mod tests;
