//! The crate's error, and the one place where an errno of an io_uring system call gets its meaning.
//! Made by `setup`, `mapping`, `enter`, `register` and `probe`. Errnos of single operations are not
//! errors of the ring: they stay in the completion's result.

use crate::abi::{RegisterOp, SetupFlags};
use crate::host;
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
    /// The ring's restrictions do not allow it.
    Forbidden,
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
        Self::of("mmap", errno, ErrorKind::OutOfMemory, detail)
    }

    /// `mmap` of huge pages failed.
    pub(crate) fn huge_pages(errno: i32, len_bytes: usize) -> Self {
        let free = host::huge_pages_free();
        let free = free.map_or_else(|| String::from("unknown"), |free| free.to_string());
        let detail = format!(
            "{len_bytes} bytes of 2 MiB pages for the queues could not be mapped, free pages: \
             {free}: reserve more (sysctl vm.nr_hugepages) or build without `huge_pages`"
        );
        Self::of("mmap", errno, ErrorKind::OutOfMemory, detail)
    }

    /// `io_uring_setup(2)` answered `errno` to `entries` entries and the flags named in `wishes`;
    /// `culprit` is the one that is refused also alone.
    pub(crate) fn setup(
        errno: i32,
        entries: u32,
        wishes: &str,
        culprit: Option<SetupFlags>,
    ) -> Self {
        let (kind, detail) = match errno {
            libc::ENOSYS => (
                ErrorKind::Unavailable,
                format!(
                    "this kernel ({}) has no io_uring, or a seccomp filter says so: Linux 5.6 or \
                     newer is needed; {}",
                    host::release(),
                    host::seccomp()
                ),
            ),
            libc::EPERM | libc::EACCES => (
                ErrorKind::Unavailable,
                format!(
                    "io_uring is forbidden here: {}; {}; also look at the security module's policy",
                    host::io_uring_disabled(),
                    host::seccomp()
                ),
            ),
            libc::ENOMEM => (
                ErrorKind::OutOfMemory,
                format!(
                    "no memory for {entries} entries: {}, or lower the number of entries",
                    host::memlock()
                ),
            ),
            libc::EMFILE | libc::ENFILE => (
                ErrorKind::TooManyFiles,
                format!("no file descriptor is left for the ring: {}", host::open_files(errno)),
            ),
            libc::EINVAL => match culprit {
                Some(flag) => (
                    ErrorKind::Unsupported,
                    format!(
                        "this kernel ({}) refuses {flag:?} also alone: it is too old for it, or \
                         its value is wrong; asked for were {entries} entries with {wishes}",
                        host::release()
                    ),
                ),
                None => (
                    ErrorKind::InvalidArgument,
                    format!(
                        "the kernel refused {entries} entries with {wishes}, though it takes each \
                         flag alone: leave some out"
                    ),
                ),
            },
            libc::EFAULT => (
                ErrorKind::InvalidArgument,
                String::from("NO_MMAP: the memory is not mapped, read-only or file-backed"),
            ),
            libc::ENXIO | libc::EBADF => (
                ErrorKind::InvalidArgument,
                String::from("ATTACH_WQ: the descriptor is not an open ring's"),
            ),
            _ => (
                ErrorKind::Unavailable,
                format!("the kernel refused to set up a ring: {}", host::seccomp()),
            ),
        };
        Self::of("io_uring_setup", errno, kind, detail)
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
                "the ring is being torn down, its SQPOLL thread has died, or a seccomp filter \
                 refuses the call: look at its profile",
            ),
            libc::EINVAL => (
                ErrorKind::InvalidArgument,
                "the kernel is too old for what was asked of the wait, or a time is out of range",
            ),
            _ => (
                ErrorKind::Other,
                "the kernel refused the call, or a seccomp filter did: look at its profile",
            ),
        };
        Self { kind, call: "io_uring_enter", errno: Some(errno), detail: detail.into() }
    }

    /// `io_uring_register(2)` answered `errno` to `op`; `what` names the thing, with numbers.
    pub(crate) fn register(errno: i32, op: RegisterOp, what: &str) -> Self {
        let text = String::from;
        let (kind, advice) = match errno {
            libc::ENOMEM => {
                (ErrorKind::OutOfMemory, format!("{}, or register less", host::memlock()))
            }
            libc::EMFILE | libc::ENFILE => (
                ErrorKind::TooManyFiles,
                format!("slots count as open files: {}", host::open_files(errno)),
            ),
            libc::EINVAL if host::lacks(op) => (
                ErrorKind::Unsupported,
                format!(
                    "this kernel ({}) does not have registration {}: use a newer one",
                    host::release(),
                    op.0
                ),
            ),
            libc::EINVAL => (
                ErrorKind::Unsupported,
                text("the kernel is too old for it, or a count, size or flag is out of its range"),
            ),
            libc::EBUSY => {
                (ErrorKind::Busy, text("such resources are registered or in use already"))
            }
            libc::EOVERFLOW => {
                (ErrorKind::Busy, text("it does not fit: read completions first or ask for more"))
            }
            libc::EOPNOTSUPP if !OF_MEMORY.contains(&op) => {
                (ErrorKind::Unavailable, format!("the kernel refused it: {}", host::seccomp()))
            }
            libc::EFAULT | libc::EOPNOTSUPP => (
                ErrorKind::InvalidArgument,
                text("memory is not mapped, is file-backed, or one buffer is larger than 1 GiB"),
            ),
            libc::EBADF => (ErrorKind::InvalidArgument, text("a file descriptor is not open")),
            libc::ENXIO => (ErrorKind::InvalidArgument, text("nothing of that kind is registered")),
            libc::ENOENT => (ErrorKind::InvalidArgument, text("there is no such thing")),
            libc::EEXIST if PER_GROUP.contains(&op) => {
                (ErrorKind::Busy, text("the group exists already: choose another number"))
            }
            libc::EEXIST => (ErrorKind::WrongThread, text("register on the ring's own thread")),
            libc::EBADFD => {
                (ErrorKind::InvalidArgument, text("it works only while the ring is disabled"))
            }
            libc::ETIME => (ErrorKind::TimedOut, text("the time was over first")),
            libc::EINTR => (ErrorKind::Interrupted, text("a signal came first: call again")),
            libc::EACCES => (
                ErrorKind::Forbidden,
                format!("the ring's restrictions must allow it; {}", host::seccomp()),
            ),
            libc::EPERM | libc::ENOSYS => {
                (ErrorKind::Unavailable, format!("a policy forbids it: {}", host::seccomp()))
            }
            _ => (ErrorKind::Other, text("the kernel refused it")),
        };
        Self::of("io_uring_register", errno, kind, format!("{what}: {advice}"))
    }

    fn of(call: &'static str, errno: i32, kind: ErrorKind, detail: String) -> Self {
        Self { kind, call, errno: Some(errno), detail: detail.into() }
    }
}

/// Registrations that answer EOPNOTSUPP to memory of a kind that they do not take.
const OF_MEMORY: [RegisterOp; 4] = [
    RegisterOp::BUFFERS,
    RegisterOp::BUFFERS2,
    RegisterOp::BUFFERS_UPDATE,
    RegisterOp::CLONE_BUFFERS,
];

/// Registrations that answer EEXIST for a number in use; others mean the wrong thread by it.
const PER_GROUP: [RegisterOp; 1] = [RegisterOp::PBUF_RING];

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
        libc::ENOBUFS => "ENOBUFS",
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
        let error = Error::setup(libc::EPERM, 8, "", None);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.starts_with("io_uring_setup: EPERM: "), "{text}");
        assert!(text.contains("io_uring_disabled") && text.contains("seccomp"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_limit_is_named_with_its_present_value() {
        let text = Error::register(libc::ENOMEM, RegisterOp::BUFFERS, "3 buffers").to_string();
        assert!(text.contains("3 buffers") && text.contains("memlock"), "{text}");
        let text = Error::setup(libc::EMFILE, 8, "", None).to_string();
        assert!(text.contains("ulimit -n"), "{text}");
        assert!(text.chars().any(|letter| letter.is_ascii_digit()), "{text}");
    }

    #[test]
    fn a_registration_that_the_kernel_lacks_is_told_from_a_wrong_value() {
        let newest = RegisterOp(200);
        let error = Error::register(libc::EINVAL, newest, "a thing of the future");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let old = Error::register(libc::EINVAL, RegisterOp::BUFFERS, "0 buffers").to_string();
        assert!(old.contains("out of its range"), "{old}");
    }

    #[test]
    fn the_flag_that_the_kernel_refuses_is_named() {
        let flag = Some(SetupFlags::SQE_MIXED);
        let error = Error::setup(libc::EINVAL, 8, "SUBMIT_ALL | SQE_MIXED", flag);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("SQE_MIXED"), "{error}");
    }

    #[test]
    fn an_unknown_errno_is_shown_by_number() {
        assert_eq!(errno_name(9999), None);
        assert!(Error::enter(9999).to_string().contains("errno 9999"));
    }
}
