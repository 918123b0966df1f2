//! The bytes of one simulated file: what a reader sees, and all that they have been since they were
//! durable. Knows no names, no time and no requests; used by `model`. What a power failure leaves
//! is in `remains`.
//!
//! Sectors of 512 bytes are the unit that a device writes whole or not at all. The length, and
//! sectors that a truncation or a hole zeroes, are metadata: of their changes a power failure
//! leaves the first few, in order, as a journal does.

use super::random::Random;
use super::space::SectorSet;
use super::versions::{Manner, Versions};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// What a device writes whole or not at all.
pub const SECTOR_LEN_BYTES: u64 = 512;

pub(super) const SECTOR_LEN: usize = 512;

/// Shared between copies of a file, of which power failures need many.
pub(super) type Image = Arc<[u8; SECTOR_LEN]>;

/// A file's bytes, sparse.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) length: Versions<u64>,
    pub(super) sectors: BTreeMap<u64, Versions<Image>>,
    /// Sectors that are not durable.
    dirty: BTreeSet<u64>,
    /// Sectors that take space: written ones and reserved ones.
    pub(super) allocated: SectorSet,
    /// Atomic writes that are not durable, by their stamps.
    pub(super) atomics: BTreeMap<u64, Atomic>,
}

/// A write of which all or nothing is left.
#[derive(Clone, Debug)]
pub(super) struct Atomic {
    pub(super) sectors: Range<u64>,
    /// Whether the file became longer by it: then its length comes with it.
    pub(super) extends: bool,
}

impl Content {
    /// So many zeros, durable.
    pub(super) fn zeros(len: u64) -> Self {
        Self {
            length: Versions::durable(len),
            sectors: BTreeMap::new(),
            dirty: BTreeSet::new(),
            allocated: SectorSet::default(),
            atomics: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> u64 {
        *self.length.current()
    }

    pub(super) fn allocated_sectors(&self) -> u64 {
        self.allocated.count()
    }

    /// How many bytes of a write of `len` fit in `free_sectors` more.
    pub(super) fn fitting(&self, offset: u64, len: usize, free_sectors: u64) -> usize {
        let range = sectors_of(offset, offset + len as u64);
        if self.allocated.missing(&range) <= free_sectors {
            return len;
        }
        let fits = |end: &u64| self.allocated.missing(&(range.start..*end)) <= free_sectors;
        let end = (range.start..range.end).take_while(fits).last().unwrap_or(range.start);
        usize::try_from((end * SECTOR_LEN_BYTES).saturating_sub(offset)).unwrap_or(len).min(len)
    }

    /// How many sectors of a range take no space yet.
    pub(super) fn missing_sectors(&self, range: Range<u64>) -> u64 {
        self.allocated.missing(&sectors_of(range.start, range.end))
    }

    /// Reserves space for a range.
    pub(super) fn reserve(&mut self, range: Range<u64>) {
        self.allocated.insert(sectors_of(range.start, range.end));
    }

    /// Fills `into` from `offset` on; answers how many bytes there were.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let end = self.len().min(offset.saturating_add(into.len() as u64));
        let len = usize::try_from(end.saturating_sub(offset)).unwrap_or(into.len());
        for piece in pieces(offset, len) {
            let target = &mut into[piece.bytes];
            match self.sectors.get(&piece.sector) {
                Some(sector) => target.copy_from_slice(&sector.current()[piece.inside]),
                None => target.fill(0),
            }
        }
        len
    }

    /// Writes everything, and makes the file longer where it has to be.
    pub(super) fn write(&mut self, stamp: u64, offset: u64, bytes: &[u8]) {
        self.write_as(Manner::Plain, stamp, offset, bytes);
    }

    /// As `write`, and a power failure leaves all of it or nothing.
    pub(super) fn write_atomic(&mut self, stamp: u64, offset: u64, bytes: &[u8]) {
        let (sectors, old_len) = (sectors_of(offset, offset + bytes.len() as u64), self.len());
        self.write_as(Manner::Atomic, stamp, offset, bytes);
        let extends = self.len() > old_len;
        self.atomics.insert(stamp, Atomic { sectors, extends });
    }

    fn write_as(&mut self, manner: Manner, stamp: u64, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        if end > self.len() {
            self.length.push(stamp, end, Manner::Cut);
        }
        for piece in pieces(offset, bytes.len()) {
            self.write_piece(manner, stamp, piece, bytes);
        }
        self.allocated.insert(sectors_of(offset, end));
    }

    /// Writes those sectors that lie within the file and that chance picks: a write on its way, or
    /// one that fails.
    pub(super) fn write_some(
        &mut self,
        stamp: u64,
        offset: u64,
        bytes: &[u8],
        random: &mut Random,
    ) {
        let within = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(bytes.len());
        for piece in pieces(offset, bytes.len().min(within)) {
            let sector = piece.sector;
            if random.chance(0.5) && self.allocated.missing(&(sector..sector + 1)) == 0 {
                self.write_piece(Manner::Plain, stamp, piece, bytes);
            }
        }
    }

    /// Sets the length; what lies beyond it is gone.
    pub(super) fn set_len(&mut self, stamp: u64, len: u64) {
        let old = self.len();
        self.length.push(stamp, len, Manner::Cut);
        if len < old {
            // The last sector goes as a whole, although the file ends within it.
            self.zero(stamp, len..old.next_multiple_of(SECTOR_LEN_BYTES));
            self.allocated.remove(len.div_ceil(SECTOR_LEN_BYTES)..u64::MAX);
        }
    }

    /// Makes a range read as zeros. The length stays.
    pub(super) fn punch(&mut self, stamp: u64, range: Range<u64>, keep_space: bool) {
        let len = self.len();
        self.length.push(stamp, len, Manner::Cut);
        let whole = range.start.div_ceil(SECTOR_LEN_BYTES)..range.end / SECTOR_LEN_BYTES;
        self.zero(stamp, range);
        if !keep_space {
            self.allocated.remove(whole);
        }
    }

    /// After a successful sync of all, or of a range: what was written up to `stamp` is durable.
    pub(super) fn promote(&mut self, stamp: u64, range: Option<Range<u64>>) {
        self.length.promote(stamp);
        let sectors = range.map_or(0..u64::MAX, |range| sectors_of(range.start, range.end));
        let dirty: Vec<u64> = self.dirty.range(sectors.clone()).copied().collect();
        for number in dirty {
            if let Some(sector) = self.sectors.get_mut(&number) {
                sector.promote(stamp);
                if !sector.is_dirty() {
                    self.dirty.remove(&number);
                }
            }
        }
        let covers = |atomic: &Atomic| {
            sectors.start <= atomic.sectors.start && atomic.sectors.end <= sectors.end
        };
        self.atomics.retain(|other, atomic| *other > stamp || !covers(atomic));
    }

    /// After a failed sync: some of what was written up to `stamp` will not be covered by a later
    /// one.
    pub(super) fn forget(&mut self, stamp: u64, random: &mut Random) {
        for number in &self.dirty {
            if random.chance(0.5)
                && let Some(sector) = self.sectors.get_mut(number)
            {
                sector.forget(stamp);
            }
        }
    }

    /// Takes length and bytes into a hash, zeros where nothing was written left out.
    pub(super) fn print(&self, hasher: &mut impl Hasher) {
        self.len().hash(hasher);
        let zeros = [0; SECTOR_LEN];
        for (number, sector) in &self.sectors {
            if **sector.current() != zeros {
                (number, sector.current()).hash(hasher);
            }
        }
    }

    /// Zeros without metadata of their own: the caller has pushed them with the length.
    fn zero(&mut self, stamp: u64, range: Range<u64>) {
        // Whole sectors are unmapped; the two at the edges are written.
        let held: Vec<u64> = self
            .sectors
            .range(sectors_of(range.start, range.end))
            .map(|(number, _)| *number)
            .collect();
        for number in held {
            let sector = number * SECTOR_LEN_BYTES..(number + 1) * SECTOR_LEN_BYTES;
            if range.start <= sector.start && sector.end <= range.end {
                if !self.sectors.get(&number).is_some_and(Versions::ends_in_cut) {
                    self.push(stamp, number, Arc::new([0; SECTOR_LEN]), Manner::Cut);
                }
                continue;
            }
            let (begin, end) = (range.start.max(sector.start), range.end.min(sector.end));
            let zeros = [0; SECTOR_LEN];
            for piece in pieces(begin, usize::try_from(end - begin).unwrap_or(0)) {
                self.write_piece(Manner::Plain, stamp, piece, &zeros);
            }
        }
    }

    fn write_piece(&mut self, manner: Manner, stamp: u64, piece: Piece, bytes: &[u8]) {
        let mut image = match self.sectors.get(&piece.sector) {
            Some(sector) => Arc::clone(sector.current()),
            None => Arc::new([0; SECTOR_LEN]),
        };
        Arc::make_mut(&mut image)[piece.inside].copy_from_slice(&bytes[piece.bytes]);
        self.push(stamp, piece.sector, image, manner);
    }

    fn push(&mut self, stamp: u64, number: u64, image: Image, manner: Manner) {
        let zeros = || Versions::durable(Arc::new([0; SECTOR_LEN]));
        let sector = self.sectors.entry(number).or_insert_with(zeros);
        let written_back = sector.push(stamp, image, manner);
        self.dirty.insert(number);
        let Some(written_back) = written_back else { return };
        if written_back.is_cut {
            self.length.promote(written_back.stamp);
        }
        if let Some(atomic) = self.atomics.remove(&written_back.stamp) {
            // All of it, then.
            for (_, sector) in self.sectors.range_mut(atomic.sectors) {
                sector.promote(written_back.stamp);
            }
            self.length.promote(written_back.stamp);
        }
    }
}

/// A part of a transfer that lies in one sector.
#[derive(Debug)]
struct Piece {
    sector: u64,
    /// Which bytes of the sector.
    inside: Range<usize>,
    /// Which bytes of the transfer.
    bytes: Range<usize>,
}

/// The sectors that bytes from `begin` to `end` touch.
fn sectors_of(begin: u64, end: u64) -> Range<u64> {
    begin / SECTOR_LEN_BYTES..end.div_ceil(SECTOR_LEN_BYTES)
}

/// Cuts a transfer at the borders of sectors: 600 bytes at offset 500 are 12, 512 and 76 bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = offset + done as u64;
        let begin = usize::try_from(position % SECTOR_LEN_BYTES).unwrap_or(0);
        let count = (SECTOR_LEN - begin).min(len - done);
        let piece = Piece {
            sector: position / SECTOR_LEN_BYTES,
            inside: begin..begin + count,
            bytes: done..done + count,
        };
        done += count;
        (count > 0).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sim::choices::Choices;
    use proptest::prelude::*;

    fn bytes(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0xee; usize::try_from(content.len()).unwrap()];
        assert_eq!(content.read(0, &mut bytes), bytes.len());
        bytes
    }

    proptest! {
        #[test]
        fn a_reader_sees_what_a_plain_array_holds(
            steps in prop::collection::vec((0_u8..3, 0_usize..3000, 0_usize..2000), 1..40)
        ) {
            let (mut content, mut plain) = (Content::zeros(700), vec![0; 700]);
            for (stamp, (what, begin, len)) in (1_u8..).zip(steps) {
                let (offset, end) = (begin as u64, begin + len);
                match what {
                    0 if len > 0 => {
                        plain.resize(plain.len().max(end), 0);
                        plain[begin..end].fill(stamp);
                        content.write(u64::from(stamp), offset, &vec![stamp; len]);
                    }
                    1 => {
                        plain.resize(begin, 0);
                        content.set_len(u64::from(stamp), offset);
                    }
                    _ => {
                        let within = begin.min(plain.len())..end.min(plain.len());
                        plain[within].fill(0);
                        content.punch(u64::from(stamp), offset..end as u64, false);
                    }
                }
                prop_assert_eq!(&bytes(&content), &plain);
                if stamp % 4 == 0 {
                    content.promote(u64::from(stamp), None);
                    let left = content.after_power_failure(&mut Choices::Chance(Random::new(1)));
                    prop_assert_eq!(&bytes(&left), &plain, "synced to the last byte");
                }
            }
        }
    }

    #[test]
    fn what_lay_beyond_an_old_length_is_gone_when_the_file_grows_again() {
        let mut content = Content::zeros(10);
        content.write(1, 10, &[7; 100]);
        let random = &mut Choices::Chance(Random::new(1));
        let states = (0..50).map(|_| content.after_power_failure(random));
        let mut short: Vec<Content> = states.filter(|left| left.len() == 10).collect();
        assert!(short.len() > 10);
        for left in &mut short {
            left.set_len(2, 110);
            assert_eq!(bytes(left), [0; 110]);
        }
    }

    #[test]
    fn a_write_takes_what_fits_in_the_space_that_is_left() {
        let mut content = Content::zeros(0);
        content.reserve(1024..1536);
        assert_eq!(content.fitting(100, 2000, 4), 2000);
        // Sectors 0 and 1 are new, 2 is reserved, 3 is new: two new ones end at 1536.
        assert_eq!(content.fitting(100, 2000, 2), 1436);
        assert_eq!(content.fitting(100, 2000, 0), 0);
        assert_eq!(content.fitting(1024, 512, 0), 512);
    }
}
