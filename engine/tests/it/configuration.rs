//! What the settings do to a running engine: every way of finishing requests works, small rings
//! too; polling says what it needs; what is required is not done without; and a wrong setting is
//! not taken for a missing io_uring.

use iomill_engine::{
    BackendChoice, Config, Engine, Error, ErrorKind, File, Nop, Read, Required, SqPoll, Sync,
    TaskWork, Wait, Write,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

fn on_io_uring(config: &Config) -> Option<Engine> {
    match config.clone().backend(BackendChoice::IoUring).start() {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Reads each block of a file of 64 through an engine whose window is smaller; answers how many
/// came as they should.
fn read_all(engine: &mut Engine, path: &std::path::Path) -> u32 {
    let file = File::open(path).unwrap();
    let good = Rc::new(Cell::new(0));
    for number in 0..64_u8 {
        let buffer = loop {
            match engine.buffer() {
                Some(buffer) => break buffer,
                None => _ = engine.tick(Wait::AtLeast(1)).unwrap(),
            }
        };
        let good = Rc::clone(&good);
        let read = Read { file: file.clone(), offset: u64::from(number) * 4096, buffer };
        let submitted = engine.submit(read, move |done, _| {
            assert_eq!(done.result.unwrap(), 4096);
            assert!(done.op.buffer.iter().all(|byte| *byte == number));
            good.set(good.get() + 1);
        });
        submitted.unwrap();
    }
    engine.drain().unwrap();
    good.get()
}

/// A file of 64 blocks, of which each byte is its block's number, on a disk.
fn numbered_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bytes: Vec<u8> = (0..64_u8).flat_map(|number| [number; 4096]).collect();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn every_way_of_finishing_and_every_size_of_ring_works() {
    let file = numbered_file();
    let config = Config::new().depth(8).capacity(16);
    let mut configs = vec![config.clone().sqpoll(Some(SqPoll { idle: Duration::ZERO, cpu: None }))];
    for task_work in [TaskWork::Defer, TaskWork::Coop, TaskWork::Plain] {
        configs.push(config.clone().task_work(task_work));
    }
    for entries in [1, 2, 3, 1024] {
        configs.push(config.clone().ring_entries(entries));
    }
    for config in configs {
        let Some(mut engine) = on_io_uring(&config) else { continue };
        assert_eq!(read_all(&mut engine, file.path()), 64, "{config}");
        // The same with a thread of its own, whose bell needs an entry too.
        let (handle, owner) = config.clone().backend(BackendChoice::IoUring).spawn().unwrap();
        for _ in 0..20 {
            pollster::block_on(handle.run(Nop)).unwrap().result.unwrap();
        }
        assert_eq!(owner.shutdown(Duration::from_secs(60)).leaked, 0);
    }
}

/// Runs one operation and answers how it went.
fn run<O: iomill_engine::Operation>(engine: &mut Engine, op: O) -> Result<O::Output, Error> {
    let place = Rc::new(RefCell::new(None));
    let answer = Rc::clone(&place);
    engine.submit(op, move |done, _| *answer.borrow_mut() = Some(done.result)).unwrap();
    engine.drain().unwrap();
    place.take().unwrap()
}

#[test]
fn an_engine_that_polls_devices_says_what_they_lack_and_does_the_rest_without() {
    let temporary = numbered_file();
    let config = Config::new().depth(8).capacity(16).iopoll(true);
    let Some(mut engine) = on_io_uring(&config) else { return };
    assert!(engine.report().iopoll && engine.report().fixed_files == 0);
    assert_eq!(read_all(&mut engine, temporary.path()), 64, "buffered reads are plain calls");
    let file = File::options().read(true).write(true).open(temporary.path()).unwrap();
    run(&mut engine, Sync { file: file.clone(), data_only: false }).unwrap();
    run(&mut engine, Nop).unwrap();
    engine.register_file(&file).unwrap();
    let report = engine.report().to_string();
    assert!(report.contains("not open for direct I/O"), "{report}");

    let direct = File::options().read(true).write(true).direct(true).open(temporary.path());
    let direct = match direct {
        Ok(file) => engine.register_file(&file).unwrap(),
        Err(error) => return eprintln!("skipped direct transfers: {error}"),
    };
    let buffer = engine.buffer().unwrap();
    match run(&mut engine, Write { file: direct, offset: 0, buffer }) {
        Ok(bytes) => assert_eq!(bytes, 4096, "this machine's device can be polled"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let text = error.to_string();
            assert!(text.contains("EOPNOTSUPP") && text.contains("poll_queues"), "{text}");
            assert!(text.contains("iopoll") && text.contains("at offset 0"), "{text}");
        }
    }
}

#[test]
fn a_thread_that_polls_devices_sleeps_and_is_woken_all_the_same() {
    let file = numbered_file();
    let config = Config::new().backend(BackendChoice::IoUring).iopoll(true);
    let (handle, owner) = match config.spawn() {
        Ok(pair) => pair,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let file = File::open(file.path()).unwrap();
    for number in 0..20_u8 {
        // Often it sleeps by now.
        std::thread::sleep(Duration::from_millis(1));
        let buffer = handle.buffer().unwrap();
        let read = Read { file: file.clone(), offset: u64::from(number) * 4096, buffer };
        let done = pollster::block_on(handle.run(read).within(Duration::from_secs(60))).unwrap();
        assert_eq!(done.result.unwrap(), 4096);
        assert_eq!(done.op.buffer[0], number);
    }
    assert!(handle.counters().wake_ups > 0, "it slept");
    assert_eq!(owner.shutdown(Duration::from_secs(60)).leaked, 0);
}

#[test]
fn a_wrong_setting_is_told_and_not_taken_for_a_missing_io_uring() {
    if let Err(error) = Config::new().backend(BackendChoice::IoUring).start() {
        return eprintln!("skipped: {error}");
    }
    let nowhere = Some(SqPoll { idle: Duration::from_millis(1), cpu: Some(100_000) });
    for backend in [BackendChoice::Auto, BackendChoice::IoUring] {
        let error = Config::new().backend(backend).sqpoll(nowhere).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let text = error.to_string();
        assert!(text.contains("CPU 100000") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn what_is_required_and_cannot_be_had_ends_the_start_with_one_line() {
    let threads = Config::new().backend(BackendChoice::Threads);
    for (required, name) in [
        (Required::FIXED_BUFFERS, "registered buffers"),
        (Required::FIXED_FILES, "registered files"),
    ] {
        let report = threads.clone().start().unwrap().report().clone();
        assert!(report.fallbacks.iter().any(|fallback| fallback.what == name), "{report}");
        let error = threads.clone().require(required).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(text.starts_with("start the engine: ") && text.contains(name), "{text}");
        assert!(text.contains("IOMILL_REQUIRE") && !text.contains('\n'), "{text}");
    }
    let one = threads.threads(1).require(Required::THREADS);
    assert!(one.start().is_ok(), "one helper can be had");

    let ring = Config::new().require(Required::FIXED_FILES | Required::FIXED_BUFFERS);
    let Some(mut engine) = on_io_uring(&ring.fixed_files(1)) else { return };
    let temporary = numbered_file();
    let file = File::open(temporary.path()).unwrap();
    engine.register_file(&file).unwrap();
    let error = engine.register_file(&file).unwrap_err();
    assert!(error.to_string().contains("all 1 slots are in use"), "{error}");

    let polling = Config::new().iopoll(true).require(Required::RING_OPERATIONS);
    let error = polling.backend(BackendChoice::IoUring).start().unwrap_err();
    assert!(error.to_string().contains("IOPOLL"), "{error}");
}
