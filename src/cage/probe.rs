//! The probe: what a command must not be able to do, tried from where a command stands.
//! Hides nothing and mends nothing: it says what went through.

use std::fs::{self, File};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};

use rustix::process::{Pid, test_kill_process};

use super::order::Probe;

/// What a sandbox did not keep from happening.
pub(super) fn holes(probe: &Probe) -> Vec<String> {
    let mut holes = Vec::new();
    let mut hole = |is_open: bool, what: &str| holes.extend(is_open.then(|| what.to_owned()));
    hole(File::open(&probe.file).is_ok(), "a file outside can be read");
    hole(File::options().append(true).open(&probe.file).is_ok(), "a file outside can be written");
    hole(File::create_new(&probe.new_file).is_ok(), "a file outside can be made");
    hole(fs::remove_file(&probe.file).is_ok(), "a file outside can be removed");
    for setting in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"] {
        hole(File::options().write(true).open(setting).is_ok(), "a setting of the system can be written");
    }
    if !probe.network {
        hole(TcpStream::connect(("127.0.0.1", probe.tcp_port)).is_ok(), "a TCP address can be connected to");
        let send = UdpSocket::bind(("127.0.0.1", 0));
        let send = send.and_then(|socket| socket.send_to(b"here", ("127.0.0.1", probe.udp_port)));
        // Whether it has come, the other end knows; nothing that may send is to be there at all.
        hole(send.is_ok(), "a UDP address can be sent to");
    }
    let name = SocketAddr::from_abstract_name(&probe.abstract_name);
    hole(name.and_then(|name| UnixStream::connect_addr(&name)).is_ok(), "an abstract socket can be connected to");
    let pair = UnixDatagram::pair().and_then(|(one, _)| one.send_to(b"here", &probe.socket));
    hole(pair.is_ok(), "a socket outside can be sent to");
    match started(probe.process) {
        Some(started) if started == probe.started => {
            hole(fs::read(format!("/proc/{}/environ", probe.process)).is_ok(), "the gateway's environment can be read");
            hole(can_signal(probe.process), "the gateway can be signalled");
        }
        // Somebody in here has its number.
        Some(_) => {}
        None => hole(can_signal(probe.process), "the gateway can be signalled"),
    }
    holes
}

fn can_signal(process: i32) -> bool {
    Pid::from_raw(process).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// When a process began, in ticks since the system did. None where it is not to be seen.
pub(super) fn started(process: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name may have anything in it, and ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}
