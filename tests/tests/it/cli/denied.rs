//! Without io_uring: `auto` runs on threads and says why, `io_uring` is refused by one line.
//!
//! It never needs io_uring itself: the filter answers before the kernel does.

use iomill_tests::denial::Denial;

use super::program::{Place, WITHOUT_IO_URING, bench_cli};

fn denied(place: &Place, denial: Denial, arguments: &[&str]) -> super::program::Said {
    place.run_by(denial.command(WITHOUT_IO_URING.as_ref(), bench_cli()), arguments)
}

fn every_errno() -> impl Iterator<Item = (&'static str, Denial)> {
    Denial::errno_names().map(|name| (name, Denial::errno(name).expect("it knows its own names")))
}

#[test]
fn auto_runs_on_threads_and_says_why() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (name, denial) in every_errno() {
        let job = ["--rw=randread", "--filename=data", "--iodepth=8", "--output-format=json"];
        let said = denied(&place, denial, &job);
        let report = said.json();
        assert_eq!(report["jobs"][0]["read"]["total_ios"], 256, "{name}: {report:#}");
        let why = said.stderr.lines().find(|line| line.contains("threads") && line.contains(name));
        assert!(why.is_some(), "{name}: no line says why it runs on threads: {said:?}");
    }
}

#[test]
fn io_uring_asked_for_by_name_is_refused_in_one_line() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (name, denial) in every_errno() {
        let job = ["--rw=randread", "--filename=data", "--ioengine=io_uring"];
        denied(&place, denial, &job).assert_refused_with(&["io_uring", name, "run on threads"]);
    }
}

#[test]
fn threads_asked_for_by_name_never_try_io_uring() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let job = ["--rw=randrw", "--size=256k", "--ioengine=threads", "--output-format=json"];
    let report = denied(&place, Denial::Kill, &job).json();
    assert_eq!(report["jobs"][0]["error"], 0);
}

#[test]
fn filter_that_kills_ends_what_tries_io_uring() {
    // The proof that the test before this one can fail.
    let place = Place::new();
    place.file("data", 1 << 20);
    let job = ["--rw=randread", "--filename=data", "--ioengine=io_uring"];
    let said = denied(&place, Denial::Kill, &job);
    assert_eq!(said.code, None, "ended by the signal SIGSYS: {said:?}");
}
