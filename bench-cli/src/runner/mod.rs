//! All jobs of a plan: stage after stage, side by side within a stage.
//!
//! Owns the threads of a run, their common start, who waits for whom, and who ends whom. It does no
//! I/O itself. Called by `main`, which gets the results of each job back.

mod schedule;

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::cpu::CpuUse;
use crate::disk::{DiskUse, Watch};
use crate::error::Error;
use crate::interrupt::{Ending, Interrupt};
use crate::job::{JobSpec, RunSpec};
use crate::job_thread::{JobThread, Place};
use crate::notice;
use crate::plan::{Plan, PlannedJob};
use crate::progress::{self, JobProgress, Outlook};
use crate::start_at;
use crate::stats::JobStats;
use crate::target::{self, CreatedFiles, Target};
use crate::workload::Random;
use schedule::{Schedule, Start};

/// The longest pause without a look at who wants to end the job.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// What became of one job.
#[derive(Clone, Debug)]
pub(crate) struct JobResult {
    /// Its place in the plan.
    pub(crate) job: usize,
    pub(crate) started: SystemTime,
    pub(crate) stats: JobStats,
}

/// What a run leaves to the report.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) results: Vec<JobResult>,
    /// What the disks below the jobs' files did meanwhile.
    pub(crate) disks: Vec<DiskUse>,
}

/// Runs the jobs of a plan, in their order; what did not run is not among the results.
///
/// # Errors
///
/// A usage error if files or engines cannot be had as asked; then no job of the stage has done any
/// I/O.
pub(crate) fn run(
    plan: &Plan,
    created: &CreatedFiles,
    interrupt: &Interrupt,
) -> Result<Outcome, Error> {
    let mut targets = Vec::with_capacity(plan.jobs.len());
    for job in &plan.jobs {
        let files = match job.spec.files.create_on_open {
            true => Vec::new(),
            false => prepare(job, created, interrupt)?,
        };
        targets.push(files);
    }
    let schedule = Schedule::new(plan);
    let progress: Vec<JobProgress> = plan.jobs.iter().map(|_| JobProgress::default()).collect();
    let run = Run { plan, created, interrupt, schedule: &schedule, progress: &progress };
    if let Some(start_at) = plan.run.start_at {
        start_at::wait(start_at, interrupt)?;
    }
    let watch = Watch::begin(targets.iter().flatten().map(|target| target.path.as_path()));
    let results = run.with_progress(&plan.run, &targets, || run.stages(&mut targets.clone()))?;
    Ok(Outcome { results, disks: watch.end() })
}

/// Makes the files of a job ready.
fn prepare(
    job: &PlannedJob,
    created: &CreatedFiles,
    interrupt: &Interrupt,
) -> Result<Vec<Target>, Error> {
    let targets = target::prepare(&job.spec, job.copy, created, interrupt)?;
    if !job.spec.unlink {
        let paths: Vec<_> = targets.iter().map(|target| target.path.clone()).collect();
        created.keep(&paths);
    }
    Ok(targets)
}

/// What the threads of a run share.
#[derive(Clone, Copy)]
struct Run<'a> {
    plan: &'a Plan,
    created: &'a CreatedFiles,
    interrupt: &'a Interrupt,
    schedule: &'a Schedule,
    progress: &'a [JobProgress],
}

impl Run<'_> {
    /// Does `work` with the line of progress beside it, if that is wanted.
    fn with_progress<T>(
        &self,
        run: &RunSpec,
        targets: &[Vec<Target>],
        work: impl FnOnce() -> T,
    ) -> T {
        thread::scope(|scope| {
            let (running, done) = mpsc::channel();
            if let Some(style) = progress::style(run) {
                let (progress, outlook) = (self.progress, outlook(self.plan, targets));
                // Without a thread for it there is no live line; the jobs do not need one.
                let show = move || progress::show(&outlook, style, progress, &done);
                let _ = thread::Builder::new().spawn_scoped(scope, show);
            }
            let result = work();
            // The progress line goes when its channel closes.
            drop(running);
            result
        })
    }

    fn stages(&self, targets: &mut [Vec<Target>]) -> Result<Vec<JobResult>, Error> {
        let last = self.plan.jobs.last().map_or(0, |job| job.stage);
        let mut results = Vec::new();
        for stage in 0..=last {
            if self.interrupt.is_raised() || self.schedule.is_over() {
                break;
            }
            results.extend(self.stage(stage, targets)?);
        }
        Ok(results)
    }

    fn stage(&self, stage: u32, targets: &mut [Vec<Target>]) -> Result<Vec<JobResult>, Error> {
        let jobs: Vec<usize> =
            (0..self.plan.jobs.len()).filter(|job| self.plan.jobs[*job].stage == stage).collect();
        for job in &jobs {
            if targets[*job].is_empty() {
                targets[*job] = prepare(&self.plan.jobs[*job], self.created, self.interrupt)?;
            }
        }
        let start = Start::new(jobs.len());
        let targets = &*targets;
        let outcomes: Vec<Result<Option<JobResult>, Error>> = thread::scope(|scope| {
            let mut all_have_threads = start.hold();
            let threads: Vec<_> = jobs
                .iter()
                .map(|job| {
                    let start = &start;
                    thread::Builder::new()
                        .spawn_scoped(scope, move || self.job(*job, &targets[*job], start))
                })
                .collect();
            *all_have_threads = threads.iter().all(Result::is_ok);
            drop(all_have_threads);
            let outcomes = threads.into_iter().map(|thread| match thread {
                Ok(thread) => {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
                Err(error) => Err(no_thread(&error)),
            });
            outcomes.collect()
        });
        let results = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut results: Vec<JobResult> = results.into_iter().flatten().collect();
        charge_helpers(&mut results);
        Ok(results)
    }

    /// One job on its own thread.
    fn job(
        &self,
        number: usize,
        targets: &[Target],
        start: &Start,
    ) -> Result<Option<JobResult>, Error> {
        if !start.may_begin() {
            return Ok(None);
        }
        let planned = &self.plan.jobs[number];
        let spec = &planned.spec;
        let _finished = self.schedule.finish_of(number);
        let ending = Ending { interrupt: self.interrupt, others: self.schedule.ending_of(number) };
        // Pinned before the engine starts: its threads inherit it.
        let pinned = pin(spec, planned.copy);
        let job = pinned.and_then(|()| {
            let (progress, flow) = (&self.progress[number], self.schedule.flow_of(number));
            let place = Place { number, seed: seed(spec, number) };
            JobThread::new(spec, targets, place, progress, ending, flow)
        });
        let Some(job) = start.wait(job)? else { return Ok(None) };
        if number == 0 {
            for line in job.missing_lines() {
                notice::line(&format!("bench-cli: note: engine: {line}"));
            }
        }
        if !self.schedule.wait_for_others(number, ending) || !delay(spec, number, ending) {
            self.progress[number].finish();
            return Ok(None);
        }
        execute(spec, "exec_prerun", spec.schedule.exec_prerun.as_deref());
        let started = SystemTime::now();
        let stats = job.run();
        execute(spec, "exec_postrun", spec.schedule.exec_postrun.as_deref());
        self.schedule.end_others(number, stats.failure.is_some());
        Ok(Some(JobResult { job: number, started, stats }))
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::usage(format!(
        "cannot start a thread for each job: {error}; raise the limit of threads (ulimit -u)"
    ))
}

/// Each job of a plan has a seed of its own.
fn seed(spec: &JobSpec, number: usize) -> u64 {
    let mut seeds = Random::new(spec.seed());
    (0..=number).fold(0, |_, _| seeds.next())
}

/// Pins the calling thread, and with it all that it starts.
fn pin(spec: &JobSpec, copy: u32) -> Result<(), Error> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let allowed = &spec.cpus_allowed;
    if allowed.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    let one = allowed[copy as usize % allowed.len()];
    for cpu in allowed.iter().filter(|cpu| !spec.cpus_split || **cpu == one) {
        if *cpu as usize >= CpuSet::MAX_CPU {
            return Err(Error::usage(format!("--cpus_allowed: there is no CPU {cpu}")));
        }
        set.set(*cpu as usize);
    }
    sched_setaffinity(None, &set).map_err(|errno| {
        let list: Vec<String> = allowed.iter().map(u32::to_string).collect();
        Error::usage(format!(
            "--cpus_allowed={}: {}; name CPUs that this machine has",
            list.join(","),
            std::io::Error::from(errno)
        ))
    })
}

/// Waits for the job's start delay; answers whether the job is still wanted.
fn delay(spec: &JobSpec, number: usize, ending: Ending<'_>) -> bool {
    let (least, most) = spec.pace.start_delay;
    let spread = Random::new(seed(spec, number)).unit();
    let end = Instant::now() + least + (most - least).mul_f64(spread);
    while !ending.is_near() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(PAUSE_MAX));
    }
    false
}

/// Runs a shell command of the job; its failure is told and changes nothing.
fn execute(spec: &JobSpec, option: &str, command: Option<&str>) {
    let Some(command) = command else { return };
    // Its output must not get between the lines of a report.
    let status = Command::new("sh").args(["-c", command]).stdout(std::io::stderr()).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => notice::line(&format!(
            "bench-cli: warning: [{}] {option}: '{command}' ended with {status}",
            spec.name
        )),
        Err(error) => notice::line(&format!(
            "bench-cli: warning: [{}] {option}: '{command}' cannot be run: {error}",
            spec.name
        )),
    }
}

/// Adds to each job its share of the CPU time that threads other than the jobs' own used: pool
/// threads, the kernel's workers and pollers. Without it the `threads` engine would look free.
fn charge_helpers(results: &mut [JobResult]) {
    let own = results.iter().fold(CpuUse::default(), |sum, result| sum.plus(result.stats.cpu));
    // All jobs run at the same time, so each saw the whole process; the widest view counts.
    let views = results.iter().map(|result| result.stats.process_cpu);
    let Some(process) = views.max_by_key(|cpu| cpu.user_ns + cpu.system_ns) else { return };
    let helpers = process.since(own);
    let io_count_in_all = results.iter().map(|result| result.stats.io_count()).sum();
    for JobResult { stats, .. } in results {
        stats.cpu = stats.cpu.plus(helpers.share(stats.io_count(), io_count_in_all));
    }
}

/// What is to be expected of the run.
fn outlook(plan: &Plan, targets: &[Vec<Target>]) -> Outlook {
    use crate::workload::Direction;
    let bytes = plan.jobs.iter().zip(targets).filter_map(|(job, targets)| {
        let region_bytes = targets.iter().map(|target| target.region.len_bytes).sum();
        let amount = job.spec.amount_bytes(region_bytes)?;
        Some(amount.saturating_mul(job.spec.loops))
    });
    let last = plan.jobs.last().map_or(0, |job| job.stage);
    let time_of = |stage| {
        let jobs = plan.jobs.iter().filter(move |job| job.stage == stage);
        jobs.map(|job| Some(job.spec.ramp_time + job.spec.runtime?))
            .try_fold(Duration::ZERO, |longest, time| Some(longest.max(time?)))
    };
    Outlook {
        directions: Direction::ALL
            .map(|direction| plan.jobs.iter().any(|job| job.spec.rw.has(direction))),
        bytes: bytes.fold(0, u64::saturating_add),
        time_max: (0..=last).map(time_of).try_fold(Duration::ZERO, |sum, time| Some(sum + time?)),
        time_based: plan.jobs.iter().all(|job| job.spec.time_based),
    }
}
