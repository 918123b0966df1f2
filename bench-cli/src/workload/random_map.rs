//! Which blocks of a file were taken in this pass, for jobs whose blocks differ in size.
//!
//! Owns a bitmap and a summary of it, so that the next free block is found in a few steps however
//! full the map is. Its size depends on the file alone. Called by `place`; jobs with one block size
//! need no map, see `permutation`.

/// One bit per unit of the file; set means taken.
#[derive(Clone, Debug)]
pub(crate) struct RandomMap {
    /// `levels[0]` has the units; a bit of a higher level says that 64 bits below it are all set.
    levels: Vec<Vec<u64>>,
    len: u64,
    taken: u64,
}

impl RandomMap {
    /// An empty map of `len` units, at least one.
    pub(crate) fn new(len: u64) -> RandomMap {
        let mut levels = Vec::new();
        let mut bits = len;
        loop {
            let words = bits.div_ceil(64);
            let mut level = vec![0_u64; usize::try_from(words).unwrap_or(usize::MAX)];
            // What lies beyond the end is never free.
            if let (Some(last), false) = (level.last_mut(), bits.is_multiple_of(64)) {
                *last = u64::MAX << (bits % 64);
            }
            levels.push(level);
            if words == 1 {
                return RandomMap { levels, len, taken: 0 };
            }
            bits = words;
        }
    }

    /// Whether every unit is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.taken == self.len
    }

    /// Frees all units.
    pub(crate) fn clear(&mut self) {
        *self = RandomMap::new(self.len);
    }

    /// The first free unit from `start` on, or from the beginning when there is none behind it.
    pub(crate) fn free_from(&self, start: u64) -> Option<u64> {
        self.search(0, start).or_else(|| self.search(0, 0))
    }

    /// The first clear bit of a level from `start` on.
    fn search(&self, level: usize, start: u64) -> Option<u64> {
        let words = self.levels.get(level)?;
        let index = usize::try_from(start / 64).ok()?;
        let word = *words.get(index)? | !(u64::MAX << (start % 64));
        if word != u64::MAX {
            return Some(start / 64 * 64 + u64::from(word.trailing_ones()));
        }
        let next = match self.levels.get(level + 1) {
            Some(_) => self.search(level + 1, start / 64 + 1)?,
            None => return None,
        };
        let word = words.get(usize::try_from(next).ok()?)?;
        Some(next * 64 + u64::from(word.trailing_ones()))
    }

    /// How many units from `start` on are free, at most `most`.
    pub(crate) fn free_run(&self, start: u64, most: u64) -> u64 {
        (0..most.min(self.len - start)).take_while(|step| !self.is_taken(start + step)).count()
            as u64
    }

    /// Takes `count` free units from `start` on.
    pub(crate) fn take(&mut self, start: u64, count: u64) {
        for unit in start..start + count {
            let mut bit = unit;
            for level in &mut self.levels {
                let Ok(index) = usize::try_from(bit / 64) else { break };
                level[index] |= 1 << (bit % 64);
                if level[index] != u64::MAX {
                    break;
                }
                bit /= 64;
            }
        }
        self.taken += count;
    }

    fn is_taken(&self, unit: u64) -> bool {
        let word = usize::try_from(unit / 64).ok().and_then(|index| self.levels[0].get(index));
        word.is_none_or(|word| word >> (unit % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_map_agrees_with_a_list(
            len in 1_u64..10_000,
            steps in prop::collection::vec((any::<u64>(), 1_u64..9), 1..400),
        ) {
            let mut map = RandomMap::new(len);
            let mut list = vec![false; usize::try_from(len).expect("small")];
            for (start, want) in steps {
                let start = start % len;
                let from = usize::try_from(start).expect("small");
                let behind = (from..list.len()).find(|unit| !list[*unit]);
                let expected = behind.or_else(|| (0..list.len()).find(|unit| !list[*unit]));
                let found = map.free_from(start);
                prop_assert_eq!(found, expected.map(|unit| unit as u64));
                let Some(first) = expected else { break };
                let run = list[first..].iter().take(8).take_while(|taken| !**taken).count() as u64;
                prop_assert_eq!(map.free_run(first as u64, 8), run);
                let count = want.min(run);
                map.take(first as u64, count);
                let end = first + usize::try_from(count).expect("small");
                list[first..end].fill(true);
                prop_assert_eq!(map.is_full(), list.iter().all(|taken| *taken));
            }
        }
    }

    #[test]
    fn a_full_map_can_be_cleared() {
        for len in [1, 63, 64, 65, 4096, 4097, 300_000] {
            let mut map = RandomMap::new(len);
            map.take(0, len);
            assert!(map.is_full() && map.free_from(0).is_none(), "{len}");
            map.clear();
            assert_eq!(map.free_from(len - 1), Some(len - 1));
        }
    }
}
