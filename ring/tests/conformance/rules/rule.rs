//! One rule as data: what is asked, what kernels were seen to answer, what the manual says.
//! Compares answers with what was seen; never asks the kernel more than whether it has io_uring: a
//! rule's function does. Used by the suite, which fails on a kernel that answers otherwise, and by
//! the example, which prints the table.

use iomill_ring::{Builder, Error, ErrorKind, QueueFull};

/// A Linux version: major and minor.
pub(crate) type Kernel = (u32, u32);

/// What the kernel did, in a few words, or why there is no answer.
pub(crate) type Answer = Result<String, Stop>;

/// Why a rule got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// This host lacks what the question needs.
    Skipped(String),
    /// Something that should have worked did not.
    Broke(String),
}

/// A rule of io_uring.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The situation; the answers say what happens in it.
    pub(crate) name: &'static str,
    /// What kernels were seen to answer, each from that version on, oldest first. A kernel older
    /// than the first is expected to answer as the first.
    pub(crate) seen: &'static [(Kernel, &'static str)],
    /// What manual pages of liburing say, in the words of the answers; none where all are silent.
    pub(crate) pages: &'static [(&'static str, &'static str)],
    /// Asks the running kernel, which has io_uring.
    pub(crate) ask: fn() -> Answer,
}

impl Rule {
    /// Asks the running kernel, if it has io_uring at all.
    pub(crate) fn answer(&self) -> Answer {
        Builder::new(4).build()?;
        (self.ask)()
    }

    /// What a kernel of this version is expected to answer, and the version it was seen on.
    pub(crate) fn expected(&self, running: Kernel) -> (Kernel, &'static str) {
        let newest = self.seen.iter().rev().find(|(since, _)| *since <= running);
        *newest.or(self.seen.first()).expect("a rule was seen on some kernel")
    }

    /// What is wrong with an answer of a kernel of this version, as a line for a person; `None` for
    /// the expected one and for a skip.
    pub(crate) fn fault(&self, answer: &Answer, running: Kernel) -> Option<String> {
        let ((major, minor), expected) = self.expected(running);
        let seen = match answer {
            Ok(seen) if seen == expected => return None,
            Err(Stop::Skipped(_)) => return None,
            Ok(seen) => seen.clone(),
            Err(Stop::Broke(why)) => format!("no answer: {why}"),
        };
        let running = format!("{}.{}", running.0, running.1);
        Some(format!(
            "rule \"{}\": Linux {major}.{minor} was seen to answer \"{expected}\", this one \
             ({running}) answered \"{seen}\"",
            self.name
        ))
    }
}

/// The running kernel's version, as uname(2) says.
pub(crate) fn running() -> Kernel {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (next(), next())
}

impl Stop {
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    pub(crate) fn broke(why: impl Into<String>) -> Self {
        Self::Broke(why.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unsupported | ErrorKind::Unavailable => Self::Skipped(error.to_string()),
            _ => Self::Broke(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Broke(error.to_string())
    }
}

impl From<QueueFull> for Stop {
    fn from(full: QueueFull) -> Self {
        Self::Broke(full.to_string())
    }
}
