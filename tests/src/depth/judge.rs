//! Judges one run of one rule with one seed: the criteria of the test set.

use super::cases::{self, Case, Change, Demand, Who, credits};
use super::device::{Device, MS, S};
use super::oracle::{Aim, Oracle, nominal_epoch, oracle};
use super::rule::{Ours, Rule};
use super::simulate::{Load, Run, Slot, simulate};
use iomill_engine::depth::Target;

/// How a run came out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether it meets the criteria.
    pub pass: bool,
    /// Throughput over the oracle's.
    pub x: f64,
    /// The mean depth over the smallest adequate one.
    pub w: f64,
    /// The share of late requests, or the mean latency over its limit.
    pub late: f64,
    /// Nominal epochs until it was first good, by phase.
    pub recovery: Vec<f64>,
    /// The rule's own words.
    pub note: String,
}

/// Never, as a number of epochs.
pub const NEVER: f64 = 999.0;
/// Requests of each run of an oracle.
const ORACLE_REQUESTS: f64 = 2e5;

/// The mean of what the slots say.
fn mean(slots: &[Slot], of: impl Fn(&Slot) -> f64) -> f64 {
    slots.iter().map(of).sum::<f64>() / slots.len() as f64
}

/// The share of late ones.
fn late(slots: &[Slot], classes: bool) -> f64 {
    let all: f64 = slots.iter().map(|s| s.count - if classes { s.writes } else { 0.0 }).sum();
    slots.iter().map(|slot| slot.late).sum::<f64>() / all.max(1.0)
}

/// How the writes of a device are told to the rule, and what the engine's loop costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variant {
    /// Whether writes are a class of their own.
    pub classes: bool,
    /// The cost of the engine's loop: batches form.
    pub batched: bool,
    /// Lanes with one request each, instead of a caller that always has more; 0 for that.
    pub lanes: u32,
}

impl Variant {
    fn load(self) -> Load {
        if self.lanes > 0 { Load::Lanes(self.lanes) } else { Load::Closed }
    }
}

/// A loop's cost as measured engines have it: 2 µs per turn and 0.3 µs per request.
const LOOP_COST: (f64, f64) = (2000.0, 300.0);

/// A device with what its oracle says.
#[derive(Clone, Debug)]
pub struct Known {
    /// The device.
    pub device: Device,
    /// What is asked of it.
    pub aim: Aim,
    /// How it is told.
    pub variant: Variant,
    /// Whether fio gets long windows.
    pub is_slow: bool,
    /// What the best depth gives.
    pub oracle: Oracle,
    /// Nanoseconds.
    pub epoch: f64,
}

impl Known {
    /// Tries all depths.
    pub fn new(case: &Case, aim: Aim, variant: Variant) -> Self {
        let device = case.device.clone();
        let classes = variant.classes && !matches!(aim, Aim::None);
        let classes = classes || variant.lanes > 0;
        let oracle = oracle(&device, aim, classes, variant.load(), ORACLE_REQUESTS);
        Self::with(case, aim, variant, oracle)
    }

    /// With an oracle that is known already.
    pub fn with(case: &Case, aim: Aim, variant: Variant, oracle: Oracle) -> Self {
        let device = case.device.clone();
        let least = if device.has_times() { S / 12.0 } else { 0.0 };
        let least = if matches!(aim, Aim::None) { least } else { 0.0 };
        let epoch = nominal_epoch(&oracle).max(least);
        Self { device, aim, variant, is_slow: case.name == "disk arm", oracle, epoch }
    }

    fn run(&self, epochs: f64, seed: u64) -> Run<'_> {
        let cost = if self.variant.batched { LOOP_COST } else { (0.0, 0.0) };
        let (target, classes) = (self.aim.target(), self.variant.classes);
        let run = Run::closed(&self.device, epochs * self.epoch, self.epoch, seed);
        Run { target, classes, cost, load: self.variant.load(), ..run }
    }

    /// Throughput of these slots. Units: requests per second.
    fn rate(&self, slots: &[Slot]) -> f64 {
        mean(slots, |slot| slot.count) / self.epoch * S
    }
}

/// Without a target: at least 95 % of the best throughput at no more than 1.5 times the smallest
/// depth that gives it, over the last half of 240 epochs.
pub fn knee(known: &Known, who: Who, seed: u64) -> Outcome {
    let mut rules = [who.start(Aim::None, false)];
    let slots = simulate(&known.run(240.0, seed), &mut rules).swap_remove(0);
    let (best, enough) = (known.oracle.best, f64::from(known.oracle.depth_95));
    let x = known.rate(&slots[120..]) / best;
    let w = mean(&slots[120..], |slot| slot.depth) / enough;
    let is_good = |slots: &[Slot]| {
        known.rate(slots) >= 0.95 * best && mean(slots, |slot| slot.depth) <= 1.5 * enough
    };
    let first = recovery(&slots, 0, slots.len(), is_good).unwrap_or(NEVER);
    let (pass, note) = (x >= 0.95 && w <= 1.5, rules[0].note());
    Outcome { pass, x, w, late: 0.0, recovery: vec![first], note }
}

/// With a target: no more than 1.2 times the budget is late, or the mean is within 2 % of its
/// limit, at 90 % of the throughput of the best depth that keeps to it. Over the last three
/// quarters.
pub fn target(known: &Known, who: Who, seed: u64) -> Outcome {
    let mut rules = [who.start(known.aim, known.is_slow)];
    let slots = simulate(&known.run(240.0, seed), &mut rules).swap_remove(0);
    let slots = &slots[60..];
    let x = known.rate(slots) / known.oracle.within;
    let (late, is_kept) = match known.aim {
        Aim::None => (0.0, true),
        Aim::Late(_, budget) => {
            let late = late(slots, known.variant.classes);
            (late, late <= 1.2 * budget)
        }
        Aim::Mean(limit) => {
            let count: f64 = slots.iter().map(|slot| slot.count).sum();
            let mean = slots.iter().map(|slot| slot.latency_sum).sum::<f64>() / count / limit;
            (mean, mean <= 1.02)
        }
    };
    let w = mean(slots, |slot| slot.depth) / f64::from(known.oracle.depth_within.max(1));
    Outcome { pass: x >= 0.9 && is_kept, x, w, late, recovery: Vec::new(), note: rules[0].note() }
}

/// Slots after `from` until ten of them are good together; nothing when they never are before `to`.
fn recovery(
    slots: &[Slot],
    from: usize,
    to: usize,
    is_good: impl Fn(&[Slot]) -> bool,
) -> Option<f64> {
    let found = (from..to - 10).find(|at| is_good(&slots[*at..*at + 10]));
    found.map(|at| (at - from) as f64)
}

/// A time in which a changing device stays as it is.
#[derive(Clone, Debug)]
struct Phase {
    oracle: Oracle,
    from: usize,
    /// Slots of one nominal epoch.
    slots_per_epoch: f64,
}

/// A change with the oracles of its phases.
#[derive(Clone, Debug)]
pub struct KnownChange {
    device: Device,
    aim: Aim,
    slot: f64,
    end: usize,
    phases: Vec<Phase>,
}

impl KnownChange {
    /// Tries all depths in each phase.
    pub fn new(change: &Change) -> Self {
        let (aim, device) = (change.aim, change.device.clone());
        if change.name.starts_with("credits") {
            let phase = |have, from, slots_per_epoch| {
                let oracle = oracle(&credits(have), aim, false, Load::Closed, 2e4);
                Phase { oracle, from, slots_per_epoch }
            };
            let phases = vec![phase(1e9, 0, 1.0), phase(0.0, 46, 4.0)];
            return Self { device, aim, slot: 0.5 * S, end: 286, phases };
        }
        let slow = Device { slowness: vec![(0.0, 2.0)], ..device.clone() };
        let fast = oracle(&device, aim, false, Load::Closed, ORACLE_REQUESTS);
        let slow = oracle(&slow, aim, false, Load::Closed, ORACLE_REQUESTS);
        let slot = nominal_epoch(&fast);
        let longer = nominal_epoch(&slow) / slot;
        let phase = |oracle, from, slots_per_epoch| Phase { oracle, from, slots_per_epoch };
        let phases = vec![phase(fast, 0, 1.0), phase(slow, 240, longer), phase(fast, 720, 1.0)];
        let slowness = vec![(0.0, 1.0), (240.0 * slot, 2.0), (720.0 * slot, 1.0)];
        Self { device: Device { slowness, ..device }, aim, slot, end: 960, phases }
    }
}

/// After each change good again within 20 epochs, and good in the last half of each phase.
pub fn change(known: &KnownChange, who: Who, seed: u64) -> Outcome {
    let mut rules = [who.start(known.aim, false)];
    let run = Run::closed(&known.device, known.end as f64 * known.slot, known.slot, seed);
    let run = Run { target: known.aim.target(), ..run };
    let slots = simulate(&run, &mut rules).swap_remove(0);
    let is_knee = matches!(known.aim, Aim::None);
    let mut outcome = Outcome { pass: true, x: f64::MAX, ..Outcome::default() };
    for (index, phase) in known.phases.iter().enumerate() {
        let to = known.phases.get(index + 1).map_or(known.end, |next| next.from);
        let rate = |slots: &[Slot]| mean(slots, |slot| slot.count) / known.slot * S;
        let deep = |slots: &[Slot]| mean(slots, |slot| slot.depth);
        let (best, enough) = (phase.oracle.best, f64::from(phase.oracle.depth_95));
        let is_good = |slots: &[Slot]| {
            if is_knee {
                return rate(slots) >= 0.95 * best && deep(slots) <= 1.5 * enough;
            }
            rate(slots) >= 0.9 * phase.oracle.within && late(slots, false) <= 0.012
        };
        let back = recovery(&slots, phase.from, to, is_good);
        let back = back.map_or(NEVER, |slots| slots / phase.slots_per_epoch);
        let tail = &slots[(phase.from + to) / 2..to];
        let bar = if is_knee { best } else { phase.oracle.within };
        outcome.pass &= is_good(tail) && (index == 0 || back <= 20.0);
        outcome.x = outcome.x.min(rate(tail) / bar);
        outcome.w = outcome.w.max(deep(tail) / enough);
        outcome.recovery.push(back);
        let (x, w, late) = (rate(tail) / bar, deep(tail), late(tail, false));
        outcome.note += &format!("tail x {x:.3} depth {w:.1} late {late:.4}; ");
    }
    outcome.late = late(&slots[60..], false);
    outcome.note += &rules[0].note();
    outcome
}

/// The depth is constant under a light load, right in bursts, and at its least with a word about it
/// when the target is out of reach; over the last 18 of 20 seconds.
pub fn demand(demand: &Demand, who: Who, seed: u64) -> Outcome {
    let mut rules = [who.start(demand.aim, false)];
    let run = Run::closed(&demand.device, 20.0 * S, 100.0 * MS, seed);
    let slots = simulate(&Run { load: demand.load, ..run }, &mut rules).swap_remove(0);
    let busy: Vec<&Slot> = slots[20..].iter().filter(|slot| slot.count > 0.0).collect();
    let low = busy.iter().map(|slot| slot.depth_range.0).min().unwrap_or(0);
    let high = busy.iter().map(|slot| slot.depth_range.1).max().unwrap_or(0);
    let mut lows: Vec<u32> = busy.iter().map(|slot| slot.depth_range.0).collect();
    lows.sort_unstable();
    let median = lows[lows.len() / 2];
    let pass = if !matches!(demand.aim, Aim::None) {
        high <= 2 && (who != Who::Ours || rules[0].is_out_of_reach())
    } else if demand.name.starts_with("bursts") {
        (16..=24).contains(&median)
    } else {
        low == high
    };
    let (x, w, late) = (f64::from(low), f64::from(high), f64::from(median));
    Outcome { pass, x, w, late, recovery: Vec::new(), note: rules[0].note() }
}

/// Two engines on one device, with a rule each or a rule together: each gets 40 to 60 %, and
/// together they get at least 95 % of the best; with one rule also at no more than 1.5 times the
/// smallest adequate depth. Over the last half of 480 epochs.
pub fn sharing(known: &Known, who: Who, is_together: bool, seed: u64) -> Outcome {
    let mut rules: Vec<Box<dyn Rule>> = vec![who.start(Aim::None, false)];
    if !is_together {
        rules.push(who.start(Aim::None, false));
    }
    let run = Run { engines: 2, ..known.run(480.0, seed) };
    let slots = simulate(&run, &mut rules);
    let counts: Vec<f64> = slots.iter().map(|s| mean(&s[240..], |slot| slot.count)).collect();
    let total = counts[0] + counts[1];
    let larger = counts[0].max(counts[1]) / total;
    let x = total / known.epoch * S / known.oracle.best;
    let depths: Vec<f64> = slots.iter().map(|s| mean(&s[240..], |slot| slot.depth)).collect();
    // Each engine notes the common depth, if there is one.
    let depth = if is_together { depths[0] } else { depths[0] + depths[1] };
    let w = depth / f64::from(known.oracle.depth_95);
    let pass = larger <= 0.6 && x >= 0.95 && (!is_together || w <= 1.5);
    Outcome { pass, x, w, late: larger, recovery: Vec::new(), note: rules[0].note() }
}

/// Two engines on one device with one controller, the first without a target and the second with
/// the one that is known: it is kept for the second, with 90 % of the throughput that it allows,
/// in equal parts. Over the last three quarters of 240 epochs.
pub fn two_targets(known: &Known, seed: u64) -> Outcome {
    let targets = [Target::Knee, cases::target(known.aim)];
    let mut rules: [Box<dyn Rule>; 1] = [Box::new(Ours::new(&targets))];
    let slots = simulate(&Run { engines: 2, ..known.run(240.0, seed) }, &mut rules);
    let counts: Vec<f64> = slots.iter().map(|s| mean(&s[60..], |slot| slot.count)).collect();
    let total = counts[0] + counts[1];
    let larger = counts[0].max(counts[1]) / total;
    let x = total / known.epoch * S / known.oracle.within;
    let w = mean(&slots[0][60..], |s| s.depth) / f64::from(known.oracle.depth_within.max(1));
    let late = late(&slots[1][60..], false);
    let pass = larger <= 0.6 && x >= 0.9 && late <= 1.2 * 0.01;
    Outcome { pass, x, w, late, recovery: Vec::new(), note: rules[0].note() }
}
