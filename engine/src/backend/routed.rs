//! A backend with lanes around another one: each request goes to the ring or the pool, to a plain
//! call on the engine's own thread, or to helpers beside the ring, as the table says. Made by
//! `select`; never decides by itself (that is `lanes`) and never retries a request.
//!
//! What goes to the other backend is passed on in runs, without a copy. The calls on this thread
//! are made by `enter`, before the other backend's turn, so that one wait serves both.

use super::beside::Helpers;
use super::cached::CachedFiles;
use super::call::{perform, perform_here, read_from_cache};
use super::crew::Crew;
use super::watch::Watch;
use super::{Backend, Clock, Completion, Memory, Request, RequestFile, RequestKind, Wait};
use crate::error::Error;
use crate::lanes::{Base, CellIndex, FileSystem, Lane, LaneOp, LaneTable, QueueLength, Route};
use crate::platform::Processors;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::task::Waker;

/// Another backend, and the lanes beside it.
#[derive(Debug)]
pub(crate) struct Routed<B> {
    base: B,
    table: LaneTable,
    watch: Watch,
    in_flight: usize,
    /// Staged for this thread: carried out by the next `enter`.
    here: Vec<(Request, Route)>,
    /// What the other backend had no room for; it is offered again by the next `enter`.
    refused: Vec<Request>,
    /// The descriptors of registered files, which the other backend knows by their slots.
    slots: Vec<RawFd>,
    cached_files: CachedFiles,
    helpers: Option<Helpers>,
    /// How many helpers there will be if any are needed.
    helper_count: u32,
    /// Where they are to run.
    processors: Processors,
    depth: u32,
    /// Whether other threads can wake `enter`: then its caller has more to wait for than requests.
    has_waker: bool,
}

impl<B: Backend> Routed<B> {
    /// Lanes around `base`, for `depth` requests in flight.
    pub(crate) fn new(
        base: B,
        kind: Base,
        mut table: LaneTable,
        corrected: bool,
        depth: u32,
        helper_count: u32,
    ) -> Self {
        if kind == Base::Pool {
            table.without_helpers();
        }
        Self {
            base,
            watch: Watch::new(&table, corrected),
            table,
            in_flight: 0,
            here: Vec::with_capacity(depth as usize),
            refused: Vec::with_capacity(depth as usize),
            slots: Vec::new(),
            cached_files: CachedFiles::new(),
            helpers: None,
            helper_count,
            processors: Processors::current(),
            depth,
            has_waker: false,
        }
    }

    /// Starts the helpers, if they have not been started.
    pub(crate) fn start_helpers(&mut self) -> Result<(), Error> {
        if self.helpers.is_none() {
            let alarm = self.base.waker()?;
            let crew = Crew::new(self.helper_count, self.processors);
            self.helpers = Some(Helpers::start(crew, self.depth, alarm)?);
        }
        Ok(())
    }

    /// What the table says of a request.
    #[inline]
    fn route(&self, request: &Request, queue: QueueLength) -> Route {
        let op = LaneOp::of(request);
        self.table.route_at(CellIndex::new(op, request.file_system, request.direct, queue))
    }

    /// The route, or `Backend` where it cannot be gone.
    #[inline]
    fn passable(&mut self, request: &Request, route: Route) -> Route {
        let possible = match route {
            Route::Backend => true,
            _ if request.kind == RequestKind::Nop => false,
            Route::IfCached => self.is_worth_trying(request),
            Route::Inline | Route::IfAwaited => self.file_of(request).is_some(),
            Route::Helpers => self.file_of(request).is_some() && self.have_helpers(),
        };
        if possible { route } else { Route::Backend }
    }

    /// Whether there are helpers, now at the latest. If there are none to be had, nothing goes to
    /// them any more.
    fn have_helpers(&mut self) -> bool {
        let started = self.start_helpers().is_ok();
        if !started {
            self.table.without_helpers();
        }
        started
    }

    /// Whether the page cache is to be asked for a read on this thread.
    #[inline]
    fn is_worth_trying(&mut self, request: &Request) -> bool {
        let plain = request.kind == RequestKind::Read && request.flags == 0 && !request.direct;
        if !plain {
            return false;
        }
        let Some(RequestFile::Fd(fd)) = self.file_of(request) else { return false };
        self.cached_files.of(fd).is_worth_trying()
    }

    /// The request's file with a descriptor in the place of a slot, which only the ring
    /// understands; `None` for a slot whose descriptor is not known.
    #[inline]
    fn file_of(&self, request: &Request) -> Option<RequestFile> {
        let RequestFile::Slot(slot) = request.file else { return Some(request.file) };
        let fd = *self.slots.get(slot as usize)?;
        (fd >= 0).then_some(RequestFile::Fd(fd))
    }

    /// The request with that file.
    #[inline]
    fn resolved(&self, request: &Request) -> Option<Request> {
        Some(Request { file: self.file_of(request)?, ..*request })
    }

    /// So many of a batch were taken.
    #[inline]
    fn took(&mut self, count: usize) -> usize {
        self.in_flight += count;
        if count == 0 {
            self.watch.forget();
        }
        count
    }

    /// Keeps a request beside the other backend.
    fn keep(&mut self, request: &Request, route: Route) {
        if route != Route::Helpers {
            // As it came: what the cache does not have goes on to the other backend.
            self.here.push((*request, route));
            return;
        }
        match (self.resolved(request), &mut self.helpers) {
            (Some(resolved), Some(helpers)) => {
                // SAFETY: the caller of `stage` vouches for the file and the memory; a slot's file
                // is open as long as the slot is filled.
                unsafe { helpers.stage(&resolved) };
            }
            _ => unreachable!("`passable` has seen that both are there"),
        }
    }

    /// Makes the calls that are for this thread.
    fn run_here(&mut self, wait: Wait, completions: &mut Vec<Completion>) {
        let is_only_one = self.in_flight == 1 && !self.has_waker;
        let awaited = is_only_one && matches!(wait, Wait::AtLeast(1..));
        let mut here = std::mem::take(&mut self.here);
        for (request, route) in &here {
            match self.call(request, *route, awaited) {
                Some(result) => {
                    completions.push(Completion { id: request.id, result, lane: Lane::Inline });
                }
                None => self.refused.push(*request),
            }
        }
        here.clear();
        self.here = here;
    }

    /// Makes one call, if this is the place for it after all.
    #[inline]
    fn call(&mut self, request: &Request, route: Route, awaited: bool) -> Option<i32> {
        match route {
            Route::IfAwaited if awaited => {
                let request = self.resolved(request)?;
                // SAFETY: the contract of `stage`: until the completion the file is open and the
                // memory is the backend's, and nobody else has this request.
                Some(unsafe { perform(&request) })
            }
            Route::Inline => {
                let request = self.resolved(request)?;
                // SAFETY: as above.
                let call = || unsafe { perform_here(&request) };
                self.watch.around(&mut self.table, request.id, call)
            }
            _ if route == Route::IfAwaited && !self.is_worth_trying(request) => None,
            _ => {
                let RequestFile::Fd(fd) = self.file_of(request)? else { return None };
                // SAFETY: as above.
                let answer = unsafe { read_from_cache(fd, request) };
                self.cached_files.of(fd).tried(answer >= 0);
                // Whatever the errno, the other backend decides: some file systems cannot try.
                (answer >= 0).then_some(answer)
            }
        }
    }

    /// Offers the other backend again what it had no room for, or what this thread could not do.
    fn offer(&mut self) {
        // SAFETY: the caller of `stage` has vouched for each of them until its completion.
        let taken = unsafe { self.base.stage(&self.refused) };
        self.refused.drain(..taken);
    }

    /// `enter` where not everything is with the other backend.
    fn enter_lanes(&mut self, wait: Wait, done: &mut Vec<Completion>) -> Result<(), Error> {
        let before = done.len();
        self.run_here(wait, done);
        if !self.refused.is_empty() {
            self.offer();
        }
        if done.len() - before == self.in_flight && self.in_flight > 0 {
            return Ok(());
        }
        if let Some(helpers) = &mut self.helpers {
            helpers.reap(done)?;
        }
        let wait = wait.after(done.len() - before);
        match self.helpers.as_mut().filter(|helpers| !helpers.are_idle()) {
            Some(helpers) => helpers.wait_in(wait, done, |wait, done| self.base.enter(wait, done)),
            None => self.base.enter(wait, done),
        }
    }
}

// SAFETY: each request is with one of three: the other backend and the helpers, which keep the
// contract themselves, and this thread, which touches its memory only inside the call.
unsafe impl<B: Backend> Backend for Routed<B> {
    fn name(&self) -> &'static str {
        self.base.name()
    }

    fn enters(&self) -> u64 {
        self.base.enters() + self.helpers.as_ref().map_or(0, Helpers::enters)
    }

    fn overflows(&self) -> u64 {
        self.base.overflows()
    }

    unsafe fn register_memory(&mut self, pieces: &[Memory]) -> Result<(), Error> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.base.register_memory(pieces) }
    }

    fn register_slots(&mut self, slots: u32) -> Result<(), Error> {
        self.base.register_slots(slots)?;
        self.slots = vec![-1; slots as usize];
        Ok(())
    }

    fn set_slot(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        self.base.set_slot(slot, file)?;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = file.map_or(-1, |file| file.as_raw_fd());
        }
        Ok(())
    }

    #[inline]
    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        let queue = QueueLength::of(self.in_flight + batch.len());
        let planned = self.watch.plan(&self.table, batch, queue);
        let mut planned = planned.map(|route| self.passable(&batch[0], route));
        let (mut taken, mut index, mut in_run) = (0, 0, false);
        while let Some(request) = batch.get(index) {
            // A run stays whole, and its order is the other backend's to keep.
            let is_linked = std::mem::replace(&mut in_run, request.linked) || request.linked;
            let route = match planned.take() {
                Some(route) => route,
                None if is_linked => Route::Backend,
                None => {
                    let route = self.route(request, queue);
                    if route == Route::Backend {
                        // Most batches are of one sort: what is like it goes the same way.
                        let others = batch[index + 1..].iter();
                        index += others.take_while(|other| goes_as(other, request)).count();
                    }
                    self.passable(request, route)
                }
            };
            index += 1;
            if route == Route::Backend {
                continue;
            }
            // First those before it, so that what is taken is the front of the batch.
            // SAFETY: the caller's promise is passed on.
            taken += unsafe { self.base.stage(&batch[taken..index - 1]) };
            if taken < index - 1 {
                return self.took(taken);
            }
            self.keep(request, route);
            taken += 1;
        }
        // SAFETY: the caller's promise is passed on.
        taken += unsafe { self.base.stage(&batch[taken..]) };
        self.took(taken)
    }

    fn cancel(&mut self, id: u64) -> bool {
        if let Some(helpers) = self.helpers.as_mut().filter(|helpers| helpers.have(id)) {
            return helpers.cancel(id);
        }
        let is_here = self.here.iter().any(|(request, _)| request.id == id);
        // What has not reached the other backend yet is asked for again when it has, or is done.
        let is_refused = self.refused.iter().any(|request| request.id == id);
        !is_here && !is_refused && self.base.cancel(id)
    }

    fn waker(&mut self) -> Result<Waker, Error> {
        self.has_waker = true;
        self.base.waker()
    }

    fn links(&self, first: RequestKind, next: RequestKind) -> bool {
        self.base.links(first, next)
    }

    fn reads_whole(&self, others: usize) -> bool {
        let queue = QueueLength::of(others + 3);
        // Nothing is known of what a path leads to.
        let open = CellIndex::new(LaneOp::Open, FileSystem::Unknown, false, queue);
        self.table.route_at(open) == Route::Backend && self.base.reads_whole(others)
    }

    fn clock(&self) -> Clock {
        self.base.clock()
    }

    fn has_real_files(&self) -> bool {
        self.base.has_real_files()
    }

    fn lanes(&self) -> Option<&LaneTable> {
        Some(&self.table)
    }

    #[inline]
    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        let before = completions.len();
        let all_there = self.here.is_empty() && self.refused.is_empty() && self.helpers.is_none();
        let entered = if all_there {
            self.base.enter(wait, completions)
        } else {
            self.enter_lanes(wait, completions)
        };
        self.in_flight -= completions.len() - before;
        self.watch.arrived(&mut self.table, &completions[before..]);
        entered
    }
}

/// Whether a request leads to the same cell of the table as another one before it in the batch,
/// neither of them in a run.
#[inline]
fn goes_as(request: &Request, other: &Request) -> bool {
    request.kind == other.kind
        && !request.linked
        && request.flags == other.flags
        && request.len == other.len
        && request.direct == other.direct
        && request.file_system == other.file_system
}
