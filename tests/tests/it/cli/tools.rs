//! The commands beside `run`, each from its command line to what it prints or writes.
//!
//! It never judges how fast anything was.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::program::{Place, Said, bench_cli};
use super::report::number;

/// `bench-cli` with these arguments in the folder of `place`.
fn said(place: &Place, arguments: &[&str]) -> Said {
    let output = Command::new(bench_cli())
        .args(arguments)
        .current_dir(place.folder())
        .stdin(Stdio::null())
        .output()
        .expect("bench-cli starts");
    Said::new(output, format!("bench-cli {}", arguments.join(" ")))
}

/// A result file of a short job.
fn result(place: &Place, name: &str, seed: &str) {
    let data = place.path("data");
    if !data.exists() {
        place.file("data", 1 << 20);
    }
    let run = place.run(&[
        "--filename=data",
        "--rw=randrw",
        "--allow_overwrite",
        "--name=job",
        &format!("--randseed={seed}"),
        "--output-format=json+",
        &format!("--output={name}"),
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn doctor_shows_one_screen_and_leaves_nothing_behind() {
    let place = Place::new();
    let screen = said(&place, &["doctor"]);
    assert_eq!(screen.code, Some(0), "{screen:?}");
    for part in ["kernel", "io_uring", "memlock", "file system", "direct I/O", "disk", "engine"] {
        assert!(screen.stdout.contains(&format!("\n  {part}")), "{part}: {screen:?}");
    }
    assert!(!screen.stdout.contains('\u{1b}'), "no colours in a pipe: {screen:?}");
    assert!(screen.stdout.lines().all(|line| line.chars().count() <= 100), "{screen:?}");
    assert!(screen.stdout.lines().count() < 50, "{screen:?}");
    assert!(place.names().is_empty());
}

#[test]
fn compare_takes_our_files_and_prints_a_row_per_figure() {
    let place = Place::new();
    for (name, seed) in [("a.json", "1"), ("b.json", "2"), ("c.json", "3"), ("d.json", "4")] {
        result(&place, name, seed);
    }
    let table = said(&place, &["compare", "a.json,b.json", "c.json,d.json"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    for row in ["IOPS ", "bandwidth", "p50 latency", "p99 latency", "user CPU", "system CPU"] {
        assert!(table.stdout.lines().any(|line| line.starts_with(row)), "{row}: {table:?}");
    }
    assert!(table.stdout.contains("2 runs"), "{table:?}");
    let files = ["a.json,b.json", "c.json,d.json"];
    let report = said(&place, &[&["compare", "--output-format=json"][..], &files].concat()).json();
    let figure = &report["comparisons"][0]["figures"][0];
    assert_eq!((&figure["name"], &report["base"]["runs"]), (&"IOPS".into(), &2.into()));
    // Runs so short may all have the same rate.
    assert!(figure["low"].is_number() && figure["low"].as_f64() <= figure["high"].as_f64());
}

#[test]
fn compare_runs_fio_in_turn_where_it_is_installed() {
    if Command::new("fio").arg("--version").output().is_err() {
        println!("skipped: fio is not installed");
        return;
    }
    let place = Place::new();
    place.file("data", 1 << 16);
    let table = said(
        &place,
        &[
            "compare",
            "--against=fio",
            "--runs=2",
            "--keep=kept",
            "--",
            "--name=x",
            "--rw=randread",
            "--filename=data",
            "--size=64k",
        ],
    );
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.stdout.contains("base: fio (fio-") && table.stdout.contains("2 runs"));
    let kept: Vec<_> = ["bench-cli-1.json", "bench-cli-2.json", "fio-1.json", "fio-2.json"].into();
    let names: Vec<_> = fs::read_dir(place.path("kept"))
        .expect("kept")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("plain"))
        .collect();
    assert!(kept.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
}

#[test]
fn plot_writes_pictures_that_need_nothing_else() {
    let place = Place::new();
    result(&place, "a.json", "1");
    for name in ["p.html", "p.svg"] {
        let drawn = said(&place, &["plot", "a.json", "-o", name]);
        assert_eq!((drawn.code, drawn.stdout.as_str()), (Some(0), ""), "{drawn:?}");
        let text = fs::read_to_string(place.path(name)).expect("written");
        assert!(text.contains("<svg") && text.contains("Latency distribution"), "{text}");
        let outside = text.replace("http://www.w3.org/2000/svg", "");
        for word in ["http", "<script", "src=", "url(", "@import"] {
            assert!(!outside.contains(word), "{word} in {name}");
        }
    }
}

#[test]
fn merge_adds_histograms_and_counts() {
    let place = Place::new();
    result(&place, "a.json", "1");
    result(&place, "b.json", "2");
    let sum = said(&place, &["merge", "a.json", "b.json"]).json();
    let parts = ["a.json", "b.json"].map(|name| -> Value {
        let text = fs::read_to_string(place.path(name)).expect("written");
        serde_json::from_str(&text).expect("JSON")
    });
    for direction in ["read", "write"] {
        for key in ["total_ios", "io_bytes", "clat_ns/N"] {
            let path = format!("/jobs/0/{direction}/{key}");
            let added: f64 = parts.iter().map(|part| number(part, &path)).sum();
            assert_eq!(number(&sum, &path), added, "{path}");
        }
        let bins = sum["jobs"][0][direction]["clat_ns"]["bins"].as_object().expect("bins");
        let counted: u64 = bins.values().filter_map(Value::as_u64).sum();
        assert_eq!(counted as f64, number(&sum["jobs"][0][direction], "/total_ios"));
    }
}

#[test]
fn tune_prints_a_winner_in_three_spellings_and_leaves_nothing_behind() {
    let place = Place::new();
    let tuned = said(
        &place,
        &["tune", "--time=2s", "--svg=t.svg", "--report=t.html", "--"]
            .iter()
            .chain(&["--rw=randread", "--size=1m", "--bs=4k"])
            .copied()
            .collect::<Vec<_>>(),
    );
    assert_eq!(tuned.code, Some(0), "{tuned:?}");
    for part in [
        "winner: ",
        "ns system per request",
        "the adaptive scheduler ",
        "iomill_engine::Config::new()",
        "IOMILL_DEPTH=",
        "[tuned]",
        "iodepth=",
        "<- the knee: the winner",
        "\nadaptive",
        // Never on a job without --direct, wherever this runs.
        "not possible here: io_uring, buffers fixed, IOPOLL: --hipri needs --direct",
    ] {
        assert!(tuned.stdout.contains(part), "{part}: {tuned:?}");
    }
    assert_eq!(place.names(), ["t.html", "t.svg"]);
    for name in ["t.html", "t.svg"] {
        let drawn = fs::read_to_string(place.path(name)).expect("written");
        for part in ["Rate against depth", "chosen: "] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        // Reads of cached pages do not wait for the device, and nothing is chosen for them.
        let chose = tuned.stdout.contains("<- it chose");
        assert_eq!(drawn.contains("adaptive: "), chose, "{drawn}");
    }
}

#[test]
fn completions_and_pages_name_every_command_and_option() {
    let place = Place::new();
    let script = said(&place, &["completions", "bash"]);
    let page = said(&place, &["man", "run"]);
    assert_eq!((script.code, page.code), (Some(0), Some(0)));
    for option in ["iodepth", "write_hist_log", "start_at"] {
        assert!(script.stdout.contains(&format!("--{option}")), "{option}");
        assert!(page.stdout.replace('\\', "").contains(&format!("--{option}")), "{option}");
    }
    let all = said(&place, &["man"]);
    for command in ["run", "doctor", "compare", "plot", "tune", "merge"] {
        assert!(all.stdout.contains(&format!("bench\\-cli\\-{command}(1)")), "{command}");
    }
}

#[test]
fn every_misuse_is_one_line_that_says_what_to_do() {
    let place = Place::new();
    place.file("data", 1 << 16);
    fs::write(place.path("no.json"), "hello").expect("written");
    fs::write(
        place.path("plain.json"),
        "{\"jobs\":[{\"read\":{\"clat_ns\":{\"N\":4,\
        \"percentile\":{\"50.000000\":1}}}}]}",
    )
    .expect("written");
    let cases: &[(&[&str], &[&str])] = &[
        (&["doctor", "no/such"], &["cannot look at 'no/such'", "give an existing file"]),
        (&["compare"], &["at least two results"]),
        (&["compare", "no.json"], &["'no.json' is alone"]),
        (&["compare", "no.json", "missing"], &["'no.json' is not a result file", "json+"]),
        (&["compare", "missing", "x"], &["cannot read 'missing'"]),
        (&["compare", "a", "b", "--", "--rw=read"], &["needs --against=fio"]),
        (&["compare", "--against=fio"], &["the job's options after --"]),
        (&["compare", "--against=dd", "--", "x"], &["--against=dd is none of fio"]),
        (&["compare", "--output-format=xml", "a", "b"], &["--output-format=xml is none of"]),
        (&["compare", "--run=3"], &["unknown option --run", "did you mean --runs"]),
        (&["plot", "plain.json", "-o", "p.png"], &["neither .html nor .svg"]),
        (&["plot", "plain.json", "-o", "p.svg"], &["nothing to draw"]),
        (&["plot", "-o", "p.svg"], &["RESULT", "is missing", "--help"]),
        (&["merge", "plain.json"], &["'plain.json' has no histogram", "json+"]),
        (&["merge", "plain.json", "-o", "plain.json"], &["plain.json"]),
        (&["tune", "--", "--iodepth=3"], &["--iodepth is what tune tries"]),
        (&["tune", "--", "--output-format=json"], &["--output-format is not an option of the job"]),
        (&["tune", "--time=1ms", "--", "--rw=read"], &["too short", "at least 2 s"]),
        (&["tune", "--time=x", "--", "--rw=read"], &["--time: 'x' is not a time"]),
        (&["tune"], &["JOB OPTIONS", "is missing"]),
        (&["tune", "--time=2s", "--report=data", "--", "--filename=data"], &["neither .html"]),
        (&["tune", "--", "--rw=read", "--nrfiles=2", "--size=1m"], &["tune works on one file"]),
        (&["tune", "--", "job.fio"], &["tune takes one job by its options"]),
        (
            &["tune", "--", "--size=1m", "--name=a", "--name=b"],
            &["tune takes one job at a time; leave the second --name out"],
        ),
        (
            &["compare", "--against=fio", "--keep=data/x", "--", "--rw=read"],
            &["cannot make --keep=data/x"],
        ),
        (&["completions", "tcsh"], &["SHELL=tcsh is none of bash"]),
        (&["man", "nope"], &["unknown command 'nope'", "run, doctor"]),
    ];
    for (arguments, parts) in cases {
        let refused = said(&place, arguments);
        refused.assert_refused_with(parts);
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    // This one is found out by the first round.
    let refused = said(&place, &["tune", "--", "--filename=missing", "--rw=read"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("error: no candidate runs: 'missing' does not exist"));
    assert_eq!(place.names(), ["data", "no.json", "plain.json"]);
}
