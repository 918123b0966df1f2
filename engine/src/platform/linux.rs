//! The seam on Linux. Called by `backend::call` and by the parts of the crate that look at files
//! and memory; what each function answers is in `unix` the same.

use super::{answer, flags, statx};
use crate::error::{Error, ErrorKind};
use crate::file::DirectAlignment;
use crate::metadata::{AtomicLimits, Metadata};
use libc::{c_char, c_int, iovec, off_t};
use rustix::fs::{AtFlags, StatxFlags};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

const _: () = {
    assert!(flags::RWF_APPEND == libc::RWF_APPEND.cast_unsigned());
    assert!(flags::RWF_DSYNC == libc::RWF_DSYNC.cast_unsigned());
    assert!(flags::AT_EMPTY_PATH == libc::AT_EMPTY_PATH.cast_unsigned());
    assert!(flags::RENAME_NOREPLACE == libc::RENAME_NOREPLACE);
    assert!(flags::ALLOCATE_KEEP_SIZE == libc::FALLOC_FL_KEEP_SIZE.cast_unsigned());
    assert!(flags::ALLOCATE_PUNCH_HOLE == libc::FALLOC_FL_PUNCH_HOLE.cast_unsigned());
    assert!(flags::ALLOCATE_ZERO_RANGE == libc::FALLOC_FL_ZERO_RANGE.cast_unsigned());
    assert!(flags::ADVICE_NORMAL == libc::POSIX_FADV_NORMAL.cast_unsigned());
    assert!(flags::ADVICE_RANDOM == libc::POSIX_FADV_RANDOM.cast_unsigned());
    assert!(flags::ADVICE_SEQUENTIAL == libc::POSIX_FADV_SEQUENTIAL.cast_unsigned());
    assert!(flags::ADVICE_WILL_NEED == libc::POSIX_FADV_WILLNEED.cast_unsigned());
    assert!(flags::ADVICE_DONT_NEED == libc::POSIX_FADV_DONTNEED.cast_unsigned());
};

/// What opens a file for direct I/O, where the system has it.
pub(crate) const O_DIRECT: Option<c_int> = Some(libc::O_DIRECT);

/// preadv2(2) or pwritev2(2): `RWF_*` say how.
///
/// # Safety
/// The vector is valid, and so is the memory that it names, for reading or writing.
pub(crate) unsafe fn transfer_with_flags(
    fd: c_int,
    is_read: bool,
    (vector, count): (*const iovec, c_int),
    offset: off_t,
    flags: u32,
) -> i32 {
    let flags = flags.cast_signed();
    answer(if is_read {
        // SAFETY: the caller's promise is passed on.
        unsafe { libc::preadv2(fd, vector, count, offset, flags) as i64 }
    } else {
        // SAFETY: the caller's promise is passed on.
        unsafe { libc::pwritev2(fd, vector, count, offset, flags) as i64 }
    })
}

/// Reads what the page cache holds; -EAGAIN, or another errno, where that takes a device.
///
/// # Safety
/// The vector is valid, and so is the memory that it names, for writing.
pub(crate) unsafe fn read_without_waiting(fd: c_int, vector: &iovec, offset: off_t) -> i32 {
    let (vector, flags) = (std::ptr::from_ref(vector), libc::RWF_NOWAIT);
    // By its number, because libc's function is a point of cancellation, which a process of several
    // threads pays for twice per call. The offset's upper half is for 32-bit systems.
    let (low, high) = (offset, if cfg!(target_pointer_width = "64") { 0 } else { offset >> 32 });
    // SAFETY: the caller's promise is passed on.
    let bytes = unsafe { libc::syscall(libc::SYS_preadv2, fd, vector, 1_usize, low, high, flags) };
    answer(bytes as i64)
}

/// fdatasync(2).
pub(crate) fn sync_data(fd: c_int) -> i32 {
    // SAFETY: no memory is named.
    answer(i64::from(unsafe { libc::fdatasync(fd) }))
}

/// sync_file_range(2).
pub(crate) fn sync_range(fd: c_int, offset: off_t, len: off_t, flags: u32) -> i32 {
    // SAFETY: no memory is named.
    answer(i64::from(unsafe { libc::sync_file_range(fd, offset, len, flags) }))
}

/// fallocate(2).
pub(crate) fn allocate(fd: c_int, mode: u32, offset: off_t, len: off_t) -> i32 {
    // SAFETY: no memory is named.
    answer(i64::from(unsafe { libc::fallocate(fd, mode.cast_signed(), offset, len) }))
}

/// posix_fadvise(2).
pub(crate) fn advise(fd: c_int, offset: off_t, len: off_t, advice: u32) -> i32 {
    // The one call that answers its errno instead of setting it.
    // SAFETY: no memory is named.
    -unsafe { libc::posix_fadvise(fd, offset, len, advice.cast_signed()) }
}

/// renameat2(2).
///
/// # Safety
/// Both paths are valid strings.
pub(crate) unsafe fn rename(fd: c_int, from: *const c_char, to: *const c_char, flags: u32) -> i32 {
    // SAFETY: the caller's promise is passed on.
    answer(i64::from(unsafe { libc::renameat2(fd, from, fd, to, flags) }))
}

/// Where [`stat`] writes its answer.
pub(crate) type Stat = MaybeUninit<libc::statx>;

/// Before it has.
pub(crate) fn empty_stat() -> Stat {
    Stat::zeroed()
}

/// What [`stat`] asks for.
pub(crate) const STAT_MASK: u32 =
    libc::STATX_BASIC_STATS | libc::STATX_DIOALIGN | libc::STATX_WRITE_ATOMIC;

/// statx(2).
///
/// # Safety
/// The path is a valid string, and the answer's place may be written.
pub(crate) unsafe fn stat(
    fd: c_int,
    path: *const c_char,
    flags: u32,
    mask: u32,
    place: *mut Stat,
) -> i32 {
    // SAFETY: the caller's promise is passed on.
    answer(i64::from(unsafe { libc::statx(fd, path, flags.cast_signed(), mask, place.cast()) }))
}

/// What the answer says; `None` before there is one.
pub(crate) fn metadata(stat: &Stat) -> Option<Metadata> {
    // SAFETY: it was zeroed, which is a valid `statx`, and what the kernel wrote over it is one
    // too.
    let answer = unsafe { stat.assume_init_ref() };
    Some(statx::metadata(answer))
}

/// Puts an answer of statx(2) where [`stat`] would.
///
/// # Safety
/// The place may be written.
#[cfg(feature = "sim")]
pub(crate) unsafe fn put_stat(place: *mut Stat, answer: &libc::statx) {
    // SAFETY: the caller vouches for the place.
    unsafe { place.write(MaybeUninit::new(*answer)) };
}

/// What direct transfers of an open file must be multiples of, and what atomic writes may be;
/// `None` where nobody knows. statx(2) tells of the first since Linux 6.1, of the other since 6.11.
pub(crate) fn direct_properties(
    fd: BorrowedFd<'_>,
) -> (Option<DirectAlignment>, Option<AtomicLimits>) {
    let asked = StatxFlags::DIOALIGN | StatxFlags::from_bits_retain(libc::STATX_WRITE_ATOMIC);
    let Ok(status) = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, asked) else {
        return (None, None);
    };
    let atomic = statx::atomic_limits(
        status.stx_mask,
        (status.stx_atomic_write_unit_min, status.stx_atomic_write_unit_max),
        status.stx_atomic_write_segments_max,
    );
    let told = status.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    let (memory, offset) = (status.stx_dio_mem_align, status.stx_dio_offset_align);
    // Zero means that the file takes no direct transfers: then the kernel says so itself.
    let alignment =
        (told && memory > 0 && offset > 0).then_some(DirectAlignment { memory, offset });
    (alignment, atomic)
}

/// What opens a file without a name in a directory, where the system has it.
pub(crate) fn unnamed_file_flag() -> Option<c_int> {
    Some(libc::O_TMPFILE)
}

/// The number of an open file's file system (`linux/magic.h`).
pub(crate) fn file_system_magic(fd: BorrowedFd<'_>) -> Option<u64> {
    let status = rustix::fs::fstatfs(fd).ok()?;
    // The field is signed on some architectures; the number has 32 bits.
    u64::try_from(status.f_type).ok()
}

/// Binds this thread to one CPU.
pub(crate) fn pin(cpu: u32) -> Result<(), Error> {
    let mut set = CpuSet::new();
    set.set(cpu as usize);
    sched_setaffinity(None, &set).map_err(|errno| {
        let advice = format!("CPU {cpu} is not there or not allowed: choose one of taskset -p $$");
        Error::from_errno("pin the engine's thread", errno.raw_os_error())
            .with_advice(ErrorKind::InvalidConfig, advice)
    })
}

/// The CPUs that a thread may run on; nothing where the kernel did not tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors(Option<CpuSet>);

impl Processors {
    /// Those of this thread.
    pub(crate) fn current() -> Self {
        Self(sched_getaffinity(None).ok())
    }

    /// Lets this thread run on them, as far as it may.
    pub(crate) fn take(&self) {
        if let Some(set) = &self.0 {
            // A control group may have taken them away meanwhile: what is left serves as well.
            let _ = sched_setaffinity(None, set);
        }
    }
}

/// The symbolic name of an errno.
pub(crate) fn errno_name(errno: i32) -> Option<&'static str> {
    iomill_ring::errno_name(errno)
}

/// Whether an errno that only this system has means that a device failed.
pub(crate) fn is_device_failure(errno: i32) -> bool {
    matches!(errno, libc::EREMOTEIO | libc::ENODATA)
}

/// Whether an errno that only this system has means damaged data.
pub(crate) fn is_damage(errno: i32) -> bool {
    errno == libc::EUCLEAN
}
