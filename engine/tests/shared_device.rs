//! Two engines of one process on one device: they split its window, give it back, and keep each to
//! its own target. In a process of its own, since every adaptive engine of a process on the same
//! device would share as well, and one test at a time.
#![allow(clippy::unwrap_used)]

use iomill_engine::depth::Target;
use iomill_engine::{BackendChoice, Completion, Config, Context, DepthStatus, Engine, File};
use iomill_engine::{Read, Wait};
use std::cell::Cell;
use std::io::Write;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether the requests of an engine are to end.
type Over = Rc<Cell<bool>>;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ticks in which a depth has to follow: seconds.
const TICKS_MAX: u32 = 100_000;

/// An engine with twice as much room as its window takes. On helper threads, whose reads come at a
/// later tick and so count as the device's on any file system.
fn engine(range: RangeInclusive<u32>, target: Target) -> Engine {
    let config = Config::new().backend(BackendChoice::Threads).inline_calls(false);
    config.adaptive(range, target).start().unwrap()
}

/// Reads a file until `is_over`, with so many requests at once.
fn read(engine: &mut Engine, file: &File, requests: u32, is_over: &Over) {
    for _ in 0..requests {
        let op = Read { file: file.clone(), offset: 0, buffer: engine.buffer().unwrap() };
        let is_over = Rc::clone(is_over);
        engine.submit(op, move |done, cx| again(done, is_over, cx)).unwrap();
    }
}

fn again(done: Completion<Read>, is_over: Over, cx: &mut Context<'_>) {
    done.result.unwrap();
    if !is_over.get() {
        // Refused only when the engine ends.
        let _ = cx.submit(done.op, move |done, cx| again(done, is_over, cx));
    }
}

/// Ticks all engines in turn until their status is as it should be.
fn turn_until(engines: &mut [Engine], is_right: impl Fn(&[DepthStatus]) -> bool) {
    let mut seen = Vec::new();
    for _ in 0..TICKS_MAX {
        for engine in engines.iter_mut() {
            engine.tick(Wait::None).unwrap();
        }
        seen = engines.iter().map(|engine| engine.depth_status().unwrap()).collect();
        if is_right(&seen) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never came to what it should: {seen:?}");
}

fn file() -> (tempfile::NamedTempFile, File) {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), [1; 4096]).unwrap();
    let file = File::open(temporary.path()).unwrap();
    (temporary, file)
}

#[test]
fn two_engines_split_the_window_and_one_that_has_nothing_to_do_leaves_it_to_the_other() {
    let _alone = alone();
    let (_temporary, file) = file();
    let mut engines = vec![engine(64..=64, Target::Knee), engine(64..=64, Target::Knee)];
    read(&mut engines[0], &file, 128, &Over::default());
    let is_over = Over::default();
    read(&mut engines[1], &file, 128, &is_over);
    turn_until(&mut engines, |seen| {
        seen.iter().all(|status| (status.in_force, status.own) == (64, 32))
    });
    is_over.set(true);
    engines[1].drain().unwrap();
    // Also a last completion that is too little to be told while more is to come: of a pipe, which
    // ends when all others have. Several times, since what was told just before is chance.
    let (reading, mut writing) = std::io::pipe().unwrap();
    let pipe = File::from_fd(reading.into(), "a pipe").unwrap();
    for requests in 4..12 {
        read(&mut engines[1], &pipe, 1, &is_over);
        read(&mut engines[1], &file, requests, &is_over);
        while engines[1].in_flight() > 1 {
            engines[1].tick(Wait::AtLeast(1)).unwrap();
        }
        writing.write_all(&[1; 4096]).unwrap();
        engines[1].drain().unwrap();
        turn_until(&mut engines[..1], |seen| (seen[0].in_force, seen[0].own) == (64, 64));
    }
}

#[test]
fn an_engine_keeps_to_its_own_target_and_says_so_beside_one_without() {
    let _alone = alone();
    let (_temporary, file) = file();
    let start = |range, target| {
        let mut engine = engine(range, target);
        read(&mut engine, &file, 16, &Over::default());
        engine
    };
    // No read comes within a nanosecond.
    let strict = Target::Percentile { percent: 50.0, limit_ns: 1 };
    let mut engines = vec![start(1..=8, Target::Knee), start(1..=8, strict)];
    turn_until(&mut engines, |seen| seen[1].is_out_of_reach);
    let status = engines[0].depth_status().unwrap();
    assert!(!status.is_out_of_reach && status.in_force == 1, "{status:?}");
    // They were made for the same range, so there is nothing to report.
    let notes = engines[1].report().to_string();
    assert!(!notes.contains("range of depths"), "{notes}");
    drop(engines.pop());
    turn_until(&mut engines, |seen| seen[0].in_force > 1);
    // One that asks for another range is told.
    let mut late = start(2..=8, Target::Knee);
    late.tick(Wait::AtLeast(1)).unwrap();
    let notes = late.report().to_string();
    assert!(notes.contains("with a depth of 1 to 8"), "{notes}");
}
