//! The members of an object that is written while its keys come one by one.
//! What a list is given under its key again, right behind it, is its next item: a list's bracket waits for that.
//! Knows neither tags nor values.

use crate::decode::call::Call;
use crate::json::write_string;

/// The members so far.
#[derive(Debug, Default)]
pub(super) struct Members {
    count: usize,
    /// The key that was written last.
    last: String,
    list: List,
}

/// Whether the last value is a list whose bracket waits for more items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum List {
    #[default]
    Closed,
    Open,
}

/// What a key begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    Member,
    /// One more item of the list before it, for which nothing is written yet.
    Item,
}

impl Members {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A key comes. What stands before a member's value is written.
    pub fn begin(&mut self, key: &str, call: &mut Call) -> Begun {
        if self.list == List::Open && self.last == key {
            return Begun::Item;
        }
        self.end_list(call);
        call.arguments.push(if self.is_empty() { '{' } else { ',' });
        write_string(key, &mut call.arguments);
        call.arguments.push(':');
        self.count += 1;
        self.last = key.into();
        Begun::Member
    }

    /// The last value is a list, which may go on.
    pub fn leave_list_open(&mut self) {
        self.list = List::Open;
    }

    /// The object is over.
    pub fn end(&mut self, call: &mut Call) {
        self.end_list(call);
        call.arguments.push_str(if self.is_empty() { "{}" } else { "}" });
    }

    fn end_list(&mut self, call: &mut Call) {
        if std::mem::take(&mut self.list) == List::Open {
            call.arguments.push(']');
        }
    }
}
