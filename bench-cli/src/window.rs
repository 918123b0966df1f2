//! The measured time of a job and what is sampled in it.
//!
//! Owns samples of bandwidth and IOPS, the lower limits of rates, the search for a steady state,
//! and the time that each phase took. It runs nothing. Called by `job_thread`, at most once per
//! tick.

use std::time::{Duration, Instant};

use iomill_engine::{Metrics, OpMetrics};

use crate::cpu::CpuUse;
use crate::job::JobSpec;
use crate::lane::LaneState;
use crate::progress::Counts;
use crate::stats::{
    Batches, Direction, EngineUse, Failure, JobStats, Overhead, Samples, Series, Verified, millis,
};
use crate::steady::{Sample, SteadySearch};

/// fio's `bwavgtime`: the time between two samples of bandwidth and IOPS.
const SAMPLE_PERIOD: Duration = Duration::from_millis(500);

/// What the job does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Work,
    /// Everything that was written is read back.
    Check,
}

/// The measured time and what is sampled in it.
#[derive(Debug)]
pub(crate) struct Window {
    start: Instant,
    /// Whether a steady state was reached, which ends the job.
    is_steady: bool,
    /// When the job has to end.
    deadline: Option<Instant>,
    phase: Phase,
    phase_start: Instant,
    /// The time spent in each phase.
    work: Duration,
    check: Duration,
    reads: bool,
    thread_cpu: CpuUse,
    process_cpu: CpuUse,
    /// Samples per direction.
    bw_kib: [Samples; 3],
    iops: [Samples; 3],
    regular: Interval,
    limits: Option<Limits>,
    steady: Option<(SteadySearch, Interval, f64)>,
}

/// A period that comes again and again, and the counts at its start.
#[derive(Clone, Copy, Debug)]
struct Interval {
    period: Duration,
    begun: Instant,
    counts: Counts,
}

impl Interval {
    /// The time since the last one, if it is over.
    fn passed(&self, now: Instant) -> Option<Duration> {
        let passed = now - self.begun;
        (passed >= self.period).then_some(passed)
    }

    /// What was done since the last time.
    fn renew(&mut self, now: Instant, counts: Counts) -> [(u64, u64); 3] {
        let (mut new, mut old) = (counts, self.counts);
        self.begun = now;
        self.counts = counts;
        crate::workload::Direction::ALL.map(|direction| {
            let ((bytes, count), (old_bytes, old_count)) = (new.of(direction), old.of(direction));
            (bytes.saturating_sub(*old_bytes), count.saturating_sub(*old_count))
        })
    }
}

/// fio's `rate_min` and `rate_iops_min`.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: [u64; 3],
    requests: [u64; 3],
    cycle: Interval,
}

impl Window {
    /// When the measurement began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Begins to measure.
    pub(crate) fn open(spec: &JobSpec) -> Window {
        let start = Instant::now();
        let interval = |period| Interval { period, begun: start, counts: Counts::default() };
        let pace = &spec.pace;
        let limited = pace.rate_min_bytes.iter().chain(&pace.rate_iops_min).any(|min| *min > 0);
        let limits = limited.then(|| Limits {
            bytes: pace.rate_min_bytes,
            requests: pace.rate_iops_min,
            cycle: interval(pace.rate_cycle),
        });
        let steady = SteadySearch::new(spec).map(|search| {
            let period = search.interval();
            (search, interval(period), 0.0)
        });
        Window {
            start,
            is_steady: false,
            deadline: spec.runtime.map(|runtime| start + runtime),
            phase: Phase::Work,
            phase_start: start,
            work: Duration::ZERO,
            check: Duration::ZERO,
            // With a backlog the checks come in the middle of the work.
            reads: spec.rw.reads() || spec.verify.backlog > 0,
            thread_cpu: CpuUse::of_thread(),
            process_cpu: CpuUse::of_process(),
            bw_kib: [Samples::default(); 3],
            iops: [Samples::default(); 3],
            regular: interval(SAMPLE_PERIOD),
            limits,
            steady,
        }
    }

    /// Whether the job's time is over.
    #[inline]
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        // What was written is checked to the end: fio's runtime is for the work alone, too.
        self.phase == Phase::Work
            && (self.is_steady || self.deadline.is_some_and(|deadline| now >= deadline))
    }

    /// Whether a sample may be due.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.regular.passed(now).is_some()
            || self.limits.is_some_and(|limits| limits.cycle.passed(now).is_some())
            || self.steady.as_ref().is_some_and(|(_, interval, _)| interval.passed(now).is_some())
    }

    /// Goes over to another phase.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.close(Instant::now());
        self.phase = phase;
    }

    /// Adds the time since the phase began to its account.
    pub(crate) fn close(&mut self, now: Instant) {
        let account = match self.phase {
            Phase::Work => &mut self.work,
            Phase::Check => &mut self.check,
        };
        *account += now - self.phase_start;
        self.phase_start = now;
    }

    /// Takes the samples that are due.
    ///
    /// # Errors
    ///
    /// When the job is slower than it may be.
    pub(crate) fn sample(
        &mut self,
        now: Instant,
        counts: Counts,
        metrics: &Metrics,
    ) -> Result<(), Failure> {
        if let Some(passed) = self.regular.passed(now) {
            let done = self.regular.renew(now, counts);
            for (index, (bytes, count)) in done.into_iter().enumerate() {
                // A direction has samples from its first request on.
                if count > 0 || self.iops[index].count > 0 {
                    self.bw_kib[index].push(bytes * 1000 / millis(passed) / 1024);
                    self.iops[index].push(count * 1000 / millis(passed));
                }
            }
        }
        if self.phase == Phase::Work {
            self.check_limits(now, counts)?;
        }
        self.is_steady |= self.look_for_steadiness(now, counts, metrics);
        Ok(())
    }

    fn check_limits(&mut self, now: Instant, counts: Counts) -> Result<(), Failure> {
        let Some(limits) = &mut self.limits else { return Ok(()) };
        let Some(passed) = limits.cycle.passed(now) else { return Ok(()) };
        let done = limits.cycle.renew(now, counts);
        let minima = limits.bytes.into_iter().zip(limits.requests);
        for ((bytes, count), (bytes_min, count_min)) in done.into_iter().zip(minima) {
            let (bw, iops) = (bytes * 1000 / millis(passed), count * 1000 / millis(passed));
            if bw < bytes_min || iops < count_min {
                let (found, wanted, unit) = match bw < bytes_min {
                    true => (bw, bytes_min, "bytes"),
                    false => (iops, count_min, "requests"),
                };
                let message = format!(
                    "only {found} {unit} per second, and --rate_min asks for {wanted}; lower it, \
                     or lower the load"
                );
                return Err(Failure { errno: rustix::io::Errno::TIME.raw_os_error(), message });
            }
        }
        Ok(())
    }

    fn look_for_steadiness(&mut self, now: Instant, counts: Counts, metrics: &Metrics) -> bool {
        let Some((search, interval, latency_sum_ns)) = &mut self.steady else { return false };
        let Some(passed) = interval.passed(now) else { return false };
        let done = interval.renew(now, counts);
        let count: u64 = done.iter().map(|(_, count)| count).sum();
        let bytes: u64 = done.iter().map(|(bytes, _)| bytes).sum();
        let sum_ns: f64 = [&metrics.read, &metrics.write, &metrics.space]
            .iter()
            .map(|op| op.latency_ns.mean() * op.latency_ns.len() as f64)
            .sum();
        let latency_ns = (sum_ns - *latency_sum_ns).max(0.0) / count.max(1) as f64;
        *latency_sum_ns = sum_ns;
        let per_second = |amount: u64| amount * 1000 / millis(passed);
        let sample = Sample { iops: per_second(count), bw_bytes: per_second(bytes), latency_ns };
        search.push(now - self.start, sample)
    }

    /// Refuses a request that took longer than it may.
    ///
    /// # Errors
    ///
    /// When one did.
    pub(crate) fn check_latency(&self, limit: Duration, metrics: &Metrics) -> Result<(), Failure> {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let kinds = [&metrics.read, &metrics.write, &metrics.space];
        let longest = kinds.iter().map(|op| op.latency_ns.max()).max().unwrap_or(0);
        if longest <= limit_ns {
            return Ok(());
        }
        Err(Failure {
            errno: rustix::io::Errno::TIME.raw_os_error(),
            message: format!(
                "a request took {longest} ns, longer than --max_latency={limit_ns} ns allows"
            ),
        })
    }

    /// What was measured.
    pub(crate) fn stats(
        &self,
        metrics: &Metrics,
        lanes: &LaneState,
        batches: &Batches,
    ) -> JobStats {
        let mut intended = lanes.since_intended_ns().map(|all| all.map(Some));
        // What has no schedule of its own (the checks of a paced writer) has none of these times.
        let mut since_intended = |index: usize| {
            let all = intended.as_mut()?;
            all[index].take().filter(|latencies| !latencies.is_empty())
        };
        let counts = lanes.counts();
        // All reads of a job that otherwise writes are checks.
        let read_runtime = match self.reads {
            true => self.work + self.check,
            false => self.check.max(Duration::from_millis(1)),
        };
        let of = |op: &OpMetrics, index: usize, runtime, since_intended_ns| Direction {
            io_count: op.completed,
            bytes: op.bytes,
            short_count: op.short_transfers,
            latency_ns: op.latency_ns.clone(),
            since_intended_ns,
            runtime,
            bw_kib: self.bw_kib[index],
            iops: self.iops[index],
        };
        let mut trim = of(&metrics.space, 2, self.work, since_intended(2));
        trim.bytes = counts.trim_bytes;
        let unsampled = Direction {
            bw_kib: Samples::default(),
            iops: Samples::default(),
            ..of(&metrics.sync, 0, self.work, None)
        };
        let problems = lanes.take_problems();
        let checked_count = lanes.checked_count();
        let retries = [&metrics.read, &metrics.write, &metrics.sync, &metrics.space];
        JobStats {
            read: of(&metrics.read, 0, read_runtime, since_intended(0)),
            write: of(&metrics.write, 1, self.work, since_intended(1)),
            trim,
            sync: unsampled,
            depth_level: batches.level,
            batch_submit: batches.submit,
            batch_complete: batches.complete,
            cpu: CpuUse::of_thread().since(self.thread_cpu),
            process_cpu: CpuUse::of_process().since(self.process_cpu),
            job_runtime: self.work + self.check,
            elapsed: Duration::ZERO,
            series: Series::default(),
            overhead: Overhead::default(),
            enter_count: metrics.enters,
            batch_count: metrics.batches,
            retry_count: retries.iter().map(|op| op.retries).sum(),
            first_io: Duration::ZERO,
            engine_use: EngineUse::default(),
            engine_lines: Vec::new(),
            depth: None,
            failure: None,
            error_count: problems.error_count,
            first_errno: problems.first_errno,
            verified: (checked_count > 0).then_some(Verified {
                checked_count,
                damaged_count: problems.damaged_count,
                damaged: problems.damaged,
            }),
            steady: self.steady.as_ref().map(|(search, ..)| search.outcome()),
        }
    }
}
