//! io_uring forbidden by the administrator, with the sysctl `kernel.io_uring_disabled`, or without
//! a descriptor for its ring: an engine runs on threads and says why, and one that must have
//! io_uring is refused by one line.
//!
//! The sysctl is the whole machine's, so its test runs only where that is allowed by a variable: in
//! the guests of the kernel matrix. Users are the thread's own, as the kernel has it.

use iomill_engine::{BackendChoice, Config};
use rustix::process::{Resource, Rlimit, Uid, getrlimit, setrlimit};
use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;

const LEAVE: &str = "IOMILL_MAY_SET_SYSCTLS";
const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";
/// Nobody, or at least nobody else.
const USER: u32 = 61_234;

/// What an engine says that takes what it gets, and one that must have io_uring, as this user.
fn started_as(user: u32) -> (&'static str, String, Result<(), String>) {
    let inside = move || {
        let user = Uid::from_raw(user);
        rustix::thread::set_thread_res_uid(user, user, user).expect("root may become anybody");
        let engine = Config::new().start().expect("threads can be had everywhere");
        let forced = Config::new().backend(BackendChoice::IoUring).start();
        let report = engine.report();
        (report.backend, report.reason.clone(), forced.map(drop).map_err(|e| e.to_string()))
    };
    std::thread::spawn(inside).join().expect("an engine starts")
}

#[test]
fn io_uring_forbidden_by_sysctl_is_replaced_by_threads_with_the_reason() {
    if std::env::var_os(LEAVE).is_none() {
        return println!("skipped: it sets a sysctl of the whole machine: {LEAVE}=1 allows it");
    }
    if !Path::new(SYSCTL).exists() {
        return println!("skipped: this kernel has no sysctl io_uring_disabled (Linux 6.6)");
    }
    let before = fs::read_to_string(SYSCTL).expect("it can be read");
    let all = [
        ("0", 0, true),
        ("0", USER, true),
        ("1", 0, true),
        ("1", USER, false),
        ("2", 0, false),
        ("2", USER, false),
    ];
    let found = all.map(|(value, user, allowed)| {
        fs::write(SYSCTL, value).expect("root may set it");
        (value, user, allowed, started_as(user))
    });
    fs::write(SYSCTL, before).expect("root may set it");
    for (value, user, allowed, (backend, reason, forced)) in found {
        let place = format!("sysctl {value}, user {user}: {backend}: {reason}: {forced:?}");
        assert_eq!(backend == "io_uring", allowed, "{place}");
        assert_eq!(forced.is_ok(), allowed, "{place}");
        if let Err(text) = forced {
            for line in [&text, &reason] {
                let named = line.contains(&format!("io_uring_disabled is {value}"));
                assert!(named && line.contains("EPERM") && !line.contains('\n'), "{place}");
            }
        }
    }
}

#[test]
fn ring_without_a_descriptor_is_replaced_by_threads_with_the_limit_named() {
    // In a process of its own, whose limit it is.
    let own = std::env::current_exe().expect("this program lies somewhere");
    let output = Command::new(own)
        .args(["--exact", "policy::with_no_descriptor_left", "--ignored", "--nocapture"])
        .output()
        .expect("it starts again");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "changes its whole process: the test above runs it in one of its own"]
fn with_no_descriptor_left() {
    let lowest = fs::File::open("/dev/null").expect("it is there").as_raw_fd();
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = u64::try_from(lowest).ok();
    setrlimit(Resource::Nofile, limit).expect("a limit may be lowered");
    let engine = Config::new().start().map(|engine| engine.report().clone());
    let forced = Config::new().backend(BackendChoice::IoUring).start().map(drop);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("and raised");
    let report = engine.expect("threads need no descriptor");
    assert_eq!(report.backend, "threads", "{report:?}");
    let forced = forced.expect_err("a ring needs a descriptor").to_string();
    for line in [forced, report.reason] {
        assert!(line.contains("EMFILE") && line.contains("ulimit -n"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}
