//! What a soak has done and what was wrong: counters that all its threads share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many violations are kept; the rest is counted.
const VIOLATIONS_KEPT_MAX: usize = 20;

/// Counts of a run. Relaxed throughout: nothing is read on the strength of them but at the end.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    called: AtomicU64,
    most_in_flight: AtomicU64,
    blocks_verified: AtomicU64,
    given_up: AtomicU64,
    engines: AtomicU64,
    violations: AtomicU64,
    kept: Mutex<Vec<String>>,
    kinds: Mutex<BTreeMap<&'static str, u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    pub(super) fn accepted(&self) {
        let accepted = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let in_flight = accepted.saturating_sub(self.called.load(Ordering::Relaxed));
        self.most_in_flight.fetch_max(in_flight, Ordering::Relaxed);
    }

    pub(super) fn not_accepted(&self) {
        self.accepted.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn called(&self) {
        self.called.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> u64 {
        // In this order, so that it is never too low.
        let called = self.called.load(Ordering::SeqCst);
        self.accepted.load(Ordering::SeqCst).saturating_sub(called)
    }

    /// What one world has done, added to the whole.
    pub(super) fn add(&self, other: &Self) {
        for (sum, part) in [
            (&self.accepted, &other.accepted),
            (&self.called, &other.called),
            (&self.blocks_verified, &other.blocks_verified),
            (&self.given_up, &other.given_up),
            (&self.engines, &other.engines),
        ] {
            sum.fetch_add(part.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
        for (kind, count) in std::mem::take(&mut *lock(&other.kinds)) {
            *lock(&self.kinds).entry(kind).or_default() += count;
        }
        self.violations.fetch_add(other.violations.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        let kept = std::mem::take(&mut *lock(&other.kept));
        lock(&self.kept).extend(kept);
    }

    pub(super) fn peak(&self) -> u64 {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn verified(&self, blocks: u32) {
        self.blocks_verified.fetch_add(u64::from(blocks), Ordering::Relaxed);
    }

    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn engine_started(&self) {
        self.engines.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn kind(&self, kind: &'static str) {
        *lock(&self.kinds).entry(kind).or_default() += 1;
    }

    /// Something that must not be.
    pub(super) fn violation(&self, what: String) {
        self.violations.fetch_add(1, Ordering::Relaxed);
        let mut kept = lock(&self.kept);
        if kept.len() < VIOLATIONS_KEPT_MAX {
            kept.push(what);
        }
    }

    /// How many there were, and the first of them.
    pub fn violations(&self) -> (u64, Vec<String>) {
        (self.violations.load(Ordering::Relaxed), lock(&self.kept).clone())
    }

    /// Requests, blocks verified, requests given up, and engines started.
    pub fn totals(&self) -> [u64; 4] {
        [&self.accepted, &self.blocks_verified, &self.given_up, &self.engines]
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// How often each kind of operation was called back.
    pub fn kinds(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.kinds).clone()
    }
}
