//! The header in front of each unit that can be checked.
//!
//! Owns its layout and its checksums. Called by `verify`.
//!
//! Layout, little-endian: 0 magic, 4 kind and three zeros, 8 offset in the file, 16 length of the
//! unit with its header, 20 generation, 24 seed, 32 checksum of the data (up to 32 bytes), 64
//! crc32c of the bytes before it, 68 zeros, 72 data.

use sha2::{Digest as _, Sha256};

use super::Problem;
use crate::job::VerifyKind;

/// The bytes in front of the data.
pub(super) const HEADER_LEN: usize = 72;

/// `IomV`, and the number of the layout.
const MAGIC: u32 = 0x1_56_6D_6F;

/// Where the header's own checksum stands.
const OWN_SUM: usize = 64;

/// What the header says, but for the checksum of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: VerifyKind,
    pub(super) offset: u64,
    pub(super) len_bytes: u32,
    pub(super) generation: u32,
    pub(super) seed: u64,
}

/// The kinds by their number on the disk.
const KINDS: [(u8, VerifyKind); 5] = [
    (1, VerifyKind::Crc32c),
    (2, VerifyKind::Xxhash),
    (3, VerifyKind::Sha256),
    (4, VerifyKind::Meta),
    (5, VerifyKind::PatternHeader),
];

impl Header {
    /// Writes the header of `data` into `head`, which has its length.
    pub(super) fn write(&self, data: &[u8], head: &mut [u8]) {
        let kind =
            KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or(0, |(number, _)| *number);
        head.fill(0);
        head[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[4] = kind;
        head[8..16].copy_from_slice(&self.offset.to_le_bytes());
        head[16..20].copy_from_slice(&self.len_bytes.to_le_bytes());
        head[20..24].copy_from_slice(&self.generation.to_le_bytes());
        head[24..32].copy_from_slice(&self.seed.to_le_bytes());
        head[32..64].copy_from_slice(&checksum(self.kind, data));
        let own = crc32c::crc32c(&head[..OWN_SUM]);
        head[OWN_SUM..OWN_SUM + 4].copy_from_slice(&own.to_le_bytes());
    }

    /// Reads a header that is whole.
    pub(super) fn read(head: &[u8]) -> Result<Header, Problem> {
        if number(&head[0..4]) != u64::from(MAGIC) {
            return Err(Problem::NoHeader);
        }
        if number(&head[OWN_SUM..OWN_SUM + 4]) != u64::from(crc32c::crc32c(&head[..OWN_SUM]))
            || head[OWN_SUM + 4..HEADER_LEN].iter().any(|byte| *byte != 0)
        {
            return Err(Problem::HeaderDamaged);
        }
        let kind = KINDS.iter().find(|(number, _)| *number == head[4]).map(|(_, kind)| *kind);
        let four = |at: usize| u32::try_from(number(&head[at..at + 4])).unwrap_or(u32::MAX);
        Ok(Header {
            kind: kind.ok_or(Problem::HeaderDamaged)?,
            offset: number(&head[8..16]),
            len_bytes: four(16),
            generation: four(20),
            seed: number(&head[24..32]),
        })
    }

    /// Compares `data` with the checksum in `head`.
    pub(super) fn check(&self, data: &[u8], head: &[u8]) -> Result<(), Problem> {
        if head[32..64] == checksum(self.kind, data) { Ok(()) } else { Err(Problem::Checksum) }
    }
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn checksum(kind: VerifyKind, data: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    match kind {
        VerifyKind::Crc32c => sum[..4].copy_from_slice(&crc32c::crc32c(data).to_le_bytes()),
        VerifyKind::Xxhash => {
            sum[..8].copy_from_slice(&xxhash_rust::xxh3::xxh3_64(data).to_le_bytes());
        }
        VerifyKind::Sha256 => sum.copy_from_slice(&Sha256::digest(data)),
        VerifyKind::Meta | VerifyKind::Pattern | VerifyKind::PatternHeader => {}
    }
    sum
}
