//! Which generation each block of a file has, and which blocks are in use by a request just now.
//! Bookkeeping only; `work` asks it and tells it.

use super::block::{BLOCK_LEN_BYTES, Stamp};
use crate::random::Random;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// What was acknowledged last.
    generation: u32,
    /// What was begun after that and never acknowledged: it may be there as well.
    maybe: Option<u32>,
    is_busy: bool,
}

/// Blocks of one file, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Range {
    pub(super) fn offset(self) -> u64 {
        u64::from(self.first) * BLOCK_LEN_BYTES as u64
    }

    pub(super) fn len_bytes(self) -> usize {
        self.count as usize * BLOCK_LEN_BYTES
    }
}

/// The blocks of one file.
#[derive(Debug)]
pub(super) struct Ledger {
    file: u64,
    entries: Vec<Entry>,
    newest: u32,
}

impl Ledger {
    /// All zero.
    pub(super) fn new(file: u64, blocks: u32) -> Self {
        Self { file, entries: vec![Entry::default(); blocks as usize], newest: 0 }
    }

    fn of(&mut self, range: Range) -> &mut [Entry] {
        let first = range.first as usize;
        &mut self.entries[first..first + range.count as usize]
    }

    /// Some blocks that nobody uses, which are the caller's from now on; `None` if none were found
    /// at a few places.
    pub(super) fn take(&mut self, random: &mut Random, count: u32) -> Option<Range> {
        for _ in 0..4 {
            let last = self.entries.len() as u64 - u64::from(count);
            let first = u32::try_from(random.below(last + 1)).ok()?;
            let range = Range { first, count };
            let entries = self.of(range);
            if entries.iter().all(|entry| !entry.is_busy) {
                entries.iter_mut().for_each(|entry| entry.is_busy = true);
                return Some(range);
            }
        }
        None
    }

    /// A generation that no block had before; never 0.
    pub(super) fn next_generation(&mut self) -> u32 {
        self.newest = self.newest.wrapping_add(1).max(1);
        self.newest
    }

    /// What the blocks of a range are to be filled with.
    pub(super) fn fill(&self, range: Range, generation: u32, bytes: &mut [u8]) {
        let blocks = (u64::from(range.first)..).zip(bytes.chunks_exact_mut(BLOCK_LEN_BYTES));
        for (block, bytes) in blocks {
            Stamp { file: self.file, block, generation }.fill(bytes);
        }
    }

    /// A write of a range has ended: surely, or not known how.
    pub(super) fn written(&mut self, range: Range, generation: u32, is_sure: bool) {
        for entry in self.of(range) {
            entry.is_busy = false;
            if is_sure {
                (entry.generation, entry.maybe) = (generation, None);
            } else if entry.maybe.is_none() {
                entry.maybe = Some(generation);
            } else {
                // Three may be there: nobody asks which before it is written again.
                entry.maybe = Some(u32::MAX);
            }
        }
    }

    /// A request that changes nothing has ended.
    pub(super) fn release(&mut self, range: Range) {
        self.of(range).iter_mut().for_each(|entry| entry.is_busy = false);
    }

    /// A read of a range has brought these bytes; answers what is wrong with them.
    pub(super) fn check(&mut self, range: Range, bytes: &[u8]) -> Result<u32, String> {
        let file = self.file;
        let blocks = (u64::from(range.first)..).zip(bytes.chunks(BLOCK_LEN_BYTES));
        let mut verified = 0;
        for ((block, bytes), entry) in blocks.zip(self.of(range)) {
            let is = |generation| Stamp { file, block, generation }.is_in(bytes);
            match entry.maybe {
                _ if is(entry.generation) => {}
                Some(u32::MAX) => continue,
                Some(maybe) if is(maybe) => {}
                maybe => {
                    let found = Stamp::said_by(bytes);
                    let Entry { generation, .. } = entry;
                    return Err(format!(
                        "file {file}, block {block}: generation {generation} was acknowledged \
                         (and {maybe:?} begun), and there is {found}"
                    ));
                }
            }
            verified += 1;
        }
        if verified < range.count && !bytes.len().is_multiple_of(BLOCK_LEN_BYTES) {
            return Err(format!("file {file}, block {}: a short read", range.first));
        }
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_or_may_be_there_is_right_and_nothing_else() {
        let mut ledger = Ledger::new(7, 8);
        let random = &mut Random::new(1);
        let range = ledger.take(random, 2).unwrap();
        let (old, new) = (ledger.next_generation(), ledger.next_generation());
        let mut bytes = [vec![0; 8192], vec![0; 8192]];
        for (bytes, generation) in bytes.iter_mut().zip([old, new]) {
            ledger.fill(range, generation, bytes);
        }
        ledger.written(range, old, true);
        assert_eq!(ledger.check(range, &bytes[0]), Ok(2));
        assert!(
            ledger.check(range, &bytes[1]).is_err() && ledger.check(range, &[0; 8192]).is_err()
        );
        ledger.written(range, new, false);
        assert!(ledger.check(range, &bytes[0]).is_ok() && ledger.check(range, &bytes[1]).is_ok());
        assert!(ledger.check(range, &[0; 8192]).is_err());
        ledger.written(range, new, true);
        assert!(ledger.check(range, &bytes[0]).is_err() && ledger.check(range, &bytes[1]).is_ok());
    }

    #[test]
    fn no_block_is_used_by_two() {
        let (mut ledger, random) = (Ledger::new(1, 16), &mut Random::new(3));
        let taken: Vec<_> = (0..40).filter_map(|_| ledger.take(random, 3)).collect();
        let mut blocks: Vec<u32> =
            taken.iter().flat_map(|range| range.first..range.first + range.count).collect();
        let count = blocks.len();
        blocks.sort_unstable();
        blocks.dedup();
        assert!(count > 6 && blocks.len() == count);
        taken.into_iter().for_each(|range| ledger.release(range));
        assert!(ledger.take(random, 16).is_some());
    }
}
