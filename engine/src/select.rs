//! Which backend an engine gets: decided at run time by trying, never by a version number or a list
//! of errnos; and whether there are lanes beside it. Called by `engine` once, at the start.

use crate::backend::{Backend, Routed, Threads, ring};
use crate::choices::Required;
use crate::config::{BackendChoice, Config};
use crate::error::{Error, ErrorKind};
use crate::lanes::{Base, LaneOp, LaneTable, Lanes, probe};
use crate::report::Report;

/// Most helpers beside a ring: more brought nothing.
const HELPERS_MAX: u32 = 16;

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
    let backend = with_lanes(threads, Base::Pool, &[], config, &mut report)?;
    Ok((backend, report))
}

/// Puts lanes around a backend, as far as they are asked for. `missing` is what the backend would
/// do by plain calls of its own.
pub(crate) fn with_lanes<B: Backend + 'static>(
    mut base: B,
    kind: Base,
    missing: &[LaneOp],
    config: &Config,
    report: &mut Report,
) -> Result<Box<dyn Backend>, Error> {
    let missing = if config.inline_calls { &[] } else { missing };
    let sqpoll = kind == Base::Ring && config.sqpoll.is_some();
    let (mut table, choice) = match &config.lanes {
        Lanes::Auto if sqpoll => (None, "off: SQPOLL submits without a system call"),
        Lanes::Auto => (Some(LaneTable::from_rules(kind)), "auto: rules"),
        Lanes::Off => (None, "off"),
        Lanes::Fixed(table) => (Some(LaneTable::clone(table)), "fixed by the caller"),
    };
    report.lanes = choice.to_owned();
    let corrected = matches!(config.lanes, Lanes::Auto);
    if let (true, Some(directory), Some(table)) = (corrected, &config.probe_lanes, &mut table) {
        match probe(&mut base, directory) {
            Ok(figures) => {
                table.probed(&figures);
                report.lanes.push_str(&format!(" and a probe in {}", directory.display()));
            }
            Err(why) => report.note(format!("a probe in {}", directory.display()), why),
        }
    }
    if corrected && table.is_some() {
        report.lanes.push_str(", corrected by what is observed");
    }
    if !config.inline_calls {
        report.lanes.push_str("; inline calls are forbidden");
    }
    if table.is_none() && missing.is_empty() {
        return Ok(Box::new(base));
    }
    let mut table = table.unwrap_or_else(LaneTable::backend_only);
    if !config.inline_calls {
        table.forbid_inline();
    }
    for op in missing {
        table.avoid_ring(*op);
    }
    let helpers = config.threads_or_default().min(HELPERS_MAX);
    let mut routed = Routed::new(base, kind, table, corrected, config.depth, helpers);
    if !missing.is_empty() {
        // Later there would be no other way to go.
        routed.start_helpers()?;
    }
    Ok(Box::new(routed))
}
