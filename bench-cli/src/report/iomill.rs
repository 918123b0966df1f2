//! What fio has no key for: how the engine ran, what measuring cost, percentiles over time.
//!
//! Owns the names and the nesting below the key `iomill` of a job. Called by `json`.

use iomill_engine::depth::Decision;
use serde::Serialize;

use super::lanes::{Counters, Lanes};
use super::{cpu_ns_per_io, enters_per_io};
use crate::stats::{DepthStory, Interval, JobStats, Overhead, Series, Tally, per_second};

#[derive(Serialize)]
pub(super) struct Iomill {
    /// The machine's name, which tells results of many hosts apart.
    host: String,
    engine: Vec<String>,
    enters: u64,
    enters_per_io: f64,
    batches: u64,
    retries: u64,
    cpu_user_ns_per_io: u64,
    cpu_system_ns_per_io: u64,
    overhead: Cost,
    intervals: Intervals,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<Depth>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depth_trace: Vec<DepthStep>,
    lanes: Lanes,
    counters: Counters,
    start_to_first_io_us: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Verify>,
}

/// What a verification found.
#[derive(Serialize)]
struct Verify {
    checked: u64,
    damaged: u64,
    damages: Vec<String>,
}

impl Iomill {
    pub(super) fn of(entry: &JobStats) -> Iomill {
        let (cpu_user_ns_per_io, cpu_system_ns_per_io) = cpu_ns_per_io(entry);
        Iomill {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            engine: entry.engine_lines.clone(),
            enters: entry.enter_count,
            enters_per_io: enters_per_io(entry),
            batches: entry.batch_count,
            retries: entry.retry_count,
            cpu_user_ns_per_io,
            cpu_system_ns_per_io,
            overhead: Cost::of(&entry.overhead, entry.io_count()),
            intervals: Intervals::of(&entry.series),
            depth: entry.depth.as_ref().map(|story| Depth {
                in_force: story.status.in_force,
                chosen: story.status.chosen,
                target_out_of_reach: story.status.is_out_of_reach,
            }),
            depth_trace: entry.depth.as_ref().map_or_else(Vec::new, depth_trace),
            lanes: Lanes::of(&entry.engine_use),
            counters: Counters::of(&entry.engine_use),
            start_to_first_io_us: entry.first_io.as_micros(),
            error_message: entry.failure.as_ref().map(|failure| failure.message.clone()),
            verify: entry.verified.as_ref().map(|verified| Verify {
                checked: verified.checked_count,
                damaged: verified.damaged_count,
                damages: verified.damaged.clone(),
            }),
        }
    }
}

/// What an adaptive depth came to.
#[derive(Serialize)]
struct Depth {
    in_force: u32,
    chosen: Option<u32>,
    target_out_of_reach: bool,
}

/// One of its decisions.
#[derive(Serialize)]
struct DepthStep {
    /// Since the first one.
    t_ns: u64,
    window: u32,
    slots_per_s: f64,
    latency_ns: u64,
    why: &'static str,
}

fn depth_trace(story: &DepthStory) -> Vec<DepthStep> {
    let first_ns = story.decisions.first().map_or(0, |decision| decision.at_ns);
    let step = |decision: &Decision| DepthStep {
        t_ns: decision.at_ns.saturating_sub(first_ns),
        window: decision.depth,
        slots_per_s: decision.slots_per_s,
        latency_ns: decision.latency_ns,
        why: decision.why.name(),
    };
    story.decisions.iter().map(step).collect()
}

/// What measuring cost: part of the CPU time per request, not on top of it.
#[derive(Serialize)]
struct Cost {
    clock_reads: u64,
    clock_read_ns: u64,
    sampling_ns: u64,
    total_ns_per_io: f64,
}

impl Cost {
    fn of(overhead: &Overhead, io_count: u64) -> Cost {
        Cost {
            clock_reads: overhead.clock_read_count,
            clock_read_ns: overhead.clock_read_ns,
            sampling_ns: u64::try_from(overhead.sampling.as_nanos()).unwrap_or(u64::MAX),
            total_ns_per_io: overhead.total_ns() as f64 / io_count.max(1) as f64,
        }
    }
}

/// Rates and percentiles over time.
#[derive(Serialize)]
struct Intervals {
    width_ms: u128,
    read: Vec<Step>,
    write: Vec<Step>,
    trim: Vec<Step>,
}

impl Intervals {
    fn of(series: &Series) -> Intervals {
        let steps = |of: fn(&Interval) -> &Tally| {
            let idle = series.intervals().iter().all(|interval| of(interval).io_count == 0);
            let intervals = if idle { &[] } else { series.intervals() };
            (1..)
                .zip(intervals)
                .map(|(number, interval)| Step::of(series, number, interval, of(interval)))
                .collect()
        };
        Intervals {
            width_ms: series.width().as_millis(),
            read: steps(|interval| &interval.read),
            write: steps(|interval| &interval.write),
            trim: steps(|interval| &interval.trim),
        }
    }
}

/// One interval of one direction. Latencies have the resolution of fio's bins, 1.6 %.
#[derive(Serialize)]
struct Step {
    /// The end of the interval.
    t_ms: u128,
    /// Its length, which is shorter than the width at the end of the job.
    span_ms: u128,
    total_ios: u64,
    iops: u64,
    bw_bytes: u64,
    p50_ns: u64,
    p90_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
    max_ns: u64,
}

impl Step {
    fn of(series: &Series, number: u32, interval: &Interval, done: &Tally) -> Step {
        let begin = series.width() * (number - 1);
        Step {
            t_ms: (begin + interval.span.min(series.width())).as_millis(),
            span_ms: interval.span.as_millis(),
            total_ios: done.io_count,
            iops: per_second(done.io_count, interval.span),
            bw_bytes: per_second(done.bytes, interval.span),
            p50_ns: done.bins.percentile(50.0),
            p90_ns: done.bins.percentile(90.0),
            p99_ns: done.bins.percentile(99.0),
            p999_ns: done.bins.percentile(99.9),
            max_ns: done.bins.max(),
        }
    }
}
