//! Callers of which each has one request outstanding: reads and writes in the order in which they
//! were asked for, and the writes that the window holds back. Used by `simulate`; keeps no time.

use super::random::Random;
use iomill_engine::depth::Limits;
use std::collections::VecDeque;

/// The requests that wait, of a number of lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    /// The share of writes.
    writes: f64,
    /// Whether each is a write, the oldest first.
    queue: VecDeque<bool>,
    /// Writes that have given way to reads.
    held: u32,
}

impl Lanes {
    /// So many lanes, each with its first request.
    pub(super) fn new(count: u32, writes: f64, random: &mut Random) -> Self {
        let mut lanes = Self { writes, queue: VecDeque::new(), held: 0 };
        for _ in 0..count {
            lanes.go_on(random);
        }
        lanes
    }

    /// A lane's request is done, and it sends the next one.
    pub(super) fn go_on(&mut self, random: &mut Random) {
        self.queue.push_back(random.unit() < self.writes);
    }

    /// The next request for the device, as the engine's window chooses it: whether it is a write.
    pub(super) fn next(&mut self, limits: Limits, taken: u32, writes: u32) -> Option<bool> {
        let may_write = limits.left_to_writes(taken, writes, true) > 0;
        if may_write && self.held > 0 {
            self.held -= 1;
            return Some(true);
        }
        while let Some(is_write) = self.queue.pop_front() {
            if !is_write || may_write {
                return Some(is_write);
            }
            self.held += 1;
        }
        if self.held == 0 || limits.left_to_writes(taken, writes, false) == 0 {
            return None;
        }
        self.held -= 1;
        Some(true)
    }

    /// Whether requests wait that were not held back.
    pub(super) fn are_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether all that waits are writes that have given way.
    pub(super) fn are_only_held(&self) -> bool {
        self.queue.is_empty() && self.held > 0
    }
}
