//! The words that options take: patterns, engines, report formats, progress modes.
//!
//! Owns fio's names for them, and nothing else. Used by `options::table` to read them and by the
//! reports to print them.

/// fio's `rw`: directions and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rw {
    name: &'static str,
    reads: bool,
    writes: bool,
    random: bool,
}

impl Default for Rw {
    fn default() -> Rw {
        Rw { name: "read", reads: true, writes: false, random: false }
    }
}

impl Rw {
    /// The accepted words; `readwrite` is fio's second name of `rw`.
    pub(crate) const NAMES: &'static [&'static str] =
        &["read", "write", "randread", "randwrite", "rw", "randrw", "readwrite"];

    /// The pattern called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Rw> {
        let (name, reads, writes, random) = match name {
            "read" => ("read", true, false, false),
            "write" => ("write", false, true, false),
            "randread" => ("randread", true, false, true),
            "randwrite" => ("randwrite", false, true, true),
            "rw" | "readwrite" => ("rw", true, true, false),
            "randrw" => ("randrw", true, true, true),
            _ => return None,
        };
        Some(Rw { name, reads, writes, random })
    }

    /// fio's name of the pattern.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// Whether the job reads.
    pub(crate) fn reads(self) -> bool {
        self.reads
    }

    /// Whether the job writes.
    pub(crate) fn writes(self) -> bool {
        self.writes
    }

    /// Whether offsets are random.
    pub(crate) fn is_random(self) -> bool {
        self.random
    }

    /// Whether the job reads and writes.
    pub(crate) fn is_mixed(self) -> bool {
        self.reads && self.writes
    }
}

/// Which engine backend the job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IoEngine {
    /// io_uring where the kernel allows it, threads otherwise.
    Auto,
    /// io_uring or an error.
    IoUring,
    /// Blocking calls on a pool of threads.
    Threads,
}

impl IoEngine {
    /// The accepted words; `psync` is the engine of fio that does the same system calls.
    pub(crate) const NAMES: &'static [&'static str] = &["auto", "io_uring", "threads", "psync"];

    /// The engine called `name`.
    pub(crate) fn from_name(name: &str) -> Option<IoEngine> {
        match name {
            "auto" => Some(IoEngine::Auto),
            "io_uring" => Some(IoEngine::IoUring),
            "threads" | "psync" => Some(IoEngine::Threads),
            _ => None,
        }
    }

    /// Its first name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            IoEngine::Auto => "auto",
            IoEngine::IoUring => "io_uring",
            IoEngine::Threads => "threads",
        }
    }
}

/// Who chooses between the backend, inline calls and helper threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneChoice {
    /// The engine, as it does by default.
    Auto,
    /// Nobody: everything goes through the backend.
    Off,
}

impl LaneChoice {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["auto", "off"];

    /// The choice called `name`.
    pub(crate) fn from_name(name: &str) -> Option<LaneChoice> {
        match name {
            "auto" => Some(LaneChoice::Auto),
            "off" => Some(LaneChoice::Off),
            _ => None,
        }
    }
}

/// The layout of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// fio's layout for people.
    #[default]
    Normal,
    /// fio's JSON.
    Json,
}

impl Format {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["normal", "json"];

    /// The format called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Format> {
        match name {
            "normal" => Some(Format::Normal),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// When to show the progress line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Eta {
    /// When stderr is a terminal.
    #[default]
    Auto,
    /// Even when stderr is a file or a pipe.
    Always,
    /// Not at all.
    Never,
}

impl Eta {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["auto", "always", "never"];

    /// The mode called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Eta> {
        match name {
            "auto" => Some(Eta::Auto),
            "always" => Some(Eta::Always),
            "never" => Some(Eta::Never),
            _ => None,
        }
    }
}
