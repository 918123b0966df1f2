//! The sizes of blocks, per direction: one, a range, or a mix of several.
//!
//! Owns how `bs`, `bsrange` and `bssplit` are written and what follows from them. It draws no
//! size; `workload` does. Filled in by `options`, read by `check`, `target` and `workload`.

use crate::options::value;

/// The largest block that one request can carry.
pub(crate) const BLOCK_LEN_BYTES_MAX: u64 = 64 << 20;

/// The most sizes that one mix can have.
const SPLIT_LEN_MAX: usize = 64;

/// The sizes of one direction's blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// All the same.
    Fixed(u64),
    /// Any multiple of the smallest between both.
    Range(u64, u64),
    /// Each with its share in percent; the shares add up to 100.
    Split(Vec<(u64, u32)>),
}

impl Sizes {
    /// The smallest block.
    pub(crate) fn min(&self) -> u64 {
        match self {
            Sizes::Fixed(len) | Sizes::Range(len, _) => *len,
            Sizes::Split(parts) => parts.iter().map(|part| part.0).min().unwrap_or(1),
        }
    }

    /// The largest block.
    pub(crate) fn max(&self) -> u64 {
        match self {
            Sizes::Fixed(len) | Sizes::Range(_, len) => *len,
            Sizes::Split(parts) => parts.iter().map(|part| part.0).max().unwrap_or(1),
        }
    }

    /// Reads one size, within the limits of a block.
    pub(crate) fn fixed(text: &str, kb_base: u64) -> Result<Sizes, String> {
        block(text, kb_base).map(Sizes::Fixed)
    }

    /// Reads `low-high`.
    pub(crate) fn range(text: &str, kb_base: u64) -> Result<Sizes, String> {
        let (low, high) = value::range(text, |text| block(text, kb_base))?;
        Ok(if low == high { Sizes::Fixed(low) } else { Sizes::Range(low, high) })
    }

    /// Reads `4k/60:8k/40`; parts without a share get equal parts of what is left.
    pub(crate) fn split(text: &str, kb_base: u64) -> Result<Sizes, String> {
        let mut parts = Vec::new();
        for part in text.split(':') {
            let (len, share) = part.split_once('/').unwrap_or((part, ""));
            let share = match share {
                "" => None,
                share => Some(value::integer(share)?),
            };
            parts.push((block(len, kb_base)?, share));
        }
        if parts.len() > SPLIT_LEN_MAX {
            return Err(format!("{} sizes given, at most {SPLIT_LEN_MAX} work", parts.len()));
        }
        shares(&parts).map(Sizes::Split).ok_or_else(|| {
            format!("the shares of '{text}' do not add up to 100; write 4k/60:8k/40")
        })
    }
}

/// Fills in the shares that were left out, as fio does.
fn shares(parts: &[(u64, Option<u64>)]) -> Option<Vec<(u64, u32)>> {
    let given: u64 = parts.iter().filter_map(|part| part.1).try_fold(0_u64, u64::checked_add)?;
    let open = u64::try_from(parts.iter().filter(|part| part.1.is_none()).count()).ok()?;
    let left = 100_u64.checked_sub(given)?;
    if open == 0 && left > 0 {
        return None;
    }
    let mut extra = if open > 0 { left % open } else { 0 };
    let mut split = Vec::new();
    for (len, share) in parts {
        let share = share.unwrap_or_else(|| {
            // What does not divide goes to the first ones.
            let one = u64::from(extra > 0);
            extra -= one;
            left / open.max(1) + one
        });
        split.push((*len, u32::try_from(share).ok()?));
    }
    split.retain(|part| part.1 > 0);
    Some(split)
}

fn block(text: &str, kb_base: u64) -> Result<u64, String> {
    let len = value::size_bytes(text, kb_base)?;
    if (1..=BLOCK_LEN_BYTES_MAX).contains(&len) {
        return Ok(len);
    }
    Err(format!("{len} is out of range, 1 to {BLOCK_LEN_BYTES_MAX} is possible"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_add_up_to_a_hundred() {
        let split = |text| Sizes::split(text, 1024);
        assert_eq!(split("4k/60:8k/40"), Ok(Sizes::Split(vec![(4096, 60), (8192, 40)])));
        assert_eq!(split("4k/50:1k/:32k/"), split("4k/50:1k/25:32k/25"));
        assert_eq!(split("1k:2k:4k"), split("1k/34:2k/33:4k/33"));
        for text in ["4k/60:8k/30", "4k/60:8k/50", "4k/x", "", "1g/100", "4k/100:"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_know_their_ends() {
        let range = Sizes::range("1k-16k", 1024).expect("valid");
        assert_eq!((range.min(), range.max()), (1024, 16_384));
        assert_eq!(Sizes::range("4k-4k", 1024), Ok(Sizes::Fixed(4096)));
        assert!(Sizes::range("16k-1k", 1024).is_err());
    }
}
