//! How the contents of a file are checked.
//!
//! Owns the settings and fio's words for checksums. It computes nothing; `verify` does. Filled in
//! by `options`.

/// What is checked of each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerifyKind {
    Crc32c,
    Xxhash,
    Sha256,
    /// The header alone: place, length and generation.
    Meta,
    /// A header, and a pattern instead of random data.
    PatternHeader,
    /// A pattern and no header.
    Pattern,
}

/// fio's words and what they are here. The header on the disk is ours, so any checksum of a kind
/// serves for the others of it.
const WORDS: &[(&str, VerifyKind)] = &[
    ("crc32c", VerifyKind::Crc32c),
    ("crc32c-intel", VerifyKind::Crc32c),
    ("crc7", VerifyKind::Crc32c),
    ("crc16", VerifyKind::Crc32c),
    ("crc32", VerifyKind::Crc32c),
    ("crc64", VerifyKind::Crc32c),
    ("xxhash", VerifyKind::Xxhash),
    ("md5", VerifyKind::Sha256),
    ("sha1", VerifyKind::Sha256),
    ("sha256", VerifyKind::Sha256),
    ("sha512", VerifyKind::Sha256),
    ("sha3-224", VerifyKind::Sha256),
    ("sha3-256", VerifyKind::Sha256),
    ("sha3-384", VerifyKind::Sha256),
    ("sha3-512", VerifyKind::Sha256),
    ("meta", VerifyKind::Meta),
    ("pattern", VerifyKind::Pattern),
    ("pattern_hdr", VerifyKind::PatternHeader),
];

impl VerifyKind {
    /// The kind called `word`; `none` and `0` are `None`.
    pub(crate) fn read(word: &str) -> Result<Option<VerifyKind>, String> {
        if word == "none" || word == "0" {
            return Ok(None);
        }
        let found = WORDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
        found.map(Some).ok_or_else(|| {
            format!("'{word}' is none of crc32c, xxhash, sha256, meta, pattern, pattern_hdr, none")
        })
    }

    /// Its own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            VerifyKind::Crc32c => "crc32c",
            VerifyKind::Xxhash => "xxhash",
            VerifyKind::Sha256 => "sha256",
            VerifyKind::Meta => "meta",
            VerifyKind::Pattern => "pattern",
            VerifyKind::PatternHeader => "pattern_hdr",
        }
    }

    /// Whether blocks begin with a header.
    pub(crate) fn has_header(self) -> bool {
        self != VerifyKind::Pattern
    }
}

/// The checks of a job.
#[derive(Clone, Debug)]
pub(crate) struct VerifySpec {
    /// `None` is no check at all.
    pub(crate) kind: Option<VerifyKind>,
    /// Whether what was written is read back at the end.
    pub(crate) do_verify: bool,
    pub(crate) pattern: Option<Vec<u8>>,
    /// The distance of headers; the smallest block if `None`.
    pub(crate) interval_bytes: Option<u64>,
    /// After how many writes what was written is read back; 0 is not before the end.
    pub(crate) backlog: u64,
    /// How many of them at once; all if 0.
    pub(crate) backlog_batch: u64,
    /// Whether the first damaged block ends the job.
    pub(crate) fatal: bool,
    /// Whether damaged blocks are saved to files.
    pub(crate) dump: bool,
    /// Go through the motions of the writes, and only read.
    pub(crate) only: bool,
    pub(crate) trims: TrimSpec,
}

/// Trims among verified writes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrimSpec {
    /// The share of written blocks that are trimmed later, in percent.
    pub(crate) percent: u8,
    /// After how many writes trims are made.
    pub(crate) backlog: u64,
    /// How many of them at once; as many as the backlog if 0.
    pub(crate) batch: u64,
    /// Whether trimmed blocks have to read as zeros.
    pub(crate) zero: bool,
}

impl Default for VerifySpec {
    fn default() -> VerifySpec {
        VerifySpec {
            kind: None,
            do_verify: true,
            pattern: None,
            interval_bytes: None,
            backlog: 0,
            backlog_batch: 0,
            fatal: false,
            dump: true,
            only: false,
            trims: TrimSpec::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_fio_are_known() {
        assert_eq!(VerifyKind::read("crc32c-intel"), Ok(Some(VerifyKind::Crc32c)));
        assert_eq!(VerifyKind::read("none"), Ok(None));
        assert!(VerifyKind::read("crc33").is_err_and(|why| why.contains("crc32c")));
        for (word, _) in WORDS {
            assert!(VerifyKind::read(word).is_ok_and(|kind| kind.is_some()), "{word}");
        }
    }
}
