//! Arguments as elements that nest: one for each member of an object and for each item of a list.
//! A string goes out as it reads, with nothing escaped.

use super::arguments::unescaped;
use super::style::CallStyle;
use crate::json::Part;

/// Writes them.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// The brackets that are open.
    open: Vec<char>,
    /// The key of the member that comes next.
    key: String,
    /// The elements that are open.
    tags: Vec<String>,
}

impl Elements {
    pub(super) fn take(&mut self, style: &CallStyle, part: Part<'_>, out: &mut String) {
        match part {
            Part::Key(key) => self.key = unescaped(key).into_owned(),
            Part::Open(bracket) => {
                self.begin(style, out);
                self.open.push(bracket);
            }
            Part::Close(_) => {
                self.open.pop();
                self.end(style, out);
            }
            Part::Scalar(text) => {
                self.begin(style, out);
                out.push_str(text);
                self.end(style, out);
            }
            Part::Quote => self.begin(style, out),
            Part::Inside(inside) => out.push_str(&unescaped(inside)),
            Part::Unquote => self.end(style, out),
            Part::Space(_) | Part::Colon | Part::Comma => {}
        }
    }

    fn begin(&mut self, style: &CallStyle, out: &mut String) {
        let Some(bracket) = self.open.last() else { return };
        let tag = if *bracket == '{' { std::mem::take(&mut self.key) } else { style.item.clone() };
        out.extend([&style.prefix, "<", &tag, ">"]);
        self.tags.push(tag);
    }

    fn end(&mut self, style: &CallStyle, out: &mut String) {
        if let Some(tag) = self.tags.pop() {
            out.extend([&style.prefix, "</", &tag, ">"]);
        }
    }
}
