//! Which backend an engine gets: decided at run time by trying, never by a version number or a list
//! of errnos. Called by `engine` once, at the start.

use crate::backend::{Backend, Threads, Uring};
use crate::config::{BackendChoice, Config};
use crate::error::Error;
use crate::report::Report;

/// Sets up the backend that `config` asks for, and says why it is this one.
///
/// `Auto` takes the thread pool after any failure of io_uring, whatever it was: kernels, containers
/// and security modules refuse in more ways than could be listed.
pub(crate) fn select(config: &Config) -> Result<(Box<dyn Backend>, Report), Error> {
    #[cfg(feature = "sim")]
    if let Some(disk) = &config.simulated {
        let sim = disk.backend();
        let report = Report::new(sim.name(), "asked for");
        return Ok((sim, report));
    }
    match config.backend {
        BackendChoice::IoUring => uring(config, "asked for"),
        BackendChoice::Threads => threads(config, String::from("asked for")),
        BackendChoice::Auto => uring(config, "the kernel allows it")
            .or_else(|refusal| threads(config, format!("io_uring cannot be used: {refusal}"))),
    }
}

fn uring(config: &Config, reason: &str) -> Result<(Box<dyn Backend>, Report), Error> {
    let uring = Uring::new(config.depth, config.sqpoll)?;
    let mut report = Report::new(uring.name(), reason);
    for part in uring.given_up() {
        let errno = part.errno.and_then(iomill_ring::errno_name);
        let why =
            errno.map_or_else(|| part.why.to_owned(), |name| format!("{} ({name})", part.why));
        report.note(part.what, why);
    }
    for opcode in uring.aside_kinds() {
        let (name, since) = (opcode.name().unwrap_or("?"), opcode.since().unwrap_or("?"));
        let why = format!("the kernel lacks it (Linux {since}): made as a plain system call");
        report.note(format!("{name} through the ring"), why);
    }
    Ok((Box::new(uring), report))
}

fn threads(config: &Config, reason: String) -> Result<(Box<dyn Backend>, Report), Error> {
    let wanted = config.threads_or_default();
    let threads = Threads::new(wanted, config.depth)?;
    let mut report = Report::new(threads.name(), reason);
    let helpers = threads.helpers();
    if helpers < wanted as usize {
        let why = format!("the system gave only {helpers}: raise the limit (ulimit -u)");
        report.note(format!("{wanted} helper threads"), why);
    }
    if config.sqpoll.is_some() {
        report.note("SQPOLL", "only io_uring has it");
    }
    Ok((Box::new(threads), report))
}
