//! Where the report goes: stdout or the file of `--output`.
//!
//! Owns the opening of that file, before the run so that a mistake shows early, and the rules
//! that it is not touched before there is a report, and that a reader who closed stdout is no
//! error. Called by `main`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::target::{CreatedFiles, dangling_link};

/// The destination of a report.
#[derive(Debug)]
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// A file, opened and still as it was.
    File(File, PathBuf),
}

impl Output {
    /// Opens the file at `path`, or takes stdout. It refuses to replace one of `job_paths`. A
    /// file that did not exist is one of `created` until the caller keeps it.
    ///
    /// # Errors
    ///
    /// A usage error.
    pub(crate) fn open(
        path: Option<&Path>,
        job_paths: &[PathBuf],
        created: &CreatedFiles,
    ) -> Result<Output, Error> {
        let Some(path) = path else { return Ok(Output::Stdout) };
        if job_paths.iter().any(|job_path| are_same(path, job_path)) {
            return Err(Error::usage(format!(
                "--output={} is the file that the job works on; choose another",
                path.display()
            )));
        }
        let refused = |why: String| {
            let shown = path.display();
            Error::usage(format!(
                "cannot write the report to '{shown}': {why}; choose another --output"
            ))
        };
        let opened = match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match dangling_link(path) {
                Some(target) => {
                    let target = target.display();
                    let why = format!("it is a symbolic link to '{target}', which does not exist");
                    return Err(refused(why));
                }
                None => created.create(path),
            },
            opened => opened,
        };
        let file = opened.map_err(|error| refused(error.to_string()))?;
        Ok(Output::File(file, path.to_owned()))
    }

    /// Writes `text`, in place of what the file held before.
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
            Output::File(file, path) => (replace(&file, text), path.display().to_string()),
        };
        match result {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::io(format!("cannot write the report to {name}: {error}")))
            }
            _ => Ok(()),
        }
    }
}

fn replace(mut file: &File, text: &[u8]) -> io::Result<()> {
    // Pipes and devices have no length to cut.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text)
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
        let job_paths = [data.clone(), missing.clone()];
        for output in [&data, &link, &missing] {
            let error = Output::open(Some(output), &job_paths, &CreatedFiles::default());
            assert!(error.is_err(), "{}", output.display());
        }
        assert_eq!(fs::read_to_string(&data).expect("readable"), "precious");
    }

    #[test]
    fn a_report_replaces_a_longer_one_and_not_before_it_is_written() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report");
        fs::write(&path, "the report of the last run").expect("written");
        let created = CreatedFiles::default();
        let output = Output::open(Some(&path), &[], &created).expect("opened");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "the report of the last run");
        output.write(b"text").expect("written");
        created.remove_all();
        assert_eq!(fs::read_to_string(&path).expect("readable"), "text");
    }

    #[test]
    fn a_new_report_file_belongs_to_the_created_ones() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report");
        let created = CreatedFiles::default();
        let output = Output::open(Some(&path), &[], &created).expect("opened");
        output.write(b"text").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "text");
        created.remove_all();
        assert!(!path.exists());
    }

    #[test]
    fn devices_take_reports_and_dangling_links_do_not() {
        let null = Output::open(Some(Path::new("/dev/null")), &[], &CreatedFiles::default());
        null.expect("opened").write(b"text").expect("written");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).expect("linked");
        let refused = Output::open(Some(&link), &[], &CreatedFiles::default());
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.contains("symbolic link to 'nowhere'"), "{refused}");
    }
}
