//! What an engine runs on and why: the backend, and everything that was asked for and is not there.
//! Filled by `select` and `engine` at the start; for the caller to read and to print.

use crate::durability::Durability;
use crate::error::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Something that was asked for and is not there, or is done in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What.
    pub what: String,
    /// Why, with the kernel's errno where there is one.
    pub why: String,
}

/// Whether the memory of a class lies on huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// It does not: its buffers are too short to gain by it, or it was not asked for, or refused.
    No,
    /// All of it, from the system's reserve.
    Reserved,
    /// The kernel was asked to put it there.
    Transparent {
        /// How many bytes were there at the start, with what fills the last huge page. `None` where
        /// that is not known: the memory had not been touched yet (what is not registered is taken
        /// when it is first used), or the kernel is older than Linux 6.1.
        had_bytes: Option<u64>,
    },
}

/// One class of the pool, as it was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolClass {
    /// How many buffers.
    pub count: u32,
    /// How long each is in bytes.
    pub len_bytes: u32,
    /// Whether they are registered with the kernel.
    pub fixed: bool,
    /// Whether they lie on huge pages.
    pub huge_pages: HugePages,
}

/// What an engine runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `io_uring` or `threads`.
    pub backend: &'static str,
    /// Why this one.
    pub reason: String,
    /// Whether the buffer pool, or some class of it, is registered with the kernel.
    pub fixed_buffers: bool,
    /// The classes of the pool, from the shortest buffers to the longest.
    pub pool: Vec<PoolClass>,
    /// How many slots for registered files there are.
    pub fixed_files: u32,
    /// Who chooses between the backend, inline calls and helpers, in a few words.
    pub lanes: String,
    /// Whether devices are polled for completions.
    pub iopoll: bool,
    /// What had to be done without.
    pub fallbacks: Vec<Fallback>,
    /// How durable writes are made, for each file that was probed.
    pub durability: Vec<(PathBuf, Durability)>,
}

impl Report {
    pub(crate) fn new(backend: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            backend,
            reason,
            fixed_buffers: false,
            pool: Vec::new(),
            fixed_files: 0,
            lanes: String::from("off"),
            iopoll: false,
            fallbacks: Vec::new(),
            durability: Vec::new(),
        }
    }

    /// Notes how durable writes of a file are made, once for each path.
    pub(crate) fn note_durability(&mut self, path: &Path, durability: &Durability) {
        self.durability.retain(|(known, _)| known != path);
        self.durability.push((path.to_owned(), durability.clone()));
    }

    pub(crate) fn note(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.fallbacks.push(Fallback { what: what.into(), why: why.into() });
    }

    /// As `note`, unless it is required: then there is no engine.
    pub(crate) fn note_unless(
        &mut self,
        required: bool,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Result<(), Error> {
        let (what, why) = (what.into(), why.into());
        if required {
            let why = format!(
                "{what}, which the configuration requires, cannot be had: {why}; require less \
                 (Config::require, IOMILL_REQUIRE) to do without"
            );
            return Err(Error::refused(ErrorKind::Unsupported, "start the engine", why));
        }
        self.note(what, why);
        Ok(())
    }
}

impl std::fmt::Display for PoolClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, len_bytes, fixed, huge_pages } = self;
        let fixed = if *fixed { "registered" } else { "plain" };
        write!(f, "{count} buffers of {len_bytes} bytes: {fixed}")?;
        match huge_pages {
            HugePages::No => Ok(()),
            HugePages::Reserved => f.write_str(", on reserved huge pages"),
            HugePages::Transparent { had_bytes: Some(bytes) } => {
                write!(f, ", {bytes} bytes on transparent huge pages")
            }
            HugePages::Transparent { had_bytes: None } => {
                f.write_str(", transparent huge pages asked for")
            }
        }
    }
}

impl std::fmt::Display for Report {
    /// One line for the backend, one for the lanes, one for each class of the pool, one for each
    /// fallback and one for each probed file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "backend {}: {}\nlanes {}", self.backend, self.reason, self.lanes)?;
        for class in &self.pool {
            write!(f, "\npool of {class}")?;
        }
        for Fallback { what, why } in &self.fallbacks {
            write!(f, "\nwithout {what}: {why}")?;
        }
        for (path, durability) in &self.durability {
            write!(f, "\ndurable writes to {} {durability}", path.display())?;
        }
        Ok(())
    }
}
