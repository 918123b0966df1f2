//! The sizes of a pool's buffers: what a caller configures, what is taken otherwise, and what is
//! refused. Read by `config`, `environment` and `pool`.

use crate::error::{Error, ErrorKind};
use std::str::FromStr;

/// Most buffers of one class.
pub const BUFFERS_MAX: u32 = 65_536;
/// Longest buffer of the pool in bytes.
pub const BUFFER_LEN_MAX_BYTES: u32 = 1 << 30;
/// Most classes of one pool.
pub const BUFFER_CLASSES_MAX: usize = 16;

/// The buffers of one length in an engine's pool.
///
/// Unless it is told otherwise, a pool holds a buffer of 4 KiB for each request that the engine
/// accepts at once, and as many of 64 KiB and of 1 MiB, but at most 32 and 4 of these: then an
/// engine is small, and its pool fits into the 8 MiB that Linux usually lets a user lock.
///
/// As text, in environment variables: `COUNTxBYTES`, for example `64x4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferClass {
    /// How many.
    pub count: u32,
    /// How long each is in bytes.
    pub len_bytes: u32,
}

impl BufferClass {
    /// What a pool holds unless it is told otherwise.
    pub(crate) fn defaults(capacity: u32) -> Vec<Self> {
        vec![
            Self { count: capacity, len_bytes: 4 << 10 },
            Self { count: capacity.min(32), len_bytes: 64 << 10 },
            Self { count: capacity.min(4), len_bytes: 1 << 20 },
        ]
    }

    /// Puts classes into the order of their lengths, and leaves out those without buffers.
    pub(crate) fn in_order(mut classes: Vec<Self>) -> Vec<Self> {
        classes.retain(|class| class.count > 0);
        classes.sort_unstable_by_key(|class| class.len_bytes);
        classes
    }

    /// Refuses what is out of range.
    pub(crate) fn check(classes: &[Self]) -> Result<(), Error> {
        if classes.len() > BUFFER_CLASSES_MAX {
            let count = classes.len();
            return Err(refuse(format!("there are {count} buffer classes: choose at most 16")));
        }
        for class in classes {
            in_range("number of buffers", class.count, 0, BUFFERS_MAX)?;
            in_range("length of buffers", class.len_bytes, 1, BUFFER_LEN_MAX_BYTES)?;
        }
        let mut lens: Vec<u32> = classes.iter().map(|class| class.len_bytes).collect();
        lens.sort_unstable();
        match lens.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let len_bytes = pair[0];
                let why = format!("two buffer classes have {len_bytes} bytes: make them one");
                Err(refuse(why))
            }
            None => Ok(()),
        }
    }
}

impl FromStr for BufferClass {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text
            .split_once('x')
            .and_then(|(count, len)| Some((count.parse().ok()?, len.parse().ok()?)));
        match parsed {
            Some((count, len_bytes)) => Ok(Self { count, len_bytes }),
            None => Err(refuse(format!("{text} is no buffer class: it is COUNTxBYTES"))),
        }
    }
}

/// Refuses a number that is out of its range.
pub(crate) fn in_range(setting: &str, value: u32, min: u32, max: u32) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(refuse(format!("the {setting} is {value}: choose {min} to {max}")))
}

pub(crate) fn refuse(why: String) -> Error {
    Error::refused(ErrorKind::InvalidConfig, "configure the engine", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranges::CAPACITY_MAX;

    fn class(count: u32, len_bytes: u32) -> BufferClass {
        BufferClass { count, len_bytes }
    }

    #[test]
    fn classes_come_in_the_order_of_their_lengths_without_empty_ones() {
        let classes = vec![class(1, 65_536), class(0, 512), class(2, 4096)];
        assert_eq!(BufferClass::in_order(classes), [class(2, 4096), class(1, 65_536)]);
    }

    #[test]
    fn the_defaults_are_in_order_and_within_their_ranges_at_every_capacity() {
        for capacity in [1, 2, 64, CAPACITY_MAX] {
            let classes = BufferClass::defaults(capacity);
            BufferClass::check(&classes).unwrap();
            assert_eq!(BufferClass::in_order(classes.clone()), classes);
        }
        let usual = BufferClass::defaults(64);
        let bytes: u32 = usual.iter().map(|class| class.count * class.len_bytes).sum();
        assert!(bytes < 8 << 20, "{bytes} bytes are more than every user may lock");
    }

    #[test]
    fn what_is_out_of_range_or_twice_there_is_named() {
        for (classes, message) in [
            (vec![class(70_000, 1)], "the number of buffers is 70000: choose 0 to 65536"),
            (vec![class(1, 0)], "the length of buffers is 0: choose 1 to 1073741824"),
            (vec![class(1, 512), class(2, 512)], "two buffer classes have 512 bytes"),
            ((1..=17).map(|len| class(1, len)).collect(), "there are 17 buffer classes"),
        ] {
            let error = BufferClass::check(&classes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
