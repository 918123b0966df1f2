//! A timer wheel over the slots of the in-flight table: setting and clearing a deadline takes a few
//! writes, whatever else is pending. Asked by `engine` once per tick; reads no clock.
//!
//! Time is cut into steps of about a millisecond. A deadline lies in the bucket of its step, modulo
//! the number of buckets; those of a later round stay when their bucket is visited. A deadline is
//! never early, and late by at most one step and the time between two ticks of the engine.

/// Buckets of the wheel: a power of two. One round takes about a quarter of a second.
const BUCKETS: usize = 256;
/// A step is 2^20 nanoseconds.
const STEP_SHIFT: u32 = 20;
/// The end of a bucket's list, and "in no bucket".
const NONE: u32 = u32::MAX;

/// One slot's place in the wheel.
#[derive(Clone, Copy, Debug)]
struct Entry {
    step: u64,
    next: u32,
    previous: u32,
    set: bool,
}

/// The deadlines of all slots.
#[derive(Debug)]
pub(crate) struct Deadlines {
    entries: Box<[Entry]>,
    /// First slot of each bucket.
    buckets: [u32; BUCKETS],
    /// Every step before this one was visited.
    cursor: u64,
    count: u32,
}

impl Deadlines {
    /// For slots below `capacity`, none set.
    pub(crate) fn new(capacity: u32) -> Self {
        let entry = Entry { step: 0, next: NONE, previous: NONE, set: false };
        let entries = vec![entry; capacity as usize].into_boxed_slice();
        Self { entries, buckets: [NONE; BUCKETS], cursor: 0, count: 0 }
    }

    /// Whether no deadline is set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sets the deadline of a slot that has none.
    pub(crate) fn set(&mut self, slot: u32, deadline_ns: u64) {
        debug_assert!(!self.entries[slot as usize].set, "a slot has one deadline");
        // Rounded up, and after the cursor, whose bucket was visited: what is due already is found
        // by the next visit.
        let step = ((deadline_ns >> STEP_SHIFT) + 1).max(self.cursor + 1);
        let bucket = bucket_of(step);
        let next = self.buckets[bucket];
        self.entries[slot as usize] = Entry { step, next, previous: NONE, set: true };
        if next != NONE {
            self.entries[next as usize].previous = slot;
        }
        self.buckets[bucket] = slot;
        self.count += 1;
    }

    /// Clears the deadline of a slot, if it has one.
    #[inline]
    pub(crate) fn clear(&mut self, slot: u32) {
        if self.count > 0 && self.entries[slot as usize].set {
            self.unlink(slot);
        }
    }

    /// Takes one slot whose deadline has passed at `now_ns`, or `None` when there is no more.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u32> {
        let now = now_ns >> STEP_SHIFT;
        if self.is_empty() {
            self.cursor = self.cursor.max(now);
            return None;
        }
        // After a long pause one round visits every bucket.
        let last = now.min(self.cursor.saturating_add(BUCKETS as u64));
        while self.cursor <= last {
            let mut slot = self.buckets[bucket_of(self.cursor)];
            while slot != NONE {
                let entry = self.entries[slot as usize];
                if entry.step <= now {
                    self.unlink(slot);
                    return Some(slot);
                }
                slot = entry.next;
            }
            if self.cursor == last {
                break;
            }
            self.cursor += 1;
        }
        self.cursor = self.cursor.max(now);
        None
    }

    /// A moment at which to look again: no deadline passes before it. `None` when none is set.
    pub(crate) fn next_visit_ns(&self) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        // What lies in the cursor's own bucket belongs to a later round.
        let steps = self.cursor + 1..=self.cursor + BUCKETS as u64;
        let next = steps.into_iter().find(|step| self.buckets[bucket_of(*step)] != NONE)?;
        Some(next << STEP_SHIFT)
    }

    fn unlink(&mut self, slot: u32) {
        let Entry { step, next, previous, .. } = self.entries[slot as usize];
        if previous == NONE {
            self.buckets[bucket_of(step)] = next;
        } else {
            self.entries[previous as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        self.entries[slot as usize].set = false;
        self.count -= 1;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn bucket_of(step: u64) -> usize {
    step as usize & (BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, u64),
        Clear(u32),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let nanoseconds = prop_oneof![0..5_000_000_u64, 0..2_000_000_000_u64];
        prop_oneof![
            (0..8_u32, nanoseconds.clone()).prop_map(|(slot, ns)| Step::Set(slot, ns)),
            (0..8_u32).prop_map(Step::Clear),
            nanoseconds.prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map_to_the_step(steps in prop::collection::vec(step(), 0..100)) {
            let mut wheel = Deadlines::new(8);
            let mut naive: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now_ns = 0_u64;
            for step in steps {
                match step {
                    Step::Set(slot, after_ns) => {
                        naive.entry(slot).or_insert_with(|| {
                            wheel.set(slot, now_ns + after_ns);
                            now_ns + after_ns
                        });
                    }
                    Step::Clear(slot) => {
                        wheel.clear(slot);
                        naive.remove(&slot);
                    }
                    Step::Pass(ns) => now_ns += ns,
                }
                while let Some(slot) = wheel.take_due(now_ns) {
                    let deadline_ns = naive.remove(&slot).expect("it was set");
                    prop_assert!(deadline_ns <= now_ns, "never early");
                }
                for deadline_ns in naive.values() {
                    prop_assert!(deadline_ns + (2 << STEP_SHIFT) > now_ns, "a step late at most");
                    let next = wheel.next_visit_ns().expect("one is set");
                    prop_assert!(next <= deadline_ns + (2 << STEP_SHIFT), "not looked at too late");
                    prop_assert!(next > now_ns, "nor before there can be anything to see");
                }
                prop_assert_eq!(wheel.is_empty(), naive.is_empty());
            }
        }
    }
}
