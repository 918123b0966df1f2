//! The devices and loads of the test set, with what each is to show.

use super::device::{Device, MS, Model, S, US};
use super::oracle::Aim;
use super::rivals::{Aimd, Fio, Gradient2, Vegas};
use super::rule::{Ours, Rule};
use super::simulate::Load;
use iomill_engine::depth::Target;

/// A rule by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The engine's controller.
    Ours,
    /// Netflix' Vegas.
    Vegas,
    /// Netflix' Gradient2.
    Gradient2,
    /// Additive increase, multiplicative decrease.
    Aimd,
    /// fio's `latency_target`.
    Fio,
}

impl Who {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ours, Self::Vegas, Self::Gradient2, Self::Aimd, Self::Fio];

    /// As the table prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Vegas => "Vegas",
            Self::Gradient2 => "Gradient2",
            Self::Aimd => "AIMD",
            Self::Fio => "fio",
        }
    }

    /// The rule at its start. `is_slow` gives fio longer windows, as its manual asks for.
    pub fn start(self, aim: Aim, is_slow: bool) -> Box<dyn Rule> {
        let budget = match aim {
            Aim::Late(target, budget) => Some((target, budget)),
            Aim::None | Aim::Mean(_) => None,
        };
        match self {
            Self::Ours => Box::new(Ours::new(&[target(aim)])),
            Self::Vegas => Box::new(Vegas::new()),
            Self::Gradient2 => Box::new(Gradient2::new()),
            Self::Aimd => Box::new(Aimd::new(budget)),
            Self::Fio => {
                let window = if is_slow { 5.0 * S } else { 0.25 * S };
                Box::new(Fio::new(budget.unwrap_or((5.0 * S, 0.0)), window))
            }
        }
    }
}

/// The same as the engine's controller takes it.
pub fn target(aim: Aim) -> Target {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a minute")]
    let limit_ns = if matches!(aim, Aim::None) { 0 } else { aim.target() as u64 };
    match aim {
        Aim::None => Target::Knee,
        Aim::Late(_, budget) => Target::Percentile { percent: 100.0 * (1.0 - budget), limit_ns },
        Aim::Mean(_) => Target::Mean { limit_ns },
    }
}

/// A device and the latency that is asked of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// As the table prints it.
    pub name: &'static str,
    /// The device.
    pub device: Device,
    /// The 99th percentile asked for. Units: nanoseconds.
    pub p99: f64,
}

/// So many dies of 0.4 ms without a cap, the devices that are hardest to judge: near the knee a
/// step of the depth gains 1 %, and a measurement scatters by 2 %.
fn slow_dies(count: usize) -> Device {
    Device::new(Model::Dies { count, mean: 400.0 * US, base: 10.0 * US, cap: 1e7 })
}

/// The throughput of a virtual disk.
fn measured_disk() -> Device {
    Device::new(Model::Measured(&[12e3, 23e3, 43e3, 68e3, 88e3, 95e3, 102e3, 113e3, 110e3]))
}

/// So many servers.
fn servers(count: usize, mean: f64, stages: u32) -> Device {
    Device::new(Model::Servers { count, mean, stages })
}

/// All devices.
pub fn devices() -> Vec<Case> {
    let dies = |count, mean, cap| {
        Device::new(Model::Dies { count, mean: mean * US, base: 10.0 * US, cap })
    };
    let case = |name, device, p99_ms: f64| Case { name, device, p99: p99_ms * MS };
    let gc = Device { stall: Some((1.0 * MS, 60.0 * MS)), ..slow_dies(16) };
    let gc60 = Device { stall: Some((60.0 * MS, 60.0 * MS)), ..slow_dies(16) };
    let tokens = Model::Tokens { rate: 16e3, burst: 16.0, base: 500.0 * US };
    let pool = Model::Retrograde { count: 8, mean: 500.0 * US, penalty: 0.08 };
    let capped = Model::Capped { latency: 100.0 * US, cap: 1e5 };
    vec![
        case("M/M/1", servers(1, 1.0 * MS, 1), 12.0),
        case("M/M/8", servers(8, 1.0 * MS, 1), 5.5),
        case("M/M/32", servers(32, 0.2 * MS, 1), 1.0),
        case("0.1 ms, cap 100k", Device::new(capped), 0.3),
        case("16 dies 0.4 ms", slow_dies(16), 3.0),
        case("16 dies 20 us, cap 400k", dies(16, 20.0, 4e5), 0.2),
        case("64 dies 0.1 ms", dies(64, 100.0, 1e7), 0.5),
        case("64 dies, cap 400k", dies(64, 100.0, 4e5), 0.5),
        case("token bucket 16k", Device::new(tokens), 3.0),
        case("disk arm", Device::new(Model::Elevator), 400.0),
        case("retrograde pool", Device::new(pool), 2.0),
        case("GC 1-60 ms/s", gc, 5.0),
        case("GC 60 ms/s", gc60, 5.0),
        case("30 % slow writes", Device { writes: 0.3, ..slow_dies(16) }, 12.0),
        case("70 % cache hits", Device { hits: 0.7, ..slow_dies(16) }, 3.0),
        case("measured disk", measured_disk(), 3.5),
    ]
}

/// Devices that do few requests at a time, on which a measurement scatters most.
pub fn narrow() -> Vec<Case> {
    let case = |name, device| Case { name, device, p99: 12.0 * MS };
    vec![
        case("M/M/2", servers(2, 1.0 * MS, 1)),
        case("M/M/4", servers(4, 1.0 * MS, 1)),
        case("2 dies 0.4 ms", slow_dies(2)),
        case("4 dies 0.4 ms", slow_dies(4)),
        case("8 dies 0.4 ms", slow_dies(8)),
    ]
}

/// Devices that others use as well, so that their speed wanders by some 8 % within tenths of a
/// second; and one that scatters more besides, from measurement to measurement.
pub fn shared() -> Vec<Case> {
    const SLOW: (f64, f64) = (0.1, 300.0 * MS);
    const QUICK: (f64, f64) = (0.05, 20.0 * MS);
    let case = |name, device, p99_ms: f64, sway| {
        let device = Device { sway, ..device };
        Case { name, device, p99: p99_ms * MS }
    };
    vec![
        case("M/M/32", servers(32, 0.2 * MS, 1), 1.0, &[SLOW]),
        case("16 dies 0.4 ms", slow_dies(16), 3.0, &[SLOW]),
        case("measured disk", measured_disk(), 3.5, &[SLOW]),
        case("measured disk, with scatter", measured_disk(), 3.5, &[SLOW, QUICK]),
    ]
}

/// Disks behind a kernel's throttle, which makes no request slower but those that it keeps for its
/// next period: the best depth is the one that just uses up what the throttle lets through.
pub fn throttled() -> Vec<Case> {
    let case = |name, device, per_tenth, p99_ms: f64| {
        let device = Device { throttle: Some((100.0 * MS, per_tenth)), ..device };
        Case { name, device, p99: p99_ms * MS }
    };
    vec![
        case("measured disk, 20k/s", measured_disk(), 2000, 3.5),
        case("measured disk, 60k/s", measured_disk(), 6000, 3.5),
        case("M/M/32, 40k/s", servers(32, 0.2 * MS, 1), 4000, 1.0),
        case("16 dies 0.4 ms, 5k/s", slow_dies(16), 500, 3.0),
        case("16 dies 0.4 ms, 1k/s", slow_dies(16), 100, 3.0),
    ]
}

/// Devices whose callers have one request outstanding each, 70 % reads; with limits of the 99th
/// percentile. Units of these: nanoseconds.
pub fn in_lanes() -> Vec<(Case, [f64; 2])> {
    let fast = Device::new(Model::Dies { count: 16, mean: 20.0 * US, base: 10.0 * US, cap: 4e5 });
    let case = |name, device, write_slowness, [low, high]: [f64; 2]| {
        let device = Device { writes: 0.3, write_slowness, ..device };
        (Case { name, device, p99: high * MS }, [low * MS, high * MS])
    };
    vec![
        case("16 dies 0.4 ms, writes 2 ms", slow_dies(16), 5.0, [4.0, 12.0]),
        case("16 dies 20 us, cap 400k", fast, 2.0, [0.15, 0.3]),
        case("M/M/32", servers(32, 0.2 * MS, 1), 1.0, [1.0, 1.2]),
    ]
}

/// A device that changes.
#[derive(Clone, Debug)]
pub struct Change {
    /// As the table prints it.
    pub name: &'static str,
    /// The device; the runs make it twice as slow and back, or let its credits run out.
    pub device: Device,
    /// What is asked.
    pub aim: Aim,
}

/// The credits' rates and base latency.
pub fn credits(credits: f64) -> Device {
    Device::new(Model::Credits { high: 3000.0, low: 300.0, credits, base: 600.0 * US })
}

/// All changes.
pub fn changes() -> Vec<Change> {
    let pool = || servers(16, 0.4 * MS, 4);
    let capped = Device::new(Model::Capped { latency: 100.0 * US, cap: 1e5 });
    let change = |name, device, aim| Change { name, device, aim };
    vec![
        change("16 servers, x2 and back", pool(), Aim::None),
        change("cap 100k, x2 and back", capped, Aim::None),
        change("16 dies, x2 and back", slow_dies(16), Aim::None),
        change("16 servers, x2, p99", pool(), Aim::Late(2.0 * MS, 0.01)),
        change("16 dies, x2, p99", slow_dies(16), Aim::Late(4.0 * MS, 0.01)),
        change("credits 3000 to 300", credits(60_000.0), Aim::None),
    ]
}

/// A caller that does not always have a request more, or that asks for what cannot be.
#[derive(Clone, Debug)]
pub struct Demand {
    /// As the table prints it.
    pub name: &'static str,
    /// The device.
    pub device: Device,
    /// The caller.
    pub load: Load,
    /// What is asked.
    pub aim: Aim,
}

/// All loads.
pub fn demands() -> Vec<Demand> {
    let pool = || servers(16, 0.4 * MS, 4);
    let demand = |name, device, load, aim| Demand { name, device, load, aim };
    let bursts = |every: f64, size| Load::Bursts { every: every * S, size };
    vec![
        demand("open loop 20 %, servers", pool(), Load::Open(8e3), Aim::None),
        demand("open loop 20 %, dies", slow_dies(16), Load::Open(8e3), Aim::None),
        demand("bursts of 200", pool(), bursts(0.1, 200.0), Aim::None),
        demand("bursts of 4000", pool(), bursts(0.5, 4000.0), Aim::None),
        demand("out of reach", servers(8, 1.0 * MS, 4), Load::Closed, Aim::Late(0.5 * MS, 0.01)),
    ]
}
