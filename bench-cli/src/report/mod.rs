//! The result of a run, in fio's two layouts.
//!
//! Owns where a report goes and what both layouts share. It measures nothing. Called by `main`.
//!
//! What the numbers mean, where it differs from fio: the engine measures one latency, from the
//! system call that submitted a request to the one that reaped it. It is reported as `clat`. `lat`
//! is the same, but for jobs with a rate: there it runs from the time when the request should have
//! begun. `slat` has no samples, as with fio's `disable_slat`. CPU time includes
//! helper threads (the pool of the `threads` engine, the kernel's io_uring workers).

mod human;
mod iomill;
mod json;
mod lanes;
mod latency;
mod output;
pub(crate) mod units;

pub(crate) use output::Output;

use std::io::{self, Write};
use std::time::SystemTime;

use crate::disk::DiskUse;
use crate::job::{Format, JobSpec};
use crate::plan::Plan;
use crate::runner::JobResult;
use crate::stats::{Direction, JobStats};
use json::Bins;

/// What stands where fio writes its version.
const VERSION: &str = concat!("bench-cli-", env!("CARGO_PKG_VERSION"));

/// Everything that a report is made of.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// The options of `[global]`, under their first names.
    global_options: &'a [(String, String)],
    /// The sections in their order, for the header.
    headers: Vec<Header<'a>>,
    entries: Vec<Entry<'a>>,
    finished: SystemTime,
    disks: Vec<DiskUse>,
}

/// One section that ran.
#[derive(Debug)]
struct Header<'a> {
    spec: &'a JobSpec,
    group: u32,
    copies: u32,
}

/// One job, or several that are reported as one.
#[derive(Debug)]
struct Entry<'a> {
    /// The first job's.
    spec: &'a JobSpec,
    /// The options of the first job as they were given, under their first names.
    options: &'a [(String, String)],
    group: u32,
    /// The jobs that the entry stands for.
    jobs: u32,
    started: SystemTime,
    stats: JobStats,
}

impl<'a> Report<'a> {
    /// A report on what became of the jobs of `plan`. As in fio, jobs with `group_reporting` that
    /// follow each other in one group are one entry.
    pub(crate) fn new(plan: &'a Plan, results: Vec<JobResult>) -> Report<'a> {
        let mut entries: Vec<(Entry<'_>, Vec<JobStats>)> = Vec::new();
        for JobResult { job, started, stats } in results {
            let planned = &plan.jobs[job];
            let grouped = planned.spec.group_reporting;
            if let Some((entry, all)) = entries.last_mut()
                && grouped
                && entry.spec.group_reporting
                && entry.group == planned.group
            {
                entry.jobs += 1;
                entry.started = entry.started.min(started);
                all.push(stats);
                continue;
            }
            let entry = Entry {
                spec: &planned.spec,
                options: &planned.options,
                group: planned.group,
                jobs: 1,
                started,
                stats: stats.clone(),
            };
            entries.push((entry, vec![stats]));
        }
        let entries = entries.into_iter().map(|(entry, all)| {
            let stats = JobStats::sum(&all).unwrap_or_else(|| entry.stats.clone());
            Entry { stats, ..entry }
        });
        let first_copies = plan.jobs.iter().filter(|job| job.copy == 0);
        let headers = first_copies.map(|job| Header {
            spec: &job.spec,
            group: job.group,
            copies: job.spec.numjobs,
        });
        Report {
            global_options: &plan.global_options,
            headers: headers.collect(),
            entries: entries.collect(),
            finished: SystemTime::now(),
            disks: Vec::new(),
        }
    }

    /// Adds what the disks below the jobs' files did meanwhile.
    pub(crate) fn with_disks(mut self, disks: Vec<DiskUse>) -> Report<'a> {
        self.disks = disks;
        self
    }

    /// The groups that have entries, in their order.
    fn groups(&self) -> Vec<u32> {
        let mut groups: Vec<u32> = self.entries.iter().map(|entry| entry.group).collect();
        groups.dedup();
        groups
    }

    /// Bytes per second of all entries of a group in one direction.
    fn group_bw_bytes(&self, group: u32, of: fn(&JobStats) -> &Direction) -> u64 {
        let entries = self.entries.iter().filter(|entry| entry.group == group);
        entries.map(|entry| of(&entry.stats).bw_bytes()).sum()
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
