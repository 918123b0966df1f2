//! What the engine does when a disk fails under a real file system: trials that run in a guest,
//! each on a fresh disk, with an engine and files of its own. The guest orders each fault from the
//! host (`faulty`), and looks at what the engine makes of it. Called by `guest`.

use super::block::{self, Seen};
use super::port::Line;
use super::{SECTOR_LEN, SECTOR_LEN_BYTES};
use iomill_engine::{
    Advice, Advise, BackendChoice, Buffer, Chain, Config, DurableAppend, DurableMethod,
    DurableWrite, Engine, Error, ErrorKind, File, Operation, Read, Sync, Write,
};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

/// The trial in which no fault is ordered, so that it has to notice something.
pub const CONTROL: &str = "control";

/// The length of each file.
const SECTORS: usize = 32;
/// The length of each transfer.
const SOME: usize = 8;

type Checked = Result<(), String>;
type Run = fn(&mut Trial<'_>) -> Checked;

/// Each trial with its name.
const TRIALS: [(&str, Run); 14] = [
    ("failed-write-back", |trial| trial.failed_write_back(1)),
    (CONTROL, |trial| trial.failed_write_back(0)),
    ("failed-flush", |trial| trial.failed_flush()),
    ("dsync", |trial| trial.durable_write(DurableMethod::Dsync, false)),
    ("linked", |trial| trial.durable_write(DurableMethod::LinkedSync, false)),
    ("later", |trial| trial.durable_write(DurableMethod::LaterSync, false)),
    ("direct-dsync", |trial| trial.durable_write(DurableMethod::Dsync, true)),
    ("direct-linked", |trial| trial.durable_write(DurableMethod::LinkedSync, true)),
    ("direct-later", |trial| trial.durable_write(DurableMethod::LaterSync, true)),
    ("append", |trial| trial.durable_append()),
    ("chain-cut-at-its-write", |trial| trial.chain(true)),
    ("chain-cut-at-its-sync", |trial| trial.chain(false)),
    ("direct-read", |trial| trial.failed_read(true)),
    ("read", |trial| trial.failed_read(false)),
];

/// What one trial works with.
struct Trial<'a> {
    engine: Engine,
    line: &'a mut Line,
    folder: PathBuf,
}

/// Runs all trials on each backend; `mount` and `unmount` are the guest's.
///
/// # Errors
/// When something fails that no trial has asked for.
pub fn run(
    line: &mut Line,
    folder: &str,
    mount: impl Fn() -> Checked,
    unmount: impl Fn() -> Checked,
) -> Checked {
    for (backend, choice) in
        [("uring", BackendChoice::IoUring), ("threads", BackendChoice::Threads)]
    {
        for (name, trial) in TRIALS {
            line.say("fresh");
            mount()?;
            let engine =
                Config::new().backend(choice).start().map_err(|error| error.to_string())?;
            let mut world = Trial { engine, line, folder: PathBuf::from(folder) };
            let result = trial(&mut world);
            drop(world);
            line.say("disarm");
            unmount()?;
            let wrong = result.err().unwrap_or_default();
            line.say(format!("result {backend}-{name} {wrong}").trim_end());
        }
    }
    line.say("over");
    Ok(())
}

/// An error of this kind.
fn expect<T>(result: Result<T, Error>, kind: ErrorKind, what: &str) -> Result<Error, String> {
    match result {
        Ok(_) => Err(format!("{what} succeeded")),
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(format!("{what} failed otherwise: {error}")),
    }
}

fn must(is_so: bool, what: &str) -> Checked {
    if is_so { Ok(()) } else { Err(format!("not so: {what}")) }
}

impl Trial<'_> {
    /// A file with sectors of operation 1, which are lasting.
    fn file(&self, name: &str, direct: bool) -> Result<File, String> {
        let path = self.folder.join(name);
        let mut bytes = vec![0; SECTORS * SECTOR_LEN];
        block::fill(name, 1, 0, &mut bytes);
        std::fs::write(&path, &bytes)
            .and_then(|()| std::fs::File::open(&path))
            .and_then(|file| file.sync_all())
            .map_err(|error| error.to_string())?;
        self.open(name, direct)
    }

    fn open(&self, name: &str, direct: bool) -> Result<File, String> {
        let options = File::options().read(true).write(true).direct(direct);
        options.open(self.folder.join(name)).map_err(|error| error.to_string())
    }

    fn buffer(&self, name: &str, op: u32, place: u64) -> Buffer {
        let mut buffer = self.engine.buffer().expect("few are used at once");
        buffer.set_len(SOME * SECTOR_LEN);
        block::fill(name, op, place, &mut buffer);
        buffer
    }

    fn write(&self, file: &File, op: u32, place: u64) -> Write {
        let name = name_of(file);
        let buffer = self.buffer(&name, op, place);
        Write { file: file.clone(), offset: place * SECTOR_LEN_BYTES, buffer }
    }

    /// What came of an operation, and the operation.
    fn perform<O: Operation + 'static>(&mut self, op: O) -> (O, Result<O::Output, Error>) {
        let place = Rc::new(RefCell::new(None));
        let inside = Rc::clone(&place);
        let submitted = self
            .engine
            .submit(op, move |done, _| *inside.borrow_mut() = Some((done.op, done.result)));
        if let Err(refused) = submitted {
            return (refused.op, Err(refused.error));
        }
        self.engine.drain().expect("a disk that fails is no failure of the backend");
        place.take().expect("what was accepted is called back")
    }

    fn succeed<O: Operation + 'static>(&mut self, op: O) -> Result<O, String> {
        let (op, result) = self.perform(op);
        result.map(|_| op).map_err(|error| format!("without a fault: {error}"))
    }

    fn arm(&mut self, what: &str) {
        self.line.say(&format!("arm {what}"));
    }

    /// No further faults; there must have been some.
    fn disarm(&mut self) -> Checked {
        let failed = self.line.ask("disarm");
        must(failed.parse::<u32>().is_ok_and(|failed| failed > 0), "the fault came")
    }

    /// What a range of a file shows, past the page cache.
    fn shows(&mut self, name: &str, place: u64, op: u32) -> Checked {
        let file = self.open(name, true)?;
        let mut buffer = self.engine.buffer().expect("few are used at once");
        buffer.set_len(SOME * SECTOR_LEN);
        let offset = place * SECTOR_LEN_BYTES;
        let read = self.succeed(Read { file, offset, buffer })?;
        for (place, sector) in (place..).zip(read.buffer.chunks(SECTOR_LEN)) {
            let seen = block::seen(name, place, sector);
            if seen != Seen::Op(op) {
                return Err(format!("sector {place} of {name} shows {seen:?}, not operation {op}"));
            }
        }
        Ok(())
    }

    /// The file takes nothing more, and says so.
    fn is_poisoned(&mut self, file: &File) -> Checked {
        must(file.is_poisoned(), "the file is poisoned")?;
        let write = self.write(file, 9, 0);
        let (write, result) = self.perform(write);
        expect(result, ErrorKind::Poisoned, "a write to a poisoned file")?;
        must(write.buffer.len() == SOME * SECTOR_LEN, "the refused buffer is back")?;
        let (_, result) = self.perform(Sync { file: file.clone(), data_only: false });
        expect(result, ErrorKind::Poisoned, "a sync of a poisoned file").map(drop)
    }

    /// The page cache has a write that the disk does not take: the sync must not succeed, nor any
    /// later one, until the file is opened anew. Others go on.
    fn failed_write_back(&mut self, faults: u32) -> Checked {
        let file = self.file("victim", false)?;
        let neighbour = self.file("neighbour", false)?;
        let write = self.write(&file, 2, 0);
        self.succeed(write)?;
        self.arm(&format!("writes {faults}"));
        let (_, result) = self.perform(Sync { file: file.clone(), data_only: true });
        expect(result, ErrorKind::Io, "a sync of what the disk did not take")?;
        self.disarm()?;
        self.is_poisoned(&file)?;
        let buffer = self.buffer("neighbour", 2, 8);
        self.succeed(DurableWrite { file: neighbour, offset: 8 * SECTOR_LEN_BYTES, buffer })?;
        self.shows("neighbour", 8, 2)?;
        drop(file);
        let again = self.open("victim", false)?;
        let buffer = self.buffer("victim", 3, 0);
        self.succeed(DurableWrite { file: again, offset: 0, buffer })?;
        self.shows("victim", 0, 3)
    }

    /// The disk takes the data and cannot make it lasting.
    fn failed_flush(&mut self) -> Checked {
        let file = self.file("victim", false)?;
        let write = self.write(&file, 2, 0);
        self.succeed(write)?;
        self.arm("flushes 1000");
        let (_, result) = self.perform(Sync { file: file.clone(), data_only: true });
        expect(result, ErrorKind::Io, "a sync with a flush that failed")?;
        self.disarm()?;
        self.is_poisoned(&file)
    }

    /// Nothing is acknowledged, and the buffer is back.
    fn durable_write(&mut self, method: DurableMethod, direct: bool) -> Checked {
        let file = self.file("victim", direct)?;
        file.set_durable_method(method);
        let buffer = self.buffer("victim", 2, 8);
        self.arm("writes 1");
        let offset = 8 * SECTOR_LEN_BYTES;
        let (write, result) = self.perform(DurableWrite { file: file.clone(), offset, buffer });
        expect(result, ErrorKind::Io, "a durable write that the disk did not take")?;
        self.disarm()?;
        must(write.buffer.len() == SOME * SECTOR_LEN, "the buffer is back")?;
        let seen = block::seen("victim", 8, &write.buffer[..SECTOR_LEN]);
        must(seen == Seen::Op(2), "the buffer is back as it was")?;
        // A direct write that failed by itself has told who wrote it: nothing else is in doubt.
        if !direct || method == DurableMethod::Dsync {
            self.is_poisoned(&file)?;
        }
        let again = self.open("victim", direct)?;
        self.succeed(DurableWrite { file: again, offset, buffer: write.buffer })?;
        self.shows("victim", 8, 2)
    }

    fn durable_append(&mut self) -> Checked {
        let file = self.file("victim", false)?;
        let buffer = self.buffer("victim", 2, SECTORS as u64);
        self.arm("writes 1");
        let (append, result) = self.perform(DurableAppend { file: file.clone(), buffer });
        expect(result, ErrorKind::Io, "a durable append that the disk did not take")?;
        self.disarm()?;
        must(append.buffer.len() == SOME * SECTOR_LEN, "the buffer is back")?;
        self.is_poisoned(&file)?;
        self.shows("victim", 0, 1)
    }

    /// What stands behind the step that failed was not begun.
    fn chain(&mut self, direct: bool) -> Checked {
        let file = self.file("victim", direct)?;
        let sync = Sync { file: file.clone(), data_only: true };
        let (one, other) = (self.write(&file, 2, 0), self.write(&file, 2, 16));
        self.arm("writes 1");
        let (chain, result) = self.perform(Chain::new((one, sync, other)));
        let error = expect(result, ErrorKind::Io, "a chain with a write that the disk refused")?;
        self.disarm()?;
        // Through the page cache the write succeeds, and the sync does not.
        let failed = if direct { 0 } else { 1 };
        must(error.failed_step() == Some(failed), &format!("step {failed} failed: {error}"))?;
        let (one, _, other) = *chain.steps;
        must(one.buffer.len() == other.buffer.len(), "both buffers are back")?;
        self.shows("victim", 16, 1)
    }

    fn failed_read(&mut self, direct: bool) -> Checked {
        let file = self.file("victim", direct)?;
        let advice = Advice::DontNeed;
        self.succeed(Advise { file: file.clone(), offset: 0, len_bytes: 0, advice })?;
        let buffer = self.buffer("victim", 7, 0);
        self.arm("reads 1000");
        let (read, result) = self.perform(Read { file, offset: 0, buffer });
        expect(result, ErrorKind::Io, "a read that the disk refused")?;
        self.disarm()?;
        let read = self.succeed(read)?;
        let seen = block::seen("victim", 0, &read.buffer[..SECTOR_LEN]);
        must(seen == Seen::Op(1), "the same request brings the bytes when the disk is well")
    }
}

fn name_of(file: &File) -> String {
    file.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}
