//! Cases about endings: dropped engines, files dropped in flight, waits that time out.
//!
//! It never looks at `shutdown`'s refusals (`admission`).

use std::fmt::Display;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use iomill_engine::{Nop, Wait};

use super::subject::{Count, Subject, open, open_for_writing, pattern, read, write};

pub(super) fn dropped_engine_calls_back_all_that_was_accepted(subject: &Subject) {
    let path = subject.file("data", &[0; 1 << 16]);
    let file = open_for_writing(&path);
    let mut engine = subject.config().depth(4).capacity(32).buffers(32, 2048).start().unwrap();
    let count = Count::default();
    for index in 0..32 {
        let count = count.clone();
        let op = write(&engine, &file, index * 2048, &[5; 2048]);
        let accepted = engine.submit(op, move |_, _| count.add());
        assert!(accepted.is_ok());
    }
    // Part of them is with the kernel or a thread, part still waits behind the window.
    engine.tick(Wait::None).unwrap();
    drop(engine);
    assert_eq!(count.get(), 32, "each request is called back, done or not");
}

pub(super) fn engine_dropped_before_its_first_tick_calls_back(subject: &Subject) {
    let count = Count::default();
    let mut engine = subject.engine();
    for _ in 0..5 {
        let count = count.clone();
        assert!(engine.submit(Nop, move |_, _| count.add()).is_ok());
    }
    drop(engine);
    assert_eq!(count.get(), 5);
}

pub(super) fn what_callbacks_hold_is_dropped_with_the_engine(subject: &Subject) {
    let held = std::rc::Rc::new(());
    let mut engine = subject.engine();
    for _ in 0..7 {
        let inside = std::rc::Rc::clone(&held);
        assert!(engine.submit(Nop, move |_, _| drop(inside)).is_ok());
    }
    assert_eq!(std::rc::Rc::strong_count(&held), 8);
    drop(engine);
    assert_eq!(std::rc::Rc::strong_count(&held), 1, "a callback was leaked");
}

pub(super) fn file_dropped_in_flight_is_closed_after_its_last_operation(subject: &Subject) {
    let path = subject.file("data", &pattern(1 << 16));
    let mut engine = subject.config().depth(2).capacity(16).start().unwrap();
    let file = open(&path);
    let descriptor = file.as_fd().as_raw_fd();
    let wanted = inode(descriptor);
    let count = Count::default();
    for index in 0..16 {
        let count = count.clone();
        let op = read(&engine, &file, index * 4096, 4096);
        let accepted = engine.submit(op, move |completion, _| {
            assert_eq!(completion.result.unwrap(), 4096);
            count.add();
        });
        assert!(accepted.is_ok());
    }
    drop(file);
    assert!(wanted.is_some() && inode(descriptor) == wanted, "operations still need it");
    engine.drain().unwrap();
    assert_eq!(count.get(), 16);
    // Another test may have been given the number since, but not for this file.
    assert_ne!(inode(descriptor), wanted, "the descriptor is still open");
}

/// Which file a number is a descriptor of, if of any. Not by its name: a simulated file has none.
fn inode(descriptor: impl Display) -> Option<(u64, u64)> {
    let status = fs::metadata(format!("/proc/self/fd/{descriptor}")).ok()?;
    Some((status.dev(), status.ino()))
}

pub(super) fn dropped_engines_leave_no_descriptor_behind(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let wanted = inode(open(&path).as_fd().as_raw_fd());
    let descriptors = || {
        let numbers = fs::read_dir("/proc/self/fd").unwrap();
        let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        numbers.filter(|number| inode(number) == wanted).count()
    };
    // A simulated disk keeps one of its own.
    let before = descriptors();
    for _ in 0..3 {
        let mut engine = subject.config().fixed_files(4).start().unwrap();
        let file = open(&path);
        let registered = engine.register_file(&file).unwrap();
        let op = read(&engine, &registered, 0, 4096);
        assert!(engine.submit(op, |_, _| ()).is_ok());
        drop((file, registered));
        assert_eq!(descriptors(), before + 1, "the request in flight needs the file");
        drop(engine);
        assert_eq!(descriptors(), before, "the file stays open");
    }
}

pub(super) fn wait_with_a_timeout_ends(subject: &Subject) {
    let mut engine = subject.engine();
    let begin = Instant::now();
    let wait = Wait::For { at_least: 1, timeout: Duration::from_millis(30) };
    let tick = engine.tick(wait).unwrap();
    assert_eq!((tick.submitted, tick.completed), (0, 0));
    assert!(begin.elapsed() < Duration::from_secs(5), "the wait took {:?}", begin.elapsed());
}

pub(super) fn wait_with_nothing_in_flight_does_not_hang(subject: &Subject) {
    let mut engine = subject.engine();
    let tick = engine.tick(Wait::AtLeast(1)).unwrap();
    assert_eq!((tick.submitted, tick.completed), (0, 0));
    engine.drain().unwrap();
}
