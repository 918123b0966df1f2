//! The result of a run, in fio's two layouts.
//!
//! Owns where a report goes and what both layouts share. It measures nothing. Called by `main`.
//!
//! What the numbers mean, where it differs from fio: the engine measures one latency, from the
//! system call that submitted a request to the one that reaped it. It is reported as `clat`, and
//! `lat` is the same; `slat` has no samples, as with fio's `disable_slat`. CPU time includes
//! helper threads (the pool of the `threads` engine, the kernel's io_uring workers).

mod human;
mod iomill;
mod json;
mod latency;
mod output;
pub(crate) mod units;

pub(crate) use output::Output;

use std::io::{self, Write};
use std::time::SystemTime;

use crate::disk::DiskUse;
use crate::job::{Format, JobSpec};
use crate::stats::JobStats;
use json::Bins;

/// What stands where fio writes its version.
const VERSION: &str = concat!("bench-cli-", env!("CARGO_PKG_VERSION"));

/// Everything that a report is made of.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    spec: &'a JobSpec,
    /// The options of the job as they were given, under their first names.
    options: Vec<(String, String)>,
    /// One entry per job, or one in all with `--group_reporting`.
    entries: Vec<JobStats>,
    started: SystemTime,
    finished: SystemTime,
    disks: Vec<DiskUse>,
}

impl<'a> Report<'a> {
    /// A report on `jobs`, which are copies of one job.
    pub(crate) fn new(
        spec: &'a JobSpec,
        options: Vec<(String, String)>,
        jobs: Vec<JobStats>,
        started: SystemTime,
    ) -> Report<'a> {
        let entries = match JobStats::sum(&jobs) {
            Some(sum) if spec.group_reporting => vec![sum],
            _ => jobs,
        };
        let disks = Vec::new();
        Report { spec, options, entries, started, finished: SystemTime::now(), disks }
    }

    /// Adds what the disks below the jobs' files did meanwhile.
    pub(crate) fn with_disks(mut self, disks: Vec<DiskUse>) -> Report<'a> {
        self.disks = disks;
        self
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub(crate) fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Normal => human::write(self, out),
            Format::Json => json::write(self, out, Bins::Hidden),
            Format::JsonPlus => json::write(self, out, Bins::Shown),
        }
    }

    /// The jobs that one entry stands for.
    fn jobs_per_entry(&self) -> u32 {
        if self.spec.group_reporting { self.spec.numjobs } else { 1 }
    }

    /// The end of the run as fio writes it: `Fri Nov 20 13:18:01 2026`, local time.
    fn finished_text(&self) -> String {
        jiff::Zoned::try_from(self.finished)
            .map(|zoned| zoned.strftime("%a %b %e %H:%M:%S %Y").to_string())
            .unwrap_or_default()
    }
}

/// Milliseconds since 1970.
fn timestamp_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// CPU time per request in nanoseconds: user, system.
fn cpu_ns_per_io(job: &JobStats) -> (u64, u64) {
    let count = job.io_count().max(1);
    (job.cpu.user_ns / count, job.cpu.system_ns / count)
}

/// System calls of the loop per request.
fn enters_per_io(job: &JobStats) -> f64 {
    job.enter_count as f64 / job.io_count().max(1) as f64
}

/// User and system time in percent of the job's runtime.
fn cpu_percent(job: &JobStats) -> (f64, f64) {
    let runtime_ns = job.job_runtime.as_nanos().max(1) as f64;
    (100.0 * job.cpu.user_ns as f64 / runtime_ns, 100.0 * job.cpu.system_ns as f64 / runtime_ns)
}

#[cfg(test)]
mod tests;
