//! A cap on the I/O of this process by the kernel's block throttle, while a value lives: what a
//! cloud's disk does to its customer. Linux' control groups, version 2, as root.
//!
//! Used by the binary `depth-on-disk`; says why when it cannot, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// A group of this process alone, with a limit.
#[derive(Debug)]
pub struct Throttle {
    group: PathBuf,
    before: PathBuf,
}

impl Throttle {
    /// Limits reads and writes to the disk that holds `path`, to so many per second each.
    ///
    /// # Errors
    /// What the kernel does not have or allow.
    pub fn start(path: &Path, iops: u64) -> Result<Self, String> {
        let wrong = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|e| wrong("own group", e))?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let before = Path::new(ROOT).join(own.trim_start_matches('/'));
        let offered = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers"))
            .map_err(|e| wrong("no control groups of version 2", e))?;
        if !offered.split_whitespace().any(|name| name == "io") {
            return Err(format!("the kernel offers the controllers [{}], not io", offered.trim()));
        }
        fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+io")
            .map_err(|e| wrong("enable the controller io", e))?;
        let device = disk_of(path)?;
        let group = Path::new(ROOT).join(format!("iomill-{}", std::process::id()));
        fs::create_dir(&group).map_err(|e| wrong("make a group", e))?;
        let throttle = Self { group, before };
        let limit = format!("{device} riops={iops} wiops={iops}");
        fs::write(throttle.group.join("io.max"), limit).map_err(|e| wrong("set io.max", e))?;
        let own_id = std::process::id().to_string();
        fs::write(throttle.group.join("cgroup.procs"), own_id).map_err(|e| wrong("join", e))?;
        Ok(throttle)
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        let own_id = std::process::id().to_string();
        // Nobody is left to tell; a group without members does no harm.
        let _ = fs::write(self.before.join("cgroup.procs"), own_id);
        let _ = fs::remove_dir(&self.group);
    }
}

/// The number of the whole disk, not of a partition: only that can be limited.
fn disk_of(path: &Path) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("the disk of {}: {error}", path.display());
    let device = fs::metadata(path).map_err(wrong)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let entry = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).map_err(wrong)?;
    let is_partition = entry.join("partition").exists();
    let disk = if is_partition { entry.parent().unwrap_or(&entry) } else { &entry };
    let number = fs::read_to_string(disk.join("dev")).map_err(wrong)?;
    Ok(number.trim().to_owned())
}
