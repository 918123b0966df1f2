//! The log of a world: appended to by one request at a time, read by any number, and cut to nothing
//! when it is long.

use super::block::{BLOCK_LEN_BYTES, Stamp};
use super::work::{LOG_RECORDS_MAX, Work};
use super::world::{World, lock};
use iomill_engine::{Append, DurableAppend, Error, Read, Truncate};
use std::sync::Arc;

/// The stamp of a record. Its file has a number that no file of blocks has.
fn stamp(world: &World, record: u32, generation: u32) -> Stamp {
    Stamp { file: world.number | 1 << 32, block: u64::from(record), generation }
}

impl World {
    /// A change of the log has ended. Nothing cancels it, so it has succeeded.
    fn log_changed<T>(&self, kind: &'static str, result: Result<T, Error>) {
        let is_done = self.judge(kind, result).is_some();
        let mut log = lock(&self.log);
        log.is_busy = false;
        if is_done && kind == "truncate" {
            log.records = 0;
            log.generation += 1;
        } else if is_done {
            log.records += 1;
        }
        drop(log);
        self.tally.called();
    }
}

impl Work {
    /// Submits one operation on the log.
    pub(super) fn log(&mut self) {
        let world = Arc::clone(&self.world);
        let mut log = lock(&world.log);
        if log.records > 0 && self.random.one_in(2) && log.records < LOG_RECORDS_MAX {
            let record = u32::try_from(self.random.below(u64::from(log.records))).unwrap_or(0);
            log.readers += 1;
            let generation = log.generation;
            drop(log);
            return self.read_record(record, generation);
        }
        if log.is_busy || (log.records >= LOG_RECORDS_MAX && log.readers > 0) {
            return;
        }
        log.is_busy = true;
        let (records, generation) = (log.records, log.generation);
        drop(log);
        if records >= LOG_RECORDS_MAX {
            self.cut_log();
        } else {
            self.append(records, generation);
        }
    }

    fn read_record(&mut self, record: u32, generation: u32) {
        let world = Arc::clone(&self.world);
        let mut is_accepted = false;
        if let Some(buffer) = self.port.buffer(BLOCK_LEN_BYTES) {
            let offset = u64::from(record) * BLOCK_LEN_BYTES as u64;
            let op = Read { file: self.files.log.clone(), offset, buffer };
            let inside = Arc::clone(&world);
            is_accepted = self.port.submit(&world.tally, op, None, move |done, _| {
                let wanted = stamp(&inside, record, generation);
                let bytes = inside.judge("read log", done.result);
                if bytes.is_some() && !wanted.is_in(&done.op.buffer) {
                    let said = Stamp::said_by(&done.op.buffer);
                    inside.tally.violation(format!("log: {wanted:?} wanted, and there is {said}"));
                }
                inside.tally.verified(1);
                lock(&inside.log).readers -= 1;
                inside.tally.called();
            });
        }
        if !is_accepted {
            lock(&world.log).readers -= 1;
        }
    }

    fn append(&mut self, record: u32, generation: u32) {
        let world = Arc::clone(&self.world);
        let (mut is_accepted, inside) = (false, Arc::clone(&world));
        if let Some(mut buffer) = self.port.buffer(BLOCK_LEN_BYTES) {
            stamp(&world, record, generation).fill(&mut buffer);
            let file = self.files.log.clone();
            let tally = &world.tally;
            is_accepted = if self.random.one_in(4) {
                self.port.submit(tally, DurableAppend { file, buffer }, None, move |done, _| {
                    inside.log_changed("durable append", done.result);
                })
            } else {
                self.port.submit(tally, Append { file, buffer }, None, move |done, _| {
                    inside.log_changed("append", done.result);
                })
            };
        }
        if !is_accepted {
            lock(&world.log).is_busy = false;
        }
    }

    fn cut_log(&mut self) {
        let world = Arc::clone(&self.world);
        let (op, inside) =
            (Truncate { file: self.files.log.clone(), len_bytes: 0 }, Arc::clone(&world));
        let is_accepted = self.port.submit(&world.tally, op, None, move |done, _| {
            inside.log_changed("truncate", done.result);
        });
        if !is_accepted {
            lock(&world.log).is_busy = false;
        }
    }
}
