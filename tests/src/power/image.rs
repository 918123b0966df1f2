//! What a power failure may have left of a recorded disk: at which moments, and which of the writes
//! that were not lasting. The rules are those of `sim`'s disk, on the level of sectors: each shows
//! what was lasting or anything that was written over it since.

use super::medium::{Medium, Sector};
use super::recording::{Event, Recording};
use crate::random::Random;
use std::collections::{BTreeMap, HashMap};

/// Which of the writes that were not lasting are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// The first few.
    Beginning,
    /// All but one.
    AllButOne,
    /// One.
    One,
    /// Each as a whole or not, by chance.
    Some,
    /// Of each sector any state since it was lasting: torn and reordered.
    AnySectors,
}

/// All of them.
const LEFT: [Left; 7] = [
    Left::Nothing,
    Left::Everything,
    Left::Beginning,
    Left::AllButOne,
    Left::One,
    Left::Some,
    Left::AnySectors,
];

/// One power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// After so many events.
    pub point: usize,
    /// What was promised after so many events counts: more than `point` only where a disk lies.
    pub judged_at: usize,
    /// Which writes are left.
    pub left: Left,
    /// The seed of what is by chance.
    pub seed: u64,
}

/// Chooses power failures: in turn one right after an acknowledgement that leaves nothing that was
/// not lasting, and one at any moment that leaves something by chance. In the order of time.
pub fn failures(recording: &Recording, count: usize, random: &mut Random) -> Vec<Failure> {
    let events = &recording.events;
    let is_ack = |event: &Event| matches!(event, Event::Said(super::mark::Mark::Acked { .. }));
    let mut acks: Vec<usize> =
        (1..=events.len()).filter(|point| is_ack(&events[point - 1])).collect();
    let mut failures = Vec::new();
    while failures.len() < count && !events.is_empty() {
        let seed = random.bits();
        let (point, left) = match failures.len() % 2 == 0 && !acks.is_empty() {
            true => (acks.swap_remove(random.index(acks.len())), Left::Nothing),
            false => (random.index(events.len()) + 1, LEFT[random.index(LEFT.len())]),
        };
        failures.push(Failure { point, judged_at: point, left, seed });
    }
    failures.sort_by_key(|failure| failure.point);
    failures
}

/// Failures of a disk that answered its last flushes and kept nothing of them: whoever judges
/// cannot but refuse them.
pub fn lies(recording: &Recording, count: usize, random: &mut Random) -> Vec<Failure> {
    let all = recording.events.len();
    let half = all / 2;
    let lie = |_| {
        let (point, seed) = (half / 2 + random.index(half.max(1)), random.bits());
        Failure { point, judged_at: all, left: Left::Nothing, seed }
    };
    let mut lies: Vec<Failure> = (0..count).map(lie).collect();
    lies.sort_by_key(|failure| failure.point);
    lies
}

/// Makes images out of a recording, forward in time.
#[derive(Debug)]
pub struct Images<'a> {
    recording: &'a Recording,
    point: usize,
    lasting: Medium,
    /// Of each sector the newest write that is lasting.
    newest: HashMap<u64, usize>,
    /// Writes that have come and are not lasting, in order.
    pending: Vec<usize>,
}

impl<'a> Images<'a> {
    /// From the beginning of a recording.
    pub fn new(recording: &'a Recording) -> Self {
        let lasting = recording.begin.clone();
        Self { recording, point: 0, lasting, newest: HashMap::new(), pending: Vec::new() }
    }

    /// What this failure leaves.
    ///
    /// # Panics
    /// When it is before the last one.
    pub fn image(&mut self, failure: &Failure) -> Medium {
        assert!(failure.point >= self.point, "time only goes forward");
        while self.point < failure.point {
            self.step();
        }
        let mut image = self.lasting.clone();
        for (number, sector) in self.left(failure) {
            image.put(number, sector);
        }
        image
    }

    fn step(&mut self) {
        match &self.recording.events[self.point] {
            Event::Came(write) => self.pending.push(*write),
            Event::Lasting(writes) => {
                writes.iter().for_each(|write| self.keep(*write));
                self.pending.retain(|write| !writes.contains(write));
            }
            Event::Said(_) => {}
        }
        self.point += 1;
    }

    fn keep(&mut self, write: usize) {
        for (number, sector) in self.sectors(write) {
            let newest = self.newest.entry(number).or_insert(write);
            // A newer one that is lasting already stays.
            if *newest <= write {
                *newest = write;
                self.lasting.put(number, sector);
            }
        }
    }

    /// The sectors of a write with their numbers.
    fn sectors(&self, write: usize) -> Vec<(u64, Sector)> {
        let written = &self.recording.writes[write];
        (written.first..).zip(Sector::all(&written.bytes)).collect()
    }

    /// The sectors that are not lasting and are left.
    fn left(&self, failure: &Failure) -> BTreeMap<u64, Sector> {
        let mut random = Random::new(failure.seed);
        let count = self.pending.len();
        let one = if count == 0 { 0 } else { random.index(count) };
        let is_left = |place: usize, random: &mut Random| match failure.left {
            Left::Nothing => false,
            Left::Everything | Left::AnySectors => true,
            Left::Beginning => place < one,
            Left::AllButOne => place != one,
            Left::One => place == one,
            Left::Some => random.below(2) == 0,
        };
        let mut versions: BTreeMap<u64, Vec<Sector>> = BTreeMap::new();
        for (place, write) in self.pending.iter().enumerate() {
            if !is_left(place, &mut random) {
                continue;
            }
            for (number, sector) in self.sectors(*write) {
                // What is lasting does not become older again.
                if self.newest.get(&number).is_none_or(|newest| newest < write) {
                    versions.entry(number).or_default().push(sector);
                }
            }
        }
        let chosen = versions.into_iter().filter_map(|(number, mut versions)| {
            let sector = match failure.left {
                // One more than there are: what was lasting.
                Left::AnySectors => {
                    let chosen = random.index(versions.len() + 1);
                    (chosen < versions.len()).then(|| versions.swap_remove(chosen))
                }
                _ => versions.pop(),
            };
            Some((number, sector?))
        });
        chosen.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::SECTOR_LEN;
    use super::super::nbd::Disk;
    use super::super::recording::tests::{disk, write};
    use super::*;

    /// Sectors 0 to 3 of an image, each by its first byte.
    fn show(image: &Medium) -> [u8; 4] {
        let mut bytes = [0; 4 * SECTOR_LEN];
        image.read(0, &mut bytes).expect("within the disk");
        [0, 1, 2, 3].map(|sector: usize| bytes[sector * SECTOR_LEN])
    }

    #[test]
    fn each_way_leaves_what_it_says_over_what_is_lasting() {
        let mut disk = disk();
        let one = write(&mut disk, 0, 1, 2);
        disk.answered(one);
        disk.flush().expect("it never fails");
        write(&mut disk, 1, 2, 2);
        write(&mut disk, 2, 3, 2);
        let recording = disk.lock();
        let point = recording.events.len();
        let shows = |left: Left, seeds: u64| {
            let mut seen: Vec<[u8; 4]> = (0..seeds)
                .map(|seed| {
                    let failure = Failure { point, judged_at: point, left, seed };
                    show(&Images::new(&recording).image(&failure))
                })
                .collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!(shows(Left::Nothing, 9), [[1, 1, 0, 0]]);
        assert_eq!(shows(Left::Everything, 9), [[1, 2, 3, 3]]);
        assert_eq!(shows(Left::One, 50), [[1, 1, 3, 3], [1, 2, 2, 0]]);
        assert_eq!(shows(Left::AllButOne, 50), [[1, 1, 3, 3], [1, 2, 2, 0]]);
        assert_eq!(shows(Left::Beginning, 50), [[1, 1, 0, 0], [1, 2, 2, 0]]);
        assert_eq!(shows(Left::Some, 90).len(), 4);
        assert_eq!(shows(Left::AnySectors, 900).len(), 2 * 3 * 2);
    }

    #[test]
    fn what_is_lasting_is_not_replaced_by_something_older() {
        let mut disk = disk();
        write(&mut disk, 0, 1, 1);
        let two = write(&mut disk, 0, 2, 1);
        disk.answered(two);
        disk.flush().expect("it never fails");
        let recording = disk.lock();
        let point = recording.events.len();
        for left in LEFT {
            let failure = Failure { point, judged_at: point, left, seed: 1 };
            assert_eq!(show(&Images::new(&recording).image(&failure))[0], 2, "{left:?}");
        }
    }

    #[test]
    fn failures_are_in_order_and_half_of_them_follow_an_acknowledgement() {
        let mut disk = disk();
        for op in 2..40 {
            write(&mut disk, 0, 1, 1);
            disk.lock().said(super::super::mark::Mark::Acked { cell: "a".into(), op });
        }
        let recording = disk.lock();
        let failures = failures(&recording, 20, &mut Random::new(1));
        assert_eq!(failures.len(), 20);
        assert!(failures.is_sorted_by_key(|failure| failure.point));
        let after = failures.iter().filter(|failure| failure.point % 2 == 0);
        assert!(after.count() >= 10);
        let lies = lies(&recording, 5, &mut Random::new(1));
        assert!(lies.iter().all(|lie| lie.point < lie.judged_at && lie.left == Left::Nothing));
    }
}
