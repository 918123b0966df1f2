//! What is tried: a way of doing I/O, a batch and a depth.
//!
//! Owns the list of ways and depths, which of two ways is the simpler one, and how each is written
//! as options, as Rust, as environment variables and as a job file. It runs nothing. Used by
//! `rounds`, `choice` and `winner`.

/// The depths that are tried.
pub(super) const DEPTHS: [u32; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// A way of doing I/O, whatever the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Blocking calls on helper threads.
    Threads,
    /// io_uring.
    Ring {
        fixed_buffers: bool,
        fixed_files: bool,
        poll: Option<Poll>,
        /// Whether the engine may make plain calls where they are quicker.
        lanes: bool,
    },
    /// io_uring that polls the device for completions: with registered buffers, and never with
    /// registered files.
    Polled,
}

/// A kernel thread that takes submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Poll {
    pub(super) idle_ms: u32,
    pub(super) cpu: Option<u32>,
}

/// How many completions are waited for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Batch {
    /// Whatever has completed is taken, and its successors go out.
    One,
    /// A quarter of the depth.
    Quarter,
    /// Half of the depth.
    Half,
}

/// All but the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) mode: Mode,
    pub(super) batch: Batch,
}

/// One candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) way: Way,
    pub(super) depth: u32,
}

impl Batch {
    /// As a number at this depth.
    pub(super) fn count(self, depth: u32) -> u32 {
        match self {
            Batch::One => 1,
            Batch::Quarter => (depth / 4).max(1),
            Batch::Half => (depth / 2).max(1),
        }
    }
}

impl Way {
    /// In words.
    pub(super) fn name(self) -> String {
        match self.batch {
            Batch::One => self.mode.name(),
            Batch::Quarter => format!("{}, batch depth/4", self.mode.name()),
            Batch::Half => format!("{}, batch depth/2", self.mode.name()),
        }
    }

    /// How much there is to set up and to pay for: of two ways that are alike the smaller one is
    /// recommended.
    pub(super) fn burden(self) -> (u32, Batch) {
        let mode = match self.mode {
            // What a program gets that sets nothing.
            Mode::Ring { lanes: true, .. } => 0,
            Mode::Ring { poll: None, fixed_buffers, fixed_files, .. } => {
                1 + 2 * u32::from(fixed_buffers) + u32::from(fixed_files)
            }
            Mode::Threads => 5,
            // Each takes a CPU, or a part of it.
            Mode::Polled => 6,
            Mode::Ring { poll: Some(Poll { idle_ms, cpu }), .. } => {
                7 + u32::from(idle_ms > 1) + u32::from(cpu.is_some())
            }
        };
        (mode, self.batch)
    }
}

impl Mode {
    /// Every way that is worth a trial on a machine with this many CPUs.
    pub(super) fn all(cpu_count: usize) -> Vec<Mode> {
        let ring = |fixed_buffers, fixed_files, poll| {
            let lanes = false;
            Mode::Ring { fixed_buffers, fixed_files, poll, lanes }
        };
        let mut modes = vec![
            // The engine's own defaults.
            Mode::Ring { fixed_buffers: true, fixed_files: true, poll: None, lanes: true },
            ring(true, true, None),
            ring(true, false, None),
            ring(false, true, None),
            ring(false, false, None),
            Mode::Threads,
        ];
        for idle_ms in [1, 100] {
            modes.push(ring(true, true, Some(Poll { idle_ms, cpu: None })));
        }
        // A thread of its own CPU takes that CPU from the job unless there are others.
        if let (3.., Ok(cpu)) = (cpu_count, u32::try_from(cpu_count - 1)) {
            modes.push(ring(true, true, Some(Poll { idle_ms: 100, cpu: Some(cpu) })));
        }
        modes.push(Mode::Polled);
        modes
    }

    /// In words.
    pub(super) fn name(self) -> String {
        let (fixed_buffers, fixed_files, poll, lanes) = match self {
            Mode::Threads => return "threads".to_owned(),
            Mode::Polled => return "io_uring, buffers fixed, IOPOLL".to_owned(),
            Mode::Ring { fixed_buffers, fixed_files, poll, lanes } => {
                (fixed_buffers, fixed_files, poll, lanes)
            }
        };
        let mut name = match (fixed_buffers, fixed_files) {
            (true, true) => "io_uring, buffers+files fixed",
            (true, false) => "io_uring, buffers fixed",
            (false, true) => "io_uring, files fixed",
            (false, false) => "io_uring, plain",
        }
        .to_owned();
        if lanes {
            name.push_str(", lanes");
        }
        if let Some(Poll { idle_ms, cpu }) = poll {
            name.push_str(&format!(", SQPOLL {idle_ms} ms"));
            if let Some(cpu) = cpu {
                name.push_str(&format!(" on CPU {cpu}"));
            }
        }
        name
    }
}

impl Candidate {
    /// How many completions are waited for at once.
    pub(super) fn batch(self) -> u32 {
        self.way.batch.count(self.depth)
    }

    /// As options of a job: name and value.
    pub(super) fn options(self) -> Vec<(&'static str, String)> {
        let mut options = vec![("iodepth", self.depth.to_string())];
        if self.batch() > 1 {
            options.push(("iodepth_batch_complete_min", self.batch().to_string()));
        }
        let flag = |wanted: bool| String::from(if wanted { "1" } else { "0" });
        match self.way.mode {
            Mode::Threads => options.push(("ioengine", "threads".into())),
            Mode::Polled => {
                options.push(("ioengine", "io_uring".into()));
                options.push(("lanes", "off".into()));
                options.push(("fixedbufs", flag(true)));
                options.push(("hipri", flag(true)));
            }
            Mode::Ring { fixed_buffers, fixed_files, poll, lanes } => {
                options.push(("ioengine", "io_uring".into()));
                options.push(("lanes", if lanes { "auto" } else { "off" }.into()));
                options.push(("fixedbufs", flag(fixed_buffers)));
                options.push(("registerfiles", flag(fixed_files)));
                if let Some(Poll { idle_ms, cpu }) = poll {
                    options.push(("sqthread_poll", "1".into()));
                    options.push(("sqthread_poll_idle", format!("{idle_ms}ms")));
                    options.extend(cpu.map(|cpu| ("sqthread_poll_cpu", cpu.to_string())));
                }
            }
        }
        options
    }

    /// The engine's `Config` in Rust, with buffers of this length.
    pub(super) fn rust(self, block_len_bytes: u64) -> String {
        let mut lines = vec!["iomill_engine::Config::new()".to_owned()];
        let mut set = |call: String| lines.push(format!("    .{call}"));
        let depth = self.depth;
        match self.way.mode {
            Mode::Threads => {
                set("backend(iomill_engine::BackendChoice::Threads)".into());
                set(format!("depth({depth})"));
                set(format!("buffers({depth}, {block_len_bytes})"));
            }
            Mode::Ring { fixed_buffers, fixed_files, poll, lanes } => {
                // Auto, so that the program still runs where io_uring is forbidden.
                set("backend(iomill_engine::BackendChoice::Auto)".into());
                set(format!("depth({depth})"));
                set(format!("buffers({depth}, {block_len_bytes})"));
                let choice = if lanes { "Auto" } else { "Off" };
                set(format!("lanes(iomill_engine::Lanes::{choice})"));
                set(format!("fixed_buffers({fixed_buffers})"));
                set(format!("fixed_files({})", if fixed_files { 16 } else { 0 }));
                if let Some(Poll { idle_ms, cpu }) = poll {
                    set("sqpoll(Some(iomill_engine::SqPoll {".into());
                    lines.push(format!(
                        "        idle: std::time::Duration::from_millis({idle_ms}),"
                    ));
                    lines.push(format!("        cpu: {cpu:?},"));
                    lines.push("    }))".into());
                }
            }
            Mode::Polled => {
                // Nothing else can do it.
                set("backend(iomill_engine::BackendChoice::IoUring)".into());
                set(format!("depth({depth})"));
                set(format!("buffers({depth}, {block_len_bytes})"));
                set("lanes(iomill_engine::Lanes::Off)".into());
                set("iopoll(true)".into());
            }
        }
        if self.batch() > 1 {
            let wait = self.batch();
            lines.push(format!("// and in the loop: engine.tick(Wait::AtLeast({wait}))"));
        }
        lines.join("\n")
    }

    /// As environment variables of `Config::with_environment`.
    pub(super) fn environment(self, block_len_bytes: u64) -> String {
        let depth = self.depth;
        let common = format!("IOMILL_DEPTH={depth} IOMILL_BUFFERS={depth}x{block_len_bytes}");
        match self.way.mode {
            Mode::Threads => format!("IOMILL_BACKEND=threads {common}"),
            Mode::Polled => {
                format!("IOMILL_BACKEND=io_uring {common} IOMILL_LANES=off IOMILL_IOPOLL=1")
            }
            Mode::Ring { fixed_buffers, fixed_files, poll, lanes } => {
                let sqpoll = match poll {
                    None => "off".to_owned(),
                    Some(Poll { idle_ms, cpu: None }) => idle_ms.to_string(),
                    Some(Poll { idle_ms, cpu: Some(cpu) }) => format!("{idle_ms}@{cpu}"),
                };
                format!(
                    "IOMILL_BACKEND=auto {common} IOMILL_LANES={} IOMILL_FIXED_BUFFERS={} \
                     IOMILL_FIXED_FILES={} IOMILL_SQPOLL={sqpoll}",
                    if lanes { "auto" } else { "off" },
                    u8::from(fixed_buffers),
                    if fixed_files { 16 } else { 0 }
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Settings, find};

    fn all() -> Vec<Candidate> {
        let mut all = Vec::new();
        for mode in Mode::all(8) {
            for batch in [Batch::One, Batch::Quarter, Batch::Half] {
                let way = Way { mode, batch };
                all.extend(DEPTHS.map(|depth| Candidate { way, depth }));
            }
        }
        // Below a depth of 8 some batches are the same number.
        all.retain(|candidate| candidate.depth >= 8 || candidate.way.batch == Batch::One);
        all
    }

    #[test]
    fn every_candidate_is_a_valid_job_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for candidate in all() {
            let mut settings = Settings::default();
            for (name, value) in candidate.options() {
                find(name).expect("known").apply(&mut settings, &value).expect("valid");
            }
            settings.job.direct = Some(true);
            settings.job.check().expect("valid together");
            assert!(seen.insert(format!("{:?}", candidate.options())), "{candidate:?} twice");
        }
        assert_eq!(seen.len(), 10 * (3 + 6 * 3));
    }

    #[test]
    fn small_machines_have_no_cpu_to_give_away() {
        assert_eq!(Mode::all(2).len(), 9);
        assert!(Mode::all(2).iter().all(|mode| !mode.name().contains("on CPU")));
    }

    #[test]
    fn the_rust_is_the_engine_s_own_interface() {
        let poll = Some(Poll { idle_ms: 100, cpu: Some(3) });
        let mode = Mode::Ring { fixed_buffers: true, fixed_files: true, poll, lanes: false };
        let way = Way { mode, batch: Batch::Quarter };
        let text = Candidate { way, depth: 64 }.rust(4096);
        let expected = iomill_engine::Config::new()
            .backend(iomill_engine::BackendChoice::Auto)
            .depth(64)
            .buffers(64, 4096)
            .lanes(iomill_engine::Lanes::Off)
            .fixed_buffers(true)
            .fixed_files(16)
            .sqpoll(Some(iomill_engine::SqPoll {
                idle: std::time::Duration::from_millis(100),
                cpu: Some(3),
            }));
        let polled = Way { mode: Mode::Polled, batch: Batch::One };
        let polled = Candidate { way: polled, depth: 8 };
        assert!(polled.rust(512).contains(".iopoll(true)"), "{polled:?}");
        assert!(text.ends_with("engine.tick(Wait::AtLeast(16))"), "{text}");
        // What is written above in Rust is what is printed, but for the blanks before it.
        let source = include_str!("candidate.rs");
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        for line in lines {
            let call = line.trim_end_matches([';', ')']);
            assert!(source.matches(call).count() >= 1, "{line} is not in the test's own source");
        }
        assert!(format!("{expected:?}").contains("depth: 64"));
        assert!(text.contains(".depth(64)") && text.contains("cpu: Some(3),"), "{text}");
    }

    #[test]
    fn the_environment_has_the_engine_s_variables() {
        let poll = Some(Poll { idle_ms: 1, cpu: None });
        let mode = Mode::Ring { fixed_buffers: true, fixed_files: false, poll, lanes: false };
        let way = |mode| Way { mode, batch: Batch::One };
        assert_eq!(
            Candidate { way: way(mode), depth: 8 }.environment(512),
            "IOMILL_BACKEND=auto IOMILL_DEPTH=8 IOMILL_BUFFERS=8x512 IOMILL_LANES=off \
             IOMILL_FIXED_BUFFERS=1 IOMILL_FIXED_FILES=0 IOMILL_SQPOLL=1"
        );
        let threads = Candidate { way: way(Mode::Threads), depth: 8 }.environment(512);
        assert_eq!(threads, "IOMILL_BACKEND=threads IOMILL_DEPTH=8 IOMILL_BUFFERS=8x512");
        let polled = Candidate { way: way(Mode::Polled), depth: 8 }.environment(512);
        assert!(polled.ends_with("IOMILL_LANES=off IOMILL_IOPOLL=1"), "{polled}");
    }

    #[test]
    fn what_costs_a_cpu_is_never_the_simpler_way() {
        let mut ways: Vec<Way> =
            Mode::all(8).into_iter().map(|mode| Way { mode, batch: Batch::One }).collect();
        let defaults = ways[0];
        ways.sort_by_key(|way| way.burden());
        assert_eq!(ways[0], defaults, "nothing is simpler than what one gets anyway");
        let takes_a_cpu: Vec<bool> = ways.iter().map(|way| way.name().contains("POLL")).collect();
        assert!(takes_a_cpu.is_sorted(), "{ways:?}");
        let halves = Way { batch: Batch::Half, ..defaults };
        assert!(defaults.burden() < halves.burden() && halves.burden() < ways[1].burden());
    }
}
