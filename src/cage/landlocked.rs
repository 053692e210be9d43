//! Landlock: what a command may open, and whom it may reach beyond files.
//! Reads no configuration; the walls say what is shown.

use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

use super::Missing;
use super::walls::{Kind, Root, Walls};

/// Before it, signals and abstract sockets leave a sandbox that is nothing else (Linux 6.12).
const LEAST: ABI = ABI::V6;

/// Devices that are there for everybody.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Fails where the system's Landlock cannot hold a command alone.
pub(super) fn check() -> Result<(), Missing> {
    let needed = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let needed = needed.handle_access(AccessFs::from_all(LEAST)).and_then(|rules| rules.scope(Scope::from_all(LEAST)));
    needed.and_then(Ruleset::create).map(drop).map_err(|error| Missing::Landlock(error.to_string()))
}

/// Keeps the signals of this process and its descendants among them. Fails where the system cannot.
pub(super) fn keep_signals_in() -> Result<(), RulesetError> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.scope(Scope::Signal)?.create()?.restrict_self().map(drop)
}

/// Restricts this process and whoever it becomes. Fails where Landlock is to hold alone and cannot.
pub(super) fn restrict(walls: &Walls) -> Result<(), RulesetError> {
    let (level, in_namespaces) = match walls.kind {
        Kind::Landlock => (CompatLevel::HardRequirement, false),
        // There it is the second wall: as much of it as the system has.
        Kind::Namespaces { .. } => (CompatLevel::BestEffort, true),
    };
    let all = AccessFs::from_all(LEAST);
    let mut rules = Ruleset::default().set_compatibility(level).handle_access(all)?.scope(Scope::from_all(LEAST))?;
    if !walls.network {
        // Seccomp refuses the sockets themselves.
        rules = rules.handle_access(AccessNet::from_all(LEAST))?;
    }
    let devices = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let created = rules.create()?.set_compatibility(level);
    let created = created.add_rules(path_beneath_rules(DEVICES, devices))?;
    let scratch = Root { path: walls.scratch.clone(), canonical: walls.scratch.clone(), write: true };
    let shown = walls.read.iter().chain(&walls.roots).chain([&scratch]);
    let created =
        created.add_rules(shown.filter_map(|root| handle(root, in_namespaces).map(|at| beneath(root, at))))?;
    let own: &[&str] = if in_namespaces { &["/proc"] } else { &[] };
    let created = created.add_rules(path_beneath_rules(own, AccessFs::ReadFile | AccessFs::ReadDir))?;
    let shared: &[&str] = if in_namespaces { &["/dev/shm"] } else { &[] };
    created.add_rules(path_beneath_rules(shared, writable()))?.restrict_self()?;
    Ok(())
}

/// A handle of what is shown; none where it is not what it was when the cage was opened. In namespaces it is at its path,
/// and nobody has been there.
fn handle(root: &Root, in_namespaces: bool) -> Option<OwnedFd> {
    if in_namespaces {
        openat(CWD, &root.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()
    } else {
        root.open().ok()
    }
}

fn beneath(root: &Root, handle: OwnedFd) -> Result<PathBeneath<OwnedFd>, RulesetError> {
    let access = if root.write { writable() } else { readable() };
    let is_directory = fstat(&handle).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir());
    Ok(PathBeneath::new(handle, if is_directory { access } else { access & AccessFs::from_file(LEAST) }))
}

fn readable() -> BitFlags<AccessFs> {
    AccessFs::from_read(LEAST)
}

/// All but devices: neither new ones nor orders to them.
fn writable() -> BitFlags<AccessFs> {
    AccessFs::from_all(LEAST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
}
