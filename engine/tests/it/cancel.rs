//! Cancels and deadlines: what had not begun is given up, what had begun keeps its buffer until the
//! kernel lets go of it, and every request calls back exactly once.

use iomill_engine::{
    BackendChoice, Config, Engine, Error, ErrorKind, File, Nop, OpId, Open, Read, Wait,
};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

type Outcomes = Rc<RefCell<Vec<Result<u32, ErrorKind>>>>;

/// Something that keeps a backend busy until `release`.
enum Blocker {
    /// For `io_uring`: reading a pipe that nothing is written to.
    Pipe(std::io::PipeWriter),
    /// For `threads`, where pread(2) refuses pipes: opening a FIFO that nobody writes to. (The ring
    /// opens it without waiting.)
    Fifo(tempfile::TempDir),
}

impl Blocker {
    fn start(engine: &mut Engine) -> Self {
        let blocker = if engine.report().backend == "io_uring" {
            let (reader, writer) = std::io::pipe().unwrap();
            let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
            let op = Read { file, offset: 0, buffer: engine.buffer().unwrap() };
            engine.submit(op, |done, _| assert_eq!(done.result.unwrap(), 0)).unwrap();
            Self::Pipe(writer)
        } else {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("fifo");
            let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            let open = Open::new(File::options().read(true), &path).unwrap();
            engine.submit(open, |done, _| drop(done.result.unwrap())).unwrap();
            Self::Fifo(folder)
        };
        engine.tick(Wait::None).unwrap();
        blocker
    }

    fn release(self, engine: &mut Engine) {
        match self {
            Self::Pipe(writer) => {
                drop(writer);
                engine.drain().unwrap();
            }
            Self::Fifo(folder) => {
                let path = folder.path().join("fifo");
                let open = move || std::fs::File::options().write(true).open(path);
                let opener = std::thread::spawn(open);
                engine.drain().unwrap();
                opener.join().unwrap().unwrap();
            }
        }
    }
}

fn read(engine: &mut Engine, file: &File, outcomes: &Outcomes) -> OpId {
    let (buffer, outcomes) = (engine.buffer().unwrap(), Rc::clone(outcomes));
    let op = Read { file: file.clone(), offset: 0, buffer };
    engine.submit(op, move |done, _| push(&outcomes, done.result)).unwrap()
}

fn push(outcomes: &Outcomes, result: Result<u32, Error>) {
    outcomes.borrow_mut().push(result.map_err(|error| error.kind()));
}

#[test]
fn a_request_that_waits_in_the_engine_is_cancelled_at_once() {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let mut engine = match Config::new().backend(backend).depth(1).start() {
            Ok(engine) => engine,
            Err(error) => {
                eprintln!("skipped {backend:?}: {error}");
                continue;
            }
        };
        let blocker = Blocker::start(&mut engine);
        let outcomes = Outcomes::default();
        let place = Rc::clone(&outcomes);
        let id = engine.submit(Nop, move |done, _| push(&place, done.result.map(|()| 0))).unwrap();
        assert!(engine.cancel(id));
        assert!(engine.cancel(id), "asking twice is asking once");
        assert_eq!(engine.tick(Wait::AtLeast(1)).unwrap().completed, 1);
        assert_eq!(*outcomes.borrow(), [Err(ErrorKind::Cancelled)]);
        assert!(!engine.cancel(id), "it is over");
        blocker.release(&mut engine);
        assert_eq!(outcomes.borrow().len(), 1);
    }
}

#[test]
fn a_read_that_never_ends_is_stopped_on_io_uring_and_its_buffer_comes_back() {
    let Ok(mut engine) = Config::new().backend(BackendChoice::IoUring).depth(2).start() else {
        eprintln!("skipped: no io_uring");
        return;
    };
    let (reader, _writer) = std::io::pipe().unwrap();
    let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
    let outcomes = Outcomes::default();
    let id = read(&mut engine, &file, &outcomes);
    for _ in 0..3 {
        let wait = Wait::For { at_least: 1, timeout: Duration::from_millis(5) };
        assert_eq!(engine.tick(wait).unwrap().completed, 0, "nothing is ever written");
    }
    assert!(engine.cancel(id));
    engine.drain().unwrap();
    assert_eq!(*outcomes.borrow(), [Err(ErrorKind::Cancelled)]);
    let buffers: Vec<_> = std::iter::from_fn(|| engine.buffer()).collect();
    assert_eq!(buffers.len(), 4, "all buffers are in the pool again");
}

#[test]
fn a_deadline_ends_a_read_that_never_ends_and_no_other() {
    let Ok(mut engine) = Config::new().backend(BackendChoice::IoUring).depth(4).start() else {
        eprintln!("skipped: no io_uring");
        return;
    };
    let (reader, mut writer) = std::io::pipe().unwrap();
    let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
    let outcomes = Outcomes::default();
    let begin = Instant::now();
    let limit = Duration::from_millis(30);
    let op = Read { file: file.clone(), offset: 0, buffer: engine.buffer().unwrap() };
    let place = Rc::clone(&outcomes);
    engine
        .submit_within(op, limit, move |done, _| {
            push(&place, done.result);
        })
        .unwrap();
    let quick = Rc::clone(&outcomes);
    engine
        .submit_within(Nop, limit, move |done, _| {
            push(&quick, done.result.map(|()| 0));
        })
        .unwrap();
    engine.drain().unwrap();
    assert!(begin.elapsed() >= limit, "not before its time");
    assert_eq!(*outcomes.borrow(), [Ok(0), Err(ErrorKind::DeadlineExceeded)]);

    // One that is done in time is not touched, also long after.
    std::io::Write::write_all(&mut writer, b"hello").unwrap();
    let op = Read { file, offset: 0, buffer: engine.buffer().unwrap() };
    let place = Rc::clone(&outcomes);
    engine
        .submit_within(op, limit, move |done, _| {
            push(&place, done.result);
        })
        .unwrap();
    drop(writer);
    engine.drain().unwrap();
    assert_eq!(outcomes.borrow()[2], Ok(5));
}

#[test]
fn a_request_that_a_helper_has_not_begun_is_cancelled() {
    let config = Config::new().backend(BackendChoice::Threads).depth(2).threads(1);
    let mut engine = config.start().unwrap();
    let blocker = Blocker::start(&mut engine);
    let outcomes = Outcomes::default();
    let place = Rc::clone(&outcomes);
    let id = engine.submit(Nop, move |done, _| push(&place, done.result.map(|()| 0))).unwrap();
    engine.tick(Wait::None).unwrap();
    assert!(engine.cancel(id));
    // It takes effect now, before the helper is free.
    engine.tick(Wait::None).unwrap();
    blocker.release(&mut engine);
    assert_eq!(*outcomes.borrow(), [Err(ErrorKind::Cancelled)]);
}
