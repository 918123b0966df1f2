//! A backend that answers by a script and notes what it was given: for tests of what the engine
//! hands over, and in which order. It carries requests out on real files unless the script cuts
//! them short or refuses them, and links as the contract says, or not at all.

use iomill_engine::backend::{Backend, Completion, Memory, Request, RequestFile, RequestKind};
use iomill_engine::{Config, Engine, Error, File, Lane, Wait};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;

/// What happens to one request that is begun; with an empty script all goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out.
    Good,
    /// A transfer moves at most so many bytes.
    Short(usize),
    /// It fails with this errno and does nothing.
    Errno(i32),
}

/// One request as it was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: RequestKind,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) flags: u32,
    pub(crate) linked: bool,
}

/// What a test shares with its backend.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) fates: VecDeque<Fate>,
    /// The same for requests on one file, by its descriptor.
    pub(crate) fates_of: HashMap<RawFd, VecDeque<Fate>>,
    /// Each call of `stage`, in order.
    pub(crate) batches: Vec<Vec<Seen>>,
    /// Requests that were begun, in order.
    pub(crate) begun: Vec<Seen>,
    /// Ids that the engine wanted to be given up.
    pub(crate) cancelled: Vec<u64>,
    /// How many ids those were in all.
    pub(crate) cancels: u32,
    /// While set, nothing is begun and nothing completes.
    pub(crate) held: bool,
    /// The next request that is cancelled is begun all the same, and nothing behind it.
    pub(crate) cancel_comes_late: bool,
    /// The completions of a run come in the wrong order, all of them successful.
    pub(crate) breaks_the_contract: bool,
    /// As Linux does when it refuses the last request of a run before it begins any.
    pub(crate) refuses_runs: Option<i32>,
    /// Whether files are read whole in one run.
    pub(crate) reads_whole: bool,
    /// Whether such runs end behind their open, as if their files were pipes.
    pub(crate) cuts_whole: bool,
    /// What every request of this kind fails with, whatever the fates say.
    pub(crate) fails: Option<(RequestKind, i32)>,
    /// What is open in the slots, and how many there are.
    pub(crate) slots: HashMap<u32, RawFd>,
    pub(crate) slot_count: u32,
    /// At most so many slots can be had.
    pub(crate) slots_max: Option<u32>,
}

impl Script {
    /// The kinds of the batches, for comparison.
    pub(crate) fn kinds(&self) -> Vec<Vec<RequestKind>> {
        self.batches.iter().map(|batch| batch.iter().map(|seen| seen.kind).collect()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Scripted {
    script: Rc<RefCell<Script>>,
    staged: VecDeque<Request>,
    links: bool,
}

/// An engine on a scripted backend, and the script.
pub(crate) fn scripted(config: &Config, links: bool) -> (Engine, Rc<RefCell<Script>>) {
    scripted_by(config, links, Script::default())
}

/// The same with a script that says something before the engine starts.
pub(crate) fn scripted_by(
    config: &Config,
    links: bool,
    script: Script,
) -> (Engine, Rc<RefCell<Script>>) {
    let script = Rc::new(RefCell::new(script));
    let backend = Scripted { script: Rc::clone(&script), staged: VecDeque::new(), links };
    (Engine::with_backend(config, Box::new(backend)).unwrap(), script)
}

/// Carries a request out, a transfer for at most `most` bytes.
fn carry_out(request: &Request, most: usize) -> i32 {
    let offset = i64::try_from(request.offset).unwrap();
    let (address, len) = (request.address, (request.len as usize).min(most));
    let RequestFile::Fd(fd) = request.file else { return carry_out_without_file(request) };
    let answer = match request.kind {
        // SAFETY: the engine vouches for the memory and the file until the completion.
        RequestKind::Read => unsafe { libc::pread(fd, address.cast(), len, offset) },
        // SAFETY: as above.
        RequestKind::Write => unsafe { libc::pwrite(fd, address.cast(), len, offset) },
        // SAFETY: no memory is named.
        RequestKind::Truncate => unsafe { libc::ftruncate(fd, offset) as isize },
        _ => 0,
    };
    if answer < 0 {
        return -std::io::Error::last_os_error().raw_os_error().unwrap();
    }
    i32::try_from(answer).unwrap()
}

fn carry_out_without_file(request: &Request) -> i32 {
    let path = request.address.cast_const().cast();
    let answer = match request.kind {
        // SAFETY: the engine vouches for the path until the completion.
        RequestKind::Open => unsafe { libc::open(path, request.flags.cast_signed()) },
        // SAFETY: the engine gives the descriptor up.
        RequestKind::Close => unsafe { libc::close(request.len.cast_signed()) },
        _ => 0,
    };
    if answer < 0 { -std::io::Error::last_os_error().raw_os_error().unwrap() } else { answer }
}

impl Script {
    /// Begins a request; answers its result.
    fn begin(&mut self, request: &Request) -> i32 {
        self.begun.push(seen(request));
        let fates = match request.file {
            RequestFile::Fd(fd) => self.fates_of.get_mut(&fd).unwrap_or(&mut self.fates),
            _ => &mut self.fates,
        };
        let fate = fates.pop_front().unwrap_or(Fate::Good);
        if let (RequestKind::Close, Fate::Errno(errno)) = (request.kind, fate) {
            // The descriptor is gone whatever the kernel says.
            self.carry_out(request, 0);
            return -errno;
        }
        if let Some((_, errno)) = self.fails.filter(|(kind, _)| kind.name() == request.kind.name())
        {
            return -errno;
        }
        match fate {
            Fate::Good => self.carry_out(request, usize::MAX),
            Fate::Short(most) => self.carry_out(request, most),
            Fate::Errno(errno) => -errno,
        }
    }

    /// Carries out what is about a slot; what is not, without one.
    fn carry_out(&mut self, request: &Request, most: usize) -> i32 {
        let RequestFile::Slot(slot) = request.file else { return carry_out(request, most) };
        let plain = |kind, file| Request { kind, file, ..*request };
        if request.kind == RequestKind::OpenSlot {
            let answer = carry_out(&plain(RequestKind::Open, RequestFile::None), most);
            if answer < 0 {
                return answer;
            }
            assert_eq!(self.slots.insert(slot, answer), None, "the slot was in use");
            return 0;
        }
        let Some(fd) = self.slots.get(&slot).copied() else { return -libc::EBADF };
        match request.kind {
            RequestKind::CloseSlot => {
                self.slots.remove(&slot);
                // SAFETY: the script owns the descriptor, and gives it up.
                unsafe { libc::close(fd) }
            }
            RequestKind::ReadSlot => {
                let read = plain(RequestKind::Read, RequestFile::Fd(fd));
                let (all, answer) = (carry_out(&read, usize::MAX), carry_out(&read, most));
                if answer < all { -libc::EAGAIN } else { answer }
            }
            kind => carry_out(&plain(kind, RequestFile::Fd(fd)), most),
        }
    }
}

fn seen(request: &Request) -> Seen {
    let Request { kind, offset, len, flags, linked, .. } = *request;
    Seen { kind, offset, len, flags, linked }
}

// SAFETY: memory is touched only inside `enter`, before the request's one completion.
unsafe impl Backend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn enters(&self) -> u64 {
        0
    }

    unsafe fn register_memory(&mut self, _pieces: &[Memory]) -> Result<(), Error> {
        Ok(())
    }

    fn register_slots(&mut self, slots: u32) -> Result<(), Error> {
        let mut script = self.script.borrow_mut();
        if script.slots_max.is_some_and(|most| slots > most) {
            return Err(File::open("no such file").unwrap_err());
        }
        script.slot_count = slots;
        Ok(())
    }

    fn set_slot(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        if let (None, Some(fd)) = (file, self.script.borrow_mut().slots.remove(&slot)) {
            // SAFETY: the script owns the descriptor, and gives it up.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
        Ok(())
    }

    fn reads_whole(&self, _others: usize) -> bool {
        self.script.borrow().reads_whole
    }

    fn links(&self, _first: RequestKind, _next: RequestKind) -> bool {
        self.links
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        assert!(!batch.last().is_some_and(|last| last.linked), "a run ends inside its batch");
        self.staged.extend(batch);
        self.script.borrow_mut().batches.push(batch.iter().map(seen).collect());
        batch.len()
    }

    fn cancel(&mut self, id: u64) -> bool {
        let mut script = self.script.borrow_mut();
        script.cancelled.push(id);
        script.cancels += 1;
        true
    }

    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        let mut script = self.script.borrow_mut();
        if let (true, Wait::For { timeout, .. }) = (script.held, wait) {
            std::thread::sleep(timeout);
        }
        let cancelled = std::mem::take(&mut script.cancelled);
        let mut too_late = None;
        if script.cancel_comes_late && !cancelled.is_empty() {
            script.cancel_comes_late = false;
            too_late = self.staged.front().map(|first| first.id);
        }
        let (mut before, mut broken) = (None::<Request>, false);
        let mut left = VecDeque::new();
        for request in self.staged.drain(..) {
            let behind = before.is_some_and(|before| before.linked);
            before = Some(request);
            broken &= behind;
            let was_broken = broken;
            let late = too_late == Some(request.id);
            let was_cancelled = too_late.is_none() && cancelled.contains(&request.id);
            if script.held && !late && !was_cancelled && !broken {
                left.push_back(request);
                continue;
            }
            let refused = script.refuses_runs.filter(|_| behind || request.linked);
            let result = match refused {
                Some(errno) if !request.linked => -errno,
                Some(_) => -libc::ECANCELED,
                None if broken || was_cancelled => -libc::ECANCELED,
                None => script.begin(&request),
            };
            let is_full =
                !request.kind.is_transfer() || i64::from(result) == i64::from(request.len);
            broken = request.linked && (result < 0 || !is_full) && !script.breaks_the_contract;
            broken = match request.kind {
                RequestKind::OpenSlot => broken || script.cuts_whole,
                // The close begins if the read has, or would have without a cancel.
                RequestKind::ReadSlot => was_broken,
                _ => broken,
            };
            completions.push(Completion { id: request.id, result, lane: Lane::Ring });
        }
        self.staged = left;
        if script.breaks_the_contract {
            completions.reverse();
            script.breaks_the_contract = false;
        }
        Ok(())
    }
}
