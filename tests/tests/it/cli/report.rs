//! The reports: JSON that fio's readers understand and whose numbers agree with the job.
//!
//! It never measures speed.

use serde_json::Value;

use super::program::{Place, Said};

const PATTERNS: [&str; 6] = ["read", "write", "randread", "randwrite", "rw", "randrw"];

/// The backends to run each pattern on; io_uring only where there is one.
fn engines(place: &Place) -> Vec<&'static str> {
    place.file("probe", 4096);
    let said = place.run(&["--rw=read", "--filename=probe", "--ioengine=io_uring"]);
    if said.code == Some(0) {
        return vec!["io_uring", "threads"];
    }
    println!("skipped for io_uring: {}", said.stderr.trim());
    vec!["threads"]
}

fn run_json(place: &Place, arguments: &[&str]) -> Said {
    place.run(&[arguments, &["--output-format=json"]].concat())
}

#[track_caller]
pub(super) fn number(value: &Value, path: &str) -> f64 {
    let found = value.pointer(path).unwrap_or_else(|| panic!("{path} is missing in {value:#}"));
    found.as_f64().unwrap_or_else(|| panic!("{path} is not a number: {found}"))
}

/// The keys of one direction that scripts around fio read.
const DIRECTION_KEYS: [&str; 26] = [
    "/io_bytes",
    "/io_kbytes",
    "/bw_bytes",
    "/bw",
    "/iops",
    "/runtime",
    "/total_ios",
    "/short_ios",
    "/drop_ios",
    "/slat_ns/mean",
    "/clat_ns/min",
    "/clat_ns/max",
    "/clat_ns/mean",
    "/clat_ns/stddev",
    "/clat_ns/N",
    "/lat_ns/min",
    "/lat_ns/max",
    "/lat_ns/mean",
    "/bw_min",
    "/bw_max",
    "/bw_mean",
    "/bw_samples",
    "/iops_min",
    "/iops_max",
    "/iops_mean",
    "/iops_samples",
];

#[test]
fn json_has_fio_keys_and_the_numbers_of_the_job() {
    const SIZE_BYTES: f64 = (1 << 20) as f64;
    let place = Place::new();
    for engine in engines(&place) {
        for rw in PATTERNS {
            let arguments = [
                &format!("--rw={rw}"),
                &format!("--ioengine={engine}"),
                "--name=numbers",
                "--size=1m",
                "--bs=4k",
                "--iodepth=8",
            ];
            let said = run_json(&place, &arguments);
            let report = said.json();
            for key in ["/fio version", "/timestamp", "/time"] {
                assert!(report.pointer(key).is_some(), "{key} is missing in {report:#}");
            }
            let jobs = report["jobs"].as_array().expect("jobs is a list");
            assert_eq!(jobs.len(), 1);
            let job = &jobs[0];
            assert_eq!(job["jobname"], "numbers");
            assert_eq!(number(job, "/error"), 0.0);
            for key in ["/usr_cpu", "/sys_cpu", "/ctx", "/job_runtime", "/iodepth_level/8"] {
                number(job, key);
            }
            assert_eq!(job["job options"]["rw"], rw, "the options are in the report");
            for direction in ["read", "write", "trim"] {
                for key in DIRECTION_KEYS {
                    number(&job[direction], key);
                }
            }
            let moved = |direction: &str| number(&job[direction], "/io_bytes");
            let count = |direction: &str| number(&job[direction], "/total_ios");
            let of = format!("{engine} {rw}: {job:#}");
            assert_eq!(moved("read") + moved("write"), SIZE_BYTES, "{of}");
            assert_eq!(count("read") + count("write"), 256.0, "{of}");
            assert_eq!(moved("read") > 0.0, rw != "write" && rw != "randwrite", "{of}");
            assert_eq!(moved("write") > 0.0, rw != "read" && rw != "randread", "{of}");
            for direction in ["read", "write"] {
                let direction = &job[direction];
                assert_eq!(number(direction, "/clat_ns/N"), number(direction, "/total_ios"));
                let [min, mean, max] =
                    ["min", "mean", "max"].map(|key| number(direction, &format!("/clat_ns/{key}")));
                assert!(min <= mean && mean <= max, "{of}");
            }
        }
    }
    assert_eq!(place.names(), ["probe"], "the runs removed what they created");
}

#[test]
fn percentiles_rise_and_are_those_asked_for() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let arguments = ["--rw=randread", "--filename=data", "--percentile_list=50:99:99.9"];
    let report = run_json(&place, &arguments).json();
    let percentiles = report["jobs"][0]["read"]["clat_ns"]["percentile"].as_object().unwrap();
    let mut pairs: Vec<(f64, f64)> = percentiles
        .iter()
        .map(|(key, value)| (key.parse().unwrap(), value.as_f64().unwrap()))
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(), [50.0, 99.0, 99.9]);
    assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{pairs:?}");
    assert!(pairs[0].1 > 0.0, "{pairs:?}");
}

#[test]
fn copies_are_reported_apart_or_as_a_group() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let arguments = ["--rw=randread", "--filename=data", "--numjobs=3", "--name=copies"];
    let report = run_json(&place, &arguments).json();
    assert_eq!(report["jobs"].as_array().unwrap().len(), 3);
    let report = run_json(&place, &[&arguments[..], &["--group_reporting"]].concat()).json();
    let jobs = report["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(number(&jobs[0], "/read/total_ios"), 3.0 * 256.0);
}

#[test]
fn report_goes_to_the_output_file_and_stdout_stays_empty() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = run_json(&place, &["--rw=read", "--filename=data", "--output=report.json"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{said:?}");
    let text = std::fs::read_to_string(place.path("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).expect("clean JSON");
    assert_eq!(number(&report, "/jobs/0/read/total_ios"), 256.0);
}

#[test]
fn report_for_people_names_job_direction_and_rates() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = place.run(&["--rw=read", "--filename=data", "--name=people"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in ["people", "read", "IOPS=", "BW=", "clat", "99.00th"] {
        assert!(said.stdout.contains(part), "no {part:?} in {said:?}");
    }
}

#[test]
fn time_based_jobs_run_for_their_time() {
    let place = Place::new();
    place.file("data", 1 << 16);
    let arguments = ["--rw=randread", "--filename=data", "--time_based", "--runtime=500ms"];
    let report = run_json(&place, &arguments).json();
    let runtime_ms = number(&report, "/jobs/0/read/runtime");
    assert!((450.0..5000.0).contains(&runtime_ms), "ran for {runtime_ms} ms");
    assert!(number(&report, "/jobs/0/read/total_ios") > 16.0, "it starts over at the end");
}
