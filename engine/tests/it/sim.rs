//! The simulated disk through the engine: the same seed gives the same history, nothing but what
//! was promised survives a power failure, and no fault changes more than it may.

use crate::sim_workload::{Outcome, Workload};
use iomill_engine::backend::sim::{Faults, SimOptions};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

/// The seed to run alone: `IOMILL_SEED`.
fn only_seed() -> Option<u64> {
    let seed = std::env::var("IOMILL_SEED").ok()?;
    Some(seed.parse().expect("IOMILL_SEED is a number"))
}

/// Where the seeds begin: `IOMILL_SEED`, or somewhere else in each run.
fn first_seed() -> u64 {
    only_seed().unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        u64::from(now.subsec_nanos()) << 20
    })
}

/// Says the seed if the run panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the failure again: IOMILL_SEED={} and the same command", self.0);
        }
    }
}

fn run(options: SimOptions, steps: u32) -> (Outcome, String) {
    let _seed = Seed(options.seed);
    Workload::new(options).run(steps)
}

/// What tells histories apart, short enough for a message.
fn print(history: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    history.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn the_same_seed_gives_the_same_history_and_other_seeds_give_others() {
    let mut histories = HashSet::new();
    for seed in (first_seed()..).take(20) {
        let history = || run(SimOptions::swarm(seed), 200).1;
        let first = history();
        assert!(first.lines().count() > 50);
        assert_eq!(first, history(), "seed {seed} again");
        histories.insert(first);
    }
    assert_eq!(histories.len(), 20);
}

#[test]
fn what_a_faulty_disk_answers_and_what_it_keeps_is_what_it_has_promised() {
    let (mut failed, mut losses, mut cancelled) = (0, 0, 0);
    for seed in (first_seed()..).take(60) {
        let faults = Faults { bad_range: 0.02, ..Faults::moderate() };
        let options = SimOptions { faults, capacity_bytes: 24 << 10, ..SimOptions::new(seed) };
        let (outcome, _) = run(options, 200);
        failed += outcome.failed;
        losses += outcome.losses;
        cancelled += outcome.cancelled;
        assert!(outcome.submitted > 50 && outcome.crashes > 2);
    }
    assert!(failed > 100, "the faults reach the caller: {failed}");
    assert!(cancelled > 100, "requests are given up in the middle: {cancelled}");
    assert!(losses > 100, "power failures lose what was not synced: {losses}");
}

#[test]
fn four_hours_of_simulated_time_pass_without_a_broken_promise() {
    let (begin, first) = (Instant::now(), first_seed());
    let (mut total, mut seed) = (Outcome::default(), first);
    eprintln!("seeds from {first} on; one of them again: IOMILL_SEED={first}");
    while total.virtual_ns < 4 * 3600 * 1_000_000_000 {
        let (outcome, history) = run(SimOptions::swarm(seed), 200);
        // Of every eighth, so that a run takes no twice the time.
        if seed % 8 == 0 || only_seed().is_some() {
            let (_, again) = run(SimOptions::swarm(seed), 200);
            assert_eq!(print(&history), print(&again), "IOMILL_SEED={seed}: two histories");
            total.repeated += 1;
        }
        seed += 1;
        total.overdue += outcome.overdue;
        total.submitted += outcome.submitted;
        total.failed += outcome.failed;
        total.crashes += outcome.crashes;
        total.losses += outcome.losses;
        total.virtual_ns += outcome.virtual_ns;
        if only_seed().is_some() {
            break;
        }
    }
    eprintln!(
        "seeds {first} to {}, {} run twice: {:.1} h, {} requests, {} failed, {} of them overdue, \
         {} power failures, {} lossy, in {:.1} s",
        seed - 1,
        total.repeated,
        total.virtual_ns as f64 / 3.6e12,
        total.submitted,
        total.failed,
        total.overdue,
        total.crashes,
        total.losses,
        begin.elapsed().as_secs_f64(),
    );
    if only_seed().is_none() {
        assert!(total.losses > 0 && total.failed > 0 && total.overdue > 0 && total.repeated > 10);
    }
}
