//! Whether the device behind a file can be polled for completions: what an engine with IOPOLL needs
//! to know of it. Asked by `engine` when a file is registered; makes no transfers.

use crate::file::File;
use rustix::fs::{FileType, fstat, major, minor};

/// What to do about a device that cannot be polled.
pub(crate) const ADVICE: &str = "the engine polls for completions (IOPOLL), and the file's device \
    has no queues to poll: give its driver some (for NVMe nvme.poll_queues=N on the kernel's \
    command line; /sys/block/DISK/queue/io_poll then says 1), or configure the engine without \
    iopoll";

/// Why transfers of this file cannot be polled, as far as that can be told without trying.
pub(crate) fn refusal(file: &File) -> Option<&'static str> {
    if !file.is_direct() {
        return Some("it is not open for direct I/O: its transfers are plain system calls");
    }
    let status = fstat(file).ok()?;
    let is_device = FileType::from_raw_mode(status.st_mode) == FileType::BlockDevice;
    let device = if is_device { status.st_rdev } else { status.st_dev };
    let folder = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    // A partition has no queue of its own: its disk's is one folder up.
    let queues = ["queue/io_poll", "../queue/io_poll"].map(|queue| format!("{folder}/{queue}"));
    let io_poll = queues.iter().find_map(|queue| std::fs::read_to_string(queue).ok())?;
    (io_poll.trim() == "0").then_some(ADVICE)
}
