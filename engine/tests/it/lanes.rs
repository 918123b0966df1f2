//! Lanes: what goes which way, that it can be forbidden and fixed, and that nobody sleeps through
//! the completion of a helper. Only counts are looked at, never times.

use crate::operations::LINUX_CALLS;
use iomill_engine::{
    Advice, Advise, Allocate, AllocateMode, BackendChoice, Close, Config, Context, Engine,
    ErrorKind, File, FileSystem, LaneCounts, LaneOp, LaneTable, Lanes, Link, MakeDirectory, Nop,
    Open, Operation, QueueLength, Read, Reason, Rename, Route, Stat, Sync, SyncRange, Truncate,
    Unlink, Wait, Write, WriteFlags, WriteWith,
};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::Duration;

const BACKENDS: [BackendChoice; 2] = [BackendChoice::IoUring, BackendChoice::Threads];

fn started(config: &Config, backend: BackendChoice) -> Option<Engine> {
    match config.clone().backend(backend).start() {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("skipped {backend:?}: {error}");
            None
        }
    }
}

fn engines(config: &Config) -> impl Iterator<Item = Engine> {
    BACKENDS.into_iter().filter_map(|backend| started(config, backend))
}

/// A table that sends everything the same way.
pub(crate) fn all(route: Route) -> Lanes {
    let mut table = LaneTable::backend_only();
    for op in LaneOp::ALL {
        table.set_everywhere(op, route);
    }
    Lanes::Fixed(Box::new(table))
}

/// All completions of an engine by lane.
fn counts(engine: &Engine) -> LaneCounts {
    let metrics = engine.metrics();
    let kinds = metrics.kinds().map(|(_, kind)| kind);
    kinds.into_iter().fold(LaneCounts::default(), |sum, kind| LaneCounts {
        inline: sum.inline + kind.lanes.inline,
        ring: sum.ring + kind.lanes.ring,
        helper: sum.helper + kind.lanes.helper,
    })
}

fn total(counts: LaneCounts) -> u64 {
    counts.inline + counts.ring + counts.helper
}

/// Runs one operation to its end.
#[track_caller]
fn run<O: Operation>(engine: &mut Engine, op: O) -> O::Output {
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    engine.submit(op, move |done, _| *inside.borrow_mut() = Some(done.result)).unwrap();
    engine.drain().unwrap();
    place.take().expect("it was called back").expect("it succeeds")
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).create(true).open(path).unwrap()
}

/// One of each operation, with its outcome checked; answers how many reached the backend.
fn one_of_each(engine: &mut Engine, folder: &Path) -> u64 {
    let path = |name: &str| folder.join(name);
    let options = File::options().read(true).write(true).create(true);
    let file = run(engine, Open::new(options.clone(), path("a")).unwrap());
    let mut buffer = engine.buffer().unwrap();
    buffer.fill(7);
    assert_eq!(run(engine, Write { file: file.clone(), offset: 0, buffer }), 4096);
    let mut buffer = engine.buffer().unwrap();
    buffer.fill(8);
    let (offset, flags) = (4096, WriteFlags::DSYNC);
    assert_eq!(run(engine, WriteWith { file: file.clone(), offset, buffer, flags }), 4096);
    let buffer = engine.buffer().unwrap();
    assert_eq!(run(engine, Read { file: file.clone(), offset: 4096, buffer }), 4096);
    run(engine, Sync { file: file.clone(), data_only: false });
    run(engine, Sync { file: file.clone(), data_only: true });
    run(engine, SyncRange { file: file.clone(), offset: 0, len_bytes: 0 });
    let mode = AllocateMode::Extend;
    if LINUX_CALLS {
        run(engine, Allocate { file: file.clone(), offset: 0, len_bytes: 65_536, mode });
    } else {
        run(engine, Truncate { file: file.clone(), len_bytes: 65_536 });
    }
    run(engine, Truncate { file: file.clone(), len_bytes: 5000 });
    let advice = Advice::Random;
    run(engine, Advise { file: file.clone(), offset: 0, len_bytes: 0, advice });
    assert_eq!(run(engine, Stat::file(file.clone())).len_bytes, 5000);
    assert_eq!(run(engine, Stat::path(path("a")).unwrap()).len_bytes, 5000);
    run(engine, Rename::new(path("a"), path("b")).unwrap());
    run(engine, Link::new(path("b"), path("c")).unwrap());
    run(engine, MakeDirectory::new(path("d")).unwrap());
    let again = run(engine, Open::new(File::options().read(true), path("c")).unwrap());
    let buffer = engine.buffer().unwrap();
    assert_eq!(run(engine, Read { file: again.clone(), offset: 4096, buffer }), 904);
    run(engine, Unlink::file(path("b")).unwrap());
    run(engine, Unlink::file(path("c")).unwrap());
    run(engine, Unlink::directory(path("d")).unwrap());
    assert!(run(engine, Close::new(file)));
    assert!(run(engine, Close::new(again)));
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    // The read that met the end of the file asked once more behind it.
    22 + 1
}

#[test]
fn each_operation_comes_to_the_same_on_every_lane_and_is_counted_on_it() {
    let folder = tempfile::tempdir().unwrap();
    for backend in BACKENDS {
        for (route, lanes) in [
            (Some(Route::Backend), all(Route::Backend)),
            (Some(Route::Inline), all(Route::Inline)),
            (Some(Route::Helpers), all(Route::Helpers)),
            (None, all(Route::IfCached)),
            (Some(Route::IfAwaited), all(Route::IfAwaited)),
            (None, Lanes::Auto),
            (Some(Route::Backend), Lanes::Off),
        ] {
            let config = Config::new().depth(4).lanes(lanes);
            let Some(mut engine) = started(&config, backend) else { continue };
            let done = one_of_each(&mut engine, folder.path());
            let counts = counts(&engine);
            assert_eq!(total(counts), done, "{backend:?} {route:?}: {counts:?}");
            let on_ring = backend == BackendChoice::IoUring;
            let carried = match route {
                Some(Route::Inline | Route::IfAwaited) => counts.inline,
                Some(Route::Backend) if on_ring => counts.ring,
                Some(Route::Backend | Route::Helpers) => counts.helper,
                _ => continue,
            };
            // An older kernel has not all of them in the ring: those are made inline then.
            let without = engine.report().fallbacks.iter();
            if without.filter(|fallback| fallback.why.contains("system call")).count() == 0 {
                assert_eq!(carried, done, "{backend:?} {route:?}: {counts:?}");
            }
        }
    }
}

#[test]
fn where_inline_calls_are_forbidden_none_is_made_whatever_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    for lanes in [Lanes::Auto, Lanes::Off, all(Route::Inline), all(Route::IfAwaited)] {
        for mut engine in engines(&Config::new().depth(4).lanes(lanes.clone()).inline_calls(false))
        {
            let done = one_of_each(&mut engine, folder.path());
            let counts = counts(&engine);
            assert_eq!((counts.inline, total(counts)), (0, done), "{lanes:?}");
            let report = engine.report().to_string();
            assert!(report.contains("inline calls are forbidden"), "{report}");
        }
    }
}

#[test]
fn what_waits_for_a_device_is_inline_only_for_a_caller_that_waits_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = open(&path);
    let config = Config::new().depth(4).lanes(all(Route::IfAwaited));
    for mut engine in engines(&config) {
        let sync = || Sync { file: file.clone(), data_only: true };
        let inline = |engine: &Engine| engine.metrics().sync.lanes.inline;
        engine.submit(sync(), |_, _| ()).unwrap();
        engine.tick(Wait::None).unwrap();
        engine.drain().unwrap();
        assert_eq!(inline(&engine), 0, "the caller does not wait");

        engine.submit(sync(), |_, _| ()).unwrap();
        let wait = Wait::For { at_least: 1, timeout: Duration::from_secs(60) };
        engine.tick(wait).unwrap();
        engine.drain().unwrap();
        assert_eq!(inline(&engine), 0, "the caller waits for the time as well");

        engine.submit(sync(), |_, _| ()).unwrap();
        engine.submit(sync(), |_, _| ()).unwrap();
        engine.tick(Wait::AtLeast(2)).unwrap();
        engine.drain().unwrap();
        assert_eq!(inline(&engine), 0, "the caller waits for two");

        engine.submit(sync(), |_, _| ()).unwrap();
        engine.tick(Wait::AtLeast(1)).unwrap();
        assert_eq!((inline(&engine), engine.in_flight()), (1, 0));
    }
}

#[test]
fn a_wait_for_the_ring_ends_when_helpers_have_completed_enough() {
    let folder = tempfile::tempdir().unwrap();
    let file = open(&folder.path().join("file"));
    let config = Config::new().backend(BackendChoice::IoUring).depth(8).lanes(all(Route::Helpers));
    let Some(mut engine) = started(&config, BackendChoice::IoUring) else { return };
    for round in 0..300_u32 {
        let wanted = round % 8 + 1;
        for _ in 0..wanted {
            engine.submit(Sync { file: file.clone(), data_only: true }, |_, _| ()).unwrap();
        }
        // No-ops are always for the ring, so that the two compete.
        if round % 3 == 0 {
            engine.submit(Nop, |_, _| ()).unwrap();
        }
        while engine.in_flight() > 0 {
            engine.tick(Wait::AtLeast(wanted)).unwrap();
        }
    }
    let counts = counts(&engine);
    assert_eq!((counts.helper, counts.inline, counts.ring), (300 / 8 * 36 + 10, 0, 0));
}

#[test]
fn an_engine_on_its_own_thread_hears_its_helpers_and_ends_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = open(&folder.path().join("file"));
    let config = Config::new().backend(BackendChoice::IoUring).lanes(all(Route::Helpers));
    let (handle, owner) = match config.spawn() {
        Ok(pair) => pair,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    for _ in 0..200 {
        let (tell, told) = channel();
        let sync = Sync { file: file.clone(), data_only: true };
        handle.try_submit(sync, move |done, _| tell.send(done.result.is_ok()).unwrap()).unwrap();
        assert!(told.recv_timeout(Duration::from_secs(60)).unwrap());
    }
    let report = owner.shutdown(Duration::from_secs(60));
    assert_eq!((report.cancelled, report.leaked), (0, 0));
}

#[test]
fn a_request_that_waits_for_a_helper_can_be_cancelled() {
    let Some(mut engine) = started(
        // One helper, which the first request keeps busy.
        &Config::new().depth(4).threads(1).lanes(all(Route::Helpers)),
        BackendChoice::IoUring,
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let open_fifo = Open::new(File::options().read(true), &fifo).unwrap();
    engine.submit(open_fifo, |done, _| drop(done.result.unwrap())).unwrap();
    engine.tick(Wait::None).unwrap();

    let file = open(&folder.path().join("file"));
    let kinds = Rc::new(RefCell::new(Vec::new()));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let kinds = Rc::clone(&kinds);
        let sync = Sync { file: file.clone(), data_only: false };
        let told = move |done: iomill_engine::Completion<Sync>, _: &mut Context<'_>| {
            kinds.borrow_mut().push(done.result.map_err(|error| error.kind()));
        };
        ids.push(engine.submit(sync, told).unwrap());
    }
    engine.tick(Wait::None).unwrap();
    assert!(engine.cancel(ids[0]));
    engine.tick(Wait::None).unwrap();
    // The other end frees the helper.
    let opener = std::thread::spawn(move || std::fs::File::options().write(true).open(fifo));
    engine.drain().unwrap();
    opener.join().unwrap().unwrap();
    assert_eq!(*kinds.borrow(), [Err(ErrorKind::Cancelled), Ok(())]);
}

#[test]
fn an_open_on_the_engines_thread_does_not_wait_for_a_fifos_other_end() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let config = Config::new().depth(4).lanes(all(Route::Inline));
    for mut engine in engines(&config) {
        let reader = run(&mut engine, Open::new(File::options().read(true), &fifo).unwrap());
        let writes = File::options().write(true).create(true);
        let writer = run(&mut engine, Open::new(writes, &fifo).unwrap());
        let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "only the open did not wait");
        assert_eq!(counts(&engine).inline, 2);
        drop(reader);
    }
}

#[test]
fn the_engines_own_choice_keeps_writes_of_cached_pages_and_names_off_the_ring() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = open(&folder.path().join("file"));
    let known = matches!(file.file_system(), FileSystem::Ext4 | FileSystem::Tmpfs);
    if !known {
        return eprintln!("skipped: {:?} has other rules", file.file_system());
    }
    for mut engine in engines(&Config::new().depth(4)) {
        assert!(engine.report().lanes.starts_with("auto"), "{:?}", engine.report());
        // Fewer than the first sample comes after, so that no trial is among them.
        for _ in 0..10 {
            let buffer = engine.buffer().unwrap();
            run(&mut engine, Write { file: file.clone(), offset: 0, buffer });
        }
        let path = folder.path().join("file");
        run(&mut engine, Stat::path(path).unwrap());
        let counts = counts(&engine);
        assert_eq!((counts.inline, total(counts)), (11, 11));
        let table = engine.lanes().unwrap();
        let system = file.file_system();
        let reason = table.reason(LaneOp::Write, system, false, QueueLength::One);
        assert_eq!(reason, Reason::Rule);
        assert!(table.to_string().lines().count() > 50);
    }
}

#[test]
fn without_lanes_there_is_no_table_and_with_sqpoll_neither() {
    for engine in engines(&Config::new().lanes(Lanes::Off)) {
        assert!(engine.lanes().is_none());
        assert!(engine.report().to_string().contains("lanes off"));
    }
    let sqpoll = iomill_engine::SqPoll { idle: Duration::from_millis(1), cpu: None };
    if let Some(engine) = started(&Config::new().sqpoll(Some(sqpoll)), BackendChoice::IoUring) {
        assert!(engine.lanes().is_none());
    }
}

#[test]
fn a_probe_is_in_the_report_and_one_that_is_not_possible_too() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for engine in engines(&Config::new().probe_lanes(folder.path())) {
        let report = engine.report().to_string();
        assert!(report.contains("a probe in"), "{report}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    for engine in engines(&Config::new().probe_lanes("/nowhere")) {
        let fallback = engine.report().fallbacks.iter().find(|it| it.what.contains("/nowhere"));
        assert!(fallback.unwrap().why.contains("without a name"), "{:?}", engine.report());
    }
}

#[test]
fn a_registered_file_goes_every_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = open(&folder.path().join("file"));
    for route in [Route::Inline, Route::IfCached, Route::IfAwaited, Route::Helpers] {
        for mut engine in engines(&Config::new().depth(4).lanes(all(route))) {
            let file = engine.register_file(&file).unwrap();
            let mut buffer = engine.buffer().unwrap();
            buffer.fill(9);
            assert_eq!(run(&mut engine, Write { file: file.clone(), offset: 0, buffer }), 4096);
            let right = Rc::new(Cell::new(false));
            let inside = Rc::clone(&right);
            let buffer = engine.buffer().unwrap();
            let read = Read { file: file.clone(), offset: 0, buffer };
            let check = move |done: iomill_engine::Completion<Read>, _: &mut Context<'_>| {
                inside.set(done.op.buffer.iter().all(|byte| *byte == 9));
            };
            engine.submit(read, check).unwrap();
            engine.drain().unwrap();
            assert!(right.get(), "{route:?}");
        }
    }
}
