//! The engine trait: what carries requests to the kernel and completions back. `uring` and
//! `threads` implement it with the same functions in the same order, `routed` around either of
//! them; `engine` drives one of them without knowing which.
//!
//! # The contract
//!
//! A backend is a mailbox between one thread (the engine's) and the kernel.
//!
//! 1. **Batches.** [`stage`](Backend::stage) takes requests from the front of a batch and answers
//!    how many. It makes no system call, never blocks, and starts nothing that may not be undone:
//!    work may begin at once or at the next [`enter`](Backend::enter), which must begin all of it.
//! 2. **Once.** Each staged request yields exactly one [`Completion`] with its id, in any order,
//!    from an `enter` at or after its staging; never from `stage`. No completion comes without a
//!    request.
//! 3. **Raw.** A completion's result is what the one system call answered: a count of bytes, or a
//!    negative errno. Short transfers, EINTR and EAGAIN are passed on; finishing them is the
//!    engine's part, so that it means the same on every backend.
//! 4. **No order.** Requests of one batch may run in any order and at the same time. A sync covers
//!    the writes whose completions were yielded before it was staged, and no others for certain.
//! 5. **Waiting.** `enter` returns when at least the asked number of completions was yielded by it,
//!    when the timeout has passed, or early for a reason of its own (a signal): the caller looks at
//!    what came. It is never asked to wait for more than is in flight, but for one when it can be
//!    [woken](Backend::waker).
//! 6. **Bounds.** The engine keeps no more in flight than the depth that the backend was made for,
//!    and the vector of completions has room for as many: nothing allocates, nothing overflows.
//! 7. **Cancel.** [`cancel`](Backend::cancel) asks for a staged request to be given up. Its
//!    completion comes all the same: `-ECANCELED` if it had not begun, `-EINTR` if it was stopped
//!    in the middle, or whatever it came to. Makes no system call; it acts by the next `enter`.
//! 8. **Memory.** From `stage` to the completion the request's memory and file belong to the
//!    backend. Dropping a backend waits for what is in flight, or leaks what the kernel may still
//!    touch; the engine drops one only when nothing is in flight, and otherwise forgets it.
//! 9. **Failure.** An error of `enter` means that the backend as a whole is broken: no more
//!    completions are to be expected. A request's failure is its completion's result.
//! 10. **Links.** A request that is [`linked`](Request::linked) belongs together with the next one
//!     of its batch; several in a row, with the first one that is not, are a *run* of at most
//!     [`RUN_LEN_MAX`]. `stage` takes a run whole or not at all. Each request of a run begins only
//!     when the one before has succeeded in full, a transfer with all its bytes; otherwise it and
//!     all after it complete with `-ECANCELED`, and have not begun. A run may also be cut so before
//!     any of its requests for a reason of the backend's own, such as no memory. The completions of
//!     a run are yielded in its order. A cancel ends its request and what is behind it in the run.
//!     The last request of a batch is never linked, and the engine links two requests only if
//!     [`links`](Backend::links) allows it.
//! 11. **Whole files.** Where [`reads_whole`](Backend::reads_whole) allows it, a run may also be
//!     [`OpenSlot`](RequestKind::OpenSlot), [`ReadSlot`](RequestKind::ReadSlot) and
//!     [`CloseSlot`](RequestKind::CloseSlot) of one empty slot. Its read answers all its bytes, or
//!     fewer only if the file ends there: what has come short in another way is `-EAGAIN`. When the
//!     read has begun, the close begins behind it *whatever the read has come to*. Bytes that could
//!     not be read a second time, those of a pipe or a terminal, are never read so: the run of such
//!     a file is cut behind the open. Where the open has succeeded, the slot is empty after a
//!     success of the close, and else filled; then the file in it can be read and closed by single
//!     requests. A cancel of the read does not end the close.

#[cfg(all(target_os = "linux", not(iomill_portable)))]
mod bell;
mod beside;
mod cached;
mod call;
mod crew;
#[cfg(all(target_os = "linux", not(iomill_portable)))]
mod entry;
#[cfg(test)]
mod link_tests;
mod request;
#[cfg_attr(not(all(target_os = "linux", not(iomill_portable))), path = "no_ring.rs")]
mod ring;
mod routed;
#[cfg(test)]
mod routed_tests;
#[cfg(all(target_os = "linux", not(iomill_portable)))]
mod runs;
#[cfg(all(target_os = "linux", not(iomill_portable)))]
mod setup;
#[cfg(feature = "sim")]
pub mod sim;
mod threads;
#[cfg(all(target_os = "linux", not(iomill_portable)))]
mod uring;
mod watch;
#[cfg(all(target_os = "linux", not(iomill_portable)))]
mod whole_files;

pub(crate) use call::perform;
pub use request::{Completion, Request, RequestFile, RequestKind};
pub(crate) use ring::ring;
pub(crate) use routed::Routed;
pub(crate) use threads::Threads;

pub use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::lanes::LaneTable;
use std::os::fd::BorrowedFd;
use std::task::Waker;
use std::time::Duration;

/// The most requests that are linked to each other.
pub const RUN_LEN_MAX: usize = 8;

/// For how many completions to wait, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Take what is there.
    None,
    /// Until this many have come, or all that are in flight if those are fewer.
    AtLeast(u32),
    /// As `AtLeast`, but no longer than the timeout.
    For {
        /// How many.
        at_least: u32,
        /// How long.
        timeout: Duration,
    },
}

impl Wait {
    /// How many completions are waited for.
    pub fn at_least(self) -> u32 {
        match self {
            Self::None => 0,
            Self::AtLeast(at_least) | Self::For { at_least, .. } => at_least,
        }
    }

    /// The same wait, for no longer than `limit`.
    pub(crate) fn no_longer_than(self, limit: Duration) -> Self {
        match self {
            Self::None => Self::None,
            Self::AtLeast(at_least) => Self::For { at_least, timeout: limit },
            Self::For { at_least, timeout } => Self::For { at_least, timeout: timeout.min(limit) },
        }
    }

    /// What is left of the wait when `count` completions have come.
    pub(crate) fn after(self, count: usize) -> Self {
        let left =
            |at_least: u32| u32::try_from(count).map_or(0, |count| at_least.saturating_sub(count));
        match self {
            _ if left(self.at_least()) == 0 => Self::None,
            Self::None => Self::None,
            Self::AtLeast(at_least) => Self::AtLeast(left(at_least)),
            Self::For { at_least, timeout } => Self::For { at_least: left(at_least), timeout },
        }
    }

    /// The same wait for at most `count`.
    pub(crate) fn capped(self, count: u32) -> Self {
        match self {
            Self::None => Self::None,
            _ if count == 0 => Self::None,
            Self::AtLeast(at_least) => Self::AtLeast(at_least.min(count)),
            Self::For { at_least, timeout } => Self::For { at_least: at_least.min(count), timeout },
        }
    }
}

/// A piece of memory to register, by its start.
pub type Memory = (std::ptr::NonNull<u8>, usize);

/// What carries requests to the kernel. The module's text is its contract.
///
/// # Safety
/// An implementation must not touch a request's memory before it is staged or after its completion
/// was yielded, and must not yield a completion while anything can still touch that memory.
pub unsafe trait Backend: std::fmt::Debug {
    /// The name that `--ioengine` and reports use.
    fn name(&self) -> &'static str;

    /// System calls that it made to move batches: `io_uring_enter`, or wake-ups and waits of
    /// helpers.
    fn enters(&self) -> u64;

    /// How often completions had overflowed their queue. A backend whose queue cannot overflow has
    /// nothing to say here.
    fn overflows(&self) -> u64 {
        0
    }

    /// Registers memory, so that requests may name its pieces by their index in `pieces`.
    ///
    /// # Errors
    /// When the backend or the kernel cannot: then requests must not name a piece.
    ///
    /// # Safety
    /// The memory stays mapped for as long as the backend lives, or for ever if it is forgotten.
    unsafe fn register_memory(&mut self, pieces: &[Memory]) -> Result<(), Error>;

    /// Makes room for registered files.
    ///
    /// # Errors
    /// When the backend or the kernel cannot.
    fn register_slots(&mut self, slots: u32) -> Result<(), Error>;

    /// Fills a slot, or empties it.
    ///
    /// # Errors
    /// When there is no such slot.
    fn set_slot(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error>;

    /// Whether a request of the kind `next` may be linked behind one of the kind `first`. Where it
    /// may not, which is what this says unless it is implemented, the engine hands `next` over when
    /// it has seen the completion of `first`.
    fn links(&self, _first: RequestKind, _next: RequestKind) -> bool {
        false
    }

    /// Whether a whole file is best read by one run, beside so many other requests, never more than
    /// six. Where it is not, which is what this says unless it is implemented, the engine hands
    /// over an open, a read and a close one after the other. Asked with 0 before the slots are
    /// registered: no then is no for ever.
    fn reads_whole(&self, _others: usize) -> bool {
        false
    }

    /// Takes requests from the front of `batch`; answers how many.
    ///
    /// # Safety
    /// Until its completion was yielded, each request's file stays open, its slot filled and its
    /// memory valid, and nobody else touches that memory (for a write: changes it).
    unsafe fn stage(&mut self, batch: &[Request]) -> usize;

    /// Asks for a staged request to be given up; one that has completed is passed over. Answers
    /// whether it was taken: if not, it is asked again after the next `enter`.
    fn cancel(&mut self, id: u64) -> bool;

    /// What ends an [`enter`](Self::enter) that waits, from any thread and as often as one likes:
    /// it returns early, the next one if none waits now. Asked for before the first `enter`.
    /// From then on `enter` may be asked to wait also when nothing is in flight.
    ///
    /// # Errors
    /// When it cannot be woken, which is what this says unless it is implemented: then the engine
    /// cannot have a thread of its own.
    fn waker(&mut self) -> Result<Waker, Error> {
        let why = "it has no way to be woken: drive the engine by `tick`";
        Err(Error::refused(ErrorKind::Unsupported, "wake the backend from other threads", why))
    }

    /// The clock that everything follows which this backend's engine does in time. Asked for once.
    /// A backend in virtual time moves it on when [`enter`](Self::enter) waits.
    fn clock(&self) -> Clock {
        Clock::real()
    }

    /// Whether the files that it is given are the kernel's, so that requests can be checked against
    /// what statx(2) says of them. One that only stands in for the kernel refuses by itself what
    /// its files do not take.
    fn has_real_files(&self) -> bool {
        true
    }

    /// The table by which it chooses between lanes, if it does.
    fn lanes(&self) -> Option<&LaneTable> {
        None
    }

    /// Begins what is staged, waits, and appends completions.
    ///
    /// # Errors
    /// When the backend as a whole is broken.
    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error>;
}
