//! Several jobs: files of jobs, order, groups, and who ends whom.

use std::fs;
use std::process::Command;

use super::files::{signal, start_long_job};
use super::program::Place;
use super::report::number;

fn run_file(place: &Place, text: &str, more: &[&str]) -> super::program::Said {
    fs::write(place.path("job.fio"), text).expect("written");
    place.run(&[&["job.fio", "--output-format=json"], more].concat())
}

#[test]
fn stages_follow_each_other_and_groups_are_reported_as_one() {
    let place = Place::new();
    let text = "[global]\nsize=256k\nname=unused\n[writers]\nrw=write\nnumjobs=2\ngroup_reporting\n\
                [readers]\nstonewall\nrw=randread\nfilename=writers.0.0\n";
    let report = run_file(&place, text, &[]).json();
    let jobs = report["jobs"].as_array().expect("a list");
    let of = |key: &str| jobs.iter().map(|job| job[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("jobname"), ["writers", "readers"]);
    assert_eq!(of("groupid"), [0, 1]);
    assert_eq!(number(&jobs[0], "/write/io_bytes"), 524_288.0);
    assert_eq!(number(&jobs[1], "/read/io_bytes"), 262_144.0);
    assert_eq!(jobs[0]["job options"]["numjobs"], "2");
    assert_eq!(report["global options"]["size"], "256k");
    let end_ms = number(&jobs[0], "/job_start") + number(&jobs[0], "/write/runtime");
    assert!(number(&jobs[1], "/job_start") >= end_ms, "one after the other: {report:#}");
    assert_eq!(place.names(), ["job.fio"], "the runs removed what they created");
}

#[test]
fn names_on_the_command_line_are_jobs() {
    let place = Place::new();
    let words = "--size=64k --name=a --rw=write --name=b --rw=read --bs=8k --output-format=json";
    let report = place.run(&words.split(' ').collect::<Vec<_>>()).json();
    assert_eq!(number(&report, "/jobs/0/write/total_ios"), 16.0);
    assert_eq!(number(&report, "/jobs/1/read/total_ios"), 8.0);
    assert_eq!(report["jobs"][1]["job options"]["bs"], "8k");
}

#[test]
fn job_that_waits_for_another_begins_after_it() {
    let place = Place::new();
    let text = "[first]\nsize=256k\nrw=write\n[second]\nsize=256k\nwait_for=first\nrw=write\n";
    let report = run_file(&place, text, &[]).json();
    let end_ms = number(&report, "/jobs/0/job_start") + number(&report, "/jobs/0/write/runtime");
    assert!(number(&report, "/jobs/1/job_start") >= end_ms, "{report:#}");
}

#[test]
fn one_job_ends_the_others_where_that_is_wanted() {
    let place = Place::new();
    let text = "[global]\nsize=64k\nexitall\nexit_what=all\n[short]\nrw=write\n\
                [long]\nrw=write\ntime_based\nruntime=600\n[never]\nstonewall\nrw=write\n";
    let report = run_file(&place, text, &[]).json();
    let jobs = report["jobs"].as_array().expect("a list");
    let names: Vec<_> = jobs.iter().map(|job| job["jobname"].as_str().unwrap()).collect();
    assert_eq!(names, ["short", "long"], "what was to come after them never ran");
}

#[test]
fn rates_bound_the_amount_and_latency_counts_from_the_intended_start() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let options = ["--rw=randread", "--filename=data", "--time_based", "--runtime=1"];
    let json = ["--rate_iops=200", "--output-format=json"];
    let report = place.run(&[&options[..], &json].concat()).json();
    let read = &report["jobs"][0]["read"];
    // At most the rate, for as long as the job really took; how far below it a slow machine stays
    // is not asked.
    let most = 200.0 * number(read, "/runtime") / 1000.0 + 2.0;
    assert!((1.0..=most).contains(&number(read, "/total_ios")), "{read:#}");
    assert_eq!(number(read, "/lat_ns/N"), number(read, "/total_ios"));
    assert!(number(read, "/lat_ns/mean") >= number(read, "/clat_ns/mean"), "{read:#}");
    assert!(read["lat_ns"]["percentile"]["99.000000"].is_number(), "{read:#}");
}

#[test]
fn errors_that_are_lived_with_are_counted() {
    let place = Place::new();
    place.file("data", 1 << 20);
    // A trim of a file on a file system that cannot is an error, or none: so a limit of the
    // process gives one here. No file grows beyond 512 KiB.
    let script = "trap '' XFSZ; ulimit -f 512; exec \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).arg(super::program::bench_cli());
    let job = ["--rw=write", "--size=1m", "--fallocate=none", "--output-format=json"];
    let said = place.run_by(command, &[&job[..], &["--continue_on_error=write"]].concat());
    let report = said.json();
    assert_eq!(number(&report, "/jobs/0/write/total_ios"), 128.0, "{report:#}");
    assert_eq!(number(&report, "/jobs/0/total_err"), 128.0, "{report:#}");
    assert_eq!(number(&report, "/jobs/0/first_error"), 27.0, "EFBIG: {report:#}");
}

#[test]
fn trims_give_space_back_and_count_as_trims() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let options = ["--rw=randtrim", "--filename=data", "--allow_overwrite", "--iodepth=4"];
    let said = place.run(&[&options[..], &["--output-format=json"]].concat());
    if said.stderr.contains("EOPNOTSUPP") {
        println!("skipped: this file system punches no holes");
        return;
    }
    let report = said.json();
    assert_eq!(number(&report, "/jobs/0/trim/total_ios"), 256.0);
    assert_eq!(number(&report, "/jobs/0/trim/io_bytes"), 1_048_576.0);
    assert!(fs::read(place.path("data")).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn killed_job_leaves_nothing_locked() {
    let place = Place::new();
    let mut child = start_long_job(&place, &["--rw=randrw", "--name=killed", "--verify=crc32c"]);
    signal(&child, "KILL");
    child.wait().expect("it is our child");
    let [left] = &place.names()[..] else { panic!("one file: {:?}", place.names()) };
    let filename = format!("--filename={left}");
    let said = place.run(&["--rw=randwrite", &filename, "--allow_overwrite"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    match Command::new("flock").args(["-n", left, "true"]).current_dir(place.folder()).status() {
        Ok(status) => assert!(status.success(), "somebody holds a lock on it"),
        Err(error) => println!("skipped for locks: no flock: {error}"),
    }
}
