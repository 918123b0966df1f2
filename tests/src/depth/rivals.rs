//! Other rules for the depth, written anew from their sources: the Vegas and Gradient2 limits of
//! Netflix' concurrency-limits, additive increase with multiplicative decrease, and fio's
//! `latency_target`. Each judges windows of completions, and each is told every single one.

use super::device::MS;
use super::random::Random;
use super::rule::{DEPTH_MAX, Reap, Rule};
use iomill_engine::depth::Limits;

const LIMIT_MAX: f64 = DEPTH_MAX as f64;

fn limits(depth: f64) -> Limits {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 256")]
    let depth = depth.clamp(1.0, LIMIT_MAX) as u32;
    Limits { total: depth, writes: depth }
}

/// Completions of at least 50 ms, and at least ten.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    start_ns: f64,
    count: f64,
    latency_sum_ns: f64,
    late: f64,
    in_flight: u32,
}

impl Window {
    /// Adds one completion; the window if it is over.
    fn add(&mut self, now: f64, latency: f64, in_flight: u32, target: f64) -> Option<Self> {
        self.count += 1.0;
        self.latency_sum_ns += latency;
        self.late += f64::from(u8::from(latency > target));
        self.in_flight = self.in_flight.max(in_flight);
        let is_over = now - self.start_ns > 50.0 * MS && self.count >= 10.0;
        is_over.then(|| std::mem::replace(self, Self { start_ns: now, ..Self::default() }))
    }

    fn mean(&self) -> f64 {
        self.latency_sum_ns / self.count
    }
}

/// Each completion of a reap: the time, its latency and what was in flight.
fn each(reap: &Reap<'_>) -> impl Iterator<Item = (f64, f64, u32)> {
    let (now, in_flight) = (reap.now_ns as f64, reap.in_flight);
    reap.done.iter().map(move |done| (now, done.latency_ns as f64, in_flight))
}

/// VegasLimit of Netflix' concurrency-limits, with its defaults.
#[derive(Debug)]
pub struct Vegas {
    limit: f64,
    least: f64,
    updates: f64,
    jitter: f64,
    window: Window,
    random: Random,
}

impl Vegas {
    /// At its default start.
    pub fn new() -> Self {
        let (window, random) = (Window::default(), Random::new(5));
        Self { limit: 20.0, least: 0.0, updates: 0.0, jitter: 0.75, window, random }
    }

    fn update(&mut self, window: &Window) {
        let latency = window.mean();
        self.updates += 1.0;
        if self.jitter * 30.0 * self.limit <= self.updates {
            self.updates = 0.0;
            self.jitter = 0.5 + 0.5 * self.random.unit();
            self.least = latency;
            return;
        }
        if self.least == 0.0 || latency < self.least {
            self.least = latency;
            return;
        }
        if f64::from(window.in_flight) * 2.0 < self.limit {
            return;
        }
        let queue = (self.limit * (1.0 - self.least / latency)).ceil();
        let log = self.limit.log10().floor().max(1.0);
        if queue <= log {
            self.limit += 6.0 * log;
        } else if queue < 3.0 * log {
            self.limit += log;
        } else if queue > 6.0 * log {
            self.limit -= log;
        }
        self.limit = self.limit.clamp(1.0, LIMIT_MAX);
    }
}

impl Default for Vegas {
    fn default() -> Self {
        Self::new()
    }
}

impl Rule for Vegas {
    fn limits(&self) -> Limits {
        limits(self.limit)
    }

    fn observe(&mut self, reap: &Reap<'_>) {
        for (now, latency, in_flight) in each(reap) {
            if let Some(window) = self.window.add(now, latency, in_flight, f64::MAX) {
                self.update(&window);
            }
        }
    }
}

/// Gradient2Limit of Netflix' concurrency-limits, with its defaults.
#[derive(Debug)]
pub struct Gradient2 {
    limit: f64,
    long: f64,
    updates: f64,
    window: Window,
}

impl Gradient2 {
    /// At its default start.
    pub fn new() -> Self {
        Self { limit: 20.0, long: 0.0, updates: 0.0, window: Window::default() }
    }

    fn update(&mut self, window: &Window) {
        let latency = window.mean();
        self.updates += 1.0;
        let share = if self.updates <= 10.0 { 1.0 / self.updates } else { 2.0 / 601.0 };
        self.long += (latency - self.long) * share;
        if self.long / latency > 2.0 {
            self.long *= 0.95;
        }
        if f64::from(window.in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = (1.5 * self.long / latency).clamp(0.5, 1.0);
        let next = self.limit * 0.8 + 0.2 * (self.limit * gradient + 4.0);
        self.limit = next.clamp(1.0, LIMIT_MAX);
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self::new()
    }
}

impl Rule for Gradient2 {
    fn limits(&self) -> Limits {
        limits(self.limit)
    }

    fn observe(&mut self, reap: &Reap<'_>) {
        for (now, latency, in_flight) in each(reap) {
            if let Some(window) = self.window.add(now, latency, in_flight, f64::MAX) {
                self.update(&window);
            }
        }
    }
}

/// A tenth less after a window with too many late ones, else one more; without a target a request
/// is late after five seconds.
#[derive(Debug)]
pub struct Aimd {
    limit: f64,
    target: f64,
    budget: f64,
    window: Window,
}

impl Aimd {
    /// For a target with a budget, or none.
    pub fn new(target: Option<(f64, f64)>) -> Self {
        let (target, budget) = target.unwrap_or((5e9, 0.0));
        Self { limit: 20.0, target, budget, window: Window::default() }
    }
}

impl Rule for Aimd {
    fn limits(&self) -> Limits {
        limits(self.limit)
    }

    fn observe(&mut self, reap: &Reap<'_>) {
        for (now, latency, in_flight) in each(reap) {
            let Some(window) = self.window.add(now, latency, in_flight, self.target) else {
                continue;
            };
            if window.late > self.budget * window.count {
                self.limit *= 0.9;
            } else if f64::from(window.in_flight) * 2.0 >= self.limit {
                self.limit += 1.0;
            }
            self.limit = self.limit.clamp(1.0, LIMIT_MAX);
        }
    }
}

/// fio's `latency_target`, `latency_percentile` and `latency_window`: double until the target is
/// missed, halve the range, and look one higher now and then.
#[derive(Debug)]
pub struct Fio {
    depth: u32,
    low: u32,
    high: u32,
    target: f64,
    budget: f64,
    count: f64,
    late: f64,
    start: f64,
    window: f64,
    stable: u32,
    skip: u32,
}

impl Fio {
    /// For a target with a budget, judged over windows of so many nanoseconds.
    pub fn new((target, budget): (f64, f64), window: f64) -> Self {
        Self {
            depth: 1,
            low: 1,
            high: DEPTH_MAX,
            target,
            budget,
            count: 0.0,
            late: 0.0,
            start: 0.0,
            window,
            stable: 0,
            skip: 0,
        }
    }

    fn judge(&mut self, now: f64) {
        if self.late <= self.budget * self.count {
            self.low = self.depth;
            if self.depth + 1 == self.high {
                self.stable += 1;
                if self.stable >= 3 {
                    self.high += 1;
                    self.stable = 0;
                }
            }
            let is_bounded = self.high != DEPTH_MAX;
            let next = if is_bounded { (self.depth + self.high) / 2 } else { self.depth * 2 };
            self.depth = next.min(DEPTH_MAX);
        } else if self.depth > 1 {
            self.high = self.depth;
            if self.depth == self.low {
                self.low -= 1;
            }
            self.skip = self.depth;
            self.depth = ((self.depth + self.low) / 2).max(1);
            self.stable = 0;
        }
        (self.count, self.late, self.start) = (0.0, 0.0, now);
    }
}

impl Rule for Fio {
    fn limits(&self) -> Limits {
        Limits { total: self.depth, writes: self.depth }
    }

    fn observe(&mut self, reap: &Reap<'_>) {
        for (now, latency, _) in each(reap) {
            if self.skip > 0 {
                self.skip -= 1;
                self.start = now;
                continue;
            }
            self.count += 1.0;
            self.late += f64::from(u8::from(latency > self.target));
            if now - self.start >= self.window {
                self.judge(now);
            }
        }
    }
}
