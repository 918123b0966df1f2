//! What an engine runs on and why: the backend, and everything that was asked for and is not there.
//! Filled by `select` and `engine` at the start; for the caller to read and to print.

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
    /// Who chooses between the backend, inline calls and helpers, in a few words.
    pub lanes: String,
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
            lanes: String::from("off"),
            fallbacks: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.fallbacks.push(Fallback { what: what.into(), why: why.into() });
    }
}

impl std::fmt::Display for Report {
    /// One line for the backend, one for the lanes, and one for each fallback.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "backend {}: {}\nlanes {}", self.backend, self.reason, self.lanes)?;
        for Fallback { what, why } in &self.fallbacks {
            write!(f, "\nwithout {what}: {why}")?;
        }
        Ok(())
    }
}
