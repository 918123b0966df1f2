//! Programs of operations and chains on a simulated disk with faults, beside arrays of bytes: each
//! outcome and each file must be what the arrays say, however runs are cut and requests cancelled.

use super::input::Input;
use iomill_engine::backend::sim::{Faults, SimDisk, SimOptions};
use iomill_engine::{
    Buffer, Chain, Completion, Config, DurableAppend, DurableMethod, DurableWrite, Engine, Error,
    ErrorKind, File, Nop, OpId, Operation, Read, Sync, Truncate, Wait, Write,
};
use std::cell::RefCell;
use std::rc::Rc;

const SECTOR: usize = 512;
const SECTORS: u8 = 8;
const NAMES: [&str; 2] = ["first", "second"];
/// So many operations a program has at most.
const OPERATIONS_MAX: usize = 64;

/// What one step does to its file.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Write { sector: u8, fill: u8 },
    Append { fill: u8 },
    Truncate { sectors: u8 },
}

impl Effect {
    fn apply(self, bytes: &mut Vec<u8>) {
        let (from, fill) = match self {
            Self::Write { sector, fill } => (usize::from(sector) * SECTOR, fill),
            Self::Append { fill } => (bytes.len(), fill),
            Self::Truncate { sectors } => return bytes.resize(usize::from(sectors) * SECTOR, 0),
        };
        bytes.resize(bytes.len().max(from + SECTOR), 0);
        bytes[from..from + SECTOR].fill(fill);
    }
}

/// The sector of a read and the bytes that it brought.
type Brought = Option<(u8, Vec<u8>)>;

/// How an operation ended, and what a read in it brought.
#[derive(Debug)]
struct Ended {
    result: Result<(), Error>,
    read: Brought,
}

/// One file, its twin, and the operation on it that is in flight.
struct Subject {
    file: File,
    twin: Vec<u8>,
    effects: Vec<Effect>,
    ended: Rc<RefCell<Option<Ended>>>,
    id: Option<OpId>,
}

fn buffer(engine: &Engine, fill: u8) -> Option<Buffer> {
    let mut buffer = engine.buffer()?;
    buffer.set_len(SECTOR);
    buffer.fill(fill);
    Some(buffer)
}

/// Submits an operation, whose read is found by `read`.
fn submit<O: Operation>(
    engine: &mut Engine,
    subject: &mut Subject,
    op: O,
    read: fn(&Completion<O>) -> Brought,
) -> Result<(), String> {
    let ended = Rc::clone(&subject.ended);
    let submitted = engine.submit(op, move |done, _| {
        let read = read(&done);
        let before = ended.borrow_mut().replace(Ended { result: done.result.map(drop), read });
        assert!(before.is_none(), "called back twice");
    });
    subject.id = Some(submitted.map_err(|refused| format!("refused: {}", refused.error))?);
    Ok(())
}

fn none<O: Operation>(_: &Completion<O>) -> Brought {
    None
}

/// Sector and bytes of a read.
fn of_read(op: &Read, is_done: bool) -> Brought {
    let sector = u8::try_from(op.offset / SECTOR as u64).ok()?;
    is_done.then(|| (sector, op.buffer.to_vec()))
}

/// Submits what the input says for one file.
fn begin(engine: &mut Engine, subject: &mut Subject, input: &mut Input<'_>) -> Result<(), String> {
    let file = subject.file.clone();
    let (first, second) = (input.below(u16::from(SECTORS)), input.below(u16::from(SECTORS)));
    let fill = input.byte();
    let other = fill.wrapping_add(1);
    let offset = |sector: u8| u64::from(sector) * SECTOR as u64;
    let [Some(one), Some(two)] = [buffer(engine, fill), buffer(engine, other)] else {
        return Err("no buffer".to_owned());
    };
    let write = |sector, buffer| Write { file: file.clone(), offset: offset(sector), buffer };
    let sync = || Sync { file: file.clone(), data_only: fill.is_multiple_of(2) };
    let writes = |sector, fill| Effect::Write { sector, fill };
    let kind = input.below(10);
    subject.effects = match kind {
        0..=2 | 8 => vec![writes(first, fill)],
        3 | 4 => vec![writes(first, fill), writes(second, other)],
        5 => vec![Effect::Truncate { sectors: first }, writes(second, fill)],
        6 => vec![Effect::Append { fill }],
        _ => Vec::new(),
    };
    match kind {
        0 => submit(engine, subject, write(first, one), none),
        1 => submit(engine, subject, Chain::new((write(first, one), sync())), none),
        2 => {
            let read = Read { file: file.clone(), offset: offset(first), buffer: two };
            let chain = Chain::new((write(first, one), Nop, read));
            submit(engine, subject, chain, |done| of_read(&done.op.steps.2, done.result.is_ok()))
        }
        3 => {
            let chain = Chain::new((write(first, one), write(second, two), sync()));
            submit(engine, subject, chain, none)
        }
        4 => {
            let chain = Chain::new((write(first, one), sync(), write(second, two), sync()));
            submit(engine, subject, chain, none)
        }
        5 => {
            let cut = Truncate { file: file.clone(), len_bytes: offset(first) };
            submit(engine, subject, Chain::new((cut, write(second, one))), none)
        }
        6 => submit(engine, subject, DurableAppend { file, buffer: one }, none),
        7 => {
            let read = Read { file, offset: offset(first), buffer: one };
            submit(engine, subject, read, |done| of_read(&done.op, done.result.is_ok()))
        }
        8 => {
            let op = DurableWrite { file, offset: offset(first), buffer: one };
            submit(engine, subject, op, none)
        }
        _ => {
            let chain = Chain::new((Nop, sync(), Nop));
            submit(engine, subject, chain, none)
        }
    }
}

/// Whether a file is what a step has left that was stopped in the middle: it turns the first state
/// into the second one.
fn is_between(is: &[u8], states: &[Vec<u8>]) -> bool {
    let (Some(old), Some(new)) = (states.first(), states.last()) else { return false };
    let lens = old.len().min(new.len())..=old.len().max(new.len());
    let mut bytes = is.iter().enumerate();
    lens.contains(&is.len())
        && bytes.all(|(at, byte)| match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) => byte == old || byte == new,
            // Not written yet, behind the old end.
            (None, Some(new)) => byte == new || *byte == 0,
            (old, None) => Some(byte) == old,
        })
}

/// Compares one file with its twin after the end of its operation.
fn judge(disk: &SimDisk, name: &str, subject: &mut Subject) -> Result<(), String> {
    let Some(Ended { result, read }) = subject.ended.take() else {
        return if subject.id.is_none() { Ok(()) } else { Err("never called back".to_owned()) };
    };
    subject.id = None;
    let is = disk.contents(name).ok_or("the file is gone")?;
    // What each prefix of the steps makes of it.
    let mut states = vec![subject.twin.clone()];
    for effect in std::mem::take(&mut subject.effects) {
        let mut next = states.last().cloned().unwrap_or_default();
        effect.apply(&mut next);
        states.push(next);
    }
    let is_right = match result {
        Ok(()) => states.last() == Some(&is),
        // As far as it came, the last step perhaps in part.
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            states.contains(&is) || states.windows(2).any(|pair| is_between(&is, pair))
        }
        Err(error) => return Err(format!("it failed: {error}")),
    };
    if !is_right {
        return Err(format!("{name}: {} bytes are none of {} states", is.len(), states.len()));
    }
    if let Some((sector, read)) = read {
        let mut wanted = is.get(usize::from(sector) * SECTOR..).unwrap_or_default().to_vec();
        wanted.truncate(SECTOR);
        if read[..wanted.len()] != wanted {
            return Err(format!("{name}: a read of sector {sector} brought something else"));
        }
    }
    subject.twin = is;
    Ok(())
}

/// Runs the program that the bytes stand for.
pub(super) fn run(bytes: &[u8]) -> Result<(), String> {
    let input = &mut Input::new(bytes);
    let percent = |byte: u8| f64::from(byte % 60) / 100.0;
    let faults = Faults {
        cut_run: percent(input.byte()),
        short_transfer: percent(input.byte()),
        interrupted: percent(input.byte()),
        ..Faults::passing()
    };
    let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(u64::from(input.word())) });
    let flags = input.byte();
    let config = Config::new().depth(1 + u32::from(flags >> 4)).capacity(32).buffers(16, 512);
    let config = config.link(flags & 1 == 0);
    let said = |error: Error| error.to_string();
    let mut engine = config.simulated(&disk).start().map_err(said)?;
    let methods = [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync];
    let mut subjects = Vec::new();
    for name in NAMES {
        let file = disk.create(name, 0).map_err(said)?;
        file.set_durable_method(methods[usize::from(flags >> 1) % 3]);
        let (twin, effects, ended) = (Vec::new(), Vec::new(), Rc::default());
        subjects.push(Subject { file, twin, effects, ended, id: None });
    }
    for _ in 0..OPERATIONS_MAX {
        if input.is_empty() {
            break;
        }
        for subject in &mut subjects {
            begin(&mut engine, subject, input)?;
        }
        let cancel = input.byte();
        for turn in 0..cancel % 8 {
            if turn == cancel >> 5 && cancel & 8 != 0 {
                subjects[0].id.map(|id| engine.cancel(id));
            }
            engine.tick(Wait::AtLeast(1)).map_err(said)?;
        }
        engine.drain().map_err(said)?;
        for (name, subject) in NAMES.iter().zip(&mut subjects) {
            judge(&disk, name, subject)?;
        }
    }
    Ok(())
}
