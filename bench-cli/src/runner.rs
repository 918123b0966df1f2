//! All jobs side by side.
//!
//! Owns the threads of a run and their common start. It does no I/O itself. Called by `main`,
//! which gets the statistics of each job back.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::cpu::CpuUse;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::job::{JobSpec, RunSpec};
use crate::job_thread::{self, JobThread};
use crate::notice;
use crate::progress::{self, JobProgress};
use crate::stats::JobStats;
use crate::target::Target;

/// Runs one job per target and waits for all of them.
///
/// # Errors
///
/// A usage error if an engine cannot start as asked; then no job has done any I/O.
pub(crate) fn run(
    spec: &JobSpec,
    run: &RunSpec,
    targets: &[Target],
    interrupt: &Interrupt,
) -> Result<Vec<JobStats>, Error> {
    let progress: Vec<JobProgress> = targets.iter().map(|_| JobProgress::default()).collect();
    let start = Start { barrier: Barrier::new(targets.len()), aborted: AtomicBool::new(false) };
    let outcomes: Vec<Result<Option<JobStats>, Error>> = thread::scope(|scope| {
        let (running, done) = mpsc::channel();
        if let Some(style) = progress::style(run) {
            let (progress, bytes) = (&progress, bytes_in_all(spec, targets));
            scope.spawn(move || progress::show(spec, style, progress, bytes, &done));
        }
        let threads: Vec<_> = (0..)
            .zip(targets.iter().zip(&progress))
            .map(|(job_index, (target, progress))| {
                let start = &start;
                scope.spawn(move || {
                    let job = JobThread::new(spec, target, job_index, progress, interrupt);
                    start.run(job_index, job)
                })
            })
            .collect();
        let outcomes = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        // The progress line goes when its channel closes.
        drop(running);
        outcomes
    });
    let jobs = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut jobs: Vec<JobStats> = jobs.into_iter().flatten().collect();
    charge_helpers(&mut jobs);
    Ok(jobs)
}

/// The common start: all engines are up, or no job runs.
struct Start {
    barrier: Barrier,
    aborted: AtomicBool,
}

impl Start {
    /// Runs the job when all are ready; `None` if another one was not.
    fn run(
        &self,
        job_index: u32,
        job: Result<JobThread<'_>, Error>,
    ) -> Result<Option<JobStats>, Error> {
        if job.is_err() {
            // Relaxed: the barrier orders this store before every load below.
            self.aborted.store(true, Ordering::Relaxed);
        }
        self.barrier.wait();
        let job = job?;
        // Relaxed: pairs with the store above, ordered by the barrier.
        if self.aborted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if job_index == 0 {
            for line in job.engine_lines() {
                notice::line(&format!("bench-cli: engine: {line}"));
            }
        }
        Ok(Some(job.run()))
    }
}

/// Adds to each job its share of the CPU time that threads other than the jobs' own used: pool
/// threads, the kernel's workers and pollers. Without it the `threads` engine would look free.
fn charge_helpers(jobs: &mut [JobStats]) {
    let own = jobs.iter().fold(CpuUse::default(), |sum, job| sum.plus(job.cpu));
    // All jobs run at the same time, so each saw the whole process; the widest view counts.
    let Some(process) =
        jobs.iter().map(|job| job.process_cpu).max_by_key(|cpu| cpu.user_ns + cpu.system_ns)
    else {
        return;
    };
    let helpers = process.since(own);
    let io_count_in_all = jobs.iter().map(JobStats::io_count).sum();
    for job in jobs {
        job.cpu = job.cpu.plus(helpers.share(job.io_count(), io_count_in_all));
    }
}

fn bytes_in_all(spec: &JobSpec, targets: &[Target]) -> u64 {
    targets
        .iter()
        .filter_map(|target| job_thread::block_count(spec, target))
        .map(|count| count.saturating_mul(spec.block_len_bytes))
        .fold(0, u64::saturating_add)
}
