//! An engine on a simulated disk lives in the disk's time: deadlines, latencies, shutdowns, and an
//! engine on a thread of its own that other threads feed. Nothing here waits in real time for the
//! disk.

use iomill_engine::backend::sim::{Faults, Latency, SimDisk, SimOptions};
use iomill_engine::{
    Completion, Config, Context, ErrorKind, File, Handle, Read, Sync, Wait, Write,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A disk on which each sync takes an hour, and of which so many never end.
fn slow_disk(seed: u64, never_max: u32) -> SimDisk {
    let never = if never_max > 0 { 1.0 } else { 0.0 };
    let faults = Faults { never, never_max, ..Faults::default() };
    let sync = Latency::Fixed(60 * MINUTE);
    SimDisk::new(SimOptions { sync, faults, ..SimOptions::new(seed) })
}

fn minutes(disk: &SimDisk) -> u64 {
    Duration::from_nanos(disk.now_ns()).as_secs() / 60
}

#[test]
fn deadlines_follow_virtual_time_and_the_seed() {
    let run = |seed: u64| {
        let disk = slow_disk(seed, 2);
        let file = disk.create("log", 0).unwrap();
        let mut engine = Config::new().depth(4).simulated(&disk).start().unwrap();
        let ends = Rc::new(RefCell::new(Vec::new()));
        for limit in [90, 10, 20] {
            let (op, ends) = (Sync { file: file.clone(), data_only: true }, Rc::clone(&ends));
            let now = disk.clone();
            let on_complete = move |done: Completion<Sync>, _: &mut Context<'_>| {
                let kind = done.result.err().map(|error| error.kind());
                ends.borrow_mut().push((limit, kind, minutes(&now)));
            };
            engine.submit_within(op, MINUTE * limit, on_complete).unwrap();
        }
        engine.drain().unwrap();
        (ends.take(), disk.history().to_string())
    };
    let overdue = Some(ErrorKind::DeadlineExceeded);
    // The first two to begin never end; the third takes its hour, or is stopped, by chance.
    let (ends, history) = run(1);
    assert_eq!((ends[0], ends.last()), ((10, overdue, 10), Some(&(90, overdue, 90))));
    assert!([(20, overdue, 20), (20, None, 60)].contains(&ends[1]), "{ends:?}");
    assert_eq!((ends, history), run(1), "the same seed gives the same history");
    let others: Vec<_> = (2..20).map(|seed| run(seed).0[1]).collect();
    assert!(others.contains(&(20, overdue, 20)) && others.contains(&(20, None, 60)));
}

#[test]
fn latencies_are_those_of_the_disk_and_a_second_engine_starts_at_its_own_zero() {
    let disk = slow_disk(1, 0);
    let file = disk.create("log", 0).unwrap();
    for hours in 1..3 {
        let mut engine = Config::new().simulated(&disk).start().unwrap();
        assert_eq!(engine.report().backend, "sim");
        let limit = 61 * MINUTE;
        let sync = Sync { file: file.clone(), data_only: true };
        engine.submit_within(sync, limit, |done, _| assert!(done.result.is_ok())).unwrap();
        engine.drain().unwrap();
        let latency_ns = engine.metrics().sync.latency_ns.max();
        let wanted_ns = u64::try_from((60 * MINUTE).as_nanos()).unwrap();
        assert!(latency_ns.abs_diff(wanted_ns) < wanted_ns / 1000, "{latency_ns}");
        assert_eq!(minutes(&disk), 60 * hours);
    }
}

#[test]
fn a_shutdown_takes_the_virtual_time_that_it_was_given() {
    let disk = slow_disk(1, 1);
    let file = disk.create("log", 0).unwrap();
    let mut engine = Config::new().simulated(&disk).start().unwrap();
    for _ in 0..2 {
        engine.submit(Sync { file: file.clone(), data_only: true }, |_, _| ()).unwrap();
    }
    let report = engine.shutdown(180 * MINUTE);
    // One took its hour, the other one was given up at the deadline.
    assert_eq!((report.drained, report.cancelled, report.leaked), (2, 1, 0));
    assert_eq!(minutes(&disk), 180);
}

async fn write_block(handle: &Handle, file: &File, number: u8) {
    let mut buffer = handle.buffer().expect("there are more than tasks");
    buffer.fill(number);
    let write = Write { file: file.clone(), offset: u64::from(number) * 4096, buffer };
    handle.run(write).await.unwrap().result.unwrap();
}

#[test]
fn threads_feed_an_engine_on_a_simulated_disk() {
    let options = SimOptions { faults: Faults::passing(), ..SimOptions::new(1) };
    let disk = SimDisk::new(options);
    let file = disk.create("blocks", 0).unwrap();
    let config = Config::new().depth(4).buffers(64, 4096).simulated(&disk);
    let (handle, owner) = config.spawn().unwrap();
    std::thread::scope(|scope| {
        for first in [0_u8, 16, 32] {
            let (handle, file) = (handle.clone(), &file);
            scope.spawn(move || {
                for number in first..first + 16 {
                    pollster::block_on(write_block(&handle, file, number));
                }
            });
        }
    });
    let expected: Vec<u8> = (0..48).flat_map(|number| [number; 4096]).collect();
    assert!(disk.contents("blocks") == Some(expected));
    let report = owner.shutdown(MINUTE);
    assert_eq!((report.cancelled, report.leaked), (0, 0));
}

#[test]
fn one_future_at_a_time_has_the_same_history_in_each_run() {
    let history = || {
        let disk = SimDisk::new(SimOptions::swarm(7));
        let file = disk.create("blocks", 0).unwrap();
        let inside = disk.clone();
        let (handle, _owner) = Config::new().spawn_with_backend(move || inside.backend()).unwrap();
        for number in 0..60 {
            let mut buffer = handle.buffer().unwrap();
            buffer.fill(number);
            let write = Write { file: file.clone(), offset: u64::from(number) * 4096, buffer };
            // Some fail, which is part of the history.
            let mut buffer = pollster::block_on(handle.run(write)).unwrap().op.buffer;
            buffer.set_len(100);
            let read = Read { file: file.clone(), offset: 0, buffer };
            let _ = pollster::block_on(handle.run(read)).unwrap();
        }
        disk.history().to_string()
    };
    let first = history();
    assert!(first.lines().count() >= 120);
    for _ in 0..5 {
        assert_eq!(history(), first);
    }
}

#[test]
fn an_engine_that_waits_for_what_never_ends_wakes_when_the_disk_is_calmed() {
    let disk = slow_disk(1, 1);
    let file = disk.create("log", 0).unwrap();
    let (handle, owner) = Config::new().simulated(&disk).spawn().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..2 {
        let (sync, tell) = (Sync { file: file.clone(), data_only: true }, tell.clone());
        let on_complete = move |done: Completion<Sync>, _: &mut Context<'_>| {
            tell.send(done.result.is_ok()).unwrap();
        };
        handle.try_submit(sync, on_complete).unwrap();
    }
    // The one that began first never ends, so this is the other one.
    assert!(told.recv().unwrap());
    disk.calm();
    assert!(told.recv().unwrap());
    drop(owner);
}

#[test]
fn a_wait_without_anything_to_wait_for_leaves_the_time_alone() {
    let disk = slow_disk(1, 0);
    let mut engine = Config::new().simulated(&disk).start().unwrap();
    engine.tick(Wait::For { at_least: 1, timeout: MINUTE }).unwrap();
    assert_eq!(disk.now_ns(), 0);
}
