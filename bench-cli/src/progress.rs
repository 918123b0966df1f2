//! The live line on stderr while jobs run.
//!
//! Owns the counters that jobs publish once per tick and the thread that shows them twice a
//! second, or as lines of their own with `--status-interval`. It never blocks a job. Started by
//! `runner`.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::job::{Eta, RunSpec};
use crate::notice;
use crate::report::units;
use crate::stats::per_second;
use crate::workload::Direction;

/// The time between two lines.
const PERIOD: Duration = Duration::from_millis(500);

/// What one job has done so far. Aligned so that no two jobs write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct JobProgress {
    read_bytes: AtomicU64,
    read_count: AtomicU64,
    write_bytes: AtomicU64,
    write_count: AtomicU64,
    trim_bytes: AtomicU64,
    trim_count: AtomicU64,
    finished: AtomicBool,
}

/// Plain counts, of one job or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read_bytes: u64,
    pub(crate) read_count: u64,
    pub(crate) write_bytes: u64,
    pub(crate) write_count: u64,
    pub(crate) trim_bytes: u64,
    pub(crate) trim_count: u64,
}

impl Counts {
    /// Bytes and requests of one direction.
    #[inline]
    pub(crate) fn of(&mut self, direction: Direction) -> (&mut u64, &mut u64) {
        match direction {
            Direction::Read => (&mut self.read_bytes, &mut self.read_count),
            Direction::Write => (&mut self.write_bytes, &mut self.write_count),
            Direction::Trim => (&mut self.trim_bytes, &mut self.trim_count),
        }
    }

    /// All bytes.
    fn bytes(&self) -> u64 {
        self.read_bytes + self.write_bytes + self.trim_bytes
    }
}

impl JobProgress {
    /// Shows `counts` to the reporter; called by the job's thread once per tick.
    #[inline]
    pub(crate) fn publish(&self, counts: Counts) {
        // Relaxed, like the loads in `read`: each number stands alone, and a line that mixes
        // two ticks is off by a few requests.
        self.read_bytes.store(counts.read_bytes, Ordering::Relaxed);
        self.read_count.store(counts.read_count, Ordering::Relaxed);
        self.write_bytes.store(counts.write_bytes, Ordering::Relaxed);
        self.write_count.store(counts.write_count, Ordering::Relaxed);
        self.trim_bytes.store(counts.trim_bytes, Ordering::Relaxed);
        self.trim_count.store(counts.trim_count, Ordering::Relaxed);
    }

    /// Tells the reporter that this job is done.
    pub(crate) fn finish(&self) {
        // Relaxed: pairs with the load in `line`, which only counts.
        self.finished.store(true, Ordering::Relaxed);
    }

    fn read(&self) -> Counts {
        Counts {
            read_bytes: self.read_bytes.load(Ordering::Relaxed),
            read_count: self.read_count.load(Ordering::Relaxed),
            write_bytes: self.write_bytes.load(Ordering::Relaxed),
            write_count: self.write_count.load(Ordering::Relaxed),
            trim_bytes: self.trim_bytes.load(Ordering::Relaxed),
            trim_count: self.trim_count.load(Ordering::Relaxed),
        }
    }
}

/// How the line is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One line, over and over.
    Live,
    /// A new line every so often: `--status-interval`.
    Lines(Duration),
}

/// How this invocation wants the line, if at all.
pub(crate) fn style(run: &RunSpec) -> Option<Style> {
    if let Some(period) = run.status_interval {
        return Some(Style::Lines(period));
    }
    let wanted = match run.eta {
        Eta::Auto => io::stderr().is_terminal(),
        Eta::Always => true,
        Eta::Never => false,
    };
    wanted.then_some(Style::Live)
}

/// Shows the line until the sender of `done` is dropped, then wipes it.
pub(crate) fn show(outlook: &Outlook, style: Style, jobs: &[JobProgress], done: &Receiver<()>) {
    let start = Instant::now();
    let mut before = (start, Counts::default());
    let mut widest = 0;
    let period = match style {
        Style::Live => PERIOD,
        Style::Lines(period) => period,
    };
    while done.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        let counts = total(jobs);
        let line = line(outlook, jobs, (before.1, counts), now - before.0, now - start);
        before = (now, counts);
        if style != Style::Live {
            notice::line(&line);
            continue;
        }
        // Blanks cover what is left of a longer line before.
        let gap = usize::saturating_sub(widest, line.len());
        widest = line.len().max(widest);
        // A stderr that was closed loses its progress line and nothing else.
        let _ = write!(io::stderr(), "\r{line}{:gap$}", "");
    }
    if widest > 0 {
        let _ = write!(io::stderr(), "\r{:widest$}\r", "");
    }
}

fn total(jobs: &[JobProgress]) -> Counts {
    jobs.iter().map(JobProgress::read).fold(Counts::default(), |sum, job| Counts {
        read_bytes: sum.read_bytes + job.read_bytes,
        read_count: sum.read_count + job.read_count,
        write_bytes: sum.write_bytes + job.write_bytes,
        write_count: sum.write_count + job.write_count,
        trim_bytes: sum.trim_bytes + job.trim_bytes,
        trim_count: sum.trim_count + job.trim_count,
    })
}

fn line(
    outlook: &Outlook,
    jobs: &[JobProgress],
    (before, now): (Counts, Counts),
    period: Duration,
    elapsed: Duration,
) -> String {
    // Relaxed: see `JobProgress::finish`.
    let running = jobs.iter().filter(|job| !job.finished.load(Ordering::Relaxed)).count();
    // Counters start again after the ramp, so a difference may be negative for one period.
    let rate = |then: u64, now: u64| per_second(now.saturating_sub(then), period);
    let mut rates = Vec::new();
    let mut iops = Vec::new();
    if outlook.directions[0] {
        rates.push(format!("r={}", units::rate_iec(rate(before.read_bytes, now.read_bytes))));
        iops.push(format!("r={}", units::count(rate(before.read_count, now.read_count))));
    }
    if outlook.directions[1] {
        rates.push(format!("w={}", units::rate_iec(rate(before.write_bytes, now.write_bytes))));
        iops.push(format!("w={}", units::count(rate(before.write_count, now.write_count))));
    }
    if outlook.directions[2] {
        rates.push(format!("t={}", units::rate_iec(rate(before.trim_bytes, now.trim_bytes))));
        iops.push(format!("t={}", units::count(rate(before.trim_count, now.trim_count))));
    }
    let (percent, left) = remaining(outlook, now.bytes(), elapsed);
    format!(
        "Jobs: {running}: [{percent:.1}%][{}][{} IOPS][eta {}]",
        rates.join(","),
        iops.join(","),
        units::clock(left)
    )
}

/// What is to be expected of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outlook {
    /// Whether there are reads, writes, trims.
    pub(crate) directions: [bool; 3],
    /// All bytes of all jobs, as far as known.
    pub(crate) bytes: u64,
    /// The time after which the last job ends whatever is left to do.
    pub(crate) time_max: Option<Duration>,
    /// Whether time alone ends the jobs.
    pub(crate) time_based: bool,
}

/// How much is done, in percent, and how long the rest takes at this pace.
fn remaining(outlook: &Outlook, bytes: u64, elapsed: Duration) -> (f64, Duration) {
    let by_time = outlook.time_max.map(|whole| {
        let done = elapsed.as_secs_f64() / whole.as_secs_f64();
        (done.min(1.0) * 100.0, whole.saturating_sub(elapsed))
    });
    if outlook.time_based
        && let Some(by_time) = by_time
    {
        return by_time;
    }
    let done = (bytes as f64 / outlook.bytes.max(1) as f64).clamp(1e-6, 1.0);
    let left_s = elapsed.as_secs_f64() * (1.0 / done - 1.0);
    let by_bytes = (done * 100.0, Duration::from_secs_f64(left_s.min(1e9)));
    // Whichever ends first ends the job.
    match by_time {
        Some(by_time) if by_time.1 < by_bytes.1 => by_time,
        _ => by_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_sums_jobs_and_counts_the_running_ones() {
        let outlook = Outlook {
            directions: [true, true, false],
            bytes: 1,
            time_max: Some(Duration::from_secs(10)),
            time_based: true,
        };
        let jobs: [JobProgress; 3] = Default::default();
        let counts = Counts {
            read_bytes: 8 << 20,
            read_count: 2048,
            write_bytes: 4096,
            write_count: 1,
            ..Counts::default()
        };
        jobs.iter().for_each(|job| job.publish(counts));
        jobs[1].finish();
        let period = Duration::from_secs(1);
        let since = (Counts::default(), total(&jobs));
        let line = line(&outlook, &jobs, since, period, Duration::from_secs(4));
        assert_eq!(line, "Jobs: 2: [40.0%][r=24.0MiB/s,w=12.0KiB/s][r=6144,w=3 IOPS][eta 00m:06s]");
    }

    #[test]
    fn whichever_ends_first_gives_the_time_left() {
        let second = Duration::from_secs(1);
        let of = |bytes, time_s| Outlook {
            bytes,
            time_max: Some(Duration::from_secs(time_s)),
            ..Outlook::default()
        };
        assert_eq!(remaining(&of(100, 100), 50, second), (50.0, second));
        assert_eq!(remaining(&of(1000, 2), 1, second), (50.0, second));
    }
}
