//! The engine as it would start here: which backend, which registrations, and why.
//!
//! It starts engines and stops them again, without any I/O. Called by `doctor`.

use iomill_engine::{Config, Report};

use super::Fact;

/// What the engine says of itself.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// With the default settings.
    pub(super) plain: Result<Report, String>,
}

impl Trial {
    pub(super) fn run() -> Trial {
        let report = Config::new().start().map(|engine| engine.report().clone());
        Trial { plain: report.map_err(|error| error.to_string()) }
    }

    /// Whether any engine can run.
    pub(super) fn runs(&self) -> bool {
        self.plain.is_ok()
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let report = match &self.plain {
            Ok(report) => report,
            Err(why) => return vec![Fact::bad("engine", format!("cannot start: {why}"))],
        };
        let backend = format!("{}: {}", report.backend, report.reason);
        let buffers = if report.fixed_buffers { "buffers registered" } else { "plain buffers" };
        let registered = format!("{buffers}, {} slots for registered files", report.fixed_files);
        let mut facts = vec![match report.backend {
            "io_uring" => Fact::good("engine", backend),
            _ => Fact::bad("engine", backend),
        }];
        facts.push(Fact::plain("lanes", report.lanes.as_str()));
        facts.push(Fact::plain("", registered));
        for fallback in &report.fallbacks {
            facts.push(Fact::bad("", format!("without {}: {}", fallback.what, fallback.why)));
        }
        facts
    }
}
