//! The one error type of the program and the exit code of each kind.
//!
//! Owns nothing but words. Every message is a single line: what, where, why, what to do.
//! Made everywhere, printed only by `main`.

use std::fmt;

/// Why the program cannot go on.
#[derive(Debug)]
pub(crate) enum Error {
    /// Bad usage, or a job that is refused before any I/O: exit code 2.
    Usage(String),
    /// Something failed while files were made ready or the job ran: exit code 1.
    Io(String),
    /// Ctrl-C before the job began, so that there is nothing to report: exit code 130.
    Interrupted,
}

impl Error {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> Error {
        Error::Usage(message.into())
    }

    /// An I/O error.
    pub(crate) fn io(message: impl Into<String>) -> Error {
        Error::Io(message.into())
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Io(_) => 1,
            Error::Usage(_) => 2,
            Error::Interrupted => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(message) | Error::Io(message) => f.write_str(message),
            Error::Interrupted => f.write_str("interrupted before the job began; nothing was run"),
        }
    }
}

impl std::error::Error for Error {}
