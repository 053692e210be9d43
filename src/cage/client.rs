//! The client of a cage: starts one here, or connects to a service, and asks it for one thing.
//! Judges nothing: what came back is what there was.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::environment::Environment;
use super::order::{Answer, HEAD_BYTES_MAX, Head, Order, framed, length_of};
use super::walls::{Kind, Walls};

/// The process's own program, whatever stands at its path by now.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";

/// How a cage is reached.
#[derive(Debug)]
pub(super) enum Way {
    /// It is started, once for each command.
    Here { program: PathBuf, walls: Walls, environment: Environment },
    /// A service at a socket.
    Service(PathBuf),
    /// Nothing is ever run.
    Nowhere,
}

/// How long a cage may take beyond a command's time: to start, to end what is left, to answer.
const GRACE: Duration = Duration::from_secs(30);
/// Bytes of what a cage complains about that does not start.
const COMPLAINT_BYTES_MAX: u64 = 1_024;

impl Way {
    /// Has an order run. Fails when there was no answer, with what is known of why. Dropped, it ends what runs.
    pub async fn ask(&self, order: &Order, time: Duration) -> Result<Answer, String> {
        let late = |_| Err("it did not answer in time".to_owned());
        timeout(time + GRACE, self.exchange(order)).await.unwrap_or_else(late)
    }

    async fn exchange(&self, order: &Order) -> Result<Answer, String> {
        match self {
            Self::Nowhere => Err("there is none".to_owned()),
            Self::Service(path) => {
                let failed = |error: io::Error| format!("{}: {error}", path.display());
                let mut socket = UnixStream::connect(path).await.map_err(failed)?;
                let answer = talk(&mut socket, order).await.map_err(failed)?;
                // It has let go of everything when it lets go of this.
                let _ = socket.read(&mut [0]).await;
                Ok(answer)
            }
            Self::Here { program, walls, environment } => {
                let started = start(program, walls, environment);
                let (mut child, mut socket) = started.map_err(|error| error.to_string())?;
                let answer = talk(&mut socket, order).await;
                // Whoever still writes is waited for no longer.
                drop(socket);
                let complaint = match &answer {
                    Ok(_) => String::new(),
                    Err(_) => complaint(&mut child).await,
                };
                let status = child.wait().await.map_err(|error| error.to_string())?;
                if answer.is_ok() && !status.success() {
                    log::warn!("the sandbox of commands: {}", self::complaint(&mut child).await);
                }
                answer.map_err(|error| if complaint.is_empty() { error.to_string() } else { complaint })
            }
        }
    }
}

/// Starts a cage, with one end of a connection as its input.
fn start(program: &Path, walls: &Walls, environment: &Environment) -> io::Result<(Child, UnixStream)> {
    let (own, theirs) = std::os::unix::net::UnixStream::pair()?;
    own.set_nonblocking(true)?;
    let mut command = Command::new(program);
    command.args(["cage", "--stage", "enter", "--walls", &walls.text()?]).env_clear().envs(environment.carry()?);
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::piped());
    // Bubblewrap takes everybody with it. A supervisor must live to end the others, and the connection tells it to.
    command.kill_on_drop(matches!(walls.kind, Kind::Namespaces { .. }));
    let child = command.spawn()?;
    Ok((child, UnixStream::from_std(own)?))
}

/// Sends an order and reads the answer to it.
async fn talk(socket: &mut UnixStream, order: &Order) -> io::Result<Answer> {
    let text = framed(&serde_json::to_vec(order)?)?;
    socket.write_all(&[order.task.writing().letter()]).await?;
    socket.write_all(&text).await?;
    let mut length = [0; 4];
    socket.read_exact(&mut length).await?;
    let mut head = vec![0; length_of(length, HEAD_BYTES_MAX)?];
    socket.read_exact(&mut head).await?;
    let Head { report, stdout, stderr } = Head::parse(&head)?;
    let (mut stdout, mut stderr) = (vec![0; stdout], vec![0; stderr]);
    socket.read_exact(&mut stdout).await?;
    socket.read_exact(&mut stderr).await?;
    Ok(Answer { report, stdout, stderr })
}

/// What a cage says that has not answered.
async fn complaint(child: &mut Child) -> String {
    let mut text = Vec::new();
    if let Some(errors) = child.stderr.take() {
        let _ = errors.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}
