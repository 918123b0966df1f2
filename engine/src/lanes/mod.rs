//! Which way a request goes: decisions only. An operation, a file system and a queue length lead to
//! a route; rules, a probe and what is observed fill the table. Asked by `backend/routed`; nothing
//! here but `probe` does I/O or reads a clock.

mod correction;
mod file_system;
mod kind;
#[expect(unsafe_code, reason = "vouches for the memory of the probe's own requests")]
mod probe;
mod rules;
mod table;

pub(crate) use correction::{Correction, Observation, Plan};
pub use file_system::FileSystem;
pub use kind::LaneOp;
pub(crate) use probe::{Figures, probe};
pub(crate) use rules::Base;
pub(crate) use table::CellIndex;
pub use table::{LaneTable, Reason};

/// What carried a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A plain system call on the engine's own thread.
    Inline,
    /// The ring, or whatever else the backend is.
    Ring,
    /// A helper thread.
    Helper,
}

/// Which way requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The backend that the engine runs on: the ring, or the pool of `threads`.
    Backend,
    /// A plain system call on the engine's own thread.
    Inline,
    /// A read is tried on the engine's own thread, for as far as the page cache has it
    /// (`RWF_NOWAIT`, which never waits for a device), as long as such tries pay; the rest goes to
    /// the backend. Anything but a plain buffered read goes to the backend.
    IfCached,
    /// A plain system call on the engine's own thread where the caller could do nothing else
    /// meanwhile: it waits without a limit, nothing else is in flight, and no other thread feeds
    /// the engine. Otherwise as `IfCached`.
    IfAwaited,
    /// Helper threads, which an engine on io_uring starts when it first needs them; on `threads`
    /// the same as `Backend`.
    Helpers,
}

impl Route {
    /// Whether the engine's own thread may make the call.
    pub fn may_be_inline(self) -> bool {
        matches!(self, Self::Inline | Self::IfCached | Self::IfAwaited)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Inline => "inline",
            Self::IfCached => "if cached",
            Self::IfAwaited => "if awaited",
            Self::Helpers => "helpers",
        }
    }
}

/// How many requests are with the backend, the one in question included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueLength {
    /// It alone.
    One,
    /// 2 or 3.
    Few,
    /// 4 to 15.
    Some,
    /// 16 or more.
    Many,
}

impl QueueLength {
    /// All, from short to long.
    pub const ALL: [Self; 4] = [Self::One, Self::Few, Self::Some, Self::Many];

    /// Where a number of requests belongs.
    #[inline]
    pub fn of(requests: usize) -> Self {
        match requests {
            0 | 1 => Self::One,
            2 | 3 => Self::Few,
            4..16 => Self::Some,
            _ => Self::Many,
        }
    }
}

/// Who chooses the lanes of an engine.
#[derive(Clone, Debug, Default)]
pub enum Lanes {
    /// The engine: by rules, by a [probe](crate::Config::probe_lanes) if there was one, corrected
    /// by what it observes. With SQPOLL as `Off`, because there the submission costs nothing.
    #[default]
    Auto,
    /// Nobody: everything goes to the backend.
    Off,
    /// The caller: this table, which nothing corrects.
    Fixed(Box<LaneTable>),
}

/// Completions by what carried them. A transfer that is continued counts once per part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// On the engine's own thread.
    pub inline: u64,
    /// By the ring, or a backend of the caller's.
    pub ring: u64,
    /// By helper threads.
    pub helper: u64,
}

impl LaneCounts {
    #[inline]
    pub(crate) fn count(&mut self, lane: Lane, requests: u64) {
        match lane {
            Lane::Inline => self.inline += requests,
            Lane::Ring => self.ring += requests,
            Lane::Helper => self.helper += requests,
        }
    }
}
