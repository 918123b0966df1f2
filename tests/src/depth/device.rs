//! Devices to control: queues with known laws, each with the troubles of a real one. All times are
//! nanoseconds, in floating point.

use super::random::Random;
use std::collections::VecDeque;

/// Nanoseconds of a microsecond, a millisecond and a second.
pub const US: f64 = 1e3;
/// As above.
pub const MS: f64 = 1e6;
/// As above.
pub const S: f64 = 1e9;

/// How a device serves requests.
#[derive(Clone, Debug)]
pub enum Model {
    /// So many servers and one queue; service in Erlang stages.
    Servers {
        /// How many serve at once.
        count: usize,
        /// Mean service time.
        mean: f64,
        /// Erlang stages.
        stages: u32,
    },
    /// Dies with a queue each, which requests meet at random, behind a controller that passes `cap`
    /// requests per second.
    Dies {
        /// How many.
        count: usize,
        /// Mean service time of a die.
        mean: f64,
        /// Added to each.
        base: f64,
        /// Requests per second.
        cap: f64,
    },
    /// Constant latency and at most `cap` requests per second.
    Capped {
        /// Of each request.
        latency: f64,
        /// Requests per second.
        cap: f64,
    },
    /// A token bucket, as clouds sell disks.
    Tokens {
        /// Tokens per second.
        rate: f64,
        /// The bucket's size.
        burst: f64,
        /// Mean latency of a request that has its token.
        base: f64,
    },
    /// Fast while there are credits.
    Credits {
        /// Requests per second with credits, and without.
        high: f64,
        /// Credits earned per second.
        low: f64,
        /// Credits at first.
        credits: f64,
        /// Mean latency beside the queue.
        base: f64,
    },
    /// A disk arm that chooses among the waiting: the more, the shorter its ways.
    Elevator,
    /// Servers that get slower as more waits for them.
    Retrograde {
        /// How many serve at once.
        count: usize,
        /// Mean service time.
        mean: f64,
        /// Added share of the service time per request that waits, over the servers' number.
        penalty: f64,
    },
    /// The throughput of a real disk at depths 1, 2, 4 …, with 1 % of outliers of 2 to 4 ms.
    Measured(&'static [f64]),
}

/// A device with its troubles.
#[derive(Clone, Debug)]
pub struct Device {
    pub(super) model: Model,
    /// Shortest and longest of the stalls that come every second.
    pub stall: Option<(f64, f64)>,
    /// From when on it is how many times slower.
    pub slowness: Vec<(f64, f64)>,
    /// The share of requests that a cache answers.
    pub hits: f64,
    /// The share of requests that are writes.
    pub writes: f64,
    /// How many times slower these are.
    pub write_slowness: f64,
    /// A throttle as kernels have it: of each so many nanoseconds it passes so many requests at the
    /// device's own speed, and then none.
    pub throttle: Option<(f64, u32)>,
    /// How its speed wanders, since others use it as well: standard deviations of its logarithm,
    /// each with the time in which that part of it takes another value.
    pub sway: &'static [(f64, f64)],
    /// How far into its sway it is at the beginning.
    pub(super) phase: f64,
    pub(super) free: Vec<f64>,
    pub(super) gate: f64,
    /// The throttle's period in which the next request passes, and how many have.
    pub(super) passed: (f64, u32),
    pub(super) credit: (f64, f64),
    pub(super) waiting: VecDeque<u32>,
    pub(super) is_busy: bool,
    pub(super) inside: usize,
}

impl Device {
    /// A device without troubles.
    pub fn new(model: Model) -> Self {
        let servers = match model {
            Model::Servers { count, .. }
            | Model::Retrograde { count, .. }
            | Model::Dies { count, .. } => count,
            _ => 0,
        };
        let credits = if let Model::Credits { credits, .. } = model { credits } else { 0.0 };
        Self {
            model,
            stall: None,
            slowness: Vec::new(),
            hits: 0.0,
            writes: 0.0,
            write_slowness: 5.0,
            throttle: None,
            sway: &[],
            phase: 0.0,
            free: vec![0.0; servers],
            gate: 0.0,
            passed: (0.0, 0),
            credit: (credits, 0.0),
            waiting: VecDeque::new(),
            is_busy: false,
            inside: 0,
        }
    }

    /// The same, at another time of its sway for each seed.
    #[must_use]
    pub fn begun(self, seed: u64) -> Self {
        Self { phase: 0.7 * S * (seed % 1000) as f64, ..self }
    }

    /// When a stall that holds at `time` is over. The lengths repeat every ten seconds, so that
    /// each run meets the same share of them.
    fn after_stall(&self, time: f64) -> f64 {
        let Some((shortest, longest)) = self.stall else { return time };
        let second = (time / S).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
        let tenth = (second % 10.0) as u64;
        let length = shortest + (longest - shortest) * Random::new(tenth ^ 0x5EED).unit();
        if time - second * S < length { second * S + length } else { time }
    }

    /// How many times slower it is at `time` since others use it. Repeats every ten seconds, so
    /// that each run meets the same.
    fn swayed(&self, time: f64) -> f64 {
        let time = time + self.phase;
        let part = |(share, every): &(f64, f64)| {
            let knot = (time / every).floor();
            let way = time / every - knot;
            let count = (10.0 * S / every).round();
            let value = |knot: f64| normal(every.to_bits() ^ (knot % count).to_bits());
            share * (value(knot) * (1.0 - way) + value(knot + 1.0) * way)
        };
        self.sway.iter().map(part).sum::<f64>().exp()
    }

    /// When the throttle lets a request pass that comes at `time`, in the order of their coming.
    fn after_throttle(&mut self, time: f64) -> f64 {
        let Some((period, count)) = self.throttle else { return time };
        let now = (time / period).floor();
        if now > self.passed.0 {
            self.passed = (now, 0);
        }
        if self.passed.1 == count {
            self.passed = (self.passed.0 + 1.0, 0);
        }
        self.passed.1 += 1;
        time.max(self.passed.0 * period)
    }

    fn first_free(&self) -> usize {
        let by_time = |a: &usize, b: &usize| self.free[*a].total_cmp(&self.free[*b]);
        (0..self.free.len()).min_by(by_time).expect("there are servers")
    }

    /// Takes a request; answers when it is done, or nothing if that depends on what comes.
    pub fn submit(
        &mut self,
        now: f64,
        id: u32,
        is_write: bool,
        random: &mut Random,
    ) -> Option<f64> {
        self.inside += 1;
        if self.hits > 0.0 && random.unit() < self.hits {
            return Some(now + 2.0 * US);
        }
        let now = self.after_throttle(now);
        let slow = self.slowness.iter().rev().find(|step| now >= step.0).map_or(1.0, |s| s.1);
        let slow = slow * self.swayed(now);
        let factor = if is_write { self.write_slowness * slow } else { slow };
        Some(match self.model {
            Model::Servers { mean, stages, .. } => {
                let server = self.first_free();
                let start = self.after_stall(now.max(self.free[server]));
                self.free[server] = start + random.erlang(mean, stages) * factor;
                self.free[server]
            }
            Model::Retrograde { mean, penalty, .. } => {
                let server = self.first_free();
                let over = (self.inside as f64 / self.free.len() as f64 - 1.0).max(0.0);
                let service = random.erlang(mean, 4) * (1.0 + penalty * over);
                self.free[server] = now.max(self.free[server]) + service;
                self.free[server]
            }
            Model::Dies { count, mean, base, cap } => {
                let start = now.max(self.gate);
                self.gate = start + S / cap * slow;
                let die = random.below(count);
                let start = self.after_stall(start.max(self.free[die]));
                self.free[die] = start + random.erlang(mean, 4) * factor;
                self.free[die] + base
            }
            Model::Capped { latency, cap } => {
                let start = now.max(self.gate);
                self.gate = start + S / cap * factor;
                start + latency
            }
            Model::Tokens { rate, burst, base } => {
                self.gate = self.gate.max(now) + S / rate * factor;
                (self.gate - burst * S / rate).max(now) + random.erlang(base, 4)
            }
            Model::Credits { high, low, credits, base } => {
                let start = self.gate.max(now);
                let earned = (start - self.credit.1) / S * low;
                let have = (self.credit.0 + earned).min(credits);
                self.credit = (have - 1.0, start);
                self.gate = start + S / if have >= 1.0 { high } else { low };
                self.gate + random.erlang(base, 4)
            }
            Model::Measured(curve) => self.measured(now, curve, factor, random),
            Model::Elevator => {
                if self.is_busy {
                    self.waiting.push_back(id);
                    return None;
                }
                self.is_busy = true;
                now + self.seek(random)
            }
        })
    }

    /// The latency that gives the measured throughput at this depth.
    fn measured(&self, now: f64, curve: &[f64], factor: f64, random: &mut Random) -> f64 {
        let depth = self.inside;
        let octave = (depth.ilog2() as usize).min(curve.len() - 2);
        let latency = |octave: usize| (1_u64 << octave) as f64 / curve[octave] * S;
        let start = (1_u64 << octave) as f64;
        let way = (depth as f64 - start) / start;
        let between = latency(octave) + (latency(octave + 1) - latency(octave)) * way;
        let mean = between - 30.0 * US;
        let is_outlier = random.unit() < 0.01;
        let outlier = if is_outlier { (2.0 + 2.0 * random.unit()) * MS } else { 0.0 };
        now + (random.erlang(mean, 16) + outlier) * factor
    }

    fn seek(&self, random: &mut Random) -> f64 {
        let choice = (self.inside as f64).max(1.0).sqrt();
        12.0 * MS * (0.35 + 0.65 / choice) * (0.7 + 0.6 * random.unit())
    }

    /// A request has left; the disk arm may begin with another one: which, and when it is done.
    pub fn complete(&mut self, now: f64, random: &mut Random) -> Option<(u32, f64)> {
        self.inside -= 1;
        if !matches!(self.model, Model::Elevator) {
            return None;
        }
        if self.waiting.is_empty() {
            self.is_busy = false;
            return None;
        }
        let is_oldest = random.unit() < 0.25;
        let index = if is_oldest { 0 } else { random.below(self.waiting.len()) };
        let id = self.waiting.remove(index)?;
        Some((id, now + self.seek(random)))
    }

    /// Whether it goes through times that an oracle has to see often enough.
    pub fn has_times(&self) -> bool {
        self.stall.is_some() || self.throttle.is_some() || !self.sway.is_empty()
    }
}

/// Of mean 0 and variance 1, nearly normal; always the same for the same seed.
fn normal(seed: u64) -> f64 {
    let mut random = Random::new(seed);
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}
