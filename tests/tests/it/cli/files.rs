//! Files: what a run creates goes away again, however it ends, and a full disk is one clear line.
//!
//! Bad input that is refused before anything is created is in `refusals`.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program::{Place, Said, bench_cli};

#[test]
fn created_files_are_removed_unless_told_otherwise() {
    let place = Place::new();
    let said = place.run(&["--rw=randrw", "--size=256k", "--numjobs=2", "--name=tidy"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(place.names().is_empty(), "left behind: {:?}", place.names());

    let said = place.run(&["--rw=write", "--size=256k", "--name=kept", "--unlink=0"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(place.names().len(), 1, "{:?}", place.names());
    let kept = place.path(&place.names()[0]);
    assert_eq!(fs::metadata(&kept).unwrap().len(), 256 << 10);
}

#[test]
fn demonstration_without_options_leaves_nothing_behind() {
    let place = Place::new();
    let said = place.run(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("IOPS="), "{said:?}");
    assert!(place.names().is_empty(), "left behind: {:?}", place.names());
}

/// Starts a job of a minute and waits until it has had time to create its file and run.
pub(super) fn start_long_job(place: &Place, arguments: &[&str]) -> Child {
    let mut child = Command::new(bench_cli())
        .args(["run", "--size=1m", "--time_based", "--runtime=60s", "--output-format=json"])
        .args(arguments)
        .current_dir(place.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bench-cli starts");
    let begin = Instant::now();
    while place.names().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no file was created");
        assert!(child.try_wait().expect("it is our child").is_none(), "it ended at once");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The file is there; the job itself starts within this time, on a slow machine too.
    std::thread::sleep(Duration::from_millis(700));
    child
}

pub(super) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(status.expect("kill is a program everywhere").success());
}

fn finish(mut child: Child) -> Said {
    let begin = Instant::now();
    while child.try_wait().expect("it is our child").is_none() {
        if begin.elapsed() > Duration::from_secs(20) {
            child.kill().expect("it is our child");
            panic!("bench-cli does not stop");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("it is our child");
    Said::new(output, "a job of a minute".into())
}

#[test]
fn interrupted_job_reports_and_removes_its_files() {
    for name in ["INT", "TERM"] {
        let place = Place::new();
        let child = start_long_job(&place, &["--rw=randrw"]);
        signal(&child, name);
        let said = finish(child);
        let report = said.json_of_any_end();
        let done = report["jobs"][0]["read"]["total_ios"].as_u64().expect("a count");
        assert!(done > 0, "SIG{name}: nothing was reported: {report:#}");
        assert!(place.names().is_empty(), "SIG{name} left behind: {:?}", place.names());
    }
}

#[test]
fn impatient_second_interrupt_removes_the_files_too() {
    let place = Place::new();
    let child = start_long_job(&place, &["--rw=write"]);
    signal(&child, "INT");
    signal(&child, "INT");
    finish(child);
    assert!(place.names().is_empty(), "left behind: {:?}", place.names());
}

#[test]
fn reader_of_the_report_that_goes_away_is_no_panic() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let mut child = Command::new(bench_cli())
        .args(["run", "--rw=read", "--filename=data"])
        .current_dir(place.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bench-cli starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
    child.wait().expect("it is our child");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// `bench-cli` with a stderr that takes nothing: a full disk, a closed one, or one without reader.
fn without_stderr(way: &str, place: &Place, arguments: &[&str]) -> Said {
    let full = || fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let (redirection, stderr) = match way {
        "full" => ("", Stdio::from(full())),
        "closed" => ("2>&-", Stdio::inherit()),
        _ => ("", Stdio::piped()),
    };
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec \"$@\" {redirection}"), "sh"])
        .arg(bench_cli())
        .arg("run")
        .args(arguments)
        .current_dir(place.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("a shell is everywhere");
    drop(child.stderr.take());
    let output = child.wait_with_output().expect("it is our child");
    Said::new(output, format!("{} with stderr {way}", arguments.join(" ")))
}

#[test]
fn stderr_that_takes_nothing_changes_no_outcome_and_leaves_no_files() {
    for way in ["full", "closed", "unread"] {
        let place = Place::new();
        let job = ["--name=pip", "--rw=read", "--size=8m", "--output-format=json"];
        let report = without_stderr(way, &place, &job).json();
        assert_eq!(report["jobs"][0]["read"]["io_bytes"], 8 << 20, "{way}: {report:#}");
        assert!(place.names().is_empty(), "{way}: left behind: {:?}", place.names());

        // Where there is direct I/O this is refused after the file was created.
        let refused = ["--name=pip", "--rw=read", "--size=8m", "--bs=1000", "--direct"];
        let said = without_stderr(way, &place, &refused);
        assert_eq!(said.code, place.run(&refused).code, "{way}: {said:?}");
        let said = without_stderr(way, &place, &["--rw=read", "--filename=missing"]);
        assert_eq!(said.code, Some(2), "{way}: {said:?}");
        assert!(place.names().is_empty(), "{way}: left behind: {:?}", place.names());
    }
}

#[test]
fn file_cut_short_inside_a_block_ends_the_job() {
    let place = Place::new();
    let path = place.file("data", 1 << 20);
    let child = start_long_job(&place, &["--rw=read", "--filename=data", "--bs=1m"]);
    fs::File::options().write(true).open(path).unwrap().set_len(100_000).unwrap();
    let said = finish(child);
    assert_eq!(said.code, Some(1), "{said:?}");
    let [error] = errors(&said)[..] else { panic!("not one line: {said:?}") };
    assert!(error.contains("'data' ended before offset 100000"), "{said:?}");
    assert!(error.contains("leave the file alone"), "no remedy: {said:?}");
}

/// A shell in a namespace of its own, with a file system of 1 MiB at `small` in the place's folder:
/// needs no cleaning up and harms nobody. It runs `script`, in which `"$@"` is `bench-cli`.
fn on_a_small_disk(place: &Place, script: &str) -> Option<Command> {
    const MOUNT: &str = "mount -t tmpfs -o size=1m none small";
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
        command
    };
    fs::create_dir(place.path("small")).expect("the folder takes a folder");
    match shell(MOUNT).current_dir(place.folder()).output() {
        Ok(output) if output.status.success() => {
            let mut command = shell(&format!("{MOUNT} && {script}"));
            command.arg(bench_cli());
            Some(command)
        }
        other => {
            println!("skipped: no small file system can be mounted: {other:?}");
            None
        }
    }
}

/// What is on stderr beside what every run says of itself.
fn errors(said: &Said) -> Vec<&str> {
    let lines = said.stderr.lines();
    lines.filter(|line| !line.contains("laying out") && !line.contains(": engine: ")).collect()
}

#[test]
fn full_disk_is_one_clear_line() {
    for rw in ["write", "randrw"] {
        let place = Place::new();
        // What is left behind on the small disk would be one more line.
        let script = "\"$@\"; status=$?; ls small >&2; exit $status";
        let Some(command) = on_a_small_disk(&place, script) else { return };
        let rw = format!("--rw={rw}");
        let said = place.run_by(command, &[&rw, "--size=8m", "--directory=small"]);
        assert!(matches!(said.code, Some(1..=125)), "{said:?}");
        let [error] = errors(&said)[..] else { panic!("not one line: {said:?}") };
        assert!(error.contains("small/") && error.contains("No space left"), "{said:?}");
        assert!(error.contains("free some space"), "no remedy: {said:?}");
    }
}

#[test]
fn full_disk_is_the_end_that_fill_device_wants() {
    let place = Place::new();
    let Some(command) = on_a_small_disk(&place, "\"$@\"") else { return };
    let job = ["--rw=write", "--fill_device", "--bs=64k", "--directory=small"];
    let said = place.run_by(command, &[&job[..], &["--output-format=json"]].concat());
    let report = said.json();
    let written = report["jobs"][0]["write"]["io_bytes"].as_u64().expect("a count");
    assert!((1 << 19..=1 << 20).contains(&written), "{written} bytes on a disk of 1 MiB");
    assert_eq!(report["jobs"][0]["error"], 0);
}

#[test]
fn disk_that_fills_during_the_job_still_gives_a_report() {
    let place = Place::new();
    let script = "head -c 65536 /dev/zero > small/data && \"$@\"";
    let Some(command) = on_a_small_disk(&place, script) else { return };
    let job = ["--rw=write", "--size=8m", "--filename=small/data", "--allow_overwrite"];
    let said = place.run_by(command, &[&job[..], &["--output-format=json"]].concat());
    assert!(matches!(said.code, Some(1..=125)), "{said:?}");
    let report = said.json_of_any_end();
    assert_eq!(report["jobs"][0]["error"], 28, "ENOSPC: {report:#}");
    let written = report["jobs"][0]["write"]["io_bytes"].as_u64().expect("a count");
    assert!((1 << 19..=1 << 20).contains(&written), "{written} bytes on a disk of 1 MiB");
    let [error] = errors(&said)[..] else { panic!("not one line: {said:?}") };
    for part in ["small/data", "ENOSPC", "offset", "free some space"] {
        assert!(error.contains(part), "no {part:?}: {said:?}");
    }
}
