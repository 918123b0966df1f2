//! Rings with an allow-list: what they refuse, and when a list can be given.

use super::ask::{self, answered, one};
use super::raw;
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::{RegisterOp, Restriction, SqeFlags};
use iomill_ring::op::{self, FsyncFlags};
use iomill_ring::{Builder, Opcode, Restrictions, Ring, Target};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "restricted ring: an operation on the list",
        seen: &[((6, 18), "0")],
        pages: &[("register(2)", "0")],
        ask: || one(&mut restricted(list())?, op::nop()),
    },
    Rule {
        name: "restricted ring: an operation that is not on the list",
        seen: &[((6, 18), "EACCES")],
        pages: &[],
        ask: || one(&mut restricted(list())?, op::fsync(Target::Fd(0), FsyncFlags::empty())),
    },
    Rule {
        name: "restricted ring: a flag on the list",
        seen: &[((6, 18), "0")],
        pages: &[("register(2)", "0")],
        ask: || one(&mut restricted(list())?, op::nop().with_flags(SqeFlags::ASYNC)),
    },
    Rule {
        name: "restricted ring: a flag that is not on the list",
        seen: &[((6, 18), "EACCES")],
        pages: &[],
        ask: || one(&mut restricted(list())?, op::nop().with_flags(SqeFlags::IO_DRAIN)),
    },
    Rule {
        name: "restricted ring: an entry without a required flag",
        seen: &[((6, 18), "EACCES")],
        pages: &[],
        ask: || one(&mut restricted(requiring())?, op::nop()),
    },
    Rule {
        name: "restricted ring: an entry with its required flag",
        seen: &[((6, 18), "0")],
        pages: &[("register(2)", "0")],
        ask: || one(&mut restricted(requiring())?, op::nop().with_flags(SqeFlags::ASYNC)),
    },
    Rule {
        name: "restricted ring: a registration on the list",
        seen: &[((6, 18), "accepted")],
        pages: &[("register(2)", "accepted")],
        ask: || Ok(answered(restricted(list())?.probe())),
    },
    Rule {
        name: "restricted ring: a registration that is not on the list",
        seen: &[((6, 18), "EACCES")],
        pages: &[("register(2)", "EACCES")],
        ask: || Ok(answered(restricted(list())?.register_files_sparse(1))),
    },
    Rule {
        name: "restrictions: a registration that is not on the list, before enabling",
        seen: &[((6, 18), "accepted")],
        pages: &[],
        ask: registered_before,
    },
    Rule {
        name: "restrictions: a second list",
        seen: &[((6, 18), "EBUSY")],
        pages: &[("register(2)", "EBUSY")],
        ask: second_list,
    },
    Rule {
        name: "restrictions for a ring that is enabled",
        seen: &[((6, 18), "EBADFD")],
        pages: &[("register(2)", "EBADFD")],
        ask: too_late,
    },
    Rule {
        name: "enabling a ring that is enabled",
        seen: &[((6, 18), "EBADFD")],
        pages: &[("register(2)", "EBADFD")],
        ask: enabled_twice,
    },
];

fn list() -> Restrictions {
    let list = Restrictions::new().allow(Opcode::NOP).allow_flags(SqeFlags::ASYNC);
    list.allow_register(RegisterOp::PROBE)
}

fn requiring() -> Restrictions {
    Restrictions::new().allow(Opcode::NOP).require_flags(SqeFlags::ASYNC)
}

fn restricted(list: Restrictions) -> Result<Ring, Stop> {
    let mut ring = Builder::new(8).build_disabled()?;
    ring.restrict(&list)?;
    Ok(ring.enable()?)
}

fn registered_before() -> Answer {
    let mut ring = Builder::new(8).build_disabled()?;
    ring.restrict(&list())?;
    Ok(answered(ring.register_files_sparse(1)))
}

fn second_list() -> Answer {
    let mut ring = Builder::new(8).build_disabled()?;
    ring.restrict(&list())?;
    Ok(answered(ring.restrict(&list())))
}

fn too_late() -> Answer {
    let ring = Builder::new(8).build()?;
    let (fd, line) = (raw::number_of(ring.fd())?, Restriction::sqe_op(Opcode::NOP));
    let argument = (&raw const line).cast();
    // SAFETY: RESTRICTIONS takes one `io_uring_restriction`, alive on this stack.
    Ok(ask::accepted(unsafe { raw::register(fd, RegisterOp::RESTRICTIONS, argument, 1) }))
}

fn enabled_twice() -> Answer {
    let ring = Builder::new(8).build()?;
    let fd = raw::number_of(ring.fd())?;
    // SAFETY: ENABLE_RINGS takes no argument.
    let answer = unsafe { raw::register(fd, RegisterOp::ENABLE_RINGS, std::ptr::null(), 0) };
    Ok(ask::accepted(answer))
}
