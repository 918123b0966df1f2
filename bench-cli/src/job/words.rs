//! The words that options take: patterns, engines, report formats, progress modes.
//!
//! Owns fio's names for them, and nothing else. Used by `options::table` to read them and by the
//! reports to print them.

use crate::options::value;
use crate::workload::Direction;

/// fio's `rw`: directions and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rw {
    name: &'static str,
    directions: [bool; 3],
    random: bool,
    /// Each block is trimmed and then written.
    pub(crate) trims_first: bool,
    /// Bytes between the end of one block and the start of the next: `read:8k`.
    pub(crate) skip_bytes: i64,
    /// Requests in a row from each random offset on: `randread:8`.
    pub(crate) run_len: u64,
}

impl Default for Rw {
    fn default() -> Rw {
        Rw::from_name("read").unwrap_or_else(|_| unreachable!("a pattern of the list"))
    }
}

impl Rw {
    /// fio's words; what they read, write and trim, and whether at random.
    const WORDS: &'static [(&'static str, [bool; 3], bool)] = &[
        ("read", [true, false, false], false),
        ("write", [false, true, false], false),
        ("trim", [false, false, true], false),
        ("randread", [true, false, false], true),
        ("randwrite", [false, true, false], true),
        ("randtrim", [false, false, true], true),
        ("rw", [true, true, false], false),
        ("randrw", [true, true, false], true),
        ("trimwrite", [false, true, true], false),
        ("randtrimwrite", [false, true, true], true),
    ];

    /// The pattern that `text` names, with its suffix.
    pub(crate) fn from_name(text: &str) -> Result<Rw, String> {
        let (word, suffix) = text.split_once(':').unwrap_or((text, ""));
        let wanted = if word == "readwrite" { "rw" } else { word };
        let found = Rw::WORDS.iter().find(|(name, ..)| *name == wanted);
        let Some((name, directions, random)) = found else {
            let names: Vec<&str> = Rw::WORDS.iter().map(|(name, ..)| *name).collect();
            return Err(format!("'{word}' is none of {}", names.join(", ")));
        };
        let trims_first = wanted.ends_with("trimwrite");
        let (name, directions, random) = (*name, *directions, *random);
        let mut rw = Rw { name, directions, random, trims_first, skip_bytes: 0, run_len: 1 };
        if random && !suffix.is_empty() {
            rw.run_len = value::integer(suffix)?.max(1);
        } else if !suffix.is_empty() {
            let (sign, digits) = match suffix.strip_prefix('-') {
                Some(digits) => (-1, digits),
                None => (1, suffix),
            };
            let bytes = value::size_bytes(digits, value::KB_BASE_DEFAULT)?;
            rw.skip_bytes = sign * i64::try_from(bytes).map_err(|_| "the distance is too long")?;
        }
        Ok(rw)
    }

    /// fio's name of the pattern.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// Whether the job goes in this direction.
    pub(crate) fn has(self, direction: Direction) -> bool {
        self.directions[direction as usize]
    }

    /// Whether the job reads.
    pub(crate) fn reads(self) -> bool {
        self.has(Direction::Read)
    }

    /// Whether the job writes.
    pub(crate) fn writes(self) -> bool {
        self.has(Direction::Write)
    }

    /// Whether the job trims.
    pub(crate) fn trims(self) -> bool {
        self.has(Direction::Trim)
    }

    /// Whether the job changes the file.
    pub(crate) fn changes(self) -> bool {
        self.writes() || self.trims()
    }

    /// Whether offsets are random.
    pub(crate) fn is_random(self) -> bool {
        self.random
    }

    /// Whether the job reads and writes.
    pub(crate) fn is_mixed(self) -> bool {
        self.reads() && self.writes()
    }
}

/// fio's `sync`: how a write becomes durable by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SyncMode {
    /// Not at all.
    #[default]
    None,
    /// With data and metadata: `O_SYNC`.
    Sync,
    /// With what is needed to read the data: `O_DSYNC`.
    Dsync,
}

impl SyncMode {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["none", "sync", "dsync", "0", "1"];

    /// The mode called `name`.
    pub(crate) fn from_name(name: &str) -> Option<SyncMode> {
        match name {
            "none" | "0" => Some(SyncMode::None),
            "sync" | "1" => Some(SyncMode::Sync),
            "dsync" => Some(SyncMode::Dsync),
            _ => None,
        }
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
    /// The engine called `name`, by our names and by fio's. fio's `libaio` and `posixaio` keep
    /// many requests in flight, its `psync` and its relations make one blocking call at a time.
    pub(crate) fn from_name(name: &str) -> Result<IoEngine, String> {
        match name {
            "auto" | "libaio" | "posixaio" => Ok(IoEngine::Auto),
            "io_uring" => Ok(IoEngine::IoUring),
            "threads" | "psync" | "sync" | "pvsync" | "pvsync2" | "vsync" | "mmap" => {
                Ok(IoEngine::Threads)
            }
            _ => Err(format!(
                "'{name}' is not supported; the engines are io_uring, threads and auto, and \
                 fio's libaio and posixaio run as auto, its psync, sync, pvsync, vsync and mmap as \
                 threads"
            )),
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
    /// The same with the bins of every latency histogram.
    JsonPlus,
}

impl Format {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["normal", "json", "json+"];

    /// The format called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Format> {
        match name {
            "normal" => Some(Format::Normal),
            "json" => Some(Format::Json),
            "json+" => Some(Format::JsonPlus),
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
