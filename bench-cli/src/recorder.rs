//! What is recorded while a job runs: the series of intervals, and the logs.
//!
//! Owns when a sample is due and the difference between two of them. Between two samples it costs
//! one comparison per tick; what the samples themselves cost is measured and reported. It never
//! reads a clock but for that. Owned by `job_thread`.

use std::time::{Duration, Instant};

use iomill_engine::{Metrics, OpMetrics};

use crate::error::Error;
use crate::job::JobSpec;
use crate::logs::{JobLogs, Window};
use crate::stats::{BIN_COUNT, Bins, Interval, Overhead, Series, Tally, index_of};

/// The time between two samples of the series.
const SAMPLE_PERIOD: Duration = Duration::from_millis(500);

/// The engine reads the clock twice in a tick, `job_thread` once.
const CLOCK_READS_PER_TICK: u64 = 3;

/// The samples of one job.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    /// The earliest time at which any sample is due.
    due: Instant,
    sampling: Cadence,
    averaging: Option<Cadence>,
    binning: Option<Cadence>,
    logs: JobLogs,
    recorded: Recorded,
}

/// What a recorder leaves to the report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) series: Series,
    /// The time that sampling took.
    pub(crate) sampling: Duration,
}

impl Recorder {
    /// Opens the logs of job `number` of the run; [`begin`](Recorder::begin) starts the clock.
    ///
    /// # Errors
    ///
    /// A usage error if a log cannot be opened.
    pub(crate) fn new(spec: &JobSpec, number: usize) -> Result<Recorder, Error> {
        let now = Instant::now();
        let mut recorder = Recorder {
            start: now,
            due: now,
            sampling: Cadence::new(SAMPLE_PERIOD, now),
            averaging: spec.reporting.logs.window().map(|period| Cadence::new(period, now)),
            binning: spec.reporting.logs.hist_window().map(|period| Cadence::new(period, now)),
            logs: JobLogs::open(spec, number)?,
            recorded: Recorded::default(),
        };
        recorder.due = recorder.next_due();
        Ok(recorder)
    }

    /// The measurement begins now, with metrics that are at zero.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.start = now;
        self.sampling = Cadence::new(self.sampling.period, now);
        for cadence in self.averaging.iter_mut().chain(&mut self.binning) {
            *cadence = Cadence::new(cadence.period, now);
        }
        self.recorded = Recorded::default();
        self.logs.begin();
        self.due = self.next_due();
    }

    /// Takes the samples that are due.
    #[inline]
    pub(crate) fn tick(&mut self, now: Instant, metrics: &Metrics, trim_bytes: u64) {
        if now >= self.due {
            self.take(now, metrics, trim_bytes, false);
        }
    }

    /// Takes what is left of the last windows and closes the logs.
    pub(crate) fn finish(&mut self, now: Instant, metrics: &Metrics, trim_bytes: u64) -> Recorded {
        self.take(now, metrics, trim_bytes, true);
        self.logs.finish();
        std::mem::take(&mut self.recorded)
    }

    #[cold]
    fn take(&mut self, now: Instant, metrics: &Metrics, trim_bytes: u64, last: bool) {
        let began = Instant::now();
        let since = now - self.start;
        let trims = Mark { bytes: trim_bytes, ..Mark::of(&metrics.space) };
        let marks = || [Mark::of(&metrics.read), Mark::of(&metrics.write), trims.clone()];
        if let Some(done) = self.sampling.advance(now, &marks, last) {
            self.recorded.series.push(since, &done.interval);
        }
        if let Some(done) = self.averaging.as_mut().and_then(|c| c.advance(now, &marks, last)) {
            self.logs.write_averages(&done.window(since));
        }
        if let Some(done) = self.binning.as_mut().and_then(|c| c.advance(now, &marks, last)) {
            self.logs.write_histograms(&done.window(since));
        }
        self.due = self.next_due();
        self.recorded.sampling += began.elapsed();
    }

    fn next_due(&self) -> Instant {
        let others = self.averaging.iter().chain(&self.binning);
        others.map(|cadence| cadence.due).fold(self.sampling.due, Instant::min)
    }
}

impl Recorded {
    /// What measuring took in a job whose loop turned so often.
    pub(crate) fn overhead(&self, tick_count: u64) -> Overhead {
        Overhead {
            clock_read_count: tick_count * CLOCK_READS_PER_TICK,
            clock_read_ns: clock_read_ns(),
            sampling: self.sampling,
        }
    }
}

/// What one reading of the clock costs on this machine at this moment, in nanoseconds.
fn clock_read_ns() -> u64 {
    const READ_COUNT: u32 = 1000;
    let began = Instant::now();
    for _ in 1..READ_COUNT {
        std::hint::black_box(Instant::now());
    }
    u64::try_from((began.elapsed() / READ_COUNT).as_nanos()).unwrap_or(u64::MAX)
}

/// Samples at a fixed distance, each the difference to the one before.
#[derive(Debug)]
struct Cadence {
    period: Duration,
    due: Instant,
    taken: Instant,
    before: [Mark; 3],
}

/// What happened between two samples.
#[derive(Debug)]
struct Done {
    interval: Interval,
    mean_ns: [u64; 3],
}

impl Done {
    fn window(&self, end: Duration) -> Window<'_> {
        let Interval { span, read, write, trim } = &self.interval;
        Window { end, span: *span, done: [read, write, trim], mean_ns: self.mean_ns }
    }
}

impl Cadence {
    fn new(period: Duration, now: Instant) -> Cadence {
        Cadence { period, due: now + period, taken: now, before: Default::default() }
    }

    /// The difference to the last sample if one is due, or at the end if any time has gone by.
    fn advance(&mut self, now: Instant, marks: &dyn Fn() -> [Mark; 3], last: bool) -> Option<Done> {
        if now < self.due && !(last && now > self.taken) {
            return None;
        }
        // A late sample keeps to the grid; what a long request skipped is not made up for.
        while self.due <= now {
            self.due += self.period;
        }
        let marks = marks();
        let [read, write, trim] = [0, 1, 2].map(|at| marks[at].since(&self.before[at]));
        let span = now - self.taken;
        (self.before, self.taken) = (marks, now);
        Some(Done {
            mean_ns: [read.1, write.1, trim.1],
            interval: Interval { span, read: read.0, write: write.0, trim: trim.0 },
        })
    }
}

/// The counters at one moment.
#[derive(Clone, Debug, Default)]
struct Mark {
    io_count: u64,
    bytes: u64,
    latency_sum_ns: u64,
    table: Vec<u64>,
}

impl Mark {
    fn of(op: &OpMetrics) -> Mark {
        let mut table = vec![0; BIN_COUNT];
        let mut latency_sum_ns = 0_u64;
        for step in op.latency_ns.iter_recorded() {
            let (value, count) = (step.value_iterated_to(), step.count_since_last_iteration());
            table[index_of(value)] += count;
            let sum = op.latency_ns.median_equivalent(value).saturating_mul(count);
            latency_sum_ns = latency_sum_ns.saturating_add(sum);
        }
        Mark { io_count: op.completed, bytes: op.bytes, latency_sum_ns, table }
    }

    /// What was added since `before`, and its mean latency in nanoseconds.
    fn since(&self, before: &Mark) -> (Tally, u64) {
        let earlier = before.table.iter().chain(std::iter::repeat(&0));
        let added: Vec<u64> =
            self.table.iter().zip(earlier).map(|(now, then)| now.saturating_sub(*then)).collect();
        let bins = Bins::of_table(&added);
        let sum_ns = self.latency_sum_ns.saturating_sub(before.latency_sum_ns);
        let mean_ns = sum_ns / bins.total().max(1);
        let io_count = self.io_count - before.io_count;
        (Tally { io_count, bytes: self.bytes - before.bytes, bins }, mean_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iomill_engine::{Config, File, Read};

    /// Metrics of an engine that read a block `count` times.
    fn metrics(count: u32) -> Metrics {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), [7; 4096]).expect("written");
        let mut engine = Config::new().depth(1).start().expect("an engine");
        let handle = File::open(file.path()).expect("opened");
        for _ in 0..count {
            let buffer = engine.buffer().expect("a buffer");
            let read = Read { file: handle.clone(), offset: 0, buffer };
            engine.submit(read, |_, _| {}).expect("accepted");
            engine.drain().expect("drained");
        }
        engine.metrics().clone()
    }

    fn at(recorder: &Recorder, msec: u64) -> Instant {
        recorder.start + Duration::from_millis(msec)
    }

    #[test]
    fn samples_are_differences_on_a_grid() {
        let mut recorder = Recorder::new(&JobSpec::default(), 0).expect("no logs to open");
        recorder.begin(Instant::now());
        let (five, eight) = (metrics(5), metrics(8));
        recorder.tick(at(&recorder, 499), &five, 0);
        assert!(recorder.recorded.series.intervals().is_empty(), "not yet due");
        recorder.tick(at(&recorder, 510), &five, 0);
        recorder.tick(at(&recorder, 990), &eight, 0);
        recorder.tick(at(&recorder, 1010), &eight, 0);
        let end = at(&recorder, 1200);
        let recorded = recorder.finish(end, &eight, 0);
        let counts: Vec<u64> =
            recorded.series.intervals().iter().map(|interval| interval.read.io_count).collect();
        assert_eq!(counts, [5, 3]);
        assert_eq!(recorded.series.intervals()[0].read.bins.total(), 5);
        assert!(recorded.sampling > Duration::ZERO);
    }
}
