//! Measures what the table's rules only suppose: a few operations on one file system, inline and
//! through the backend, side by side. Run by `select` before an engine starts, if it is asked for.
//!
//! It works on a file without a name (`O_TMPFILE`) in the directory that the caller names, and
//! touches no other. It ends after [`BUDGET`], with what it has by then.

use super::{FileSystem, LaneOp, QueueLength};
use crate::backend::{Backend, Completion, Request, RequestFile, RequestKind, Wait, perform};
use crate::platform;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that a probe may take, but for a single call that does not come back sooner.
const BUDGET: Duration = Duration::from_millis(50);
/// Each way is measured so often; the median counts.
const ROUNDS: usize = 16;
/// Fewer say nothing.
const ROUNDS_MIN: usize = 5;
/// Requests at once in the second half of the measurements.
const MANY: usize = 8;
const BLOCK_LEN_BYTES: u32 = 4096;
/// Each request has a block of its own.
const MEMORY_LEN_BYTES: usize = MANY * BLOCK_LEN_BYTES as usize;

/// What one operation costs both ways. Units: nanoseconds per request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) op: LaneOp,
    /// The queue lengths that it speaks for.
    pub(crate) queues: &'static [QueueLength],
    pub(crate) inline_ns: u32,
    pub(crate) backend_ns: u32,
}

/// What a probe found.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) file_system: FileSystem,
    pub(crate) measured: Vec<Figure>,
}

/// The operations, in order of what they can tell.
const OPERATIONS: [(LaneOp, RequestKind); 3] = [
    (LaneOp::Write, RequestKind::Write),
    (LaneOp::Read, RequestKind::Read),
    (LaneOp::Truncate, RequestKind::Truncate),
];

/// Measures in `directory`; says why where that is not possible.
pub(crate) fn probe(base: &mut dyn Backend, directory: &Path) -> Result<Figures, String> {
    let end = Instant::now() + BUDGET;
    let Some(unnamed) = platform::unnamed_file_flag() else {
        return Err(String::from("this system has no files without a name (O_TMPFILE)"));
    };
    let unnamed = OFlags::from_bits_retain(unnamed.cast_unsigned());
    let flags = unnamed | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, directory, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| format!("no file without a name can be made there: {errno}"))?;
    let file_system = FileSystem::of(file.as_fd());
    let memory = vec![0_u8; MEMORY_LEN_BYTES];
    let completions = Vec::with_capacity(MANY);
    let mut bench = Bench { base, file, memory, completions, lost: false };
    let result = bench.measure(end);
    if bench.lost {
        // The backend may still use them.
        std::mem::forget(std::mem::take(&mut bench.memory));
        std::mem::forget(bench.file);
    }
    result.map(|measured| Figures { file_system, measured })
}

struct Bench<'a> {
    base: &'a mut dyn Backend,
    file: OwnedFd,
    memory: Vec<u8>,
    completions: Vec<Completion>,
    /// Whether something may still be in flight.
    lost: bool,
}

impl Bench<'_> {
    fn measure(&mut self, end: Instant) -> Result<Vec<Figure>, String> {
        // The blocks exist and are cached before anything is timed.
        let warm = self.requests(RequestKind::Write, MANY);
        self.inline(&warm)?;
        let mut measured = Vec::new();
        for (op, kind) in OPERATIONS {
            for (count, queues) in [
                (1, &[QueueLength::One, QueueLength::Few][..]),
                (MANY, &[QueueLength::Some, QueueLength::Many][..]),
            ] {
                let requests = self.requests(kind, count);
                if let Some((inline_ns, backend_ns)) = self.compare(&requests, end)? {
                    measured.push(Figure { op, queues, inline_ns, backend_ns });
                }
            }
        }
        Ok(measured)
    }

    /// Both ways in turn; the medians, or `None` if the time is over.
    fn compare(
        &mut self,
        requests: &[Request],
        end: Instant,
    ) -> Result<Option<(u32, u32)>, String> {
        let (mut inline, mut backend) = (Vec::new(), Vec::new());
        while inline.len() < ROUNDS && Instant::now() < end {
            let start = Instant::now();
            self.inline(requests)?;
            let middle = Instant::now();
            self.through_backend(requests)?;
            inline.push(middle - start);
            backend.push(middle.elapsed());
        }
        if inline.len() < ROUNDS_MIN {
            return Ok(None);
        }
        Ok(Some((median_ns(inline, requests.len()), median_ns(backend, requests.len()))))
    }

    /// Requests on blocks of their own.
    fn requests(&mut self, kind: RequestKind, count: usize) -> Vec<Request> {
        let block = |(index, memory): (u32, &mut [u8])| {
            let offset = u64::from(index * BLOCK_LEN_BYTES);
            let file = RequestFile::Fd(self.file.as_raw_fd());
            let all = u64::from(u32::try_from(MEMORY_LEN_BYTES).unwrap_or(0));
            Request {
                id: u64::from(index),
                file,
                // Cutting the file to the length that it has changes nothing.
                offset: if kind == RequestKind::Truncate { all } else { offset },
                address: memory.as_mut_ptr(),
                len: BLOCK_LEN_BYTES,
                ..Request::without_file(kind)
            }
        };
        let blocks = self.memory.chunks_mut(BLOCK_LEN_BYTES as usize);
        (0..).zip(blocks).take(count).map(block).collect()
    }

    fn inline(&mut self, requests: &[Request]) -> Result<(), String> {
        for request in requests {
            // SAFETY: the file and the memory are this value's own, and nothing else is in flight.
            check(unsafe { perform(request) })?;
        }
        Ok(())
    }

    fn through_backend(&mut self, requests: &[Request]) -> Result<(), String> {
        let broken = |error: crate::error::Error| error.to_string();
        self.lost = true;
        self.completions.clear();
        // SAFETY: the file and the memory are this value's own, and are forgotten if anything may
        // still be in flight at the end.
        let taken = unsafe { self.base.stage(requests) };
        while self.completions.len() < taken {
            let left = u32::try_from(taken - self.completions.len()).unwrap_or(1);
            self.base.enter(Wait::AtLeast(left), &mut self.completions).map_err(broken)?;
        }
        self.lost = false;
        if taken < requests.len() {
            return Err(String::from("the backend has no room"));
        }
        self.completions.iter().try_for_each(|done| check(done.result))
    }
}

fn check(result: i32) -> Result<(), String> {
    if result >= 0 {
        return Ok(());
    }
    Err(format!("a call failed: {}", std::io::Error::from_raw_os_error(-result)))
}

/// The median, per request.
fn median_ns(mut times: Vec<Duration>, requests: usize) -> u32 {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    u32::try_from(median.as_nanos() / requests.max(1) as u128).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Threads;
    use crate::lanes::{LaneTable, Reason};

    #[test]
    fn a_probe_measures_both_ways_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut threads = Threads::new(1, 8).unwrap();
        let figures = match probe(&mut threads, folder.path()) {
            Ok(figures) => figures,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        for figure in &figures.measured {
            assert!(figure.inline_ns > 0 && figure.backend_ns > 0, "{figure:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_reason_and_no_failure() {
        let mut threads = Threads::new(1, 8).unwrap();
        let why = probe(&mut threads, Path::new("/nowhere")).unwrap_err();
        assert!(why.contains("file without a name") || why.contains("files without"), "{why}");
    }

    #[test]
    fn figures_change_the_table_only_where_they_differ_by_more_than_noise() {
        let mut table = LaneTable::for_io_uring();
        let figure =
            |op, queues, inline_ns, backend_ns| Figure { op, queues, inline_ns, backend_ns };
        let (one, many) = (&[QueueLength::One][..], &[QueueLength::Many][..]);
        let measured = vec![
            figure(LaneOp::Write, one, 1000, 5000),
            figure(LaneOp::Write, many, 1000, 950),
            figure(LaneOp::Read, one, 1000, 1050),
            figure(LaneOp::Read, many, 100, 900),
            figure(LaneOp::Truncate, one, 5000, 1000),
        ];
        let file_system = FileSystem::Other;
        let before = table.clone();
        table.probed(&Figures { file_system, measured });
        let route = |op, queue| {
            let old = before.route(op, file_system, false, queue);
            (old, table.route(op, file_system, false, queue))
        };
        use super::super::Route;
        use QueueLength::{Many, One};
        assert_eq!(route(LaneOp::Write, One), (Route::IfAwaited, Route::IfAwaited));
        assert_eq!(route(LaneOp::Write, Many), (Route::Backend, Route::Backend));
        assert_eq!(route(LaneOp::Read, One), (Route::IfAwaited, Route::IfAwaited));
        assert_eq!(route(LaneOp::Read, Many), (Route::Backend, Route::IfCached));
        assert_eq!(route(LaneOp::Truncate, One), (Route::Inline, Route::Backend));
        let reason = table.reason(LaneOp::Truncate, file_system, false, One);
        assert_eq!(reason, Reason::Probed { inline_ns: 5000, backend_ns: 1000 });
        let other = FileSystem::Ext4;
        let untouched = table.reason(LaneOp::Truncate, other, false, One);
        assert_eq!(untouched, Reason::Rule, "another file system");
    }
}
