//! The backend on io_uring: one submission entry per request, one `io_uring_enter` per batch. Made
//! by `select`, driven by `engine`; never retries a request and never decides how many are in
//! flight.

use super::bell::Bell;
use super::call::perform;
use super::entry::entry;
use super::runs::{Runs, cut};
use super::setup::{build, failed};
use super::whole_files::{ENTRIES, MARK, OTHERS_MAX, WholeFiles, why_not};
use super::{Backend, Completion, Memory, RUN_LEN_MAX, Request, RequestKind, Wait};
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::lanes::Lane;
use iomill_ring::op::PollFlags;
use iomill_ring::{GivenUp, Matching, Opcode, Probe, Ring, op};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::Waker;

/// So often in a row the kernel may say that it has no memory for requests while nothing completes.
const STALLS_MAX: u32 = 1000;
/// Marks the completions of our own cancels. No request has this id: its lower half is no slot.
const INTERNAL: u64 = u64::MAX;
/// Marks the completion of the bell's poll. No request has this id either.
const RUNG: u64 = u64::MAX - 1;
/// What the engine cannot do without; all of it is there since Linux 5.6.
const NEEDED: [Opcode; 9] = [
    Opcode::NOP,
    Opcode::READ,
    Opcode::WRITE,
    Opcode::READ_FIXED,
    Opcode::WRITE_FIXED,
    Opcode::READV,
    Opcode::WRITEV,
    Opcode::FSYNC,
    Opcode::ASYNC_CANCEL,
];

/// A ring and what the kernel would not give it.
#[derive(Debug)]
pub(crate) struct Uring {
    ring: Ring,
    probe: Probe,
    /// Requests that the running kernel cannot take through the ring: made as plain system calls at
    /// the next `enter`. Empty on a new kernel.
    aside: Vec<Request>,
    /// Where the runs of linked requests are among the entries that the kernel has not taken yet.
    runs: Runs,
    /// The runs that read a whole file.
    wholes: WholeFiles,
    /// Whether the kernel's own thread takes the entries.
    sqpoll: bool,
    stalls: u32,
    /// What wakes the ring, if it is to be woken. After the ring, which polls it, so that it is
    /// dropped after it.
    bell: Option<Arc<Bell>>,
    /// Whether the bell's poll is with the ring.
    listening: bool,
    /// Whether the ring polls devices for completions: then it takes direct transfers only.
    polls: bool,
    /// Requests in a ring that polls.
    polled: u32,
}

impl Uring {
    /// Sets up a ring for the depth of requests in flight and sends a no-op through it: a policy
    /// may allow the set-up and forbid the rest.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let what = "set up io_uring";
        let describe = |error: iomill_ring::Error| failed(what, &error);
        let mut ring = build(config)?;
        let probe = ring.probe().map_err(describe)?;
        if let Some(missing) = NEEDED.iter().find(|opcode| !probe.supports(**opcode)) {
            let name = missing.name().unwrap_or_default();
            let since = missing.since().unwrap_or_default();
            let why = format!("the kernel lacks {name}: Linux {since} or newer is needed");
            return Err(Error::refused(ErrorKind::Backend, what, why));
        }
        // SAFETY: a NOP names no memory and no file.
        let pushed = unsafe { ring.push(&op::nop()) };
        assert!(pushed.is_ok(), "a new queue has room");
        while ring.completions().next().is_none() {
            match ring.submit_and_wait(1) {
                Err(error) if error.kind() != iomill_ring::ErrorKind::Interrupted => {
                    return Err(describe(error));
                }
                _ => {}
            }
        }
        let aside = Vec::with_capacity(config.depth as usize);
        let (runs, sqpoll) = (Runs::new(config.depth), config.sqpoll.is_some());
        let (wholes, stalls) = (WholeFiles::new(config.depth), 0);
        let (bell, listening, polls, polled) = (None, false, config.iopoll, 0);
        Ok(Self {
            ring,
            probe,
            aside,
            runs,
            wholes,
            sqpoll,
            stalls,
            bell,
            listening,
            polls,
            polled,
        })
    }

    /// What the set-up had to do without.
    pub(crate) fn given_up(&self) -> &[GivenUp] {
        self.ring.given_up()
    }

    /// The operations that have to be made as plain system calls here, with the version that
    /// changes it.
    pub(crate) fn aside_kinds(&self) -> impl Iterator<Item = Opcode> + '_ {
        let all = [
            Opcode::SYNC_FILE_RANGE,
            Opcode::FALLOCATE,
            Opcode::FTRUNCATE,
            Opcode::FADVISE,
            Opcode::OPENAT,
            Opcode::CLOSE,
            Opcode::STATX,
            Opcode::RENAMEAT,
            Opcode::UNLINKAT,
            Opcode::MKDIRAT,
            Opcode::LINKAT,
        ];
        all.into_iter().filter(|opcode| !self.probe.supports(*opcode))
    }

    /// Why no file can be read whole in one run, if that is so.
    pub(super) fn why_not_whole(&self) -> Option<&'static str> {
        why_not(&self.ring, self.sqpoll, self.polls)
    }
}

// SAFETY: the kernel touches a request's memory only between the entry's submission and its
// completion; none of our operations posts more than one completion.
unsafe impl Backend for Uring {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn enters(&self) -> u64 {
        self.ring.counters().enters
    }

    fn overflows(&self) -> u64 {
        self.ring.counters().overflow_flushes
    }

    unsafe fn register_memory(&mut self, pieces: &[Memory]) -> Result<(), Error> {
        let slices: Vec<IoSlice<'_>> = pieces
            .iter()
            .map(|(start, len_bytes)| {
                // SAFETY: the caller vouches that the memory is mapped. The slice is only an
                // address and a length to the kernel; nobody reads through it here.
                IoSlice::new(unsafe { std::slice::from_raw_parts(start.as_ptr(), *len_bytes) })
            })
            .collect();
        // SAFETY: the caller vouches that the memory outlives this backend and so its ring, and the
        // engine forgets both together if anything is still in flight.
        unsafe { self.ring.register_buffers(&slices) }
            .map_err(|error| failed("register the buffer pool", &error))
    }

    fn register_slots(&mut self, slots: u32) -> Result<(), Error> {
        if self.polls {
            let why = "IOPOLL: what cannot be polled is a plain system call, which knows no slots";
            return Err(Error::refused(ErrorKind::Unsupported, "register files", why));
        }
        self.ring.register_files_sparse(slots).map_err(|error| failed("register files", &error))
    }

    fn set_slot(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        self.ring.update_file(slot, file).map_err(|error| failed("register a file", &error))
    }

    fn links(&self, first: RequestKind, next: RequestKind) -> bool {
        // Linux 6.18 goes on behind a failed fsync, ftruncate or rename as if it had succeeded:
        // only a transfer was found to end a chain, when it fails and when it is short. And whether
        // the kernel's own thread has cut a chain could not be noticed. A ring that polls takes
        // transfers alone, and a small one has no room for a run beside the bell's poll.
        first.is_transfer()
            && !self.sqpoll
            && !self.polls
            && self.ring.sq_entries() as usize > RUN_LEN_MAX
            && self.probe.supports(entry(&Request::without_file(next)).opcode)
    }

    fn reads_whole(&self, others: usize) -> bool {
        others <= OTHERS_MAX && self.why_not_whole().is_none()
    }

    #[inline]
    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        let (mut in_run, mut in_whole) = (false, false);
        for (index, request) in batch.iter().enumerate() {
            if request.linked && !in_run {
                if !self.has_room_for_run(&batch[index..]) {
                    return index;
                }
                in_whole = request.kind == RequestKind::OpenSlot;
                if in_whole {
                    // SAFETY: the caller vouches for the requests' memory until their completions.
                    unsafe { self.push_whole(&batch[index..index + 3]) };
                }
            }
            in_run = request.linked;
            if in_whole {
                in_whole = in_run;
                continue;
            }
            let sqe = entry(request);
            if !self.probe.supports(sqe.opcode) || (self.polls && !can_be_polled(request)) {
                self.aside.push(*request);
                continue;
            }
            // SAFETY: the caller vouches for the request's file and memory until its completion.
            if unsafe { self.ring.push(&sqe) }.is_err() {
                return index;
            }
            self.polled += u32::from(self.polls);
        }
        batch.len()
    }

    #[inline]
    fn cancel(&mut self, id: u64) -> bool {
        if self.polls {
            // Such a ring takes no cancels.
            return true;
        }
        // What was set aside is not in the ring, and is done by the next `enter` anyway.
        self.wholes.names(id).into_iter().flatten().all(|name| {
            let sqe = op::cancel(Matching::user_data(name)).with_user_data(INTERNAL);
            // SAFETY: a cancel names no memory and no file.
            unsafe { self.ring.push(&sqe) }.is_ok()
        })
    }

    fn waker(&mut self) -> Result<Waker, Error> {
        // One for all who ask: the engine's own thread, and helpers beside the ring.
        let bell = match &self.bell {
            Some(bell) => Arc::clone(bell),
            None => Arc::clone(self.bell.insert(Bell::new()?)),
        };
        Ok(Waker::from(bell))
    }

    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        if self.runs.is_cut() {
            return Err(cut());
        }
        // Without room for the bell's poll: first hand over what is in its way.
        let wait = if self.listen() { wait } else { Wait::None };
        let wait = if self.aside.is_empty() {
            wait
        } else {
            self.make_aside(completions);
            // Something has come: the caller gets it before anything is waited for.
            Wait::None
        };
        let offered = self.ring.pending();
        let entered = match self.wholes.lengthened(wait) {
            wait if self.polls => self.enter_and_poll(wait),
            Wait::None => self.ring.submit(),
            Wait::AtLeast(at_least) => self.ring.submit_and_wait(at_least),
            Wait::For { at_least, timeout } => self.ring.submit_and_wait_for(at_least, timeout),
        };
        let before = completions.len();
        let mut rung = false;
        for cqe in self.ring.completions() {
            let id = cqe.user_data;
            if id < MARK {
                completions.push(Completion { id, result: cqe.res, lane: Lane::Ring });
            } else if id < RUNG {
                completions.extend(self.wholes.completed(id, cqe.res));
            } else {
                rung |= id == RUNG;
            }
        }
        if self.polls {
            // At most so many as were counted in.
            self.polled -= u32::try_from(completions.len() - before).unwrap_or(0);
        }
        if let Some(bell) = self.bell.as_ref().filter(|_| rung) {
            // Before the caller looks for the reason, so that what comes later rings again.
            bell.silence();
            self.listening = false;
        }
        if entered.is_ok() || completions.len() > before {
            self.stalls = 0;
        }
        if !self.sqpoll && self.runs.taken(offered - self.ring.pending()) {
            return Err(cut());
        }
        match entered {
            Ok(_) => Ok(()),
            Err(error) => self.pass_over(&error),
        }
    }
}

impl Uring {
    /// Whether the run at the front of `batch` fits as a whole; then its place is noted.
    #[cold]
    fn has_room_for_run(&mut self, batch: &[Request]) -> bool {
        let linked = batch.iter().take_while(|request| request.linked).count();
        let len = match batch[0].kind {
            RequestKind::OpenSlot => ENTRIES,
            _ => u32::try_from(linked + 1).unwrap_or(u32::MAX),
        };
        let pending = self.ring.pending();
        let fits = len <= self.ring.sq_entries() - pending;
        if fits {
            self.runs.staged(pending, len);
        }
        fits
    }

    /// Stages a run that reads a whole file, for which there is room.
    ///
    /// # Safety
    /// The contract of `stage`: the path and the memory stay valid until the completions.
    #[cold]
    unsafe fn push_whole(&mut self, run: &[Request]) {
        for sqe in self.wholes.begin(run) {
            // SAFETY: the caller vouches for the path and the memory; the byte of the look is kept
            // beside the ring, and is dropped after it.
            let pushed = unsafe { self.ring.push(&sqe) };
            assert!(pushed.is_ok(), "there was room for the whole run");
        }
    }

    /// Keeps one poll of the bell with the ring; answers whether a wake-up would be noticed.
    #[inline]
    fn listen(&mut self) -> bool {
        // A ring that polls takes no poll of the bell: there the wait looks at it.
        let deaf = !self.listening && !self.polls;
        let Some(bell) = self.bell.as_ref().filter(|_| deaf) else { return true };
        let events = u32::from(libc::POLLIN.cast_unsigned());
        let sqe = op::poll(bell.target(), events, PollFlags::empty()).with_user_data(RUNG);
        // SAFETY: the entry names no memory, and the bell's descriptor stays open longer than the
        // ring.
        self.listening = unsafe { self.ring.push(&sqe) }.is_ok();
        self.listening
    }

    /// On a ring that polls: completions are found only by a call that looks for them, and that
    /// call cannot be woken, so that one with nothing to find is a wait for the bell.
    #[cold]
    fn enter_and_poll(&mut self, wait: Wait) -> Result<u32, iomill_ring::Error> {
        if self.polled > 0 {
            let at_least = wait.at_least().min(self.polled);
            return self.ring.submit_with(&iomill_ring::Wait::until(at_least));
        }
        if let Some(bell) = self.bell.as_ref().filter(|_| wait != Wait::None) {
            bell.wait(wait);
            bell.silence();
        }
        self.ring.submit()
    }

    /// Makes the plain system calls.
    #[cold]
    fn make_aside(&mut self, completions: &mut Vec<Completion>) {
        for request in self.aside.drain(..) {
            // SAFETY: the contract of `stage`: until the completion, which is appended here, the
            // file is open and the memory is the backend's.
            let result = unsafe { perform(&request) };
            completions.push(Completion { id: request.id, result, lane: Lane::Inline });
        }
    }

    /// An `enter` that did nothing is repeated by the next tick; one that never will do anything is
    /// an error.
    #[cold]
    fn pass_over(&mut self, error: &iomill_ring::Error) -> Result<(), Error> {
        use iomill_ring::ErrorKind as Ring;
        match error.kind() {
            Ring::Interrupted | Ring::TimedOut => Ok(()),
            Ring::Again | Ring::Busy if self.stalls < STALLS_MAX => {
                self.stalls += 1;
                std::thread::yield_now();
                Ok(())
            }
            _ => Err(failed("drive io_uring", error)),
        }
    }
}

/// Whether a ring that polls takes it. On Linux 5.10 it refuses even what does nothing.
fn can_be_polled(request: &Request) -> bool {
    request.kind.is_transfer() && request.direct
}
