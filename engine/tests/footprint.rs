//! What an engine takes of the system and gives back: descriptors, mappings, memory. In a process
//! of its own, where nobody else opens or maps anything, and one test at a time.
#![allow(clippy::unwrap_used)]

use iomill_engine::{BackendChoice, Config, Context, Engine, File, Read};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A field of the process's status in KiB.
fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn config(backend: BackendChoice) -> Config {
    Config::new().backend(backend).depth(4).threads(1)
}

/// Starts an engine, reads with each class of its pool, and ends it.
fn one_life(backend: BackendChoice, file: &File) -> Result<(), iomill_engine::Error> {
    let mut engine = config(backend).start()?;
    for len in [4096, 65_536, 1 << 20] {
        let buffer = engine.buffer_of(len)?.unwrap();
        engine.submit(Read { file: file.clone(), offset: 0, buffer }, |_, _| ())?;
    }
    engine.drain()?;
    assert_eq!(engine.shutdown(Duration::from_secs(5)).leaked, 0);
    Ok(())
}

#[test]
fn a_thousand_engines_leave_no_descriptor_and_no_mapping_behind() {
    let _alone = alone();
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), [1; 4096]).unwrap();
    let file = File::open(temporary.path()).unwrap();
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        // The first ones make what a process has once: thread-local memory, the allocator's own.
        for _ in 0..20 {
            if let Err(error) = one_life(backend, &file) {
                eprintln!("skipped {backend:?}: {error}");
                break;
            }
        }
        if config(backend).start().is_err() {
            continue;
        }
        let before = (descriptors(), mappings(), status_kib("VmSize:"));
        for _ in 0..1000 {
            one_life(backend, &file).unwrap();
        }
        let after = (descriptors(), mappings(), status_kib("VmSize:"));
        assert_eq!(after.0, before.0, "descriptors on {backend:?}");
        // The allocator and the threads' stacks come and go in a few mappings of their own; one
        // lost pool, ring or stack per engine would be a thousand.
        assert!(after.1 <= before.1 + 10, "{before:?} became {after:?} on {backend:?}");
        let grown_kib = after.2.saturating_sub(before.2);
        assert!(grown_kib < 200_000, "{grown_kib} KiB more are mapped on {backend:?}");
    }
}

/// Reads a block, and the next one of its file when it has come.
fn read_on(engine: &mut Engine, op: Read, left: &Rc<Cell<u64>>) {
    fn next(done: iomill_engine::Completion<Read>, context: &mut Context<'_>, left: Rc<Cell<u64>>) {
        let bytes = u64::from(done.result.unwrap());
        left.set(left.get() - bytes);
        if bytes > 0 {
            let op = Read { offset: done.op.offset + bytes, ..done.op };
            context.submit(op, move |done, context| next(done, context, left)).unwrap();
        }
    }
    let left = Rc::clone(left);
    engine.submit(op, move |done, context| next(done, context, left)).unwrap();
}

#[test]
fn a_thousand_files_at_once_need_less_than_64_kib_each() {
    const FILES: u32 = 1000;
    const FILE_LEN_BYTES: usize = 20_000;
    let _alone = alone();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |number: u32| folder.path().join(number.to_string());
    for number in 0..FILES {
        std::fs::write(path(number), vec![1; FILE_LEN_BYTES]).unwrap();
    }
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let before_kib = status_kib("VmRSS:");
        let config = Config::new().backend(backend).depth(FILES).capacity(FILES).threads(8);
        let mut engine = match config.start() {
            Ok(engine) => engine,
            Err(error) => {
                eprintln!("skipped {backend:?}: {error}");
                continue;
            }
        };
        let left = Rc::new(Cell::new(u64::from(FILES) * FILE_LEN_BYTES as u64));
        for number in 0..FILES {
            let file = match File::open(path(number)) {
                Ok(file) => file,
                Err(error) => return eprintln!("skipped: too few descriptors here: {error}"),
            };
            let buffer = engine.buffer().expect("the pool has one for each request");
            read_on(&mut engine, Read { file, offset: 0, buffer }, &left);
        }
        assert_eq!(engine.in_flight(), FILES);
        engine.drain().unwrap();
        let used_kib = status_kib("VmHWM:").saturating_sub(before_kib);
        assert_eq!(left.get(), 0, "every byte of every file was read");
        assert!(used_kib > 0 && used_kib < 64 * u64::from(FILES), "{used_kib} KiB on {backend:?}");
    }
}
