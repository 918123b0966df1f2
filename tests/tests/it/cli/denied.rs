//! Without io_uring: `auto` runs on threads and says why, `io_uring` is refused by one line.
//!
//! It never needs io_uring itself: the filter answers before the kernel does.

use iomill_tests::denial::{Answer, Call, Denial};

use super::program::{Place, WITHOUT_IO_URING, bench_cli};

fn denied(place: &Place, denial: &Denial, arguments: &[&str]) -> super::program::Said {
    place.run_by(denial.command(WITHOUT_IO_URING.as_ref(), bench_cli()), arguments)
}

/// Every errno, of all three calls at once and of each by itself.
fn every_refusal() -> impl Iterator<Item = (&'static str, Denial)> {
    Denial::errno_names().flat_map(|name| {
        let all = Denial::by(Denial::errno(name).expect("it knows its own names"));
        let each = Call::ALL.map(|call| all.clone().only(call));
        each.into_iter().chain([all]).map(move |denial| (name, denial))
    })
}

#[test]
fn auto_runs_on_threads_and_says_why() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (name, denial) in every_refusal() {
        let job = ["--rw=randread", "--filename=data", "--iodepth=8", "--output-format=json"];
        let said = denied(&place, &denial, &job);
        let report = said.json();
        assert_eq!(report["jobs"][0]["read"]["total_ios"], 256, "{name}: {report:#}");
        let why = said.stderr.lines().find(|line| line.contains("threads") && line.contains(name));
        let why = why.unwrap_or_else(|| panic!("{name}: no line says why: {said:?}"));
        assert!(why.contains("seccomp") || why.contains("ulimit -l"), "what to change: {why}");
    }
}

#[test]
fn io_uring_asked_for_by_name_is_refused_in_one_line() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (name, denial) in every_refusal() {
        let job = ["--rw=randread", "--filename=data", "--ioengine=io_uring"];
        denied(&place, &denial, &job).assert_refused_with(&["io_uring", name, "run on threads"]);
    }
}

#[test]
fn threads_asked_for_by_name_never_try_io_uring() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let job = ["--rw=randrw", "--size=256k", "--ioengine=threads", "--output-format=json"];
    let report = denied(&place, &Denial::by(Answer::Kill), &job).json();
    assert_eq!(report["jobs"][0]["error"], 0);
}

#[test]
fn filter_that_kills_ends_what_tries_io_uring() {
    // The proof that the test before this one can fail.
    let place = Place::new();
    place.file("data", 1 << 20);
    let job = ["--rw=randread", "--filename=data", "--ioengine=io_uring"];
    let said = denied(&place, &Denial::by(Answer::Kill), &job);
    assert_eq!(said.code, None, "ended by the signal SIGSYS: {said:?}");
}
