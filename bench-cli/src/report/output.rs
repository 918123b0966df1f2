//! Where the report goes: stdout or the file of `--output`.
//!
//! Owns the opening of that file, before the run so that a mistake shows early, and the rule that
//! a reader who closed stdout is no error. Called by `main`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The destination of a report.
#[derive(Debug)]
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// A file, opened.
    File(File, PathBuf),
}

impl Output {
    /// Opens the file at `path`, or takes stdout. It refuses to replace one of `job_paths`.
    ///
    /// # Errors
    ///
    /// A usage error.
    pub(crate) fn open(path: Option<&Path>, job_paths: &[PathBuf]) -> Result<Output, Error> {
        let Some(path) = path else { return Ok(Output::Stdout) };
        if job_paths.iter().any(|job_path| are_same(path, job_path)) {
            return Err(Error::usage(format!(
                "--output={} is the file that the job works on; choose another",
                path.display()
            )));
        }
        let file = File::create(path).map_err(|error| {
            Error::usage(format!(
                "cannot write the report to '{}': {error}; choose another --output",
                path.display()
            ))
        })?;
        Ok(Output::File(file, path.to_owned()))
    }

    /// Writes `text`.
    ///
    /// # Errors
    ///
    /// An I/O error, but not when stdout was closed by its reader.
    pub(crate) fn write(self, text: &[u8]) -> Result<(), Error> {
        let (result, name) = match self {
            Output::Stdout => {
                let mut out = io::stdout().lock();
                (out.write_all(text).and_then(|()| out.flush()), "standard output".to_owned())
            }
            Output::File(mut file, path) => (file.write_all(text), path.display().to_string()),
        };
        match result {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::io(format!("cannot write the report to {name}: {error}")))
            }
            _ => Ok(()),
        }
    }
}

fn are_same(left: &Path, right: &Path) -> bool {
    match (fs::metadata(left), fs::metadata(right)) {
        (Ok(left), Ok(right)) => (left.dev(), left.ino()) == (right.dev(), right.ino()),
        // Neither exists yet: the same only if they are spelled the same.
        _ => std::path::absolute(left).ok() == std::path::absolute(right).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_job_is_never_replaced() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (data, link) = (directory.path().join("data"), directory.path().join("link"));
        fs::write(&data, "precious").expect("written");
        fs::hard_link(&data, &link).expect("linked");
        let missing = directory.path().join("missing");
        for output in [&data, &link, &missing] {
            let error = Output::open(Some(output), &[data.clone(), missing.clone()]);
            assert!(error.is_err(), "{}", output.display());
        }
        assert_eq!(fs::read_to_string(&data).expect("readable"), "precious");
    }

    #[test]
    fn a_report_lands_in_its_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report");
        let output = Output::open(Some(&path), &[]).expect("opened");
        output.write(b"text").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "text");
    }
}
