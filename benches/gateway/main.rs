//! What the gateway costs on real sockets: `cargo bench --bench gateway`.
//!
//! A server that streams, a bare Pingora proxy and `toolgate run` are processes of their own on loopback; this one
//! is their clients. What is compared takes turns, round by round, and figures are medians over the rounds: on a
//! machine with other work absolute figures move, ratios hardly. It takes about three minutes;
//! `cargo bench --bench gateway -- memory` looks at memory alone, `-- apis` at what clients of other APIs cost, `-- rounds` at tools
//! that run in the gateway, and `-- peers` compares with nginx and HAProxy.

#![allow(clippy::as_conversions)]

mod bare;
mod client;
mod peers;
mod process;
mod upstream;

use std::error::Error;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use bare::Keeping;
use client::Api;
use process::Process;
use upstream::{After, Answer, Plan};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 9;
/// One at a time, in each round.
const ALONE: usize = 100;
/// Streams at the speed of a model that is well used.
const PACED_STREAMS: usize = 50;
const PACED: Plan = Plan { answer: Answer::Text, events: 100, pause_us: 20_000, burst: 1 };
/// Streams as fast as they go.
const FAST_STREAMS: usize = 16;
const FAST: Plan = Plan { answer: Answer::Text, events: 1500, pause_us: 0, burst: 1 };
/// Streams that are open at once while memory is looked at: as near to 10,000 as a limit of 20,000 files lets come,
/// since each is two sockets in what stands between.
const OPEN_STREAMS: usize = 9_950;
const OPEN: Plan = Plan { answer: Answer::Text, events: 2, pause_us: 300_000_000, burst: 1 };
const FILES: usize = 20_000;
/// An agent's request.
const LARGE_BYTES: usize = 32 << 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["upstream", addr] => Ok(upstream::serve(addr, After::Close)?),
        ["keeping-upstream", addr] => Ok(upstream::serve(addr, After::Keep)?),
        ["bare", addr, upstream] => bare::serve(addr, upstream.parse()?, None, Keeping::Nothing),
        ["bare", addr, upstream, threads] => {
            bare::serve(addr, upstream.parse()?, Some(threads.parse()?), Keeping::Nothing)
        }
        ["bare", addr, upstream, threads, "pools"] => {
            bare::serve(addr, upstream.parse()?, Some(threads.parse()?), Keeping::Connections)
        }
        ["measure", "memory"] => runtime()?.block_on(weigh_all()),
        ["measure", "apis"] => runtime()?.block_on(compare_apis()),
        ["measure", "rounds"] => runtime()?.block_on(compare_rounds()),
        ["measure", "peers"] => runtime()?.block_on(peers::compare()),
        ["measure", _] => runtime()?.block_on(measure()),
        _ => {
            let what = ["memory", "apis", "rounds", "peers"]
                .into_iter()
                .find(|what| arguments.contains(what))
                .unwrap_or("all");
            // The soft limit of open files is often 1,024.
            let more_files = format!("ulimit -S -n {FILES}; exec \"$0\" measure {what}");
            Err(Command::new("sh").args(["-c", &more_files]).arg(std::env::current_exe()?).exec().into())
        }
    }
}

/// What is measured: a way to the server, and what is sent on it.
struct Target<'a> {
    name: &'static str,
    addr: SocketAddr,
    api: Api,
    /// Absent where nothing stands between.
    between: Option<&'a Process>,
    tools: &'static str,
    answer: Answer,
    figures: Figures,
}

/// Microseconds; one figure a round, of `first` one a request.
#[derive(Default)]
struct Figures {
    first: Vec<f64>,
    request: Vec<f64>,
    paced: Vec<f64>,
    fast: Vec<f64>,
    fast_wall: Vec<f64>,
}

async fn measure() -> Result<()> {
    let server = start_self("upstream", None)?;
    let bare = &start_self("bare", Some(server.addr))?;
    let toolgate = &start_toolgate(server.addr, &[])?;
    let mut targets = [
        Target::new("direct", server.addr, None, NO_TOOLS, Answer::Text),
        Target::new("bare Pingora", bare.addr, Some(bare), TOOLS, Answer::Text),
        Target::new("bare Pingora, a call as text", bare.addr, Some(bare), TOOLS, Answer::Call),
        Target::new("toolgate, no tools", toolgate.addr, Some(toolgate), NO_TOOLS, Answer::Text),
        Target::new("toolgate, tools", toolgate.addr, Some(toolgate), TOOLS, Answer::Text),
        Target::new("toolgate, tools, a call", toolgate.addr, Some(toolgate), TOOLS, Answer::Call),
    ];
    let [others @ .., call] = &targets;
    for target in others {
        target.check("stop").await?;
    }
    call.check("tool_calls").await?;
    for _ in 0..ROUNDS {
        for target in &mut targets {
            target.alone().await?;
        }
        for target in &mut targets {
            target.paced().await?;
        }
        for target in &mut targets {
            target.fast().await?;
        }
    }
    print_times(&targets);
    weigh_all().await
}

/// The APIs that clients speak, beside OpenAI's chat.
async fn compare_apis() -> Result<()> {
    let server = start_self("upstream", None)?;
    let folder = new_folder()?;
    let toolgate = &start_toolgate_for_all(server.addr, &folder)?;
    let target = |name, tools, answer, api| Target::new(name, toolgate.addr, Some(toolgate), tools, answer).of(api);
    let mut targets = [
        target("chat", NO_TOOLS, Answer::Text, Api::Chat),
        target("messages", NO_TOOLS, Answer::Text, Api::Messages),
        target("Ollama", NO_TOOLS, Answer::Text, Api::Ollama),
        target("chat, tools, a call", TOOLS, Answer::Call, Api::Chat),
        target("messages, tools, a call", TOOLS, Answer::Call, Api::Messages),
        target("Ollama, tools, a call", TOOLS, Answer::Call, Api::Ollama),
    ];
    take_turns(&mut targets).await?;
    println!("| | first event p50 | more than chat | CPU a request | CPU an event, fast | more than chat |");
    println!("|--|--|--|--|--|--|");
    for (at, target) in targets.iter().enumerate() {
        let Some(chat) = targets.get(at / 3 * 3) else { continue };
        let (ours, theirs) = (&target.figures, &chat.figures);
        let median = |figures: &[f64]| quantile(figures, 0.5);
        let (first, event) = (median(&ours.first), median(&ours.fast));
        let (more_first, more_event) = (first - median(&theirs.first), event - median(&theirs.fast));
        let request = median(&ours.request);
        println!("| {} | {first:.0} | {more_first:.0} | {request:.0} | {event:.2} | {more_event:.2} |", target.name);
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// A folder of this run's own.
fn new_folder() -> std::io::Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(format!("toolgate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Requests alone, and streams as fast as they go, of each in turn.
async fn take_turns(targets: &mut [Target<'_>]) -> Result<()> {
    for _ in 0..ROUNDS {
        for target in &mut *targets {
            target.alone().await?;
        }
        for target in &mut *targets {
            target.fast().await?;
        }
    }
    println!("{ROUNDS} rounds; medians; us\n");
    Ok(())
}

/// Requests whose tools run in the gateway, beside those that get none.
async fn compare_rounds() -> Result<()> {
    let server = start_self("upstream", None)?;
    let folder = new_folder()?;
    std::fs::write(folder.join("a.txt"), "It stands open.\n")?;
    let plain = &start_toolgate(server.addr, &[])?;
    let tooled = &start_toolgate_with(server.addr, &[], &["--working-dir", &folder.to_string_lossy()])?;
    let mut targets = [
        Target::new("plain", plain.addr, Some(plain), NO_TOOLS, Answer::Text),
        Target::new("the client's own tools", plain.addr, Some(plain), TOOLS, Answer::Text),
        Target::new("tools of the gateway's, no call", tooled.addr, Some(tooled), NO_TOOLS, Answer::Text),
        Target::new("tools of the gateway's, two rounds", tooled.addr, Some(tooled), NO_TOOLS, Answer::Turn),
    ];
    for target in &targets {
        target.check("stop").await?;
    }
    take_turns(&mut targets).await?;
    println!("| | first event p50 | CPU a request | CPU an event, fast |\n|--|--|--|--|");
    for target in &targets {
        let Figures { first, request, fast, .. } = &target.figures;
        let [first, request, fast] = [first, request, fast].map(|figures| quantile(figures, 0.5));
        println!("| {} | {first:.0} | {request:.0} | {fast:.2} |", target.name);
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Prints what memory fresh processes take, idle and with many streams open.
async fn weigh_all() -> Result<()> {
    println!(
        "\n| memory, fresh process | idle, MiB | {OPEN_STREAMS} open streams, MiB | KiB a stream |\n|--|--|--|--|"
    );
    let large = format!(r#"{TOOLS},"user":"{}""#, "u".repeat(LARGE_BYTES));
    for (what, more) in [("", NO_TOOLS), (", requests of 32 KiB", &large)] {
        weigh(&format!("bare Pingora{what}"), |server| start_self("bare", Some(server)), more).await?;
    }
    for (how, environment) in [("", &[][..]), (", as the unit starts it", &[MALLOC][..])] {
        for (what, more) in [("no tools", NO_TOOLS), ("tools", TOOLS), ("tools, requests of 32 KiB", &large)] {
            weigh(&format!("toolgate, {what}{how}"), |server| start_toolgate(server, environment), more).await?;
        }
    }
    Ok(())
}

fn start_self(what: &str, upstream: Option<SocketAddr>) -> Result<Process> {
    let program = std::env::current_exe()?;
    Ok(Process::start(|addr| {
        let mut command = Command::new(program);
        command.args([what, &addr.to_string()]).args(upstream.map(|addr| addr.to_string()));
        command
    })?)
}

/// The program itself, as a user starts it.
fn start_toolgate(upstream: SocketAddr, environment: &[(&str, &str)]) -> Result<Process> {
    start_toolgate_with(upstream, environment, &[])
}

/// The same with more options.
fn start_toolgate_with(upstream: SocketAddr, environment: &[(&str, &str)], options: &[&str]) -> Result<Process> {
    let (program, upstream) = (env!("CARGO_BIN_EXE_toolgate"), format!("http://{upstream}"));
    Ok(Process::start(|addr| {
        let mut command = Command::new(program);
        command.args(["run", "--dialect", "hermes", "--upstream", &upstream, "--listen", &addr.to_string()]);
        command.args(options);
        command.envs(environment.iter().copied());
        command
    })?)
}

/// The same for clients of every API.
fn start_toolgate_for_all(upstream: SocketAddr, folder: &std::path::Path) -> Result<Process> {
    let file = folder.join("toolgate.yaml");
    Ok(Process::start(|addr| {
        let pool = format!("{{name: bench, engine: llama.cpp, dialect: hermes, peers: \"http://{upstream}\"}}");
        let config = format!("listen: {addr}\nollama_api: true\npools: [{pool}]\n");
        // A program that finds no file says so.
        let _ = std::fs::write(&file, config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
        command.arg("run").arg("-c").arg(&file);
        command
    })?)
}

impl<'a> Target<'a> {
    fn new(
        name: &'static str,
        addr: SocketAddr,
        between: Option<&'a Process>,
        tools: &'static str,
        answer: Answer,
    ) -> Self {
        Self { name, addr, api: Api::Chat, between, tools, answer, figures: Figures::default() }
    }

    /// The same for clients of another API.
    fn of(self, api: Api) -> Self {
        let tools = if api == Api::Messages && !self.tools.is_empty() { MESSAGES_TOOLS } else { self.tools };
        Self { api, tools, ..self }
    }

    fn body(&self, plan: Plan) -> String {
        let plan = Plan { answer: self.answer, ..plan };
        match self.api {
            Api::Chat | Api::Ollama => body(plan, self.tools),
            Api::Messages => messages_body(plan, self.tools),
        }
    }

    /// That what is measured happens: a call comes out where one is to, and nothing is cut off.
    async fn check(&self, finish: &str) -> Result<()> {
        let plan = Plan { answer: self.answer, events: 3, pause_us: 0, burst: 1 };
        let end = client::begin(self.addr, self.api, &self.body(plan)).await?.end().await?;
        let end = String::from_utf8_lossy(&end);
        let is_right = end.contains(&format!(r#""finish_reason":"{finish}""#));
        if is_right { Ok(()) } else { Err(format!("{}: not finished by {finish}: {end}", self.name).into()) }
    }

    async fn alone(&mut self) -> Result<()> {
        let body = self.body(Plan { answer: self.answer, events: 1, pause_us: 0, burst: 1 });
        let before = self.cpu()?;
        for _ in 0..ALONE {
            let answer = client::begin(self.addr, self.api, &body).await?;
            self.figures.first.push(micros(answer.first));
            answer.end().await?;
        }
        self.figures.request.push(micros(self.cpu()? - before) / count(ALONE));
        Ok(())
    }

    async fn paced(&mut self) -> Result<()> {
        let (cpu, _) = self.streams(PACED, PACED_STREAMS).await?;
        self.figures.paced.push(cpu);
        Ok(())
    }

    async fn fast(&mut self) -> Result<()> {
        let (cpu, wall) = self.streams(FAST, FAST_STREAMS).await?;
        self.figures.fast.push(cpu);
        self.figures.fast_wall.push(wall);
        Ok(())
    }

    /// Reads so many streams at once; returns the microseconds of CPU, and of time, an event.
    async fn streams(&self, plan: Plan, streams: usize) -> Result<(f64, f64)> {
        let body: std::sync::Arc<str> = self.body(plan).into();
        let (began, before) = (Instant::now(), self.cpu()?);
        let mut clients = tokio::task::JoinSet::new();
        for n in 0..streams {
            let (addr, api, body) = (self.addr, self.api, std::sync::Arc::clone(&body));
            // Spread over the time of one event, as streams are that began by themselves.
            let later = Duration::from_micros(plan.pause_us) * u32::try_from(n)? / u32::try_from(streams)?;
            clients.spawn(async move {
                tokio::time::sleep(later).await;
                client::begin(addr, api, &body).await?.end().await
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        let wall = began.elapsed();
        // The last of them are being logged.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let events = count(streams * Plan { answer: self.answer, ..plan }.all_events());
        Ok((micros(self.cpu()? - before) / events, micros(wall) / events))
    }

    fn cpu(&self) -> Result<Duration> {
        Ok(self.between.map_or(Ok(Duration::ZERO), Process::cpu)?)
    }
}

fn print_times(targets: &[Target<'_>; 6]) {
    println!("{ROUNDS} rounds; medians; us\n");
    println!("| | first event p50 | p99 | CPU a request | CPU an event, paced | CPU an event, fast | events/s, fast |");
    println!("|--|--|--|--|--|--|--|");
    for target in targets {
        let Figures { first, request, paced, fast, fast_wall } = &target.figures;
        let (median, late) = (quantile(first, 0.5), quantile(first, 0.99));
        let figures = [median, late, quantile(request, 0.5)].map(|figure| format!("{figure:.0}"));
        let events = [paced, fast].map(|figures| format!("{:.2}", quantile(figures, 0.5)));
        let per_second = 1e6 / quantile(fast_wall, 0.5);
        println!("| {} | {} | {} | {per_second:.0} |", target.name, figures.join(" | "), events.join(" | "));
    }
    println!(
        "\n| over bare Pingora | first event, us more | CPU a request | CPU an event, paced | CPU an event, fast |"
    );
    println!("|--|--|--|--|--|");
    let [_, bare, bare_call, through, text, call] = targets;
    for (target, bare) in [(through, bare), (text, bare), (call, bare_call)] {
        let (ours, theirs) = (&target.figures, &bare.figures);
        // Round by round, since a round's figures have its disturbances in common.
        let ratio = |of: fn(&Figures) -> &Vec<f64>| {
            let ratios: Vec<f64> = of(ours).iter().zip(of(theirs)).map(|(a, b)| a / b).collect();
            format!("{:.2}", quantile(&ratios, 0.5))
        };
        let more = quantile(&ours.first, 0.5) - quantile(&theirs.first, 0.5);
        let ratios = [ratio(|f| &f.request), ratio(|f| &f.paced), ratio(|f| &f.fast)];
        println!("| {} | {more:.0} | {} |", target.name, ratios.join(" | "));
    }
}

/// The server is its own, since one that pauses does not see that its clients have gone.
async fn weigh(name: &str, start: impl FnOnce(SocketAddr) -> Result<Process>, more: &str) -> Result<()> {
    let server = start_self("upstream", None)?;
    let process = start(server.addr)?;
    let idle = process.resident_kib()?;
    let body = body(OPEN, more);
    let mut open = Vec::new();
    for _ in 0..OPEN_STREAMS {
        open.push(client::begin(process.addr, Api::Chat, &body).await?);
    }
    let full = process.resident_kib()?;
    let stream = (full - idle) / u64::try_from(OPEN_STREAMS)?;
    println!("| {name} | {:.1} | {:.1} | {stream} |", mib(idle), mib(full));
    Ok(())
}

fn body(plan: Plan, tools: &str) -> String {
    let model = plan.model();
    format!(
        r#"{{"model":"{model}","stream":true,"messages":[{{"role":"system","content":"You keep the gate."}},{{"role":"user","content":"Who goes there? Make a note of it."}}]{tools}}}"#
    )
}

fn messages_body(plan: Plan, tools: &str) -> String {
    let model = plan.model();
    format!(
        r#"{{"model":"{model}","max_tokens":1000000,"stream":true,"system":"You keep the gate.","messages":[{{"role":"user","content":"Who goes there? Make a note of it."}}]{tools}}}"#
    )
}

/// What `conf/toolgate.service` and the image set.
const MALLOC: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "16384");

const NO_TOOLS: &str = "";
const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"note","description":"Writes a note.","parameters":{"type":"object","properties":{"text":{"type":"string","description":"What it says."},"urgent":{"type":"boolean"}},"required":["text"]}}},{"type":"function","function":{"name":"read","description":"Reads the notes of a day.","parameters":{"type":"object","properties":{"day":{"type":"string"},"limit":{"type":"integer"}},"required":["day"]}}}],"tool_choice":"auto""#;

/// The same tools.
const MESSAGES_TOOLS: &str = r#","tools":[{"name":"note","description":"Writes a note.","input_schema":{"type":"object","properties":{"text":{"type":"string","description":"What it says."},"urgent":{"type":"boolean"}},"required":["text"]}},{"name":"read","description":"Reads the notes of a day.","input_schema":{"type":"object","properties":{"day":{"type":"string"},"limit":{"type":"integer"}},"required":["day"]}}],"tool_choice":{"type":"auto"}"#;

/// The value below which so large a share of them lies.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = (count(values.len().saturating_sub(1)) * share).round();
    values.iter().copied().enumerate().find(|(i, _)| count(*i) >= at).map_or(f64::NAN, |(_, value)| value)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn count(number: usize) -> f64 {
    number as f64
}
