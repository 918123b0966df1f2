//! The kernel: its version, what it allows this process, and what its io_uring can do.
//!
//! It asks and reads, and has the engine try a small ring; nothing else. Called by `doctor`.

use std::fs;

use iomill_engine::KernelSupport;
use rustix::process::{Resource, getrlimit};

use super::Fact;

/// Whether io_uring can be had, and if not, why.
pub(super) type RingAnswer = Result<KernelSupport, String>;

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
            ring: KernelSupport::query().map_err(|error| error.to_string()),
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
            Ok(ring) => facts.extend(ring_facts(ring)),
        }
        facts
    }
}

fn ring_facts(support: &KernelSupport) -> Vec<Fact> {
    let mut ring = format!("works; {}", support.setup_flags.join(" "));
    if !support.given_up.is_empty() {
        ring.push_str(&format!("; without {}", support.given_up.join(", ")));
    }
    let count = support.opcode_count;
    let opcodes = match support.missing_opcodes.is_empty() {
        true => format!("{count}; all {} that the engine uses", support.wanted_opcode_count()),
        false => format!("{count}; made as plain calls: {}", support.missing_opcodes.join(" ")),
    };
    let may = |what: &str, answer: &Result<(), String>| match answer {
        Ok(()) => format!("{what} can be had"),
        Err(why) => format!("{what} cannot be had: {why}"),
    };
    let polling = format!(
        "{}; {} (it needs a disk with poll queues)",
        may("SQPOLL", &support.sqpoll),
        may("IOPOLL", &support.iopoll)
    );
    vec![
        Fact::good("io_uring", ring),
        Fact::plain("features", support.features.join(" ")),
        Fact::plain("opcodes", opcodes),
        Fact::plain("polling", polling),
    ]
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
        let ring = KernelSupport {
            setup_flags: vec!["COOP_TASKRUN"],
            features: vec!["NODROP"],
            opcode_count: 40,
            missing_opcodes: vec!["FTRUNCATE"],
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
