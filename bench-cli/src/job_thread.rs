//! One job: its engine, its loop, its measurement.
//!
//! Owns the engine of the job and the phases ramp, measurement, wind-down. The clock is read once
//! per tick. Run by `runner`, one thread per job; what a completed request does next is `lane`'s.

use std::rc::Rc;
use std::time::{Duration, Instant};

use iomill_engine::{
    BackendChoice, Completion, Config, Context, Engine, ErrorKind, File, Lanes, Metrics, OpMetrics,
    SqPoll, Sync, Wait,
};

use crate::cpu::CpuUse;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::job::{IoEngine, JobSpec, LaneChoice};
use crate::lane::{self, LaneFailure, LaneState};
use crate::notice;
use crate::progress::{Counts, JobProgress};
use crate::stats::{DepthMap, Direction, Failure, JobStats, Samples, millis};
use crate::target::{self, Target};
use crate::workload::{Random, Workload};

/// fio's `bwavgtime`: the time between two samples of bandwidth and IOPS.
const SAMPLE_PERIOD: Duration = Duration::from_millis(500);

/// The slots for registered files; a job has one file.
const FILE_SLOT_COUNT: u32 = 1;

/// fio's default for `sqthread_poll_idle`: the kernel's own.
const SQ_POLL_IDLE_DEFAULT: Duration = Duration::from_secs(1);

/// The time that requests in flight get after the loop itself failed.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// A job that is ready to run.
#[derive(Debug)]
pub(crate) struct JobThread<'a> {
    spec: &'a JobSpec,
    progress: &'a JobProgress,
    interrupt: &'a Interrupt,
    engine: Engine,
    file: File,
    lanes: Rc<LaneState>,
    block_count: Option<u64>,
    batches: Batches,
}

/// Sizes of batches and depths at which requests were issued.
#[derive(Debug, Default)]
struct Batches {
    level: DepthMap,
    submit: DepthMap,
    complete: DepthMap,
}

impl<'a> JobThread<'a> {
    /// Starts the engine and takes file and buffers, but does no I/O yet.
    ///
    /// # Errors
    ///
    /// A usage error if the engine cannot run as asked; `Interrupted` after Ctrl-C.
    pub(crate) fn new(
        spec: &'a JobSpec,
        target: &Target,
        job_index: u32,
        progress: &'a JobProgress,
        interrupt: &'a Interrupt,
    ) -> Result<JobThread<'a>, Error> {
        let refused = |error: iomill_engine::Error| Error::usage(error.to_string());
        let mut engine = config(spec)?.start().map_err(|error| match spec.ioengine {
            IoEngine::IoUring if error.kind() == ErrorKind::Backend => {
                Error::usage(format!("{error}; or leave --ioengine=io_uring out to run on threads"))
            }
            _ => refused(error),
        })?;
        let mut file = target::open(spec, &target.path)?;
        if spec.registerfiles {
            file = engine.register_file(&file).map_err(refused)?;
        }
        let mut seeds = Random::new(spec.seed());
        let seed = (0..=job_index).fold(0, |_, _| seeds.next());
        let workload = Workload::new(spec.order(), spec.read_percent(), target.region, seed);
        let block_count = block_count(spec, target);
        let lanes = LaneState::new(spec, workload, block_count);
        let mut contents = Random::new(!seed);
        for _ in 0..spec.iodepth {
            // Gigabytes of buffers take their time.
            if interrupt.is_raised() {
                return Err(Error::Interrupted);
            }
            let Some(mut buffer) = engine.buffer() else {
                return Err(Error::io("the engine has fewer buffers than --iodepth asks for"));
            };
            buffer.set_len(usize::try_from(spec.block_len_bytes).unwrap_or(usize::MAX));
            if spec.rw.writes() && !spec.zero_buffers {
                contents.fill(&mut buffer);
            } else {
                // Every page is touched now, so that no page fault falls into the measurement.
                buffer.fill(0);
            }
            lane::start(&mut engine, Rc::clone(&lanes), file.clone(), buffer).map_err(refused)?;
        }
        let batches = Batches::default();
        Ok(JobThread { spec, progress, interrupt, engine, file, lanes, block_count, batches })
    }

    /// How the engine runs: one line per fact and per fallback.
    pub(crate) fn engine_lines(&self) -> Vec<String> {
        let report = self.engine.report();
        let mut lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
        if report.fixed_buffers {
            lines.push("registered buffers".to_owned());
        }
        if report.fixed_files > 0 {
            lines.push("registered file".to_owned());
        }
        lines
    }

    /// Runs the job to its end: its amount, its time, an error or an interrupt.
    pub(crate) fn run(mut self) -> JobStats {
        let thread_start = Instant::now();
        let mut failure = self.ramp(thread_start).err();
        let mut window = Window::open();
        if failure.is_none() {
            failure = self.measure(&mut window).err();
        }
        if failure.is_none() && self.spec.end_fsync && self.spec.rw.writes() {
            failure = self.end_fsync().err();
        }
        let now = Instant::now();
        self.progress.finish();
        let failure = failure.or_else(|| self.lanes.take_failure().map(|why| self.failure(why)));
        let stats = self.stats(&window, now, now - thread_start, failure);
        let left = self.engine.shutdown(SHUTDOWN_DEADLINE);
        if left.leaked > 0 {
            notice::line(&format!("bench-cli: warning: {} requests never came back", left.leaked));
        }
        stats
    }

    /// Runs without measuring for the ramp time, if there is one.
    fn ramp(&mut self, start: Instant) -> Result<(), Failure> {
        if self.spec.ramp_time.is_zero() {
            // Turns the no-ops that open the lanes into their first requests.
            self.tick()?;
        } else {
            let end = start + self.spec.ramp_time;
            // What is done during the ramp does not count towards the job's amount.
            self.lanes.restart(None);
            while self.engine.in_flight() > 0 && self.tick()? < end {}
            // What is in flight now will complete inside the measurement and counts there.
            let in_flight = u64::from(self.engine.in_flight());
            self.lanes.restart(self.block_count.map(|count| count.saturating_sub(in_flight)));
        }
        self.engine.reset_metrics();
        self.batches = Batches::default();
        Ok(())
    }

    /// Runs until the amount is done or the time is over, and winds down.
    fn measure(&mut self, window: &mut Window) -> Result<(), Failure> {
        let deadline = self.spec.runtime.map(|runtime| window.start + runtime);
        while self.engine.in_flight() > 0 {
            let now = self.tick()?;
            if deadline.is_some_and(|deadline| now >= deadline) {
                self.lanes.stop();
            }
            window.sample(now, self.lanes.counts());
        }
        Ok(())
    }

    /// One turn of the loop; the one place where the clock is read while the job runs.
    #[inline]
    fn tick(&mut self) -> Result<Instant, Failure> {
        let depth = self.engine.in_flight();
        let tick = self.engine.tick(Wait::AtLeast(1)).map_err(|error| failure(&error))?;
        self.batches.level.record_level(depth, u64::from(tick.submitted));
        self.batches.submit.record_batch(tick.submitted);
        self.batches.complete.record_batch(tick.completed);
        self.progress.publish(self.lanes.counts());
        if self.interrupt.is_raised() {
            self.lanes.stop();
        }
        Ok(Instant::now())
    }

    fn end_fsync(&mut self) -> Result<(), Failure> {
        let lanes = Rc::clone(&self.lanes);
        let sync = Sync { file: self.file.clone(), data_only: false };
        let on_complete = move |done: Completion<Sync>, _: &mut Context<'_>| {
            if let Err(error) = done.result {
                lanes.fail(LaneFailure::Request(error));
            }
        };
        self.engine.submit(sync, on_complete).map_err(|refused| failure(&refused.error))?;
        self.engine.drain().map_err(|error| failure(&error))
    }

    fn failure(&self, why: LaneFailure) -> Failure {
        match why {
            LaneFailure::Request(error) => failure(&error),
            LaneFailure::EndOfFile { offset } => Failure {
                errno: 0,
                message: format!(
                    "'{}' ended before offset {offset} while the job read it; leave the file \
                     alone during the run",
                    self.file.path().display()
                ),
            },
        }
    }

    fn stats(
        &self,
        window: &Window,
        end: Instant,
        elapsed: Duration,
        failure: Option<Failure>,
    ) -> JobStats {
        let metrics: &Metrics = self.engine.metrics();
        let runtime = end - window.start;
        let direction = |op: &OpMetrics, bw_kib, iops| Direction {
            io_count: op.completed,
            bytes: op.bytes,
            short_count: op.short_transfers,
            latency_ns: op.latency_ns.clone(),
            runtime,
            bw_kib,
            iops,
        };
        let unsampled = Samples::default();
        JobStats {
            read: direction(&metrics.read, window.read_bw_kib, window.read_iops),
            write: direction(&metrics.write, window.write_bw_kib, window.write_iops),
            sync: direction(&metrics.sync, unsampled, unsampled),
            depth_level: self.batches.level,
            batch_submit: self.batches.submit,
            batch_complete: self.batches.complete,
            cpu: CpuUse::of_thread().since(window.thread_cpu),
            process_cpu: CpuUse::of_process().since(window.process_cpu),
            job_runtime: runtime,
            elapsed,
            enter_count: metrics.enters,
            batch_count: metrics.batches,
            retry_count: metrics.read.retries + metrics.write.retries + metrics.sync.retries,
            engine_lines: self.engine_lines(),
            failure,
        }
    }
}

/// The measured time and what is sampled in it.
#[derive(Debug)]
struct Window {
    start: Instant,
    thread_cpu: CpuUse,
    process_cpu: CpuUse,
    sampled_at: Instant,
    sampled: Counts,
    read_bw_kib: Samples,
    read_iops: Samples,
    write_bw_kib: Samples,
    write_iops: Samples,
}

impl Window {
    fn open() -> Window {
        let start = Instant::now();
        Window {
            start,
            thread_cpu: CpuUse::of_thread(),
            process_cpu: CpuUse::of_process(),
            sampled_at: start,
            sampled: Counts::default(),
            read_bw_kib: Samples::default(),
            read_iops: Samples::default(),
            write_bw_kib: Samples::default(),
            write_iops: Samples::default(),
        }
    }

    /// Takes a sample if one is due.
    #[inline]
    fn sample(&mut self, now: Instant, counts: Counts) {
        let period = now - self.sampled_at;
        if period >= SAMPLE_PERIOD {
            self.take_sample(now, period, counts);
        }
    }

    fn take_sample(&mut self, now: Instant, period: Duration, counts: Counts) {
        let rate = |now: u64, before: u64| (now - before) * 1000 / millis(period);
        let before = self.sampled;
        if counts.read_count > 0 {
            self.read_bw_kib.push(rate(counts.read_bytes, before.read_bytes) / 1024);
            self.read_iops.push(rate(counts.read_count, before.read_count));
        }
        if counts.write_count > 0 {
            self.write_bw_kib.push(rate(counts.write_bytes, before.write_bytes) / 1024);
            self.write_iops.push(rate(counts.write_count, before.write_count));
        }
        self.sampled = counts;
        self.sampled_at = now;
    }
}

/// How many blocks the job issues; `None` if only time ends it.
pub(crate) fn block_count(spec: &JobSpec, target: &Target) -> Option<u64> {
    if spec.time_based {
        return None;
    }
    let in_region = target.region.block_count;
    Some(spec.io_size_bytes.map_or(in_region, |bytes| bytes / spec.block_len_bytes))
}

fn config(spec: &JobSpec) -> Result<Config, Error> {
    let block_len_bytes = u32::try_from(spec.block_len_bytes)
        .map_err(|_| Error::usage(format!("--bs={} is too large", spec.block_len_bytes)))?;
    let backend = match spec.ioengine {
        IoEngine::Auto => BackendChoice::Auto,
        IoEngine::IoUring => BackendChoice::IoUring,
        IoEngine::Threads => BackendChoice::Threads,
    };
    let poll = spec.sqthread_poll.then(|| SqPoll {
        idle: spec.sqthread_poll_idle.unwrap_or(SQ_POLL_IDLE_DEFAULT),
        cpu: spec.sqthread_poll_cpu,
    });
    Ok(Config::new()
        .backend(backend)
        .depth(spec.iodepth)
        // One more than the depth: the sync at the end comes when all lanes are empty, and a
        // full engine would mean a mistake here.
        .capacity(spec.iodepth + 1)
        .buffers(spec.iodepth, block_len_bytes)
        .lanes(match spec.lane_choice() {
            LaneChoice::Auto => Lanes::Auto,
            LaneChoice::Off => Lanes::Off,
        })
        .fixed_buffers(spec.fixedbufs)
        .fixed_files(if spec.registerfiles { FILE_SLOT_COUNT } else { 0 })
        .sqpoll(poll))
}

fn failure(error: &iomill_engine::Error) -> Failure {
    Failure { errno: error.errno().unwrap_or(0), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::CreatedFiles;

    #[test]
    fn an_interrupt_ends_the_filling_of_buffers() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let spec = JobSpec {
            directory: Some(directory.path().to_owned()),
            size_bytes: Some(4096),
            ioengine: IoEngine::Threads,
            ..JobSpec::default()
        };
        let (created, interrupt) = (CreatedFiles::default(), Interrupt::default());
        let target = Target::prepare(&spec, 0, &created, &interrupt).expect("created");
        let progress = JobProgress::default();
        assert!(JobThread::new(&spec, &target, 0, &progress, &interrupt).is_ok());
        interrupt.raise();
        let error = JobThread::new(&spec, &target, 0, &progress, &interrupt).expect_err("ended");
        assert_eq!(error.exit_code(), 130, "{error}");
    }
}
