//! The engine's error. Made by every part of the crate; what an errno means is in `errno`. Costs no
//! allocation for the two answers that are part of normal work (`Full` and `Closing`).

use crate::errno::explain;
use crate::platform;
use crate::polling;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// What went wrong, to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The engine holds as many requests, or bytes, as it may: tick, then submit again.
    Full,
    /// The engine is shutting down and takes no more requests.
    Closing,
    /// The request was given up: by `cancel`, or because the engine shut down. What it had moved
    /// before is in [`Error::transferred_bytes`].
    Cancelled,
    /// The request was given up because its deadline had passed.
    DeadlineExceeded,
    /// More bytes than the engine or its pool can ever take at once: waiting does not help.
    TooLarge,
    /// A configuration value is out of its range.
    InvalidConfig,
    /// A direct transfer's buffer, offset or length is not aligned.
    Misaligned,
    /// The file does not exist.
    NotFound,
    /// The file exists already.
    AlreadyExists,
    /// The file, or the operation on it, is not permitted.
    PermissionDenied,
    /// A directory where a file is needed.
    IsDirectory,
    /// The file is not open for this kind of operation.
    NotOpenForThis,
    /// The device, the quota or the file size limit is used up.
    NoSpace,
    /// Memory or locked memory is used up.
    OutOfMemory,
    /// The file, the file system or the kernel cannot do it.
    Unsupported,
    /// The device failed.
    Io,
    /// An earlier sync of the file failed: see [`File::is_poisoned`](crate::File::is_poisoned).
    Poisoned,
    /// The backend itself failed: no request of this engine will complete any more.
    Backend,
    /// Anything else: look at the errno.
    Other,
}

/// Whether a request that ended with an error had run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ran {
    /// It had not: neither the file nor the buffer was touched. It can be submitted again as if it
    /// had never been.
    No,
    /// It had begun, and was stopped or failed on the way: of a transfer,
    /// [`Error::transferred_bytes`] are done, and nothing is known of the rest.
    Begun,
    /// It is not known: the engine ended, or the backend failed, while the kernel still had it.
    Unknown,
}

/// An error: what was done, to which file, at which offset, which errno, and what to do.
///
/// Its `Display` is one line.
// In this order, so that the number of a `Result<u32, Error>` does not lie in the pointer's place:
// there a callback would load eight bytes where four were written a moment before, and wait.
#[repr(C)]
pub struct Error {
    kind: ErrorKind,
    detail: Option<Box<Detail>>,
}

/// All that an error may know. Boxed, because errors travel through the path of every request.
struct Detail {
    operation: &'static str,
    path: Option<PathBuf>,
    offset: Option<u64>,
    errno: Option<i32>,
    transferred_bytes: u32,
    /// Which step of how many.
    step: Option<(usize, usize)>,
    ran: Ran,
    explanation: Cow<'static, str>,
}

impl Error {
    /// What went wrong, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The kernel's errno, or `None` where the engine itself refused.
    pub fn errno(&self) -> Option<i32> {
        self.detail.as_ref().and_then(|detail| detail.errno)
    }

    /// The file, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.detail.as_ref().and_then(|detail| detail.path.as_deref())
    }

    /// The offset in the file in bytes, where there is one.
    pub fn offset(&self) -> Option<u64> {
        self.detail.as_ref().and_then(|detail| detail.offset)
    }

    /// Bytes that a transfer had moved before it failed or was given up. 0 means that it had not
    /// run, or that the kernel does not tell.
    pub fn transferred_bytes(&self) -> u32 {
        self.detail.as_ref().map_or(0, |detail| detail.transferred_bytes)
    }

    /// Whether the request had run before it failed, was cancelled or met its deadline.
    pub fn ran(&self) -> Ran {
        self.detail.as_ref().map_or(Ran::No, |detail| detail.ran)
    }

    /// Of a chain, the step that failed, the first one being 0. The steps before it have succeeded,
    /// those after it were not begun.
    pub fn failed_step(&self) -> Option<usize> {
        self.detail.as_ref().and_then(|detail| detail.step).map(|(step, _)| step)
    }

    /// An answer without details: `Full` or `Closing`.
    pub(crate) fn answer(kind: ErrorKind) -> Self {
        Self { kind, detail: None }
    }

    /// A refusal by the engine itself.
    pub(crate) fn refused(
        kind: ErrorKind,
        operation: &'static str,
        explanation: impl Into<Cow<'static, str>>,
    ) -> Self {
        let explanation = explanation.into();
        Self::detailed(kind, operation, None, explanation)
    }

    /// The kernel's answer to an operation.
    pub(crate) fn from_errno(operation: &'static str, errno: i32) -> Self {
        let (kind, explanation) = explain(errno);
        Self::detailed(kind, operation, Some(errno), explanation.into())
    }

    fn detailed(
        kind: ErrorKind,
        operation: &'static str,
        errno: Option<i32>,
        explanation: Cow<'static, str>,
    ) -> Self {
        // Whoever refuses has not asked the kernel; an errno is the kernel's answer.
        let ran = match (kind, errno) {
            (ErrorKind::Backend, _) => Ran::Unknown,
            (_, None | Some(libc::ECANCELED)) => Ran::No,
            (_, Some(_)) => Ran::Begun,
        };
        let detail = Detail {
            operation,
            path: None,
            offset: None,
            errno,
            transferred_bytes: 0,
            step: None,
            ran,
            explanation,
        };
        Self { kind, detail: Some(Box::new(detail)) }
    }

    /// The backend's own failure.
    pub(crate) fn backend(operation: &'static str, why: String, errno: Option<i32>) -> Self {
        Self::detailed(ErrorKind::Backend, operation, errno, why.into())
    }

    /// The same error with its file.
    pub(crate) fn with_path(mut self, path: &Path) -> Self {
        if let Some(detail) = &mut self.detail {
            detail.path = Some(path.to_owned());
        }
        self
    }

    /// The same error with its offset.
    pub(crate) fn with_offset(mut self, offset: u64) -> Self {
        if let Some(detail) = &mut self.detail {
            detail.offset = Some(offset);
        }
        self
    }

    /// The same error with what was done before it.
    pub(crate) fn with_transferred(mut self, transferred_bytes: u32) -> Self {
        if let Some(detail) = &mut self.detail {
            detail.transferred_bytes = transferred_bytes;
        }
        self
    }

    /// The same error on a ring that polls for completions: there EOPNOTSUPP has another meaning.
    #[cold]
    pub(crate) fn about_polling(self) -> Self {
        match self.errno() {
            Some(libc::EOPNOTSUPP) => self.with_advice(ErrorKind::Unsupported, polling::ADVICE),
            _ => self,
        }
    }

    /// The same error with the step of a chain that it is about.
    pub(crate) fn with_step(mut self, step: usize, of: usize) -> Self {
        if let Some(detail) = &mut self.detail {
            detail.step = Some((step, of));
        }
        self
    }

    /// The same error with what is known of the request's run.
    pub(crate) fn with_ran(mut self, ran: Ran) -> Self {
        if let Some(detail) = &mut self.detail {
            detail.ran = ran;
        }
        self
    }

    /// The same error with another advice than its errno's usual one.
    pub(crate) fn with_advice(
        mut self,
        kind: ErrorKind,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.kind = kind;
        if let Some(detail) = &mut self.detail {
            detail.explanation = advice.into();
        }
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(detail) = &self.detail else {
            return f.write_str(match self.kind {
                ErrorKind::Full => {
                    "submit: the engine is full: let some requests end (tick, or await a future), \
                     then submit again"
                }
                ErrorKind::Closing => "submit: the engine is shutting down and takes no requests",
                _ => "the request failed",
            });
        };
        if let Some((step, of)) = detail.step {
            write!(f, "step {} of {of}: ", step + 1)?;
        }
        f.write_str(detail.operation)?;
        if let Some(path) = &detail.path {
            write!(f, " {}", path.display())?;
        }
        if let Some(offset) = detail.offset {
            write!(f, " at offset {offset}")?;
        }
        f.write_str(": ")?;
        // A backend's message names its errno itself.
        if let (Some(errno), false) = (detail.errno, self.kind == ErrorKind::Backend) {
            let text = std::io::Error::from_raw_os_error(errno).to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            match platform::errno_name(errno) {
                Some(name) => write!(f, "{name} ({text}): ")?,
                None => write!(f, "errno {errno} ({text}): ")?,
            }
        }
        f.write_str(&detail.explanation)
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_what_where_why_and_what_to_do() {
        let error =
            Error::from_errno("write", 28).with_path(Path::new("/data/log")).with_offset(8192);
        assert_eq!(
            error.to_string(),
            "write /data/log at offset 8192: ENOSPC (No space left on device): the file system is \
             full: free some space"
        );
        assert_eq!((error.kind(), error.errno()), (ErrorKind::NoSpace, Some(28)));
    }

    #[test]
    fn an_answer_of_normal_work_allocates_nothing_and_still_speaks() {
        let error = Error::answer(ErrorKind::Full);
        assert!(error.detail.is_none());
        assert!(error.to_string().contains("tick"));
    }

    #[test]
    fn an_unknown_errno_is_shown_by_number() {
        assert!(Error::from_errno("read", 4095).to_string().contains("errno 4095"));
    }
}
