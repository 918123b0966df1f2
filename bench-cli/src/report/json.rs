//! The report for programs: fio's JSON, and our own values under the key `iomill`.
//!
//! Owns the names and the nesting of fio's keys; ours are `iomill`'s. Values that are not measured
//! are left out, but for the zeros of `slat_ns` and of directions without requests, which readers
//! of fio's JSON expect. Called by `report`.

use std::io::{self, Write};

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use super::iomill::Iomill;
use super::latency::{LABELS, Ranges};
use super::{Entry, Report, VERSION, cpu_percent, timestamp_ms};
use crate::disk::DiskUse;
use crate::stats::{self, Direction, JobStats, SteadyState, millis};

const LEVELS: [&str; 7] = ["1", "2", "4", "8", "16", "32", ">=64"];
const BATCHES: [&str; 7] = ["0", "4", "8", "16", "32", "64", ">=64"];

/// Writes the report and a final newline.
pub(super) fn write(report: &Report<'_>, out: &mut impl Write, bins: Bins) -> io::Result<()> {
    let finished_ms = timestamp_ms(report.finished);
    let document = Document {
        version: VERSION,
        timestamp: finished_ms / 1000,
        timestamp_ms: finished_ms,
        time: report.finished_text(),
        global_options: Keyed(report.global_options.to_vec()),
        jobs: report.entries.iter().map(|entry| job(report, entry, bins)).collect(),
        disk_util: report.disks.iter().map(DiskUtil::of).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Whether latency histograms are listed bin by bin: fio's `json+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bins {
    Hidden,
    Shown,
}

/// A JSON object whose keys keep their order.
#[derive(Debug)]
pub(super) struct Keyed<V>(pub(super) Vec<(String, V)>);

impl<V: Serialize> Serialize for Keyed<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Keyed<f64> {
    fn of(labels: &[&str], shares: &[f64]) -> Keyed<f64> {
        let pairs = labels.iter().zip(shares);
        Keyed(pairs.map(|(label, share)| ((*label).to_owned(), *share)).collect())
    }
}

#[derive(Serialize)]
struct Document {
    #[serde(rename = "fio version")]
    version: &'static str,
    timestamp: u64,
    timestamp_ms: u64,
    time: String,
    #[serde(rename = "global options")]
    global_options: Keyed<String>,
    jobs: Vec<Job>,
    disk_util: Vec<DiskUtil>,
}

#[derive(Serialize)]
struct Job {
    jobname: String,
    groupid: u32,
    job_start: u64,
    error: i32,
    eta: u64,
    elapsed: u64,
    #[serde(rename = "job options")]
    job_options: Keyed<String>,
    read: Io,
    write: Io,
    trim: Io,
    sync: SyncIo,
    job_runtime: u64,
    usr_cpu: f64,
    sys_cpu: f64,
    ctx: u64,
    majf: u64,
    minf: u64,
    iodepth_level: Keyed<f64>,
    iodepth_submit: Keyed<f64>,
    iodepth_complete: Keyed<f64>,
    latency_ns: Keyed<f64>,
    latency_us: Keyed<f64>,
    latency_ms: Keyed<f64>,
    latency_depth: u32,
    latency_target: u64,
    latency_percentile: f64,
    latency_window: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_err: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steadystate: Option<Steady>,
    iomill: Iomill,
}

#[derive(Serialize)]
struct Steady {
    ss: String,
    duration: u64,
    attained: u8,
    criterion: String,
    max_deviation: f64,
    slope: f64,
    data: SteadyData,
}

#[derive(Serialize)]
struct SteadyData {
    bw_mean: u64,
    iops_mean: u64,
    iops: Vec<u64>,
    bw: Vec<u64>,
}

#[derive(Serialize)]
struct Io {
    io_bytes: u64,
    io_kbytes: u64,
    bw_bytes: u64,
    bw: u64,
    iops: f64,
    runtime: u64,
    total_ios: u64,
    short_ios: u64,
    drop_ios: u64,
    slat_ns: Latency,
    clat_ns: Latency,
    lat_ns: Latency,
    bw_min: u64,
    bw_max: u64,
    bw_agg: f64,
    bw_mean: f64,
    bw_dev: f64,
    bw_samples: u64,
    iops_min: u64,
    iops_max: u64,
    iops_mean: f64,
    iops_stddev: f64,
    iops_samples: u64,
}

#[derive(Serialize)]
struct SyncIo {
    total_ios: u64,
    lat_ns: Latency,
}

#[derive(Serialize)]
struct Latency {
    min: u64,
    max: u64,
    mean: f64,
    stddev: f64,
    #[serde(rename = "N")]
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentile: Option<Keyed<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bins: Option<Keyed<u64>>,
}

#[derive(Serialize)]
struct DiskUtil {
    name: String,
    read_ios: u64,
    write_ios: u64,
    read_merges: u64,
    write_merges: u64,
    read_ticks: u64,
    write_ticks: u64,
    in_queue: u64,
    util: f64,
}

impl DiskUtil {
    fn of(disk: &DiskUse) -> DiskUtil {
        DiskUtil {
            name: disk.name.clone(),
            read_ios: disk.read.io_count,
            write_ios: disk.write.io_count,
            read_merges: disk.read.merge_count,
            write_merges: disk.write.merge_count,
            read_ticks: disk.read.busy_ms,
            write_ticks: disk.write.busy_ms,
            in_queue: disk.queue_ms,
            util: disk.busy_percent(),
        }
    }
}

/// Which parts of a latency are listed.
#[derive(Clone, Copy)]
struct Detail<'a> {
    percentiles: Option<&'a [f64]>,
    bins: Bins,
}

const PLAIN: Detail<'static> = Detail { percentiles: None, bins: Bins::Hidden };

fn job(report: &Report<'_>, entry: &Entry<'_>, bins: Bins) -> Job {
    let Entry { spec, stats, .. } = entry;
    let (usr_cpu, sys_cpu) = cpu_percent(stats);
    let ranges =
        Ranges::of(&[&stats.read.latency_ns, &stats.write.latency_ns, &stats.trim.latency_ns]);
    // fio lists bins only where it lists percentiles.
    let detail = |wanted: bool| match wanted {
        true => Detail { percentiles: Some(&spec.reporting.percentiles.list), bins },
        false => PLAIN,
    };
    let io_of = |of: fn(&JobStats) -> &Direction| {
        // Without a rate `lat` is `clat`, and its percentiles would say nothing new unless asked.
        let lat = spec.reporting.percentiles.lat || of(stats).since_intended_ns.is_some();
        let details = [detail(spec.reporting.percentiles.clat), detail(lat)];
        io(of(stats), report.group_bw_bytes(entry.group, of), details)
    };
    Job {
        jobname: spec.name.clone(),
        groupid: entry.group,
        job_start: timestamp_ms(entry.started),
        error: stats.failure.as_ref().map_or(0, |failure| failure.errno),
        eta: 0,
        elapsed: millis(stats.elapsed).div_ceil(1000),
        job_options: Keyed(entry.options.to_vec()),
        read: io_of(|stats| &stats.read),
        write: io_of(|stats| &stats.write),
        trim: io_of(|stats| &stats.trim),
        sync: SyncIo {
            total_ios: stats.sync.io_count,
            lat_ns: latency(&stats.sync.latency_ns, detail(true)),
        },
        job_runtime: millis(stats.job_runtime),
        usr_cpu,
        sys_cpu,
        ctx: stats.cpu.context_switch_count,
        majf: stats.cpu.major_fault_count,
        minf: stats.cpu.minor_fault_count,
        iodepth_level: Keyed::of(&LEVELS, &stats.depth_level.percentages()),
        iodepth_submit: Keyed::of(&BATCHES, &stats.batch_submit.percentages()),
        iodepth_complete: Keyed::of(&BATCHES, &stats.batch_complete.percentages()),
        latency_ns: Keyed::of(&LABELS, &ranges.ns),
        latency_us: Keyed::of(&LABELS, &ranges.us),
        latency_ms: Keyed::of(&LABELS, &ranges.ms),
        latency_depth: stats.depth.as_ref().map_or(spec.depth.fixed, |story| story.status.in_force),
        latency_target: spec
            .depth
            .target
            .map_or(0, |target| u64::try_from(target.as_nanos()).unwrap_or(u64::MAX)),
        latency_percentile: spec.latency_percentile(),
        // There is none: the scheduler looks as often as it has seen enough.
        latency_window: 0,
        total_err: (stats.error_count > 0).then_some(stats.error_count),
        first_error: (stats.error_count > 0).then_some(stats.first_errno),
        desc: spec.description.clone(),
        steadystate: stats.steady.as_ref().map(steady_state),
        iomill: Iomill::of(stats),
    }
}

fn steady_state(steady: &SteadyState) -> Steady {
    let mean = |values: &[u64]| values.iter().sum::<u64>() / values.len().max(1) as u64;
    Steady {
        ss: steady.criterion.clone(),
        duration: millis(steady.duration) / 1000,
        attained: u8::from(steady.attained),
        criterion: format!("{:.6}", steady.deviation),
        max_deviation: steady.deviation,
        slope: steady.slope,
        data: SteadyData {
            bw_mean: mean(&steady.bw_bytes),
            iops_mean: mean(&steady.iops),
            iops: steady.iops.clone(),
            bw: steady.bw_bytes.clone(),
        },
    }
}

fn io(direction: &Direction, group_bw_bytes: u64, [clat, lat]: [Detail<'_>; 2]) -> Io {
    let (bw, iops) = (&direction.bw_kib, &direction.iops);
    let bw_bytes = direction.bw_bytes();
    let latency_of = |histogram, detail| match direction.io_count {
        0 => no_latency(),
        _ => latency(histogram, detail),
    };
    let share = 100.0 * bw.mean * 1024.0 / group_bw_bytes.max(1) as f64;
    Io {
        io_bytes: direction.bytes,
        io_kbytes: direction.bytes / 1024,
        bw_bytes,
        bw: bw_bytes / 1024,
        iops: direction.iops(),
        runtime: direction.runtime_ms(),
        total_ios: direction.io_count,
        short_ios: direction.short_count,
        drop_ios: 0,
        slat_ns: no_latency(),
        clat_ns: latency_of(&direction.latency_ns, clat),
        lat_ns: latency_of(direction.total_latency_ns(), lat),
        bw_min: bw.min,
        bw_max: bw.max,
        bw_agg: share.min(100.0),
        bw_mean: bw.mean,
        bw_dev: bw.deviation(),
        bw_samples: bw.count,
        iops_min: iops.min,
        iops_max: iops.max,
        iops_mean: iops.mean,
        iops_stddev: iops.deviation(),
        iops_samples: iops.count,
    }
}

fn latency(histogram: &Histogram<u64>, detail: Detail<'_>) -> Latency {
    if histogram.is_empty() {
        return no_latency();
    }
    let percentile = detail.percentiles.map(|list| {
        // fio's keys are C's "%f": six decimals.
        let pair =
            |percent: &f64| (format!("{percent:.6}"), histogram.value_at_percentile(*percent));
        Keyed(list.iter().map(pair).collect())
    });
    let bins = (detail.bins == Bins::Shown).then(|| {
        let bins = stats::Bins::of(histogram);
        Keyed(bins.values().map(|(value, count)| (value.to_string(), count)).collect())
    });
    Latency {
        min: histogram.min(),
        max: histogram.max(),
        mean: histogram.mean(),
        stddev: histogram.stdev(),
        count: histogram.len(),
        percentile,
        bins,
    }
}

fn no_latency() -> Latency {
    Latency { min: 0, max: 0, mean: 0.0, stddev: 0.0, count: 0, percentile: None, bins: None }
}
