//! Where in one file the next block lies.
//!
//! Owns the position in the file and fio's orders: sequential with holes, each block once,
//! anywhere, skewed, zones. A pass is as many bytes as the region has. Called by `workload`.

use super::distribution::{Distribution, Scattered};
use super::permutation::Permutation;
use super::random::Random;
use super::random_map::RandomMap;
use super::{Direction, Region};
use crate::job::JobSpec;

/// The position in one file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    region: Region,
    unit: u64,
    /// Divided once: a division per request would show.
    unit_count: u64,
    smallest: u64,
    order: Order,
    /// Per direction, for zones and skews: they may differ.
    spread: [Spread; 3],
    /// Per direction: where the block after the last one begins, from the region's start.
    follows: [u64; 3],
    /// Per direction: blocks that still follow the last one.
    run_left: [u64; 3],
    run_len: u64,
    percentage_random: [u64; 3],
    skip_bytes: i64,
    /// Bytes left in this pass.
    pass_left: u64,
}

/// How the next offset comes about.
#[derive(Clone, Debug)]
enum Order {
    Sequential,
    /// Blocks of one size, each once per pass: the permutation and the blocks handed out.
    Once(Permutation, u64),
    /// Blocks of several sizes, each byte once per pass.
    Mapped(RandomMap),
    /// Any block at any time.
    Anywhere,
    /// In pieces with holes between them.
    Strided(Strides),
}

/// The zones of a strided job, and where it has got to.
#[derive(Clone, Debug)]
struct Strides {
    size_bytes: u64,
    range_bytes: u64,
    skip_bytes: u64,
    random: bool,
    start: u64,
    done: u64,
}

impl Strides {
    fn new(spec: &JobSpec, region: Region) -> Strides {
        let range_bytes = spec.zones.range_bytes.unwrap_or(spec.zones.size_bytes);
        Strides {
            size_bytes: spec.zones.size_bytes,
            range_bytes: range_bytes.min(region.len_bytes),
            skip_bytes: spec.zones.skip_bytes,
            random: spec.rw.is_random(),
            start: 0,
            done: 0,
        }
    }

    fn next(&mut self, wanted: u64, unit: u64, end: u64, random: &mut Random) -> (u64, u64) {
        if self.done >= self.size_bytes {
            self.start =
                self.start.saturating_add(self.range_bytes).saturating_add(self.skip_bytes);
            self.done = 0;
        }
        if self.start.saturating_add(wanted) > end {
            self.start = 0;
        }
        let len = wanted.min(self.range_bytes);
        // The range may end beyond the file.
        let room = self.range_bytes.min(end - self.start) - len;
        let within = match self.random {
            true => random.below(room / unit + 1) * unit,
            false => self.done % self.range_bytes,
        };
        self.done += len;
        (self.start + within.min(room), len)
    }
}

/// How blocks that may come at any time are spread.
#[derive(Clone, Debug)]
enum Spread {
    Even,
    Skewed(Scattered),
    /// Sum of the shares of requests up to here, first unit, number of units.
    Zones(Vec<(u64, u64, u64)>),
}

impl Place {
    pub(super) fn new(spec: &JobSpec, region: Region, key: u64) -> Place {
        let unit = spec.block_unit();
        let unit_count = region.len_bytes / unit;
        let spread = std::array::from_fn(|index| {
            Spread::new(&spec.distribution[index], unit, unit_count, key)
        });
        let even = spread.iter().all(|spread| matches!(spread, Spread::Even));
        let plain = spec.has_one_block_size()
            && spec.block_bounds().0 == unit
            && spec.rw.run_len == 1
            && spec.percentage_random == [100; 3];
        let order = match (spec.rw.is_random(), spec.norandommap || !even) {
            _ if spec.zones.strided => Order::Strided(Strides::new(spec, region)),
            (false, _) => Order::Sequential,
            (true, true) => Order::Anywhere,
            (true, false) if plain => Order::Once(Permutation::new(unit_count, key), 0),
            (true, false) => Order::Mapped(RandomMap::new(unit_count)),
        };
        Place {
            region,
            unit,
            unit_count,
            smallest: spec.block_bounds().0,
            order,
            spread,
            follows: [0; 3],
            run_left: [0; 3],
            run_len: spec.rw.run_len,
            percentage_random: spec.percentage_random.map(u64::from),
            skip_bytes: spec.rw.skip_bytes,
            pass_left: region.len_bytes,
        }
    }

    /// Whether as many bytes were handed out as the region has.
    pub(super) fn is_passed(&self) -> bool {
        self.pass_left < self.smallest
    }

    /// Begins to count anew.
    pub(super) fn begin_pass(&mut self) {
        self.pass_left = self.region.len_bytes;
    }

    /// Offset and length of the next block, which is no longer than `wanted`.
    #[inline(always)]
    pub(super) fn next(
        &mut self,
        direction: Direction,
        wanted: u64,
        random: &mut Random,
    ) -> (u64, u64) {
        let (offset, len) = match &mut self.order {
            Order::Once(permutation, position) => {
                let block = permutation.at(*position);
                *position += 1;
                if *position == self.unit_count {
                    *position = 0;
                    // A new pass visits the blocks in another order, as fio's does.
                    *permutation = Permutation::new(self.unit_count, random.next());
                }
                (block * self.unit, wanted)
            }
            Order::Sequential => self.sequential(direction, wanted),
            Order::Mapped(_) => self.mapped(direction, wanted, random),
            Order::Anywhere => self.anywhere(direction, wanted, random),
            Order::Strided(strides) => {
                strides.next(wanted, self.unit, self.region.len_bytes, random)
            }
        };
        self.follows[direction as usize] = offset + len;
        self.pass_left = self.pass_left.saturating_sub(len);
        (self.region.first_byte + offset, len)
    }

    /// The block after the last one, or the hole's distance from it.
    fn sequential(&self, direction: Direction, wanted: u64) -> (u64, u64) {
        let end = self.region.len_bytes;
        let after = self.follows[direction as usize];
        let start = match self.skip_bytes {
            0 => Some(after),
            // The first block of all has none before it: as in fio, backwards too.
            _ if after == 0 => Some(0),
            skip => after.checked_add_signed(skip),
        };
        let fits = |start: &u64| end.saturating_sub(*start) >= self.smallest;
        // Beyond either end the job begins again where it began.
        let start = start.filter(fits).unwrap_or_else(|| {
            if self.skip_bytes < 0 { end.saturating_add_signed(self.skip_bytes) } else { 0 }
        });
        let start = start.min(end - self.smallest);
        (start, wanted.min(end - start))
    }

    /// Whether this block follows the one before it in a random job.
    fn follows_on(&mut self, direction: Direction, random: &mut Random) -> bool {
        let index = direction as usize;
        if self.run_left[index] > 0 {
            self.run_left[index] -= 1;
            return true;
        }
        self.run_left[index] = self.run_len - 1;
        self.percentage_random[index] < 100 && random.below(100) >= self.percentage_random[index]
    }

    fn mapped(&mut self, direction: Direction, wanted: u64, random: &mut Random) -> (u64, u64) {
        let unit_count = self.unit_count;
        let start = if self.follows_on(direction, random) {
            self.follows[direction as usize] / self.unit
        } else {
            random.below(unit_count)
        };
        let Order::Mapped(map) = &mut self.order else { return (0, wanted) };
        if map.is_full() {
            map.clear();
        }
        let start = map.free_from(start.min(unit_count - 1)).unwrap_or(0);
        // Between two taken places there may be less room than was wanted.
        let units = map.free_run(start, wanted.div_ceil(self.unit).max(1));
        map.take(start, units);
        (start * self.unit, wanted.min(units * self.unit))
    }

    fn anywhere(&mut self, direction: Direction, wanted: u64, random: &mut Random) -> (u64, u64) {
        let last = (self.region.len_bytes - wanted.min(self.region.len_bytes)) / self.unit;
        let unit = if self.follows_on(direction, random) {
            let next = self.follows[direction as usize] / self.unit;
            if next > last { 0 } else { next }
        } else {
            match &self.spread[direction as usize] {
                Spread::Even => random.below(last + 1),
                Spread::Skewed(scattered) => scattered.choose(random).min(last),
                Spread::Zones(zones) => zone_unit(zones, random).min(last),
            }
        };
        (unit * self.unit, wanted.min(self.region.len_bytes))
    }
}

impl Spread {
    fn new(distribution: &Distribution, unit: u64, unit_count: u64, key: u64) -> Spread {
        let zones: Vec<(u32, u64)> = match distribution {
            Distribution::Uniform => return Spread::Even,
            Distribution::Skewed(skew) => {
                return Spread::Skewed(Scattered::new(*skew, unit_count, key));
            }
            Distribution::Zones(zones) => {
                zones.iter().map(|(share, part)| (*share, unit_count * part / 100)).collect()
            }
            Distribution::ZonesAbsolute(zones) => {
                zones.iter().map(|(share, bytes)| (*share, bytes / unit)).collect()
            }
        };
        let (mut sum, mut first) = (0, 0);
        let placed = zones.into_iter().map(|(share, units)| {
            sum += u64::from(share);
            // A zone beyond the end, or one too small for a block, is the nearest block.
            let start = first.min(unit_count - 1);
            first += units;
            (sum, start, units.clamp(1, unit_count - start))
        });
        Spread::Zones(placed.collect())
    }
}

fn zone_unit(zones: &[(u64, u64, u64)], random: &mut Random) -> u64 {
    let share = random.below(100);
    let zone = zones.iter().find(|(sum, ..)| share < *sum).or(zones.last());
    zone.map_or(0, |(_, first, count)| first + random.below(*count))
}
