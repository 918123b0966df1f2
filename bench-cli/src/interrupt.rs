//! Ctrl-C: the first one ends the job cleanly, the second one leaves at once.
//!
//! Owns the flag that layouts and jobs look at, and the signal handler. Installed by `main`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::notice;
use crate::target::CreatedFiles;

/// The exit code after the second Ctrl-C: 128 + SIGINT, as shells count.
const EXIT_CODE_AT_ONCE: i32 = 130;

/// Whether the user asked to stop. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    raised: Arc<AtomicBool>,
}

impl Interrupt {
    /// Whether the user asked to stop.
    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        // Relaxed: the flag carries no data; it pairs with the swap in `raise`, and a job that
        // sees it one tick later ends one tick later.
        self.raised.load(Ordering::Relaxed)
    }

    /// Asks everything to stop; tells whether that had been asked before.
    pub(crate) fn raise(&self) -> bool {
        self.raised.swap(true, Ordering::Relaxed)
    }

    /// Catches SIGINT, SIGTERM and SIGHUP. The second one removes the files of `created`.
    ///
    /// # Errors
    ///
    /// If the handler cannot be installed.
    pub(crate) fn install(&self, created: [Arc<CreatedFiles>; 2]) -> Result<(), Error> {
        let interrupt = self.clone();
        // ctrlc runs this on its own thread, so locks and output are allowed here.
        ctrlc::set_handler(move || {
            if interrupt.raise() {
                created.iter().for_each(|list| list.remove_all());
                std::process::exit(EXIT_CODE_AT_ONCE);
            }
            // The terminal has written `^C` where the line begins.
            notice::line("");
            notice::line("bench-cli: stopping; interrupt again to leave without a report");
        })
        .map_err(|error| match error {
            ctrlc::Error::System(error) => Error::io(format!(
                "cannot catch Ctrl-C, for which a thread is needed: {error}; raise the limit of \
                 threads (ulimit -u)"
            )),
            error => Error::io(format!("cannot catch Ctrl-C: {error}")),
        })
    }
}

/// Who can end a job from outside: the user, and other jobs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) interrupt: &'a Interrupt,
    /// Raised by another job that has `exitall`.
    pub(crate) others: &'a Interrupt,
}

impl Ending<'_> {
    /// Whether the job is to end.
    #[inline]
    pub(crate) fn is_near(&self) -> bool {
        self.interrupt.is_raised() || self.others.is_raised()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_raise_is_the_first() {
        let interrupt = Interrupt::default();
        let seen_by_job = interrupt.clone();
        assert!(!seen_by_job.is_raised());
        assert!(!interrupt.raise());
        assert!(seen_by_job.is_raised());
        assert!(interrupt.raise());
    }
}
