//! The kernel: its version, what it allows this process, and what its io_uring can do.
//!
//! It asks and reads, and tries a small ring; nothing else. Called by `doctor`.

use std::fs;
use std::time::Duration;

use iomill_ring::abi::{Features, SetupFlags};
use iomill_ring::{Builder, Opcode, Ring, SqPoll};
use rustix::process::{Resource, getrlimit};

use super::Fact;

/// Entries of the rings that are tried.
const TRIAL_ENTRIES: u32 = 8;

/// What the engine sends through a ring if it can.
const OPCODES: [Opcode; 20] = [
    Opcode::READ,
    Opcode::WRITE,
    Opcode::READ_FIXED,
    Opcode::WRITE_FIXED,
    Opcode::READV,
    Opcode::WRITEV,
    Opcode::FSYNC,
    Opcode::ASYNC_CANCEL,
    Opcode::LINK_TIMEOUT,
    Opcode::SYNC_FILE_RANGE,
    Opcode::FALLOCATE,
    Opcode::FTRUNCATE,
    Opcode::FADVISE,
    Opcode::OPENAT,
    Opcode::CLOSE,
    Opcode::STATX,
    Opcode::RENAMEAT,
    Opcode::UNLINKAT,
    Opcode::MKDIRAT,
    Opcode::LINKAT,
];

/// Whether io_uring can be had, and if not, why.
pub(super) type RingAnswer = Result<RingFacts, String>;

/// What a ring of this kernel can do.
#[derive(Clone, Debug)]
pub(super) struct RingFacts {
    pub(super) setup: SetupFlags,
    pub(super) features: Features,
    pub(super) opcode_count: u32,
    pub(super) missing: Vec<Opcode>,
    pub(super) given_up: Vec<String>,
    /// Why a polling kernel thread cannot be had, if so.
    pub(super) sqpoll: Result<(), String>,
    /// Why completions cannot be polled for, if so. Whether the disk can is `storage`'s.
    pub(super) iopoll: Result<(), String>,
}

/// What the kernel says.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) release: String,
    machine: String,
    pub(super) cpu_count: usize,
    /// The sysctl, where the kernel has it (Linux 6.6).
    pub(super) disabled: Option<String>,
    pub(super) seccomp: Option<String>,
    /// The limit of locked memory in bytes; `None` if there is none.
    pub(super) memlock_bytes: Option<u64>,
    pub(super) ring: RingAnswer,
}

impl Kernel {
    pub(super) fn look() -> Kernel {
        let name = rustix::system::uname();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Kernel {
            release: name.release().to_string_lossy().into_owned(),
            machine: name.machine().to_string_lossy().into_owned(),
            cpu_count: std::thread::available_parallelism().map_or(1, usize::from),
            disabled: line("/proc/sys/kernel/io_uring_disabled"),
            seccomp: field(&status, "Seccomp:"),
            memlock_bytes: getrlimit(Resource::Memlock).current,
            ring: ring_facts(),
        }
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let Kernel { release, machine, cpu_count, .. } = self;
        let mut facts =
            vec![Fact::plain("kernel", format!("Linux {release}, {machine}, {cpu_count} CPUs"))];
        let disabled = match self.disabled.as_deref() {
            Some("0") => "kernel.io_uring_disabled is 0: allowed for all",
            Some("1") => "kernel.io_uring_disabled is 1: for CAP_SYS_ADMIN and io_uring_group only",
            Some("2") => "kernel.io_uring_disabled is 2: off for all",
            _ => "kernel.io_uring_disabled is not known to this kernel: it cannot be off",
        };
        let seccomp = match self.seccomp.as_deref() {
            Some("0") => "no filter",
            Some("2") => "a filter is at work",
            _ => "not known",
        };
        let memlock = match self.memlock_bytes {
            None => "not limited".to_owned(),
            Some(bytes) => format!("{} KiB", bytes / 1024),
        };
        let refused = self.ring.is_err();
        let policy = |name, value: String, blocks: bool| match blocks && refused {
            true => Fact::bad(name, value),
            false => Fact::plain(name, value),
        };
        let off = matches!(self.disabled.as_deref(), Some("1" | "2"));
        facts.push(policy("sysctl", disabled.to_owned(), off));
        facts.push(policy("seccomp", seccomp.to_owned(), self.seccomp.as_deref() == Some("2")));
        facts.push(Fact::plain("memlock", memlock));
        match &self.ring {
            Err(why) => facts.push(Fact::bad("io_uring", format!("cannot be used: {why}"))),
            Ok(ring) => facts.extend(ring.facts()),
        }
        facts
    }
}

impl RingFacts {
    fn facts(&self) -> Vec<Fact> {
        let Self { setup, features, given_up, missing, opcode_count, .. } = self;
        let mut ring = format!("works; {}", names(setup.iter_names().map(|(name, _)| name)));
        if !given_up.is_empty() {
            ring.push_str(&format!("; without {}", given_up.join(", ")));
        }
        let opcodes = match missing.is_empty() {
            true => format!("{opcode_count}; all {} that the engine uses", OPCODES.len()),
            false => format!(
                "{opcode_count}; made as plain calls: {}",
                names(missing.iter().map(|opcode| opcode.name().unwrap_or("?")))
            ),
        };
        let may = |what: &str, answer: &Result<(), String>| match answer {
            Ok(()) => format!("{what} can be had"),
            Err(why) => format!("{what} cannot be had: {why}"),
        };
        let polling = format!(
            "{}; {} (it needs a disk with poll queues)",
            may("SQPOLL", &self.sqpoll),
            may("IOPOLL", &self.iopoll)
        );
        vec![
            Fact::good("io_uring", ring),
            Fact::plain("features", names(features.iter_names().map(|(name, _)| name))),
            Fact::plain("opcodes", opcodes),
            Fact::plain("polling", polling),
        ]
    }
}

fn names<'a>(list: impl Iterator<Item = &'a str>) -> String {
    list.collect::<Vec<_>>().join(" ")
}

fn ring_facts() -> RingAnswer {
    let ring = Builder::new(TRIAL_ENTRIES).build().map_err(|error| error.to_string())?;
    let probe = ring.probe().map_err(|error| error.to_string())?;
    let opcode_count = (0..=probe.last().0).filter(|code| probe.supports(Opcode(*code))).count();
    let tried = |builder: Builder| builder.build().map(drop).map_err(|error| error.to_string());
    let poll = SqPoll { idle: Duration::from_millis(1), cpu: None };
    Ok(RingFacts {
        setup: ring.setup_flags(),
        features: ring.features(),
        opcode_count: u32::try_from(opcode_count).unwrap_or(u32::MAX),
        missing: OPCODES.into_iter().filter(|opcode| !probe.supports(*opcode)).collect(),
        given_up: given_up(&ring),
        sqpoll: tried(Builder::new(TRIAL_ENTRIES).sqpoll(poll)),
        iopoll: tried(Builder::new(TRIAL_ENTRIES).iopoll()),
    })
}

fn given_up(ring: &Ring) -> Vec<String> {
    ring.given_up().iter().map(|part| format!("{} ({})", part.what, part.why)).collect()
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The word behind a key of `/proc/self/status`.
fn field(status: &str, key: &str) -> Option<String> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(|word| word.trim().to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A kernel whose policies may all refuse.
    pub(crate) fn kernel(ring: RingAnswer) -> Kernel {
        Kernel {
            release: "6.1".into(),
            machine: "x86_64".into(),
            cpu_count: 2,
            disabled: Some("2".into()),
            seccomp: Some("2".into()),
            memlock_bytes: Some(65_536),
            ring,
        }
    }

    #[test]
    fn a_refused_ring_marks_the_policies_that_may_refuse_it() {
        let facts = kernel(Err("EPERM".into())).facts();
        let bad: Vec<&str> = facts
            .iter()
            .filter(|fact| fact.tone == crate::paint::Tone::Bad)
            .map(|fact| fact.name)
            .collect();
        assert_eq!(bad, ["sysctl", "seccomp", "io_uring"]);
        assert!(facts.iter().any(|fact| fact.value.contains("64 KiB")), "{facts:?}");
    }

    #[test]
    fn what_this_kernel_lacks_is_named() {
        let ring = RingFacts {
            setup: SetupFlags::COOP_TASKRUN,
            features: Features::NODROP,
            opcode_count: 40,
            missing: vec![Opcode::FTRUNCATE],
            given_up: vec!["DEFER_TASKRUN (Linux 6.1)".into()],
            sqpoll: Err("EPERM".into()),
            iopoll: Ok(()),
        };
        let text = format!("{:?}", kernel(Ok(ring)).facts());
        for part in
            ["COOP_TASKRUN; without DEFER_TASKRUN", "plain calls: FTRUNCATE", "SQPOLL cannot"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn fields_of_the_status_are_found_by_their_key() {
        let status = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(field(status, "Seccomp:").as_deref(), Some("2"));
        assert_eq!(field("", "Seccomp:"), None);
    }
}
