//! An adaptive depth in a whole engine, on simulated disks in virtual time: it finds the knee,
//! keeps to its target, counts large requests as several, learns nothing from a caller that does
//! not press, and never loses a write that gives way to reads.

use iomill_engine::backend::sim::{Latency, SimDisk, SimOptions};
use iomill_engine::depth::{Target, Why};
use iomill_engine::{
    Buffer, Completion, Config, Context, DepthStatus, Engine, File, Nop, Read, Wait, Write,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const MS: u64 = 1_000_000;

fn servers(count: u32, mean_us: u64) -> Latency {
    let mean = Duration::from_micros(mean_us);
    Latency::Servers { count, min: Duration::from_micros(10), mean }
}

fn options(read: Latency, write: Latency) -> SimOptions {
    SimOptions { read, write, ..SimOptions::new(11) }
}

/// An engine with this aim and a file on a disk.
fn start(options: SimOptions, target: Target, len_bytes: u32) -> (Engine, File) {
    let disk = SimDisk::new(options);
    let file = disk.create("data", 64 << 20).unwrap();
    let config = Config::new().adaptive(1..=64, target).buffers(128, len_bytes);
    (Engine::with_backend(&config, disk.backend()).unwrap(), file)
}

/// Keeps `lanes` reads going.
fn read_for_ever(engine: &mut Engine, file: &File, lanes: u32) {
    fn again(done: Completion<Read>, cx: &mut Context<'_>) {
        done.result.unwrap();
        // Refused only when the test is over.
        let _ = cx.submit(done.op, again);
    }
    for _ in 0..lanes {
        let buffer = engine.buffer().unwrap();
        engine.submit(Read { file: file.clone(), offset: 0, buffer }, again).unwrap();
    }
}

fn turn_until(engine: &mut Engine, completions: u64) -> DepthStatus {
    let mut completed = 0;
    while completed < completions {
        completed += u64::from(engine.tick(Wait::AtLeast(1)).unwrap().completed);
    }
    engine.depth_status().unwrap()
}

/// Requests per second of virtual time, from the latency that they see: `depth` over its mean.
fn throughput_at(depth: u32, len_bytes: u32) -> f64 {
    let disk = SimDisk::new(options(servers(8, 90), servers(8, 90)));
    let file = disk.create("data", 64 << 20).unwrap();
    let config = Config::new().depth(depth).capacity(128).buffers(128, len_bytes);
    let mut engine = Engine::with_backend(&config, disk.backend()).unwrap();
    read_for_ever(&mut engine, &file, 128);
    let mut completed = 0.0;
    while completed < 40_000.0 {
        completed += f64::from(engine.tick(Wait::AtLeast(1)).unwrap().completed);
    }
    completed / disk.now_ns() as f64 * 1e9
}

#[test]
fn the_depth_is_near_the_smallest_that_gives_nearly_the_best_throughput() {
    let best = throughput_at(64, 4096);
    let enough = (1..=64).step_by(3).find(|depth| throughput_at(*depth, 4096) >= 0.95 * best);
    let enough = enough.unwrap();
    let (mut engine, file) = start(options(servers(8, 90), servers(8, 90)), Target::Knee, 4096);
    read_for_ever(&mut engine, &file, 128);
    let chosen = turn_until(&mut engine, 200_000).chosen.unwrap();
    assert!(chosen <= enough * 3 / 2, "{chosen}, but {enough} is enough");
    let reached = throughput_at(chosen, 4096) / best;
    assert!(reached >= 0.93, "{reached} of the best at {chosen}; {enough} is enough");
    let trace = engine.depth_trace();
    assert!(trace.iter().any(|decision| decision.why == Why::Settled), "{trace:?}");
    let told = trace[trace.len() - 1].slots_per_s / best;
    assert!((0.8..1.2).contains(&told), "the trace tells {told} of the best");
}

#[test]
fn a_large_request_takes_several_slots() {
    let (mut engine, file) = start(options(servers(8, 90), servers(8, 90)), Target::Knee, 1 << 20);
    read_for_ever(&mut engine, &file, 32);
    let status = turn_until(&mut engine, 20_000);
    // A request on each of the eight servers alone takes all 64 slots.
    assert!(status.chosen.is_some_and(|chosen| chosen >= 48), "{status:?}");
}

/// A lane whose requests follow each other, 3 of 10 of them writes.
struct Lane {
    random: u64,
    file: File,
}

impl Lane {
    fn go_on(mut self, buffer: Buffer, cx: &mut Context<'_>) {
        self.random = self.random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7F);
        let file = self.file.clone();
        // Refused only when the test is over.
        if (self.random >> 33) % 10 < 3 {
            let op = Write { file, offset: 0, buffer };
            let _ = cx.submit(op, move |done, cx| self.go_on(done.op.buffer, cx));
        } else {
            let op = Read { file, offset: 0, buffer };
            let _ = cx.submit(op, move |done, cx| self.go_on(done.op.buffer, cx));
        }
    }
}

/// Keeps 128 lanes going for so many completions; answers how many there were per second.
fn mix(engine: &mut Engine, file: &File, disk: &SimDisk, completions: u64) -> f64 {
    for random in 0..128 {
        let (lane, buffer) = (Lane { random, file: file.clone() }, engine.buffer().unwrap());
        engine.submit(Nop, move |_, cx| lane.go_on(buffer, cx)).unwrap();
    }
    let (mut completed, begin_ns) = (0, disk.now_ns());
    while completed < completions {
        completed += u64::from(engine.tick(Wait::AtLeast(1)).unwrap().completed);
    }
    completed as f64 / (disk.now_ns() - begin_ns) as f64 * 1e9
}

#[test]
fn where_all_that_waits_are_writes_that_give_way_a_depth_is_chosen_and_the_device_kept_busy() {
    // Reads and writes have servers of their own, and reads are late where many of them come.
    let (limit_ns, read, write) = (6 * MS / 5, servers(16, 200), servers(2, 50));
    let rate_late = |config: &Config, completions| {
        let disk = SimDisk::new(options(read, write));
        let file = disk.create("data", 1 << 20).unwrap();
        let mut engine = Engine::with_backend(config, disk.backend()).unwrap();
        let rate = mix(&mut engine, &file, &disk, completions);
        let reads = &engine.metrics().read;
        let late = reads.latency_ns.count_between(limit_ns + 1, u64::MAX) as f64;
        (rate, late / reads.completed as f64, engine.depth_status())
    };
    let eight = Config::new().depth(8).capacity(128).buffers(128, 4096);
    let (enough, within, _) = rate_late(&eight, 50_000);
    let target = Target::Percentile { percent: 99.0, limit_ns };
    let adaptive = Config::new().adaptive(1..=64, target).buffers(128, 4096);
    let (rate, late, status) = rate_late(&adaptive, 150_000);
    let said = format!("{rate}, {late} late, {status:?}; at a depth of 8 {enough}, {within} late");
    assert!(within < 0.012 && late < 0.012 && rate >= 0.92 * enough, "{said}");
    assert!(status.is_some_and(|status| status.chosen.is_some()), "{said}");
}

#[test]
fn a_caller_that_does_not_press_teaches_nothing() {
    let (mut engine, file) = start(options(servers(8, 90), servers(8, 90)), Target::Knee, 4096);
    read_for_ever(&mut engine, &file, 1);
    let status = turn_until(&mut engine, 20_000);
    assert_eq!((status.in_force, status.chosen), (1, None));
    assert_eq!(engine.depth_trace(), []);
}

#[test]
fn a_target_that_cannot_be_met_is_told_and_not_chased() {
    let target = Target::Percentile { percent: 99.0, limit_ns: MS / 20 };
    let (mut engine, file) = start(options(servers(8, 900), servers(8, 900)), target, 4096);
    read_for_ever(&mut engine, &file, 128);
    let status = turn_until(&mut engine, 20_000);
    assert!(status.is_out_of_reach && status.in_force == 1, "{status:?}");
}

#[test]
fn writes_give_way_to_reads_and_none_is_lost() {
    // Reads and writes share nothing here but the window, so only the engine can hold one back.
    let target = Target::Percentile { percent: 99.0, limit_ns: 2 * MS };
    let (mut engine, file) = start(options(servers(4, 400), servers(4, 2000)), target, 4096);
    read_for_ever(&mut engine, &file, 64);
    let written = Rc::new(Cell::new(0));
    for round in 0..200 {
        for _ in 0..8 {
            let Some(buffer) = engine.buffer() else { break };
            let counter = Rc::clone(&written);
            let op = Write { file: file.clone(), offset: round * 4096, buffer };
            let submitted = engine.submit(op, move |done, _| {
                done.result.unwrap();
                counter.set(counter.get() + 1);
            });
            submitted.unwrap();
        }
        turn_until(&mut engine, 100);
    }
    let expected = engine.metrics().write.completed;
    assert_eq!(written.get(), expected);
    assert!(expected > 100, "writes go on: {expected}");
    let read = &engine.metrics().read;
    let late = read.latency_ns.count_between(2 * MS + 1, u64::MAX) as f64 / read.completed as f64;
    assert!(late < 0.03, "{late} of the reads are late");
}
