//! A scheduler that knows what no balancer can: what is in each cache, how fast each box is, and when its answers end.
//! It goes by the same rule, so that the distance to it is what not knowing costs.

use crate::boxes::Machine;
use crate::traffic::{Piece, tokens};

/// Requests that wait, in the order in which they came.
#[derive(Debug, Default)]
pub struct Oracle {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    job: usize,
    prompt: Vec<Piece>,
    since: u64,
    overtaken: u32,
}

/// As the balancer's own settings have it.
const OVERTAKEN_MAX: u32 = 32;

impl Oracle {
    pub fn enqueue(&mut self, job: usize, prompt: Vec<Piece>, now: u64) {
        self.waiting.push(Waiting { job, prompt, since: now, overtaken: 0 });
    }

    /// The next job that goes, and the box where it does.
    pub fn next(&mut self, boxes: &[Machine], now: u64) -> Option<(usize, usize)> {
        let mut ahead = vec![0; boxes.len()];
        let mut best: Option<(u64, usize, usize)> = None;
        for (at, waiting) in self.waiting.iter().enumerate() {
            let estimate = |(place, of): (usize, &Machine)| {
                let reading = (tokens(&waiting.prompt) - of.cached(&waiting.prompt)) * 1_000_000 / of.make.reads;
                let starts = of.free_at(ahead[place], now).max(of.reads_until());
                let slowed = u64::from(of.busy + 1) * of.make.writes * 60 / u64::from(of.make.slots);
                (starts.saturating_sub(now) + reading + slowed, place, reading)
            };
            let estimates = || boxes.iter().enumerate().map(estimate);
            let (_, free, reading) = estimates().filter(|(_, place, _)| boxes[*place].has_room()).min()?;
            let (_, wanted, _) = estimates().min().unwrap();
            let is_due = waiting.overtaken >= OVERTAKEN_MAX;
            if wanted != free && !boxes[wanted].has_room() && !is_due {
                ahead[wanted] += 1;
                continue;
            }
            let rank = reading + waiting.since * 3 / 10;
            if best.is_none_or(|(least, ..)| rank < least) {
                best = Some((rank, at, free));
            }
            if is_due {
                break;
            }
        }
        let (_, at, place) = best?;
        self.waiting[..at].iter_mut().for_each(|overtaken| overtaken.overtaken += 1);
        Some((self.waiting.remove(at).job, place))
    }
}
