//! Bad input: each case is refused by one line that names the culprit and what to do about it.
//!
//! It never starts a job that does I/O. Failures during a job are in `files`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use super::program::{Place, Said, bench_cli};

#[test]
fn missing_file_is_named() {
    let place = Place::new();
    for rw in ["read", "randread"] {
        let said = place.run(&[&format!("--rw={rw}"), "--filename=missing"]);
        said.assert_refused_with(&["'missing'", "does not exist", "check the path"]);
    }
    assert!(place.names().is_empty());
}

#[test]
fn missing_folder_is_named() {
    let place = Place::new();
    let said = place.run(&["--rw=write", "--size=1m", "--directory=no/folder"]);
    said.assert_refused_with(&["no/folder", "create its directory first"]);
}

#[test]
fn folder_instead_of_a_file_is_named() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    let said = place.run(&["--rw=read", "--filename=folder"]);
    said.assert_refused_with(&["'folder' is a directory", "--directory=folder"]);
}

#[test]
fn device_that_is_no_disk_is_named() {
    let said = Place::new().run(&["--rw=read", "--filename=/dev/zero", "--size=1m"]);
    said.assert_refused_with(&["'/dev/zero'", "choose another --filename"]);
}

/// Root may read everything; without this capability even root obeys the mode.
fn without_root_rights() -> Option<Command> {
    let rights = ["--bounding-set", "-dac_override,-dac_read_search", "--"];
    let works = Command::new("setpriv").args(rights).arg("true").status();
    match works {
        Ok(status) if status.success() => {
            let mut command = Command::new("setpriv");
            command.args(rights).arg(bench_cli());
            Some(command)
        }
        // An ordinary user cannot drop what it does not have, and need not.
        Ok(_) if fs::read("/proc/1/environ").is_err() => Some(Command::new(bench_cli())),
        other => {
            println!("skipped: root's right to read everything cannot be dropped: {other:?}");
            None
        }
    }
}

#[test]
fn file_without_permission_is_named() {
    let Some(command) = without_root_rights() else { return };
    let place = Place::new();
    let path = place.file("secret", 1 << 16);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let said = place.run_by(command, &["--rw=read", "--filename=secret"]);
    said.assert_refused_with(&["secret", "ermission", "check the permissions"]);
}

#[test]
fn folder_that_takes_no_files_is_named() {
    let Some(command) = without_root_rights() else { return };
    let place = Place::new();
    let folder = place.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let said = place.run_by(command, &["--rw=write", "--size=1m", "--directory=locked"]);
    said.assert_refused_with(&["locked", "Permission denied", "change its permissions"]);
}

#[test]
fn unaligned_direct_jobs_are_refused_with_the_unit() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let probe = place.run(&["--rw=read", "--filename=data", "--direct=1", "--bs=4k"]);
    if probe.code != Some(0) {
        println!("skipped: no direct I/O on this file system: {}", probe.stderr.trim());
        return;
    }
    let direct = ["--rw=randread", "--filename=data", "--direct=1"];
    for (wrong, culprit) in [
        (&["--bs=1000"][..], "--bs=1000"),
        (&["--bs=4k", "--offset=100"], "--offset=100"),
        (&["--bs=4k", "--size=10001"], "--size=10001"),
    ] {
        let said = place.run(&[&direct, wrong].concat());
        said.assert_refused_with(&[culprit, "--direct", "'data'", "multiple of"]);
    }
}

#[test]
fn ways_that_the_device_does_not_have_are_refused_before_anything_is_done() {
    let place = Place::new();
    let path = place.file("data", 1 << 20);
    let direct = ["--rw=randwrite", "--filename=data", "--direct=1", "--allow_overwrite"];
    let probe = place.run(&["--rw=read", "--filename=data", "--direct=1"]);
    if probe.code != Some(0) {
        println!("skipped: no direct I/O on this file system: {}", probe.stderr.trim());
        return;
    }
    for (option, parts) in [
        ("--atomic", &["--atomic: 'data' takes", "atomic writes"][..]),
        ("--hipri", &["--hipri is not possible", "IOPOLL on", "no queues to poll"]),
    ] {
        let said = place.run(&[&direct[..], &[option, "--bs=64k"]].concat());
        if said.code == Some(0) {
            println!("skipped: the disk below the temporary folder can do {option}");
            continue;
        }
        if said.stderr.contains("io_uring") && option == "--hipri" {
            println!("skipped: no io_uring here, so nothing polls: {}", said.stderr.trim());
            continue;
        }
        said.assert_refused_with(parts);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(fs::read(&path).expect("it is there") == vec![b'a'; 1 << 20], "{option} wrote");
    }
}

#[test]
fn file_system_without_direct_io_is_named() {
    // sysfs has no direct I/O on any kernel; this attribute exists wherever sysfs is mounted.
    const ATTRIBUTE: &str = "/sys/kernel/uevent_seqnum";
    if fs::metadata(ATTRIBUTE).is_err() {
        println!("skipped: no file system without direct I/O: {ATTRIBUTE} is missing");
        return;
    }
    let filename = format!("--filename={ATTRIBUTE}");
    let said = Place::new().run(&["--rw=read", "--bs=512", "--direct=1", &filename]);
    said.assert_refused_with(&[ATTRIBUTE, "direct I/O", "leave out --direct"]);
}

#[test]
fn numbers_out_of_range_are_named_with_the_range() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (option, value, range) in [
        ("--iodepth", "0", "1 to 4096"),
        ("--iodepth", "100000", "1 to 4096"),
        ("--iodepth", "99999999999999999999999", "99999999999999999999999"),
        ("--bs", "0", "1 to "),
        ("--bs", "1g", "1 to "),
        ("--bs", "4q", "'4q'"),
        ("--bs", "-1", "-1"),
        ("--numjobs", "0", "1 to 256"),
        ("--rwmixread", "101", "0 to 100"),
        ("--size", "0", "at least 1"),
    ] {
        let said = place.run(&["--rw=read", "--filename=data", &format!("{option}={value}")]);
        said.assert_refused_with(&[option, range]);
    }
    let said = place.run(&["--rw=read", "--filename=data", "--bs=64m", "--iodepth=4096"]);
    said.assert_refused_with(&["--bs", "--iodepth", "lower one"]);
}

#[test]
fn unknown_options_and_words_name_the_nearest() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (argument, parts) in [
        ("--iodept=4", &["--iodept", "did you mean --iodepth?"][..]),
        ("--block-size=4k", &["--block-size", "--blocksize"]),
        ("--zzzzqqqqxxxx", &["--zzzzqqqqxxxx", "--help"]),
        ("--ioengine=rbd", &["rbd", "io_uring", "threads"]),
        ("--client=host", &["--client", "--start_at", "merge"]),
        ("--minimal", &["--minimal", "--output-format=json"]),
        ("--numa_cpu_nodes=0", &["--numa_cpu_nodes", "--cpus_allowed", "--ignore_unsupported"]),
        ("--rw=sideways", &["sideways", "randread"]),
        ("--output-format=xml", &["xml", "json"]),
        ("job.fio", &["'job.fio'", "check the path"]),
        ("--time_based", &["--time_based", "--runtime"]),
    ] {
        place.run(&["--filename=data", argument]).assert_refused_with(parts);
    }
}

#[test]
fn readonly_lets_no_job_write() {
    let place = Place::new();
    let path = place.file("data", 1 << 16);
    let given = ["--readonly", "--filename=data", "--allow_overwrite"];
    for rw in ["write", "randrw", "trim"] {
        let said = place.run(&[&given[..], &[&format!("--rw={rw}")]].concat());
        said.assert_refused_with(&["--readonly refuses", "'job'", &format!("--rw={rw}")]);
    }
    assert!(fs::read(path).expect("it is there") == vec![b'a'; 1 << 16]);
    assert_eq!(place.run(&[&given[..], &["--rw=read"]].concat()).code, Some(0));
}

#[test]
fn size_beyond_the_end_of_a_file_is_named_for_reads() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = place.run(&["--rw=read", "--filename=data", "--size=2m"]);
    said.assert_refused_with(&["--size=2097152", "'data'", "1048576", "lower --size"]);
    let said = place.run(&["--rw=read", "--filename=data", "--size=1m", "--offset=4k"]);
    said.assert_refused_with(&["--offset=4096", "'data'", "1048576"]);
    place.file("empty", 0);
    let said = place.run(&["--rw=read", "--filename=empty"]);
    said.assert_refused_with(&["'empty'", "use a larger file"]);
}

#[test]
fn existing_file_is_never_written_unless_allowed() {
    let place = Place::new();
    let path = place.file("precious", 1 << 20);
    for rw in ["write", "randwrite", "rw", "randrw"] {
        let said = place.run(&["--filename=precious", "--size=64k", &format!("--rw={rw}")]);
        said.assert_refused_with(&["'precious'", rw, "--allow_overwrite"]);
        assert!(fs::read(&path).unwrap() == vec![b'a'; 1 << 20], "--rw={rw} changed the file");
    }
    let allowed = ["--filename=precious", "--size=64k", "--rw=write", "--allow_overwrite"];
    let said = place.run(&allowed);
    assert_eq!(said.code, Some(0), "{said:?}");
    let after = fs::read(&path).expect("a file that the run did not create is not removed");
    assert!(after[..65536] != vec![b'a'; 65536], "with leave the file is written");
    assert!(after[65536..] == vec![b'a'; (1 << 20) - 65536], "nothing beyond --size is");
}

#[test]
fn report_file_that_cannot_be_written_is_named() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let said = place.run(&["--rw=read", "--filename=data", "--output=no/folder/report"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("no/folder/report"), "{said:?}");
}

#[test]
fn refused_job_leaves_the_report_file_as_it_was() {
    let place = Place::new();
    let path = place.path("report");
    fs::write(&path, "the report of the last run").unwrap();
    for job in [
        &["--rw=read", "--filename=missing"][..],
        &["--rw=write", "--size=1m", "--directory=no/folder"],
        &["--rw=read", "--size=1m", "--bs=2m"],
    ] {
        for output in ["report", "new"] {
            let output = format!("--output={output}");
            let said = place.run(&[job, &[output.as_str()]].concat());
            assert_eq!(said.code, Some(2), "{said:?}");
            assert_eq!(place.names(), ["report"], "{said:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "the report of the last run");
        }
    }
}

#[test]
fn names_that_cannot_be_printed_are_refused_in_one_line() {
    let place = Place::new();
    for name in ["two\nlines", "bell\u{7}", "clear\u{1b}[2J"] {
        let said = place.run(&["--rw=write", "--size=1m", &format!("--name={name}")]);
        said.assert_refused_with(&["--name", "control characters"]);
    }
    let said = place.run(&["--rw=read", "--filename=two\nlines"]);
    said.assert_refused_with(&["'two\\nlines' does not exist"]);
    assert!(place.names().is_empty());
}

#[test]
fn path_that_is_not_utf8_is_refused_by_its_option() {
    let place = Place::new();
    for option in ["--filename", "--directory", "--output", "--name"] {
        let mut argument = OsString::from(format!("{option}=caf"));
        argument.push(OsStr::from_bytes(b"\xe9"));
        let mut command = Command::new(bench_cli());
        command.args(["run", "--rw=write", "--size=1m"]).arg(argument);
        let output = command.current_dir(place.folder()).output().expect("bench-cli starts");
        let said = Said::new(output, format!("bench-cli run {option}=caf\\xe9"));
        said.assert_refused_with(&[option, "not UTF-8", "symbolic link"]);
    }
    assert!(place.names().is_empty());
}

#[test]
fn symbolic_link_to_nothing_is_called_one() {
    let place = Place::new();
    symlink("nowhere", place.path("link")).unwrap();
    for job in [&["--rw=write", "--size=1m"][..], &["--rw=read"]] {
        let said = place.run(&[job, &["--filename=link"]].concat());
        said.assert_refused_with(&["'link' is a symbolic link to 'nowhere'", "remove the link"]);
    }
    assert_eq!(place.names(), ["link"]);
}
