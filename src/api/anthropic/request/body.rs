//! Body of a chat in the making: our members, and over them those of the client that Anthropic's API does not have.

use std::borrow::Cow;

use crate::json::write_string;

/// Members in order, each value as JSON.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    ours: Vec<(&'a str, Cow<'a, str>)>,
    others: Vec<(&'a str, &'a str)>,
}

impl<'a> Body<'a> {
    /// Adds a member, which is not there before.
    pub(super) fn set(&mut self, key: &'a str, value: impl Into<Cow<'a, str>>) {
        self.ours.push((key, value.into()));
    }

    /// Adds a member of the client's own, which stands in place of ours.
    pub(super) fn set_other(&mut self, key: &'a str, value: &'a str) {
        match self.ours.iter_mut().find(|(own, _)| *own == key) {
            Some((_, own)) => *own = Cow::Borrowed(value),
            None => self.others.push((key, value)),
        }
    }

    /// Whether it has no member.
    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.others.is_empty()
    }

    /// The whole object, as JSON.
    pub(super) fn finish(&self) -> String {
        let ours = self.ours.iter().map(|(key, value)| (*key, value.as_ref()));
        let mut out = String::from("{");
        for (key, value) in ours.chain(self.others.iter().copied()) {
            out.push_str(if out.len() > 1 { "," } else { "" });
            write_string(key, &mut out);
            out.extend([":", value]);
        }
        out.push('}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_member_stands_in_place_of_ours() {
        let mut body = Body::default();
        assert!(body.is_empty() && body.finish() == "{}");
        body.set("a", "1");
        body.set("b", "2");
        body.set_other("c", "3");
        body.set_other("a", "4");
        assert_eq!(body.finish(), r#"{"a":4,"b":2,"c":3}"#);
    }
}
