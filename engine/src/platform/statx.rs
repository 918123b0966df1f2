//! What an answer of statx(2) says. Asked by `linux`, and by `unix` for the answers of a simulated
//! disk; makes no calls.

use crate::file::DirectAlignment;
use crate::metadata::{AtomicLimits, FileKind, Metadata};
use std::time::{Duration, SystemTime};

/// The limits of atomic writes in an answer, if it holds any.
pub(super) fn atomic_limits(
    mask: u32,
    (min, max): (u32, u32),
    segments_max: u32,
) -> Option<AtomicLimits> {
    let told = mask & libc::STATX_WRITE_ATOMIC != 0 && max > 0;
    told.then_some(AtomicLimits { min, max, segments_max })
}

/// What an answer says.
pub(super) fn metadata(answer: &libc::statx) -> Metadata {
    let told = |bit: u32| answer.stx_mask & bit != 0;
    let kind = match u32::from(answer.stx_mode) & libc::S_IFMT {
        libc::S_IFREG => FileKind::Regular,
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFBLK => FileKind::BlockDevice,
        _ => FileKind::Other,
    };
    let direct = (told(libc::STATX_DIOALIGN) && answer.stx_dio_offset_align > 0).then_some(
        DirectAlignment { memory: answer.stx_dio_mem_align, offset: answer.stx_dio_offset_align },
    );
    let atomic = atomic_limits(
        answer.stx_mask,
        (answer.stx_atomic_write_unit_min, answer.stx_atomic_write_unit_max),
        answer.stx_atomic_write_segments_max,
    );
    Metadata {
        kind,
        len_bytes: answer.stx_size,
        // The field's unit is 512 bytes, whatever the file system's blocks are.
        allocated_bytes: answer.stx_blocks * 512,
        mode: u32::from(answer.stx_mode) & 0o7777,
        link_count: answer.stx_nlink,
        inode: answer.stx_ino,
        modified: told(libc::STATX_MTIME).then(|| time(&answer.stx_mtime)).flatten(),
        direct,
        atomic,
    }
}

fn time(stamp: &libc::statx_timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
    let whole = if stamp.tv_sec < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(u64::from(stamp.tv_nsec)))
}
