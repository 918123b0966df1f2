//! The seam between the engine and the operating system: every call, type and constant that not
//! every Unix has. `linux` uses what Linux offers; `unix` does the same by calls that all have, or
//! answers EOPNOTSUPP, by which the error names the operation. Everything else in the crate but
//! the backend `uring` is the same everywhere.
//!
//! Built with `--cfg iomill_portable`, a Linux build takes `unix`, so that the tests can run on it.

pub(crate) mod flags;
#[cfg(all(target_os = "linux", any(not(iomill_portable), feature = "sim")))]
mod statx;

#[cfg_attr(all(target_os = "linux", not(iomill_portable)), path = "linux.rs")]
#[cfg_attr(not(all(target_os = "linux", not(iomill_portable))), path = "unix.rs")]
mod system;

pub(crate) use system::{
    O_DIRECT, Processors, STAT_MASK, Stat, advise, allocate, direct_properties, empty_stat,
    errno_name, file_system_magic, is_damage, is_device_failure, metadata, pin,
    read_without_waiting, rename, stat, sync_data, sync_range, transfer_with_flags,
    unnamed_file_flag,
};

#[cfg(feature = "sim")]
pub(crate) use system::put_stat;

/// A call's answer as a completion has it: what it answered, or its negative errno.
#[inline]
pub(crate) fn answer(answer: i64) -> i32 {
    if answer < 0 {
        return -std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    }
    // A transfer moves less than 2^31 bytes, a descriptor is an `int`.
    i32::try_from(answer).unwrap_or(i32::MAX)
}
