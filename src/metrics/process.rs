//! Process metrics: what the system sees of the process, under the names that Prometheus' own client libraries use.
//! Reads `/proc`; where there is none it says nothing.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use super::page::{Labels, Page};

/// The system counts processor time in hundredths of a second for every program (`USER_HZ`, time(7)).
const TICK_MILLIS: u64 = 10;

/// There is one log for the process, whatever runs in it.
static DROPPED_LINES: AtomicU64 = AtomicU64::new(0);

/// Lines were not written because the log was not read.
pub fn count_dropped_lines(count: u64) {
    DROPPED_LINES.fetch_add(count, Ordering::Relaxed);
}

/// Writes every metric of the process. What the system does not tell has no samples.
pub fn write(page: &mut Page) {
    let none = Labels::default();
    page.counter("toolgate_log_lines_dropped_total", "Lines of the log that were dropped, since it was not read.")
        .sample(&none, DROPPED_LINES.load(Ordering::Relaxed));
    let mut metric = page.gauge("process_resident_memory_bytes", "Memory that is in RAM.");
    if let Some(bytes) = resident_bytes() {
        metric.sample(&none, bytes);
    }
    let mut metric = page.gauge("process_open_fds", "Open files and sockets.");
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is for counting.
        metric.sample(&none, open.count().saturating_sub(1));
    }
    let mut metric = page.gauge("process_max_fds", "Files and sockets that may be open.");
    if let Some(max) = descriptors_max() {
        metric.sample(&none, max);
    }
    let mut metric = page.counter("process_cpu_seconds_total", "Processor time spent.");
    if let Some(millis) = cpu_millis() {
        metric.sample(&none, format_args!("{}.{:03}", millis / 1000, millis % 1000));
    }
}

/// Memory that is in RAM, in bytes. `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Files and sockets that may be open.
pub fn descriptors_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_millis() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name and may hold anything; what follows its bracket is counted from 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)?.checked_mul(TICK_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_all_of_it() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(descriptors_max().unwrap() > 3);
        assert!(cpu_millis().is_some());
        let mut page = Page::default();
        write(&mut page);
        assert_eq!(page.finish().lines().filter(|line| !line.starts_with('#')).count(), 5);
    }
}
