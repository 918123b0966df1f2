//! What a file on a simulated disk may hold, told naively: for each granule of 64 bytes the values
//! that its bytes may have now, and those that they may have after a power failure. Knows nothing
//! of how the disk works; filled and asked by `sim_workload`.

use std::collections::HashMap;
use std::ops::Range;

/// Small against a sector, so that sectors are written in parts.
pub(crate) const GRANULE_LEN_BYTES: u64 = 64;

/// A set of byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Values([u64; 4]);

impl Values {
    const ZERO: Self = Self([1, 0, 0, 0]);
    const NONE: Self = Self([0; 4]);

    fn with(mut self, value: u8) -> Self {
        self.0[usize::from(value / 64)] |= 1 << (value % 64);
        self
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] | other.0[index]))
    }

    fn is_one(self) -> bool {
        self.0.iter().map(|bits| bits.count_ones()).sum::<u32>() == 1
    }

    fn has(self, value: u8) -> bool {
        self.0[usize::from(value / 64)] & (1 << (value % 64)) != 0
    }
}

/// A write or a truncation that was submitted.
#[derive(Clone, Debug)]
struct Change {
    range: Range<u64>,
    fill: u8,
    /// Whether the file ends where the range begins, afterwards.
    cuts: bool,
    /// Whether nothing else may change the file meanwhile, because it depends on the length.
    is_alone: bool,
    /// Whether a sync failed while it was on its way: that may have dropped parts of it.
    met_failure: bool,
}

/// What was true when a sync was submitted.
#[derive(Clone, Debug)]
struct Covered {
    live: Vec<Values>,
    live_len: Range<u64>,
    /// What was written since, or was on its way then.
    since: Vec<Values>,
    since_len: Range<u64>,
    /// Another sync had failed before, or has failed since.
    doubtful: Vec<bool>,
}

/// What one file may hold. Lengths are ranges with both ends in.
#[derive(Debug)]
pub(crate) struct Oracle {
    live: Vec<Values>,
    live_len: Range<u64>,
    left: Vec<Values>,
    left_len: Range<u64>,
    /// A sync has failed that was to cover it.
    doubtful: Vec<bool>,
    changes: HashMap<u64, Change>,
    syncs: HashMap<u64, Covered>,
}

impl Oracle {
    /// A durable file of zeros that never grows beyond `granules`.
    pub(crate) fn new(len: u64, granules: usize) -> Self {
        Self {
            live: vec![Values::ZERO; granules],
            live_len: len..len,
            left: vec![Values::ZERO; granules],
            left_len: len..len,
            doubtful: vec![false; granules],
            changes: HashMap::new(),
            syncs: HashMap::new(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.changes.is_empty() && self.syncs.is_empty()
    }

    pub(crate) fn is_changing(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Whether a write there would meet another one on its way.
    pub(crate) fn overlaps(&self, range: &Range<u64>) -> bool {
        let meets = |change: &Change| {
            change.is_alone || (change.range.start < range.end && range.start < change.range.end)
        };
        self.changes.values().any(meets)
    }

    /// The length, if it is certain.
    pub(crate) fn len(&self) -> Option<u64> {
        (self.live_len.start == self.live_len.end).then_some(self.live_len.start)
    }

    pub(crate) fn write_begins(&mut self, id: u64, range: Range<u64>, fill: u8) {
        self.begins(id, Change { range, fill, cuts: false, is_alone: false, met_failure: false });
    }

    pub(crate) fn append_begins(&mut self, id: u64, range: Range<u64>, fill: u8) {
        self.begins(id, Change { range, fill, cuts: false, is_alone: true, met_failure: false });
    }

    /// Up to `most` bytes lie beyond the new length.
    pub(crate) fn cut_begins(&mut self, id: u64, len: u64, most: u64) {
        self.begins(
            id,
            Change { range: len..most, fill: 0, cuts: true, is_alone: true, met_failure: false },
        );
    }

    fn begins(&mut self, id: u64, change: Change) {
        // Any part of it may be there from now on.
        add(&mut self.left, &mut self.left_len, &change);
        for covered in self.syncs.values_mut() {
            add(&mut covered.since, &mut covered.since_len, &change);
        }
        self.changes.insert(id, change);
    }

    /// A write or a truncation has completed; `durable` if that was promised with it.
    pub(crate) fn change_ends(&mut self, id: u64, succeeded: bool, durable: bool) {
        let change = self.changes.remove(&id).expect("it had begun");
        if !succeeded {
            add(&mut self.live, &mut self.live_len, &change);
            return;
        }
        let Change { range, fill, cuts, met_failure, .. } = change;
        self.live_len = match cuts {
            true => range.start..range.start,
            false => self.live_len.start.max(range.end)..self.live_len.end.max(range.end),
        };
        for (index, whole) in granules(&range, self.live.len()) {
            let only = Values::NONE.with(fill);
            self.live[index] = if whole { only } else { self.live[index].or(only) };
            if whole && durable {
                self.left[index] = only;
            }
            if met_failure && !durable {
                self.doubtful[index] = true;
            } else if whole && !cuts {
                // Written anew; a cut may have found nothing there to write.
                self.doubtful[index] = false;
            }
        }
        if durable {
            self.left_len.start = self.left_len.start.max(range.end);
        }
    }

    pub(crate) fn sync_begins(&mut self, id: u64) {
        let (live, live_len) = (self.live.clone(), self.live_len.clone());
        let (since, since_len) = (vec![Values::NONE; live.len()], live_len.clone());
        let doubtful = self.doubtful.clone();
        let mut covered = Covered { live, live_len, since, since_len, doubtful };
        for change in self.changes.values() {
            add(&mut covered.since, &mut covered.since_len, change);
        }
        self.syncs.insert(id, covered);
    }

    pub(crate) fn sync_ends(&mut self, id: u64, succeeded: bool) {
        let covered = self.syncs.remove(&id).expect("it had begun");
        self.changes.values_mut().for_each(|change| change.met_failure |= !succeeded);
        for index in 0..self.left.len() {
            if !succeeded {
                // What was durable before stays so; for the rest no sync will do any more.
                let is_clean = self.left[index] == covered.live[index] && self.left[index].is_one();
                self.doubtful[index] |= !is_clean;
                for other in self.syncs.values_mut() {
                    other.doubtful[index] |= !is_clean;
                }
            } else if !covered.doubtful[index] {
                self.left[index] = covered.live[index].or(covered.since[index]);
            }
        }
        if succeeded {
            let (live, since) = (covered.live_len, covered.since_len);
            self.left_len = live.start.min(since.start)..live.end.max(since.end);
        }
    }

    /// Whether a read may have brought this.
    pub(crate) fn check_read(&self, offset: u64, asked: u64, bytes: &[u8]) -> Result<(), String> {
        let within = |len: u64| len.saturating_sub(offset).min(asked);
        let (low, high) = (within(self.live_len.start), within(self.live_len.end));
        let count = bytes.len() as u64;
        if !(low..=high).contains(&count) {
            return Err(format!("{count} bytes at {offset} instead of {low} to {high}"));
        }
        check(&self.live, offset, bytes)
    }

    /// Whether a power failure may have left this.
    pub(crate) fn check_left(&self, bytes: &[u8]) -> Result<(), String> {
        let (low, high, len) = (self.left_len.start, self.left_len.end, bytes.len() as u64);
        if !(low..=high).contains(&len) {
            return Err(format!("a length of {len} instead of {low} to {high}"));
        }
        check(&self.left, 0, bytes)
    }
}

/// Allows what a change would do, in part or in whole.
fn add(values: &mut [Values], len: &mut Range<u64>, change: &Change) {
    for (index, _) in granules(&change.range, values.len()) {
        values[index] = values[index].with(change.fill);
    }
    let new = if change.cuts { change.range.start } else { change.range.end.max(len.end) };
    *len = len.start.min(new)..len.end.max(new);
}

/// The granules that a range touches, and whether it covers them.
fn granules(range: &Range<u64>, count: usize) -> Vec<(usize, bool)> {
    let touched = range.start / GRANULE_LEN_BYTES..range.end.div_ceil(GRANULE_LEN_BYTES);
    let covers = |index: u64| {
        range.start <= index * GRANULE_LEN_BYTES && (index + 1) * GRANULE_LEN_BYTES <= range.end
    };
    touched
        .map(|index| (usize::try_from(index).unwrap(), covers(index)))
        .filter(|(index, _)| *index < count)
        .collect()
}

fn check(values: &[Values], offset: u64, bytes: &[u8]) -> Result<(), String> {
    for (position, byte) in (offset..).zip(bytes) {
        let allowed = values[usize::try_from(position / GRANULE_LEN_BYTES).unwrap()];
        if !allowed.has(*byte) {
            let values: Vec<u8> = (0..=255).filter(|value| allowed.has(*value)).collect();
            return Err(format!("byte {position} is {byte} and may be one of {values:?}"));
        }
    }
    Ok(())
}
