//! Tests a tiny append log for crash consistency on simulated disks, 300 power failures each; then
//! does the same with a log that forgets to sync, which must be found out:
//! `cargo run -p iomill-engine --features sim --example simulated_disk -- 20`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::backend::sim::{Faults, SimDisk, SimOptions};
use iomill_engine::{Append, Config, Engine, Error, File, Sync};
use std::cell::Cell;
use std::rc::Rc;

/// A record is its number, eight times one byte, and a sum over both: 32 bytes in all.
const RECORD_LEN: usize = 32;

fn record(number: u64) -> [u8; RECORD_LEN] {
    let mut bytes = [number.to_le_bytes()[0]; RECORD_LEN];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let sum = sum(&bytes);
    bytes[24..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// FNV-1a over everything but the sum itself.
fn sum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes[..24].iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// How many records a log holds: up to the first one that is not whole.
fn recover(bytes: &[u8]) -> u64 {
    let whole = |(number, found): &(u64, &[u8])| *found == record(*number);
    (0..).zip(bytes.chunks(RECORD_LEN)).take_while(whole).count() as u64
}

/// Appends a record, and calls it durable when its sync has succeeded.
fn append(engine: &mut Engine, log: &File, number: u64, honest: bool) -> Result<bool, Error> {
    let mut buffer = engine.buffer().expect("one request at a time");
    buffer.set_len(RECORD_LEN);
    buffer.copy_from_slice(&record(number));
    let acknowledged = Rc::new(Cell::new(false));
    let shared = Rc::clone(&acknowledged);
    engine.submit(Append { file: log.clone(), buffer }, move |done, context| {
        if done.result.is_err() || !honest {
            return shared.set(done.result.is_ok());
        }
        let sync = Sync { file: done.op.file, data_only: true };
        let submitted = context.submit(sync, move |done, _| shared.set(done.result.is_ok()));
        assert!(submitted.is_ok(), "the append has left room for its sync");
    })?;
    engine.drain()?;
    Ok(acknowledged.get())
}

/// Runs a log on one disk; answers how many power failures lost an acknowledged record.
fn broken_promises(seed: u64, honest: bool) -> Result<u32, Error> {
    let faults = Faults { io_error: 0.01, ..Faults::passing() };
    let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(seed) });
    let log = disk.create("log", 0)?;
    let mut engine = Engine::with_backend(&Config::new().depth(2), disk.backend())?;
    let mut broken = 0;
    for number in 0..100 {
        // After an error nobody knows what the file holds: a real log would go on in a new one.
        if !append(&mut engine, &log, number, honest)? {
            break;
        }
        for failure in 0..3 {
            let left = disk.crash(failure)?;
            let records = recover(&left.contents("log").unwrap_or_default());
            broken += u32::from(records <= number);
        }
    }
    Ok(broken)
}

fn main() -> Result<(), Error> {
    let disks = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(20);
    for (name, honest) in [("with", true), ("without", false)] {
        let mut broken = 0;
        for seed in 0..disks {
            broken += broken_promises(seed, honest)?;
        }
        println!("{name} syncs: {broken} power failures lost an acknowledged record");
        assert_eq!(broken == 0, honest, "only the log without syncs may lose records");
    }
    Ok(())
}
