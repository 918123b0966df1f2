//! What to change to get more, from what was found.
//!
//! Owns the rules and their words; each names the command and what it buys. It looks at nothing by
//! itself, and advises nothing where the fact is not known. Called by `doctor`.

use super::kernel::Kernel;
use super::storage::{DiskFacts, Storage};
use super::trial::Trial;

/// Locked memory below which registering buffers soon fails.
const MEMLOCK_SMALL_BYTES: u64 = 8 << 20;

/// All advice, what gives most first.
pub(super) fn all(kernel: &Kernel, storage: &Storage, trial: &Trial) -> Vec<String> {
    let mut advice = Vec::new();
    if kernel.ring.is_err() {
        advice.push(allow_io_uring(kernel));
    }
    if let Ok(ring) = &kernel.ring
        && !ring.given_up.is_empty()
    {
        advice.push(format!(
            "a newer kernel than Linux {}: it has {}, which save interrupts and system calls",
            kernel.release,
            ring.given_up.join(", ")
        ));
    }
    let plain_buffers = trial.plain.as_ref().is_ok_and(|report| !report.fixed_buffers);
    let small = kernel.memlock_bytes.is_some_and(|bytes| bytes < MEMLOCK_SMALL_BYTES);
    if kernel.ring.is_ok() && (plain_buffers || small) {
        advice.push(
            "more locked memory, so that buffers of any size can be registered: `ulimit -l \
             unlimited`, LimitMEMLOCK=infinity in a unit, or --ulimit memlock=-1 for a container"
                .to_owned(),
        );
    }
    if let Ok(limits) = &storage.limits
        && !limits.opens_direct
    {
        advice.push(
            "a file system with direct I/O (ext4, XFS, btrfs): the page cache costs CPU time and \
             makes latencies jump"
                .to_owned(),
        );
    }
    advice.extend(storage.disk.iter().flat_map(for_disk));
    if kernel.cpu_count < 3 {
        advice.push(format!(
            "no SQPOLL here: its thread would take one of only {} CPUs",
            kernel.cpu_count
        ));
    }
    advice
}

fn allow_io_uring(kernel: &Kernel) -> String {
    match (kernel.disabled.as_deref(), kernel.seccomp.as_deref()) {
        (Some("1" | "2"), _) => "allow io_uring: `sysctl kernel.io_uring_disabled=0` as root; \
                                 until then jobs run on threads"
            .to_owned(),
        (_, Some("2")) => "let the container's seccomp profile allow io_uring_setup, \
                           io_uring_enter and io_uring_register (docs/guides/run-in-containers.md)"
            .to_owned(),
        _ => "Linux 5.6 or newer with CONFIG_IO_URING; until then jobs run on threads".to_owned(),
    }
}

fn for_disk(disk: &DiskFacts) -> Vec<String> {
    let mut advice = Vec::new();
    let name = &disk.name;
    let solid = disk.rotational == Some(false) || name.starts_with("vd");
    if let Some(scheduler) = disk.scheduler.as_deref()
        && scheduler != "none"
        && solid
    {
        advice.push(format!(
            "no scheduler in front of a fast or virtual disk: `echo none > \
             /sys/block/{name}/queue/scheduler` saves CPU per request ({scheduler} is at work)"
        ));
    }
    if disk.poll_queues == Some(0) && name.starts_with("nvme") {
        advice.push(
            "poll queues for the lowest latency: the kernel parameter nvme.poll_queues=2 (one \
             CPU or more is then busy while requests are in flight)"
                .to_owned(),
        );
    }
    if disk.throttled_us.is_some_and(|us| us > 0) && disk.rotational == Some(false) {
        advice.push(format!(
            "writeback that is not throttled, for buffered writes beside reads: `echo 0 > \
             /sys/block/{name}/queue/wbt_lat_usec`"
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::kernel::tests::kernel;
    use crate::doctor::storage::{FileLimits, tests::slow_disk};

    fn storage(disk: Option<DiskFacts>, opens_direct: bool) -> Storage {
        let limits = Ok(FileLimits { opens_direct, ..FileLimits::default() });
        Storage { mount: None, limits, disk }
    }

    #[test]
    fn a_refused_ring_comes_first_and_names_the_switch() {
        let trial = Trial { plain: Err("x".into()) };
        let mut refused = kernel(Err("EPERM".into()));
        let advice = all(&refused, &storage(None, true), &trial);
        assert!(advice[0].contains("kernel.io_uring_disabled=0"), "{advice:?}");
        refused.disabled = Some("0".into());
        let advice = all(&refused, &storage(None, true), &trial);
        assert!(advice[0].contains("seccomp profile"), "{advice:?}");
        refused.seccomp = Some("0".into());
        let advice = all(&refused, &storage(None, true), &trial);
        assert!(advice[0].contains("Linux 5.6"), "{advice:?}");
    }

    #[test]
    fn slow_settings_of_a_disk_are_named_with_their_commands() {
        let advice = for_disk(&slow_disk()).join("\n");
        for part in ["/sys/block/vdz/queue/scheduler", "/sys/block/vdz/queue/wbt_lat_usec"] {
            assert!(advice.contains(part), "{part}: {advice}");
        }
        assert!(!advice.contains("poll_queues"), "not for a disk that cannot: {advice}");
        assert!(for_disk(&DiskFacts::default()).is_empty(), "nothing known, nothing advised");
    }

    #[test]
    fn a_file_system_without_direct_io_is_named() {
        let trial = Trial { plain: Err("x".into()) };
        let advice = all(&kernel(Err("x".into())), &storage(None, false), &trial).join("\n");
        assert!(advice.contains("direct I/O (ext4"), "{advice}");
    }
}
