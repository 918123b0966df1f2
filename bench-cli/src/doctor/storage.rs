//! The file system and the disk below a path.
//!
//! It asks the kernel and reads `/proc` and `/sys`. In a directory it makes a nameless file, which
//! is gone when it is closed; it writes nothing. Called by `doctor`.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};

use super::Fact;
use crate::disk::Disk;
use crate::error::Error;

/// `STATX_WRITE_ATOMIC`, Linux 6.11.
const WRITE_ATOMIC: u32 = 0x0001_0000;

/// What the kernel says of a file there. Units: bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileLimits {
    /// Memory and offset of direct transfers; `None` where the kernel does not tell.
    pub(super) direct: Option<(u32, u32)>,
    /// The smallest and the largest atomic write.
    pub(super) atomic: Option<(u32, u32)>,
    /// Whether the file opens for direct transfers at all.
    pub(super) opens_direct: bool,
}

/// What is below a path.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) mount: Option<Mount>,
    /// `None` where no file could be made or opened, with the reason.
    pub(super) limits: Result<FileLimits, String>,
    pub(super) disk: Option<DiskFacts>,
}

/// A line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: String,
    pub(super) kind: String,
    options: String,
}

/// What `/sys` says of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskFacts {
    pub(super) name: String,
    model: Option<String>,
    pub(super) rotational: Option<bool>,
    /// The scheduler at work.
    pub(super) scheduler: Option<String>,
    /// Queues that can be polled; `None` where the kernel does not tell.
    pub(super) poll_queues: Option<u32>,
    queue_len: Option<String>,
    write_cache: Option<String>,
    pub(super) throttled_us: Option<u64>,
}

impl Storage {
    /// # Errors
    ///
    /// A usage error if there is no such path.
    pub(super) fn look(path: &Path) -> Result<Storage, Error> {
        let metadata = fs::metadata(path).map_err(|error| {
            Error::usage(format!(
                "cannot look at '{}': {error}; give an existing file, directory or block device",
                path.display()
            ))
        })?;
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Ok(Storage {
            mount: mount_of(&mounts, &real.display().to_string()),
            limits: limits(path, metadata.is_dir()),
            disk: Disk::below(path).map(|disk| DiskFacts::of(&disk)),
        })
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        facts.push(match &self.mount {
            Some(Mount { point, kind, options }) => {
                Fact::plain("file system", format!("{kind} at {point} ({options})"))
            }
            None => Fact::plain("file system", "not found in /proc/self/mountinfo"),
        });
        facts.extend(match &self.limits {
            Ok(limits) => limits.facts(),
            Err(why) => vec![Fact::bad("direct I/O", format!("not known: {why}"))],
        });
        facts.push(match &self.disk {
            Some(disk) => Fact::plain("disk", disk.text()),
            None => Fact::plain("disk", "none that /sys knows: memory, network or several disks"),
        });
        facts
    }
}

impl FileLimits {
    fn facts(&self) -> Vec<Fact> {
        let direct = match (self.opens_direct, self.direct) {
            (false, _) => Fact::bad("direct I/O", "refused by this file system"),
            (true, Some((memory, offset))) => Fact::good(
                "direct I/O",
                format!("memory must be a multiple of {memory}, offset and length of {offset}"),
            ),
            (true, None) => {
                Fact::good("direct I/O", "possible; the kernel does not tell the alignment")
            }
        };
        let atomic = match self.atomic {
            Some((min, max)) => format!("{min} to {max} bytes"),
            None => "none".to_owned(),
        };
        vec![direct, Fact::plain("atomic writes", atomic)]
    }
}

impl DiskFacts {
    fn of(disk: &Disk) -> DiskFacts {
        let queue = |name: &str| disk.attribute(&format!("queue/{name}"));
        DiskFacts {
            name: disk.name.clone(),
            model: disk.attribute("device/model"),
            rotational: queue("rotational").map(|flag| flag == "1"),
            scheduler: queue("scheduler").map(|line| chosen(&line)),
            poll_queues: poll_queues(disk),
            queue_len: queue("nr_requests"),
            write_cache: queue("write_cache"),
            throttled_us: queue("wbt_lat_usec").and_then(|text| text.parse().ok()),
        }
    }

    fn text(&self) -> String {
        let mut parts = vec![self.name.clone()];
        parts.extend(self.model.clone());
        parts.extend(self.rotational.map(|yes| match yes {
            true => "rotational".to_owned(),
            false => "not rotational".to_owned(),
        }));
        parts.extend(self.scheduler.iter().map(|name| format!("scheduler {name}")));
        parts.push(match self.poll_queues {
            Some(count) => format!("{count} poll queues"),
            None => "poll queues not known".to_owned(),
        });
        parts.extend(self.queue_len.iter().map(|len| format!("queue of {len}")));
        parts.extend(self.write_cache.iter().map(|kind| format!("cache {kind}")));
        parts.extend(self.throttled_us.map(|us| format!("writeback throttled at {us} us")));
        parts.join(", ")
    }
}

/// NVMe tells by a parameter of its module, others by whether polling is on.
fn poll_queues(disk: &Disk) -> Option<u32> {
    let count = |text: String| text.trim().parse().ok();
    if disk.name.starts_with("nvme") {
        return fs::read_to_string("/sys/module/nvme/parameters/poll_queues").ok().and_then(count);
    }
    if disk.name.starts_with("vd") {
        let parameter = fs::read_to_string("/sys/module/virtio_blk/parameters/poll_queues");
        return parameter.ok().and_then(count);
    }
    match disk.attribute("queue/io_poll").as_deref() {
        Some("0") => Some(0),
        _ => None,
    }
}

/// The word in brackets of `none [mq-deadline] kyber`.
fn chosen(line: &str) -> String {
    let inside = line.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(line, |(word, _)| word).to_owned()
}

/// The mount with the longest point that `path` lies below. A line reads
/// `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/root rw`.
fn mount_of(table: &str, path: &str) -> Option<Mount> {
    let below = |point: &str| {
        point == "/"
            || path
                .strip_prefix(point)
                .is_some_and(|rest| matches!(rest.chars().next(), None | Some('/')))
    };
    table
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut fields = left.split(' ').skip(4);
            // Blanks in the point are written as \040.
            let point = fields.next()?.replace("\\040", " ");
            let options = fields.next()?.to_owned();
            Some(Mount { point, kind: right.split(' ').next()?.to_owned(), options })
        })
        .filter(|mount| below(&mount.point))
        // The last of equals hides those before it.
        .max_by_key(|mount| mount.point.len())
}

fn limits(path: &Path, is_directory: bool) -> Result<FileLimits, String> {
    let file = match is_directory {
        true => rustix::fs::open(path, OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|errno| format!("no file can be made there: {}", std::io::Error::from(errno))),
        false => File::open(path).map_err(|error| format!("it cannot be opened: {error}")),
    }?;
    let mask = StatxFlags::DIOALIGN | StatxFlags::from_bits_retain(WRITE_ATOMIC);
    let told = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, mask)
        .map_err(|errno| std::io::Error::from(errno).to_string())?;
    let has = |bit: u32| told.stx_mask & bit != 0;
    let direct = has(StatxFlags::DIOALIGN.bits()) && told.stx_dio_offset_align > 0;
    let atomic = has(WRITE_ATOMIC) && told.stx_atomic_write_unit_max > 0;
    // O_DIRECT can be asked of an open file too; the kernel checks it as it does at the opening.
    let flags = rustix::fs::fcntl_getfl(&file).map_err(|errno| errno.to_string())?;
    Ok(FileLimits {
        direct: direct.then_some((told.stx_dio_mem_align, told.stx_dio_offset_align)),
        atomic: atomic.then_some((told.stx_atomic_write_unit_min, told.stx_atomic_write_unit_max)),
        opens_direct: rustix::fs::fcntl_setfl(&file, flags | OFlags::DIRECT).is_ok(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A disk with everything at its slowest.
    pub(crate) fn slow_disk() -> DiskFacts {
        DiskFacts {
            name: "vdz".into(),
            scheduler: Some("mq-deadline".into()),
            rotational: Some(false),
            poll_queues: Some(0),
            throttled_us: Some(2000),
            ..DiskFacts::default()
        }
    }

    #[test]
    fn the_mount_is_the_longest_and_the_last_that_holds_the_path() {
        let table = "1 0 8:1 / / rw - ext4 /dev/a rw\n\
                     2 1 8:2 / /data rw,noatime shared:1 - xfs /dev/b rw\n\
                     3 1 8:3 / /data\\040two rw - btrfs /dev/c rw\n\
                     4 2 8:4 / /data rw - tmpfs none rw\n";
        for (path, kind) in [
            ("/data/x", "tmpfs"),
            ("/data", "tmpfs"),
            ("/database", "ext4"),
            ("/data two/x", "btrfs"),
        ] {
            assert_eq!(mount_of(table, path).expect("found").kind, kind, "{path}");
        }
        assert_eq!(mount_of("", "/x"), None);
    }

    #[test]
    fn the_scheduler_is_the_word_in_brackets() {
        assert_eq!(chosen("none [mq-deadline] kyber"), "mq-deadline");
        assert_eq!(chosen("none"), "none");
    }

    #[test]
    fn files_and_directories_are_looked_at_and_left_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "precious").expect("written");
        for path in [folder.path(), &file] {
            let storage = Storage::look(path).expect("there");
            assert!(storage.facts().len() >= 3, "{storage:?}");
        }
        assert_eq!(fs::read_to_string(&file).expect("readable"), "precious");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        let error = Storage::look(&folder.path().join("missing")).expect_err("refused");
        assert!(error.to_string().contains("give an existing"), "{error}");
    }

    #[test]
    fn disks_are_described_by_what_is_known() {
        let text = slow_disk().text();
        assert_eq!(
            text,
            "vdz, not rotational, scheduler mq-deadline, 0 poll queues, writeback throttled at \
             2000 us"
        );
    }
}
