//! Files that are read whole in one run on io_uring: system calls and slots, counted, and files of
//! every sort. That such a run comes to the same as three steps is tested in `whole_twins`.

use crate::chain_place::{perform, submit};
use iomill_engine::{
    BackendChoice, Completion, Config, Context, Engine, Error, ErrorKind, LaneOp, LaneTable, Lanes,
    ReadWhole, Route, Wait,
};
use rustix::fs::{CWD, FileType, Mode};
use std::cell::Cell;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// An engine that links on io_uring or never does, without lanes; `None` where there is none that
/// reads files so.
fn engine(depth: u32, link: bool) -> Option<Engine> {
    let config = Config::new().backend(BackendChoice::IoUring).depth(depth).lanes(Lanes::Off);
    let engine = match config.link(link).buffers(2 * depth, 4096).start() {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let lacks = engine.report().fallbacks.iter().find(|it| it.what.contains("whole files"));
    if let Some(lacks) = lacks {
        eprintln!("skipped: {}", lacks.why);
        return None;
    }
    Some(engine)
}

/// Files of these lengths, each full of a byte of its own.
fn files(folder: &Path, lens: impl IntoIterator<Item = usize>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for (index, len) in lens.into_iter().enumerate() {
        let path = folder.join(index.to_string());
        std::fs::write(&path, vec![u8::try_from(index % 251).unwrap(); len]).unwrap();
        paths.push(path);
    }
    paths
}

fn read(engine: &mut Engine, path: &Path) -> Result<u32, Error> {
    let op = ReadWhole::new(path, engine.buffer().unwrap()).unwrap();
    perform(engine, op)
}

fn folder() -> tempfile::TempDir {
    tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Whether the kernel reads this file in one run: its file system has to be able to read without
/// waiting.
fn is_read_in_one_run(path: &Path) -> bool {
    let file = std::fs::File::open(path).unwrap();
    let mut nothing = [std::io::IoSliceMut::new(&mut [])];
    let answer = rustix::io::preadv2(&file, &mut nothing, 0, rustix::io::ReadWriteFlags::NOWAIT);
    if let Err(errno) = answer {
        eprintln!("skipped: this file system does not read without waiting: {errno}");
    }
    answer.is_ok()
}

#[test]
fn a_file_that_the_cache_has_costs_one_system_call() {
    let Some(mut engine) = engine(8, true) else { return };
    let folder = folder();
    let paths = files(folder.path(), (0..1000).map(|index| index * 7 % 5000));
    if !is_read_in_one_run(&paths[0]) {
        return;
    }
    engine.reset_metrics();
    for (index, path) in paths.iter().enumerate() {
        let len = u32::try_from((index * 7 % 5000).min(4096)).unwrap();
        assert_eq!(read(&mut engine, path).unwrap(), len);
    }
    let metrics = engine.metrics();
    assert_eq!(metrics.enters, 1000, "one per file");
    assert_eq!((metrics.handles.completed, metrics.read.completed), (2000, 1000));
    assert_eq!(metrics.read.retries, 0);
}

#[test]
fn files_of_one_batch_cost_one_system_call_together() {
    let Some(mut engine) = engine(24, true) else { return };
    let folder = folder();
    let paths = files(folder.path(), [3000; 3]);
    if !is_read_in_one_run(&paths[0]) {
        return;
    }
    let read = Rc::new(Cell::new(0));
    engine.reset_metrics();
    for _ in 0..20 {
        for path in &paths {
            let op = ReadWhole::new(path, engine.buffer().unwrap()).unwrap();
            let read = Rc::clone(&read);
            engine.submit(op, move |done, _| read.set(read.get() + done.result.unwrap())).unwrap();
        }
        engine.drain().unwrap();
    }
    assert_eq!(read.get(), 20 * 3 * 3000);
    let metrics = engine.metrics();
    assert_eq!(metrics.staged, 20 * 3 * 3);
    // The first batches are small.
    assert!(metrics.batches < 40, "{} batches", metrics.batches);
    assert_eq!(metrics.enters, metrics.batches, "one per batch");
}

#[test]
fn files_of_every_sort_are_read_as_by_an_engine_that_never_links() {
    let (Some(mut linked), Some(mut never)) = (engine(8, true), engine(8, false)) else { return };
    let folder = folder();
    let mut paths = files(folder.path(), [0, 1, 4095, 4096, 4097, 20_000]);
    paths.extend(
        ["/proc/version", "/proc/self/limits", "/dev/null", "/dev/zero"].map(PathBuf::from),
    );
    paths.extend([folder.path().into(), folder.path().join("missing"), "n".repeat(5000).into()]);
    let memory = tempfile::NamedTempFile::new_in("/dev/shm").ok();
    if let Some(memory) = &memory {
        std::fs::write(memory.path(), [8; 5000]).unwrap();
        paths.push(memory.path().into());
    }
    let tell = |engine: &mut Engine, path: &Path| {
        let op = ReadWhole::new(path, engine.buffer().unwrap()).unwrap();
        let done = submit(engine, op);
        engine.drain().unwrap();
        let done = done.take().unwrap();
        match done.result {
            Ok(bytes) => Ok(done.op.buffer[..bytes as usize].to_vec()),
            Err(error) => Err((error.kind(), error.errno(), error.failed_step())),
        }
    };
    for path in &paths {
        assert_eq!(tell(&mut linked, path), tell(&mut never, path), "{}", path.display());
    }
    assert_eq!(tell(&mut linked, &paths[5]), Ok(vec![5; 4096]), "as much as the buffer holds");
}

#[test]
fn no_byte_of_a_pipe_is_lost() {
    let Some(mut engine) = engine(8, true) else { return };
    let folder = folder();
    let path = folder.path().join("pipe");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut pipe = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    pipe.write_all(b"first ").unwrap();
    let op = ReadWhole::new(&path, engine.buffer().unwrap()).unwrap();
    let done = submit(&mut engine, op);
    for _ in 0..10 {
        // It reads what is there, and goes on to wait for the rest.
        engine.tick(Wait::For { at_least: 1, timeout: Duration::from_millis(5) }).unwrap();
    }
    assert!(done.borrow().is_none(), "the pipe has not ended");
    pipe.write_all(b"second").unwrap();
    drop(pipe);
    engine.drain().unwrap();
    let done = done.take().unwrap();
    assert_eq!(done.result.unwrap(), 12);
    assert_eq!(done.op.buffer[..12], *b"first second");

    // One that never ends is cancelled, and closed.
    let mut pipe = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    pipe.write_all(b"first").unwrap();
    let failed = Rc::new(Cell::new(None));
    let inside = Rc::clone(&failed);
    let op = ReadWhole::new(&path, done.op.buffer).unwrap();
    let id = engine.submit(op, move |done, _| inside.set(done.result.err())).unwrap();
    for _ in 0..10 {
        engine.tick(Wait::For { at_least: 1, timeout: Duration::from_millis(5) }).unwrap();
    }
    engine.cancel(id);
    engine.drain().unwrap();
    assert_eq!(failed.take().expect("it was cancelled").kind(), ErrorKind::Cancelled);
    drop(pipe);
    let mut writing = std::fs::OpenOptions::new();
    writing.write(true).custom_flags(libc::O_NONBLOCK);
    let is_refused =
        || writing.open(&path).is_err_and(|error| error.raw_os_error() == Some(libc::ENXIO));
    assert!(soon(is_refused), "nobody has it open to read");
}

/// Whether this becomes true soon. A child that another test forks, or a worker of the kernel's
/// that has not let go yet, may hold a file a moment longer; what was left open stays so.
fn soon(mut is_true: impl FnMut() -> bool) -> bool {
    let begin = std::time::Instant::now();
    loop {
        if is_true() {
            return true;
        }
        if begin.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether nobody but this test has the file open: only then the kernel gives a lease to write.
fn is_closed(path: &Path) -> bool {
    let own = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    // SAFETY: no memory is named.
    soon(|| unsafe { libc::fcntl(own.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) } == 0)
}

#[test]
fn thousands_of_files_that_fail_or_are_given_up_leave_none_open_and_every_slot_free() {
    let Some(mut engine) = engine(24, true) else { return };
    let folder = folder();
    let mut paths = files(folder.path(), [0, 100, 4096, 9000]);
    if !is_read_in_one_run(&paths[0]) {
        return;
    }
    assert!(paths.iter().all(|path| is_closed(path)), "leases work here");
    paths.extend([folder.path().into(), folder.path().join("missing")]);
    let (called, given_up) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut ids = Vec::new();
    for round in 0..6000_usize {
        let path = &paths[round * 7 / 3 % paths.len()];
        if round % 50 == 0 && path.is_file() {
            // What the cache has lost takes a while, so that a cancel finds it on its way.
            let file = std::fs::File::open(path).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
        let op = ReadWhole::new(path, engine.buffer().unwrap()).unwrap();
        let (called, given_up) = (Rc::clone(&called), Rc::clone(&given_up));
        let on_complete = move |done: Completion<ReadWhole>, _: &mut Context<'_>| {
            called.set(called.get() + 1);
            if done.result.is_err_and(|error| error.kind() == ErrorKind::Cancelled) {
                given_up.set(given_up.get() + 1);
            }
        };
        ids.push(engine.submit(op, on_complete).unwrap());
        match round % 5 {
            0 | 1 => _ = engine.tick(Wait::None).unwrap(),
            2 => _ = engine.cancel(ids[round * 11 / 13]),
            3 => _ = engine.cancel(ids[round]),
            _ => {}
        }
        while engine.in_flight() > 9 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
    }
    engine.drain().unwrap();
    assert_eq!(called.get(), 6000, "each exactly once");
    assert!(given_up.get() > 600, "{}", given_up.get());
    for path in &paths[..4] {
        assert!(is_closed(path), "{}", path.display());
    }
    // One by one each file takes four requests, because a short read is asked again.
    engine.reset_metrics();
    for _ in 0..3 {
        let op = ReadWhole::new(&paths[1], engine.buffer().unwrap()).unwrap();
        engine.submit(op, |done, _| assert_eq!(done.result.unwrap(), 100)).unwrap();
    }
    engine.drain().unwrap();
    assert_eq!(engine.metrics().staged, 9, "three at once, so that each slot is used");
}

#[test]
fn beside_many_others_and_where_the_table_says_otherwise_the_steps_go_one_by_one() {
    let folder = folder();
    let paths = files(folder.path(), [3000]);
    if !is_read_in_one_run(&paths[0]) {
        return;
    }
    let mut table = LaneTable::for_io_uring();
    table.set_everywhere(LaneOp::Open, Route::Inline);
    for (lanes, files, staged) in [
        (Lanes::Off, 3, 9),
        (Lanes::Auto, 3, 9),
        // Each short read is asked again.
        (Lanes::Off, 4, 16),
        (Lanes::Auto, 4, 16),
        (Lanes::Fixed(Box::new(table)), 1, 4),
    ] {
        let Some(_) = engine(24, true) else { return };
        let config = Config::new().backend(BackendChoice::IoUring).depth(24).lanes(lanes.clone());
        let mut engine = config.buffers(8, 4096).start().unwrap();
        for _ in 0..files {
            let op = ReadWhole::new(&paths[0], engine.buffer().unwrap()).unwrap();
            engine.submit(op, |done, _| assert_eq!(done.result.unwrap(), 3000)).unwrap();
        }
        engine.drain().unwrap();
        assert_eq!(engine.metrics().staged, staged, "{files} files, {lanes:?}");
    }
}
