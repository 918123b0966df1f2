//! The wishes for a new ring, checked and put to the kernel. Makes `ring::Ring` and
//! `disabled::DisabledRing`; never falls back to anything that is not io_uring.

use super::conflict;
use super::disabled::DisabledRing;
use super::ladder::{self, Granted, Refusal};
use super::memory::{Lent, Place, QueueMemory, Sizes};
use crate::abi::{Features, Params, SetupFlags};
use crate::cqueue::CompletionQueue;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::ring::{Parts, Ring};
use crate::squeue::SubmissionQueue;
use crate::syscall;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// Most entries of a submission queue that the kernel accepts: `IORING_MAX_ENTRIES`.
const ENTRIES_MAX: u32 = 32_768;
/// Most entries of a completion queue: `IORING_MAX_CQ_ENTRIES`.
const CQ_ENTRIES_MAX: u32 = 2 * ENTRIES_MAX;
/// Flags that `require` takes. The others carry a value and have a method of their own, or change
/// what our side of the queues must do in a way that this crate does not know.
const BY_REQUIRE: SetupFlags = SetupFlags::IOPOLL
    .union(SetupFlags::HYBRID_IOPOLL)
    .union(SetupFlags::CLAMP)
    .union(SetupFlags::SQE128)
    .union(SetupFlags::SQE_MIXED)
    .union(SetupFlags::CQE32)
    .union(SetupFlags::CQE_MIXED)
    .union(SetupFlags::REGISTERED_FD_ONLY);

/// A kernel thread that takes submissions, so that they need no system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqPoll {
    /// How long it looks for work before it sleeps. Units: milliseconds are what the kernel keeps;
    /// zero means its default of one second.
    pub idle: Duration,
    /// The CPU to bind it to.
    pub cpu: Option<u32>,
}

/// Wishes for a new ring.
#[derive(Clone, Debug)]
pub struct Builder {
    entries: u32,
    cq_entries: Option<u32>,
    sqpoll: Option<SqPoll>,
    attached_to: Option<Arc<OwnedFd>>,
    place: Place,
    optional: SetupFlags,
    required: SetupFlags,
    register_ring_fd: bool,
}

impl Builder {
    /// A ring with room for `entries` submissions, rounded up to a power of two.
    ///
    /// Asks for everything that makes a ring faster when one thread uses it, and gives up one by
    /// one what the kernel lacks: [`Ring::given_up`] says which and why. What the methods below ask
    /// for is never given up: without it there is no ring but an error.
    pub fn new(entries: u32) -> Self {
        Self {
            entries,
            cq_entries: None,
            sqpoll: None,
            attached_to: None,
            place: Place::Kernel,
            optional: ladder::optional(),
            required: SetupFlags::empty(),
            register_ring_fd: true,
        }
    }

    /// Asks for a completion queue of this size instead of twice the submission queue.
    ///
    /// Kernel: Linux 5.5.
    #[must_use]
    pub fn cq_entries(mut self, cq_entries: u32) -> Self {
        self.cq_entries = Some(cq_entries);
        self
    }

    /// Asks for a kernel thread that takes submissions. `COOP_TASKRUN` and `DEFER_TASKRUN` exclude
    /// it, so they are given up.
    ///
    /// Kernel: Linux 5.1; without registered files 5.11.
    #[must_use]
    pub fn sqpoll(mut self, sqpoll: SqPoll) -> Self {
        self.sqpoll = Some(sqpoll);
        self
    }

    /// Does not ask for these optional flags.
    #[must_use]
    pub fn without(mut self, flags: SetupFlags) -> Self {
        self.optional &= !flags;
        self
    }

    /// Insists on these flags: a kernel that lacks one is an error instead of a slower ring.
    ///
    /// Flags that carry a value (`CQSIZE`, `SQPOLL`, `SQ_AFF`, `ATTACH_WQ`, `NO_MMAP`) and
    /// `R_DISABLED` have methods of their own and are refused here by [`build`](Self::build).
    #[must_use]
    pub fn require(mut self, flags: SetupFlags) -> Self {
        self.required |= flags;
        self
    }

    /// Does not register the ring's own descriptor for its thread.
    #[must_use]
    pub fn without_registered_fd(mut self) -> Self {
        self.register_ring_fd = false;
        self
    }

    /// Polls the device for completions instead of waiting for its interrupt. Only reads and writes
    /// with `O_DIRECT` on a device with polled queues succeed; others complete with `EOPNOTSUPP`.
    /// Completions appear only after a call that waits.
    ///
    /// Kernel: Linux 5.1, `IORING_SETUP_IOPOLL`.
    #[must_use]
    pub fn iopoll(self) -> Self {
        self.require(SetupFlags::IOPOLL)
    }

    /// As [`iopoll`](Self::iopoll), but sleeps for a part of the expected time first.
    ///
    /// Kernel: Linux 6.13, `IORING_SETUP_HYBRID_IOPOLL`.
    #[must_use]
    pub fn hybrid_iopoll(self) -> Self {
        self.require(SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL)
    }

    /// Cuts sizes to the kernel's limits instead of refusing them; [`Ring::sq_entries`] and
    /// [`Ring::cq_entries`] say what came out.
    ///
    /// Kernel: Linux 5.6, `IORING_SETUP_CLAMP`.
    #[must_use]
    pub fn clamp(self) -> Self {
        self.require(SetupFlags::CLAMP)
    }

    /// Shares the kernel workers of the ring behind `ring`; with SQPOLL on both, also its thread.
    ///
    /// Kernel: Linux 5.6, `IORING_SETUP_ATTACH_WQ`. Workers belong to the thread since Linux 5.12,
    /// so without SQPOLL it changes nothing there.
    ///
    /// # Errors
    /// `TooManyFiles` when the descriptor cannot be kept for the set-up.
    pub fn attach_wq(mut self, ring: BorrowedFd<'_>) -> Result<Self, Error> {
        let kept = ring.try_clone_to_owned().map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EMFILE);
            Error::setup(errno, self.entries, "ATTACH_WQ", None)
        })?;
        self.attached_to = Some(Arc::new(kept));
        Ok(self)
    }

    /// Makes submission entries 128 bytes long, for [`Ring::push128`].
    ///
    /// Kernel: Linux 5.19, `IORING_SETUP_SQE128`.
    #[must_use]
    pub fn sqe128(self) -> Self {
        self.require(SetupFlags::SQE128)
    }

    /// Allows submission entries of 64 and of 128 bytes in one queue, the long ones by
    /// [`Ring::push128`] and with opcodes of their own.
    ///
    /// Kernel: Linux 6.19, `IORING_SETUP_SQE_MIXED`.
    #[must_use]
    pub fn sqe_mixed(self) -> Self {
        self.require(SetupFlags::SQE_MIXED)
    }

    /// Makes completions 32 bytes long, for
    /// [`Completions::next_with_extra`](crate::Completions::next_with_extra).
    ///
    /// Kernel: Linux 5.19, `IORING_SETUP_CQE32`.
    #[must_use]
    pub fn cqe32(self) -> Self {
        self.require(SetupFlags::CQE32)
    }

    /// Allows completions of 16 and of 32 bytes in one queue.
    ///
    /// Kernel: Linux 6.18, `IORING_SETUP_CQE_MIXED`.
    #[must_use]
    pub fn cqe_mixed(self) -> Self {
        self.require(SetupFlags::CQE_MIXED)
    }

    /// Puts both queues into huge pages of 2 MiB, which spares address translations.
    ///
    /// Kernel: Linux 6.5, `IORING_SETUP_NO_MMAP`. The pages come out of `vm.nr_hugepages`.
    #[must_use]
    pub fn huge_pages(mut self) -> Self {
        self.place = Place::HugePages;
        self
    }

    /// Puts both queues into the caller's memory, of which the ring uses the first
    /// [`memory_len_bytes`](Self::memory_len_bytes).
    ///
    /// Kernel: Linux 6.5, `IORING_SETUP_NO_MMAP`. The kernel pins the memory, which counts against
    /// the limit of locked memory. Before Linux 6.10 each queue must lie in one huge page or fit
    /// into one page.
    ///
    /// # Safety
    /// - The `len_bytes` at `memory` are mapped readable and writable and stay so until every ring
    ///   that was built from this value or a clone of it was dropped.
    /// - They are a mapping of their own, as mmap(2) makes it. After the ring was dropped it may be
    ///   unmapped, but not be used for anything else and not be given to an allocator: the kernel
    ///   takes a ring down in the background and writes to the queues until then, which was seen to
    ///   corrupt a heap on Linux 6.18. It holds the pages by itself, so unmapping does no harm.
    /// - Nothing but the ring touches the memory. Only one build is ever tried in it, because also
    ///   one that fails may have had the kernel set up a ring there.
    #[must_use]
    pub unsafe fn no_mmap(mut self, memory: NonNull<u8>, len_bytes: usize) -> Self {
        let address = memory.as_ptr().expose_provenance();
        self.place = Place::Caller { address, len_bytes };
        self
    }

    /// Bytes that [`no_mmap`](Self::no_mmap) needs for the sizes wished so far, beginning at a
    /// page.
    pub fn memory_len_bytes(&self) -> usize {
        self.sizes().total_len_bytes()
    }

    /// Gives the ring no file descriptor, only an index that is registered for the thread which
    /// builds it; nobody can pass it on or inherit it. Needs [`no_mmap`](Self::no_mmap) or
    /// [`huge_pages`](Self::huge_pages), because there is nothing to map.
    ///
    /// Kernel: Linux 6.5, `IORING_SETUP_REGISTERED_FD_ONLY`.
    #[must_use]
    pub fn registered_fd_only(self) -> Self {
        self.require(SetupFlags::REGISTERED_FD_ONLY)
    }

    /// Sets the ring up.
    ///
    /// # Errors
    /// When a size is out of its range, when two wishes exclude each other, when the kernel has no
    /// io_uring or a policy forbids it, when it lacks something that was required, and when memory,
    /// locked memory or file descriptors run out. The message says which and what to do.
    pub fn build(&self) -> Result<Ring, Error> {
        let mut parts = self.open(SetupFlags::empty())?;
        parts.register_index(self.register_ring_fd);
        Ok(Ring::assemble(parts))
    }

    /// Sets the ring up disabled: it can be given restrictions and registrations, and be sent to
    /// the thread that is to use it, before [`DisabledRing::enable`] starts it.
    ///
    /// Kernel: Linux 5.10, `IORING_SETUP_R_DISABLED`.
    ///
    /// # Errors
    /// As [`build`](Self::build); and `InvalidArgument` with
    /// [`registered_fd_only`](Self::registered_fd_only), whose ring cannot leave its thread.
    pub fn build_disabled(&self) -> Result<DisabledRing, Error> {
        if self.required.contains(SetupFlags::REGISTERED_FD_ONLY) {
            let detail = "REGISTERED_FD_ONLY and R_DISABLED exclude each other here: a ring \
                          without a descriptor cannot go to another thread";
            return Err(Error::invalid("io_uring_setup", detail.into()));
        }
        let parts = self.open(SetupFlags::R_DISABLED)?;
        Ok(DisabledRing::new(Ring::assemble(parts), self.register_ring_fd))
    }

    /// Checks the wishes, asks the kernel and finds the queues.
    fn open(&self, extra: SetupFlags) -> Result<Parts, Error> {
        self.check()?;
        let lent = Lent::new(self.place, self.sizes())?;
        let required = self.all_required() | extra;
        let answer = ladder::negotiate(self.optional, required, |flags| self.ask(flags, &lent));
        let Granted { ring: (descriptor, params), given_up } =
            answer.map_err(|refusal| self.refused(&refusal))?;
        if !params.features.contains(Features::SINGLE_MMAP | Features::NODROP) {
            return Err(Error::unsupported(
                "io_uring_setup",
                "the kernel is older than Linux 5.5 and may lose completions: use a newer one",
            ));
        }
        let memory = match (lent, descriptor.fd()) {
            (Some(lent), _) => QueueMemory::lent(lent),
            (None, Some(fd)) => QueueMemory::map(fd, &params)?,
            (None, None) => unreachable!("REGISTERED_FD_ONLY was checked to come with NO_MMAP"),
        };
        Ok(Parts {
            sq: SubmissionQueue::new(&memory.rings, &memory.entries, &params),
            cq: CompletionQueue::new(&memory.rings, &params),
            memory,
            descriptor,
            flags: params.flags,
            features: params.features,
            given_up,
        })
    }

    /// Refuses what the kernel would refuse, but says which number or which pair is wrong.
    fn check(&self) -> Result<(), Error> {
        let invalid = |detail| Err(Error::invalid("io_uring_setup", detail));
        let (entries, clamp) = (self.entries, self.required.contains(SetupFlags::CLAMP));
        if entries == 0 || (entries > ENTRIES_MAX && !clamp) {
            return invalid(format!("{entries} entries: choose 1 to {ENTRIES_MAX}"));
        }
        if let Some(cq) = self.cq_entries
            && (cq < entries || (cq > CQ_ENTRIES_MAX && !clamp))
        {
            return invalid(format!(
                "{cq} completion entries: choose {entries} to {CQ_ENTRIES_MAX}, the submission \
                 queue's size or more"
            ));
        }
        let misplaced = self.required & !(BY_REQUIRE | ladder::optional());
        if !misplaced.is_empty() {
            let detail = "not by `require`: use its own method, or leave it out";
            return invalid(format!("{misplaced:?}: {detail}"));
        }
        match conflict::find(self.all_required()) {
            Some(conflict) => invalid(conflict.to_string()),
            None => Ok(()),
        }
    }

    /// The flags that are not to be given up, also those that the values imply.
    fn all_required(&self) -> SetupFlags {
        let cpu = self.sqpoll.and_then(|sqpoll| sqpoll.cpu);
        let implied = [
            (self.cq_entries.is_some(), SetupFlags::CQSIZE),
            (self.sqpoll.is_some(), SetupFlags::SQPOLL),
            (cpu.is_some(), SetupFlags::SQ_AFF),
            (self.attached_to.is_some(), SetupFlags::ATTACH_WQ),
            (self.place != Place::Kernel, SetupFlags::NO_MMAP),
        ];
        let implied = implied.iter().filter(|(asked, _)| *asked);
        implied.fold(self.required, |all, (_, flag)| all | *flag)
    }

    fn sizes(&self) -> Sizes {
        let sq_entries = self.entries.min(ENTRIES_MAX);
        // The kernel's default is a lower bound: the ladder also asks without CQSIZE.
        let default = 2 * sq_entries.next_power_of_two();
        let cq_entries = self.cq_entries.unwrap_or(default).clamp(default, CQ_ENTRIES_MAX);
        Sizes::before_setup(sq_entries, cq_entries, self.required)
    }

    /// One `io_uring_setup(2)` with these flags; the values that belong to flags which are not
    /// among them are left out.
    fn ask(&self, flags: SetupFlags, lent: &Option<Lent>) -> Result<(Descriptor, Params), i32> {
        let mut params = Params { flags, ..Params::default() };
        // When the ladder looks for the flag to blame it asks without CLAMP.
        let clamp = flags.contains(SetupFlags::CLAMP);
        let entries = if clamp { self.entries } else { self.entries.min(ENTRIES_MAX) };
        let cpu = self.sqpoll.and_then(|sqpoll| sqpoll.cpu);
        if flags.contains(SetupFlags::CQSIZE) {
            params.cq_entries = self.cq_entries.unwrap_or_default();
        }
        if let Some(sqpoll) = self.sqpoll.filter(|_| flags.contains(SetupFlags::SQPOLL)) {
            params.sq_thread_idle = u32::try_from(sqpoll.idle.as_millis()).unwrap_or(u32::MAX);
        }
        if let Some(cpu) = cpu.filter(|_| flags.contains(SetupFlags::SQ_AFF)) {
            params.sq_thread_cpu = cpu;
        }
        if let Some(fd) =
            self.attached_to.as_ref().filter(|_| flags.contains(SetupFlags::ATTACH_WQ))
        {
            params.wq_fd = fd.as_raw_fd().unsigned_abs();
        }
        if let Some(lent) = lent.as_ref().filter(|_| flags.contains(SetupFlags::NO_MMAP)) {
            params.cq_off.user_addr = lent.rings.address() as u64;
            params.sq_off.user_addr = lent.entries.address() as u64;
        }
        // SAFETY: the addresses, if any, are those of `lent`, which the caller holds at least until
        // the descriptor is gone, and which is large enough for these flags.
        let answer = unsafe { syscall::setup(entries, &mut params) };
        answer.map(|descriptor| (descriptor, params))
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        let Refusal { errno, flags, culprit } = *refusal;
        let mut wishes = format!("{flags:?}");
        if let Some(cpu) = self.sqpoll.and_then(|sqpoll| sqpoll.cpu) {
            wishes += &format!(" (is CPU {cpu} online and allowed?)");
        }
        if flags.contains(SetupFlags::ATTACH_WQ | SetupFlags::SQPOLL) {
            wishes += " (the ring to share with needs SQPOLL too)";
        }
        Error::setup(errno, self.entries, &wishes, culprit)
    }
}
