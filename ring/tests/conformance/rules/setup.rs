//! Set-up: sizes, and flags that exclude or need each other. Asked by raw calls, because the
//! crate's builder refuses most of these before the kernel is asked.

use super::ask::{self, accepted, start};
use super::raw::{self, set_up, set_up_beside};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::{EnterFlags, RegisterOp, SetupFlags};
use iomill_ring::op::{self, FsyncFlags};
use iomill_ring::{Builder, Target};

const CQSIZE: SetupFlags = SetupFlags::CQSIZE;
const SQPOLL: SetupFlags = SetupFlags::SQPOLL;
const IOPOLL: SetupFlags = SetupFlags::IOPOLL;
const HYBRID: SetupFlags = SetupFlags::HYBRID_IOPOLL;
const COOP: SetupFlags = SetupFlags::COOP_TASKRUN;
const FLAG: SetupFlags = SetupFlags::TASKRUN_FLAG;
const SINGLE: SetupFlags = SetupFlags::SINGLE_ISSUER;
const DEFER: SetupFlags = SetupFlags::DEFER_TASKRUN;
const CQE32: SetupFlags = SetupFlags::CQE32;
const MIXED: SetupFlags = SetupFlags::CQE_MIXED;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "completion queue as large as the submission queue",
        seen: &[((6, 18), "8")],
        pages: &[("setup(2)", "EINVAL")],
        ask: || completion_queue(8, 8),
    },
    Rule {
        name: "completion queue smaller than the submission queue",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup(2)", "EINVAL")],
        ask: || completion_queue(8, 4),
    },
    Rule {
        name: "completion queue of 100 entries",
        seen: &[((6, 18), "128")],
        pages: &[("setup(2)", "128"), ("setup_flags(7)", "EINVAL")],
        ask: || completion_queue(8, 100),
    },
    Rule {
        name: "completion queue of no wished size beside 8 submissions",
        seen: &[((6, 18), "16")],
        pages: &[("setup_flags(7)", "16")],
        ask: || {
            Ok(set_up(SetupFlags::empty(), 8, 0)
                .map_or_else(named, |all| all.cq_entries.to_string()))
        },
    },
    Rule {
        name: "32,769 entries without CLAMP",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup_flags(7)", "EINVAL")],
        ask: || Ok(accepted(set_up(SetupFlags::empty(), 32_769, 0))),
    },
    Rule {
        name: "SQPOLL with COOP_TASKRUN",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: || set_up_beside(COOP, SQPOLL | COOP),
    },
    Rule {
        name: "SQPOLL with DEFER_TASKRUN and SINGLE_ISSUER",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: || set_up_beside(DEFER | SINGLE, SQPOLL | DEFER | SINGLE),
    },
    Rule {
        name: "DEFER_TASKRUN without SINGLE_ISSUER",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup(2)", "EINVAL"), ("setup_flags(7)", "EINVAL")],
        ask: || set_up_beside(DEFER | SINGLE, DEFER),
    },
    Rule {
        name: "TASKRUN_FLAG without COOP_TASKRUN and DEFER_TASKRUN",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup(2)", "EINVAL")],
        ask: || set_up_beside(COOP | FLAG, FLAG),
    },
    Rule {
        name: "HYBRID_IOPOLL without IOPOLL",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup(2)", "EINVAL")],
        ask: || set_up_beside(IOPOLL | HYBRID, HYBRID),
    },
    Rule {
        name: "SQ_AFF without SQPOLL",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup_flags(7)", "EINVAL")],
        ask: || Ok(accepted(set_up(SetupFlags::SQ_AFF, 4, 0))),
    },
    Rule {
        name: "CQE_MIXED alone",
        seen: &[((6, 18), "accepted")],
        pages: &[("setup(2)", "accepted"), ("setup_flags(7)", "EINVAL")],
        ask: || known(MIXED, || Ok(accepted(set_up(MIXED, 4, 0)))),
    },
    Rule {
        name: "CQE_MIXED with CQE32",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup_flags(7)", "accepted")],
        ask: || set_up_beside(MIXED, MIXED | CQE32),
    },
    Rule {
        name: "REGISTERED_FD_ONLY with NO_SQARRAY, without NO_MMAP",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup(2)", "EINVAL"), ("setup_flags(7)", "accepted")],
        ask: registered_only,
    },
    Rule {
        name: "registration ZCRX_CTRL",
        seen: &[((6, 18), "absent"), ((7, 2), "present")],
        pages: &[("register(2)", "present")],
        ask: newest_registration,
    },
    Rule {
        name: "a submission to a ring that is disabled",
        seen: &[((6, 18), "EBADFD")],
        pages: &[("enter(2)", "EBADFD")],
        ask: disabled,
    },
    Rule {
        name: "without SUBMIT_ALL: entries taken of a refused one and a NOP",
        seen: &[((6, 18), "1")],
        pages: &[("setup(2)", "1")],
        ask: || batch(Builder::new(4).without(SetupFlags::SUBMIT_ALL)),
    },
    Rule {
        name: "SUBMIT_ALL: entries taken of a refused one and a NOP",
        seen: &[((6, 18), "2")],
        pages: &[("setup(2)", "2")],
        ask: || batch(Builder::new(4).require(SetupFlags::SUBMIT_ALL)),
    },
];

fn named(errno: i32) -> String {
    ask::named(Err(errno))
}

fn completion_queue(sq: u32, cq: u32) -> Answer {
    Ok(set_up(CQSIZE, sq, cq).map_or_else(named, |granted| granted.cq_entries.to_string()))
}

/// Asks only a kernel that says that it knows the flag.
fn known(flag: SetupFlags, ask: fn() -> Answer) -> Answer {
    let known = iomill_ring::query()?;
    if known.setup_flags.contains(flag) {
        return ask();
    }
    Err(Stop::skipped(format!("this kernel does not know {flag:?}")))
}

fn registered_only() -> Answer {
    const ASKED: SetupFlags = SetupFlags::REGISTERED_FD_ONLY.union(SetupFlags::NO_SQARRAY);
    known(ASKED, || Ok(accepted(set_up(ASKED, 4, 0))))
}

/// The page says that this one came with Linux 6.15, and `query` with 6.18.
fn newest_registration() -> Answer {
    let present = iomill_ring::query()?.register_ops > RegisterOp::ZCRX_CTRL.0;
    Ok(String::from(if present { "present" } else { "absent" }))
}

fn disabled() -> Answer {
    use std::os::fd::AsRawFd;
    let ring = raw::open(SetupFlags::R_DISABLED, 4)
        .map_err(|errno| Stop::skipped(format!("no disabled rings here: {}", named(errno))))?;
    Ok(ask::named(raw::enter(ring.as_raw_fd(), 1, 0, EnterFlags::empty())))
}

/// How many entries one submission takes when the first is refused.
fn batch(builder: Builder) -> Answer {
    let mut ring = builder.build()?;
    let refused = op::fsync(Target::Fd(-1), FsyncFlags::empty()).with_priority(1);
    let taken = start(&mut ring, &[refused, op::nop()])?;
    ask::finish(&mut ring, 2)?;
    Ok(taken.to_string())
}
