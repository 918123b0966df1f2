//! What is written: random data, zeros or a pattern, more or less compressible.
//!
//! Owns the filling of buffers, by `job`'s settings. It knows no file and no checksum; `verify`
//! puts its headers on top. Called by `job_thread` for new buffers and by `lane` before writes.

use crate::job::JobSpec;
use crate::workload::Random;

/// The way in which one job fills its buffers.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    kind: Kind,
    /// The share of zeros, or of the pattern, at the end of a block, in percent.
    compress_percent: u64,
    dedupe_percent: u64,
    refill: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Random,
    Zero,
    Pattern(Vec<u8>),
}

impl Contents {
    /// The contents that the settings ask for.
    pub(crate) fn new(spec: &JobSpec) -> Contents {
        let pattern = spec.verify.pattern.as_ref().or(spec.buffer_pattern.as_ref());
        let compress_percent = u64::from(spec.compress_percent);
        let kind = match pattern {
            _ if spec.zero_buffers => Kind::Zero,
            Some(bytes) => Kind::Pattern(bytes.clone()),
            None => Kind::Random,
        };
        let dedupe_percent = u64::from(spec.dedupe_percent);
        let refill = spec.refill_buffers || compress_percent > 0 || dedupe_percent > 0;
        Contents { kind, compress_percent, dedupe_percent, refill }
    }

    /// Whether the next write gets new contents; otherwise it repeats what the buffer holds.
    #[inline]
    pub(crate) fn is_renewed(&self, random: &mut Random) -> bool {
        self.refill && (self.dedupe_percent == 0 || random.below(100) >= self.dedupe_percent)
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&self, random: &mut Random, bytes: &mut [u8]) {
        let dull = bytes.len() as u64 * self.compress_percent / 100;
        let split = bytes.len() - usize::try_from(dull).unwrap_or(0);
        match &self.kind {
            Kind::Zero => bytes.fill(0),
            // A pattern alone is dull already; with a share it is what the dull part is made of.
            Kind::Pattern(pattern) if dull == 0 => repeat(pattern, bytes),
            Kind::Pattern(pattern) => {
                random.fill(&mut bytes[..split]);
                repeat(pattern, &mut bytes[split..]);
            }
            Kind::Random => {
                random.fill(&mut bytes[..split]);
                bytes[split..].fill(0);
            }
        }
    }
}

/// Fills `bytes` with `pattern` from its beginning.
pub(crate) fn repeat(pattern: &[u8], bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(pattern.len().max(1)) {
        chunk.copy_from_slice(&pattern[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Settings, find};

    fn filled(options: &[(&str, &str)]) -> Vec<u8> {
        let mut settings = Settings::default();
        for (name, text) in options {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        let mut bytes = vec![7; 1000];
        Contents::new(&settings.job).fill(&mut Random::new(1), &mut bytes);
        bytes
    }

    #[test]
    fn contents_are_those_asked_for() {
        let zeros = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == 0).count();
        assert!(zeros(&filled(&[])) < 20);
        assert_eq!(zeros(&filled(&[("zero_buffers", "1")])), 1000);
        let half = filled(&[("buffer_compress_percentage", "50")]);
        assert_eq!(zeros(&half[500..]), 500);
        assert!(zeros(&half[..500]) < 20);
        assert_eq!(filled(&[("buffer_pattern", "\"abc\"")])[..7], *b"abcabca");
        let mixed = filled(&[("buffer_pattern", "\"x\""), ("buffer_compress_percentage", "10")]);
        assert_eq!(mixed[900..], [b'x'; 100]);
        assert_ne!(mixed[800..900], [b'x'; 100]);
    }

    #[test]
    fn a_share_of_writes_repeats_what_was_written() {
        let mut settings = Settings::default();
        find("dedupe_percentage").expect("known").apply(&mut settings, "30").expect("valid");
        let contents = Contents::new(&settings.job);
        let mut random = Random::new(3);
        let renewed = (0..10_000).filter(|_| contents.is_renewed(&mut random)).count();
        assert!((6_700..7_300).contains(&renewed), "{renewed}");
    }
}
