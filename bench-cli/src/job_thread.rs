//! One job: its engine, its loop, its phases.
//!
//! Owns the phases ramp, measurement, check, wind-down; reads the clock once per tick. Run by
//! `runner`; what a completed request does next is `lane`'s, what is measured is `window`'s.

use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::{Duration, Instant};

use iomill_engine::{Completion, Context, Engine, File, Sync, Wait};

use crate::error::Error;
use crate::flow::FlowShare;
use crate::interrupt::Ending;
use crate::job::JobSpec;
use crate::job_engine;
use crate::lane::{self, Lane, LaneFailure, LaneState};
use crate::notice;
use crate::progress::JobProgress;
use crate::recorder::Recorder;
use crate::startup;
use crate::stats::{Batches, DepthStory, EngineUse, Failure, JobStats};
use crate::target::{self, Target};
use crate::window::{Phase, Window};
use crate::workload::{Random, Region};

/// The time that requests in flight get after the loop itself failed.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// The longest pause without a look at the interrupt.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Pauses are in whole slices of the clock unless the kernel is asked for better.
const TIMER_SLACK_NS: u64 = 1_000;

/// A job that is ready to run.
#[derive(Debug)]
pub(crate) struct JobThread<'a> {
    spec: &'a JobSpec,
    progress: &'a JobProgress,
    ending: Ending<'a>,
    engine: Engine,
    files: Vec<File>,
    lanes: Rc<LaneState>,
    /// What one loop transfers; `None` if time alone ends the job.
    amount_bytes: Option<u64>,
    batches: Batches,
    recorder: Recorder,
    tick_count: u64,
    /// From the start of the program to the first request.
    first_io: Option<Duration>,
}

/// Which job of the run it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) number: usize,
    pub(crate) seed: u64,
}

impl<'a> JobThread<'a> {
    /// Starts the engine and takes files and buffers, but does no I/O yet.
    ///
    /// # Errors
    ///
    /// A usage error if the engine cannot run as asked; `Interrupted` after Ctrl-C.
    pub(crate) fn new(
        spec: &'a JobSpec,
        targets: &[Target],
        place: Place,
        progress: &'a JobProgress,
        ending: Ending<'a>,
        flow: Option<FlowShare>,
    ) -> Result<JobThread<'a>, Error> {
        let mut engine = job_engine::start(spec, targets.len())?;
        let mut files = Vec::with_capacity(targets.len());
        for target in targets {
            target::warm_or_cool(spec, &target.path, ending.interrupt)?;
            files.push(target::open(spec, &target.path)?);
        }
        let files = job_engine::take_files(spec, &mut engine, files)?;
        if spec.pace.is_paced() {
            // A best effort: without it requests come up to 50 microseconds late.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
        }
        let regions: Vec<Region> = targets.iter().map(|target| target.region).collect();
        spec.check_memory(&regions)?;
        let region_bytes = regions.iter().map(|region| region.len_bytes).sum();
        let lanes = LaneState::new(spec, files.clone(), &regions, place.seed, flow);
        let amount_bytes = spec.amount_bytes(region_bytes);
        let mut job = JobThread {
            spec,
            progress,
            ending,
            engine,
            files,
            lanes,
            amount_bytes,
            batches: Batches::default(),
            recorder: Recorder::new(spec, place.number)?,
            tick_count: 0,
            first_io: None,
        };
        job.open_lanes(!place.seed)?;
        Ok(job)
    }

    /// Takes the buffers, fills them, and gives each its first request.
    fn open_lanes(&mut self, seed: u64) -> Result<(), Error> {
        let spec = self.spec;
        let len_max = usize::try_from(spec.block_bounds().1).unwrap_or(usize::MAX);
        let mut contents = Random::new(seed);
        self.set_amount();
        for _ in 0..spec.lane_count() {
            // Gigabytes of buffers take their time.
            if self.ending.interrupt.is_raised() {
                return Err(Error::Interrupted);
            }
            let Some(mut buffer) = self.engine.buffer() else {
                return Err(Error::io("the engine has fewer buffers than --iodepth asks for"));
            };
            buffer.set_len(len_max);
            self.lanes.fill_first(&mut contents, &mut buffer);
            let lane = Lane { file: self.files[0].clone(), index: 0, buffer };
            lane::start(&mut self.engine, Rc::clone(&self.lanes), lane)
                .map_err(|error| Error::usage(error.to_string()))?;
        }
        Ok(())
    }

    /// What the engine has to do without: the report has the rest, this should be known before it.
    pub(crate) fn missing_lines(&self) -> Vec<String> {
        job_engine::missing_lines(self.spec, &self.engine)
    }

    /// Runs the job to its end: its amount, its time, an error or an interrupt.
    pub(crate) fn run(mut self) -> JobStats {
        let thread_start = Instant::now();
        self.lanes.begin_schedule();
        let mut failure = self.ramp(thread_start).err();
        let mut window = Window::open(self.spec);
        self.recorder.begin(window.start());
        if failure.is_none() {
            failure = self.loops(&mut window).err();
        }
        if failure.is_none() && self.spec.end_fsync && self.spec.rw.writes() {
            failure = self.end_fsync().err();
        }
        let now = Instant::now();
        window.close(now);
        self.progress.finish();
        let failure = failure.or_else(|| self.lanes.take_failure().map(|why| self.failure(why)));
        let mut stats = window.stats(self.engine.metrics(), &self.lanes, &self.batches);
        let recorded = self.recorder.finish(now, self.engine.metrics(), self.lanes.trim_bytes());
        stats.overhead = recorded.overhead(self.tick_count);
        stats.series = recorded.series;
        stats.elapsed = now - thread_start;
        stats.engine_lines = job_engine::lines(&self.engine);
        stats.depth = DepthStory::of(&self.engine);
        stats.engine_use = EngineUse::of(&self.engine, &self.files);
        stats.first_io = self.first_io.unwrap_or_default();
        stats.failure = failure.or_else(|| stats.damage());
        let left = self.engine.shutdown(SHUTDOWN_DEADLINE);
        if left.leaked > 0 {
            notice::line(&format!("bench-cli: warning: {} requests never came back", left.leaked));
        }
        stats
    }

    /// Runs without measuring for the ramp time, if there is one.
    fn ramp(&mut self, start: Instant) -> Result<(), Failure> {
        // The no-ops that open the lanes turn into their first requests, which go out with the next
        // batch: at the end of this tick, or with the next one.
        self.tick()?;
        self.first_io = Some(startup::elapsed());
        if !self.spec.ramp_time.is_zero() {
            let end = start + self.spec.ramp_time;
            // What is done during the ramp does not count towards the job's amount.
            self.lanes.set_amount(None, None);
            while self.is_busy() && self.tick()? < end {}
            self.lanes.forget_counts();
            // What is in flight now will complete inside the measurement and counts there.
            let (in_flight, (_, largest)) =
                (u64::from(self.engine.in_flight()), self.spec.block_bounds());
            self.set_amount_less(in_flight * largest);
        }
        self.engine.reset_metrics();
        self.batches = Batches::default();
        self.tick_count = 0;
        Ok(())
    }

    fn set_amount(&self) {
        self.set_amount_less(0);
    }

    fn set_amount_less(&self, done_bytes: u64) {
        let requests = (self.spec.number_ios > 0).then_some(self.spec.number_ios);
        // With --verify_only there is nothing but the check.
        let amount_bytes = if self.spec.verify.only { Some(0) } else { self.amount_bytes };
        let amount_bytes = amount_bytes.map(|bytes| bytes.saturating_sub(done_bytes));
        self.lanes.set_amount(amount_bytes, requests);
    }

    /// Does the amount as often as is wanted, and checks after each time what was written.
    fn loops(&mut self, window: &mut Window) -> Result<(), Failure> {
        let checks = self.spec.verifies_writes() && self.spec.verify.do_verify;
        for round in 0..self.spec.loops {
            if round > 0 {
                self.set_amount();
                self.reopen_lanes()?;
            }
            self.measure(window)?;
            if (checks || self.spec.verify.only) && !self.is_over() {
                window.begin(Phase::Check);
                self.lanes.begin_check();
                self.reopen_lanes()?;
                self.measure(window)?;
                self.lanes.end_check();
                window.begin(Phase::Work);
            }
            if self.is_over() || window.is_late(Instant::now()) {
                break;
            }
        }
        Ok(())
    }

    /// Whether nothing more is to be done after this round.
    fn is_over(&self) -> bool {
        self.lanes.has_failed() || self.ending.is_near()
    }

    /// Gives the lanes that had nothing to do any more their next requests.
    fn reopen_lanes(&mut self) -> Result<(), Failure> {
        self.lanes.go_on();
        for lane in self.lanes.take_retired() {
            lane::start(&mut self.engine, Rc::clone(&self.lanes), lane)
                .map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    /// Runs until the amount is done or the time is over, and winds down.
    fn measure(&mut self, window: &mut Window) -> Result<(), Failure> {
        while self.is_busy() {
            let now = self.tick()?;
            if window.is_due(now) {
                window.sample(now, self.lanes.counts(), self.engine.metrics())?;
            }
            if window.is_late(now) {
                self.lanes.stop();
            }
            self.recorder.tick(now, self.engine.metrics(), self.lanes.trim_bytes());
            if let Some(limit) = self.spec.max_latency {
                window.check_latency(limit, self.engine.metrics())?;
            }
        }
        Ok(())
    }

    /// Whether requests are in flight or wait for their time.
    #[inline]
    fn is_busy(&self) -> bool {
        self.engine.in_flight() > 0 || (self.lanes.parked_count() > 0 && !self.lanes.is_stopped())
    }

    /// One turn of the loop; the one place where the clock is read while a plain job runs.
    #[inline]
    fn tick(&mut self) -> Result<Instant, Failure> {
        let wait = match self.lanes.parked_count() {
            0 => Wait::AtLeast(self.spec.depth.complete_min),
            _ => self.wake(),
        };
        let depth = self.engine.in_flight();
        self.lanes.forget_time();
        let tick = self.engine.tick(wait).map_err(|error| failure(&error))?;
        self.batches.level.record_level(depth, u64::from(tick.submitted));
        self.batches.submit.record_batch(tick.submitted);
        self.batches.complete.record_batch(tick.completed);
        self.tick_count += 1;
        self.progress.publish(self.lanes.counts());
        if self.ending.is_near() {
            self.lanes.stop();
        }
        Ok(Instant::now())
    }

    /// Resumes what is due, and tells how long to wait for the rest.
    fn wake(&mut self) -> Wait {
        if self.lanes.is_stopped() {
            return Wait::AtLeast(1);
        }
        let Some(due_ns) = self.lanes.due_in_ns() else {
            // It goes on when another request has completed; if none is left, nothing hinders it.
            if self.engine.in_flight() == 0 {
                lane::resume(&mut self.engine, &self.lanes);
            }
            self.lanes.retry_at_next_tick();
            return Wait::AtLeast(1);
        };
        if due_ns == 0 {
            lane::resume(&mut self.engine, &self.lanes);
            return match self.lanes.parked_count() {
                0 => Wait::AtLeast(1),
                _ => Wait::None,
            };
        }
        let timeout = Duration::from_nanos(due_ns).min(PAUSE_MAX);
        if self.engine.in_flight() == 0 {
            std::thread::sleep(timeout);
            return Wait::None;
        }
        Wait::For { at_least: 1, timeout }
    }

    fn end_fsync(&mut self) -> Result<(), Failure> {
        for file in self.files.clone() {
            let lanes = Rc::clone(&self.lanes);
            let on_complete = move |done: Completion<Sync>, _: &mut Context<'_>| {
                if let Err(error) = done.result {
                    lanes.fail(LaneFailure::Request(error));
                }
            };
            self.engine
                .submit(Sync { file, data_only: false }, on_complete)
                .map_err(|refused| failure(&refused.error))?;
            self.engine.drain().map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    fn failure(&self, why: LaneFailure) -> Failure {
        match why {
            LaneFailure::Request(error) => failure(&error),
            LaneFailure::EndOfFile { file, offset } => Failure {
                errno: 0,
                message: format!(
                    "'{}' ended before offset {offset} while the job read it; leave the file \
                     alone during the run",
                    file.path().display()
                ),
            },
            LaneFailure::Damaged => Failure {
                errno: rustix::io::Errno::ILSEQ.raw_os_error(),
                message: "a damaged block was found, and --verify_fatal ends the job there".into(),
            },
        }
    }
}

fn failure(error: &iomill_engine::Error) -> Failure {
    Failure { errno: error.errno().unwrap_or(0), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::target::CreatedFiles;

    const PLACE: Place = Place { number: 0, seed: 1 };

    #[test]
    fn an_interrupt_ends_the_filling_of_buffers() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let spec = JobSpec {
            directory: Some(directory.path().to_owned()),
            size: Some(crate::job::Amount::Bytes(4096)),
            ioengine: crate::job::IoEngine::Threads,
            ..JobSpec::default()
        };
        let (created, interrupt) = (CreatedFiles::default(), Interrupt::default());
        let targets = target::prepare(&spec, 0, &created, &interrupt).expect("created");
        let (progress, others) = (JobProgress::default(), Interrupt::default());
        let ending = Ending { interrupt: &interrupt, others: &others };
        assert!(JobThread::new(&spec, &targets, PLACE, &progress, ending, None).is_ok());
        interrupt.raise();
        let error =
            JobThread::new(&spec, &targets, PLACE, &progress, ending, None).expect_err("ended");
        assert_eq!(error.exit_code(), 130, "{error}");
    }
}
