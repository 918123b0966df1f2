//! Are the bytes that come back those that were written?
//!
//! Owns what a block carries so that it can be checked: a header with its place, generation and
//! checksum, or a pattern. Remembers the generation of each unit that this job wrote, four bytes
//! each, and nothing per request. It does no I/O. Called by `lane`.

mod dump;
mod header;
mod pattern;

pub(crate) use dump::Dumps;
pub(crate) use pattern::read_pattern;

use std::fmt;

use crate::contents::{self, Contents};
use crate::job::{JobSpec, VerifyKind};
use crate::workload::{Random, Region};
use header::{HEADER_LEN, Header};

/// What one job needs to write blocks that can be checked, and to check them.
#[derive(Debug)]
pub(crate) struct Verifier {
    kind: VerifyKind,
    /// The distance of headers.
    unit_bytes: u64,
    pattern: Option<Vec<u8>>,
    contents: Contents,
    seed: u64,
    /// Whether trimmed units have to read as zeros.
    trims_are_zero: bool,
    files: Vec<Written>,
}

/// Set in the generation of a unit that was trimmed after it was written.
const TRIMMED: u32 = 1 << 31;

/// What is known of one file.
#[derive(Debug)]
struct Written {
    first_byte: u64,
    /// The generation of each unit; 0 where this job has not written. Empty if it does not check
    /// what it writes.
    generations: Vec<u32>,
}

/// A unit that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) len_bytes: u64,
    pub(crate) problem: Problem,
}

/// What is wrong with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The header's magic number is not there.
    NoHeader,
    /// The header does not have its own checksum.
    HeaderDamaged,
    /// It belongs to another offset.
    WrongPlace { found: u64 },
    /// It describes a unit of another length.
    WrongLength { found: u32 },
    /// It was written with another checksum.
    OtherKind,
    /// It was written by another run.
    OtherRun,
    /// An older version: the last write is lost.
    Stale { found: u32, expected: u32 },
    /// The data does not have the header's checksum.
    Checksum,
    /// It was trimmed, and this byte is not zero.
    NotTrimmed { at: u64 },
    /// The pattern ends here.
    Pattern { at: u64 },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NoHeader => f.write_str("there is no header"),
            Problem::HeaderDamaged => f.write_str("the header is damaged"),
            Problem::WrongPlace { found } => write!(f, "it belongs to offset {found}"),
            Problem::WrongLength { found } => {
                write!(
                    f,
                    "it was written in units of {found} bytes; give --verify_interval={found}"
                )
            }
            Problem::OtherKind => f.write_str("it was written with another --verify"),
            Problem::OtherRun => f.write_str("another run wrote it: the write of this run is lost"),
            Problem::Stale { found, expected } => {
                write!(f, "it is of generation {found}, not {expected}: the last write is lost")
            }
            Problem::Checksum => f.write_str("the data does not match its checksum"),
            Problem::NotTrimmed { at } => {
                write!(f, "it was trimmed, and byte {at} is not zero")
            }
            Problem::Pattern { at } => write!(f, "the pattern is broken at byte {at}"),
        }
    }
}

impl Verifier {
    /// The memory that a job needs to remember what it wrote to files with these regions.
    pub(crate) fn memory_bytes(spec: &JobSpec, regions: &[Region]) -> u64 {
        if spec.verify.kind.is_none() || !spec.verifies_writes() || spec.verify.only {
            return 0;
        }
        let units = regions.iter().map(|region| region.len_bytes.div_ceil(spec.verify_unit()));
        units.sum::<u64>().saturating_mul(size_of::<u32>() as u64)
    }

    /// What a job needs, or `None` if it verifies nothing.
    pub(crate) fn new(spec: &JobSpec, regions: &[Region], seed: u64) -> Option<Verifier> {
        let kind = spec.verify.kind?;
        let unit_bytes = spec.verify_unit();
        let remembers = spec.verifies_writes() && !spec.verify.only;
        let files = regions.iter().map(|region| {
            let units = if remembers { region.len_bytes.div_ceil(unit_bytes) } else { 0 };
            let units = usize::try_from(units).unwrap_or(usize::MAX);
            Written { first_byte: region.first_byte, generations: vec![0; units] }
        });
        let contents = Contents::new(spec);
        let pattern = spec.verify.pattern.clone();
        let (trims_are_zero, files) = (spec.verify.trims.zero, files.collect());
        Some(Verifier { kind, unit_bytes, pattern, contents, seed, trims_are_zero, files })
    }

    /// The distance of headers.
    pub(crate) fn unit_bytes(&self) -> u64 {
        self.unit_bytes
    }

    /// Fills a block that is about to be written to `offset` of a file.
    pub(crate) fn seal(&mut self, file: u32, offset: u64, bytes: &mut [u8]) {
        let unit_len = usize::try_from(self.unit_bytes).unwrap_or(usize::MAX);
        let mut at = offset;
        for unit in bytes.chunks_mut(unit_len) {
            let generation = self.slot(file, at).map_or(1, |slot| {
                // 0 means not written.
                *slot = (((*slot & !TRIMMED) + 1) & !TRIMMED).max(1);
                *slot
            });
            self.fill(at, generation, unit);
            at += unit.len() as u64;
        }
    }

    /// Forgets what is known of a block whose write has failed.
    pub(crate) fn forget(&mut self, file: u32, offset: u64, len_bytes: u64) {
        for at in (offset..offset + len_bytes).step_by(step(self.unit_bytes)) {
            if let Some(slot) = self.slot(file, at) {
                *slot = 0;
            }
        }
    }

    /// A block is trimmed now.
    pub(crate) fn trimmed(&mut self, file: u32, offset: u64, len_bytes: u64) {
        for at in (offset..offset + len_bytes).step_by(step(self.unit_bytes)) {
            if let Some(slot) = self.slot(file, at) {
                *slot |= TRIMMED;
            }
        }
    }

    /// Whether there is anything to say about a unit of this generation.
    fn is_known(&self, generation: u32) -> bool {
        generation > 0 && (self.trims_are_zero || generation & TRIMMED == 0)
    }

    /// The next stretch of units that this job wrote, from `offset` on: where it starts and its
    /// length, at most `len_bytes_max`.
    pub(crate) fn written_from(
        &self,
        file: u32,
        offset: u64,
        len_bytes_max: u64,
    ) -> Option<(u64, u64)> {
        let written = self.files.get(file as usize)?;
        let first = usize::try_from((offset - written.first_byte) / self.unit_bytes).ok()?;
        let rest = written.generations.get(first..)?;
        let skip = rest.iter().position(|generation| self.is_known(*generation))?;
        let most = usize::try_from((len_bytes_max / self.unit_bytes).max(1)).unwrap_or(usize::MAX);
        let count =
            rest[skip..].iter().take(most).take_while(|found| self.is_known(**found)).count();
        let start = offset + skip as u64 * self.unit_bytes;
        Some((start, count as u64 * self.unit_bytes))
    }

    /// Everything that is wrong with a block that was read from `offset` of a file.
    pub(crate) fn check(&self, file: u32, offset: u64, bytes: &[u8]) -> Vec<Damage> {
        let unit_len = usize::try_from(self.unit_bytes).unwrap_or(usize::MAX);
        let starts = (offset..).step_by(step(self.unit_bytes));
        let units = starts.zip(bytes.chunks(unit_len));
        units
            .filter_map(|(at, unit)| {
                let problem = self.problem(at, unit, self.generation(file, at)).err()?;
                Some(Damage { offset: at, len_bytes: unit.len() as u64, problem })
            })
            .collect()
    }

    /// What should stand at `offset`, if that is known.
    pub(crate) fn expected(&self, file: u32, offset: u64, found: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = vec![0; found.len()];
        let is_trimmed = self.generation(file, offset).is_some_and(|found| found & TRIMMED != 0);
        if self.kind == VerifyKind::Pattern && !is_trimmed {
            self.fill(offset, 0, &mut bytes);
            return Some(bytes);
        }
        let generation = self.generation(file, offset)?;
        if generation & TRIMMED != 0 {
            return Some(bytes);
        }
        self.fill(offset, generation, &mut bytes);
        Some(bytes)
    }

    fn slot(&mut self, file: u32, offset: u64) -> Option<&mut u32> {
        let unit_bytes = self.unit_bytes;
        let written = self.files.get_mut(file as usize)?;
        let unit = usize::try_from((offset - written.first_byte) / unit_bytes).ok()?;
        written.generations.get_mut(unit)
    }

    /// The generation that a unit must have; `None` if any will do.
    fn generation(&self, file: u32, offset: u64) -> Option<u32> {
        let written = self.files.get(file as usize)?;
        let unit = (offset - written.first_byte) / self.unit_bytes;
        let generation = written.generations.get(usize::try_from(unit).ok()?).copied();
        generation.filter(|generation| *generation > 0)
    }

    fn fill(&self, offset: u64, generation: u32, unit: &mut [u8]) {
        if self.kind == VerifyKind::Pattern {
            return contents::repeat(self.pattern.as_deref().unwrap_or(&[0]), unit);
        }
        let Some((head, data)) = unit.split_at_mut_checked(HEADER_LEN) else { return };
        // The same seed, place and generation give the same data, so that it can be made again.
        let key = self.seed ^ offset.rotate_left(17) ^ u64::from(generation).rotate_left(43);
        self.contents.fill(&mut Random::new(key), data);
        let len_bytes = u32::try_from(HEADER_LEN + data.len()).unwrap_or(u32::MAX);
        let header = Header { kind: self.kind, offset, len_bytes, generation, seed: self.seed };
        header.write(data, head);
    }

    fn problem(&self, offset: u64, unit: &[u8], generation: Option<u32>) -> Result<(), Problem> {
        if generation.is_some_and(|generation| generation & TRIMMED != 0) {
            let set = unit.iter().position(|byte| *byte != 0).filter(|_| self.trims_are_zero);
            return set.map_or(Ok(()), |at| Err(Problem::NotTrimmed { at: at as u64 }));
        }
        if self.kind == VerifyKind::Pattern {
            let pattern = self.pattern.as_deref().unwrap_or(&[0]);
            let wanted = pattern.iter().cycle();
            let wrong = unit.iter().zip(wanted).position(|(found, wanted)| found != wanted);
            return wrong.map_or(Ok(()), |at| Err(Problem::Pattern { at: at as u64 }));
        }
        let (head, data) = unit.split_at_checked(HEADER_LEN).ok_or(Problem::NoHeader)?;
        let header = Header::read(head)?;
        if header.offset != offset {
            return Err(Problem::WrongPlace { found: header.offset });
        }
        if header.len_bytes as usize != unit.len() {
            return Err(Problem::WrongLength { found: header.len_bytes });
        }
        if header.kind != self.kind {
            return Err(Problem::OtherKind);
        }
        if let Some(expected) = generation {
            if header.seed != self.seed {
                return Err(Problem::OtherRun);
            }
            if header.generation != expected {
                return Err(Problem::Stale { found: header.generation, expected });
            }
        }
        header.check(data, head)?;
        match (&self.pattern, self.kind) {
            (Some(pattern), VerifyKind::PatternHeader) => {
                let wanted = pattern.iter().cycle();
                let wrong = data.iter().zip(wanted).position(|(found, wanted)| found != wanted);
                wrong.map_or(Ok(()), |at| Err(Problem::Pattern { at: (HEADER_LEN + at) as u64 }))
            }
            _ => Ok(()),
        }
    }
}

fn step(unit_bytes: u64) -> usize {
    usize::try_from(unit_bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
