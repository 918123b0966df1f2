//! One log file: buffered lines, and what happens when they cannot be written.
//!
//! Owns the file. It knows no format. Used by `logs`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use crate::error::Error;
use crate::notice;

/// An open log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// `None` after a failure: the log is given up.
    out: Option<BufWriter<File>>,
    shared: bool,
}

impl LogFile {
    /// Opens the file anew, or at its end where several jobs write to one.
    ///
    /// # Errors
    ///
    /// A usage error that names the file.
    pub(super) fn open(path: PathBuf, shared: bool) -> Result<LogFile, Error> {
        let mut options = OpenOptions::new();
        match shared {
            true => options.create(true).append(true),
            false => options.create(true).write(true).truncate(true),
        };
        let file = options.open(&path).map_err(|error| {
            Error::usage(format!(
                "cannot write the log '{}': {error}; choose another name for it, or create its \
                 directory first",
                path.display()
            ))
        })?;
        Ok(LogFile { path, out: Some(BufWriter::new(file)), shared })
    }

    /// Writes a whole line, ended by the caller.
    pub(super) fn write(&mut self, line: &str) {
        if let Some(out) = &mut self.out
            && let Err(error) = out.write_all(line.as_bytes())
        {
            self.give_up(&error);
        }
        if self.shared {
            // Whole lines only, or those of several jobs would mix.
            self.finish();
        }
    }

    /// Writes what is still in memory.
    pub(super) fn finish(&mut self) {
        if let Some(out) = &mut self.out
            && let Err(error) = out.flush()
        {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &std::io::Error) {
        let shown = self.path.display();
        notice::line(&format!("bench-cli: warning: the log '{shown}' is incomplete: {error}"));
        // Dropped without another attempt to write what is left.
        if let Some(out) = self.out.take() {
            drop(out.into_parts());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_logs_grow_and_others_begin_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.log");
        for (shared, expected) in [(false, "a\n"), (false, "a\n"), (true, "a\na\n")] {
            let mut log = LogFile::open(path.clone(), shared).expect("opened");
            log.write("a\n");
            log.finish();
            drop(log);
            assert_eq!(std::fs::read_to_string(&path).expect("readable"), expected);
        }
    }

    #[test]
    fn a_full_disk_costs_the_log_and_not_the_job() {
        let mut log = LogFile::open("/dev/full".into(), true).expect("opened");
        log.write("a\n");
        log.finish();
        assert!(log.out.is_none(), "it was tried and given up");
        log.write("b\n");
    }
}
