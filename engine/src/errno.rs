//! What the kernel means by the errno of a file operation, and what to do about it: the one place
//! where an operation's errno gets its meaning. Asked by `error`; decides nothing.

use crate::error::ErrorKind;
use crate::platform;

/// What the kernel means by an errno of a file operation, and what to do about it.
pub(crate) fn explain(errno: i32) -> (ErrorKind, &'static str) {
    match errno {
        libc::ENOENT => (ErrorKind::NotFound, "check the path, or ask for the file to be created"),
        libc::EEXIST => (ErrorKind::AlreadyExists, "choose another path or remove the file"),
        libc::EACCES | libc::EPERM => {
            (ErrorKind::PermissionDenied, "check the permissions of the file and of its folders")
        }
        libc::EROFS => (ErrorKind::PermissionDenied, "the file system is mounted read-only"),
        libc::EISDIR => (ErrorKind::IsDirectory, "name a file, not a directory"),
        libc::ENOTDIR => (ErrorKind::NotFound, "a part of the path is not a directory"),
        libc::EBADF => (
            ErrorKind::NotOpenForThis,
            "the file is not open for this: open it for reading or writing as the operation needs",
        ),
        libc::ENOSPC => (ErrorKind::NoSpace, "the file system is full: free some space"),
        libc::EDQUOT => (ErrorKind::NoSpace, "the disk quota is used up: free some space"),
        libc::EFBIG => {
            (ErrorKind::NoSpace, "beyond the largest file that the file system or ulimit -f allows")
        }
        libc::ENOMEM => {
            (ErrorKind::OutOfMemory, "free memory, or raise the limit of locked memory (ulimit -l)")
        }
        libc::EMFILE | libc::ENFILE => {
            (ErrorKind::OutOfMemory, "no file descriptor is left: raise the limit (ulimit -n)")
        }
        libc::EINVAL => (
            ErrorKind::Unsupported,
            "an argument is out of its range, the file does not support this, or a direct transfer \
             is not aligned to its blocks",
        ),
        libc::EIO | libc::EILSEQ | libc::ETIMEDOUT | libc::ENOLINK => (ErrorKind::Io, DEVICE),
        _ if platform::is_device_failure(errno) => (ErrorKind::Io, DEVICE),
        _ => explain_rarer(errno),
    }
}

/// What to do when a device has failed.
const DEVICE: &str = "the device failed: look at the kernel's log, and trust no retry";

/// As `explain`.
fn explain_rarer(errno: i32) -> (ErrorKind, &'static str) {
    match errno {
        libc::EOPNOTSUPP => (
            ErrorKind::Unsupported,
            "the file or the file system cannot do this: use another one, or do without",
        ),
        libc::ENOSYS => {
            (ErrorKind::Unsupported, "the kernel lacks this call, or a seccomp filter hides it")
        }
        libc::ESPIPE => (
            ErrorKind::Unsupported,
            "a pipe or socket has no offsets: use a file, or the offset 0 where that is allowed",
        ),
        libc::EXDEV => (
            ErrorKind::Unsupported,
            "the two paths are on different file systems: copy, then remove the old one",
        ),
        libc::ENODEV | libc::ENXIO => (
            ErrorKind::NotFound,
            "there is no such device: is it plugged in, and its driver loaded?",
        ),
        libc::ENAMETOOLONG | libc::ELOOP => (
            ErrorKind::NotFound,
            "the path is too long or its links go in circles: use a plainer one",
        ),
        libc::ENOTEMPTY => {
            (ErrorKind::AlreadyExists, "the directory is not empty: remove what is in it first")
        }
        libc::EBUSY | libc::ETXTBSY => (
            ErrorKind::PermissionDenied,
            "somebody else uses it (a mount, a running program): end that first",
        ),
        libc::EOVERFLOW => {
            (ErrorKind::Unsupported, "an offset or a length is too large for this file")
        }
        libc::EFAULT => (
            ErrorKind::Other,
            "a buffer is not in memory that the kernel may use: this is a bug, please report it",
        ),
        libc::EPIPE => (ErrorKind::Io, "nobody reads the other end of the pipe any more"),
        libc::ESTALE => {
            (ErrorKind::NotFound, "the file is gone from its server: open it anew by its path")
        }
        _ if errno == libc::EBADMSG || platform::is_damage(errno) => (
            ErrorKind::Io,
            "the file system or the data is damaged: look at the kernel's log, and check it",
        ),
        libc::EINTR => (ErrorKind::Other, "signals interrupted it again and again: try later"),
        libc::ECANCELED => (ErrorKind::Cancelled, "the kernel gave it up: submit it again"),
        libc::EAGAIN => {
            (ErrorKind::Other, "still not ready after many tries: is the file non-blocking?")
        }
        _ => (
            ErrorKind::Other,
            "the kernel refused it: look the errno up in the manual page of the system call",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Ran};
    use std::path::Path;

    #[test]
    fn every_errno_gets_one_line_with_its_name_and_advice() {
        for errno in 1..=133 {
            let error = Error::from_errno("read", errno).with_path(Path::new("/f")).with_offset(7);
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text}");
            let rest = text.strip_prefix("read /f at offset 7: ").expect(&text);
            let (cause, advice) = rest.split_once("): ").expect(&text);
            assert!(cause.starts_with('E') || cause.starts_with("errno "), "{text}");
            assert!(advice.len() > 20, "{text}");
            let ran = if errno == libc::ECANCELED { Ran::No } else { Ran::Begun };
            assert_eq!((error.errno(), error.ran()), (Some(errno), ran));
        }
    }

    #[test]
    fn errnos_have_the_kinds_that_callers_branch_on() {
        for (errno, kind, advice) in [
            (libc::ENOENT, ErrorKind::NotFound, "check the path"),
            (libc::EROFS, ErrorKind::PermissionDenied, "read-only"),
            (libc::EDQUOT, ErrorKind::NoSpace, "quota"),
            (libc::EMFILE, ErrorKind::OutOfMemory, "ulimit -n"),
            (libc::EXDEV, ErrorKind::Unsupported, "copy"),
            (libc::ENOTEMPTY, ErrorKind::AlreadyExists, "not empty"),
            (libc::EBADMSG, ErrorKind::Io, "damaged"),
            (libc::ETIMEDOUT, ErrorKind::Io, "trust no retry"),
            (libc::EOPNOTSUPP, ErrorKind::Unsupported, "cannot do this"),
        ] {
            let error = Error::from_errno("write", errno);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(advice), "{error}");
        }
        let polled = Error::from_errno("read", libc::EOPNOTSUPP).about_polling();
        assert!(polled.to_string().contains("io_poll"), "{polled}");
        let other = Error::from_errno("read", libc::EIO).about_polling();
        assert_eq!(other.kind(), ErrorKind::Io);
    }
}
