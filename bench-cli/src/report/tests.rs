//! Both layouts against what fio prints for the same numbers.

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde_json::Value;

use super::*;
use crate::cpu::CpuUse;
use crate::disk::DiskUse;
use crate::job::reporting::PercentileSpec;
use crate::job::{Reporting, RunSpec, Rw};
use crate::plan::PlannedJob;
use crate::stats::{DepthMap, Direction, EngineUse, Failure, Overhead, Samples, Series};

fn direction(io_count: u64, latency_ns: &[u64]) -> Direction {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
    for value in latency_ns.iter().cycle().take(usize::try_from(io_count).expect("small")) {
        histogram.record(*value).expect("in bounds");
    }
    Direction {
        io_count,
        bytes: io_count * 4096,
        short_count: 0,
        latency_ns: histogram,
        since_intended_ns: None,
        runtime: Duration::from_millis(2001),
        bw_kib: Samples::default(),
        iops: Samples::default(),
    }
}

fn job(read: Direction, write: Direction, sync: Direction) -> JobStats {
    let mut depth_level = DepthMap::default();
    depth_level.record_level(8, read.io_count + write.io_count);
    let mut batch = DepthMap::default();
    batch.record_batch(8);
    JobStats {
        read,
        write,
        trim: direction(0, &[]),
        sync,
        depth_level,
        batch_submit: batch,
        batch_complete: batch,
        cpu: CpuUse { user_ns: 200_100_000, system_ns: 800_400_000, ..CpuUse::default() },
        process_cpu: CpuUse::default(),
        job_runtime: Duration::from_millis(2001),
        elapsed: Duration::from_millis(2300),
        enter_count: 50,
        batch_count: 50,
        retry_count: 0,
        first_io: Duration::from_micros(4200),
        engine_use: EngineUse::default(),
        series: Series::default(),
        overhead: Overhead::default(),
        engine_lines: vec!["backend: x".to_owned()],
        depth: None,
        failure: None,
        error_count: 0,
        first_errno: 0,
        verified: None,
        steady: None,
    }
}

fn read_job() -> JobStats {
    job(direction(400, &[4_000, 150_000]), direction(0, &[]), direction(0, &[]))
}

fn text(spec: &JobSpec, jobs: Vec<JobStats>, format: Format) -> String {
    let options = vec![("rw".to_owned(), "read".to_owned()), ("bs".to_owned(), "4k".to_owned())];
    let plan = plan(spec, options);
    let report = Report::new(&plan, results(jobs));
    let mut text = Vec::new();
    report.write(format, &mut text).expect("written to memory");
    String::from_utf8(text).expect("UTF-8")
}

fn plan(spec: &JobSpec, options: Vec<(String, String)>) -> Plan {
    let planned = (0..spec.numjobs).map(|copy| PlannedJob {
        spec: spec.clone(),
        copy,
        group: 0,
        stage: 0,
        options: options.clone(),
    });
    Plan { run: RunSpec::default(), jobs: planned.collect(), global_options: Vec::new() }
}

fn results(jobs: Vec<JobStats>) -> Vec<JobResult> {
    let numbered = jobs.into_iter().enumerate();
    numbered.map(|(job, stats)| JobResult { job, started: UNIX_EPOCH, stats }).collect()
}

fn json(spec: &JobSpec, jobs: Vec<JobStats>) -> Value {
    serde_json::from_str(&text(spec, jobs, Format::Json)).expect("nothing but JSON")
}

#[test]
fn the_lines_have_the_shape_of_fio() {
    let spec = JobSpec { name: "x".to_owned(), ..JobSpec::default() };
    let text = text(&spec, vec![read_job()], Format::Normal);
    for line in [
        "x: (g=0): rw=read, bs=(R) 4096B-4096B, (W) 4096B-4096B, (T) 4096B-4096B, \
         ioengine=auto, iodepth=1",
        "Starting 1 thread",
        "  read: IOPS=199, BW=800KiB/s (819kB/s)(1600KiB/2001msec)",
        "    clat percentiles (usec):",
        "  lat (usec)   : 10=50.00%, 250=50.00%",
        "  cpu          : usr=10.00%, sys=40.00%, ctx=0, majf=0, minf=0",
        "  IO depths    : 1=0.0%, 2=0.0%, 4=0.0%, 8=100.0%, 16=0.0%, 32=0.0%, >=64=0.0%",
        "     submit    : 0=0.0%, 4=0.0%, 8=100.0%, 16=0.0%, 32=0.0%, 64=0.0%, >=64=0.0%",
        "     issued rwts: total=400,0,0,0 short=0,0,0,0 dropped=0,0,0,0",
        "Run status group 0 (all jobs):",
        "   READ: bw=800KiB/s (819kB/s), 800KiB/s-800KiB/s (819kB/s-819kB/s), io=1600KiB \
         (1638kB), run=2001-2001msec",
    ] {
        assert!(text.lines().any(|found| found == line), "no line '{line}' in\n{text}");
    }
    let first = "     |  1.00th=[    4],  5.00th=[    4], 10.00th=[    4], 20.00th=[    4],";
    assert!(text.lines().any(|line| line == first), "{text}");
    assert!(!text.contains("write:") && !text.contains("WRITE:") && !text.contains("fsync"));
}

#[test]
fn wide_percentiles_stand_three_to_a_line() {
    let spec = JobSpec::default();
    let stats = job(direction(40, &[58, 2_375_680]), direction(0, &[]), direction(0, &[]));
    let text = text(&spec, vec![stats], Format::Normal);
    let first = "     |  1.00th=[     58],  5.00th=[     58], 10.00th=[     58],";
    assert!(text.lines().any(|line| line == first), "{text}");
}

#[test]
fn syncs_have_their_own_block() {
    let spec = JobSpec::default();
    let stats = job(direction(0, &[]), direction(8, &[9_000]), direction(2, &[500_000]));
    let text = text(&spec, vec![stats], Format::Normal);
    let position = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words} in {text}"));
    assert!(position("  write: IOPS=") < position("  fsync/fdatasync/sync_file_range:"));
    assert!(position("    sync (") < position("    sync percentiles ("));
    assert!(text.contains("total=0,8,0,2 "), "{text}");
}

#[test]
fn json_has_the_keys_that_readers_of_fio_need() {
    let document = json(&JobSpec::default(), vec![read_job()]);
    assert!(document["fio version"].as_str().is_some_and(|text| text.starts_with("bench-cli-")));
    let job = &document["jobs"][0];
    assert_eq!(job["error"], 0);
    assert_eq!(job["job options"]["bs"], "4k");
    let read = &job["read"];
    assert_eq!(read["total_ios"], 400);
    assert_eq!(read["io_bytes"], 400 * 4096);
    assert_eq!(read["bw"], 799);
    assert_eq!(read["runtime"], 2001);
    assert_eq!(read["clat_ns"]["N"], 400);
    assert_eq!(read["slat_ns"]["N"], 0);
    let median = read["clat_ns"]["percentile"]["50.000000"].as_u64().expect("a number");
    assert!((3_990..=4_010).contains(&median), "{median}");
    assert_eq!(read["clat_ns"]["percentile"].as_object().map(|map| map.len()), Some(17));
    for empty in ["write", "trim"] {
        assert_eq!(job[empty]["total_ios"], 0);
        assert_eq!(job[empty]["runtime"], 0);
        assert_eq!(job[empty]["clat_ns"]["percentile"], Value::Null);
    }
    assert_eq!(job["iodepth_level"]["8"], 100.0);
    assert_eq!(job["latency_us"]["4"], 0.0);
    assert_eq!(job["latency_us"]["10"], 50.0);
    assert_eq!(job["latency_ms"][">=2000"], 0.0);
    assert_eq!(job["usr_cpu"], 10.0);
    assert_eq!(job["iomill"]["enters"], 50);
    assert_eq!(job["elapsed"], 3);
}

#[test]
fn groups_are_one_entry_and_single_jobs_are_several() {
    let jobs = || vec![read_job(), read_job()];
    let spec = JobSpec { numjobs: 2, ..JobSpec::default() };
    assert_eq!(json(&spec, jobs())["jobs"].as_array().map(Vec::len), Some(2));
    let grouped = JobSpec { group_reporting: true, ..spec };
    let document = json(&grouped, jobs());
    assert_eq!(document["jobs"].as_array().map(Vec::len), Some(1));
    let read = &document["jobs"][0]["read"];
    assert_eq!(read["total_ios"], 800);
    assert_eq!(read["runtime"], 2001);
    assert_eq!(read["clat_ns"]["N"], 800);
    assert!(text(&grouped, jobs(), Format::Normal).contains("(groupid=0, jobs=2): err= 0: pid="));
}

#[test]
fn failures_show_in_both_layouts() {
    let mut stats = read_job();
    stats.failure = Some(Failure { errno: 28, message: "write x: no space".to_owned() });
    let spec = JobSpec::default();
    assert!(
        text(&spec, vec![stats.clone()], Format::Normal).contains("err=28 (write x: no space)")
    );
    let document = json(&spec, vec![stats]);
    assert_eq!(document["jobs"][0]["error"], 28);
    assert_eq!(document["jobs"][0]["iomill"]["error_message"], "write x: no space");
}

/// What a run of two jobs with reads, writes, syncs and a disk looks like, to the last blank.
#[test]
fn the_whole_text_is_the_one_that_was_looked_at() {
    let spec = JobSpec {
        name: "golden".to_owned(),
        rw: Rw::from_name("randrw").expect("known"),
        numjobs: 2,
        reporting: Reporting {
            percentiles: PercentileSpec {
                list: vec![50.0, 90.0, 99.0, 99.9, 99.99],
                lat: true,
                ..PercentileSpec::default()
            },
            ..Reporting::default()
        },
        ..JobSpec::default()
    };
    let mut first = job(
        direction(400, &[4_000, 150_000]),
        direction(100_000, &[9_000, 11_000, 2_500_000]),
        direction(2, &[500_000]),
    );
    for rate in [780, 820] {
        first.read.bw_kib.push(rate);
        first.read.iops.push(rate / 4);
    }
    let mut second = job(direction(40, &[58, 2_375_680]), direction(0, &[]), direction(0, &[]));
    second.failure = Some(Failure { errno: 5, message: "read x: input/output error".into() });
    let plan = plan(&spec, Vec::new());
    let report = Report::new(&plan, results(vec![first, second]))
        .with_disks(vec![DiskUse::of_counts("vda", [440, 100_000], 1500)]);
    let mut text = Vec::new();
    report.write(Format::Normal, &mut text).expect("written to memory");
    let text = String::from_utf8(text)
        .expect("UTF-8")
        .replace(&format!("pid={}: {}", std::process::id(), report.finished_text()), "pid=1: TIME")
        .replace(VERSION, "bench-cli-VERSION");
    assert_eq!(text, include_str!("golden/two_jobs.txt"), "it reads now:\n{text}");
}
