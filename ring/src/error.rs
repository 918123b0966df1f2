//! The crate's error, and the one place where an errno of an io_uring system call gets its meaning.
//! Made by `builder`, `mapping`, `ring`, `register` and `probe`. Errnos of single operations are not
//! errors of the ring: they stay in the completion's result.

use std::borrow::Cow;

/// What went wrong, to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel has no io_uring, or a policy forbids it.
    Unavailable,
    /// The kernel has io_uring but not this part of it.
    Unsupported,
    /// An argument is out of its range.
    InvalidArgument,
    /// Not enough memory, or the limit of locked memory is too small.
    OutOfMemory,
    /// The limit of open files is reached.
    TooManyFiles,
    /// A signal came before anything was done: call again.
    Interrupted,
    /// The kernel is short of memory for requests: reap completions, then call again.
    Again,
    /// Completions overflowed: reap them, then call again.
    Busy,
    /// The timeout passed before enough completions came.
    TimedOut,
    /// The kernel lost a completion for want of memory: the ring's requests cannot be trusted.
    CompletionLost,
    /// Another thread than the ring's own called.
    WrongThread,
    /// The ring is disabled.
    Disabled,
    /// Anything else.
    Other,
}

/// An error of io_uring itself: which call, which errno, what it means, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    call: &'static str,
    errno: Option<i32>,
    detail: Cow<'static, str>,
}

impl Error {
    /// What went wrong, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The kernel's errno, or `None` where the crate itself refused.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// An argument that the crate refuses before it asks the kernel.
    pub(crate) fn invalid(call: &'static str, detail: String) -> Self {
        Self { kind: ErrorKind::InvalidArgument, call, errno: None, detail: detail.into() }
    }

    /// The kernel lacks a part that the crate cannot do without.
    pub(crate) fn unsupported(call: &'static str, detail: &'static str) -> Self {
        Self { kind: ErrorKind::Unsupported, call, errno: None, detail: detail.into() }
    }

    /// `mmap` or `madvise` of the ring's memory failed.
    pub(crate) fn mapping(errno: i32, len_bytes: usize) -> Self {
        let detail = format!(
            "the ring's {len_bytes} bytes could not be mapped: lower the number of entries or \
             raise the limits of address space and memory"
        );
        Self {
            kind: ErrorKind::OutOfMemory,
            call: "mmap",
            errno: Some(errno),
            detail: detail.into(),
        }
    }

    /// `io_uring_setup(2)` answered `errno` to `entries` entries and the flags named in `wishes`.
    pub(crate) fn setup(errno: i32, entries: u32, wishes: &str) -> Self {
        let (kind, detail): (_, Cow<'static, str>) = match errno {
            libc::ENOSYS => (
                ErrorKind::Unavailable,
                "this kernel has no io_uring: Linux 5.6 or newer is needed".into(),
            ),
            libc::EPERM | libc::EACCES => (
                ErrorKind::Unavailable,
                "io_uring is forbidden here: look at sysctl kernel.io_uring_disabled, at the \
                 container's seccomp profile and at the security module's policy"
                    .into(),
            ),
            libc::ENOMEM => (
                ErrorKind::OutOfMemory,
                format!(
                    "no memory for {entries} entries: raise the limit of locked memory \
                     (ulimit -l, memlock) or lower the number of entries"
                )
                .into(),
            ),
            libc::EMFILE | libc::ENFILE => (
                ErrorKind::TooManyFiles,
                "no file descriptor is left for the ring: raise the limit (ulimit -n) or close \
                 some files"
                    .into(),
            ),
            libc::EINVAL => (
                ErrorKind::InvalidArgument,
                format!("the kernel refused {entries} entries with {wishes}").into(),
            ),
            _ => (
                ErrorKind::Unavailable,
                "the kernel refused to set up a ring: look at the container's seccomp profile"
                    .into(),
            ),
        };
        Self { kind, call: "io_uring_setup", errno: Some(errno), detail }
    }

    /// `io_uring_enter(2)` answered `errno`. Allocates nothing: it lies on the path of a request.
    pub(crate) fn enter(errno: i32) -> Self {
        let (kind, detail) = match errno {
            libc::EINTR => (ErrorKind::Interrupted, "a signal came first: call again"),
            libc::ETIME => (ErrorKind::TimedOut, "the timeout passed before enough completions"),
            libc::EAGAIN => {
                (ErrorKind::Again, "no memory for requests: reap completions, then call again")
            }
            libc::EBUSY => {
                (ErrorKind::Busy, "completions overflowed: reap them all, then call again")
            }
            libc::EBADR => (
                ErrorKind::CompletionLost,
                "a completion was lost for want of memory: drop the ring",
            ),
            libc::EEXIST => (
                ErrorKind::WrongThread,
                "the ring was set up for one thread and another one called: keep it on its thread",
            ),
            libc::EBADFD => (ErrorKind::Disabled, "the ring is disabled: enable it first"),
            libc::EPERM | libc::EACCES | libc::ENOSYS => (
                ErrorKind::Unavailable,
                "a policy that came after set-up forbids the call: look at the seccomp profile",
            ),
            libc::EOPNOTSUPP | libc::ENXIO => (
                ErrorKind::Unavailable,
                "the ring is being torn down or its SQPOLL thread has died",
            ),
            _ => (ErrorKind::Other, "the kernel refused the call"),
        };
        Self { kind, call: "io_uring_enter", errno: Some(errno), detail: detail.into() }
    }

    /// `io_uring_register(2)` answered `errno`; `what` names the thing, with numbers.
    pub(crate) fn register(errno: i32, what: &str) -> Self {
        let (kind, advice) = match errno {
            libc::ENOMEM => (
                ErrorKind::OutOfMemory,
                "raise the limit of locked memory (ulimit -l, memlock) or register less",
            ),
            libc::EMFILE | libc::ENFILE => (
                ErrorKind::TooManyFiles,
                "the number of slots is limited by the open-file limit: raise it (ulimit -n)",
            ),
            libc::EINVAL => (
                ErrorKind::Unsupported,
                "the kernel is too old for it, or a count or size is out of its range",
            ),
            libc::EBUSY => (ErrorKind::Busy, "such resources are registered already"),
            libc::EFAULT => (
                ErrorKind::InvalidArgument,
                "memory is not mapped, is file-backed, or one buffer is larger than 1 GiB",
            ),
            libc::EBADF => (ErrorKind::InvalidArgument, "a file descriptor is not open"),
            libc::ENXIO => (ErrorKind::InvalidArgument, "nothing of that kind is registered"),
            libc::EEXIST => (ErrorKind::WrongThread, "register on the ring's own thread"),
            libc::EPERM | libc::EACCES | libc::ENOSYS => {
                (ErrorKind::Unavailable, "a policy forbids it: look at the seccomp profile")
            }
            _ => (ErrorKind::Other, "the kernel refused it"),
        };
        let detail = format!("{what}: {advice}").into();
        Self { kind, call: "io_uring_register", errno: Some(errno), detail }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.call)?;
        if let Some(errno) = self.errno {
            match errno_name(errno) {
                Some(name) => write!(f, ": {name}")?,
                None => write!(f, ": errno {errno}")?,
            }
        }
        write!(f, ": {}", self.detail)
    }
}

impl std::error::Error for Error {}

/// The symbolic name of an errno that storage code meets, or `None` for a rarer one.
pub fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::ENXIO => "ENXIO",
        libc::EBADF => "EBADF",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::ENFILE => "ENFILE",
        libc::EMFILE => "EMFILE",
        libc::ETXTBSY => "ETXTBSY",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::ESPIPE => "ESPIPE",
        libc::EROFS => "EROFS",
        libc::EPIPE => "EPIPE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTEMPTY => "ENOTEMPTY",
        libc::ELOOP => "ELOOP",
        libc::ENODATA => "ENODATA",
        libc::ETIME => "ETIME",
        libc::EBADFD => "EBADFD",
        libc::EBADR => "EBADR",
        libc::EOVERFLOW => "EOVERFLOW",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EALREADY => "EALREADY",
        libc::ESTALE => "ESTALE",
        libc::EDQUOT => "EDQUOT",
        libc::ECANCELED => "ECANCELED",
        libc::EREMOTEIO => "EREMOTEIO",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_call_the_errno_and_the_remedy() {
        let error = Error::setup(libc::EPERM, 8, "");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.starts_with("io_uring_setup: EPERM: "), "{text}");
        assert!(text.contains("io_uring_disabled") && text.contains("seccomp"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn an_unknown_errno_is_shown_by_number() {
        assert_eq!(errno_name(9999), None);
        assert!(Error::enter(9999).to_string().contains("errno 9999"));
    }
}
