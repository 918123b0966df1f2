//! Which backend an engine gets: decided at run time by trying, never by a version number or a list
//! of errnos. Called by `engine` once, at the start.

use crate::backend::{Backend, Threads, ring};
use crate::choices::Required;
use crate::config::{BackendChoice, Config};
use crate::error::{Error, ErrorKind};
use crate::report::Report;

/// Sets up the backend that `config` asks for, and says why it is this one.
///
/// `Auto` takes the thread pool after any failure of io_uring, whatever it was: kernels, containers
/// and security modules refuse in more ways than could be listed. But for two: a setting that is
/// wrong everywhere is told to whoever made it, and what is required is not done without.
pub(crate) fn select(config: &Config) -> Result<(Box<dyn Backend>, Report), Error> {
    #[cfg(feature = "sim")]
    if let Some(disk) = &config.simulated {
        let sim = disk.backend();
        let report = Report::new(sim.name(), "asked for");
        return Ok((sim, report));
    }
    match config.backend {
        BackendChoice::IoUring => ring(config, "asked for"),
        BackendChoice::Threads => threads(config, String::from("asked for")),
        BackendChoice::Auto => match ring(config, "the kernel allows it") {
            Err(refusal) if refusal.kind() == ErrorKind::Backend => {
                threads(config, format!("io_uring cannot be used: {refusal}"))
            }
            answer => answer,
        },
    }
}

fn threads(config: &Config, reason: String) -> Result<(Box<dyn Backend>, Report), Error> {
    let wanted = config.threads_or_default();
    let threads = Threads::new(wanted, config.depth)?;
    let mut report = Report::new(threads.name(), reason);
    let helpers = threads.helpers();
    if helpers < wanted as usize {
        let why = format!("the system gave only {helpers}: raise the limit (ulimit -u)");
        let required = config.require.contains(Required::THREADS);
        report.note_unless(required, format!("{wanted} helper threads"), why)?;
    }
    for (asked, what) in [(config.sqpoll.is_some(), "SQPOLL"), (config.iopoll, "IOPOLL")] {
        if asked {
            report.note(what, "only io_uring has it");
        }
    }
    Ok((Box::new(threads), report))
}
