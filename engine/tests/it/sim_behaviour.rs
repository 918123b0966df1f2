//! Single promises of the simulated disk, one test each: time, faults, cancelling, names, space,
//! and what a power failure leaves.

use iomill_engine::backend::sim::{Event, Faults, Latency, SimDisk, SimOptions};
use iomill_engine::{
    Allocate, AllocateMode, AtomicLimits, Close, Completion, Config, Context, Engine, Error,
    ErrorKind, File, Link, MakeDirectory, Open, Operation, Read, ReadVectored, Rename, Stat, Sync,
    Truncate, Unlink, Wait, Write, WriteFlags, WriteVectored, WriteWith,
};
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

fn engine(disk: &SimDisk) -> Engine {
    Engine::with_backend(&Config::new().depth(8), disk.backend()).unwrap()
}

/// Submits an operation and waits for it.
pub(crate) fn perform<O: Operation>(engine: &mut Engine, op: O) -> Result<O::Output, Error>
where
    O::Output: 'static,
{
    let result = Rc::new(RefCell::new(None));
    let place = Rc::clone(&result);
    let on_complete = move |done: Completion<O>, _: &mut Context<'_>| {
        *place.borrow_mut() = Some(done.result);
    };
    engine.submit(op, on_complete).map_err(|refused| refused.error)?;
    engine.drain()?;
    result.take().expect("it was called back")
}

pub(crate) fn write(
    engine: &mut Engine,
    file: &File,
    offset: u64,
    bytes: &[u8],
) -> Result<u32, Error> {
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(bytes.len());
    buffer.copy_from_slice(bytes);
    perform(engine, Write { file: file.clone(), offset, buffer })
}

pub(crate) fn sync(engine: &mut Engine, file: &File) -> Result<(), Error> {
    perform(engine, Sync { file: file.clone(), data_only: false })
}

/// All states that 200 power failures leave of a file.
fn left(disk: &SimDisk, name: &str) -> HashSet<Option<Vec<u8>>> {
    (0..200).map(|seed| disk.crash(seed).unwrap().contents(name)).collect()
}

#[test]
fn a_wait_takes_virtual_time_only_and_ends_at_its_timeout() {
    let hour = Duration::from_secs(3600);
    let (sync, turn) = (Latency::Fixed(hour), Duration::ZERO);
    let disk = SimDisk::new(SimOptions { sync, turn, ..SimOptions::new(1) });
    let file = disk.create("log", 0).unwrap();
    let mut engine = engine(&disk);
    engine.submit(Sync { file, data_only: true }, |_, _| ()).unwrap();
    let wait = Wait::For { at_least: 1, timeout: hour / 4 };
    for quarter in 1..4 {
        assert_eq!(engine.tick(wait).unwrap().completed, 0);
        assert_eq!(u128::from(disk.now_ns()), (hour / 4 * quarter).as_nanos());
    }
    disk.advance(hour / 8);
    assert_eq!(engine.tick(wait).unwrap().completed, 1);
    assert_eq!(u128::from(disk.now_ns()), hour.as_nanos());
    let history = disk.history();
    let Event { start_ns, end_ns, .. } = history.events().next().unwrap();
    assert_eq!(u128::from(end_ns - start_ns), hour.as_nanos());
}

#[test]
fn each_fault_happens_when_it_is_asked_for_and_no_other() {
    let count = |faults: Faults| {
        let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(3) });
        let file = disk.create("file", 1 << 16).unwrap();
        let mut engine = engine(&disk);
        for index in 0..64 {
            while engine.in_flight() == 16 {
                engine.tick(Wait::AtLeast(1)).unwrap();
            }
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(1024);
            let op = Write { file: file.clone(), offset: index * 1024, buffer };
            engine.submit(op, |_, _| ()).unwrap();
        }
        if faults.never > 0.0 {
            disk.calm();
        }
        engine.drain().unwrap();
        let counts = disk.fault_counts();
        [
            counts.short_transfer,
            counts.io_error,
            counts.bad_range,
            counts.no_space,
            counts.try_again,
            counts.interrupted,
            counts.spike,
            counts.never,
            counts.partial_stage,
            counts.reorder,
        ]
    };
    let none = Faults::default();
    assert_eq!(count(none), [0; 10]);
    let spike_length = Duration::from_millis(1);
    for (index, faults) in [
        Faults { short_transfer: 0.5, ..none },
        Faults { io_error: 0.5, ..none },
        Faults { bad_range: 0.5, ..none },
        Faults { no_space: 0.5, ..none },
        Faults { try_again: 0.5, ..none },
        Faults { interrupted: 0.5, ..none },
        Faults { spike: 0.5, spike_length, ..none },
        Faults { never: 0.5, never_max: 3, ..none },
        Faults { partial_stage: 0.5, ..none },
        Faults { reorder: 0.5, ..none },
    ]
    .into_iter()
    .enumerate()
    {
        let counts = count(faults);
        let happened: Vec<usize> = (0..10).filter(|index| counts[*index] > 0).collect();
        // A place that is bad from its middle on makes a short transfer: counted as what it is.
        assert_eq!(happened, [index], "{faults:?}: {counts:?}");
    }
}

#[test]
fn what_never_completes_is_said_so_and_ends_when_it_is_cancelled_or_the_disk_is_calmed() {
    let faults = Faults { never: 1.0, never_max: 2, ..Faults::default() };
    let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(1) });
    let file = disk.create("file", 0).unwrap();
    let mut engine = engine(&disk);
    let results = Rc::new(RefCell::new(Vec::new()));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (file, results) = (file.clone(), Rc::clone(&results));
        let on_complete = move |done: Completion<Sync>, _: &mut Context<'_>| {
            results.borrow_mut().push(done.result.err().map(|error| error.kind()));
        };
        ids.push(engine.submit(Sync { file, data_only: true }, on_complete).unwrap());
    }
    let error = engine.drain().unwrap_err();
    assert!(error.to_string().contains("nothing in flight will ever complete"), "{error}");
    assert_eq!(*results.borrow(), [None], "only two at once hang");
    engine.cancel(ids[0]);
    let patient = Wait::For { at_least: 1, timeout: Duration::from_secs(1) };
    engine.tick(patient).unwrap();
    assert_eq!(*results.borrow(), [None, Some(ErrorKind::Cancelled)]);
    disk.calm();
    engine.drain().unwrap();
    assert_eq!(*results.borrow(), [None, Some(ErrorKind::Cancelled), None]);
}

#[test]
fn a_power_failure_tears_what_was_not_synced_at_sectors_and_leaves_what_was() {
    let disk = SimDisk::new(SimOptions::new(1));
    let file = disk.create_with("file", &[b'a'; 1024]).unwrap();
    let mut engine = engine(&disk);
    write(&mut engine, &file, 0, &[b'b'; 1024]).unwrap();
    let sectors = |bytes: [u8; 2]| Some([[bytes[0]; 512], [bytes[1]; 512]].concat());
    let all = [*b"aa", *b"ab", *b"ba", *b"bb"].map(sectors);
    assert_eq!(left(&disk, "file"), HashSet::from(all));
    sync(&mut engine, &file).unwrap();
    assert_eq!(left(&disk, "file"), HashSet::from([sectors(*b"bb")]));
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(512);
    buffer.fill(b'c');
    let op = WriteWith { file: file.clone(), offset: 0, buffer, flags: WriteFlags::DSYNC };
    perform(&mut engine, op).unwrap();
    assert_eq!(left(&disk, "file"), HashSet::from([sectors(*b"cb")]));
    perform(&mut engine, Truncate { file, len_bytes: 1 }).unwrap();
    let cut = HashSet::from([sectors(*b"cb"), Some(vec![b'c'])]);
    // The sector in which the file ends is written, so its zeros may come without the new length.
    let all = left(&disk, "file");
    assert!(all.is_superset(&cut) && all.len() == 3, "{}", all.len());
}

#[test]
fn a_write_on_its_way_may_be_there_in_parts_for_readers_and_after_a_power_failure() {
    let all = [*b"aa", *b"ab", *b"ba", *b"bb"].map(|[first, second]| {
        let sectors = [[first; 512], [second; 512]];
        Some(sectors.concat())
    });
    let mut seen = HashSet::new();
    for seed in 0..40 {
        let disk = SimDisk::new(SimOptions::new(seed));
        let file = disk.create_with("file", &[b'a'; 1024]).unwrap();
        let mut engine = engine(&disk);
        let mut buffer = engine.buffer().unwrap();
        buffer.set_len(1024);
        buffer.fill(b'b');
        engine.submit(Write { file, offset: 0, buffer }, |_, _| ()).unwrap();
        assert_eq!(engine.tick(Wait::None).unwrap().completed, 0);
        assert_eq!(left(&disk, "file"), HashSet::from(all.clone()));
        seen.insert(disk.contents("file"));
        disk.advance(Duration::from_secs(3600));
        engine.drain().unwrap();
    }
    assert_eq!(seen, HashSet::from(all));
}

#[test]
fn a_sync_does_not_cover_a_write_that_completed_while_it_ran() {
    let slow = Latency::Fixed(Duration::from_secs(1));
    let disk = SimDisk::new(SimOptions {
        sync: slow,
        faults: Faults { reorder: 1.0, ..Faults::default() },
        ..SimOptions::new(1)
    });
    let file = disk.create_with("file", b"old").unwrap();
    let mut engine = engine(&disk);
    engine.submit(Sync { file: file.clone(), data_only: false }, |_, _| ()).unwrap();
    engine.tick(Wait::None).unwrap();
    // Waits for both: the write is there long before the sync.
    write(&mut engine, &file, 0, b"new").unwrap();
    assert_eq!(left(&disk, "file"), HashSet::from([b"old", b"new"].map(|it| Some(it.to_vec()))));
}

#[test]
fn names_change_as_on_a_real_file_system_and_survive_with_the_next_sync() {
    let disk = SimDisk::new(SimOptions::new(1));
    disk.create_with("log", b"old").unwrap();
    let engine = &mut engine(&disk);
    let create = File::options().read(true).write(true).create_new(true);
    perform(engine, MakeDirectory::new("new").unwrap()).unwrap();
    let file = perform(engine, Open::new(create.clone(), "new/log").unwrap()).unwrap();
    write(engine, &file, 0, b"young").unwrap();
    assert_eq!(file.len().unwrap(), 5, "the descriptor tells, too");
    // No name, no bytes, the length without the bytes, or all of it.
    let states = [None, Some(&b""[..]), Some(&[0; 5]), Some(b"young")];
    let states = states.map(|state| state.map(<[u8]>::to_vec));
    assert_eq!(left(&disk, "new/log"), HashSet::from(states));
    sync(engine, &file).unwrap();
    assert_eq!(left(&disk, "new/log"), HashSet::from([Some(b"young".to_vec())]));

    perform(engine, Rename::new("new/log", "/log").unwrap()).unwrap();
    let either = [b"old".to_vec(), b"young".to_vec()].map(Some);
    assert_eq!(left(&disk, "log"), HashSet::from(either));
    perform(engine, Link::new("log", "second").unwrap()).unwrap();
    let status = perform(engine, Stat::path("second").unwrap()).unwrap();
    assert_eq!((status.len_bytes, status.link_count, status.allocated_bytes), (5, 2, 512));
    perform(engine, Unlink::file("log").unwrap()).unwrap();
    assert_eq!(perform(engine, Stat::file(file.clone())).unwrap().link_count, 1);
    perform(engine, Unlink::directory("new").unwrap()).unwrap();
    assert_eq!(disk.names(), [std::path::PathBuf::from("second")]);
    assert!(perform(engine, Close::new(file)).unwrap());

    for (error, kind) in [
        (
            perform(engine, Open::new(create, "second").unwrap()).unwrap_err(),
            ErrorKind::AlreadyExists,
        ),
        (perform(engine, Unlink::file("log").unwrap()).unwrap_err(), ErrorKind::NotFound),
        (perform(engine, Stat::path("second/../log").unwrap()).unwrap_err(), ErrorKind::NotFound),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn a_stat_tells_virtual_times_and_what_direct_and_atomic_transfers_need() {
    let atomic = Some(AtomicLimits { min: 512, max: 1024, segments_max: 1 });
    let disk = SimDisk::new(SimOptions { atomic, ..SimOptions::new(1) });
    let options = File::options().read(true).write(true);
    disk.create("file", 0).unwrap();
    let direct = disk.open("file", &options.clone().direct(true)).unwrap();
    let buffered = disk.open("file", &options).unwrap();
    let engine = &mut engine(&disk);
    disk.advance(Duration::from_secs(5));
    write(engine, &buffered, 0, &[1; 4096]).unwrap();
    disk.advance(Duration::from_secs(5));
    let status = perform(engine, Stat::file(direct.clone())).unwrap();
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since(status.modified.unwrap()).as_secs(), 5);
    assert_eq!(status.atomic, atomic);
    assert_eq!(status.direct.map(|direct| direct.offset), Some(512));

    let mut atomically = |file: &File, len, flags| {
        let mut buffer = engine.buffer().unwrap();
        buffer.set_len(len);
        perform(engine, WriteWith { file: file.clone(), offset: 0, buffer, flags })
    };
    atomically(&direct, 1024, WriteFlags::ATOMIC | WriteFlags::DSYNC).unwrap();
    atomically(&buffered, 1000, WriteFlags::DONTCACHE).unwrap();
    let error = atomically(&direct, 2048, WriteFlags::ATOMIC).unwrap_err();
    assert_eq!(error.errno(), Some(libc::EINVAL), "longer than the longest");
    let error = atomically(&buffered, 1024, WriteFlags::ATOMIC).unwrap_err();
    assert_eq!(error.errno(), Some(libc::EOPNOTSUPP), "only direct");
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so() {
    let disk = SimDisk::new(SimOptions { capacity_bytes: 4096, ..SimOptions::new(1) });
    let file = disk.create("file", 1 << 40).unwrap();
    let engine = &mut engine(&disk);
    let reserve = |offset| Allocate {
        file: file.clone(),
        offset,
        len_bytes: 2048,
        mode: AllocateMode::KeepLength,
    };
    perform(engine, reserve(1 << 30)).unwrap();
    let error = write(engine, &file, 0, &[1; 4096]).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::NoSpace, Some(2048)));
    assert_eq!(perform(engine, reserve(1 << 20)).unwrap_err().kind(), ErrorKind::NoSpace);
    write(engine, &file, 1 << 30, &[2; 2048]).unwrap();
    let hole = Allocate { mode: AllocateMode::PunchHole, ..reserve(0) };
    perform(engine, hole).unwrap();
    write(engine, &file, 4096, &[3; 2048]).unwrap();
    assert_eq!(disk.fault_counts().no_space, 3, "a part, the rest, and the reservation");
}

#[test]
fn vectors_registered_files_and_descriptors_of_their_own_reach_the_same_bytes() {
    let faults = Faults { reorder: 0.0, ..Faults::passing() };
    let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(5) });
    let created = disk.create("file", 0).unwrap();
    let mut engine = engine(&disk);
    let file = engine.register_file(&created).unwrap();
    let buffers = |engine: &Engine| -> Vec<_> {
        let sized = [100, 0, 700].map(|len| {
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(len);
            buffer.fill(len.to_le_bytes()[0]);
            buffer
        });
        sized.into()
    };
    let op = WriteVectored { file: file.clone(), offset: 9, buffers: buffers(&engine).into() };
    assert_eq!(perform(&mut engine, op).unwrap(), 800);
    let expected = [vec![0; 9], vec![100; 100], vec![188; 700]].concat();
    assert_eq!(disk.contents("file"), Some(expected));
    let op = ReadVectored { file, offset: 9, buffers: buffers(&engine).into() };
    assert_eq!(perform(&mut engine, op).unwrap(), 800);

    let reader = disk.open("file", &File::options().read(true)).unwrap();
    let buffer = engine.buffer().unwrap();
    assert_eq!(
        perform(&mut engine, Read { file: reader.clone(), offset: 9, buffer }).unwrap(),
        800
    );
    let error = write(&mut engine, &reader, 0, b"no").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotOpenForThis, "{error}");

    let stranger = File::from_fd(tempfile::tempfile().unwrap().into(), "stranger").unwrap();
    let error = write(&mut engine, &stranger, 0, b"no").unwrap_err();
    assert_eq!(error.errno(), Some(libc::EBADF), "a file of another world");
}

#[test]
fn a_failed_sync_poisons_the_file_until_it_is_opened_anew() {
    let disk = SimDisk::new(SimOptions::new(3));
    let file = disk.create("log", 0).unwrap();
    let mut engine = engine(&disk);
    write(&mut engine, &file, 0, b"first").unwrap();
    disk.set_faults(Faults { io_error: 1.0, ..Faults::default() });
    let other = file.clone();
    let error = perform(&mut engine, Sync { file: other, data_only: true }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    disk.calm();
    assert!(file.is_poisoned(), "every handle of the file knows");
    let error = write(&mut engine, &file, 5, b"second").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned);
    let error = perform(&mut engine, Sync { file, data_only: false }).unwrap_err();
    assert!(error.to_string().contains("open it anew"), "{error}");

    let again = disk.open_again("log").unwrap();
    write(&mut engine, &again, 0, b"first").unwrap();
    perform(&mut engine, Sync { file: again, data_only: true }).unwrap();
}
