//! The kinds of operations that `lanes` compares: each by plain calls and through an engine, on
//! files of its own. Measures nothing.

use crate::drive;
use iomill_engine::{
    Append, Close, Engine, File, Open, Read, Rename, Stat, Sync, Truncate, Unlink, Write,
    WriteFlags, WriteWith,
};
use rustix::io::ReadWriteFlags;
use std::io::{IoSlice, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const BLOCK: usize = 4096;
const FILE_BLOCKS: u64 = 2048;

/// Runs operations through an engine: depth, count.
type OnEngine = dyn Fn(&mut Engine, u32, u64);

/// One kind of operation. `count` of them take a few milliseconds.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) count: u64,
    /// Before each side's turn, outside of the measurement.
    pub(crate) prepare: Box<dyn Fn()>,
    pub(crate) plain: Box<dyn Fn(u64)>,
    pub(crate) engine: Box<OnEngine>,
}

/// All of them; on tmpfs too, where there is one.
pub(crate) fn all(folder: &Path, memory: Option<&Path>) -> Vec<Case> {
    let mut cases = vec![
        read("read", &blocks(folder, "read"), false, 8000),
        write("overwrite", &blocks(folder, "overwrite"), 2000),
        append(&folder.join("append")),
        stat(&blocks(folder, "stat")),
        open(&blocks(folder, "open")),
        rename(folder),
        create(folder),
        unlink(folder),
        truncate(&blocks(folder, "truncate")),
        sync(&blocks(folder, "sync")),
        durable(&blocks(folder, "durable")),
    ];
    let direct = blocks(folder, "direct");
    if File::options().read(true).direct(true).open(&direct).is_ok() {
        cases.insert(1, read("direct read", &direct, true, 200));
    }
    if let Some(memory) = memory {
        cases.push(read("tmpfs read", &blocks(memory, "read"), false, 8000));
        cases.push(write("tmpfs write", &blocks(memory, "write"), 4000));
    }
    cases
}

/// A file of blocks, in the page cache and on the device.
fn blocks(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let mut file = std::fs::File::create(&path).expect("a new file");
    for _ in 0..FILE_BLOCKS {
        file.write_all(&[0x5a; BLOCK]).expect("there is room");
    }
    file.sync_all().expect("it is written");
    path
}

/// Offsets of blocks at random, the same for every side.
#[derive(Clone, Copy)]
struct Places(u64);

impl Places {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % FILE_BLOCKS * BLOCK as u64
    }
}

fn both(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("the file opens")
}

fn plain_both(path: &Path) -> std::fs::File {
    std::fs::File::options().read(true).write(true).open(path).expect("the file opens")
}

fn nothing() -> Box<dyn Fn()> {
    Box::new(|| ())
}

/// As many operations as the depth.
fn filled<O>(depth: u32, mut make: impl FnMut(u32) -> O) -> Vec<O> {
    (0..depth).map(&mut make).collect()
}

fn read(name: &'static str, path: &Path, direct: bool, count: u64) -> Case {
    let flags = if direct { libc::O_DIRECT } else { 0 };
    let plain = std::fs::File::options().read(true).custom_flags(flags).open(path);
    let plain = plain.expect("the file opens");
    let file = File::options().read(true).direct(direct).open(path).expect("the file opens");
    Case {
        name,
        count,
        prepare: nothing(),
        plain: Box::new(move |count| {
            let mut memory = vec![0_u8; 2 * BLOCK];
            let lead = memory.as_ptr().align_offset(BLOCK);
            let block = &mut memory[lead..lead + BLOCK];
            let mut places = Places::new();
            for _ in 0..count {
                plain.read_exact_at(block, places.next()).expect("a read");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let mut places = Places::new();
            let first = filled(depth, |_| Read {
                file: file.clone(),
                offset: places.next(),
                buffer: engine.buffer().expect("a buffer per request"),
            });
            drive(engine, first, count, move |op| Read { offset: places.next(), ..op });
        }),
    }
}

fn write(name: &'static str, path: &Path, count: u64) -> Case {
    let (plain, file) = (plain_both(path), both(path));
    Case {
        name,
        count,
        prepare: nothing(),
        plain: Box::new(move |count| {
            let mut places = Places::new();
            for _ in 0..count {
                plain.write_all_at(&[1; BLOCK], places.next()).expect("a write");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let mut places = Places::new();
            let first = filled(depth, |_| Write {
                file: file.clone(),
                offset: places.next(),
                buffer: engine.buffer().expect("a buffer per request"),
            });
            drive(engine, first, count, move |op| Write { offset: places.next(), ..op });
        }),
    }
}

fn append(path: &Path) -> Case {
    let plain = std::fs::File::options().append(true).create(true).open(path).expect("a file");
    let (cut, file) = (plain.try_clone().expect("a second handle"), both(path));
    Case {
        name: "append",
        count: 1000,
        prepare: Box::new(move || cut.set_len(0).expect("the file is cut")),
        plain: Box::new(move |count| {
            for _ in 0..count {
                (&plain).write_all(&[1; BLOCK]).expect("an append");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let first = filled(depth, |_| Append {
                file: file.clone(),
                buffer: engine.buffer().expect("a buffer per request"),
            });
            drive(engine, first, count, |op| op);
        }),
    }
}

fn stat(path: &Path) -> Case {
    let (plain, path) = (path.to_owned(), path.to_owned());
    Case {
        name: "stat",
        count: 5000,
        prepare: nothing(),
        plain: Box::new(move |count| {
            for _ in 0..count {
                std::fs::metadata(&plain).expect("it is there");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let first = filled(depth, |_| Stat::path(&path).expect("a path"));
            drive(engine, first, count, |op| op);
        }),
    }
}

/// Beside the plain calls of `File::open`, which come to the same: a file whose kind, flags and
/// file system are known.
fn open(path: &Path) -> Case {
    let (plain, path) = (path.to_owned(), path.to_owned());
    Case {
        name: "open and close",
        count: 2000,
        prepare: nothing(),
        plain: Box::new(move |count| {
            for _ in 0..count {
                drop(File::open(&plain).expect("it opens"));
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let options = || File::options().read(true);
            let first = filled(depth, |_| Open::new(options(), &path).expect("a path"));
            drive(engine, first, count / 2, |op| op);
            // The other half is closed through the engine.
            let file = || File::open(&path).expect("it opens");
            let closes = filled(depth, |_| Close::new(file()));
            let reopened = path.clone();
            drive(engine, closes, count / 2, move |_| {
                Close::new(File::open(&reopened).expect("it opens"))
            });
        }),
    }
}

fn rename(folder: &Path) -> Case {
    let folder = folder.join("renames");
    std::fs::create_dir(&folder).expect("a new folder");
    let [at_plain, at_engine] = [folder.clone(), folder.clone()];
    for index in 0..64 {
        std::fs::write(folder.join(format!("{index}-a")), b"").expect("a file");
    }
    Case {
        name: "rename",
        count: 500,
        prepare: nothing(),
        plain: Box::new(move |count| {
            for turn in 0..count {
                let (from, to) = if turn % 2 == 0 { ("a", "b") } else { ("b", "a") };
                let from = at_plain.join(format!("63-{from}"));
                std::fs::rename(from, at_plain.join(format!("63-{to}"))).expect("a rename");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            // Each request has a file of its own, which gets its other name in each turn; an even
            // number of turns brings the first one back.
            let turns = (count / u64::from(depth) / 2 * 2).max(2);
            for turn in 0..turns {
                let (from, to) = if turn % 2 == 0 { ("a", "b") } else { ("b", "a") };
                let ops = filled(depth, |index| {
                    let from = at_engine.join(format!("{index}-{from}"));
                    let to = at_engine.join(format!("{index}-{to}"));
                    Rename::new(from, to).expect("paths")
                });
                drive(engine, ops, u64::from(depth), |op| op);
            }
        }),
    }
}

fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("it is removed");
    }
}

fn create(folder: &Path) -> Case {
    let folder = folder.join("creates");
    std::fs::create_dir(&folder).expect("a new folder");
    let [at_plain, at_engine, emptied] = [folder.clone(), folder.clone(), folder];
    let options = || File::options().write(true).create_new(true);
    Case {
        name: "create",
        count: 300,
        prepare: Box::new(move || empty(&emptied)),
        plain: Box::new(move |count| {
            for index in 0..count {
                drop(options().open(at_plain.join(index.to_string())).expect("a new file"));
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let (folder, mut index) = (at_engine.clone(), 0);
            let mut next = move || {
                index += 1;
                Open::new(options(), folder.join(index.to_string())).expect("a path")
            };
            let first = filled(depth, |_| next());
            drive(engine, first, count, move |_| next());
        }),
    }
}

fn unlink(folder: &Path) -> Case {
    const COUNT: u64 = 300;
    let folder = folder.join("unlinks");
    std::fs::create_dir(&folder).expect("a new folder");
    let [at_plain, at_engine, filled_in] = [folder.clone(), folder.clone(), folder];
    Case {
        name: "unlink",
        count: COUNT,
        prepare: Box::new(move || {
            for index in 0..COUNT {
                std::fs::write(filled_in.join(index.to_string()), b"").expect("a file");
            }
        }),
        plain: Box::new(move |count| {
            for index in 0..count {
                std::fs::remove_file(at_plain.join(index.to_string())).expect("it is there");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let (folder, mut index) = (at_engine.clone(), 0);
            let mut next = move || {
                index += 1;
                Unlink::file(folder.join((index - 1).to_string())).expect("a path")
            };
            let first = filled(depth, |_| next());
            drive(engine, first, count, move |_| next());
        }),
    }
}

fn truncate(path: &Path) -> Case {
    let (plain, file) = (plain_both(path), both(path));
    let len_bytes = FILE_BLOCKS * BLOCK as u64;
    Case {
        name: "truncate",
        count: 2000,
        prepare: nothing(),
        plain: Box::new(move |count| {
            for _ in 0..count {
                plain.set_len(len_bytes).expect("it is cut");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let first = filled(depth, |_| Truncate { file: file.clone(), len_bytes });
            drive(engine, first, count, |op| op);
        }),
    }
}

/// Each sync follows a plain write, so that there is something to sync.
fn sync(path: &Path) -> Case {
    let (plain, file) = (plain_both(path), both(path));
    let dirty = Rc::new(plain_both(path));
    Case {
        name: "write and sync",
        count: 40,
        prepare: nothing(),
        plain: Box::new(move |count| {
            let mut places = Places::new();
            for _ in 0..count {
                plain.write_all_at(&[1; BLOCK], places.next()).expect("a write");
                plain.sync_data().expect("a sync");
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let mut places = Places::new();
            let dirty = Rc::clone(&dirty);
            let mut next = move || {
                dirty.write_all_at(&[1; BLOCK], places.next()).expect("a write");
            };
            let first = filled(depth, |_| {
                next();
                Sync { file: file.clone(), data_only: true }
            });
            drive(engine, first, count, move |op| {
                next();
                op
            });
        }),
    }
}

fn durable(path: &Path) -> Case {
    let (plain, file) = (plain_both(path), both(path));
    Case {
        name: "durable write",
        count: 40,
        prepare: nothing(),
        plain: Box::new(move |count| {
            let mut places = Places::new();
            for _ in 0..count {
                let block = [IoSlice::new(&[1; BLOCK])];
                let flags = ReadWriteFlags::DSYNC;
                let written = rustix::io::pwritev2(&plain, &block, places.next(), flags);
                assert_eq!(written, Ok(BLOCK));
            }
        }),
        engine: Box::new(move |engine, depth, count| {
            let mut places = Places::new();
            let first = filled(depth, |_| WriteWith {
                file: file.clone(),
                offset: places.next(),
                buffer: engine.buffer().expect("a buffer per request"),
                flags: WriteFlags::DSYNC,
            });
            drive(engine, first, count, move |op| WriteWith { offset: places.next(), ..op });
        }),
    }
}
