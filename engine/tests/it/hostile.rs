//! What a careless or hostile caller can do in safe code, and what must not come of it.

use iomill_engine::{
    BackendChoice, Close, Config, Engine, ErrorKind, File, Nop, SqPoll, SyncRange, Truncate, Wait,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

fn engines(config: &Config) -> Vec<Engine> {
    let start = |backend| match config.clone().backend(backend).start() {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("skipped {backend:?}: {error}");
            None
        }
    };
    [BackendChoice::IoUring, BackendChoice::Threads].into_iter().filter_map(start).collect()
}

#[test]
fn a_closed_file_cannot_be_closed_again() {
    for mut engine in engines(&Config::new()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"x").unwrap();
        let file = File::open(&path).unwrap();
        let asked = Rc::new(Cell::new(false));
        let asked_in = Rc::clone(&asked);
        engine
            .submit(Close::new(file), move |done, context| {
                assert!(done.result.unwrap());
                let refused = context.submit(done.op, |_, _| ()).unwrap_err();
                assert_eq!(refused.error.kind(), ErrorKind::NotOpenForThis);
                assert!(refused.op.into_file().is_none(), "the handle is gone");
                asked_in.set(true);
            })
            .unwrap();
        engine.drain().unwrap();
        assert!(asked.get());
    }
}

#[test]
fn a_callback_that_submits_and_cancels_for_ever_does_not_hold_the_tick() {
    fn again(context: &mut iomill_engine::Context<'_>, count: &Rc<Cell<u32>>) {
        let next = Rc::clone(count);
        let submitted = context.submit(Nop, move |_, context| {
            next.set(next.get() + 1);
            again(context, &next);
        });
        // The shutdown at the end refuses.
        if let Ok(id) = submitted {
            context.cancel(id);
        }
    }
    for mut engine in engines(&Config::new().depth(1)) {
        let count = Rc::new(Cell::new(0));
        let first = Rc::clone(&count);
        engine.submit(Nop, move |_, context| again(context, &first)).unwrap();
        for _ in 0..20 {
            engine.tick(Wait::None).unwrap();
        }
        // One is cancelled and one may complete in each tick.
        assert!(count.get() <= 40, "{} callbacks in 20 ticks", count.get());
        engine.shutdown(Duration::ZERO);
    }
}

#[test]
fn cancelling_everything_takes_time_in_proportion() {
    let config = Config::new().depth(1).capacity(65_536).buffers(0, 1);
    for mut engine in engines(&config) {
        let called = Rc::new(Cell::new(0_u32));
        for _ in 0..65_536 {
            let called = Rc::clone(&called);
            engine.submit(Nop, move |_, _| called.set(called.get() + 1)).unwrap();
        }
        let begin = Instant::now();
        let report = engine.shutdown(Duration::ZERO);
        assert_eq!((report.drained, report.leaked, called.get()), (65_536, 0, 65_536));
        // One pass is milliseconds; a pass per request was 20 seconds. Far from either.
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[test]
fn cancels_that_find_no_room_in_the_queue_are_asked_again() {
    let sqpoll = Some(SqPoll { idle: Duration::from_millis(1), cpu: None });
    let config = Config::new().backend(BackendChoice::IoUring).depth(1).sqpoll(sqpoll);
    let mut engine = match config.start() {
        Ok(engine) => engine,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    for _ in 0..20_000 {
        let id = engine.submit(Nop, |_, _| ()).unwrap();
        engine.tick(Wait::None).unwrap();
        engine.cancel(id);
        engine.tick(Wait::None).unwrap();
        if engine.in_flight() > 0 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
    }
    engine.drain().unwrap();
}

#[test]
fn an_id_means_nothing_to_another_engine() {
    let mut both = engines(&Config::new());
    let Some(mut other) = both.pop() else { return };
    let mut engine = Config::new().backend(BackendChoice::Threads).start().unwrap();
    let id = engine.submit(Nop, |done, _| done.result.unwrap()).unwrap();
    other.submit(Nop, |done, _| done.result.unwrap()).unwrap();
    assert!(!other.cancel(id));
    other.drain().unwrap();
    engine.drain().unwrap();
}

#[test]
fn a_panic_whose_payload_panics_loses_no_request() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("a payload that panics");
            }
        }
    }
    for mut engine in engines(&Config::new()) {
        let called = Rc::new(Cell::new(0));
        for _ in 0..4 {
            let called = Rc::clone(&called);
            let bomb = move |_, _: &mut iomill_engine::Context<'_>| {
                called.set(called.get() + 1);
                std::panic::panic_any(Bomb);
            };
            engine.submit(Nop, bomb).unwrap();
        }
        while engine.in_flight() > 0 {
            let ticked = std::panic::AssertUnwindSafe(|| engine.tick(Wait::AtLeast(1)).map(drop));
            if let Err(payload) = std::panic::catch_unwind(ticked) {
                std::mem::forget(payload);
            }
        }
        assert_eq!(called.get(), 4);
        assert_eq!(engine.metrics().callback_panics, 4);
    }
}

#[test]
fn offsets_beyond_the_kernels_are_refused_alike() {
    for mut engine in engines(&Config::new()) {
        let file = File::options().write(true).create(true);
        let folder = tempfile::tempdir().unwrap();
        let file = file.open(folder.path().join("file")).unwrap();
        let op = Truncate { file: file.clone(), len_bytes: u64::MAX };
        let error = engine.submit(op, |_, _| ()).unwrap_err().error;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let op = SyncRange { file, offset: u64::MAX, len_bytes: 1 };
        let error = engine.submit(op, |_, _| ()).unwrap_err().error;
        assert!(error.to_string().contains("2^63"), "{error}");
    }
}

#[test]
fn a_pipe_is_read_alike() {
    for mut engine in engines(&Config::new()) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"hello").unwrap();
        drop(writer);
        let file = File::from_fd(std::os::fd::OwnedFd::from(reader), "a pipe").unwrap();
        let buffer = engine.buffer().unwrap();
        let op = iomill_engine::Read { file, offset: 0, buffer };
        engine
            .submit(op, |done, _| {
                assert_eq!(done.result.unwrap(), 5);
                assert_eq!(done.op.buffer[..5], *b"hello");
            })
            .unwrap();
        engine.drain().unwrap();
    }
}
