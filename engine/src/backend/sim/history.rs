//! What a simulated disk was asked and what it answered, in virtual time. Written by `model`, for
//! tests to compare and for people to read. Holds no addresses and no descriptors, which differ
//! from run to run.

use crate::backend::RequestKind;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// The most entries that are kept; then the oldest go.
pub const HISTORY_LEN_MAX: usize = 1 << 20;

/// One request that has completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in the order in which requests began, from 0.
    pub number: u64,
    /// When it began. Virtual time.
    pub start_ns: u64,
    /// When it completed. Virtual time.
    pub end_ns: u64,
    /// What was asked for.
    pub kind: RequestKind,
    /// The name that the file was made with, or the path that was given.
    pub name: Arc<str>,
    /// The offset in the file in bytes, where there is one.
    pub offset: u64,
    /// How many bytes were to be moved.
    pub len_bytes: u64,
    /// The flags of the request.
    pub flags: u32,
    /// The answer: bytes or 0, or a negative errno. A descriptor is shown as 0.
    pub result: i32,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, start_ns, end_ns, name, offset, len_bytes, .. } = self;
        write!(f, "#{number} {start_ns}..{end_ns} ns {:?} {name:?}", self.kind)?;
        write!(f, " {offset}+{len_bytes}")?;
        if self.flags != 0 {
            write!(f, " flags {:#x}", self.flags)?;
        }
        match iomill_ring::errno_name(self.result.saturating_neg()) {
            Some(errno) if self.result < 0 => write!(f, " -> {errno}"),
            _ => write!(f, " -> {}", self.result),
        }
    }
}

/// Completed requests in the order of their completions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    events: VecDeque<Event>,
    forgotten: u64,
}

impl History {
    /// The requests, first completed first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing has completed.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many older ones were dropped, of more than [`HISTORY_LEN_MAX`].
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() == HISTORY_LEN_MAX {
            self.events.pop_front();
            self.forgotten += 1;
        }
        self.events.push_back(event);
    }
}

impl fmt::Display for History {
    /// One line per request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_everything_but_what_differs_from_run_to_run() {
        let event = Event {
            number: 3,
            start_ns: 1000,
            end_ns: 2500,
            kind: RequestKind::Write,
            name: "log".into(),
            offset: 512,
            len_bytes: 4096,
            flags: 2,
            result: -libc::ENOSPC,
        };
        let line = "#3 1000..2500 ns Write \"log\" 512+4096 flags 0x2 -> ENOSPC";
        assert_eq!(event.to_string(), line);
        let mut history = History::default();
        history.push(Event { flags: 0, result: 4096, ..event });
        assert_eq!(history.to_string(), "#3 1000..2500 ns Write \"log\" 512+4096 -> 4096\n");
    }
}
