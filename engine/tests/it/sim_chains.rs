//! Chains on simulated disks: in virtual time, under faults at every step, and through power
//! failures: what a chain has acknowledged is there, and in its order.

use crate::chain_place::{config, perform};
use iomill_engine::backend::RequestKind;
use iomill_engine::backend::sim::{Faults, Latency, SimDisk, SimOptions};
use iomill_engine::{
    Buffer, Chain, DurableMethod, DurableWrite, Engine, ErrorKind, File, Nop, OpId, ReadWhole,
    Sync, Wait, Write,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const SECTOR: u64 = 512;

fn engine(disk: &SimDisk, link: bool) -> Engine {
    Engine::with_backend(&config().depth(8).capacity(32).link(link), disk.backend()).unwrap()
}

fn buffer(engine: &Engine, fill: u8) -> Buffer {
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(512);
    buffer.fill(fill);
    buffer
}

fn write(engine: &Engine, file: &File, sector: u64, fill: u8) -> Write {
    Write { file: file.clone(), offset: sector * SECTOR, buffer: buffer(engine, fill) }
}

fn sync(file: &File) -> Sync {
    Sync { file: file.clone(), data_only: true }
}

#[test]
fn a_step_begins_at_the_end_of_the_one_before_whether_it_is_linked_or_not() {
    let (write_takes, sync_takes) = (Duration::from_millis(3), Duration::from_millis(5));
    for (link, batches) in [(true, 1), (false, 2)] {
        let disk = SimDisk::new(SimOptions {
            write: Latency::Fixed(write_takes),
            sync: Latency::Fixed(sync_takes),
            ..SimOptions::new(1)
        });
        let file = disk.create("file", 0).unwrap();
        let mut engine = engine(&disk, link);
        let chain = Chain::new((write(&engine, &file, 0, 1), sync(&file)));
        assert_eq!(perform(&mut engine, chain).unwrap(), (512, ()));
        let history = disk.history();
        let times: Vec<_> = history.events().map(|event| (event.start_ns, event.end_ns)).collect();
        let (write_ends, all) = (write_takes.as_nanos(), (write_takes + sync_takes).as_nanos());
        let wanted = [(0, write_ends), (write_ends, all)]
            .map(|(start, end)| (u64::try_from(start).unwrap(), u64::try_from(end).unwrap()));
        assert_eq!(times, wanted);
        assert_eq!(engine.metrics().batches, batches);
    }
}

/// By sector, what was acknowledged last, and what was begun after that.
type Known = Rc<RefCell<Vec<(u8, Vec<u8>)>>>;

#[test]
fn what_a_durable_write_has_acknowledged_survives_every_power_failure() {
    let mut acknowledged_in_all = 0;
    for seed in 0..40 {
        let faults = Faults { io_error: 0.01, ..Faults::moderate() };
        let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(seed) });
        let mut file = disk.create("log", 64 * SECTOR).unwrap();
        let mut engine = engine(&disk, seed % 2 == 0);
        let methods = [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync];
        let known: Known = Rc::new(RefCell::new(vec![(0, Vec::new()); 64]));
        for number in 0..120_u64 {
            if file.is_poisoned() {
                engine.drain().unwrap();
                file = disk.open_again("log").unwrap();
            }
            file.set_durable_method(methods[usize::try_from(number % 3).unwrap()]);
            let (sector, fill) = (number % 64, u8::try_from(number + 1).unwrap());
            let place = usize::try_from(sector).unwrap();
            let Write { file: to, offset, buffer } = write(&engine, &file, sector, fill);
            known.borrow_mut()[place].1.push(fill);
            let inside = Rc::clone(&known);
            let op = DurableWrite { file: to, offset, buffer };
            let accepted = engine.submit(op, move |done, _| {
                if done.result.is_ok() {
                    inside.borrow_mut()[place] = (fill, Vec::new());
                }
            });
            accepted.map_err(|refused| refused.error).unwrap();
            if number % 5 == 4 || number >= 64 {
                engine.drain().unwrap();
            } else {
                engine.tick(Wait::None).unwrap();
            }
            let left = disk.crash(number).unwrap().contents("log").unwrap();
            for (sector, (good, later)) in known.borrow().iter().enumerate() {
                let found = left[sector * 512];
                let fine = found == *good || later.contains(&found);
                assert!(fine, "seed {seed}, write {number}: sector {sector} holds {found}");
            }
        }
        engine.drain().unwrap();
        acknowledged_in_all += known.borrow().iter().filter(|(good, _)| *good > 0).count();
    }
    assert!(acknowledged_in_all > 1000, "{acknowledged_in_all}");
}

#[test]
fn a_commit_record_is_never_there_without_its_data_whatever_breaks_the_chain() {
    let (mut committed, mut broken) = (0, 0);
    for seed in 0..150 {
        let options = SimOptions { faults: Faults::moderate(), ..SimOptions::new(seed) };
        let disk = SimDisk::new(options);
        let file = disk.create("log", 8 * SECTOR).unwrap();
        let mut engine = engine(&disk, seed % 3 > 0);
        let chain = Chain::new((
            write(&engine, &file, 0, 1),
            write(&engine, &file, 1, 1),
            sync(&file),
            write(&engine, &file, 7, 2),
            sync(&file),
        ));
        let ended = Rc::new(Cell::new(None));
        let inside = Rc::clone(&ended);
        let submitted = engine.submit(chain, move |done, _| {
            inside.set(Some(done.result.map(drop).map_err(|error| error.kind())));
        });
        let id: OpId = submitted.map_err(|refused| refused.error).unwrap();
        for turn in 0.. {
            if turn == seed % 7 && seed % 4 == 0 {
                engine.cancel(id);
            }
            engine.tick(Wait::AtLeast(1)).unwrap();
            for failure in 0..4 {
                let left = disk.crash(failure).unwrap().contents("log").unwrap();
                let commit = left[7 * 512..].contains(&2);
                let data = left[..1024].iter().all(|byte| *byte == 1);
                assert!(data || !commit, "seed {seed}, turn {turn}");
                if ended.get() == Some(Ok(())) {
                    assert!(data && left[7 * 512..].iter().all(|byte| *byte == 2));
                }
            }
            if let Some(outcome) = ended.get() {
                committed += u32::from(outcome.is_ok());
                broken += u32::from(outcome.is_err());
                break;
            }
        }
        assert_eq!(engine.in_flight(), 0);
    }
    assert!(committed > 50 && broken > 20, "{committed} committed, {broken} broken");
}

#[test]
fn chains_that_are_stuck_are_given_up_at_any_step() {
    for seed in 0..40 {
        let faults = Faults { never: 0.4, never_max: 1, ..Faults::default() };
        let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(seed) });
        let file = disk.create("file", 0).unwrap();
        let mut engine = engine(&disk, seed % 2 == 0);
        let chain = Chain::new((write(&engine, &file, 0, 1), Nop, sync(&file), Nop));
        let ended = Rc::new(Cell::new(None));
        let inside = Rc::clone(&ended);
        let submitted = engine.submit(chain, move |done, _| {
            inside.set(Some(done.result.map(drop).map_err(|error| error.kind())));
        });
        let id = submitted.map_err(|refused| refused.error).unwrap();
        let wait = Wait::For { at_least: 1, timeout: Duration::from_secs(1) };
        for _ in 0..20 {
            engine.tick(wait).unwrap();
        }
        engine.cancel(id);
        for _ in 0..20 {
            engine.tick(wait).unwrap();
        }
        assert!(matches!(ended.get(), Some(Ok(()) | Err(ErrorKind::Cancelled))), "seed {seed}");
        assert_eq!(engine.in_flight(), 0);
        let events = disk.history();
        let begun = events.events().filter(|event| event.kind == RequestKind::SyncData).count();
        assert!(begun <= 1, "nothing is made twice");
    }
}

#[test]
fn a_file_of_a_simulated_disk_is_read_whole_and_is_not_probed() {
    let disk = SimDisk::new(SimOptions { faults: Faults::passing(), ..SimOptions::new(5) });
    let file = disk.create_with("file", &[3; 900]).unwrap();
    let mut engine = engine(&disk, true);
    let buffer = engine.buffer().unwrap();
    assert_eq!(perform(&mut engine, ReadWhole::new("file", buffer).unwrap()).unwrap(), 900);
    let found = engine.probe_durability(&file).unwrap();
    assert_eq!((found.method, found.figures.len()), (DurableMethod::LinkedSync, 0), "{found}");
}
