//! The family of a process: whoever descends from it, counted and ended.
//! Starts nobody.
//!
//! All are ended at once, by the signal that goes to everybody whom a process may signal: who forks faster than anybody
//! can list has no time to. For whom that is, the process must be the first of its namespace, or have shut its signals in.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::statvfs;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, getuid, kill_process_group, set_child_subreaper,
    test_kill_process, wait,
};

use super::walls::{Kind, Walls};
use super::{Missing, landlocked};

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
    /// Threads of all processes.
    pub tasks: usize,
    /// Of memory that is nobody else's.
    pub bytes: u64,
    /// Whether there is a process that cannot be looked at.
    pub is_hidden: bool,
}

/// Fails where the system does not say who descends from whom.
pub(super) fn check() -> Result<(), Missing> {
    if Path::new("/proc/thread-self/children").exists() { Ok(()) } else { Err(Missing::Children) }
}

impl Family {
    /// The family of this process from now on; orphans come to it. Fails where it could reach anybody else.
    pub fn found(kind: &Kind) -> io::Result<Self> {
        if let Kind::Namespaces { .. } = kind {
            // Anybody else has other processes before it.
            return if own() == 1 {
                Ok(Self::Namespace)
            } else {
                Err(io::Error::other("not the first of a namespace"))
            };
        }
        set_child_subreaper(Some(getpid()))?;
        landlocked::keep_signals_in().map_err(io::Error::other)?;
        match getppid().map(test_kill_process) {
            Some(Err(Errno::PERM)) => Ok(Self::Descendants),
            _ => Err(io::Error::other("signals leave the sandbox")),
        }
    }

    /// Counts them, up to one process more than `tasks_max`. Who comes or goes meanwhile may be missed.
    pub fn census(self, tasks_max: usize) -> Census {
        let members = self.members(tasks_max.saturating_add(1));
        if members.len() > tasks_max {
            return Census { tasks: members.len(), ..Census::default() };
        }
        members.into_iter().fold(Census::default(), |sum, pid| {
            let one = Census::of(pid);
            Census {
                tasks: sum.tasks.saturating_add(one.tasks),
                bytes: sum.bytes.saturating_add(one.bytes),
                is_hidden: sum.is_hidden || one.is_hidden,
            }
        })
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
            // To everybody whom it reaches but this process, which is what `found` has seen to.
            let _ = kill_process_group(Pid::INIT, Signal::KILL);
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => seen(pid, status),
                Err(Errno::INTR) | Ok(None) => {}
                // There is no child any more.
                Err(_) => return,
            }
            Self::reap(seen);
        }
    }

    fn members(self, most: usize) -> BTreeSet<i32> {
        match self {
            Self::Namespace => {
                let entries = fs::read_dir("/proc").into_iter().flatten();
                let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
                pids.filter(|pid| *pid != own()).take(most).collect()
            }
            Self::Descendants => {
                let mut found = BTreeSet::new();
                let mut open = vec![own()];
                while let Some(pid) = open.pop()
                    && found.len() < most
                {
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

/// Threads of all processes of this user that are to be seen.
pub(super) fn tasks_of_user() -> u64 {
    let own = getuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let owned = processes.filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == own));
    let statuses = owned.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    statuses.filter_map(|status| field::<u64>(&status, "Threads:")).sum()
}

impl Census {
    /// Of one process. One that has gone is nobody.
    fn of(pid: i32) -> Self {
        let Some(status) = status(pid) else {
            let is_there = || Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok());
            return Self { is_hidden: is_there() && status(pid).is_none(), ..Self::default() };
        };
        let bytes = memory(&status).or_else(|| {
            // Its first thread has ended. Any other has the same.
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            threads
                .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
                .find_map(|one| memory(&one))
        });
        Self { tasks: field(&status, "Threads:").unwrap_or(1), bytes: bytes.unwrap_or_default(), is_hidden: false }
    }
}

fn status(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

/// What a status says of memory; none where it belongs to a thread that has ended.
fn memory(status: &str) -> Option<u64> {
    let own: u64 = field(status, "RssAnon:")?;
    let kibibytes = |name| field::<u64>(status, name).unwrap_or_default();
    Some((own + kibibytes("RssShmem:") + kibibytes("VmSwap:")) << 10)
}

/// Bytes of memory that a file takes which is empty.
const FILE_BYTES: u64 = 1 << 10;

/// What the files take that a sandbox has in memory.
pub(super) fn files_in_memory(walls: &Walls) -> u64 {
    let Kind::Namespaces { .. } = walls.kind else { return 0 };
    let all = [walls.scratch.as_path(), Path::new("/dev/shm")];
    let taken = all.into_iter().filter_map(|path| statvfs(path).ok()).map(|system| {
        let bytes = system.f_blocks.saturating_sub(system.f_bfree).saturating_mul(system.f_frsize);
        let files = system.f_files.saturating_sub(system.f_ffree).saturating_mul(FILE_BYTES);
        bytes.saturating_add(files)
    });
    taken.fold(0, u64::saturating_add)
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
        assert_eq!((memory(status), memory("Name:\ta\nThreads:\t2\n")), (Some(300 << 10), None));
    }

    #[test]
    fn a_child_is_one_of_the_family() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id().cast_signed();
        assert!(Family::Descendants.members(1_000).contains(&pid));
        assert!(Family::Descendants.census(1_000).bytes > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!Family::Descendants.members(1_000).contains(&pid));
    }

    #[test]
    fn the_threads_of_a_user_are_counted() {
        assert!(tasks_of_user() >= 1);
    }

    /// Or the signal that ends a family would end everybody.
    #[test]
    fn a_family_is_not_founded_where_others_could_be_reached() {
        assert!(Family::found(&Kind::Namespaces { bwrap: "/usr/bin/bwrap".into() }).is_err());
    }
}
