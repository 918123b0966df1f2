//! What requests on open files do to the simulated disk: transfers, syncs, space. Each is one
//! system call with its usual answers. Extends `model::Model`.

use super::content::SECTOR_LEN_BYTES;
use super::faults::Fate;
use super::memory::empty_status;
use super::model::{Model, SimFile};
use super::names::Node;
use super::order::{Answer, Flight, Order, Target};
use crate::backend::RequestKind;

/// Hints, and what a simulated disk does anyway.
const READ_FLAGS: i32 = libc::RWF_HIPRI | libc::RWF_NOWAIT | RWF_DONTCACHE;
const DURABLE_FLAGS: i32 = libc::RWF_DSYNC | libc::RWF_SYNC;
const WRITE_FLAGS: i32 =
    READ_FLAGS | DURABLE_FLAGS | libc::RWF_APPEND | RWF_NOAPPEND | libc::RWF_ATOMIC;
const RWF_NOAPPEND: i32 = 0x20;
const RWF_DONTCACHE: i32 = 0x80;

impl Model {
    /// Carries an order out as its fate allows.
    pub(super) fn perform(&mut self, flight: &Flight) -> Answer {
        let order = &flight.order;
        match order.kind {
            RequestKind::Nop | RequestKind::Close => Answer::default(),
            RequestKind::Read | RequestKind::ReadVectored => {
                self.read(flight).unwrap_or_else(|errno| Answer::of(Err(errno)))
            }
            RequestKind::Write | RequestKind::WriteVectored => Answer::of(self.write(flight)),
            RequestKind::Sync | RequestKind::SyncData => Answer::of(self.sync(flight)),
            // It promises nothing, so nothing changes.
            RequestKind::SyncRange => Answer::of(self.file(order).map(|_| 0)),
            RequestKind::Allocate => Answer::of(self.allocate(order)),
            RequestKind::Truncate => Answer::of(self.truncate(order)),
            RequestKind::Advise => Answer::of(match order.flags {
                0..=5 => self.file(order).map(|_| 0),
                _ => Err(libc::EINVAL),
            }),
            // It says that it does not read so.
            RequestKind::OpenSlot | RequestKind::ReadSlot | RequestKind::CloseSlot => {
                Answer::of(Err(libc::EOPNOTSUPP))
            }
            RequestKind::Open
            | RequestKind::Stat
            | RequestKind::Rename
            | RequestKind::Unlink
            | RequestKind::MakeDirectory
            | RequestKind::Link => self.perform_on_path(order),
        }
    }

    /// The file that an order names.
    pub(super) fn file(&mut self, order: &Order) -> Result<(Target, &mut SimFile), i32> {
        let target = order.target.ok_or(libc::EBADF)?;
        let file = self.files.get_mut(&target.file).ok_or(libc::EBADF)?;
        Ok((target, file))
    }

    fn writable(&mut self, order: &Order, otherwise: i32) -> Result<&mut SimFile, i32> {
        let (target, file) = self.file(order)?;
        if target.can_write() { Ok(file) } else { Err(otherwise) }
    }

    /// What refuses a write before anything of it happens; else where it goes, an append nowhere
    /// yet.
    pub(super) fn check_write(&self, order: &Order) -> Result<(Target, Option<u64>), i32> {
        if !matches!(order.kind, RequestKind::Write | RequestKind::WriteVectored) {
            return Err(libc::EBADF);
        }
        let target = order.target.filter(|target| target.can_write()).ok_or(libc::EBADF)?;
        let flags = order.flags.cast_signed();
        if flags & !WRITE_FLAGS != 0 {
            return Err(libc::EOPNOTSUPP);
        }
        let opened_to_append = target.flags & libc::O_APPEND != 0 && flags & RWF_NOAPPEND == 0;
        if order.is_atomic() {
            self.check_atomic(target, order)?;
        }
        if opened_to_append || flags & libc::RWF_APPEND != 0 {
            return Ok((target, None));
        }
        check_range(target, order)?;
        Ok((target, Some(order.offset)))
    }

    /// As Linux checks it: generic_atomic_write_valid() and the file system's limits.
    fn check_atomic(&self, target: Target, order: &Order) -> Result<(), i32> {
        let limits = self.options.atomic.ok_or(libc::EOPNOTSUPP)?;
        let is_aligned = order.len.is_power_of_two() && order.offset.is_multiple_of(order.len);
        let is_within = (u64::from(limits.min)..=u64::from(limits.max)).contains(&order.len);
        if order.kind != RequestKind::Write || !is_aligned || !is_within {
            return Err(libc::EINVAL);
        }
        if target.is_direct() { Ok(()) } else { Err(libc::EOPNOTSUPP) }
    }

    fn read(&mut self, flight: &Flight) -> Result<Answer, i32> {
        let order = &flight.order;
        let (seed, faults) = (self.options.seed, self.faults);
        let (target, file) = self.file(order)?;
        if !target.can_read() {
            return Err(libc::EBADF);
        }
        if order.flags.cast_signed() & !READ_FLAGS != 0 {
            return Err(libc::EOPNOTSUPP);
        }
        check_range(target, order)?;
        let left = file.content.len().saturating_sub(order.offset).min(order.len);
        let there = usize::try_from(left).map_err(|_| libc::EINVAL)?;
        let good = faults.good_bytes(seed, target.file, order.offset, there);
        let len = shorter(flight.fate, target, good);
        let mut bytes = vec![0; len];
        file.content.read(order.offset, &mut bytes);
        self.counts.short_transfer += u64::from(len < good);
        self.counts.bad_range += u64::from(good < there);
        if good == 0 && there > 0 {
            return Err(libc::EIO);
        }
        Ok(Answer { result: count(len), bytes, ..Answer::default() })
    }

    fn write(&mut self, flight: &Flight) -> Result<i32, i32> {
        let order = &flight.order;
        let (target, offset) = self.check_write(order)?;
        let (seed, faults, free_sectors) = (self.options.seed, self.faults, self.free_sectors());
        let stamp = self.next_stamp();
        let file = self.files.get_mut(&target.file).ok_or(libc::EBADF)?;
        let (old_len, asked) = (file.content.len(), order.bytes.len());
        let offset = offset.unwrap_or(old_len);
        let possible = usize::try_from(LEN_MAX_BYTES.saturating_sub(offset)).unwrap_or(asked);
        if possible == 0 && asked > 0 {
            return Err(libc::EFBIG);
        }
        // What ends beyond the longest file is cut there, as the kernel does it.
        let asked = asked.min(possible);
        let good = faults.good_bytes(seed, target.file, offset, asked);
        let fitting = file.content.fitting(offset, good, free_sectors);
        let mut len = shorter(flight.fate, target, fitting);
        if order.is_atomic() {
            // All or nothing, also of what chance or a full disk would cut.
            len = if good < asked || fitting < good { 0 } else { asked };
            if len > 0 {
                file.content.write_atomic(stamp, offset, &order.bytes);
            }
        } else {
            file.content.write(stamp, offset, &order.bytes[..len]);
        }
        let durable = order.flags.cast_signed() & DURABLE_FLAGS != 0
            || target.flags & (libc::O_DSYNC | libc::O_SYNC) != 0;
        if durable {
            file.content.promote(stamp, Some(offset..offset + len as u64));
        }
        if file.content.len() != old_len {
            file.tell_len();
        }
        self.counts.bad_range += u64::from(good < asked);
        self.counts.no_space += u64::from(fitting < good);
        self.counts.short_transfer += u64::from(len < fitting && !order.is_atomic());
        match (good, fitting) {
            _ if asked == 0 || len > 0 => Ok(count(len)),
            (good, _) if good == 0 || (order.is_atomic() && good < asked) => Err(libc::EIO),
            _ => Err(libc::ENOSPC),
        }
    }

    fn sync(&mut self, flight: &Flight) -> Result<i32, i32> {
        let (_, file) = self.file(&flight.order)?;
        // What completed after the sync began may be durable as well, but nobody may count on it.
        file.content.promote(flight.watermark, None);
        if flight.order.kind == RequestKind::Sync {
            self.names.promote(flight.watermark);
        }
        Ok(0)
    }

    fn allocate(&mut self, order: &Order) -> Result<i32, i32> {
        let (free_sectors, stamp) = (self.free_sectors(), self.next_stamp());
        let file = self.writable(order, libc::EBADF)?;
        let end = order.offset.checked_add(order.second).filter(|end| *end <= LEN_MAX_BYTES);
        let range = order.offset..end.ok_or(libc::EFBIG)?;
        if range.is_empty() {
            return Err(libc::EINVAL);
        }
        let flags = order.flags.cast_signed();
        let keeps_len = flags & libc::FALLOC_FL_KEEP_SIZE != 0;
        let mode = flags & !libc::FALLOC_FL_KEEP_SIZE;
        if mode == libc::FALLOC_FL_PUNCH_HOLE && keeps_len {
            file.content.punch(stamp, range, false);
            return Ok(0);
        }
        if !matches!(mode, 0 | libc::FALLOC_FL_ZERO_RANGE) {
            return Err(libc::EOPNOTSUPP);
        }
        let enough = file.content.missing_sectors(range.clone()) <= free_sectors;
        if enough {
            if mode == libc::FALLOC_FL_ZERO_RANGE {
                file.content.punch(stamp, range.clone(), true);
            }
            file.content.reserve(range.clone());
            if !keeps_len && range.end > file.content.len() {
                file.content.set_len(stamp, range.end);
                file.tell_len();
            }
            return Ok(0);
        }
        self.counts.no_space += 1;
        Err(libc::ENOSPC)
    }

    fn truncate(&mut self, order: &Order) -> Result<i32, i32> {
        let stamp = self.next_stamp();
        let file = self.writable(order, libc::EINVAL)?;
        if order.offset > LEN_MAX_BYTES {
            return Err(libc::EFBIG);
        }
        file.content.set_len(stamp, order.offset);
        file.tell_len();
        Ok(0)
    }

    /// What statx(2) says of a node.
    pub(super) fn status(&self, node: Node) -> Result<libc::statx, i32> {
        let mut status = empty_status();
        status.stx_mask = libc::STATX_TYPE
            | libc::STATX_MODE
            | libc::STATX_NLINK
            | libc::STATX_INO
            | libc::STATX_SIZE
            | libc::STATX_BLOCKS;
        status.stx_blksize = 4096;
        let mode = match node {
            Node::Directory => {
                status.stx_nlink = 2;
                libc::S_IFDIR | 0o755
            }
            Node::File(number) => {
                let file = self.files.get(&number).ok_or(libc::EBADF)?;
                status.stx_ino = number;
                status.stx_size = file.content.len();
                status.stx_blocks = file.content.allocated_sectors();
                status.stx_nlink = self.names.links(number);
                status.stx_mask |= libc::STATX_DIOALIGN | libc::STATX_MTIME | libc::STATX_CTIME;
                status.stx_mtime.tv_sec =
                    i64::try_from(file.modified_ns / 1_000_000_000).unwrap_or(i64::MAX);
                status.stx_mtime.tv_nsec =
                    u32::try_from(file.modified_ns % 1_000_000_000).unwrap_or(0);
                // Names and permissions are not looked at.
                status.stx_ctime = status.stx_mtime;
                (status.stx_dio_mem_align, status.stx_dio_offset_align) = (512, 512);
                if let Some(limits) = self.options.atomic {
                    status.stx_mask |= libc::STATX_WRITE_ATOMIC;
                    status.stx_atomic_write_unit_min = limits.min;
                    status.stx_atomic_write_unit_max = limits.max;
                    status.stx_atomic_write_segments_max = 1;
                }
                libc::S_IFREG | 0o644
            }
        };
        status.stx_mode = u16::try_from(mode).unwrap_or(0);
        Ok(status)
    }
}

/// Offsets are signed in the kernel's interface.
const OFFSET_MAX: u64 = i64::MAX.unsigned_abs();
/// The longest file: that of ext4 with blocks of 4 KiB.
const LEN_MAX_BYTES: u64 = 1 << 44;

/// Refuses what lies beyond the largest offset, and direct transfers that are not aligned.
fn check_range(target: Target, order: &Order) -> Result<(), i32> {
    order.offset.checked_add(order.len).filter(|end| *end <= OFFSET_MAX).ok_or(libc::EINVAL)?;
    let aligned =
        order.offset.is_multiple_of(SECTOR_LEN_BYTES) && order.len.is_multiple_of(SECTOR_LEN_BYTES);
    if target.is_direct() && !aligned {
        return Err(libc::EINVAL);
    }
    Ok(())
}

/// How many of `len` bytes a transfer of this fate moves: at least one, of a direct file whole
/// sectors, and all if that leaves no choice.
fn shorter(fate: Fate, target: Target, len: usize) -> usize {
    let Fate::Short(part) = fate else { return len };
    let unit = if target.is_direct() { 512 } else { 1 };
    let units = len.div_ceil(unit) as u64;
    if units < 2 {
        return len;
    }
    // One unit up to all but one.
    let kept = 1 + part % (units - 1);
    usize::try_from(kept).unwrap_or(0) * unit
}

/// As a completion carries it; a transfer moves less than 2^31 bytes.
fn count(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}
