//! Where a subject's files lie: in a folder of the build folder, or on a simulated disk.
//!
//! It knows no backend and no case; `subject` asks it. A simulated world has a folder whose name no
//! other one has, so that a path alone tells its world, in whichever thread it is used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use iomill_engine::backend::sim::{SimDisk, SimOptions};
use tempfile::TempDir;

/// The simulated disks in use, by the folder in which each has its files.
static DISKS: Mutex<BTreeMap<PathBuf, SimDisk>> = Mutex::new(BTreeMap::new());
static NEXT_DISK: AtomicU32 = AtomicU32::new(0);

fn disks() -> MutexGuard<'static, BTreeMap<PathBuf, SimDisk>> {
    // A test that failed beside this one has left the map as it was.
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder of its own, gone at the end.
pub(super) enum World {
    Real(TempDir),
    Simulated(PathBuf),
}

impl World {
    pub(super) fn real() -> World {
        let folder = TempDir::new_in(test_folder()).expect("a folder for the test");
        World::Real(folder)
    }

    pub(super) fn simulated(options: SimOptions) -> (World, SimDisk) {
        let number = NEXT_DISK.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(format!("/simulated-{number}"));
        let disk = SimDisk::new(options);
        disk.create_directory(&folder).expect("an empty disk takes a folder");
        disks().insert(folder.clone(), disk.clone());
        (World::Simulated(folder), disk)
    }

    pub(super) fn folder(&self) -> &Path {
        match self {
            World::Real(folder) => folder.path(),
            World::Simulated(folder) => folder,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let World::Simulated(folder) = self {
            disks().remove(folder);
        }
    }
}

/// Where tests make their files: the build folder, which lies on a disk file system unlike `/tmp`
/// on many machines; or what the kernel matrix says, whose guests have no build folder.
fn test_folder() -> PathBuf {
    std::env::var_os("IOMILL_TEST_FOLDER")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
}

/// The simulated disk on which a path lies, if it lies on one.
pub(super) fn disk_of(path: &Path) -> Option<SimDisk> {
    let disks = disks();
    let (_, disk) = disks.iter().find(|(folder, _)| path.starts_with(folder))?;
    Some(disk.clone())
}
