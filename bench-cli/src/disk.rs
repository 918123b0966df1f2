//! The disks below the jobs' files and what they did meanwhile, as `/sys` counts it.
//!
//! Owns the way from a file to its disk and the reading of the disk's counters. It judges nothing;
//! a file system without a disk has none here. Called by `main` around the run and by `doctor`.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A disk, found in `/sys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// The kernel's name: `vda`, `nvme0n1`.
    pub(crate) name: String,
    folder: PathBuf,
}

/// Requests of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) io_count: u64,
    pub(crate) merge_count: u64,
    pub(crate) busy_ms: u64,
}

/// What a disk did between two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskUse {
    pub(crate) name: String,
    pub(crate) read: Traffic,
    pub(crate) write: Traffic,
    pub(crate) queue_ms: u64,
    active_ms: u64,
    span: Duration,
}

impl DiskUse {
    /// A disk that read and wrote so many requests in so many milliseconds.
    #[cfg(test)]
    pub(crate) fn of_counts(name: &str, [reads, writes]: [u64; 2], active_ms: u64) -> DiskUse {
        let traffic = |io_count| Traffic { io_count, ..Traffic::default() };
        let (read, write) = (traffic(reads), traffic(writes));
        let span = Duration::from_secs(2);
        DiskUse { name: name.into(), read, write, queue_ms: 0, active_ms, span }
    }

    /// The share of the time in which the disk had something to do.
    pub(crate) fn busy_percent(&self) -> f64 {
        let span_ms = self.span.as_millis().max(1) as f64;
        (100.0 * self.active_ms as f64 / span_ms).min(100.0)
    }
}

impl Disk {
    /// The whole disk below `path`, where there is one: a partition's parent.
    pub(crate) fn below(path: &Path) -> Option<Disk> {
        let metadata = fs::metadata(path).ok()?;
        let is_device = metadata.file_type().is_block_device();
        let device = if is_device { metadata.rdev() } else { metadata.dev() };
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let mut folder = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
        if folder.join("partition").exists() {
            folder.pop();
        }
        let name = folder.file_name()?.to_str()?.to_owned();
        Some(Disk { name, folder })
    }

    /// One line of the disk's folder in `/sys`, without the line break.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    fn counters(&self) -> Option<Vec<u64>> {
        let line = self.attribute("stat")?;
        let counters: Vec<u64> =
            line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // The first eleven fields are as old as Linux 2.6.
        (counters.len() >= 11).then_some(counters)
    }
}

/// The counters of several disks at one moment.
#[derive(Debug)]
pub(crate) struct Watch {
    began: Instant,
    disks: Vec<(Disk, Vec<u64>)>,
}

impl Watch {
    /// Begins to watch the disks below these files, each once.
    pub(crate) fn begin<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Watch {
        let mut disks: Vec<(Disk, Vec<u64>)> = Vec::new();
        for disk in paths.into_iter().filter_map(Disk::below) {
            if disks.iter().any(|(known, _)| *known == disk) {
                continue;
            }
            if let Some(counters) = disk.counters() {
                disks.push((disk, counters));
            }
        }
        Watch { began: Instant::now(), disks }
    }

    /// What each disk has done since.
    pub(crate) fn end(self) -> Vec<DiskUse> {
        let span = self.began.elapsed();
        let use_of = |(disk, before): (Disk, Vec<u64>)| {
            let now = disk.counters()?;
            Some(difference(disk.name, &before, &now, span))
        };
        self.disks.into_iter().filter_map(use_of).collect()
    }
}

/// The fields of `stat`: reads, merged, sectors, ms; writes, merged, sectors, ms; in flight, ms
/// with any in flight, ms summed over requests.
fn difference(name: String, before: &[u64], now: &[u64], span: Duration) -> DiskUse {
    let grown = |at: usize| now[at].saturating_sub(before[at]);
    let traffic = |at: usize| Traffic {
        io_count: grown(at),
        merge_count: grown(at + 1),
        busy_ms: grown(at + 3),
    };
    DiskUse {
        name,
        read: traffic(0),
        write: traffic(4),
        queue_ms: grown(10),
        active_ms: grown(9),
        span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_their_place() {
        let before = [1; 11];
        let now = [11, 3, 999, 21, 31, 5, 999, 41, 999, 501, 61];
        let used = difference("x".into(), &before, &now, Duration::from_secs(1));
        assert_eq!(used.read, Traffic { io_count: 10, merge_count: 2, busy_ms: 20 });
        assert_eq!(used.write, Traffic { io_count: 30, merge_count: 4, busy_ms: 40 });
        assert_eq!((used.queue_ms, used.busy_percent()), (60, 50.0));
    }

    #[test]
    fn a_file_without_a_disk_has_none() {
        assert_eq!(Disk::below(Path::new("/proc/version")), None);
        assert!(Watch::begin([Path::new("/proc/version")]).end().is_empty());
    }
}
