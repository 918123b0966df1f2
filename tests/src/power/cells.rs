//! What a guest does with the engine while its disk is recorded: small programs that store things,
//! each in a file of its own. Before an operation begins and when it has been acknowledged somebody
//! is told. `guest` runs them, and a test on the simulated disk; whether they were promised too
//! much is judged elsewhere.

use super::block;
use super::mark::{Extent, Kind, Mark};
use super::{SECTOR_LEN, SECTOR_LEN_BYTES};
use crate::random::Random;
use iomill_engine::{
    Buffer, Chain, DurableAppend, DurableMethod, DurableWrite, Engine, Error, File, Open,
    Operation, Rename, Sync, Write,
};
use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

/// Who is told of it, also by callbacks.
pub type Host = Rc<dyn Fn(Mark)>;

/// The length of a file whose sectors are written each for itself.
const SECTORS: u64 = 64;
/// So many of them are written from the start; the rest is a hole.
const FILLED: u64 = 32;
/// The length of what is replaced as a whole.
const WHOLE_SECTORS: u64 = 9;
/// The longest write in sectors: more than a page.
const WRITE_SECTORS_MAX: u64 = 12;
/// How many operations of a cell are in flight at once, where order does not matter.
const AT_ONCE: u32 = 4;
/// The buffers that they need at least; eight at once. Units: bytes.
pub const BUFFER_LEN_BYTES: u32 = 16 << 10;

/// How a cell stores things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Durable writes by this method, through the page cache or not.
    Durable(DurableMethod, bool),
    /// Durable appends, one after the other.
    Append,
    /// Two writes at different places and one sync, as a chain.
    Chain,
    /// Data, a sync, a record that says they are there, a sync: as a chain.
    Commit,
    /// A new file, a sync, a rename over the old one, a sync of the name: as a chain.
    Replace,
    /// What must not be done: a plain write, taken for lasting.
    Plain,
    /// What must not be done: a sync, and then the write.
    Reversed,
}

const PROGRAMS: [(&str, Program); 11] = [
    ("dsync", Program::Durable(DurableMethod::Dsync, false)),
    ("linked", Program::Durable(DurableMethod::LinkedSync, false)),
    ("later", Program::Durable(DurableMethod::LaterSync, false)),
    ("direct-dsync", Program::Durable(DurableMethod::Dsync, true)),
    ("direct-linked", Program::Durable(DurableMethod::LinkedSync, true)),
    ("append", Program::Append),
    ("chain", Program::Chain),
    ("commit", Program::Commit),
    ("replace", Program::Replace),
    ("wrong-plain", Program::Plain),
    ("wrong-reversed", Program::Reversed),
];

/// Whether a cell does what must not be done, so that its promises have to be broken.
pub fn is_wrong(cell: &str) -> bool {
    cell.contains("wrong-")
}

/// One program with its file.
#[derive(Debug)]
pub struct Cell {
    name: String,
    program: Program,
    file: File,
    next: u32,
    /// The end of what was appended. Units: sectors.
    end: u64,
    random: Random,
}

/// What a cell's file has to be at the beginning.
#[derive(Debug)]
pub struct Beginning {
    /// Its name, which is the cell's.
    pub name: String,
    /// Its first bytes; zeros, never written, up to the length.
    pub bytes: Vec<u8>,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// Whether it is used past the page cache.
    pub is_direct: bool,
}

/// All cells of a backend, with files that `make` makes.
///
/// # Errors
/// What `make` says, with the cell's name.
pub fn all<E: Display>(
    backend: &str,
    seed: u64,
    mut make: impl FnMut(&Beginning) -> Result<File, E>,
) -> Result<Vec<Cell>, String> {
    let mut random = Random::new(seed);
    let mut cell = |(name, program): &(&str, Program)| {
        let name = format!("{backend}-{name}");
        let file = make(&program.beginning(&name)).map_err(|why| format!("{name}: {why}"))?;
        if let Program::Durable(method, _) = program {
            file.set_durable_method(*method);
        }
        let random = Random::new(random.bits());
        Ok(Cell { name, program: *program, file, next: 2, end: 0, random })
    };
    PROGRAMS.iter().map(&mut cell).collect()
}

impl Cell {
    /// Its name, which is that of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is said when its file is there and lasting.
    pub fn made(&self) -> Mark {
        let (sectors, filled) = self.program.len_and_filled();
        let kind = match self.program {
            Program::Replace => Kind::Whole,
            Program::Durable(_, true) => Kind::Direct,
            _ => Kind::Sectors,
        };
        Mark::Made { cell: self.name.clone(), kind, sectors, filled }
    }

    /// A few operations to their end.
    ///
    /// # Errors
    /// When one cannot be submitted.
    ///
    /// # Panics
    /// When one fails: on a sound disk none does.
    pub fn round(&mut self, engine: &mut Engine, host: &Host) -> Result<(), Error> {
        match self.program {
            Program::Append => self.append(engine, host),
            Program::Replace => self.replace(engine, host),
            _ => {
                for _ in 0..AT_ONCE {
                    self.store(engine, host)?;
                }
                engine.drain()
            }
        }
    }

    fn store(&mut self, engine: &mut Engine, host: &Host) -> Result<(), Error> {
        let file = self.file.clone();
        let one = self.extent(0..SECTORS);
        match self.program {
            Program::Durable(..) => {
                let op = self.begin(host, vec![vec![one]]);
                let (offset, buffer) = self.filled(engine, op, one);
                submit(engine, DurableWrite { file, offset, buffer }, self.acked(host, op))
            }
            Program::Chain => {
                let other = self.extent(0..SECTORS);
                let op = self.begin(host, vec![vec![one, other]]);
                let writes = [one, other].map(|extent| self.write(engine, op, extent));
                let [one, other] = writes;
                let chain = Chain::new((one, other, Sync { file, data_only: true }));
                submit(engine, chain, self.acked(host, op))
            }
            Program::Commit => {
                // Records lie in the first half, data in the second.
                let record = Extent { place: one.place % FILLED, sectors: 1 };
                let data = self.extent(FILLED..SECTORS);
                let op = self.begin(host, vec![vec![data], vec![record]]);
                let sync = || Sync { file: file.clone(), data_only: true };
                let data = self.write(engine, op, data);
                let record = self.write(engine, op, record);
                let chain = Chain::new((data, sync(), record, sync()));
                submit(engine, chain, self.acked(host, op))
            }
            Program::Plain => {
                let op = self.begin(host, vec![vec![one]]);
                let write = self.write(engine, op, one);
                submit(engine, write, self.acked(host, op))
            }
            Program::Reversed => {
                let op = self.begin(host, vec![vec![one]]);
                let write = self.write(engine, op, one);
                let chain = Chain::new((Sync { file, data_only: true }, write));
                submit(engine, chain, self.acked(host, op))
            }
            Program::Append | Program::Replace => unreachable!("they have rounds of their own"),
        }
    }

    fn append(&mut self, engine: &mut Engine, host: &Host) -> Result<(), Error> {
        let sectors = 1 + self.random.below(WRITE_SECTORS_MAX);
        let extent = Extent { place: self.end, sectors };
        self.end += sectors;
        let op = self.begin(host, vec![vec![extent]]);
        let (_, buffer) = self.filled(engine, op, extent);
        let append = DurableAppend { file: self.file.clone(), buffer };
        submit(engine, append, self.acked(host, op))?;
        engine.drain()
    }

    fn replace(&mut self, engine: &mut Engine, host: &Host) -> Result<(), Error> {
        let all = Extent { place: 0, sectors: WHOLE_SECTORS };
        let op = self.begin(host, vec![vec![all]]);
        let old = self.file.path().to_path_buf();
        let new = old.with_extension("new");
        let options = File::options().read(true).write(true).create(true).truncate(true);
        let opened = Rc::new(RefCell::new(None));
        let inside = Rc::clone(&opened);
        let open = Open::new(options, &new)?;
        submit(engine, open, move |file| *inside.borrow_mut() = Some(file))?;
        engine.drain()?;
        let file = opened.take().expect("a drained engine has called back");
        let (offset, buffer) = self.filled(engine, op, all);
        let sync = || Sync { file: file.clone(), data_only: false };
        let write = Write { file: file.clone(), offset, buffer };
        let chain = Chain::new((write, sync(), Rename::new(&new, &old)?, sync()));
        let acked = self.acked(host, op);
        submit(engine, chain, acked)?;
        engine.drain()
    }

    fn extent(&mut self, within: std::ops::Range<u64>) -> Extent {
        let sectors = 1 + self.random.below(WRITE_SECTORS_MAX);
        let place = within.start + self.random.below(within.end - within.start - sectors + 1);
        Extent { place, sectors }
    }

    /// Says that the next operation begins; its number.
    fn begin(&mut self, host: &Host, groups: Vec<Vec<Extent>>) -> u32 {
        let op = self.next;
        self.next += 1;
        let begun = Mark::Begun { cell: self.name.clone(), op, groups };
        host(begun);
        op
    }

    /// Says that it was acknowledged, whatever its output.
    fn acked<T>(&self, host: &Host, op: u32) -> impl FnOnce(T) + use<T> {
        // A callback may take few bytes along.
        let mark = Box::new(Mark::Acked { cell: self.name.clone(), op });
        let host = Rc::clone(host);
        move |_| host(*mark)
    }

    fn filled(&self, engine: &Engine, op: u32, extent: Extent) -> (u64, Buffer) {
        let mut buffer = engine.buffer().expect("there are more than are used at once");
        buffer.set_len(usize::try_from(extent.sectors).unwrap_or(0) * SECTOR_LEN);
        block::fill(&self.name, op, extent.place, &mut buffer);
        (extent.place * SECTOR_LEN_BYTES, buffer)
    }

    fn write(&self, engine: &Engine, op: u32, extent: Extent) -> Write {
        let (offset, buffer) = self.filled(engine, op, extent);
        Write { file: self.file.clone(), offset, buffer }
    }
}

impl Program {
    fn beginning(self, name: &str) -> Beginning {
        let (sectors, filled) = self.len_and_filled();
        let mut bytes = vec![0; usize::try_from(filled * SECTOR_LEN_BYTES).unwrap_or(0)];
        block::fill(name, 1, 0, &mut bytes);
        let is_direct = matches!(self, Self::Durable(_, true));
        Beginning { name: name.to_owned(), bytes, len_bytes: sectors * SECTOR_LEN_BYTES, is_direct }
    }

    /// The length of the file and how much of it is filled, in sectors.
    fn len_and_filled(self) -> (u64, u64) {
        match self {
            Self::Append => (0, 0),
            Self::Replace => (WHOLE_SECTORS, WHOLE_SECTORS),
            _ => (SECTORS, FILLED),
        }
    }
}

/// Submits what must succeed.
fn submit<O, F>(engine: &mut Engine, op: O, on_success: F) -> Result<(), Error>
where
    O: Operation + 'static,
    F: FnOnce(O::Output) + 'static,
{
    let submitted = engine.submit(op, |done, _| match done.result {
        Ok(output) => on_success(output),
        Err(error) => panic!("no fault was injected: {error}"),
    });
    submitted.map(|_| ()).map_err(Error::from)
}
