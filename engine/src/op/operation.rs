//! What every operation has in common: the trait that the engine knows it by, hidden from callers
//! but for its name. Implemented by the other files of this folder only.

use crate::answers::Answers;
use crate::backend::{Request, RequestFile, RequestKind};
use crate::buffer::Arena;
use crate::error::{Error, ErrorKind};
use crate::file::File;
use std::path::Path;

/// Something that an engine can do. Implemented by the operations of this crate only.
pub trait Operation: sealed::Describe + Sized + 'static {
    /// What a success gives beside the operation itself.
    type Output: std::fmt::Debug;

    /// The outcome as the caller sees it, from the backend's answer.
    #[doc(hidden)]
    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<Self::Output, Error>;

    /// The same for an operation of several steps.
    #[doc(hidden)]
    fn outcome_of_steps(&mut self, _answers: &mut Answers) -> Result<Self::Output, Error> {
        unreachable!("only an operation of several steps is asked for them")
    }
}

pub(crate) mod sealed {
    use super::{Arena, Error, Path, Request, RequestKind};

    /// An operation in the backend's terms.
    #[derive(Debug)]
    pub struct Described {
        /// What to do. The id is filled in later.
        pub request: Request,
        /// Bytes that a transfer moves in all; 0 for any other request.
        pub total_bytes: u32,
        /// A direct file's block; 1 for any other file.
        pub block_len_bytes: u32,
    }

    impl Described {
        /// Nothing yet.
        pub(crate) fn empty() -> Self {
            let request = Request::without_file(RequestKind::Nop);
            Self { request, total_bytes: 0, block_len_bytes: 1 }
        }

        /// Describes a request that moves no bytes.
        #[inline]
        pub(crate) fn set(&mut self, request: Request) {
            *self = Self { request, total_bytes: 0, block_len_bytes: 1 };
        }
    }

    /// How a step of a chain depends on the one before; each begins only when that has succeeded.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum After {
        /// In nothing else.
        Success,
        /// It is not to be linked.
        Unlinked,
        /// It moves as many bytes as the one before has moved.
        Bytes,
        /// It is about the descriptor that the first step has answered.
        Descriptor,
        /// It is needless if the one before was written with `RWF_DSYNC`. If that is refused, it is
        /// written without.
        Dsync,
    }

    /// What an operation has to know of its engine.
    #[derive(Clone, Copy, Debug)]
    pub struct Surroundings<'a> {
        /// The engine's number, to which registered files belong.
        pub engine: u32,
        /// The registered arena.
        pub arena: Option<&'a Arena>,
        /// Whether files are the kernel's, so that what statx(2) says of them is true.
        pub has_real_files: bool,
    }

    /// What the engine needs to know of an operation; hidden, so that only this crate implements
    /// it.
    pub trait Describe {
        /// How many steps it has.
        const STEPS: u32 = 1;

        /// Puts the operation in the backend's terms into its place, which is in the table of
        /// requests unless it is a step of a chain, or says why it cannot be done. Addresses in it
        /// must stay good when the operation itself is moved. What was in `into` before says
        /// nothing.
        fn describe(
            &mut self,
            surroundings: Surroundings<'_>,
            into: &mut Described,
        ) -> Result<(), Error>;

        /// The same for one of several steps.
        fn describe_step(
            &mut self,
            _step: u32,
            surroundings: Surroundings<'_>,
            into: &mut Described,
        ) -> Result<After, Error> {
            self.describe(surroundings, into)?;
            Ok(After::Success)
        }

        /// What messages name.
        fn path(&self) -> Option<&Path>;
    }
}

/// The file's slot in this engine if it has one, else its descriptor.
#[inline]
pub(super) fn target(file: &File, engine: u32) -> RequestFile {
    match file.slot() {
        Some(slot) if slot.engine == engine => RequestFile::Slot(slot.index),
        _ => RequestFile::Fd(file.raw_fd()),
    }
}

/// Whether a range ends at an offset that the kernel knows: its offsets are signed.
#[inline]
pub(super) fn ends_within_offsets(offset: u64, len_bytes: u64) -> bool {
    offset.checked_add(len_bytes).is_some_and(|end| end <= i64::MAX.unsigned_abs())
}

/// The answer where it does not.
#[cold]
pub(super) fn too_far(kind: RequestKind, file: &File, offset: u64) -> Error {
    let why = "it ends beyond 2^63 bytes, the largest offset that the kernel knows";
    let error = Error::refused(ErrorKind::Unsupported, kind.name(), why);
    error.with_path(file.path()).with_offset(offset)
}
