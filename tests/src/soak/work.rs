//! Draws operations on the files of a world, submits them, and judges their completions.

use super::block::{BLOCK_LEN_BYTES, Stamp};
use super::ledger::Range;
use super::names::Actor;
use super::port::Port;
use super::world::{CUT_BLOCKS, Files, World, lock};
use crate::random::Random;
use iomill_engine::{
    Advice, Advise, Allocate, AllocateMode, Buffer, BufferList, Chain, DurableWrite, Error,
    ErrorKind, Nop, Read, ReadVectored, Stat, Sync, SyncRange, Write, WriteVectored,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The log is cut to nothing at this length.
pub(super) const LOG_RECORDS_MAX: u32 = 400;
/// Files with short lives at once.
const ACTORS: usize = 6;
/// How long what is in flight may take at the end.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Whether a failure is one that was asked for.
fn is_given_up(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::DeadlineExceeded)
}

/// Keeps an engine busy on the files of a world.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) port: Port,
    pub(super) world: Arc<World>,
    pub(super) files: Files,
    pub(super) random: Random,
    actors: Vec<Arc<Mutex<Actor>>>,
}

impl World {
    /// Judges how a request ended; answers its output if it succeeded.
    pub(super) fn judge<T>(&self, kind: &'static str, result: Result<T, Error>) -> Option<T> {
        self.tally.kind(kind);
        match result {
            Ok(output) => Some(output),
            Err(error) if is_given_up(&error) => {
                self.tally.given_up();
                None
            }
            Err(error) => {
                self.tally.violation(format!("{kind}: {error}"));
                None
            }
        }
    }

    /// A write of a range has ended.
    fn written<T>(&self, kind: &'static str, range: Range, new: u32, result: Result<T, Error>) {
        let is_sure = self.judge(kind, result).is_some();
        lock(&self.ledger).written(range, new, is_sure);
        self.tally.called();
    }

    /// A read of a range has ended with these bytes.
    fn was_read(&self, kind: &'static str, range: Range, result: Result<u32, Error>, is: &[u8]) {
        if let Some(bytes) = self.judge(kind, result) {
            let mut ledger = lock(&self.ledger);
            let checked = match is.get(..bytes as usize) {
                Some(is) if is.len() == range.len_bytes() => ledger.check(range, is),
                _ => Err(format!("{bytes} bytes were read of {}", range.len_bytes())),
            };
            match checked {
                Ok(blocks) => self.tally.verified(blocks),
                Err(why) => self.tally.violation(format!("{kind}: {why}")),
            }
        }
        lock(&self.ledger).release(range);
        self.tally.called();
    }
}

impl Work {
    pub(super) fn new(port: Port, world: &Arc<World>, files: Files, random: Random) -> Self {
        let actor = |number| Arc::new(Mutex::new(Actor::new(&world.folder, number)));
        let actors = (0..ACTORS).map(actor).collect();
        Self { port, world: Arc::clone(world), files, random, actors }
    }

    /// Works until then, with so many requests in flight, and finishes all of them.
    pub(super) fn run(&mut self, until: Instant, in_flight: u64) {
        let tally = Arc::clone(&self.world.tally);
        while Instant::now() < until {
            for _ in 0..64 {
                if tally.in_flight() >= in_flight {
                    break;
                }
                self.draw();
            }
            self.port.turn(&tally);
        }
        let limit = Instant::now() + END_LIMIT;
        while tally.in_flight() > 0 && Instant::now() < limit {
            self.port.turn(&tally);
        }
        // What has a file open gives it up.
        for actor in &self.actors {
            lock(actor).forget();
        }
        if tally.in_flight() > 0 {
            let left = tally.in_flight();
            tally.violation(format!("{left} requests were not called back in {END_LIMIT:?}"));
        }
    }

    /// Submits one operation, or none if what it needs is in use.
    fn draw(&mut self) {
        match self.random.below(64) {
            0..16 => self.read(),
            16..28 => self.write(),
            28..32 => self.read_vectored(),
            32..36 => self.write_vectored(),
            36..38 => self.durable_write(),
            38..42 => self.chain(),
            42..44 => self.log(),
            44 => self.sync(),
            45..48 => self.small(),
            48..50 => self.punch(),
            50..56 => self.cut(),
            56..60 => {
                let actor = Arc::clone(&self.actors[self.random.index(ACTORS)]);
                Actor::act(&actor, self);
            }
            _ => {
                let random = &mut self.random;
                self.port.cancel_one(random);
            }
        }
    }

    /// A deadline for one in four: short enough to pass now and then.
    fn limit(&mut self) -> Option<Duration> {
        match self.random.below(4) {
            0 => Some(Duration::from_micros(self.random.below(5000))),
            1 => Some(Duration::from_secs(100)),
            _ => None,
        }
    }

    /// Blocks that nobody uses, and a buffer for them.
    fn take(&mut self, most: u64) -> Option<(Range, Buffer)> {
        let count = 1 + u32::try_from(self.random.below(most)).ok()?;
        let buffer = self.port.buffer(count as usize * BLOCK_LEN_BYTES)?;
        let range = lock(&self.world.ledger).take(&mut self.random, count)?;
        Some((range, buffer))
    }

    /// As `take`, filled with a new generation.
    fn take_filled(&mut self, most: u64) -> Option<(Range, Buffer, u32)> {
        let (range, mut buffer) = self.take(most)?;
        let mut ledger = lock(&self.world.ledger);
        let new = ledger.next_generation();
        ledger.fill(range, new, &mut buffer);
        Some((range, buffer, new))
    }

    /// What was taken was not handed over.
    fn release(&self, range: Range, accepted: bool) {
        if !accepted {
            lock(&self.world.ledger).release(range);
        }
    }

    fn read(&mut self) {
        let Some((range, buffer)) = self.take(4) else { return };
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let op = Read { file: self.files.blocks.clone(), offset: range.offset(), buffer };
        let tally = &self.world.tally;
        let accepted = self.port.submit(tally, op, limit, move |done, _| {
            world.was_read("read", range, done.result, &done.op.buffer);
        });
        self.release(range, accepted);
    }

    fn write(&mut self) {
        let Some((range, buffer, new)) = self.take_filled(4) else { return };
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let op = Write { file: self.files.blocks.clone(), offset: range.offset(), buffer };
        let tally = &self.world.tally;
        let accepted = self.port.submit(tally, op, limit, move |done, _| {
            world.written("write", range, new, done.result);
        });
        self.release(range, accepted);
    }

    /// The blocks of a range, each in a buffer of its own.
    fn pieces(&self, range: Range) -> Option<Vec<Buffer>> {
        (0..range.count).map(|_| self.port.buffer(BLOCK_LEN_BYTES)).collect()
    }

    fn read_vectored(&mut self) {
        let Some((range, _)) = self.take(4) else { return };
        let Some(pieces) = self.pieces(range) else { return self.release(range, false) };
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let (file, buffers) = (self.files.blocks.clone(), BufferList::from(pieces));
        let op = ReadVectored { file, offset: range.offset(), buffers };
        let tally = &self.world.tally;
        let accepted = self.port.submit(tally, op, limit, move |done, _| {
            let bytes: Vec<u8> = done.op.buffers.iter().flat_map(|it| it.to_vec()).collect();
            world.was_read("read vectored", range, done.result, &bytes);
        });
        self.release(range, accepted);
    }

    fn write_vectored(&mut self) {
        let Some((range, bytes, new)) = self.take_filled(4) else { return };
        let Some(mut pieces) = self.pieces(range) else { return self.release(range, false) };
        for (piece, bytes) in pieces.iter_mut().zip(bytes.chunks(BLOCK_LEN_BYTES)) {
            piece.copy_from_slice(bytes);
        }
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let (file, buffers) = (self.files.blocks.clone(), BufferList::from(pieces));
        let op = WriteVectored { file, offset: range.offset(), buffers };
        let tally = &self.world.tally;
        let accepted = self.port.submit(tally, op, limit, move |done, _| {
            world.written("write vectored", range, new, done.result);
        });
        self.release(range, accepted);
    }

    fn durable_write(&mut self) {
        let Some((range, buffer, new)) = self.take_filled(2) else { return };
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let op = DurableWrite { file: self.files.blocks.clone(), offset: range.offset(), buffer };
        let tally = &self.world.tally;
        let accepted = self.port.submit(tally, op, limit, move |done, _| {
            world.written("durable write", range, new, done.result);
        });
        self.release(range, accepted);
    }

    /// A write, another thing, and a read of what was written.
    fn chain(&mut self) {
        let Some((range, buffer, new)) = self.take_filled(2) else { return };
        let Some(back) = self.port.buffer(range.len_bytes()) else {
            return self.release(range, false);
        };
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let (file, offset) = (self.files.blocks.clone(), range.offset());
        let write = Write { file: file.clone(), offset, buffer };
        let read = Read { file: file.clone(), offset, buffer: back };
        let tally = &self.world.tally;
        let check = move |world: &World, result: Result<(), Error>, wrote: &[u8], back: &[u8]| {
            if result.is_ok() && wrote != back {
                world.tally.violation("chain: it did not read what it wrote".to_owned());
            }
            world.written("chain", range, new, result);
        };
        let accepted = if self.random.one_in(8) {
            let chain = Chain::new((write, Sync { file, data_only: true }, read));
            self.port.submit(tally, chain, limit, move |done, _| {
                let (write, _, read) = &*done.op.steps;
                check(&world, done.result.map(drop), &write.buffer, &read.buffer);
            })
        } else {
            let chain = Chain::new((write, Nop, read));
            self.port.submit(tally, chain, limit, move |done, _| {
                let (write, _, read) = &*done.op.steps;
                check(&world, done.result.map(drop), &write.buffer, &read.buffer);
            })
        };
        self.release(range, accepted);
    }

    fn sync(&mut self) {
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let tally = &self.world.tally;
        let op = Sync { file: self.files.blocks.clone(), data_only: self.random.one_in(2) };
        self.port.submit(tally, op, limit, move |done, _| {
            world.judge("sync", done.result);
            world.tally.called();
        });
    }

    /// What moves no bytes.
    fn small(&mut self) {
        let (world, file, limit) =
            (Arc::clone(&self.world), self.files.blocks.clone(), self.limit());
        let tally = &self.world.tally;
        match self.random.below(4) {
            0 => {
                let op = SyncRange { file, offset: 0, len_bytes: 1 << 16 };
                self.port.submit(tally, op, limit, move |done, _| {
                    world.judge("sync range", done.result);
                    world.tally.called();
                });
            }
            1 => {
                let advice = Advice::WillNeed;
                let op = Advise { file, offset: 0, len_bytes: 1 << 16, advice };
                self.port.submit(tally, op, limit, move |done, _| {
                    world.judge("advise", done.result);
                    world.tally.called();
                });
            }
            2 => {
                self.port.submit(tally, Stat::file(file), limit, move |done, _| {
                    if let Some(metadata) = world.judge("stat", done.result)
                        && metadata.len_bytes != u64::from(super::world::BLOCKS) * 4096
                    {
                        world.tally.violation("stat: the length is wrong".to_owned());
                    }
                    world.tally.called();
                });
            }
            _ => {
                self.port.submit(tally, Nop, limit, move |done, _| {
                    world.judge("nop", done.result);
                    world.tally.called();
                });
            }
        }
    }

    /// Makes blocks read as zeros.
    fn punch(&mut self) {
        let count = 1 + u32::try_from(self.random.below(8)).unwrap_or(0);
        let range = lock(&self.world.ledger).take(&mut self.random, count);
        let Some(range) = range else { return };
        let (world, limit) = (Arc::clone(&self.world), self.limit());
        let (offset, len_bytes) = (range.offset(), range.len_bytes() as u64);
        let mode = AllocateMode::PunchHole;
        let op = Allocate { file: self.files.blocks.clone(), offset, len_bytes, mode };
        let tally = &self.world.tally;
        let accepted = self.port.submit(tally, op, limit, move |done, _| match done.result {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                lock(&world.ledger).release(range);
                world.tally.called();
            }
            result => world.written("allocate", range, 0, result),
        });
        self.release(range, accepted);
    }

    /// On the file that another thread cuts: anything may be missing, nothing may be wrong.
    fn cut(&mut self) {
        let Some(mut buffer) = self.port.buffer(BLOCK_LEN_BYTES) else { return };
        let block = self.random.below(u64::from(CUT_BLOCKS));
        let stamp = Stamp { file: self.world.number, block, generation: 1 };
        let (world, file) = (Arc::clone(&self.world), self.files.cut.clone());
        let (offset, limit) = (block * BLOCK_LEN_BYTES as u64, self.limit());
        let tally = &self.world.tally;
        if self.random.one_in(2) {
            stamp.fill(&mut buffer);
            let op = Write { file, offset, buffer };
            self.port.submit(tally, op, limit, move |done, _| {
                world.judge("write cut", done.result);
                world.tally.called();
            });
            return;
        }
        let op = Read { file, offset, buffer };
        self.port.submit(tally, op, limit, move |done, _| {
            if let Some(bytes) = world.judge("read cut", done.result) {
                let is = &done.op.buffer[..bytes as usize];
                if !stamp.is_partly_in(is) {
                    let said = Stamp::said_by(is);
                    world.tally.violation(format!("cut file, block {block}: {said}"));
                }
            }
            world.tally.called();
        });
    }
}
