//! What was measured: per direction, per job, and the sum of several jobs.
//!
//! Owns the numbers between the run and the report, and fio's rules for adding jobs up. It
//! measures and prints nothing. Filled in by `job_thread`, read by `report`.

mod bins;
mod depth;
mod depth_map;
mod engine_use;
mod series;

pub(crate) use bins::{BIN_COUNT, Bins, index_of};
pub(crate) use depth::DepthStory;
pub(crate) use depth_map::DepthMap;
pub(crate) use engine_use::{EngineUse, KindUse, LaneRow};
pub(crate) use series::{Interval, Series, Tally};

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::cpu::CpuUse;

/// Bandwidth or IOPS, sampled every half second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) count: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) mean: f64,
    square_sum: f64,
}

impl Samples {
    /// Adds one sample.
    pub(crate) fn push(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        // Welford's update: no list to keep, and no loss of precision for large values.
        let delta = value as f64 - self.mean;
        self.mean += delta / self.count as f64;
        self.square_sum += delta * (value as f64 - self.mean);
    }

    /// The standard deviation.
    pub(crate) fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.square_sum / (self.count - 1) as f64).sqrt() }
    }

    /// The sum of two jobs that ran side by side, as fio's group reporting has it.
    fn add(&mut self, other: &Samples) {
        self.count += other.count;
        self.min += other.min;
        self.max += other.max;
        self.mean += other.mean;
        self.square_sum += other.square_sum;
    }
}

/// One kind of request: reads, writes or syncs.
#[derive(Clone, Debug)]
pub(crate) struct Direction {
    pub(crate) io_count: u64,
    pub(crate) bytes: u64,
    pub(crate) short_count: u64,
    /// From the system call that submitted to the one that reaped.
    pub(crate) latency_ns: Histogram<u64>,
    /// From the time when the request should have begun, for jobs with a rate.
    pub(crate) since_intended_ns: Option<Histogram<u64>>,
    pub(crate) runtime: Duration,
    pub(crate) bw_kib: Samples,
    pub(crate) iops: Samples,
}

impl Direction {
    /// What a user of the job waited: from the intended start where there is one.
    pub(crate) fn total_latency_ns(&self) -> &Histogram<u64> {
        self.since_intended_ns.as_ref().unwrap_or(&self.latency_ns)
    }

    /// Bytes per second.
    pub(crate) fn bw_bytes(&self) -> u64 {
        per_second(self.bytes, self.runtime)
    }

    /// Requests per second.
    pub(crate) fn iops(&self) -> f64 {
        self.io_count as f64 * 1000.0 / millis(self.runtime) as f64
    }

    /// Whole requests per second.
    pub(crate) fn iops_whole(&self) -> u64 {
        per_second(self.io_count, self.runtime)
    }

    /// The runtime in whole milliseconds, 0 where nothing was done.
    pub(crate) fn runtime_ms(&self) -> u64 {
        if self.io_count == 0 { 0 } else { millis(self.runtime) }
    }

    fn add(&mut self, other: &Direction) {
        self.io_count += other.io_count;
        self.bytes += other.bytes;
        self.short_count += other.short_count;
        self.latency_ns += &other.latency_ns;
        match (&mut self.since_intended_ns, &other.since_intended_ns) {
            (Some(mine), Some(theirs)) => *mine += theirs,
            (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
            (_, None) => {}
        }
        self.runtime = self.runtime.max(other.runtime);
        self.bw_kib.add(&other.bw_kib);
        self.iops.add(&other.iops);
    }
}

/// Sizes of batches and depths at which requests were issued.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    pub(crate) level: DepthMap,
    pub(crate) submit: DepthMap,
    pub(crate) complete: DepthMap,
}

/// What the measuring itself took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overhead {
    /// How often the loop read the clock, the engine's own two reads per tick among them.
    pub(crate) clock_read_count: u64,
    /// What one reading of the clock costs here.
    pub(crate) clock_read_ns: u64,
    /// The time that went into samples, series and logs.
    pub(crate) sampling: Duration,
}

impl Overhead {
    /// All of it. Units: nanoseconds.
    pub(crate) fn total_ns(&self) -> u64 {
        let sampling_ns = u64::try_from(self.sampling.as_nanos()).unwrap_or(u64::MAX);
        self.clock_read_count.saturating_mul(self.clock_read_ns).saturating_add(sampling_ns)
    }

    fn add(&mut self, other: &Overhead) {
        self.clock_read_count += other.clock_read_count;
        self.clock_read_ns = self.clock_read_ns.max(other.clock_read_ns);
        self.sampling += other.sampling;
    }
}

/// An error that ended a job.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The operating system's number, where there was one.
    pub(crate) errno: i32,
    /// What, where, why.
    pub(crate) message: String,
}

/// Everything that is known about one job after it ran, or about several together.
#[derive(Clone, Debug)]
pub(crate) struct JobStats {
    pub(crate) read: Direction,
    pub(crate) write: Direction,
    pub(crate) trim: Direction,
    pub(crate) sync: Direction,
    pub(crate) depth_level: DepthMap,
    pub(crate) batch_submit: DepthMap,
    pub(crate) batch_complete: DepthMap,
    /// Of the job's own thread and of its share of helper threads.
    pub(crate) cpu: CpuUse,
    /// Of the whole process during the job; `runner` turns it into shares of helper threads.
    pub(crate) process_cpu: CpuUse,
    /// Measured time; the sum over jobs when several are added up.
    pub(crate) job_runtime: Duration,
    /// From the start of the thread, ramp time included.
    pub(crate) elapsed: Duration,
    pub(crate) enter_count: u64,
    pub(crate) batch_count: u64,
    pub(crate) retry_count: u64,
    /// From the start of the program to the first request.
    pub(crate) first_io: Duration,
    /// Lanes and counters of the engine.
    pub(crate) engine_use: EngineUse,
    /// What was done in each interval.
    pub(crate) series: Series,
    /// What the measuring itself took.
    pub(crate) overhead: Overhead,
    /// How the engine ran: one line per fact.
    pub(crate) engine_lines: Vec<String>,
    /// What an adaptive depth came to; of the first job where several are added up.
    pub(crate) depth: Option<DepthStory>,
    pub(crate) failure: Option<Failure>,
    /// Errors that the job lived with, and the number of the first.
    pub(crate) error_count: u64,
    pub(crate) first_errno: i32,
    /// What was found about the contents, if they were checked.
    pub(crate) verified: Option<Verified>,
    pub(crate) steady: Option<SteadyState>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verified {
    /// Units that were looked at, and those that were damaged.
    pub(crate) checked_count: u64,
    pub(crate) damaged_count: u64,
    /// The first damaged ones, in words.
    pub(crate) damaged: Vec<String>,
}

impl Verified {
    fn add(&mut self, other: &Verified) {
        self.checked_count += other.checked_count;
        self.damaged_count += other.damaged_count;
        self.damaged.extend_from_slice(&other.damaged);
    }
}

/// How the search for a steady state ended.
#[derive(Clone, Debug)]
pub(crate) struct SteadyState {
    /// fio's name of the criterion, and the limit as a share of the mean or in its own unit.
    pub(crate) criterion: String,
    pub(crate) duration: Duration,
    pub(crate) attained: bool,
    /// The largest deviation, or the slope per second, in the unit of the limit.
    pub(crate) deviation: f64,
    pub(crate) slope: f64,
    pub(crate) iops: Vec<u64>,
    pub(crate) bw_bytes: Vec<u64>,
}

impl JobStats {
    /// Damaged blocks are a failure, also of a job that went on to its end.
    pub(crate) fn damage(&self) -> Option<Failure> {
        let verified = self.verified.as_ref().filter(|verified| verified.damaged_count > 0)?;
        let first = verified.damaged.first().map_or("", String::as_str);
        Some(Failure {
            errno: rustix::io::Errno::ILSEQ.raw_os_error(),
            message: format!(
                "{} of {} checked units are damaged; the first: {first}",
                verified.damaged_count, verified.checked_count
            ),
        })
    }

    /// Reads, writes and syncs together.
    pub(crate) fn io_count(&self) -> u64 {
        self.read.io_count + self.write.io_count + self.trim.io_count + self.sync.io_count
    }

    /// The sum of jobs that ran side by side; `None` for no job at all.
    pub(crate) fn sum<'a>(jobs: impl IntoIterator<Item = &'a JobStats>) -> Option<JobStats> {
        let mut jobs = jobs.into_iter();
        let mut sum = jobs.next()?.clone();
        for other in jobs {
            sum.add(other);
        }
        Some(sum)
    }

    fn add(&mut self, other: &JobStats) {
        self.read.add(&other.read);
        self.write.add(&other.write);
        self.trim.add(&other.trim);
        self.sync.add(&other.sync);
        self.depth_level.add(&other.depth_level);
        self.batch_submit.add(&other.batch_submit);
        self.batch_complete.add(&other.batch_complete);
        self.cpu = self.cpu.plus(other.cpu);
        self.job_runtime += other.job_runtime;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.enter_count += other.enter_count;
        self.batch_count += other.batch_count;
        self.retry_count += other.retry_count;
        self.first_io = self.first_io.min(other.first_io);
        self.engine_use.add(&other.engine_use);
        self.series.add(&other.series);
        self.overhead.add(&other.overhead);
        for line in &other.engine_lines {
            if !self.engine_lines.contains(line) {
                self.engine_lines.push(line.clone());
            }
        }
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
        if self.error_count == 0 {
            self.first_errno = other.first_errno;
        }
        self.error_count += other.error_count;
        match (&mut self.verified, &other.verified) {
            (Some(mine), Some(theirs)) => mine.add(theirs),
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
        if self.steady.is_none() {
            self.steady.clone_from(&other.steady);
        }
    }
}

/// Whole milliseconds, at least one: rates are divided by it, as fio does.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The rate per second, with the span in whole milliseconds.
pub(crate) fn per_second(amount: u64, span: Duration) -> u64 {
    u64::try_from(u128::from(amount) * 1000 / u128::from(millis(span))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_know_mean_and_deviation() {
        let mut samples = Samples::default();
        for value in [2, 4, 4, 4, 5, 5, 7, 9] {
            samples.push(value);
        }
        assert_eq!((samples.min, samples.max, samples.count), (2, 9, 8));
        assert!((samples.mean - 5.0).abs() < 1e-9);
        // The squared distances add up to 32; 32 / 7 under the root.
        assert!((samples.deviation() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-9);
    }
}
