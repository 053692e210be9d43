//! The second wall: a thread that can open nothing but what is beneath the roots.
//! Opens nothing itself, and decides nothing: the first wall does, which opens all paths beneath a handle. This one holds
//! where a mistake is made above it, on systems that have Landlock.

use std::panic::resume_unwind;
use std::thread;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
};

use super::roots::Roots;

/// What is asked of Landlock; of less, as much as there is.
const WHOLE: ABI = ABI::V6;

/// Does work on a thread of its own, behind the wall. It waits for it; a thread that has been shut in stays so, and must
/// not be one that does anything else. Fails where there is Landlock and it does not take the rules.
pub(super) fn behind<T: Send>(roots: &Roots, work: impl FnOnce() -> T + Send) -> Result<T, RulesetError> {
    let done = thread::scope(|scope| scope.spawn(|| shut_in(roots).map(|()| work())).join());
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

fn shut_in(roots: &Roots) -> Result<(), RulesetError> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let mut rules = rules.handle_access(AccessFs::from_all(WHOLE))?.create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // Neither run nor devices made or told anything.
    let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    for (dir, can_write) in roots.handles() {
        let access = if can_write { AccessFs::from_all(WHOLE) & !never } else { read };
        rules = rules.add_rule(PathBeneath::new(dir, access))?;
    }
    rules.restrict_self().map(drop)
}
