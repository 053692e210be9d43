//! The inside: the last stage before a command. Shuts itself in, and becomes it.
//! Starts nobody: what it is by then, the command is. It says on its input, which is a pipe to the supervisor, why it
//! could not; a command gets `/dev/null` there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, fchdir, set_parent_process_death_signal, setrlimit, setsid};
use rustix::stdio::dup2_stdin;
use rustix::thread::{CapabilitySet, CapabilitySets, CpuSet, sched_getaffinity, sched_setaffinity, set_capabilities};

use super::environment::Environment;
use super::order::{NoStart, Problem};
use super::walls::{Kind, Walls};
use super::{Inside, family, landlocked, probe, syscalls};

/// Statuses by which shells say that a program is not there, and that it cannot be run.
const NOT_FOUND: i32 = 127;
const NOT_RUN: i32 = 126;
/// Bytes of a file that a command writes.
const FILE_BYTES_MAX: u64 = 1 << 30;
const DESCRIPTORS_MAX: u64 = 1_024;
/// How many commands' processes there may be, where all of a user's count.
const OTHERS: u64 = 8;
/// Commands come after whoever serves, where both want a processor, …
const NICENESS: i32 = 10;
/// … and go first, where memory runs out.
const OUT_OF_MEMORY_FIRST: &str = "1000";

/// Becomes the command; returns when there is none, or none could be started.
pub(super) fn become_command(walls: &Walls, inside: Inside) -> io::Result<()> {
    let mut words = inside.words.iter();
    let null = File::open("/dev/null")?;
    let environment = Environment::carried()?;
    if let Err(why) = shut_in(walls, &inside) {
        let text = serde_json::to_vec(&why)?;
        rustix::io::write(rustix::stdio::stdin(), &text)?;
        return Ok(());
    }
    dup2_stdin(&null)?;
    if let Some(probe) = &inside.probe {
        let holes = probe::holes(&serde_json::from_str(probe)?);
        return io::stdout().write_all(holes.join("\n").as_bytes());
    }
    let Some(program) = words.next() else { return Ok(()) };
    let mut command = Command::new(program);
    environment.set(command.args(words), &walls.scratch);
    let error = command.exec();
    let (status, why) = match error.kind() {
        io::ErrorKind::NotFound => (NOT_FOUND, "not found".to_owned()),
        _ => (NOT_RUN, error.to_string()),
    };
    let _ = writeln!(io::stderr(), "{program}: {why}");
    std::process::exit(status)
}

/// Puts up all walls. What runs after it in this process stands behind them.
fn shut_in(walls: &Walls, inside: &Inside) -> Result<(), NoStart> {
    fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> NoStart {
        move |error| NoStart::Sandbox(format!("{what}: {error}"))
    }
    // Whoever kills the supervisor kills this, too.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("death signal"))?;
    setsid().map_err(failed("session"))?;
    // Neither is a wall: in namespaces they are set already, or may not be.
    let _ = rustix::process::nice(NICENESS);
    let _ = fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_FIRST);
    limits(walls).map_err(failed("limits"))?;
    if walls.are_counted() {
        leave_a_processor().map_err(failed("processors"))?;
    }
    enter_directory(inside.root.as_deref().unwrap_or(&walls.scratch), &inside.directory)?;
    drop_capabilities().map_err(failed("capabilities"))?;
    landlocked::restrict(walls).map_err(failed("Landlock"))?;
    syscalls::restrict(walls).map_err(failed("seccomp"))
}

fn limits(walls: &Walls) -> io::Result<()> {
    let mut all = vec![
        // What is only reserved does not count, as many runtimes do: so not the address space.
        (Resource::Data, walls.memory_bytes_max),
        (Resource::Fsize, FILE_BYTES_MAX.min(walls.memory_bytes_max)),
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ];
    // The supervisor counts; between two counts there are no more than this. In a namespace of its own only its own
    // processes count, elsewhere the whole user's, threads too. Of root's the system counts none.
    let processes_max = u64::from(walls.processes_max);
    all.push((
        Resource::Nproc,
        match walls.kind {
            Kind::Namespaces { .. } => processes_max * 2 + 1,
            Kind::Landlock => family::tasks_of_user() + processes_max * OTHERS,
        },
    ));
    for (resource, most) in all {
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |own| own.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Leaves the first processor to others, where there are more. However many processes there are, whoever counts them is
/// not kept from it.
fn leave_a_processor() -> io::Result<()> {
    let mut own = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|processor| own.is_set(*processor));
    match first {
        Some(first) if own.count() > 1 => {
            own.unset(first);
            Ok(sched_setaffinity(None, &own)?)
        }
        _ => Ok(()),
    }
}

/// Goes to a directory beneath a root: the opening is the check.
fn enter_directory(root: &Path, directory: &Path) -> Result<(), NoStart> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, flags, Mode::empty()).map_err(directory_problem)?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(root, directory, flags, Mode::empty(), beneath).map_err(directory_problem)?;
    fchdir(found).map_err(directory_problem)
}

fn directory_problem(error: Errno) -> NoStart {
    NoStart::Directory(Problem::of(error))
}

/// Whoever is root keeps nothing of it but the name.
fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_no_new_privs(true)?;
    Ok(set_capabilities(None, none)?)
}
