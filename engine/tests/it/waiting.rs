//! How an engine hands requests over and waits, counted in ticks and virtual time on simulated
//! disks: at low load a request goes at once and its completion is not waited beyond; at high load
//! completions share a wake-up, within a bound.

use iomill_engine::backend::sim::{Faults, Latency, SimDisk, SimOptions};
use iomill_engine::depth::Target;
use iomill_engine::{Completion, Config, Context, Engine, File, Read, Wait};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const US: u64 = 1000;

fn disk(read: Latency) -> (SimDisk, File) {
    // Servers that wait for nobody: each request ends by itself.
    let faults = Faults { reorder: 1.0, ..Faults::default() };
    let disk = SimDisk::new(SimOptions { read, faults, ..SimOptions::new(3) });
    let file = disk.create("data", 1 << 20).unwrap();
    (disk, file)
}

fn start(disk: &SimDisk, config: Config) -> Engine {
    Engine::with_backend(&config.buffers(128, 4096), disk.backend()).unwrap()
}

/// Keeps `lanes` reads going until `count` have come back in all; how many are still to begin.
fn read(engine: &mut Engine, file: &File, lanes: u32, count: u32) -> Rc<Cell<u32>> {
    fn again(done: Completion<Read>, left: Rc<Cell<u32>>, cx: &mut Context<'_>) {
        done.result.unwrap();
        if left.get() > 0 {
            left.set(left.get() - 1);
            cx.submit(done.op, move |done, cx| again(done, left, cx)).unwrap();
        }
    }
    let left = Rc::new(Cell::new(count - lanes));
    for _ in 0..lanes {
        let op = Read { file: file.clone(), offset: 0, buffer: engine.buffer().unwrap() };
        let left = Rc::clone(&left);
        engine.submit(op, move |done, cx| again(done, left, cx)).unwrap();
    }
    left
}

#[test]
fn at_low_load_a_request_goes_at_once_and_comes_as_soon_as_the_device_is_done() {
    let latency = Duration::from_micros(70);
    for config in [Config::new().depth(64), Config::new().adaptive(32..=64, Target::Knee)] {
        let (disk, file) = disk(Latency::Fixed(latency));
        let mut engine = start(&disk, config);
        for request in 1..=100 {
            read(&mut engine, &file, 1, 1);
            assert_eq!(engine.tick(Wait::None).unwrap().submitted, 1, "in the first tick");
            engine.drain().unwrap();
            assert_eq!(disk.now_ns(), request * 70 * US, "no time but the device's");
        }
        let before_ns = disk.now_ns();
        read(&mut engine, &file, 4, 4);
        assert_eq!(engine.tick(Wait::None).unwrap().submitted, 4, "all that wait go together");
        engine.drain().unwrap();
        assert_eq!(disk.now_ns(), before_ns + 70 * US);
    }
}

/// The virtual time and the turns of 20,000 reads at depth 64, so many at once, by an engine that
/// waits as it likes or for one at a time.
fn turns(latency: Latency, lanes: u32, is_patient: bool) -> (f64, u64) {
    let (disk, file) = disk(latency);
    let mut engine = start(&disk, Config::new().depth(64).capacity(128));
    read(&mut engine, &file, lanes, 20_000);
    if is_patient {
        engine.drain().unwrap();
    } else {
        while engine.in_flight() > 0 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
    }
    (disk.now_ns() as f64, engine.metrics().batches)
}

#[test]
fn at_high_load_completions_are_waited_for_together_at_nearly_the_same_rate() {
    let mean = Duration::from_micros(80);
    let latency = || Latency::Servers { count: 8, min: Duration::from_micros(10), mean };
    let (patient_ns, patient_turns) = turns(latency(), 128, true);
    let (single_ns, single_turns) = turns(latency(), 128, false);
    assert!(patient_turns * 2 < single_turns, "{patient_turns} turns, {single_turns} one by one");
    let ratio = patient_ns / single_ns;
    assert!((0.98..1.02).contains(&ratio), "{ratio} times as long");
    // While the window has room, nothing is waited for but the next completion.
    assert_eq!(turns(latency(), 63, true), turns(latency(), 63, false));
}

#[test]
fn a_slow_device_is_waited_for_one_by_one() {
    let mean = Duration::from_millis(8);
    let latency = || Latency::Servers { count: 4, min: Duration::from_millis(1), mean };
    let (patient_ns, patient_turns) = turns(latency(), 128, true);
    let (single_ns, single_turns) = turns(latency(), 128, false);
    assert!(patient_turns * 100 > single_turns * 98, "{patient_turns} against {single_turns}");
    let ratio = patient_ns / single_ns;
    assert!((0.999..1.001).contains(&ratio), "{ratio} times as long");
}
