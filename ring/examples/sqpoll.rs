// cargo run --release -p iomill-ring --example sqpoll -- --idle-ms 50 --seconds 1
//! Submits without system calls: a kernel thread takes the entries. Shows how many were needed all
//! the same, while busy and after pauses that let the thread fall asleep.
#![allow(clippy::print_stdout)]

use iomill_ring::{Builder, Error, Ring, SqPoll, op};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const DEPTH: u32 = 32;

fn main() -> ExitCode {
    let (mut idle, mut seconds) = (Duration::from_millis(50), 1.0);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value: Option<f64> = arguments.next().and_then(|text| text.parse().ok());
        match (name.as_str(), value.filter(|value| value.is_finite() && *value >= 0.0)) {
            ("--idle-ms", Some(value)) => idle = Duration::from_secs_f64(value.min(1e6) / 1e3),
            ("--seconds", Some(value)) => seconds = value.min(1e6),
            _ => {
                eprintln!("sqpoll: {name}: give --idle-ms MILLISECONDS or --seconds SECONDS");
                return ExitCode::FAILURE;
            }
        }
    }
    match run(idle, Duration::from_secs_f64(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sqpoll: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(idle: Duration, time: Duration) -> Result<(), Error> {
    let mut ring = Builder::new(DEPTH).sqpoll(SqPoll { idle, cpu: None }).build()?;
    for part in ring.given_up() {
        println!("without {}: {}", part.what, part.why);
    }
    let begin = Instant::now();
    let mut completed = 0_u64;
    while begin.elapsed() < time {
        completed += batch(&mut ring)?;
    }
    report("busy", &ring, completed);

    let mut after_pauses = 0;
    for _ in 0..5 {
        // Twice the idle time, so that the thread has surely gone to sleep.
        std::thread::sleep(idle * 2);
        after_pauses += batch(&mut ring)?;
    }
    report("busy and with five pauses", &ring, completed + after_pauses);
    Ok(())
}

/// Fills the queue once, and looks at the completions without waiting in the kernel.
fn batch(ring: &mut Ring) -> Result<u64, Error> {
    let mut staged = 0;
    // SAFETY: a NOP names no memory and no file.
    while staged < DEPTH && unsafe { ring.push(&op::nop()) }.is_ok() {
        staged += 1;
    }
    let mut completed = 0;
    loop {
        // It enters the kernel only to wake the thread, and must be called again while waiting: the
        // thread may fall asleep between the two.
        ring.submit()?;
        completed += ring.completions().count() as u64;
        if completed >= u64::from(staged) {
            return Ok(completed);
        }
        // The kernel's thread may need this CPU.
        std::thread::yield_now();
    }
}

fn report(when: &str, ring: &Ring, completed: u64) {
    let counters = ring.counters();
    println!(
        "{when}: {completed} completions, {} system calls, of which {} woke the thread",
        counters.enters, counters.wakeups
    );
}
