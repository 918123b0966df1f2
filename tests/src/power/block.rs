//! What the cells write: sectors that say which operation wrote them and where, and that cannot be
//! mistaken for anything else. Pure functions, for both sides.

use super::SECTOR_LEN;
use crate::random::Random;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a sector shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Zeros: nothing was written, or it was lost.
    Zeros,
    /// What this operation of the cell wrote to this place.
    Op(u32),
    /// The beginning of what one operation wrote to this place and the end of what another did.
    Torn {
        /// The one.
        front: u32,
        /// The other.
        back: u32,
    },
    /// Anything else: damaged, another place's or another file's.
    Foreign,
}

/// The sector number `place` of a cell's file, as the operation `op` writes it. Operations count
/// from 1.
pub fn sector(cell: &str, op: u32, place: u64) -> [u8; SECTOR_LEN] {
    let mut hasher = DefaultHasher::new();
    (cell, op, place).hash(&mut hasher);
    let mut random = Random::new(hasher.finish());
    let mut bytes = [0; SECTOR_LEN];
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&random.bits().to_le_bytes());
    }
    // At both ends, so that a torn one says whose it is.
    bytes[..4].copy_from_slice(&op.to_le_bytes());
    bytes[SECTOR_LEN - 4..].copy_from_slice(&op.to_le_bytes());
    bytes
}

/// Fills whole sectors, the first of which is number `place` of the file.
pub fn fill(cell: &str, op: u32, place: u64, bytes: &mut [u8]) {
    for (place, part) in (place..).zip(bytes.chunks_exact_mut(SECTOR_LEN)) {
        part.copy_from_slice(&sector(cell, op, place));
    }
}

/// What a sector of a cell's file shows.
pub fn seen(cell: &str, place: u64, bytes: &[u8]) -> Seen {
    if bytes.iter().all(|byte| *byte == 0) {
        return Seen::Zeros;
    }
    let (Some(front), Some(back)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) else {
        return Seen::Foreign;
    };
    let [front, back] = [front, back].map(|number| u32::from_le_bytes(*number));
    let (one, other) = (sector(cell, front, place), sector(cell, back, place));
    if bytes == one {
        return Seen::Op(front);
    }
    let torn_at = bytes.iter().zip(&one).take_while(|(seen, known)| seen == known).count();
    // Where both agree by chance the tear may seem to be further on than it is.
    match bytes.len() == SECTOR_LEN && bytes[torn_at..] == other[torn_at..] {
        true => Seen::Torn { front, back },
        false => Seen::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_is_known_by_its_cell_operation_and_place_and_else_foreign() {
        let mut bytes = [0; 2 * SECTOR_LEN];
        fill("cell", 7, 3, &mut bytes);
        assert_eq!(seen("cell", 4, &bytes[SECTOR_LEN..]), Seen::Op(7));
        assert_eq!(seen("cell", 3, &bytes[SECTOR_LEN..]), Seen::Foreign, "another place");
        assert_eq!(seen("other", 4, &bytes[SECTOR_LEN..]), Seen::Foreign, "another cell");
        let newer = sector("cell", 8, 4);
        for at in [8, 100, 500] {
            let torn = [&newer[..at], &bytes[SECTOR_LEN + at..]].concat();
            assert_eq!(seen("cell", 4, &torn), Seen::Torn { front: 8, back: 7 });
        }
        bytes[600] ^= 1;
        assert_eq!(seen("cell", 4, &bytes[SECTOR_LEN..]), Seen::Foreign, "damaged");
        assert_eq!(seen("cell", 4, &[0; SECTOR_LEN]), Seen::Zeros);
        assert_eq!(seen("cell", 4, &[1; 3]), Seen::Foreign);
    }
}
