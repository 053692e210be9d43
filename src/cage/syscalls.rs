//! Seccomp: what a command may not ask of the system, whatever it may open.
//! A list of what is refused, by `EPERM`: what programs are made of stays. It is a wall beside others, but for sockets,
//! which in `landlock` nothing else holds.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::c_long;
use rustix::process::getuid;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, sock_filter,
};

use super::walls::{Kind, Walls};

/// Restricts this process and whoever it becomes. Fails on machines that there are no numbers of calls for.
pub(super) fn restrict(walls: &Walls) -> Result<(), Error> {
    // The flags of `clone3` lie in memory, where they cannot be seen. Libraries then ask for `clone`. Files without a
    // name are in memory that is nobody's; those who would have them do with others.
    let absent = [libc::SYS_clone3, libc::SYS_memfd_create, MEMFD_SECRET];
    let absent = absent.map(|call| (call, Vec::new())).into();
    apply_filter(&[X32, &program(absent, libc::ENOSYS)?].concat())?;
    apply_filter(&program(refused(walls)?, libc::EPERM)?)
}

/// What is refused, each with the conditions on its arguments, any of which is enough; none means always.
type Refused = Vec<(c_long, Vec<SeccompRule>)>;

fn program(refused: Refused, error: i32) -> Result<BpfProgram, Error> {
    let rules: BTreeMap<_, _> = refused.into_iter().collect();
    let arch = TargetArch::try_from(ARCH).map_err(Error::Backend)?;
    let refuse = SeccompAction::Errno(error.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).and_then(TryInto::try_into).map_err(Error::Backend)
}

fn refused(walls: &Walls) -> Result<Refused, Error> {
    let mut all: Refused = ALWAYS.iter().chain(OUTLIVING).chain(OLD).map(|call| (*call, Vec::new())).collect();
    all.push((libc::SYS_socket, families(walls)?));
    all.push((libc::SYS_socketpair, pairs(walls)?));
    all.push((libc::SYS_clone, NAMESPACES.iter().map(|flag| has(0, *flag)).collect::<Result<_, _>>()?));
    // What is written into a terminal reads like what its user types.
    let terminal: &[u64] = &[libc::TIOCSTI, libc::TIOCLINUX];
    let attributes: &[u64] = if let Kind::Landlock = walls.kind { ATTRIBUTES } else { &[] };
    let orders = terminal.iter().chain(attributes);
    all.push((libc::SYS_ioctl, orders.map(|order| equal(1, *order)).collect::<Result<_, _>>()?));
    // Whoever hides from whoever counts is not counted.
    all.push((libc::SYS_prctl, vec![equal(0, SET_DUMPABLE)?]));
    for call in OTHERS_BY_FIRST {
        all.push((*call, vec![unequal(0, 0)?]));
    }
    for call in OTHERS_BY_SECOND {
        // The first argument says whose: of one, of a group, of all of a user.
        all.push((*call, vec![unequal(1, 0)?, unequal(0, i32::from(*call == libc::SYS_ioprio_set))?]));
    }
    if walls.are_counted() {
        // Nor do they come back to the processor that was left.
        all.push((libc::SYS_sched_setaffinity, Vec::new()));
    }
    if let Kind::Landlock = walls.kind {
        all.extend(WATCHING.iter().chain(OLD_WATCHING).map(|call| (*call, Vec::new())));
        // Landlock does not say whose modes may be changed, and root may change anybody's.
        if getuid().is_root() {
            all.extend(MODES.iter().chain(OLD_MODES).map(|call| (*call, Vec::new())));
        }
    }
    Ok(all)
}

/// Of which families there are sockets. Those of Unix lead to whatever listens at a path, which Landlock does not look
/// at; in namespaces there is no path but those that are shown.
fn families(walls: &Walls) -> Result<Vec<SeccompRule>, Error> {
    let unix: &[i32] = if let Kind::Namespaces { .. } = walls.kind { &[libc::AF_UNIX] } else { &[] };
    let network: &[i32] = if walls.network { &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] } else { &[] };
    match [unix, network].concat() {
        none if none.is_empty() => Ok(Vec::new()),
        allowed => Ok(vec![other_than(0, &allowed)?]),
    }
}

/// Of which kinds there are pairs. In `landlock` only those that stay with each other: a socket of datagrams may send to
/// any path, and hand descriptors there, whomever it is paired with.
fn pairs(walls: &Walls) -> Result<Vec<SeccompRule>, Error> {
    let others = (0..=KINDS).filter(|kind| ![libc::SOCK_STREAM, libc::SOCK_SEQPACKET].contains(kind));
    let others: Vec<_> = if let Kind::Landlock = walls.kind { others.collect() } else { Vec::new() };
    let kinds = others.into_iter().map(|kind| {
        let (mask, kind) = (u64::from(KINDS.cast_unsigned()), u64::from(kind.cast_unsigned()));
        SeccompCondition::new(1, Width::Dword, Is::MaskedEq(mask), kind).map_err(Error::Backend)
    });
    let kinds = kinds.map(|condition| rule(vec![condition?]));
    [other_than(0, &[libc::AF_UNIX])].into_iter().chain(kinds).collect()
}

fn other_than(argument: u8, values: &[i32]) -> Result<SeccompRule, Error> {
    let conditions = values.iter().map(|value| {
        SeccompCondition::new(argument, Width::Dword, Is::Ne, u64::from(value.cast_unsigned())).map_err(Error::Backend)
    });
    rule(conditions.collect::<Result<_, _>>()?)
}

fn unequal(argument: u8, value: i32) -> Result<SeccompRule, Error> {
    other_than(argument, &[value])
}

fn has(argument: u8, flag: i32) -> Result<SeccompRule, Error> {
    let flag = u64::from(flag.cast_unsigned());
    let condition = SeccompCondition::new(argument, Width::Qword, Is::MaskedEq(flag), flag);
    rule(vec![condition.map_err(Error::Backend)?])
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, Error> {
    // The system looks at half of it.
    let condition = SeccompCondition::new(argument, Width::Dword, Is::Eq, value);
    rule(vec![condition.map_err(Error::Backend)?])
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, Error> {
    SeccompRule::new(conditions).map_err(|error: BackendError| Error::Backend(error))
}

const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// What no command needs, and what has led out of sandboxes.
const ALWAYS: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Calls that pass by this very filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Large parts of the system, which errors are found in.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Namespaces, mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    // The machine.
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

/// What may be done to a process itself (0), and else to any of the same user: limits, among them the one of time that
/// ends it, and when it runs.
const OTHERS_BY_FIRST: &[c_long] =
    &[libc::SYS_prlimit64, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_sched_setattr];
const OTHERS_BY_SECOND: &[c_long] = &[libc::SYS_setpriority, libc::SYS_ioprio_set];

/// By which it could be seen what happens in directories that may not be read.
const WATCHING: &[c_long] = &[libc::SYS_inotify_init1];

/// What stays when its maker has gone, and is counted nowhere.
const OUTLIVING: &[c_long] =
    &[libc::SYS_shmget, libc::SYS_shmat, libc::SYS_msgget, libc::SYS_semget, libc::SYS_mq_open];

/// The same everywhere, and not known of every machine to `libc`.
const MEMFD_SECRET: c_long = 447;
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;

const MODES: &[c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

/// Orders that change a file which is only open to be read: flags, flags and project, the version (in two ways), encryption, and never
/// to be written again.
const ATTRIBUTES: &[u64] = &[0x4008_6602, 0x401c_5820, 0x4008_7602, 0x4008_6604, 0x800c_6613, 0x4080_6685];

/// By which a process says whether others may look into it.
const SET_DUMPABLE: u64 = 4;

/// The bits of a socket's kind; the others are flags of its descriptor.
const KINDS: i32 = 0xf;

/// Of the numbers that only programs with short pointers call by: each is another name of a call that may be refused.
/// A filter of rules compares numbers one by one, so these instructions come before it.
#[cfg(target_arch = "x86_64")]
const X32: &[sock_filter] = &[
    // Loads the number; if it is less than the first of them, goes on.
    sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
    sock_filter { code: 0x35, jt: 0, jf: 1, k: 0x4000_0000 },
    // Refuses it by `EPERM`.
    sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0001 },
];
#[cfg(not(target_arch = "x86_64"))]
const X32: &[sock_filter] = &[];

/// What only older machines have.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_kexec_file_load];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[c_long] = &[];
#[cfg(target_arch = "x86_64")]
const OLD_WATCHING: &[c_long] = &[libc::SYS_inotify_init];
#[cfg(not(target_arch = "x86_64"))]
const OLD_WATCHING: &[c_long] = &[];
#[cfg(target_arch = "x86_64")]
const OLD_MODES: &[c_long] = &[libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown];
#[cfg(not(target_arch = "x86_64"))]
const OLD_MODES: &[c_long] = &[];
