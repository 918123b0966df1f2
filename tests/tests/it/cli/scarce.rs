//! With little of everything: locked memory, descriptors, threads, room on the disk, a disk that
//! takes no writes, no privileges. The job runs and says what it had to do without, or is refused
//! by one line that says what to change.
//!
//! It never lowers a limit of this process: `without-io-uring` does that for the program it starts.

use iomill_tests::denial::{Answer, Call, Denial, Limit};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::program::{Place, Said, WITHOUT_IO_URING, bench_cli};

/// Nobody, or at least nobody else: limits of threads and of locked memory count over all that a
/// user runs.
const USER: u32 = 61_235;

/// A folder that another user may enter and write, with the program in it and a file of 1 MiB.
struct OpenPlace(tempfile::TempDir);

impl OpenPlace {
    /// `None` with a printed reason where nobody can become another user.
    fn new() -> Option<OpenPlace> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can become another user, whom such limits bind");
            return None;
        }
        let place = OpenPlace(tempfile::tempdir().unwrap());
        let all = fs::Permissions::from_mode(0o777);
        fs::set_permissions(place.0.path(), all.clone()).unwrap();
        fs::copy(bench_cli(), place.path("bench-cli")).unwrap();
        fs::write(place.path("data"), vec![b'a'; 1 << 20]).unwrap();
        fs::set_permissions(place.path("data"), all).unwrap();
        Some(place)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, denial: &Denial, arguments: &[&str]) -> Said {
        let mut command = denial.command(WITHOUT_IO_URING.as_ref(), &self.path("bench-cli"));
        command.args(["run", "--output-format=json"]).args(arguments);
        let output = command.current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap();
        Said::new(output, format!("{denial:?} {}", arguments.join(" ")))
    }
}

const READS: [&str; 3] = ["--rw=randread", "--filename=data", "--iodepth=8"];

#[track_caller]
fn assert_read_all(said: &Said) {
    assert_eq!(said.json()["jobs"][0]["read"]["total_ios"], 256, "{said:?}");
}

#[test]
fn who_may_lock_no_memory_runs_and_is_told_what_is_missing() {
    let Some(place) = OpenPlace::new() else { return };
    for bytes in [0, 64 << 10] {
        let denial = Denial::nothing().limit(Limit::Memlock, bytes).user(USER);
        let said = place.run(&denial, &READS);
        assert_read_all(&said);
        let kib = format!("{} KiB", bytes / 1024);
        // What is not limited on this kernel is not missed.
        if said.stderr.contains("without") || said.stderr.contains("cannot be used") {
            assert!(said.stderr.contains(&kib) && said.stderr.contains("ulimit -l"), "{said:?}");
        } else {
            assert!(said.stdout.contains("io_uring: the kernel allows it"), "{said:?}");
        }
    }
}

#[test]
fn who_may_start_no_thread_is_told_the_limit_by_one_line() {
    let Some(place) = OpenPlace::new() else { return };
    // The program's own, the one for Ctrl-C and the job's: then there are helpers, or none.
    for (threads, expected) in [
        (1, &["cannot catch Ctrl-C", "ulimit -u"][..]),
        (2, &["a thread for each job", "ulimit -u"]),
        (3, &["start the thread pool", "ulimit -u"]),
    ] {
        let denial = Denial::nothing().limit(Limit::Threads, threads).user(USER + 1);
        let said = place.run(&denial, &[&READS[..], &["--ioengine=threads"]].concat());
        said.assert_refused_with(expected);
    }
    let denial = Denial::nothing().limit(Limit::Threads, 4).user(USER + 1);
    let said = place.run(&denial, &[&READS[..], &["--ioengine=threads"]].concat());
    assert_read_all(&said);
    assert!(said.stderr.contains("the system gave only 1"), "{said:?}");
    // Of several jobs, those that have a thread must not wait for those that have none.
    let said = place.run(&denial, &[&READS[..], &["--numjobs=4"]].concat());
    said.assert_refused_with(&["a thread for each job", "ulimit -u"]);
}

#[test]
fn unprivileged_user_runs_on_what_is_allowed() {
    let Some(place) = OpenPlace::new() else { return };
    let said = place.run(&Denial::nothing().user(USER + 2), &READS);
    assert_read_all(&said);
    fs::set_permissions(place.path("data"), fs::Permissions::from_mode(0o600)).unwrap();
    let said = place.run(&Denial::nothing().user(USER + 2), &READS);
    said.assert_refused_with(&["data", "ermission"]);
}

#[test]
fn no_descriptor_left_is_said_by_one_line() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let denial = Denial::nothing().limit(Limit::OpenFiles, 4);
    let command = denial.command(WITHOUT_IO_URING.as_ref(), bench_cli());
    place.run_by(command, &READS).assert_refused_with(&[
        "data",
        "Too many open files",
        "ulimit -n",
    ]);
}

/// Runs `bench-cli run` with these arguments on a disk of 1 MiB in memory, which only it sees.
/// `prepare` is a shell command in the folder of the disk. `None` with a printed reason where
/// mounts are not allowed.
fn on_small_disk(folder: &Path, prepare: &str, arguments: &[&str]) -> Option<Said> {
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs {folder} || exit 77; cd {folder}; {prepare}\n\
         exec \"$@\"",
        folder = folder.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(bench_cli()).arg("run").args(arguments);
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: unshare cannot be started: {error}: install util-linux");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) || text.starts_with("unshare:") {
        println!("skipped: no mount of its own is allowed here: {}", text.trim());
        return None;
    }
    Some(Said::new(output, arguments.join(" ")))
}

#[test]
fn full_disk_is_said_by_one_line() {
    let place = Place::new();
    for engine in ["--ioengine=io_uring", "--ioengine=threads"] {
        let job = ["--rw=write", "--size=4m", "--filename=new", engine];
        let Some(said) = on_small_disk(place.folder(), "true", &job) else { return };
        said.assert_refused_with(&["'new'", "No space left", "free some space"]);
        // Behind the end of the blocks: what was laid out as a hole meets the full disk as it runs.
        let prepare = "truncate -s 4m hole && head -c 900k /dev/zero >rest";
        let job = ["--rw=write", "--filename=hole", "--allow_overwrite", engine];
        let Some(said) = on_small_disk(place.folder(), prepare, &job) else { return };
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.stderr.contains("ENOSPC") || said.stderr.contains("No space"), "{said:?}");
    }
}

#[test]
fn read_only_disk_takes_no_writes_and_gives_reads() {
    let place = Place::new();
    let prepare = "head -c 64k /dev/zero >data; mount -o remount,ro .";
    for engine in ["--ioengine=io_uring", "--ioengine=threads"] {
        let job = ["--rw=write", "--filename=data", "--allow_overwrite", engine];
        let Some(said) = on_small_disk(place.folder(), prepare, &job) else { return };
        said.assert_refused_with(&["data", "EROFS"]);
        let job = ["--rw=write", "--size=64k", "--filename=new", engine];
        let Some(said) = on_small_disk(place.folder(), prepare, &job) else { return };
        said.assert_refused_with(&["'new'", "Read-only file system", "--directory"]);
        let job = ["--rw=read", "--filename=data", "--output-format=json", engine];
        let Some(said) = on_small_disk(place.folder(), prepare, &job) else { return };
        assert_eq!(said.json()["jobs"][0]["read"]["total_ios"], 16, "{said:?}");
    }
}

#[test]
fn filter_that_kills_a_thread_spares_who_names_threads() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for call in Call::ALL {
        for answer in [Answer::Kill, Answer::KillThread] {
            let command = Denial::by(answer).only(call);
            let command = command.command(WITHOUT_IO_URING.as_ref(), bench_cli());
            let job = [&READS[..], &["--ioengine=threads", "--output-format=json"]].concat();
            assert_read_all(&place.run_by(command, &job));
        }
    }
}
