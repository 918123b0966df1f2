//! The ladder: asks the kernel for a ring and gives up, newest first, the optional flags that it
//! lacks. Called by `builder`. The system call is passed in, so that the tests below can put
//! kernels of other versions in its place. Never gives up a required flag, and takes no other errno
//! than EINVAL for "I do not know this flag".

use super::conflict::{self, Conflict};
use crate::abi::SetupFlags;

/// What a faster ring is asked for, newest first: an old kernel refuses the newest flag that it
/// does not know, so dropping them in this order loses no flag that it has. Each with its Linux
/// version.
const OPTIONAL: [(SetupFlags, &str); 6] = [
    (SetupFlags::NO_SQARRAY, "NO_SQARRAY (Linux 6.6)"),
    (SetupFlags::DEFER_TASKRUN, "DEFER_TASKRUN (Linux 6.1)"),
    (SetupFlags::SINGLE_ISSUER, "SINGLE_ISSUER (Linux 6.0)"),
    (SetupFlags::TASKRUN_FLAG, "TASKRUN_FLAG (Linux 5.19)"),
    (SetupFlags::COOP_TASKRUN, "COOP_TASKRUN (Linux 5.19)"),
    (SetupFlags::SUBMIT_ALL, "SUBMIT_ALL (Linux 5.18)"),
];

/// A part of the set-up that was asked for and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The part, with the Linux version that brought it.
    pub what: &'static str,
    /// The kernel's errno, or `None` where another wish excludes it or one that it needs is
    /// missing.
    pub errno: Option<i32>,
    /// Why, in words.
    pub why: &'static str,
}

/// What the kernel granted.
#[derive(Debug)]
pub(super) struct Granted<T> {
    /// The answer of the call that succeeded.
    pub(super) ring: T,
    /// What it had to be asked without.
    pub(super) given_up: Vec<GivenUp>,
}

/// What the kernel refused at last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Its answer to the last attempt.
    pub(super) errno: i32,
    /// The flags of that attempt.
    pub(super) flags: SetupFlags,
    /// The required flag that it refuses also alone, if EINVAL could be traced to one.
    pub(super) culprit: Option<SetupFlags>,
}

/// All optional flags.
pub(super) fn optional() -> SetupFlags {
    OPTIONAL.iter().fold(SetupFlags::empty(), |all, (flag, _)| all | *flag)
}

/// Asks for the `optional` and `required` flags, and after each EINVAL again without the newest
/// optional one.
pub(super) fn negotiate<T>(
    optional: SetupFlags,
    required: SetupFlags,
    mut ask: impl FnMut(SetupFlags) -> Result<T, i32>,
) -> Result<Granted<T>, Refusal> {
    let mut given_up = Vec::new();
    let mut wanted = optional & !required;
    // At most one attempt per optional flag, and one without any.
    loop {
        wanted = settle(wanted, required, &mut given_up);
        let flags = wanted | required;
        let errno = match ask(flags) {
            Ok(ring) => return Ok(Granted { ring, given_up }),
            Err(errno) => errno,
        };
        if errno != libc::EINVAL {
            return Err(Refusal { errno, flags, culprit: None });
        }
        let Some((flag, what)) = OPTIONAL.iter().find(|(flag, _)| wanted.contains(*flag)) else {
            return Err(Refusal { errno, flags, culprit: culprit(required, ask) });
        };
        let why = "the kernel refused the set-up with it";
        given_up.push(GivenUp { what, errno: Some(errno), why });
        wanted &= !*flag;
    }
}

/// Takes out the wishes that the other flags make impossible. It ends: each pass takes one out.
fn settle(mut wanted: SetupFlags, required: SetupFlags, given_up: &mut Vec<GivenUp>) -> SetupFlags {
    loop {
        let impossible =
            OPTIONAL.iter().filter(|(flag, _)| wanted.contains(*flag)).find_map(|(flag, what)| {
                conflict::find_for(*flag, wanted | required)
                    .map(|conflict| (*flag, *what, conflict))
            });
        let Some((flag, what, conflict)) = impossible else { return wanted };
        given_up.push(GivenUp { what, errno: None, why: reason(conflict) });
        wanted &= !flag;
    }
}

fn reason(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Excluded(..) => "SQPOLL excludes it",
        Conflict::Needs(SetupFlags::DEFER_TASKRUN, _) => "it needs SINGLE_ISSUER",
        Conflict::Needs(..) => "it needs COOP_TASKRUN or DEFER_TASKRUN",
    }
}

/// The first required flag, newest first, that the kernel refuses also without the others.
fn culprit<T>(
    required: SetupFlags,
    mut ask: impl FnMut(SetupFlags) -> Result<T, i32>,
) -> Option<SetupFlags> {
    let mut alone: Vec<_> = required.iter_names().map(|(_, flag)| flag).collect();
    alone.sort_by_key(|flag| std::cmp::Reverse(flag.bits()));
    // Each is asked for with the flags that it needs. Those are in the list too, so a flag that is
    // refused only because of one that it needs is passed over, and that one is blamed.
    let needs = |flag: SetupFlags| conflict::with_needs(flag) & required;
    let refused = |flag: &SetupFlags| ask(needs(*flag)).is_err_and(|errno| errno == libc::EINVAL);
    let refused: Vec<_> = alone.into_iter().filter(refused).collect();
    let all = refused.iter().fold(SetupFlags::empty(), |all, flag| all | *flag);
    refused.into_iter().find(|flag| !(needs(*flag) & !*flag).intersects(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V5_10: SetupFlags = SetupFlags::from_bits_retain((1 << 7) - 1);
    const V5_19: SetupFlags = SetupFlags::from_bits_retain((1 << 12) - 1);
    const V6_0: SetupFlags = SetupFlags::from_bits_retain((1 << 13) - 1);
    const V6_1: SetupFlags = SetupFlags::from_bits_retain((1 << 14) - 1);
    const V6_6: SetupFlags = SetupFlags::from_bits_retain((1 << 17) - 1);
    const V6_18: SetupFlags = SetupFlags::from_bits_retain((1 << 19) - 1);

    /// A kernel that knows these flags and refuses conflicting ones, as all kernels do.
    fn kernel(known: SetupFlags) -> impl FnMut(SetupFlags) -> Result<SetupFlags, i32> {
        move |flags| {
            let refused = !known.contains(flags) || conflict::find(flags).is_some();
            if refused { Err(libc::EINVAL) } else { Ok(flags) }
        }
    }

    fn names(given_up: &[GivenUp], errno: Option<i32>) -> Vec<&str> {
        let of_errno = given_up.iter().filter(|part| part.errno == errno);
        of_errno.map(|part| part.what.split(' ').next().unwrap_or_default()).collect()
    }

    #[test]
    fn each_kernel_loses_exactly_the_flags_that_it_lacks_each_with_its_errno() {
        for known in [V5_10, V5_19, V6_0, V6_1, V6_6, V6_18] {
            let granted = negotiate(optional(), SetupFlags::CQSIZE, kernel(known)).unwrap();
            assert_eq!(granted.ring, (optional() & known) | SetupFlags::CQSIZE, "{known:?}");
            let lost = names(&granted.given_up, Some(libc::EINVAL));
            let lacking: Vec<_> =
                OPTIONAL.iter().filter(|(flag, _)| !known.contains(*flag)).collect();
            assert_eq!(lost.len(), lacking.len(), "{known:?}: {lost:?}");
            assert_eq!(granted.given_up.len(), lost.len(), "{known:?}: nothing else is lost");
        }
    }

    #[test]
    fn a_flag_that_needs_a_missing_one_is_not_asked_for_and_costs_no_other_flag() {
        let wanted = optional() & !SetupFlags::SINGLE_ISSUER;
        let mut attempts = 0;
        let granted = negotiate(wanted, SetupFlags::empty(), |flags| {
            attempts += 1;
            kernel(V6_18)(flags)
        });
        let granted = granted.unwrap();
        assert_eq!(attempts, 1);
        assert_eq!(granted.ring, wanted & !SetupFlags::DEFER_TASKRUN);
        let lost = GivenUp {
            what: "DEFER_TASKRUN (Linux 6.1)",
            errno: None,
            why: "it needs SINGLE_ISSUER",
        };
        assert_eq!(granted.given_up, [lost]);
    }

    #[test]
    fn the_loss_of_one_flag_takes_along_the_one_that_needed_it() {
        // Without COOP_TASKRUN, TASKRUN_FLAG leans on DEFER_TASKRUN, which Linux 6.0 lacks.
        let wanted = optional() & !SetupFlags::COOP_TASKRUN;
        let granted = negotiate(wanted, SetupFlags::empty(), kernel(V6_0)).unwrap();
        assert_eq!(granted.ring, SetupFlags::SINGLE_ISSUER | SetupFlags::SUBMIT_ALL);
        assert_eq!(names(&granted.given_up, Some(libc::EINVAL)), ["NO_SQARRAY", "DEFER_TASKRUN"]);
        assert_eq!(names(&granted.given_up, None), ["TASKRUN_FLAG"]);
    }

    #[test]
    fn sqpoll_excludes_what_runs_completions_on_the_submitter() {
        let granted = negotiate(optional(), SetupFlags::SQPOLL, kernel(V6_18)).unwrap();
        let lost = names(&granted.given_up, None);
        assert_eq!(lost, ["DEFER_TASKRUN", "TASKRUN_FLAG", "COOP_TASKRUN"]);
        assert!(granted.ring.contains(SetupFlags::SINGLE_ISSUER | SetupFlags::NO_SQARRAY));
        assert_eq!(granted.given_up.len(), 3);
    }

    #[test]
    fn no_other_errno_costs_a_flag() {
        for errno in [libc::ENOMEM, libc::EPERM, libc::ENOSYS, libc::EMFILE, libc::EACCES] {
            let mut attempts = 0;
            let refusal = negotiate(optional(), SetupFlags::empty(), |_| {
                attempts += 1;
                Err::<(), _>(errno)
            });
            let refusal = refusal.unwrap_err();
            assert_eq!((refusal.errno, refusal.flags, attempts), (errno, optional(), 1));
        }
    }

    #[test]
    fn a_required_flag_is_never_given_up_and_the_refused_one_is_named() {
        let required = SetupFlags::CQE_MIXED | SetupFlags::CLAMP;
        let refusal = negotiate(optional(), required, kernel(V6_6)).unwrap_err();
        let expected = Some(SetupFlags::CQE_MIXED);
        assert_eq!((refusal.errno, refusal.culprit), (libc::EINVAL, expected));
        // HYBRID_IOPOLL is unknown there, IOPOLL is not: the blame does not spread.
        let required = SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL;
        let refusal = negotiate(optional(), required, kernel(V6_6)).unwrap_err();
        assert_eq!(refusal.culprit, Some(SetupFlags::HYBRID_IOPOLL));
        // REGISTERED_FD_ONLY and the NO_MMAP that it needs are both unknown: the root is blamed.
        let required = SetupFlags::NO_MMAP | SetupFlags::REGISTERED_FD_ONLY;
        let refusal = negotiate(optional(), required, kernel(V6_1)).unwrap_err();
        assert_eq!(refusal.culprit, Some(SetupFlags::NO_MMAP));
    }
}
