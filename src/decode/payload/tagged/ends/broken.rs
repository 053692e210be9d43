//! Closers with a wrong letter, behind a tagged value's own: what follows them shows that they are some.
//! Letters that are more than one away from any closer are the value's.

use crate::decode::slip::{Likeness, likeness};
use crate::dialect::Tagged;

use super::super::hold::Stage;
use super::Ends;

/// Whether a marker is a part of the letters before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    Yes,
    No,
}

impl Ends {
    /// Decides what the letters behind the closers are, now that a marker follows or nothing. Whether it is theirs.
    pub(super) fn settle_broken(&mut self, marker: &str, form: &Tagged, data: &mut impl FnMut(&str)) -> Belongs {
        let Some(hold) = &mut self.hold else { return Belongs::No };
        let Some(broken) = hold.broken() else { return Belongs::No };
        let is_closer = |text: &str| form.closers.iter().any(|closer| likeness(text, closer) == Likeness::Whole);
        let is_stray = form.closers.iter().any(|closer| closer == marker) && is_closer(&format!("{broken}{marker}"));
        if is_closer(broken) || is_stray {
            hold.stage = Stage::Run;
        } else if is_closer(&format!("{broken}{marker}")) {
            hold.text.push_str(marker);
            return Belongs::Yes;
        } else {
            self.not_broken(data);
        }
        Belongs::No
    }

    /// What stands behind the closers is no broken one.
    pub(super) fn not_broken(&mut self, data: &mut impl FnMut(&str)) {
        match &mut self.hold {
            Some(hold) if !hold.is_value_alone() => hold.stage = Stage::Prose,
            _ => self.refute(data),
        }
    }
}
