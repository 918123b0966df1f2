//! fio's log files and the series over time: whether lines and sums are those of the job.
//!
//! It never looks at how fast anything was.

use std::fs;

use super::program::Place;
use super::report::number;

/// The fields of each line.
fn lines(place: &Place, name: &str) -> Vec<Vec<u64>> {
    let text = fs::read_to_string(place.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    text.lines()
        .map(|line| line.split(", ").map(|field| field.parse().expect("a number")).collect())
        .collect()
}

#[test]
fn logs_have_the_names_and_fields_of_fio() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = place.run(&[
        "--name=job",
        "--filename=data",
        "--rw=randread",
        "--numjobs=2",
        "--time_based",
        "--runtime=600ms",
        "--write_bw_log=x",
        "--write_iops_log=x",
        "--write_lat_log",
        "--write_hist_log=x",
        "--log_avg_msec=100",
        "--log_hist_msec=200",
        "--output-format=json",
    ]);
    let report = said.json();
    for job in 1..=2 {
        for name in [format!("x_bw.{job}.log"), format!("x_iops.{job}.log")] {
            let lines = lines(&place, &name);
            assert!(lines.iter().all(|line| line.len() == 5 && line[2] == 0), "{name}: {lines:?}");
            assert!(lines.windows(2).all(|pair| pair[0][0] < pair[1][0]), "{name}: {lines:?}");
        }
        // Named after the job, because the option has no value.
        let clat = lines(&place, &format!("job_clat.{job}.log"));
        assert_eq!(clat, lines(&place, &format!("job_lat.{job}.log")));
        let histogram = lines(&place, &format!("x_clat_hist.{job}.log"));
        assert!(histogram.iter().all(|line| line.len() == 3 + 1856 && line[2] == 4096));
        let counted: u64 = histogram.iter().flat_map(|line| &line[3..]).sum();
        let read = &report["jobs"][job - 1]["read"];
        assert_eq!(counted as f64, number(read, "/total_ios"), "no request is lost or doubled");
    }
}

#[test]
fn shared_logs_hold_the_lines_of_all_jobs() {
    let place = Place::new();
    place.file("data", 1 << 16);
    let said = place.run(&[
        "--filename=data",
        "--rw=randread",
        "--numjobs=3",
        "--write_hist_log=x",
        "--per_job_logs=0",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let counted: u64 = lines(&place, "x_clat_hist.log").iter().flat_map(|line| &line[3..]).sum();
    assert_eq!(counted, 3 * 16);
}

#[test]
fn a_log_in_no_folder_is_refused_by_name_before_any_io() {
    let place = Place::new();
    place.file("data", 1 << 16);
    let said = place.run(&["--filename=data", "--write_bw_log=no/x", "--log_avg_msec=9"]);
    said.assert_refused_with(&["'no/x_bw.1.log'", "choose another name", "directory"]);
}

#[test]
fn intervals_in_the_report_add_up_to_the_job() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = place.run(&[
        "--filename=data",
        "--rw=randrw",
        "--allow_overwrite",
        "--time_based",
        "--runtime=1200ms",
        "--output-format=json",
    ]);
    let report = said.json();
    let job = &report["jobs"][0];
    for direction in ["read", "write"] {
        let steps = job["iomill"]["intervals"][direction].as_array().expect("a list");
        assert!(steps.len() >= 2, "{steps:?}");
        let counted: f64 = steps.iter().map(|step| number(step, "/total_ios")).sum();
        assert_eq!(counted, number(&job[direction], "/total_ios"));
        // On a busy machine nothing may have been done in one of them.
        for step in steps.iter().filter(|step| number(step, "/total_ios") > 0.0) {
            let [p50, p99, max] = ["/p50_ns", "/p99_ns", "/max_ns"].map(|key| number(step, key));
            assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{step}");
        }
    }
    assert!(number(job, "/iomill/overhead/clock_read_ns") > 0.0);
}

#[test]
fn trims_have_lines_and_intervals_of_their_own() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = place.run(&[
        "--filename=data",
        "--rw=randtrim",
        "--bs=64k",
        "--allow_overwrite",
        "--write_bw_log=x",
        "--write_hist_log=x",
        "--output-format=json+",
        "--output=t.json",
    ]);
    if said.stderr.contains("Operation not supported") {
        println!("skipped: no holes in files here: {}", said.stderr.trim());
        return;
    }
    assert_eq!(said.code, Some(0), "{said:?}");
    let text = fs::read_to_string(place.path("t.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let steps = report["jobs"][0]["iomill"]["intervals"]["trim"].as_array().expect("a list");
    let sum: f64 = steps.iter().map(|step| number(step, "/total_ios")).sum();
    assert_eq!(sum, 16.0, "{steps:?}");
    assert!(steps.iter().all(|step| number(step, "/bw_bytes") > 0.0), "{steps:?}");
    let bandwidth = lines(&place, "x_bw.1.log");
    assert!(!bandwidth.is_empty(), "trims have a log");
    assert!(bandwidth.iter().all(|line| line[2] == 2 && line[1] > 0), "{bandwidth:?}");
    let counted: u64 = lines(&place, "x_clat_hist.1.log").iter().flat_map(|line| &line[3..]).sum();
    assert_eq!(counted, 16);
}
