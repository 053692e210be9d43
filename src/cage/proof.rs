//! The proof: what a sandbox must hold is set up outside, tried from within, and looked at afterwards.
//! Tries nothing itself; `probe` does, inside.

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::getpid;

use super::client::Way;
use super::order::{Order, Probe, Task};
use super::probe::started;
use super::{Cage, CageError};
use crate::tooling::End;

/// A probe does little.
const SECONDS: u64 = 20;
/// Where there may be a directory for a moment.
const PLACES: [&str; 4] = ["/var/tmp", "/dev/shm", "/run", "/tmp"];
const CANARY: &str = "canary";
const SOCKET: &str = "socket";

/// Fails with everything that the sandbox of a cage does not hold.
pub(super) async fn prove(cage: &Cage) -> Result<(), CageError> {
    let way = cage.way.as_ref().map_err(|missing| CageError::Missing(missing.clone()))?;
    let outside = Outside::new(cage, way)?;
    let listening = |error| CageError::Broken(format!("nothing to try it with: {error}"));
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(listening)?;
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(listening)?;
    let abstract_name = format!("toolgate-proof-{}-{}", getpid().as_raw_pid(), tcp_port(&tcp).map_err(listening)?);
    let name = SocketAddr::from_abstract_name(&abstract_name).map_err(listening)?;
    let local = UnixListener::bind_addr(&name).map_err(listening)?;
    let process = getpid().as_raw_pid();
    let probe = Probe {
        file: outside.path.join(CANARY),
        new_file: outside.path.join("new"),
        tcp_port: tcp_port(&tcp).map_err(listening)?,
        udp_port: udp.local_addr().map_err(listening)?.port(),
        abstract_name,
        socket: outside.path.join(SOCKET),
        process,
        started: started(process).unwrap_or_default(),
        network: cage.commands.network,
    };
    let network = probe.network;
    let directory = PathBuf::from(".");
    let order = Order { task: Task::Probe(probe), root: None, directory, timeout_seconds: SECONDS };
    let answer = way.ask(&order, Duration::from_secs(SECONDS)).await.map_err(CageError::Broken)?;
    let printed = answer.printed().map_err(|why| CageError::Broken(format!("{why:?}")))?;
    if printed.end != End::Exit(0) || !printed.stderr.is_empty() {
        let said = String::from_utf8_lossy(&printed.stderr).into_owned();
        return Err(CageError::Broken(format!("the probe ended with {:?}: {said}", printed.end)));
    }
    let said = String::from_utf8_lossy(&printed.stdout).into_owned();
    let mut holes: Vec<String> = said.lines().map(str::to_owned).collect();
    // Who was tried may know better.
    holes.extend(outside.is_changed().then(|| "files outside were changed".to_owned()));
    let heard = tcp.set_nonblocking(true).is_ok_and(|()| tcp.accept().is_ok())
        || udp.set_nonblocking(true).is_ok_and(|()| udp.recv(&mut [0; 8]).is_ok());
    holes.extend((heard && !network).then(|| "the network of this machine was reached".to_owned()));
    let heard = local.set_nonblocking(true).is_ok_and(|()| local.accept().is_ok());
    holes.extend(heard.then(|| "an abstract socket was reached".to_owned()));
    let heard = outside.socket.set_nonblocking(true).is_ok_and(|()| outside.socket.recv(&mut [0; 8]).is_ok());
    holes.extend(heard.then(|| "a socket outside was reached".to_owned()));
    if holes.is_empty() { Ok(()) } else { Err(CageError::Holes(holes)) }
}

fn tcp_port(listener: &TcpListener) -> io::Result<u16> {
    Ok(listener.local_addr()?.port())
}

/// A directory that no command is to see, removed with this.
struct Outside {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Outside {
    /// Makes one. Fails where there is no place for it.
    fn new(cage: &Cage, way: &Way) -> Result<Self, CageError> {
        let is_shown = |folder: &Path| match way {
            Way::Here { walls, .. } => walls.show(folder),
            _ => cage
                .workspace
                .directories()
                .any(|root| folder.starts_with(root.path) || folder.starts_with(root.canonical)),
        };
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for folder in [env::temp_dir()].into_iter().chain(PLACES.map(PathBuf::from)).filter(|folder| !is_shown(folder))
        {
            match Self::within(&folder) {
                Ok(outside) => return Ok(outside),
                Err(error) => last = error,
            }
        }
        Err(CageError::NoCanary(last))
    }

    fn within(folder: &Path) -> io::Result<Self> {
        let process = getpid().as_raw_pid();
        let names = (0..100).map(|n| folder.join(format!("toolgate-proof-{process}-{n}")));
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for path in names {
            match fs::create_dir(&path) {
                Ok(()) => {
                    // The name of a socket may be too long here.
                    let filled = fs::write(path.join(CANARY), CANARY);
                    let filled = filled.and_then(|()| UnixDatagram::bind(path.join(SOCKET)));
                    return match filled {
                        Ok(socket) => Ok(Self { path, socket }),
                        Err(error) => {
                            let _ = fs::remove_dir_all(&path);
                            Err(error)
                        }
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn is_changed(&self) -> bool {
        let names = fs::read_dir(&self.path).map(Iterator::count);
        names.ok() != Some(2) || fs::read(self.path.join(CANARY)).ok().as_deref() != Some(CANARY.as_bytes())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
