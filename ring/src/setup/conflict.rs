//! Which set-up flags exclude or need each other. Asked by `builder` before the kernel is, because
//! the kernel's answer to all of these is the same EINVAL; and by `ladder`. Never asks the kernel.
//!
//! The pairs were checked on Linux 6.18, where some manual pages say otherwise. `CQE_MIXED` stands
//! alone (the page wants `CQE32` beside it), and `REGISTERED_FD_ONLY` needs `NO_MMAP` (the page
//! says `NO_SQARRAY`). `SQE_MIXED` is younger than that kernel: its line follows the source.

use crate::abi::SetupFlags;

/// Pairs that no kernel grants together.
const EXCLUSIVE: [(SetupFlags, SetupFlags); 5] = [
    (SetupFlags::SQPOLL, SetupFlags::COOP_TASKRUN),
    (SetupFlags::SQPOLL, SetupFlags::TASKRUN_FLAG),
    (SetupFlags::SQPOLL, SetupFlags::DEFER_TASKRUN),
    (SetupFlags::CQE32, SetupFlags::CQE_MIXED),
    (SetupFlags::SQE128, SetupFlags::SQE_MIXED),
];

/// Flags that are granted only beside one of the others.
const NEEDS: [(SetupFlags, SetupFlags); 5] = [
    (SetupFlags::DEFER_TASKRUN, SetupFlags::SINGLE_ISSUER),
    (SetupFlags::TASKRUN_FLAG, SetupFlags::COOP_TASKRUN.union(SetupFlags::DEFER_TASKRUN)),
    (SetupFlags::SQ_AFF, SetupFlags::SQPOLL),
    (SetupFlags::HYBRID_IOPOLL, SetupFlags::IOPOLL),
    (SetupFlags::REGISTERED_FD_ONLY, SetupFlags::NO_MMAP),
];

/// Why a flag cannot be had beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The two exclude each other.
    Excluded(SetupFlags, SetupFlags),
    /// The first needs one of the second, and none is there.
    Needs(SetupFlags, SetupFlags),
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Excluded(one, other) => {
                write!(f, "{} and {} exclude each other: leave one out", names(*one), names(*other))
            }
            Self::Needs(one, others) => {
                write!(f, "{} needs {}: ask for both", names(*one), names(*others))
            }
        }
    }
}

/// The first conflict inside `flags`.
pub(super) fn find(flags: SetupFlags) -> Option<Conflict> {
    let excluded = EXCLUSIVE
        .iter()
        .filter(|(one, other)| flags.contains(*one | *other))
        .map(|(one, other)| Conflict::Excluded(*one, *other));
    let lacking = NEEDS
        .iter()
        .filter(|(flag, others)| flags.contains(*flag) && !flags.intersects(*others))
        .map(|(flag, others)| Conflict::Needs(*flag, *others));
    excluded.chain(lacking).next()
}

/// Why `flag` cannot be had beside `flags`, which contain it.
pub(super) fn find_for(flag: SetupFlags, flags: SetupFlags) -> Option<Conflict> {
    for (one, other) in EXCLUSIVE {
        let opponent = if one == flag { other } else { one };
        if (one | other).contains(flag) && flags.contains(opponent) {
            return Some(Conflict::Excluded(opponent, flag));
        }
    }
    let needs = NEEDS.iter().find(|(one, others)| *one == flag && !flags.intersects(*others));
    needs.map(|(_, others)| Conflict::Needs(flag, *others))
}

/// `flag` with what it needs, so that the kernel can be asked for it alone.
pub(super) fn with_needs(flag: SetupFlags) -> SetupFlags {
    let mut all = flag;
    // The longest chain is TASKRUN_FLAG, DEFER_TASKRUN, SINGLE_ISSUER: each pass adds one link.
    for _ in 0..NEEDS.len() {
        for (one, others) in NEEDS {
            if all.contains(one) {
                all |= others;
            }
        }
    }
    all
}

/// The flags' kernel names, joined by "or".
pub(super) fn names(flags: SetupFlags) -> String {
    let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_both_flags() {
        for (flags, first, second) in [
            (SetupFlags::SQPOLL | SetupFlags::COOP_TASKRUN, "SQPOLL", "COOP_TASKRUN"),
            (SetupFlags::CQE32 | SetupFlags::CQE_MIXED, "CQE32", "CQE_MIXED"),
            (SetupFlags::HYBRID_IOPOLL, "HYBRID_IOPOLL", "IOPOLL"),
            (SetupFlags::REGISTERED_FD_ONLY, "REGISTERED_FD_ONLY", "NO_MMAP"),
            (SetupFlags::TASKRUN_FLAG, "TASKRUN_FLAG", "COOP_TASKRUN or DEFER_TASKRUN"),
        ] {
            let text = find(flags).expect("these flags conflict").to_string();
            assert!(text.starts_with(first) && text.contains(second), "{text}");
        }
        assert_eq!(find(SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL), None);
    }

    #[test]
    fn a_flag_brings_the_whole_chain_that_it_needs() {
        let all = with_needs(SetupFlags::TASKRUN_FLAG);
        assert!(all.contains(SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN));
        assert_eq!(find(all), None);
        assert_eq!(with_needs(SetupFlags::CLAMP), SetupFlags::CLAMP);
    }
}
