//! The rules of io_uring, one file per part, each as data with a function that asks the kernel.
//!
//! They say what kernels were seen to do, which is not always what the manual pages of liburing
//! say: those are given beside it, in the same words. The suite and the example `conformance` both
//! include this folder. Operations and registrations that just work are the business of `tests/it`.

mod ask;
mod buffers;
mod cancel;
mod endings;
mod groups;
mod links;
mod order;
mod overflow;
mod polling;
mod raw;
mod reaping;
mod restrictions;
mod rule;
mod setup;
mod transfers;
mod workers;

pub(crate) use rule::{Rule, Stop, running};

/// Every rule, by part.
pub(crate) const PARTS: [(&str, &[Rule]); 13] = [
    ("set-up", setup::RULES),
    ("restrictions", restrictions::RULES),
    ("links", links::RULES),
    ("order", order::RULES),
    ("overflow", overflow::RULES),
    ("reaping", reaping::RULES),
    ("cancelling", cancel::RULES),
    ("registered buffers", buffers::RULES),
    ("provided buffers", groups::RULES),
    ("transfers", transfers::RULES),
    ("polling", polling::RULES),
    ("workers", workers::RULES),
    ("endings", endings::RULES),
];
