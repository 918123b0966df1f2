//! The backend on io_uring, with a report of what the kernel would not give it. Called by `select`;
//! `no_ring` takes its place where there is no io_uring.

use super::Backend;
use super::uring::Uring;
use crate::choices::Required;
use crate::config::Config;
use crate::error::Error;
use crate::report::Report;

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
    for opcode in uring.aside_kinds() {
        let (name, since) = (opcode.name().unwrap_or("?"), opcode.since().unwrap_or("?"));
        let why = format!("the kernel lacks it (Linux {since}): made as a plain system call");
        let required = config.require.contains(Required::RING_OPERATIONS);
        report.note_unless(required, format!("{name} through the ring"), why)?;
    }
    if config.iopoll {
        report.iopoll = true;
        let why = "IOPOLL: they are plain system calls on the engine's thread";
        let required = config.require.contains(Required::RING_OPERATIONS);
        report.note_unless(required, "all but direct transfers through the ring", why)?;
    }
    Ok((Box::new(uring), report))
}
