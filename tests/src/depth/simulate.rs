//! Runs rules against a device, event by event. Deterministic: the same arguments give the same
//! numbers.

use super::device::{Device, S, US};
use super::lanes::Lanes;
use super::random::Random;
use super::rule::{Done, Reap, Rule};
use iomill_engine::depth::{Limits, Member, part};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What the caller of the engine does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// There is always a request more.
    Closed,
    /// So many lanes, each of which sends its next request when its last one is done: what is to be
    /// read may run out, while all that waits is to be written. For one engine.
    Lanes(u32),
    /// Requests per second, at random.
    Open(f64),
    /// So many requests at once, each so many nanoseconds.
    Bursts {
        /// Units: nanoseconds.
        every: f64,
        /// Units: requests.
        size: f64,
    },
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// At its start.
    pub device: &'a Device,
    /// Of each engine.
    pub load: Load,
    /// How long. Units: nanoseconds.
    pub end: f64,
    /// The length of the pieces of the answer. Units: nanoseconds.
    pub slot: f64,
    /// Above this a request is late. Units: nanoseconds.
    pub target: f64,
    /// Of all chance.
    pub seed: u64,
    /// How many engines use the device.
    pub engines: usize,
    /// Whether writes are told apart from reads.
    pub classes: bool,
    /// What a turn of the engine's loop costs, and each request in it; the device's completions
    /// gather meanwhile. Units: nanoseconds.
    pub cost: (f64, f64),
}

impl<'a> Run<'a> {
    /// One engine that takes no time, with a caller that never ends.
    pub fn closed(device: &'a Device, end: f64, slot: f64, seed: u64) -> Self {
        let (load, target, cost) = (Load::Closed, f64::MAX, (0.0, 0.0));
        Self { device, load, end, slot, target, seed, engines: 1, classes: false, cost }
    }
}

/// What happened in one piece of time.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Completions that needed the device.
    pub count: f64,
    /// Of these, writes.
    pub writes: f64,
    /// Late ones of the protected class: of reads, if these are told apart.
    pub late: f64,
    /// Their latencies together. Units: nanoseconds.
    pub latency_sum: f64,
    /// The depth's mean over time.
    pub depth: f64,
    /// The depth's smallest and largest value.
    pub depth_range: (u32, u32),
}

impl Slot {
    const EMPTY: Self = Self {
        count: 0.0,
        writes: 0.0,
        late: 0.0,
        latency_sum: 0.0,
        depth: 0.0,
        depth_range: (u32::MAX, 0),
    };
}

/// A request in the simulation.
#[derive(Clone, Copy, Debug, Default)]
struct Flight {
    start: f64,
    engine: usize,
    is_write: bool,
}

/// One engine of the simulation.
#[derive(Debug)]
struct Engine {
    rule: usize,
    in_flight: u32,
    writes_in_flight: u32,
    arrived: Vec<u32>,
    is_hungry: bool,
    /// Slots left free at that time, since all that waited were writes that give way.
    unused: u32,
    /// Its loop is busy until then.
    busy_until: f64,
    is_tick_due: bool,
    /// When its depth was last noted.
    seen: f64,
    out: Vec<Slot>,
}

/// Requests that may be in flight at once in a simulation.
const FLIGHTS: u32 = 4096;
/// Events that are no completions: the caller's next request, and the next turn of an engine.
const ARRIVAL: u32 = u32::MAX;
const TICK: u32 = u32::MAX - 16;

struct World<'r, 'run> {
    run: &'run Run<'run>,
    rules: &'r mut [Box<dyn Rule>],
    device: Device,
    random: Random,
    events: BinaryHeap<Reverse<(u64, u32)>>,
    flights: Vec<Flight>,
    free: Vec<u32>,
    engines: Vec<Engine>,
    waiting: f64,
    lanes: Option<Lanes>,
    now: f64,
    done: Vec<Done>,
}

/// Runs `rules` against the device: one for each engine, or one that all engines share. Answers the
/// pieces of time of each engine.
pub fn simulate(run: &Run<'_>, rules: &mut [Box<dyn Rule>]) -> Vec<Vec<Slot>> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
    let slots = (run.end / run.slot).ceil() as usize;
    let engine = |index: usize| Engine {
        rule: index.min(rules.len() - 1),
        in_flight: 0,
        writes_in_flight: 0,
        arrived: Vec::new(),
        is_hungry: true,
        unused: 0,
        busy_until: 0.0,
        is_tick_due: false,
        seen: 0.0,
        out: vec![Slot::EMPTY; slots],
    };
    let mut random = Random::new(run.seed.wrapping_mul(0x1234_5678_9ABC_DEF1));
    let lanes = match run.load {
        Load::Lanes(count) => Some(Lanes::new(count, run.device.writes, &mut random)),
        _ => None,
    };
    let mut world = World {
        run,
        device: run.device.clone().begun(run.seed),
        random,
        events: BinaryHeap::new(),
        flights: vec![Flight::default(); FLIGHTS as usize],
        free: (0..FLIGHTS).rev().collect(),
        engines: (0..run.engines).map(engine).collect(),
        rules,
        waiting: if run.load == Load::Closed { f64::INFINITY } else { 0.0 },
        lanes,
        now: 0.0,
        done: Vec::new(),
    };
    world.go();
    world.engines.into_iter().map(|engine| engine.out).collect()
}

/// A time as the events carry it.
fn whole(time: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^63 ns")]
    let whole = time as u64;
    whole
}

impl World<'_, '_> {
    fn go(&mut self) {
        if matches!(self.run.load, Load::Open(_) | Load::Bursts { .. }) {
            self.events.push(Reverse((0, ARRIVAL)));
        }
        for engine in 0..self.engines.len() {
            self.submit(engine);
        }
        while let Some(Reverse((time, event))) = self.events.pop() {
            self.now = time as f64;
            if self.now >= self.run.end {
                break;
            }
            if event == ARRIVAL {
                self.arrive();
            } else if event >= TICK {
                self.tick((event - TICK) as usize);
            } else {
                self.complete(event);
            }
        }
    }

    /// The caller has more.
    fn arrive(&mut self) {
        let (count, gap) = match self.run.load {
            Load::Open(rate) => (1.0, self.random.exponential(S / rate)),
            Load::Bursts { every, size } => (size, every),
            Load::Closed | Load::Lanes(_) => return,
        };
        self.waiting += count;
        self.events.push(Reverse((whole(self.now + gap), ARRIVAL)));
        for engine in 0..self.engines.len() {
            self.wake(engine);
        }
    }

    /// The device is done with a request; its engine will see it.
    fn complete(&mut self, id: u32) {
        if let Some((next, time)) = self.device.complete(self.now, &mut self.random) {
            self.events.push(Reverse((whole(time), next)));
        }
        let engine = self.flights[id as usize].engine;
        self.engines[engine].arrived.push(id);
        self.wake(engine);
    }

    /// Turns the engine's loop, now or when it is free.
    fn wake(&mut self, engine: usize) {
        let state = &mut self.engines[engine];
        if state.busy_until <= self.now {
            self.tick(engine);
        } else if !state.is_tick_due {
            state.is_tick_due = true;
            let number = u32::try_from(engine).expect("there are a few engines");
            self.events.push(Reverse((whole(state.busy_until), TICK + number)));
        }
    }

    fn tick(&mut self, engine: usize) {
        self.engines[engine].is_tick_due = false;
        let reaped = self.reap(engine);
        let submitted = self.submit(engine);
        let (per_turn, per_request) = self.run.cost;
        if per_turn > 0.0 && reaped + submitted > 0 {
            let state = &mut self.engines[engine];
            state.busy_until = self.now + per_turn + per_request * f64::from(reaped + submitted);
            // What came meanwhile, and what the batch's size kept back.
            self.wake(engine);
        }
    }

    /// Takes in what has come.
    fn reap(&mut self, engine: usize) -> u32 {
        let is_shared = self.rules.len() < self.engines.len();
        let state = &mut self.engines[engine];
        let rule = &mut self.rules[state.rule];
        let in_flight = state.in_flight;
        let depth = rule.limits().total;
        self.done.clear();
        for id in state.arrived.drain(..) {
            let flight = self.flights[id as usize];
            self.free.push(id);
            if let Some(lanes) = &mut self.lanes {
                lanes.go_on(&mut self.random);
            }
            state.in_flight -= 1;
            state.writes_in_flight -= u32::from(flight.is_write);
            let latency = self.now - flight.start;
            let slot = &mut state.out[slot_of(self.now, self.run.slot)];
            slot.depth += f64::from(depth) * (self.now - state.seen) / self.run.slot;
            state.seen = self.now;
            let (low, high) = slot.depth_range;
            slot.depth_range = (low.min(depth), high.max(depth));
            // What the cache answers inside the call never reaches the rule.
            if latency > 3.0 * US || self.run.device.hits == 0.0 {
                slot.count += 1.0;
                slot.writes += f64::from(u8::from(flight.is_write));
                let is_protected = !(self.run.classes && flight.is_write);
                if is_protected {
                    slot.late += f64::from(u8::from(latency > self.run.target));
                    slot.latency_sum += latency;
                }
                let is_write = self.run.classes && flight.is_write;
                self.done.push(Done { latency_ns: whole(latency), is_write });
            }
        }
        if !self.done.is_empty() {
            let backlog = state.is_hungry;
            let (now_ns, engine) = (whole(self.now), if is_shared { engine } else { 0 });
            let (done, unused) = (&self.done[..], state.unused);
            rule.observe(&Reap { now_ns, done, in_flight, backlog, unused, engine });
        }
        u32::try_from(self.done.len()).expect("no more than the flights")
    }

    /// What this engine may have in flight.
    fn limits(&self, engine: usize) -> Limits {
        let limits = self.rules[self.engines[engine].rule].limits();
        if self.rules.len() == self.engines.len() {
            return limits;
        }
        let member = |e: &Engine| Member { in_flight: e.in_flight, is_hungry: e.is_hungry };
        let members: Vec<Member> = self.engines.iter().map(member).collect();
        let total = part(limits.total, &members, engine);
        Limits { total, writes: part(limits.writes, &members, engine).min(total) }
    }

    /// Hands over what the window allows.
    fn submit(&mut self, engine: usize) -> u32 {
        let limits = self.limits(engine);
        let (per_turn, per_request) = self.run.cost;
        // As the engine does: an eighth of the window per call, 4 to 32.
        let batch = if per_turn > 0.0 { (limits.total / 8).clamp(4, 32) } else { u32::MAX };
        let mut submitted = 0;
        while self.engines[engine].in_flight < limits.total
            && submitted < batch
            && let Some(is_write) = self.next(engine, limits)
        {
            let state = &mut self.engines[engine];
            submitted += 1;
            state.in_flight += 1;
            state.writes_in_flight += u32::from(is_write);
            let start = self.now + per_turn + per_request * f64::from(submitted);
            let id = self.free.pop().expect("there are more flights than slots");
            self.flights[id as usize] = Flight { start, engine, is_write };
            if let Some(time) = self.device.submit(start, id, is_write, &mut self.random) {
                self.events.push(Reverse((whole(time), id)));
            }
        }
        let state = &mut self.engines[engine];
        if let Some(lanes) = &self.lanes {
            let is_held = lanes.are_only_held();
            state.unused = if is_held { limits.total.saturating_sub(state.in_flight) } else { 0 };
            state.is_hungry = is_held || lanes.are_queued();
        } else {
            state.is_hungry = self.waiting >= 1.0;
        }
        submitted
    }

    /// The next request that may go, if there is one: whether it is a write.
    fn next(&mut self, engine: usize, limits: Limits) -> Option<bool> {
        let state = &self.engines[engine];
        if let Some(lanes) = &mut self.lanes {
            return lanes.next(limits, state.in_flight, state.writes_in_flight);
        }
        if self.waiting < 1.0 {
            return None;
        }
        self.waiting -= 1.0;
        let share = self.run.device.writes;
        let wants_write = share > 0.0 && self.random.unit() < share;
        // With classes, reads go on while writes wait.
        Some(wants_write && (!self.run.classes || state.writes_in_flight < limits.writes))
    }
}

fn slot_of(time: f64, slot: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the run")]
    let index = (time / slot) as usize;
    index
}
