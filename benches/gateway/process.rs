//! Servers as processes of their own, so that what each costs can be told apart.
//! Reads `/proc`, so it is Linux's.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A server, ended when it is dropped.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
}

/// How long a server may take until it listens.
const START_MAX: Duration = Duration::from_secs(10);

impl Process {
    /// Starts what `command` makes of a free address, and waits until it listens there.
    pub fn start(command: impl FnOnce(SocketAddr) -> Command) -> io::Result<Self> {
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = command(addr).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let process = Self { child, addr };
        let began = Instant::now();
        while let Err(e) = TcpStream::connect(addr) {
            if began.elapsed() > START_MAX {
                return Err(e);
            }
            sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// What all its threads have computed so far.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += stat.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Its resident memory in KiB.
    pub fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        field
            .and_then(|field| field.trim().trim_end_matches(" kB").parse().ok())
            .ok_or(io::ErrorKind::InvalidData.into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
