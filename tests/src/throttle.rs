//! A cap on the I/O of this process by the kernel's block throttle, while a value lives: what a
//! cloud's disk does to its customer. Linux' control groups of version 2 or 1, as root.
//!
//! Used by the binary `depth-on-disk`; says why when it cannot, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where control groups of version 2 are mounted, and those of version 1 for block devices.
const UNIFIED: &str = "/sys/fs/cgroup";
const BLKIO: &str = "/sys/fs/cgroup/blkio";

/// A group of this process alone, with a limit.
#[derive(Debug)]
pub struct Throttle {
    group: PathBuf,
    before: PathBuf,
}

impl Throttle {
    /// Limits reads and writes to the disk that holds `path`, to so many per second each. Threads
    /// that this process starts later are limited as well.
    ///
    /// # Errors
    /// What the kernel does not have or allow, in both versions.
    pub fn start(path: &Path, iops: u64) -> Result<Self, String> {
        let device = disk_of(path)?;
        let limit = [("io.max", format!("{device} riops={iops} wiops={iops}"))];
        let new = match enable_unified() {
            Ok(()) => match Self::join(Path::new(UNIFIED), "0::", &limit) {
                Ok(throttle) => return Ok(throttle),
                Err(why) => why,
            },
            Err(why) => why,
        };
        let limit = ["read", "write"]
            .map(|way| (format!("blkio.throttle.{way}_iops_device"), format!("{device} {iops}")));
        let limit: Vec<(&str, String)> =
            limit.iter().map(|(file, value)| (file.as_str(), value.clone())).collect();
        let old = Self::join(Path::new(BLKIO), ":blkio:", &limit);
        old.map_err(|old| format!("version 2: {new}; version 1: {old}"))
    }

    /// Makes a group with these limits and moves this process there.
    fn join(root: &Path, own_line: &str, limit: &[(&str, String)]) -> Result<Self, String> {
        let wrong = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|e| wrong("own group", e))?;
        let own = own.lines().find_map(|line| line.split_once(own_line)).map_or("/", |own| own.1);
        let before = root.join(own.trim_start_matches('/'));
        let group = root.join(format!("iomill-{}", std::process::id()));
        fs::create_dir(&group).map_err(|e| wrong("make a group", e))?;
        let throttle = Self { group, before };
        for (file, value) in limit {
            fs::write(throttle.group.join(file), value).map_err(|e| wrong(file, e))?;
        }
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

/// Lets groups of version 2 limit block devices.
fn enable_unified() -> Result<(), String> {
    let wrong = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let offered = fs::read_to_string(Path::new(UNIFIED).join("cgroup.controllers"))
        .map_err(|e| wrong("none mounted", e))?;
    if !offered.split_whitespace().any(|name| name == "io") {
        return Err(format!("the kernel offers the controllers [{}], not io", offered.trim()));
    }
    fs::write(Path::new(UNIFIED).join("cgroup.subtree_control"), "+io")
        .map_err(|e| wrong("enable the controller io", e))
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
