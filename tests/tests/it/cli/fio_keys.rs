//! The keys of our JSON beside those of the installed fio, for the same job, and beside our page
//! about those that fio does not have.
//!
//! It compares names, nesting and kinds of values, never the values. Without fio its part is
//! skipped.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::program::Place;

/// The options that both run with.
const JOB: [&str; 8] = [
    "--name=keys",
    "--filename=data",
    "--rw=randread",
    "--bs=4k",
    "--size=1m",
    "--ioengine=psync",
    "--percentile_list=50:99",
    "--lat_percentiles=1",
];

/// fio's report, or why there is none.
fn fio(place: &Place, format: &str) -> Option<Value> {
    let output = Command::new("fio")
        .args(JOB)
        .arg(format!("--output-format={format}"))
        .current_dir(place.folder())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Some(serde_json::from_slice(&output.stdout).expect("fio's JSON"))
        }
        other => {
            println!("skipped: fio does not run here: {other:?}");
            None
        }
    }
}

/// Every path of keys with the kind of what it leads to. Bins are named by their latencies, which
/// differ: all count as one.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if at.ends_with("/bins") { "*" } else { key };
                paths(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| paths(value, &format!("{at}[]"), found)),
        Value::String(_) => drop(found.insert(format!("{at}: text"))),
        Value::Number(_) => drop(found.insert(format!("{at}: number"))),
        Value::Bool(_) | Value::Null => drop(found.insert(format!("{at}: other"))),
    }
}

#[test]
fn every_key_of_fio_is_in_our_json_too() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for format in ["json", "json+"] {
        let Some(theirs) = fio(&place, format) else { return };
        let ours = place.run(&[&JOB[..], &[&format!("--output-format={format}")]].concat()).json();
        let [mut theirs, ours] = [theirs, ours].map(|report| {
            let mut found = BTreeSet::new();
            paths(&report, "", &mut found);
            found
        });
        // There is no submission latency here, so it has no bins either.
        theirs
            .retain(|path| !path.contains("slat_ns/bins") && !path.contains("slat_ns/percentile"));
        // tmpfs and other file systems without a disk have nothing to list.
        let missing: Vec<_> = theirs.difference(&ours).collect();
        assert!(missing.is_empty(), "{format}: not in ours: {missing:#?}");
        let extra: Vec<_> = ours
            .difference(&theirs)
            .filter(|path| !path.starts_with("/jobs[]/iomill/"))
            // Newer versions of fio have these.
            .filter(|path| !path.contains("job_start") && !path.contains("/global options"))
            .collect();
        assert!(extra.is_empty(), "{format}: only in ours: {extra:#?}");
    }
}

#[test]
fn bins_add_up_and_hold_the_percentiles() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let report = place.run(&[&JOB[..], &["--output-format=json+"]].concat()).json();
    let clat = &report["jobs"][0]["read"]["clat_ns"];
    let bins: Vec<(f64, u64)> = clat["bins"]
        .as_object()
        .expect("bins")
        .iter()
        .map(|(key, count)| (key.parse().unwrap(), count.as_u64().unwrap()))
        .collect();
    let total: u64 = bins.iter().map(|(_, count)| count).sum();
    assert_eq!(total, 256);
    let median = clat["percentile"]["50.000000"].as_f64().unwrap();
    let below: u64 = bins.iter().filter(|(ns, _)| *ns <= median * 1.02).map(|bin| bin.1).sum();
    let above: u64 = bins.iter().filter(|(ns, _)| *ns >= median * 0.98).map(|bin| bin.1).sum();
    assert!(below >= 128 && above >= 128, "{median} in {bins:?}");
}

/// The keys below `iomill` that a job may have, as the page lists them.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../../docs/reference/bench-cli-json.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// Every key below `value`: `a`, `a.b`, `a[].b`.
fn keys(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                found.insert(path.clone());
                keys(value, &path, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, &format!("{at}[]"), found)),
        _ => {}
    }
}

#[test]
fn every_key_of_ours_is_on_the_page_and_the_page_has_no_other() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let adaptive = ["--rw=randread", "--iodepth=adaptive", "--lanes=off", "--time_based"];
    let jobs: [&[&str]; 3] = [
        &["--rw=randrw", "--allow_overwrite", "--verify=crc32c", "--end_fsync=1"],
        &["--rw=randtrim", "--allow_overwrite"],
        // What is not in the blocks is damage, and an error.
        &["--rw=read", "--verify=crc32c", "--verify_dump=0"],
    ];
    let mut found = BTreeSet::new();
    let mut look_at = |job: &[&str]| {
        let said = place.run(&[&["--filename=data", "--output-format=json"], job].concat());
        let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
        keys(&report["jobs"][0]["iomill"], "", &mut found);
        found.contains("depth_trace")
    };
    for job in jobs {
        look_at(job);
    }
    // A busy machine takes longer until there is anything to decide.
    let decided = ["--runtime=500ms", "--runtime=2s", "--runtime=8s"]
        .iter()
        .any(|runtime| look_at(&[&adaptive[..], &[runtime]].concat()));
    assert!(decided, "no decision in ten seconds");
    // "As `read`".
    let same = ["intervals.write", "intervals.trim", "lanes.write", "lanes.sync", "lanes.trim"];
    found.retain(|key| !same.iter().any(|other| key.len() > other.len() && key.starts_with(other)));
    let documented = documented();
    assert!(documented.len() > 40, "{documented:?}");
    let (missing, extra): (Vec<_>, Vec<_>) =
        (found.difference(&documented).collect(), documented.difference(&found).collect());
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    assert!(extra.is_empty(), "on the page and in no report: {extra:?}");
}
