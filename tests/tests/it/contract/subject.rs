//! The engine under test: a backend, a folder of its own, and the few moves every case makes.
//!
//! It never judges: the cases assert. Every module of `contract` uses it, and `differential` too.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use iomill_engine::backend::sim::{SimDisk, SimOptions};
use iomill_engine::{
    BackendChoice, Buffer, Completion, Config, Engine, Error, File, Lanes, OpenOptions, Operation,
    Read, Write,
};

use super::world::{self, World};

/// A backend, with or without lanes beside it, and a folder of its own, removed at the end.
pub(crate) struct Subject {
    /// What every configuration starts from.
    config: Config,
    lanes: Lanes,
    world: World,
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

    /// The subject of the tests on a simulated disk without faults, which run everywhere.
    pub(crate) fn sim() -> Subject {
        Subject::sim_with(SimOptions::new(1))
    }

    /// As `sim`, on a disk of this kind.
    pub(crate) fn sim_with(options: SimOptions) -> Subject {
        let (world, disk) = World::simulated(options);
        Subject { config: Config::new().simulated(&disk), lanes: Lanes::Auto, world }
    }

    fn new(backend: BackendChoice) -> Subject {
        let config = Config::new().backend(backend);
        Subject { config, lanes: Lanes::Auto, world: World::real() }
    }

    /// The same backend with these lanes, in another folder of the disk.
    pub(crate) fn with_lanes(&self, lanes: Lanes) -> Subject {
        Subject { config: self.config.clone(), lanes, world: World::real() }
    }

    /// Runs a case with lanes and without.
    pub(crate) fn run(&self, case: fn(&Subject)) {
        case(self);
        case(&self.with_lanes(Lanes::Off));
    }

    /// A configuration of this backend, the rest as it comes.
    pub(crate) fn config(&self) -> Config {
        self.config.clone().lanes(self.lanes.clone())
    }

    /// An engine of this backend, the rest as it comes.
    pub(crate) fn engine(&self) -> Engine {
        self.config().start().expect("the backend starts")
    }

    /// The simulated disk, if it is one.
    pub(crate) fn disk(&self) -> Option<SimDisk> {
        world::disk_of(self.world.folder())
    }

    /// A path in the folder of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.world.folder().join(name)
    }

    /// A file with this content, which replaces one of the same name.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        match world::disk_of(&path) {
            Some(disk) => disk.replace(&path, content).expect("the disk takes a file"),
            None => fs::write(&path, content).expect("the folder takes a file"),
        }
        path
    }

    /// A new folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        match world::disk_of(&path) {
            Some(disk) => disk.create_directory(&path).expect("the disk takes a folder"),
            None => fs::create_dir(&path).expect("the folder takes another one"),
        }
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
    try_open(path, &File::options().read(true)).expect("the file opens")
}

/// Opens for reading and writing.
#[track_caller]
pub(crate) fn open_for_writing(path: &Path) -> File {
    let options = File::options().read(true).write(true);
    try_open(path, &options).expect("the file opens for writing")
}

/// Opens as the options say, in whichever world the path lies.
pub(crate) fn try_open(path: &Path, options: &OpenOptions) -> Result<File, Error> {
    match world::disk_of(path) {
        Some(disk) => disk.open(path, options),
        None => options.open(path),
    }
}

/// What the file holds, read without any engine.
#[track_caller]
pub(crate) fn contents(path: &Path) -> Vec<u8> {
    match world::disk_of(path) {
        Some(disk) => disk.contents(path).expect("the disk has the file"),
        None => fs::read(path).expect("the folder has the file"),
    }
}

/// Writes into a file without any engine.
#[track_caller]
pub(crate) fn overwrite(path: &Path, offset: usize, bytes: &[u8]) {
    let mut whole = contents(path);
    whole.resize(whole.len().max(offset + bytes.len()), 0);
    whole[offset..offset + bytes.len()].copy_from_slice(bytes);
    match world::disk_of(path) {
        Some(disk) => disk.replace(path, &whole).expect("the disk has the file"),
        None => fs::write(path, whole).expect("the folder has the file"),
    }
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
