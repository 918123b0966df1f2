//! The live line on stderr while jobs run.
//!
//! Owns the counters that jobs publish once per tick and the thread that shows them twice a
//! second, or as lines of their own with `--status-interval`. It never blocks a job. Started by
//! `runner`.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::job::{Eta, JobSpec, RunSpec};
use crate::notice;
use crate::report::units;
use crate::stats::per_second;

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
    finished: AtomicBool,
}

/// Plain counts, of one job or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read_bytes: u64,
    pub(crate) read_count: u64,
    pub(crate) write_bytes: u64,
    pub(crate) write_count: u64,
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
pub(crate) fn show(
    spec: &JobSpec,
    style: Style,
    jobs: &[JobProgress],
    bytes_in_all: u64,
    done: &Receiver<()>,
) {
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
        let line = line(spec, jobs, (before.1, counts), now - before.0, now - start, bytes_in_all);
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
    })
}

fn line(
    spec: &JobSpec,
    jobs: &[JobProgress],
    (before, now): (Counts, Counts),
    period: Duration,
    elapsed: Duration,
    bytes_in_all: u64,
) -> String {
    // Relaxed: see `JobProgress::finish`.
    let running = jobs.iter().filter(|job| !job.finished.load(Ordering::Relaxed)).count();
    // Counters start again after the ramp, so a difference may be negative for one period.
    let rate = |then: u64, now: u64| per_second(now.saturating_sub(then), period);
    let mut rates = Vec::new();
    let mut iops = Vec::new();
    if spec.rw.reads() {
        rates.push(format!("r={}", units::rate_iec(rate(before.read_bytes, now.read_bytes))));
        iops.push(format!("r={}", units::count(rate(before.read_count, now.read_count))));
    }
    if spec.rw.writes() {
        rates.push(format!("w={}", units::rate_iec(rate(before.write_bytes, now.write_bytes))));
        iops.push(format!("w={}", units::count(rate(before.write_count, now.write_count))));
    }
    let (percent, left) = remaining(spec, now.read_bytes + now.write_bytes, elapsed, bytes_in_all);
    format!(
        "Jobs: {running}: [{percent:.1}%][{}][{} IOPS][eta {}]",
        rates.join(","),
        iops.join(","),
        units::clock(left)
    )
}

/// How much is done, in percent, and how long the rest takes at this pace.
fn remaining(spec: &JobSpec, bytes: u64, elapsed: Duration, bytes_in_all: u64) -> (f64, Duration) {
    let by_time = spec.runtime.map(|runtime| {
        let whole = runtime + spec.ramp_time;
        let done = elapsed.as_secs_f64() / whole.as_secs_f64();
        (done.min(1.0) * 100.0, whole.saturating_sub(elapsed))
    });
    if spec.time_based
        && let Some(by_time) = by_time
    {
        return by_time;
    }
    let done = (bytes as f64 / bytes_in_all.max(1) as f64).clamp(1e-6, 1.0);
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

    fn job(options: &[(&str, &str)]) -> JobSpec {
        let mut settings = crate::options::Settings::default();
        for (name, text) in options {
            let option = crate::options::find(name).expect("known");
            option.apply(&mut settings, text).expect("valid");
        }
        settings.job
    }

    #[test]
    fn the_line_sums_jobs_and_counts_the_running_ones() {
        let spec = job(&[("rw", "randrw"), ("runtime", "10s"), ("time_based", "1")]);
        let jobs: [JobProgress; 3] = Default::default();
        let counts =
            Counts { read_bytes: 8 << 20, read_count: 2048, write_bytes: 4096, write_count: 1 };
        jobs.iter().for_each(|job| job.publish(counts));
        jobs[1].finish();
        let period = Duration::from_secs(1);
        let since = (Counts::default(), total(&jobs));
        let line = line(&spec, &jobs, since, period, Duration::from_secs(4), 1);
        assert_eq!(line, "Jobs: 2: [40.0%][r=24.0MiB/s,w=12.0KiB/s][r=6144,w=3 IOPS][eta 00m:06s]");
    }

    #[test]
    fn whichever_ends_first_gives_the_time_left() {
        let second = Duration::from_secs(1);
        let bounded = job(&[("runtime", "100s")]);
        assert_eq!(remaining(&bounded, 50, second, 100), (50.0, second));
        let short = job(&[("runtime", "2s")]);
        assert_eq!(remaining(&short, 1, second, 1000), (50.0, second));
    }
}
