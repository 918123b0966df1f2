//! What the best fixed depth gives: the bar for every rule.

use super::device::{Device, MS, S};
use super::rule::{Constant, DEPTH_MAX, Rule};
use super::simulate::{Load, Run, Slot, simulate};
use iomill_engine::depth::Limits;

/// What was found by trying.
#[derive(Clone, Copy, Debug)]
pub struct Oracle {
    /// Requests per second at the best depth.
    pub best: f64,
    /// The smallest depth with 95 % of it.
    pub depth_95: u32,
    /// The best that keeps to the target, and its depth.
    pub within: f64,
    /// As above.
    pub depth_within: u32,
}

/// What a target asks of the oracle.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// Nothing.
    None,
    /// No more than this share of requests above so many nanoseconds.
    Late(f64, f64),
    /// A mean latency of no more nanoseconds.
    Mean(f64),
}

impl Aim {
    /// The latency to keep to.
    pub fn target(self) -> f64 {
        match self {
            Self::None => f64::MAX,
            Self::Late(target, _) | Self::Mean(target) => target,
        }
    }
}

/// Tries the depths 1 to 15 and eight per octave from there, each for about `requests` requests.
/// With classes and a caller that always has more, the writes' own limit is tried as well.
pub fn oracle(device: &Device, aim: Aim, classes: bool, load: Load, requests: f64) -> Oracle {
    let octaves = (1..5).flat_map(|octave| (8..16).map(move |step| step << octave));
    let depths = (1..16).chain(octaves).chain([DEPTH_MAX]);
    let mut rows = Vec::new();
    let mut rate =
        run_fixed(device, 8, 8, S, aim, classes, load)[..].iter().map(|s| s.count).sum::<f64>();
    rate = rate.max(20.0);
    for depth in depths {
        let least = if device.has_times() { 10.0 } else { 0.1 };
        let end = (requests / rate).max(least).ceil() * S;
        let has_caps = classes && load == Load::Closed;
        let caps = [1, 2, 4, 8, 16, 32, 64, 128].into_iter().filter(|cap| has_caps && *cap < depth);
        for cap in caps.chain([depth]) {
            let slots = run_fixed(device, depth, cap, end, aim, classes, load);
            let slots = &slots[2..];
            let count: f64 = slots.iter().map(|slot| slot.count).sum();
            let writes: f64 = slots.iter().map(|slot| slot.writes).sum();
            let protected = (if classes { count - writes } else { count }).max(1.0);
            let late = slots.iter().map(|slot| slot.late).sum::<f64>() / protected;
            let mean = slots.iter().map(|slot| slot.latency_sum).sum::<f64>() / protected;
            rate = (count / (end * 0.9) * S).max(1.0);
            let keeps = match aim {
                Aim::None => false,
                Aim::Late(_, budget) => late <= budget,
                Aim::Mean(limit) => mean <= limit,
            };
            rows.push((depth, cap, rate, keeps));
        }
    }
    let best = rows.iter().map(|row| row.2).fold(0.0, f64::max);
    let adequate = rows.iter().find(|row| row.2 >= 0.95 * best);
    let within = rows.iter().filter(|row| row.3).max_by(|a, b| a.2.total_cmp(&b.2));
    Oracle {
        best,
        depth_95: adequate.map_or(0, |row| row.0),
        within: within.map_or(0.0, |row| row.2),
        depth_within: within.map_or(0, |row| row.0),
    }
}

fn run_fixed(
    device: &Device,
    total: u32,
    writes: u32,
    end: f64,
    aim: Aim,
    classes: bool,
    load: Load,
) -> Vec<Slot> {
    let mut rules: [Box<dyn Rule>; 1] = [Box::new(Constant(Limits { total, writes }))];
    let target = aim.target();
    let run = Run { target, classes, load, ..Run::closed(device, end, end / 20.0, 7) };
    simulate(&run, &mut rules).swap_remove(0)
}

/// The length of a measurement, about: 1,024 requests, or 16 for each slot of the window.
pub fn nominal_epoch(oracle: &Oracle) -> f64 {
    (1024_f64.max(16.0 * f64::from(oracle.depth_95)) / oracle.best * S).clamp(16.0 * MS, 2.0 * S)
}
