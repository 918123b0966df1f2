//! The backend on io_uring, with a report of what the kernel would not give it. Called by `select`;
//! `no_ring` takes its place where there is no io_uring.

use super::Backend;
use super::uring::Uring;
use crate::choices::Required;
use crate::config::Config;
use crate::error::Error;
use crate::lanes::{Base, LaneOp};
use crate::report::Report;
use crate::select::with_lanes;
use iomill_ring::Opcode;

/// Sets it up.
pub(crate) fn ring(config: &Config, reason: &str) -> Result<(Box<dyn Backend>, Report), Error> {
    let uring = Uring::new(config)?;
    let mut report = Report::new(uring.name(), reason);
    for part in uring.given_up() {
        let errno = part.errno.and_then(iomill_ring::errno_name);
        let why =
            errno.map_or_else(|| part.why.to_owned(), |name| format!("{} ({name})", part.why));
        // What another setting excludes is not missing.
        let required = config.require.contains(Required::SETUP_FLAGS) && part.errno.is_some();
        report.note_unless(required, part.what, why)?;
    }
    let how = if config.inline_calls { "as a plain system call" } else { "on a helper thread" };
    for opcode in uring.aside_kinds() {
        let (name, since) = (opcode.name().unwrap_or("?"), opcode.since().unwrap_or("?"));
        let why = format!("the kernel lacks it (Linux {since}): made {how}");
        let required = config.require.contains(Required::RING_OPERATIONS);
        report.note_unless(required, format!("{name} through the ring"), why)?;
    }
    if config.iopoll {
        report.iopoll = true;
        let why = "IOPOLL: they are plain system calls on the engine's thread";
        let required = config.require.contains(Required::RING_OPERATIONS);
        report.note_unless(required, "all but direct transfers through the ring", why)?;
    }
    if let (true, Some(why)) = (config.link, uring.why_not_whole()) {
        report.note("whole files in one batch", why);
    }
    let missing: Vec<LaneOp> = uring.aside_kinds().flat_map(rows_of).copied().collect();
    let backend = with_lanes(uring, Base::Ring, &missing, config, &mut report)?;
    Ok((backend, report))
}

/// The rows of the table that an opcode of the ring carries.
fn rows_of(opcode: Opcode) -> &'static [LaneOp] {
    match opcode {
        Opcode::SYNC_FILE_RANGE => &[LaneOp::SyncRange],
        Opcode::FALLOCATE => &[LaneOp::Allocate],
        Opcode::FTRUNCATE => &[LaneOp::Truncate],
        Opcode::FADVISE => &[LaneOp::Advise],
        Opcode::OPENAT => &[LaneOp::Open, LaneOp::Create],
        Opcode::CLOSE => &[LaneOp::Close],
        Opcode::STATX => &[LaneOp::Stat],
        Opcode::RENAMEAT => &[LaneOp::Rename],
        Opcode::UNLINKAT => &[LaneOp::Unlink],
        Opcode::MKDIRAT => &[LaneOp::MakeDirectory],
        Opcode::LINKAT => &[LaneOp::Link],
        _ => &[],
    }
}
