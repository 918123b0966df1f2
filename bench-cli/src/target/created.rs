//! The files that this run created, and their removal.
//!
//! Owns the promise that nothing else is ever removed, and that nothing created stays behind:
//! not after an error, not after a panic, not after Ctrl-C. Used by `target` and `report` to
//! create, by `main` to clean up, and by `interrupt` when the program has to leave at once.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::notice;

/// The list of created files.
#[derive(Debug, Default)]
pub(crate) struct CreatedFiles {
    entries: Mutex<Vec<Entry>>,
}

/// Removes the files of a list when it goes out of scope, in a panic too. The list cannot do that
/// by itself: the handler of Ctrl-C holds on to it for as long as the process lives.
#[derive(Debug)]
pub(crate) struct Removal<'a>(&'a CreatedFiles);

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    identity: Identity,
    kept: bool,
}

/// What tells a file from another one that was put in its place. The time of birth does, where
/// the new file got the inode of the old one.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    birth: Option<SystemTime>,
}

impl CreatedFiles {
    /// Creates `path`, which must not exist, and remembers to remove it.
    ///
    /// # Errors
    ///
    /// The operating system's; `AlreadyExists` also when the file appeared a moment ago.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        // Absolute, so that the removal does not depend on the working directory.
        let absolute = std::path::absolute(path)?;
        // The lock is held across the creation, so that an interrupt sees neither a file that
        // is not in the list nor one in the list that belongs to somebody else.
        let mut entries = self.lock();
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let identity = match file.metadata() {
            Ok(metadata) => Identity::of(&metadata),
            // It cannot be told apart later, so it goes now.
            Err(error) => return fs::remove_file(&absolute).and(Err(error)),
        };
        entries.push(Entry { path: absolute, identity, kept: false });
        Ok(file)
    }

    /// Whether this run created the file that is at `path` now.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        let found = fs::metadata(path).map(|metadata| Identity::of(&metadata));
        found.is_ok_and(|found| self.lock().iter().any(|entry| entry.identity == found))
    }

    /// The removal of all files when the answer goes out of scope.
    pub(crate) fn removal(&self) -> Removal<'_> {
        Removal(self)
    }

    /// Keeps what was created so far.
    pub(crate) fn keep_all(&self) {
        self.lock().iter_mut().for_each(|entry| entry.kept = true);
    }

    /// Keeps the files at these paths.
    pub(crate) fn keep(&self, paths: &[PathBuf]) {
        let absolute: Vec<PathBuf> =
            paths.iter().filter_map(|path| std::path::absolute(path).ok()).collect();
        for entry in self.lock().iter_mut().filter(|entry| absolute.contains(&entry.path)) {
            entry.kept = true;
        }
    }

    /// Removes what was created; a file that is gone already is no error, and a file that
    /// somebody else put in its place stays.
    pub(crate) fn remove_all(&self) {
        for Entry { path, identity, kept } in self.lock().drain(..) {
            if kept {
                continue;
            }
            let result = match fs::symlink_metadata(&path) {
                Ok(metadata) if Identity::of(&metadata) != identity => {
                    notice::line(&format!(
                        "bench-cli: warning: '{}' is not the file that this run created any \
                         more; it is left alone",
                        path.display()
                    ));
                    continue;
                }
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => notice::line(&format!(
                    "bench-cli: warning: cannot remove '{}': {error}",
                    path.display()
                )),
                _ => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // A panic elsewhere must not keep the files from being removed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        self.0.remove_all();
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            // `None` where the file system does not keep it.
            birth: metadata.created().ok(),
        }
    }
}

/// Where the symbolic link at `path` leads, if it leads nowhere: `path` is taken then, and yet
/// there is no file.
pub(crate) fn dangling_link(path: &Path) -> Option<PathBuf> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if is_link && fs::metadata(path).is_err() { fs::read_link(path).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_takes_created_files_and_no_others() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mine, theirs) = (directory.path().join("mine"), directory.path().join("theirs"));
        fs::write(&theirs, "x").expect("written");
        let created = CreatedFiles::default();
        let removal = created.removal();
        created.create(&mine).expect("created");
        let refused = created.create(&theirs).expect_err("never replaces a file");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert!(mine.exists());
        drop(removal);
        assert!(!mine.exists() && theirs.exists());
    }

    #[test]
    fn a_panic_removes_created_files_though_the_list_lives_on() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("mine");
        let created = CreatedFiles::default();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _removal = created.removal();
            created.create(&path).expect("created");
            assert!(!path.exists(), "a panic on purpose");
        }));
        assert!(panic.is_err() && !path.exists());
    }

    #[test]
    fn a_file_that_somebody_else_put_there_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let paths = ["written", "renamed", "linked"].map(|name| directory.path().join(name));
        let target = directory.path().join("target");
        fs::write(&target, "theirs").expect("written");
        let created = CreatedFiles::default();
        for path in &paths {
            created.create(path).expect("created");
        }
        // The clock that births are taken from ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(30));
        if fs::metadata(&target).expect("stat").created().is_ok() {
            // The inode may be the same again.
            fs::remove_file(&paths[0]).expect("removed");
        } else {
            println!("skipped for a reused inode: the file system keeps no time of birth");
            fs::rename(&paths[0], directory.path().join("moved")).expect("renamed");
        }
        fs::write(&paths[0], "theirs").expect("written");
        let other = directory.path().join("other");
        fs::write(&other, "theirs").expect("written");
        fs::rename(&other, &paths[1]).expect("renamed");
        fs::remove_file(&paths[2]).expect("removed");
        std::os::unix::fs::symlink(&target, &paths[2]).expect("linked");
        created.remove_all();
        for path in paths.iter().chain([&target]) {
            assert_eq!(fs::read_to_string(path).expect("still there"), "theirs");
        }
    }

    #[test]
    fn kept_files_stay() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("kept");
        let created = CreatedFiles::default();
        created.create(&path).expect("created");
        created.keep_all();
        created.remove_all();
        assert!(path.exists());
    }
}
