//! The files that this run created, and their removal.
//!
//! Owns the promise that nothing else is ever removed, and that nothing created stays behind:
//! not after an error, not after a panic, not after Ctrl-C. Used by `target` to create, by `main`
//! to clean up, and by `interrupt` when the program has to leave at once.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The list of created files; dropping it removes them.
#[derive(Debug, Default)]
pub(crate) struct CreatedFiles {
    paths: Mutex<Vec<PathBuf>>,
}

impl CreatedFiles {
    /// Creates `path`, which must not exist, and remembers to remove it.
    ///
    /// # Errors
    ///
    /// The operating system's; `AlreadyExists` also when the file appeared a moment ago.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        // The lock is held across the creation, so that an interrupt sees neither a file that
        // is not in the list nor one in the list that belongs to somebody else.
        let mut paths = self.lock();
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        // Absolute, so that the removal does not depend on the working directory.
        paths.push(std::path::absolute(path)?);
        Ok(file)
    }

    /// Keeps what was created so far.
    pub(crate) fn keep_all(&self) {
        self.lock().clear();
    }

    /// Removes what was created; a file that is gone already is no error.
    pub(crate) fn remove_all(&self) {
        for path in self.lock().drain(..) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    eprintln!("bench-cli: warning: cannot remove '{}': {error}", path.display());
                }
                _ => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        // A panic elsewhere must not keep the files from being removed.
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CreatedFiles {
    fn drop(&mut self) {
        self.remove_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_removes_created_files_and_no_others() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mine, theirs) = (directory.path().join("mine"), directory.path().join("theirs"));
        std::fs::write(&theirs, "x").expect("written");
        let created = CreatedFiles::default();
        created.create(&mine).expect("created");
        let refused = created.create(&theirs).expect_err("never replaces a file");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert!(mine.exists());
        drop(created);
        assert!(!mine.exists() && theirs.exists());
    }

    #[test]
    fn kept_files_stay() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("kept");
        let created = CreatedFiles::default();
        created.create(&path).expect("created");
        created.keep_all();
        drop(created);
        assert!(path.exists());
    }
}
