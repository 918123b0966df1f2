//! The engine under test: a backend, a folder of its own, and the few moves every case makes.
//!
//! It never judges: the cases assert. Every module of `contract` uses it, and `differential` too.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use iomill_engine::{
    BackendChoice, Buffer, Completion, Config, Engine, File, Lanes, Operation, Read, Write,
};
use tempfile::TempDir;

/// A backend, with or without lanes beside it, and a folder of its own, removed at the end.
pub(crate) struct Subject {
    backend: BackendChoice,
    lanes: Lanes,
    folder: TempDir,
}

impl Subject {
    /// The subject of the io_uring tests, or `None`, after saying why, where the kernel has none.
    pub(crate) fn io_uring() -> Option<Subject> {
        match Config::new().backend(BackendChoice::IoUring).start() {
            Ok(_) => Some(Subject::new(BackendChoice::IoUring)),
            Err(error) => {
                println!("skipped: io_uring is not available here: {error}");
                None
            }
        }
    }

    /// The subject of the thread-pool tests, which run everywhere.
    pub(crate) fn threads() -> Subject {
        Subject::new(BackendChoice::Threads)
    }

    fn new(backend: BackendChoice) -> Subject {
        // The build folder lies on a disk file system, unlike `/tmp` on many machines.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the test");
        Subject { backend, lanes: Lanes::Auto, folder }
    }

    /// The same backend with these lanes, in another folder.
    pub(crate) fn with_lanes(&self, lanes: Lanes) -> Subject {
        Subject { lanes, ..Subject::new(self.backend) }
    }

    /// Runs a case with lanes and without.
    pub(crate) fn run(&self, case: fn(&Subject)) {
        case(self);
        case(&self.with_lanes(Lanes::Off));
    }

    /// A configuration of this backend, the rest as it comes.
    pub(crate) fn config(&self) -> Config {
        Config::new().backend(self.backend).lanes(self.lanes.clone())
    }

    /// An engine of this backend, the rest as it comes.
    pub(crate) fn engine(&self) -> Engine {
        self.config().start().expect("the backend starts")
    }

    /// A path in the folder of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new file with this content.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder takes a file");
        path
    }
}

/// Submits one operation, runs the engine until it is idle, and gives what came back.
#[track_caller]
pub(crate) fn complete<O: Operation + 'static>(engine: &mut Engine, op: O) -> Completion<O> {
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    let accepted = engine.submit(op, move |completion, _| {
        assert!(inside.borrow_mut().replace(completion).is_none(), "called back twice");
    });
    accepted.map_err(|refused| refused.error).expect("an idle engine accepts one request");
    engine.drain().expect("the loop runs");
    place.take().expect("what was accepted is called back")
}

/// A read of `len` bytes into a buffer of the engine's pool.
pub(crate) fn read(engine: &Engine, file: &File, offset: u64, len: usize) -> Read {
    Read { file: file.clone(), offset, buffer: buffer(engine, len) }
}

/// A write of these bytes from a buffer of the engine's pool.
pub(crate) fn write(engine: &Engine, file: &File, offset: u64, bytes: &[u8]) -> Write {
    let mut buffer = buffer(engine, bytes.len());
    buffer.copy_from_slice(bytes);
    Write { file: file.clone(), offset, buffer }
}

fn buffer(engine: &Engine, len: usize) -> Buffer {
    let mut buffer = engine.buffer().expect("the pool has a buffer");
    buffer.set_len(len);
    buffer
}

/// The bytes that a read brought, which must have succeeded.
#[track_caller]
pub(crate) fn bytes_read(completion: &Completion<Read>) -> &[u8] {
    let len = *completion.result.as_ref().expect("the read succeeds");
    &completion.op.buffer[..usize::try_from(len).unwrap()]
}

/// Opens for reading.
#[track_caller]
pub(crate) fn open(path: &Path) -> File {
    File::open(path).expect("the file opens")
}

/// Opens for reading and writing.
#[track_caller]
pub(crate) fn open_for_writing(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("the file opens for writing")
}

/// Bytes in which every position is told from its neighbours and from other pages.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 7 + at / 251 + at / 4096) % 256).unwrap()).collect()
}

/// A number that callbacks count up and the test reads.
#[derive(Clone, Default)]
pub(crate) struct Count(Rc<Cell<u32>>);

impl Count {
    pub(crate) fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub(crate) fn take_away(&self) {
        self.0.set(self.0.get() - 1);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.get()
    }
}
