//! The depths that are ever tried: each up to 8, then four per octave. Made by `curve`.

/// Four depths per octave up to 4,096, with the ends: 8 + 9 · 4 + 1.
pub(super) const GRID_LEN_MAX: usize = 45;

/// Depths in rising order. For example from 1 to 20: 1 2 3 4 5 6 7 8 10 12 14 16 20.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    depths: [u32; GRID_LEN_MAX],
    len: usize,
}

impl Grid {
    /// The depths from `min` to `max`, both included.
    pub(super) fn new(min: u32, max: u32) -> Self {
        let octaves = (3..12).flat_map(|power| (4..8).map(move |quarter| quarter << (power - 2)));
        let all = (1..8).chain(octaves).chain([4096]);
        let inside = all.filter(|depth| (min..max).contains(depth) && *depth != min);
        let mut grid = Self { depths: [0; GRID_LEN_MAX], len: 0 };
        for depth in
            std::iter::once(min).chain(inside).chain([max].into_iter().filter(|m| *m > min))
        {
            grid.depths[grid.len] = depth;
            grid.len += 1;
        }
        grid
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The depth with this index.
    pub(super) fn depth(&self, index: usize) -> u32 {
        self.depths[index]
    }

    /// The depth with this index, to reckon with.
    pub(super) fn real(&self, index: usize) -> f64 {
        f64::from(self.depths[index])
    }

    /// The depth next to `depth`, by ratio.
    pub(super) fn nearest(&self, depth: f64) -> usize {
        let distance = |index: &usize| (self.real(*index) / depth.max(1e-9)).ln().abs();
        let by_distance = |a: &usize, b: &usize| distance(a).total_cmp(&distance(b));
        (0..self.len).min_by(by_distance).unwrap_or(0)
    }

    /// The last depth that is not above `depth`, or the first one.
    pub(super) fn index(&self, depth: u32) -> usize {
        self.depths[..self.len].partition_point(|known| *known <= depth).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_rises_from_its_smallest_to_its_largest_depth() {
        for min in 1..70 {
            for max in (min..300).chain([1000, 4095, 4096]) {
                let grid = Grid::new(min, max);
                let depths: Vec<u32> = (0..grid.len()).map(|index| grid.depth(index)).collect();
                assert_eq!((depths[0], depths[depths.len() - 1]), (min, max));
                assert!(depths.is_sorted_by(|a, b| a < b), "{depths:?}");
                for depth in min..=max.min(80) {
                    let naive = depths.iter().rposition(|known| *known <= depth).unwrap();
                    assert_eq!(grid.index(depth), naive);
                }
            }
        }
        assert_eq!(Grid::new(1, 4096).len(), GRID_LEN_MAX - 1);
        assert_eq!(Grid::new(9, 20).depths[..5], [9, 10, 12, 14, 16]);
    }
}
