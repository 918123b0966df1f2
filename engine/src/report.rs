//! What an engine runs on and why: the backend, and everything that was asked for and is not there.
//! Filled by `select` and `engine` at the start; for the caller to read and to print.

use crate::error::{Error, ErrorKind};

/// Something that was asked for and is not there, or is done in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What.
    pub what: String,
    /// Why, with the kernel's errno where there is one.
    pub why: String,
}

/// What an engine runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `io_uring` or `threads`.
    pub backend: &'static str,
    /// Why this one.
    pub reason: String,
    /// Whether the buffer pool is registered with the kernel.
    pub fixed_buffers: bool,
    /// How many slots for registered files there are.
    pub fixed_files: u32,
    /// Whether devices are polled for completions.
    pub iopoll: bool,
    /// What had to be done without.
    pub fallbacks: Vec<Fallback>,
}

impl Report {
    pub(crate) fn new(backend: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            backend,
            reason,
            fixed_buffers: false,
            fixed_files: 0,
            iopoll: false,
            fallbacks: Vec::new(),
        }
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

impl std::fmt::Display for Report {
    /// One line for the backend, and one for each fallback.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "backend {}: {}", self.backend, self.reason)?;
        for Fallback { what, why } in &self.fallbacks {
            write!(f, "\nwithout {what}: {why}")?;
        }
        Ok(())
    }
}
