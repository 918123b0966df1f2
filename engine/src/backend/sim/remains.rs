//! What a power failure may leave of one simulated file. Extends `content::Content`; called by
//! `snapshot`. Makes no choice itself: it asks for each.

use super::choices::Choices;
use super::content::{Content, Image, SECTOR_LEN, SECTOR_LEN_BYTES};
use super::versions::Versions;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What a power failure leaves of one sector, still to be made to fit the others.
struct Pick<'a> {
    survivors: Vec<(u64, &'a Image)>,
    chosen: usize,
}

impl Pick<'_> {
    fn stamp(&self) -> u64 {
        self.survivors[self.chosen].0
    }

    fn place_of(&self, stamp: u64) -> Option<usize> {
        self.survivors.iter().position(|(other, _)| *other == stamp)
    }
}

impl Content {
    /// One of the states that a power failure may leave.
    pub(super) fn after_power_failure(&self, choices: &mut Choices) -> Self {
        let stamps = self.length.stamps();
        let committed = stamps[choices.index(stamps.len())];
        let len = *self.length.as_of(committed);
        let mut picks = self.candidates(committed, len);
        let whole = self.keep_atomics(committed, &mut picks, choices);
        // Sectors that the same atomic writes and nothing else concern show the same one.
        let mut together: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
        for pick in picks.values_mut() {
            let newer: Vec<u64> = pick.survivors.iter().skip(1).map(|(stamp, _)| *stamp).collect();
            let len = pick.survivors.len();
            pick.chosen = match newer.iter().all(|stamp| self.atomics.contains_key(stamp)) {
                true => *together.entry(newer).or_insert_with(|| choices.index(len)),
                false => choices.index(len),
            };
        }
        for (stamp, sectors) in whole {
            let shows = picks.range(sectors.clone()).any(|(_, pick)| pick.stamp() == stamp);
            for (_, pick) in picks.range_mut(sectors).filter(|_| shows) {
                if pick.stamp() < stamp {
                    pick.chosen = pick.place_of(stamp).unwrap_or(pick.chosen);
                }
            }
        }
        let mut left = Self::zeros(len);
        left.allocated = self.allocated.clone();
        for (number, pick) in picks {
            let mut image = Arc::clone(pick.survivors[pick.chosen].1);
            let begin = number * SECTOR_LEN_BYTES;
            // Beyond the end there is nothing, whatever the device holds.
            let within = usize::try_from(len - begin).unwrap_or(SECTOR_LEN).min(SECTOR_LEN);
            if within < SECTOR_LEN {
                Arc::make_mut(&mut image)[within..].fill(0);
            }
            left.sectors.insert(number, Versions::durable(image));
            left.allocated.insert(number..number + 1);
        }
        left
    }

    /// What each sector below `len` may hold, equal contents once if nothing tells them apart.
    fn candidates(&self, committed: u64, len: u64) -> BTreeMap<u64, Pick<'_>> {
        let mut picks = BTreeMap::new();
        for (number, sector) in self.sectors.range(..len.div_ceil(SECTOR_LEN_BYTES)) {
            let mut survivors: Vec<(u64, &Image)> = Vec::new();
            for (stamp, image) in sector.survivors(committed) {
                let is_new = !survivors.iter().any(|(_, other)| *other == image);
                if is_new || !self.atomics.is_empty() {
                    survivors.push((stamp, image));
                }
            }
            picks.insert(*number, Pick { survivors, chosen: 0 });
        }
        picks
    }

    /// Decides which atomic writes are left, and takes the others away; answers those that are.
    ///
    /// If any sector shows such a write, each of its sectors has to show it or something newer. So
    /// it cannot be left where one of its sectors lacks it and has nothing newer for certain.
    fn keep_atomics(
        &self,
        committed: u64,
        picks: &mut BTreeMap<u64, Pick<'_>>,
        choices: &mut Choices,
    ) -> Vec<(u64, Range<u64>)> {
        let mut left = Vec::new();
        for (stamp, atomic) in &self.atomics {
            let shows = |pick: &Pick<'_>| pick.place_of(*stamp).is_some();
            let fits = |pick: &Pick<'_>| {
                shows(pick) || pick.survivors.iter().all(|(other, _)| other > stamp)
            };
            let mut concerned = picks.range(atomic.sectors.clone()).map(|(_, pick)| pick);
            if !concerned.clone().any(shows) {
                continue;
            }
            let is_left = concerned.all(fits)
                && if atomic.extends { committed >= *stamp } else { choices.index(2) == 1 };
            if is_left {
                left.push((*stamp, atomic.sectors.clone()));
                if atomic.extends {
                    // Its length is there, so its bytes are: nothing older is.
                    for (_, pick) in picks.range_mut(atomic.sectors.clone()) {
                        pick.survivors.retain(|(other, _)| other >= stamp);
                    }
                }
                continue;
            }
            for (_, pick) in picks.range_mut(atomic.sectors.clone()) {
                pick.survivors.retain(|(other, _)| other != stamp);
            }
        }
        left
    }
}
