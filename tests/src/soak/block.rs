//! Blocks that say of themselves which they are: of what file, where in it, of which generation.
//! Every byte follows from that, so that a block in the wrong place, an old one and a torn one are
//! all found. Knows nothing of files.

use crate::random::mix;

/// Length of a block in bytes: also what direct I/O asks for on common devices.
pub(super) const BLOCK_LEN_BYTES: usize = 4096;

/// What a block is. Generation 0 is one that was never written: all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) file: u64,
    pub(super) block: u64,
    pub(super) generation: u32,
}

impl Stamp {
    /// Its words, one after the other.
    fn words(self) -> impl Iterator<Item = u64> {
        let Self { file, block, generation } = self;
        let key = mix(mix(mix(file) ^ block) ^ u64::from(generation));
        let head = [file, block, u64::from(generation)];
        let body = (3..BLOCK_LEN_BYTES as u64 / 8).map(move |word| mix(key ^ word));
        let zero = generation == 0;
        head.into_iter().chain(body).map(move |word| if zero { 0 } else { word })
    }

    /// Makes a block what it says.
    pub(super) fn fill(self, block: &mut [u8]) {
        for (place, word) in block.chunks_exact_mut(8).zip(self.words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Whether a block is what it should be.
    pub(super) fn is_in(self, block: &[u8]) -> bool {
        block.len() == BLOCK_LEN_BYTES
            && block.chunks_exact(8).zip(self.words()).all(|(is, word)| *is == word.to_le_bytes())
    }

    /// Whether each byte is either what it should be or zero, as where somebody cuts the file
    /// meanwhile.
    pub(super) fn is_partly_in(self, block: &[u8]) -> bool {
        let bytes = self.words().flat_map(u64::to_le_bytes);
        block.iter().zip(bytes).all(|(is, wanted)| *is == wanted || *is == 0)
    }

    /// What a block says of itself, for messages.
    pub(super) fn said_by(block: &[u8]) -> String {
        let word = |index: usize| {
            let bytes = block.get(index * 8..index * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let is_zero = block.iter().all(|byte| *byte == 0);
        match (word(0), word(1), word(2)) {
            _ if is_zero => format!("{} zero bytes", block.len()),
            (Some(file), Some(block), Some(generation)) => {
                format!("one that says file {file}, block {block}, generation {generation}")
            }
            _ => format!("{} bytes", block.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_another_place_generation_or_with_one_wrong_bit_is_noticed() {
        let stamp = Stamp { file: 1, block: 2, generation: 3 };
        let mut block = [0; BLOCK_LEN_BYTES];
        assert!(Stamp { generation: 0, ..stamp }.is_in(&block) && !stamp.is_in(&block));
        assert!(stamp.is_partly_in(&block));
        stamp.fill(&mut block);
        assert!(stamp.is_in(&block) && stamp.is_partly_in(&block));
        for other in [
            Stamp { file: 2, ..stamp },
            Stamp { block: 1, ..stamp },
            Stamp { generation: 4, ..stamp },
            Stamp { generation: 0, ..stamp },
        ] {
            assert!(!other.is_in(&block) && !other.is_partly_in(&block), "{other:?}");
        }
        assert!(!stamp.is_in(&block[..4095]));
        block[4095] ^= 1;
        assert!(!stamp.is_in(&block) && !stamp.is_partly_in(&block));
        assert_eq!(Stamp::said_by(&block), "one that says file 1, block 2, generation 3");
    }
}
