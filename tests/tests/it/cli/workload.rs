//! What a job does, seen from outside: how much, how long, how many syncs.

use super::program::Place;
use super::report::number;

/// Runs a job with these options on a new file of 1 MiB and answers its JSON.
fn job(options: &[&str]) -> serde_json::Value {
    let place = Place::new();
    let fixed = ["--size=1m", "--bs=4k", "--output-format=json"];
    let said = place.run(&[&fixed, options].concat());
    said.json()["jobs"][0].clone()
}

#[test]
fn syncs_come_after_every_nth_write_and_at_the_end() {
    for (option, expected) in [("--fsync=16", 16.0), ("--fdatasync=64", 4.0), ("--end_fsync", 1.0)]
    {
        let job = job(&["--rw=write", option]);
        assert_eq!(number(&job, "/write/total_ios"), 256.0, "{option}");
        assert_eq!(number(&job, "/sync/total_ios"), expected, "{option}");
        assert_eq!(number(&job, "/sync/lat_ns/N"), expected, "{option}");
    }
}

#[test]
fn io_size_bounds_the_amount_below_and_above_the_size() {
    for (option, expected) in [("--io_size=64k", 16.0), ("--io_size=2560k", 640.0)] {
        for rw in ["--rw=read", "--rw=randread"] {
            let job = job(&[rw, option, "--iodepth=8"]);
            assert_eq!(number(&job, "/read/total_ios"), expected, "{rw} {option}");
        }
    }
}

#[test]
fn what_is_done_during_the_ramp_is_not_reported() {
    let options = ["--rw=randread", "--time_based", "--runtime=400ms"];
    let job = job(&[&options[..], &["--ramp_time=400ms"]].concat());
    let runtime = number(&job, "/job_runtime");
    assert!((350.0..800.0).contains(&runtime), "{runtime} ms of both");
    let (iops, total) = (number(&job, "/read/iops"), number(&job, "/read/total_ios"));
    let expected = iops * runtime / 1000.0;
    assert!((total / expected - 1.0).abs() < 0.05, "{total} at {iops} a second in {runtime} ms");
}

#[test]
fn a_mixed_job_keeps_its_share_of_reads() {
    let job = job(&["--rw=randrw", "--rwmixread=75", "--iodepth=4"]);
    let reads = number(&job, "/read/total_ios");
    assert_eq!(reads + number(&job, "/write/total_ios"), 256.0);
    // Of 256 draws at 75 %, 192 are expected with a deviation of 7; five deviations either way.
    assert!((157.0..227.0).contains(&reads), "{reads} reads of 256");
}
