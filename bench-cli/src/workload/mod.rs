//! Which block comes next: in which direction, of which file, where, how long.
//!
//! Owns the mix of directions, files and sizes of one job. It does no I/O, reads no clock and does
//! not allocate after it was built, but for the map of a new pass. Called by `lane` once per I/O.

mod distribution;
mod file_choice;
mod permutation;
mod place;
mod random;
mod random_map;
mod size;

pub(crate) use distribution::Distribution;
pub(crate) use random::Random;

use file_choice::FileChoice;
use place::Place;
use size::SizeChoice;

use crate::job::JobSpec;

/// What a request does to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
    Trim = 2,
}

impl Direction {
    /// All of them, in fio's order.
    pub(crate) const ALL: [Direction; 3] = [Direction::Read, Direction::Write, Direction::Trim];
}

/// The bytes of a file that a job touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Offset of the first byte.
    pub(crate) first_byte: u64,
    /// How many there are: whole units, at least one.
    pub(crate) len_bytes: u64,
}

/// One request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) direction: Direction,
    /// Which file of the job.
    pub(crate) file: u32,
    pub(crate) offset: u64,
    pub(crate) len_bytes: u32,
}

/// The source of one job's requests.
#[derive(Debug)]
pub(crate) struct Workload {
    mix: Mix,
    sizes: [SizeChoice; 3],
    choice: FileChoice,
    places: Vec<Place>,
    random: Random,
}

/// How directions are drawn.
#[derive(Clone, Copy, Debug)]
enum Mix {
    One(Direction),
    /// The share of reads, in percent; the others are writes.
    Reads(u64),
}

impl Workload {
    /// The requests of a job on files with these regions.
    ///
    /// # Panics
    ///
    /// Panics if there is no file: `target` gives every job one.
    pub(crate) fn new(spec: &JobSpec, regions: &[Region], seed: u64) -> Workload {
        assert!(!regions.is_empty(), "a job has at least one file");
        let mut random = Random::new(seed);
        let mix = match spec.rw {
            rw if rw.trims() => Mix::One(Direction::Trim),
            rw if rw.is_mixed() => Mix::Reads(u64::from(spec.read_percent())),
            rw if rw.reads() => Mix::One(Direction::Read),
            _ => Mix::One(Direction::Write),
        };
        let unit = spec.block_unit();
        let sizes =
            Direction::ALL.map(|direction| SizeChoice::new(&spec.blocks[direction as usize], unit));
        let places =
            regions.iter().map(|region| Place::new(spec, *region, random.next())).collect();
        let choice = FileChoice::new(&spec.files, regions.len());
        Workload { mix, sizes, choice, places, random }
    }

    /// The direction of the next request.
    #[inline]
    pub(crate) fn next_direction(&mut self) -> Direction {
        match self.mix {
            Mix::One(direction) => direction,
            Mix::Reads(percent) if self.random.below(100) < percent => Direction::Read,
            Mix::Reads(_) => Direction::Write,
        }
    }

    /// The next request in this direction, of at most `len_bytes_max`.
    #[inline(always)]
    pub(crate) fn next(&mut self, direction: Direction, len_bytes_max: u64) -> Block {
        let wanted = self.sizes[direction as usize].draw(&mut self.random).min(len_bytes_max);
        let file = match self.places.len() {
            1 => 0,
            _ => self.choice.next(&self.places, &mut self.random),
        };
        let place = &mut self.places[file];
        let (offset, len) = place.next(direction, wanted, &mut self.random);
        if self.places.len() > 1 && self.places.iter().all(Place::is_passed) {
            self.places.iter_mut().for_each(Place::begin_pass);
        }
        let len_bytes = u32::try_from(len).unwrap_or(u32::MAX);
        Block { direction, file: u32::try_from(file).unwrap_or(u32::MAX), offset, len_bytes }
    }

    /// The generator, for the contents of buffers and for the pace.
    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }
}

#[cfg(test)]
mod tests;
