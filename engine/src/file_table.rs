//! Sets up an engine's table of registered files: the slots of its callers, and behind them those
//! that chains open their files into. Called by `engine` once, at the start.

use crate::backend::Backend;
use crate::choices::Required;
use crate::config::Config;
use crate::error::Error;
use crate::report::Report;
use crate::whole_run::RUN_LEN;
use std::ops::Range;

/// No backend reads more files at once in this way: beside so many others, steps that are handed
/// over one by one are quicker.
const SLOTS_MAX: usize = 3;

/// Makes room for the callers' files and for those of chains, and fills that part of the report.
/// Answers the slots of chains; none where files are not read whole in one run.
pub(crate) fn set_up(
    config: &Config,
    backend: &mut dyn Backend,
    report: &mut Report,
) -> Result<Range<u32>, Error> {
    let fixed_files = config.fixed_files;
    let wanted = config.depth as usize / RUN_LEN;
    if config.link && wanted > 0 && backend.reads_whole(0) {
        let wanted = u32::try_from(wanted.min(SLOTS_MAX)).unwrap_or(0);
        match backend.register_slots(fixed_files + wanted) {
            Ok(()) => {
                report.fixed_files = fixed_files;
                return Ok(fixed_files..fixed_files + wanted);
            }
            Err(error) => report.note("whole files in one batch", error.to_string()),
        }
    }
    if fixed_files > 0 {
        match backend.register_slots(fixed_files) {
            Ok(()) => report.fixed_files = fixed_files,
            Err(error) => {
                let required = config.require.contains(Required::FIXED_FILES);
                report.note_unless(required, "registered files", error.to_string())?;
            }
        }
    }
    Ok(fixed_files..fixed_files)
}
