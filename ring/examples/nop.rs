//! How many NOPs per second one thread gets through its ring:
//! `cargo run --release -p iomill-ring --example nop -- --depth 128 --batch 32 --seconds 3`
//!
//! Prints one line of JSON. A NOP completes inside the system call, so the number is the cost of
//! the ring itself: staging, entering, reading the completion.
#![allow(clippy::print_stdout)]

use iomill_ring::{Builder, Error, Ring, op};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Batches between two looks at the clock: a look costs as much as one NOP.
const BATCHES_PER_LOOK: u32 = 256;

/// What the command line asks for.
struct Wishes {
    depth: u32,
    batch: u32,
    seconds: u32,
}

impl Wishes {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wishes = Self { depth: 128, batch: 32, seconds: 3 };
        while let Some(name) = arguments.next() {
            let target = match name.as_str() {
                "--depth" => &mut wishes.depth,
                "--batch" => &mut wishes.batch,
                "--seconds" => &mut wishes.seconds,
                _ => return Err(format!("{name}: unknown; known are --depth, --batch, --seconds")),
            };
            let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
            *target = match value.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(format!("{name} {value}: choose a whole number from 1 on")),
            };
        }
        if wishes.batch > wishes.depth {
            let Self { depth, batch, .. } = wishes;
            return Err(format!("--batch {batch}: choose at most the --depth, which is {depth}"));
        }
        Ok(wishes)
    }
}

fn main() -> ExitCode {
    let wishes = match Wishes::parse(std::env::args().skip(1)) {
        Ok(wishes) => wishes,
        Err(message) => {
            eprintln!("nop: {message}");
            return ExitCode::from(2);
        }
    };
    match run(&wishes) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("nop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(wishes: &Wishes) -> Result<String, Error> {
    let mut ring = Builder::new(wishes.batch).cq_entries(wishes.depth).build()?;
    let duration = Duration::from_secs(u64::from(wishes.seconds));
    let (mut ops, mut in_flight) = (0_u64, 0);
    let begin = Instant::now();
    while begin.elapsed() < duration {
        for _ in 0..BATCHES_PER_LOOK {
            let room = wishes.batch.min(wishes.depth - in_flight);
            in_flight += batch(&mut ring, room, ops)?;
            for cqe in ring.completions() {
                assert_eq!(cqe.result(), Ok(0), "a NOP cannot fail");
                in_flight -= 1;
                ops += 1;
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let flags: Vec<_> = ring.setup_flags().iter_names().map(|(name, _)| name).collect();
    Ok(format!(
        "{{\"ops_per_s\":{:.0},\"depth\":{},\"batch\":{},\"seconds\":{seconds:.3},\
         \"enters\":{},\"flags\":\"{}\"}}",
        ops as f64 / seconds,
        wishes.depth,
        wishes.batch,
        ring.counters().enters,
        flags.join("|"),
    ))
}

/// Stages `count` NOPs, hands them over and waits for as many; answers how many were staged.
fn batch(ring: &mut Ring, count: u32, first: u64) -> Result<u32, Error> {
    for number in first..first + u64::from(count) {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop().with_user_data(number)) }
            .expect("the queue has room for a batch");
    }
    ring.submit_and_wait(count)?;
    Ok(count)
}
