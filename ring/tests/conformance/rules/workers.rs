//! Which operations the kernel hands to a worker thread, and how many of those it allows. A worker
//! is called after the thread that submits, so each rule asks on a thread of its own.

use super::ask::{self, EXT4, PAGE_LEN_BYTES, run, scratch};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::op::{self, CURRENT_DIRECTORY, FsyncFlags, SyncRangeFlags};
use iomill_ring::{Builder, Sqe, Target, WorkerLimits};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "a read of cached data on ext4",
        seen: &[((6, 18), "no worker")],
        pages: &[],
        ask: || cached(|file| op::read(file, scratch(), PAGE_LEN_BYTES, 0)),
    },
    Rule {
        name: "a write to the page cache on ext4",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: || cached(|file| op::write(file, scratch(), PAGE_LEN_BYTES, 0)),
    },
    Rule {
        name: "a direct read on ext4",
        seen: &[((6, 18), "no worker")],
        pages: &[],
        ask: || direct(|file| op::read(file, scratch(), PAGE_LEN_BYTES, 0)),
    },
    Rule {
        name: "a direct write over existing data on ext4",
        seen: &[((6, 18), "no worker")],
        pages: &[],
        ask: || direct(|file| op::write(file, scratch(), PAGE_LEN_BYTES, 0)),
    },
    Rule {
        name: "a direct write over data in the page cache on ext4",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: direct_over_cached,
    },
    Rule {
        name: "a direct write that extends the file on ext4",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: || direct(|file| op::write(file, scratch(), PAGE_LEN_BYTES, 1 << 20)),
    },
    Rule {
        name: "fsync",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: || cached(|file| op::fsync(file, FsyncFlags::empty())),
    },
    Rule {
        name: "sync_file_range",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: || cached(|file| op::sync_file_range(file, 0, PAGE_LEN_BYTES, SyncRangeFlags::WRITE)),
    },
    Rule {
        name: "fallocate",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: || cached(|file| op::fallocate(file, 0, 0, u64::from(PAGE_LEN_BYTES))),
    },
    Rule {
        name: "opening a file that exists",
        seen: &[((6, 18), "no worker")],
        pages: &[],
        ask: || opened(libc::O_RDONLY),
    },
    Rule {
        name: "opening with O_CREAT",
        seen: &[((6, 18), "worker")],
        pages: &[],
        ask: || opened(libc::O_RDWR | libc::O_CREAT),
    },
    Rule {
        name: "workers for files, of a ring of 64 entries",
        seen: &[((6, 18), "4 per CPU, at most the entries")],
        pages: &[("register_iowq_max_workers(3)", "4 per CPU, at most the entries")],
        ask: limit,
    },
];

fn cached(entry: fn(Target) -> Sqe) -> Answer {
    on_file(ask::file_on(EXT4, "ext4")?, entry)
}

fn direct(entry: fn(Target) -> Sqe) -> Answer {
    let file = ask::direct_file(PAGE_LEN_BYTES)?;
    on_file(file, entry)
}

fn direct_over_cached() -> Answer {
    let file = ask::direct_file(PAGE_LEN_BYTES)?;
    // The same file without O_DIRECT: reading it brings it into the cache.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    if std::fs::read(path)?.len() != PAGE_LEN_BYTES as usize {
        return Err(Stop::broke("the file was to have a page"));
    }
    on_file(file, |file| op::write(file, scratch(), PAGE_LEN_BYTES, 0))
}

fn on_file(file: File, entry: fn(Target) -> Sqe) -> Answer {
    on_a_thread(move || worker_for(entry(Target::from(file.as_fd()))))
}

fn opened(flags: i32) -> Answer {
    let file = tempfile::NamedTempFile::new()?;
    let path = std::os::unix::ffi::OsStrExt::as_bytes(file.path().as_os_str());
    let path = std::ffi::CString::new(path).map_err(|_| Stop::broke("a zero in the path"))?;
    // File and path stay here until the other thread is done.
    on_a_thread(move || {
        let name = worker_for(op::open(CURRENT_DIRECTORY, &path, flags, 0o600));
        drop(file);
        name
    })
}

fn on_a_thread(ask: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let answer = std::thread::spawn(ask).join();
    answer.map_err(|_| Stop::broke("the thread panicked"))?
}

/// Whether a worker was started for this thread to carry an entry out, which must succeed.
fn worker_for(sqe: Sqe) -> Answer {
    let mut ring = Builder::new(4).build()?;
    if let Err(errno) = run(&mut ring, &[sqe])?[0] {
        return Err(Stop::broke(ask::named(Err(errno))));
    }
    // SAFETY: the call takes no argument.
    let name = format!("iou-wrk-{}", unsafe { libc::gettid() });
    let mut worker = false;
    for thread in std::fs::read_dir("/proc/self/task")? {
        // A thread of another test may end while we look.
        let name_of = std::fs::read_to_string(thread?.path().join("comm")).unwrap_or_default();
        worker |= name_of.trim() == name;
    }
    Ok(String::from(if worker { "worker" } else { "no worker" }))
}

fn limit() -> Answer {
    const ENTRIES: u32 = 64;
    let ask = || {
        let mut ring = Builder::new(ENTRIES).build()?;
        let limits = ring.limit_workers(WorkerLimits { bounded: 0, unbounded: 0 })?;
        // SAFETY: the call takes a number.
        let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        let cpus = u32::try_from(cpus).map_err(|_| Stop::broke("no number of CPUs"))?;
        let as_said = limits.bounded == ENTRIES.min(4 * cpus);
        let text = format!("{} for {cpus} CPUs", limits.bounded);
        Ok(if as_said { String::from("4 per CPU, at most the entries") } else { text })
    };
    on_a_thread(ask)
}
