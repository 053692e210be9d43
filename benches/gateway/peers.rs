//! Peers of toolgate: nginx and HAProxy as Debian has them, and a bare Pingora that keeps its connections to the server, one
//! thread each. Each passes through; they are what can be had at the least.
//! Those that are not installed are left out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::client::{self, Api};
use super::process::Process;
use super::upstream::{Answer, Plan};
use super::{NO_TOOLS, Result, TOOLS, body, count, micros, quantile, start_self};

const ROUNDS: usize = 5;
/// One at a time, in each round.
const ALONE: usize = 200;
/// Many streams at the speed of a model: each round some seconds.
const MANY: usize = 500;
const PACED: Plan = Plan { answer: Answer::Text, events: 100, pause_us: 20_000, burst: 1 };
const FAST_STREAMS: usize = 16;
const FAST: Plan = Plan { answer: Answer::Text, events: 2_000, pause_us: 0, burst: 1 };
const BURSTS: Plan = Plan { answer: Answer::Text, events: 8_000, pause_us: 0, burst: 8 };
/// Arguments of some 64 KiB.
const LONG_CALL: Plan = Plan { answer: Answer::Call, events: 18_000, pause_us: 0, burst: 1 };
const LONG_STREAMS: usize = 4;

/// A way to the server.
struct Way {
    name: &'static str,
    addr: SocketAddr,
    between: Option<Process>,
    rows: Vec<Vec<f64>>,
}

/// Figures, in the order in which they are shown.
const ROWS: [&str; 13] = [
    "a request with an answer of three tokens, CPU us",
    "the same with tools",
    "an event, 500 streams at 50 tokens/s, CPU us",
    "the same, delay of a token, median, us",
    "the same, 99 %, us",
    "the same with tools, a call, CPU us",
    "an event as fast as it goes, CPU us",
    "an event in bursts of 8 a chunk, CPU us",
    "an event with tools, a call, as fast as it goes, CPU us",
    "an event inside a call of 64 KiB, CPU us",
    "first token with tools, us",
    "500 open streams, KiB each",
    "an event inside a call of 64 KiB, 8 a chunk, CPU us",
];

/// Compares them all, in turns.
pub async fn compare() -> Result<()> {
    let server = start_self("keeping-upstream", None)?;
    let folder = std::env::temp_dir().join(format!("toolgate-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut ways = vec![
        Way::new("direct", server.addr, None),
        Way::through("bare Pingora", start_bare(server.addr, &["pools"])?),
        Way::through("the same, connecting anew", start_bare(server.addr, &[])?),
        Way::through("toolgate", start_toolgate(server.addr, &folder, "toolgate", None)?),
    ];
    // Another build of it, to be told apart from this one.
    if let Ok(other) = std::env::var("TOOLGATE_OTHER") {
        ways.push(Way::through("toolgate, other", start_toolgate(server.addr, &folder, "other", Some(&other))?));
    }
    for (name, find, start) in [
        ("nginx", "/usr/sbin/nginx", start_nginx as fn(&str, SocketAddr, &Path) -> Result<Process>),
        ("HAProxy", "/usr/sbin/haproxy", start_haproxy),
    ] {
        if Path::new(find).exists() {
            ways.push(Way::through(name, start(find, server.addr, &folder)?));
        } else {
            println!("{name} is not installed");
        }
    }
    for way in &mut ways {
        way.weigh().await?;
    }
    for _ in 0..ROUNDS {
        for way in &mut ways {
            way.alone().await?;
        }
        for way in &mut ways {
            way.paced().await?;
        }
        for way in &mut ways {
            way.fast().await?;
        }
    }
    print(&ways);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn print(ways: &[Way]) {
    println!("{ROUNDS} rounds; medians; one thread each\n");
    let names: Vec<_> = ways.iter().map(|way| way.name).collect();
    println!("| | {} |\n|--|{}", names.join(" | "), "--|".repeat(ways.len()));
    for (at, row) in ROWS.iter().enumerate() {
        let cells = ways.iter().map(|way| {
            let values = way.rows.get(at).map_or(&[][..], Vec::as_slice);
            let median = quantile(values, 0.5);
            if median >= 100.0 { format!("{median:.0}") } else { format!("{median:.2}") }
        });
        println!("| {row} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

impl Way {
    fn new(name: &'static str, addr: SocketAddr, between: Option<Process>) -> Self {
        Self { name, addr, between, rows: vec![Vec::new(); ROWS.len()] }
    }

    fn through(name: &'static str, process: Process) -> Self {
        Self::new(name, process.addr, Some(process))
    }

    fn note(&mut self, row: usize, value: f64) {
        self.rows.get_mut(row).into_iter().for_each(|row| row.push(value));
    }

    fn cpu(&self) -> Result<Duration> {
        Ok(self.between.as_ref().map_or(Ok(Duration::ZERO), Process::cpu)?)
    }

    async fn alone(&mut self) -> Result<()> {
        for (row, tools) in [(0, NO_TOOLS), (1, TOOLS)] {
            let body = body(Plan { answer: Answer::Text, events: 3, pause_us: 0, burst: 1 }, tools);
            let before = self.cpu()?;
            let mut firsts = Vec::new();
            for _ in 0..ALONE {
                let answer = client::begin(self.addr, Api::Chat, &body).await?;
                firsts.push(micros(answer.first));
                answer.end().await?;
            }
            let cpu = micros(self.cpu()? - before) / count(ALONE);
            self.note(row, cpu);
            if row == 1 {
                self.note(10, quantile(&firsts, 0.5));
            }
        }
        Ok(())
    }

    async fn paced(&mut self) -> Result<()> {
        let (cpu, delays) = self.streams(PACED, MANY, NO_TOOLS).await?;
        self.note(2, cpu);
        self.note(3, quantile(&delays, 0.5));
        self.note(4, quantile(&delays, 0.99));
        let (cpu, _) = self.streams(Plan { answer: Answer::Call, ..PACED }, MANY, TOOLS).await?;
        self.note(5, cpu);
        Ok(())
    }

    async fn fast(&mut self) -> Result<()> {
        for (row, plan, streams, tools) in [
            (6, FAST, FAST_STREAMS, NO_TOOLS),
            (7, BURSTS, FAST_STREAMS, NO_TOOLS),
            (8, Plan { answer: Answer::Call, events: 200, ..FAST }, FAST_STREAMS * 8, TOOLS),
            (9, LONG_CALL, LONG_STREAMS, TOOLS),
            (12, Plan { burst: 8, ..LONG_CALL }, LONG_STREAMS, TOOLS),
        ] {
            let (cpu, _) = self.streams(plan, streams, tools).await?;
            self.note(row, cpu);
        }
        Ok(())
    }

    /// What streams take that are open and silent, in a fresh process.
    async fn weigh(&mut self) -> Result<()> {
        let Some(between) = &self.between else { return Ok(()) };
        let idle = between.resident_kib()?;
        let body = body(super::OPEN, NO_TOOLS);
        let mut open = Vec::new();
        for _ in 0..MANY {
            open.push(client::begin(self.addr, Api::Chat, &body).await?);
        }
        let each = count(usize::try_from(between.resident_kib()?.saturating_sub(idle))?) / count(MANY);
        self.note(11, each);
        Ok(())
    }

    /// Reads so many streams at once: microseconds of CPU an event, and the delays of those that say when they were sent.
    async fn streams(&self, plan: Plan, streams: usize, tools: &'static str) -> Result<(f64, Vec<f64>)> {
        let body: Arc<str> = body(plan, tools).into();
        let before = self.cpu()?;
        let mut clients = tokio::task::JoinSet::new();
        for n in 0..streams {
            let (addr, body) = (self.addr, Arc::clone(&body));
            // Spread, as streams are that began by themselves: each second some begin.
            let spread = if plan.pause_us > 0 { Duration::from_secs(2) } else { Duration::ZERO };
            let later = spread * u32::try_from(n)? / u32::try_from(streams)?;
            clients.spawn(async move {
                tokio::time::sleep(later).await;
                let answer = client::begin(addr, Api::Chat, &body).await?;
                if plan.pause_us > 0 { answer.delays().await } else { answer.end().await.map(|_| Vec::new()) }
            });
        }
        let mut delays = Vec::new();
        while let Some(client) = clients.join_next().await {
            delays.extend(client??);
        }
        // The last of them are being logged.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let events = count(streams * plan.all_events());
        Ok((micros(self.cpu()? - before) / events, delays))
    }
}

fn start_bare(upstream: SocketAddr, more: &[&str]) -> Result<Process> {
    let program = std::env::current_exe()?;
    Ok(Process::start(|addr| {
        let mut command = Command::new(program);
        command.args(["bare", &addr.to_string(), &upstream.to_string(), "1"]).args(more);
        command
    })?)
}

fn start_toolgate(upstream: SocketAddr, folder: &Path, name: &str, program: Option<&str>) -> Result<Process> {
    let file = folder.join(name).with_extension("yaml");
    let program = program.unwrap_or(env!("CARGO_BIN_EXE_toolgate")).to_owned();
    Ok(Process::start(|addr| {
        let pool = format!("{{name: bench, engine: llama.cpp, dialect: hermes, peers: \"http://{upstream}\"}}");
        // A program that finds no file says so.
        let _ = std::fs::write(&file, format!("listen: {addr}\nserver: {{threads: 1}}\npools: [{pool}]\n"));
        let mut command = Command::new(program);
        command.arg("run").arg("-c").arg(&file);
        command
    })?)
}

fn start_nginx(program: &str, upstream: SocketAddr, folder: &Path) -> Result<Process> {
    let file = folder.join("nginx.conf");
    let of = |name: &str| folder.join(name).display().to_string();
    Ok(Process::start(|addr| {
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};", of(name)))
            .join(" ");
        let _ = std::fs::write(
            &file,
            format!(
                "daemon off; master_process off; pid {}; error_log {} crit; worker_rlimit_nofile 20000;\n\
                 events {{ worker_connections 10000; }}\n\
                 http {{ access_log off; {paths}\n\
                 upstream server {{ server {upstream}; keepalive 64; }}\n\
                 server {{ listen {addr}; client_body_buffer_size 1m; location / {{ proxy_pass http://server; \
                 proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n",
                of("pid"),
                of("error.log"),
            ),
        );
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&file);
        command
    })?)
}

fn start_haproxy(program: &str, upstream: SocketAddr, folder: &Path) -> Result<Process> {
    let file: PathBuf = folder.join("haproxy.cfg");
    Ok(Process::start(|addr| {
        let _ = std::fs::write(
            &file,
            format!(
                "global\n nbthread 1\n maxconn 9000\n\
                 defaults\n mode http\n timeout connect 5s\n timeout client 600s\n timeout server 600s\n \
                 option http-no-delay\n http-reuse always\n\
                 listen gateway\n bind {addr}\n server box {upstream}\n"
            ),
        );
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&file);
        command
    })?)
}
