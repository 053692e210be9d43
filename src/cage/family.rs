//! The family of a process: whoever descends from it, counted and ended.
//! Starts nobody. The process must be the first of its namespace, or a subreaper, so that orphans come to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, pidfd_open, pidfd_send_signal, wait,
};

use super::CageError;

/// Who descends from this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Everybody else in its namespace.
    Namespace,
    /// Whoever it or a descendant has started.
    Descendants,
}

/// What a family takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub processes: usize,
    /// Of memory that is nobody else's.
    pub bytes: u64,
}

/// Fails where the system does not say who descends from whom.
pub(super) fn check() -> Result<(), CageError> {
    if Path::new("/proc/thread-self/children").exists() { Ok(()) } else { Err(CageError::NoChildren) }
}

impl Family {
    /// Counts them. Who comes or goes meanwhile may be missed.
    pub fn census(self) -> Census {
        let members = self.members();
        let bytes = members.iter().map(|pid| memory(*pid)).sum();
        Census { processes: members.len(), bytes }
    }

    /// Takes note of those that have ended; `seen` is told of each.
    pub fn reap(seen: &mut impl FnMut(Pid, WaitStatus)) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            seen(pid, status);
        }
    }

    /// Ends all of them, and returns when nobody is left.
    pub fn end(self, seen: &mut impl FnMut(Pid, WaitStatus)) {
        loop {
            self.kill();
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => seen(pid, status),
                Err(Errno::INTR) | Ok(None) => {}
                // There is no child any more.
                Err(_) => return,
            }
            Self::reap(seen);
        }
    }

    fn kill(self) {
        match self {
            // Of the first of a namespace this reaches everybody else in it at once.
            Self::Namespace => drop(kill_process_group(Pid::INIT, Signal::KILL)),
            Self::Descendants => {
                let members = self.members();
                members.iter().for_each(|pid| kill_one(*pid, &members));
            }
        }
    }

    fn members(self) -> BTreeSet<i32> {
        match self {
            Self::Namespace => {
                let entries = fs::read_dir("/proc").into_iter().flatten();
                let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
                pids.filter(|pid| *pid != own()).collect()
            }
            Self::Descendants => {
                let mut found = BTreeSet::new();
                let mut open = vec![own()];
                while let Some(pid) = open.pop() {
                    open.extend(children(pid).into_iter().filter(|child| found.insert(*child)));
                }
                found
            }
        }
    }
}

fn own() -> i32 {
    getpid().as_raw_pid()
}

/// Those whom any thread of a process has started and not taken note of.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Ends a process, unless its number is somebody else's by now: whoever has it must be a child of the family.
fn kill_one(pid: i32, family: &BTreeSet<i32>) {
    let Some(handle) = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
    if parent(pid).is_some_and(|parent| parent == own() || family.contains(&parent)) {
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
}

fn parent(pid: i32) -> Option<i32> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "PPid:")
}

fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes = |name| field::<u64>(&status, name).unwrap_or_default();
    (kibibytes("RssAnon:") + kibibytes("RssShmem:") + kibibytes("VmSwap:")) << 10
}

/// The number of a line of a process's status.
fn field<T: std::str::FromStr>(status: &str, name: &str) -> Option<T> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_its_names() {
        let status = "Name:\ta\nPPid:\t12\nRssAnon:\t     300 kB\n";
        assert_eq!((field(status, "PPid:"), field(status, "RssAnon:")), (Some(12), Some(300_u64)));
        assert_eq!(field::<u64>(status, "VmSwap:"), None);
    }

    #[test]
    fn a_child_is_one_of_the_family() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id().cast_signed();
        assert!(Family::Descendants.members().contains(&pid));
        assert_eq!(parent(pid), Some(own()));
        // Whose child it is decides, not what the list says.
        kill_one(pid, &BTreeSet::new());
        assert!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()).is_some());
        assert!(!Family::Descendants.members().contains(&pid));
    }
}
