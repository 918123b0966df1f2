//! CPU time, context switches and page faults of a thread and of the whole process.
//!
//! Owns the call of getrusage(2) and differences of its answers. Called by `job_thread` at the
//! start and at the end of the measurement.

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// What a thread or the process used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuUse {
    pub(crate) user_ns: u64,
    pub(crate) system_ns: u64,
    pub(crate) context_switch_count: u64,
    pub(crate) major_fault_count: u64,
    pub(crate) minor_fault_count: u64,
}

impl CpuUse {
    /// Of the calling thread, since it started.
    pub(crate) fn of_thread() -> CpuUse {
        CpuUse::read(UsageWho::RUSAGE_THREAD)
    }

    /// Of all threads of the process, the kernel's io_uring workers among them.
    pub(crate) fn of_process() -> CpuUse {
        CpuUse::read(UsageWho::RUSAGE_SELF)
    }

    fn read(who: UsageWho) -> CpuUse {
        // The call fails only for an unknown `who`; both are as old as Linux 2.6.26.
        getrusage(who).map(CpuUse::from_usage).unwrap_or_default()
    }

    fn from_usage(usage: Usage) -> CpuUse {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let time_ns = |time: nix::sys::time::TimeVal| {
            count(time.tv_sec()) * 1_000_000_000 + count(time.tv_usec()) * 1_000
        };
        CpuUse {
            user_ns: time_ns(usage.user_time()),
            system_ns: time_ns(usage.system_time()),
            context_switch_count: count(usage.voluntary_context_switches())
                + count(usage.involuntary_context_switches()),
            major_fault_count: count(usage.major_page_faults()),
            minor_fault_count: count(usage.minor_page_faults()),
        }
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: CpuUse) -> CpuUse {
        self.zip(earlier, u64::saturating_sub)
    }

    /// Both together.
    pub(crate) fn plus(self, other: CpuUse) -> CpuUse {
        self.zip(other, u64::saturating_add)
    }

    /// The `numerator`th of `denominator` parts.
    pub(crate) fn share(self, numerator: u64, denominator: u64) -> CpuUse {
        let part = |value: u64, _| {
            let product = u128::from(value) * u128::from(numerator);
            u64::try_from(product / u128::from(denominator.max(1))).unwrap_or(u64::MAX)
        };
        self.zip(self, part)
    }

    fn zip(self, other: CpuUse, with: impl Fn(u64, u64) -> u64) -> CpuUse {
        CpuUse {
            user_ns: with(self.user_ns, other.user_ns),
            system_ns: with(self.system_ns, other.system_ns),
            context_switch_count: with(self.context_switch_count, other.context_switch_count),
            major_fault_count: with(self.major_fault_count, other.major_fault_count),
            minor_fault_count: with(self.minor_fault_count, other.minor_fault_count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Uses up so much CPU time, however long that takes on a busy machine.
    fn burn(cpu: Duration) {
        let before = CpuUse::of_thread();
        let mut spins = 0_u64;
        loop {
            spins = std::hint::black_box(spins + 1);
            let used = CpuUse::of_thread().since(before);
            if u128::from(used.user_ns + used.system_ns) >= cpu.as_nanos() {
                return;
            }
        }
    }

    #[test]
    fn a_thread_is_charged_for_its_own_work_only() {
        let before = CpuUse::of_thread();
        let process_before = CpuUse::of_process();
        std::thread::spawn(|| burn(Duration::from_millis(200))).join().expect("no panic");
        let mine = CpuUse::of_thread().since(before);
        let all = CpuUse::of_process().since(process_before);
        assert!(mine.user_ns + mine.system_ns < 100_000_000, "{mine:?}");
        assert!(all.user_ns + all.system_ns > 50_000_000, "{all:?}");
    }

    #[test]
    fn shares_add_up() {
        let all = CpuUse { user_ns: 300, system_ns: 90, ..CpuUse::default() };
        assert_eq!(all.share(1, 3).plus(all.share(2, 3)), all);
        assert_eq!(all.share(0, 0), CpuUse::default());
    }
}
