//! Sets a ring up: wishes, checks, and giving up one by one what the kernel does not have. Makes
//! `ring::Ring`; never falls back to anything that is not io_uring.

use crate::abi::{Cqe, RsrcUpdate2};
use crate::abi::{Features, OFFSET_RINGS, OFFSET_SQES, Params, RegisterOp, SetupFlags, Sqe};
use crate::cqueue::CompletionQueue;
use crate::error::Error;
use crate::mapping::Mapping;
use crate::ring::{Parts, Ring};
use crate::squeue::SubmissionQueue;
use crate::syscall;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Most entries of a submission queue that the kernel accepts: `IORING_MAX_ENTRIES`.
const ENTRIES_MAX: u32 = 32_768;
/// Most entries of a completion queue: `IORING_MAX_CQ_ENTRIES`.
const CQ_ENTRIES_MAX: u32 = 2 * ENTRIES_MAX;

/// What a faster ring is asked for, newest first: an old kernel refuses the newest flag that it does
/// not know, so dropping them in this order loses no flag that it has. Each with its Linux version.
const OPTIONAL: [(SetupFlags, &str); 6] = [
    (SetupFlags::NO_SQARRAY, "NO_SQARRAY (Linux 6.6)"),
    (SetupFlags::DEFER_TASKRUN, "DEFER_TASKRUN (Linux 6.1)"),
    (SetupFlags::SINGLE_ISSUER, "SINGLE_ISSUER (Linux 6.0)"),
    (SetupFlags::TASKRUN_FLAG, "TASKRUN_FLAG (Linux 5.19)"),
    (SetupFlags::COOP_TASKRUN, "COOP_TASKRUN (Linux 5.19)"),
    (SetupFlags::SUBMIT_ALL, "SUBMIT_ALL (Linux 5.18)"),
];

/// A part of the set-up that was asked for and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The part, with the Linux version that brought it.
    pub what: &'static str,
    /// The kernel's errno, or `None` where another wish excludes it.
    pub errno: Option<i32>,
    /// Why, in words.
    pub why: &'static str,
}

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
    wanted: SetupFlags,
    register_ring_fd: bool,
}

impl Builder {
    /// A ring with room for `entries` submissions, rounded up to a power of two.
    ///
    /// Asks for everything that makes a ring faster when one thread uses it, and gives up one by one
    /// what the kernel lacks: [`Ring::given_up`] says which and why.
    pub fn new(entries: u32) -> Self {
        let wanted = OPTIONAL.iter().fold(SetupFlags::empty(), |all, (flag, _)| all | *flag);
        Self { entries, cq_entries: None, sqpoll: None, wanted, register_ring_fd: true }
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
        self.wanted &= !flags;
        self
    }

    /// Sets the ring up.
    ///
    /// # Errors
    /// When a size is out of its range, when the kernel has no io_uring or a policy forbids it, and
    /// when memory, locked memory or file descriptors run out. The message says which and what to do.
    pub fn build(&self) -> Result<Ring, Error> {
        self.check()?;
        let mut given_up = Vec::new();
        let (fd, params) = self.negotiate(&mut given_up)?;
        if !params.features.contains(Features::SINGLE_MMAP | Features::NODROP) {
            return Err(Error::unsupported(
                "io_uring_setup",
                "the kernel is older than Linux 5.5 and may lose completions: use a newer one",
            ));
        }
        let rings = Mapping::new(fd.as_fd(), rings_len_bytes(&params), OFFSET_RINGS)?;
        let entries_len_bytes = params.sq_entries as usize * size_of::<Sqe>();
        let entries = Mapping::new(fd.as_fd(), entries_len_bytes, OFFSET_SQES)?;
        let registered_fd = self.register_fd(&fd, &params, &mut given_up);
        Ok(Ring::assemble(Parts {
            sq: SubmissionQueue::new(&rings, &entries, &params),
            cq: CompletionQueue::new(&rings, &params),
            mappings: [rings, entries],
            fd,
            registered_fd,
            flags: params.flags,
            features: params.features,
            given_up,
        }))
    }

    /// Refuses what the kernel would refuse, but says which number is wrong.
    fn check(&self) -> Result<(), Error> {
        let invalid = |detail| Err(Error::invalid("io_uring_setup", detail));
        if self.entries == 0 || self.entries > ENTRIES_MAX {
            let entries = self.entries;
            return invalid(format!("{entries} entries: choose 1 to {ENTRIES_MAX}"));
        }
        match self.cq_entries {
            Some(cq) if cq < self.entries || cq > CQ_ENTRIES_MAX => invalid(format!(
                "{cq} completion entries: choose {} to {CQ_ENTRIES_MAX}, the submission queue's \
                 size or more",
                self.entries
            )),
            _ => Ok(()),
        }
    }

    /// Asks the kernel, and after each EINVAL asks again without the newest optional flag.
    fn negotiate(&self, given_up: &mut Vec<GivenUp>) -> Result<(OwnedFd, Params), Error> {
        let mut flags = self.wanted;
        if self.sqpoll.is_some() {
            let excluded =
                SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG;
            note_excluded(flags & excluded, given_up);
            flags &= !excluded;
        }
        loop {
            let mut params = self.params(flags);
            let errno = match syscall::setup(self.entries, &mut params) {
                Ok(fd) => return Ok((fd, params)),
                Err(errno) => errno,
            };
            let newest = OPTIONAL.iter().find(|(flag, _)| flags.contains(*flag));
            let Some((flag, what)) = newest.filter(|_| errno == libc::EINVAL) else {
                return Err(Error::setup(errno, self.entries, &self.describe(flags)));
            };
            let why = "the kernel refused the set-up with it";
            given_up.push(GivenUp { what, errno: Some(errno), why });
            flags &= !*flag;
        }
    }

    fn params(&self, flags: SetupFlags) -> Params {
        let mut params = Params { flags, ..Params::default() };
        if let Some(cq_entries) = self.cq_entries {
            params.flags |= SetupFlags::CQSIZE;
            params.cq_entries = cq_entries;
        }
        if let Some(sqpoll) = self.sqpoll {
            params.flags |= SetupFlags::SQPOLL;
            params.sq_thread_idle = u32::try_from(sqpoll.idle.as_millis()).unwrap_or(u32::MAX);
            if let Some(cpu) = sqpoll.cpu {
                params.flags |= SetupFlags::SQ_AFF;
                params.sq_thread_cpu = cpu;
            }
        }
        params
    }

    fn describe(&self, flags: SetupFlags) -> String {
        let params = self.params(flags);
        match self.sqpoll.and_then(|sqpoll| sqpoll.cpu) {
            Some(cpu) => format!("{:?}: is CPU {cpu} online and allowed?", params.flags),
            None => format!("{:?}", params.flags),
        }
    }

    /// Registers the ring's own descriptor, which saves a look-up in every `enter`. It holds for the
    /// thread that did it, so only a ring that is bound to one thread asks for it.
    fn register_fd(
        &self,
        fd: &OwnedFd,
        params: &Params,
        given_up: &mut Vec<GivenUp>,
    ) -> Option<u32> {
        let bound = params.flags.contains(SetupFlags::SINGLE_ISSUER);
        if !(self.register_ring_fd && bound) {
            return None;
        }
        let mut update =
            RsrcUpdate2 { offset: u32::MAX, data: as_u64(fd.as_raw_fd()), ..Default::default() };
        let argument = std::ptr::from_mut(&mut update).cast();
        // SAFETY: RING_FDS takes an array of one `io_uring_rsrc_update`, which `RsrcUpdate2` begins
        // with; it lives on this stack until the call returns.
        match unsafe { syscall::register(fd.as_raw_fd(), RegisterOp::RING_FDS, argument, 1) } {
            Ok(_) => Some(update.offset),
            Err(errno) => {
                let what = "registered ring descriptor (Linux 5.18)";
                let why = "the kernel refused to register it";
                given_up.push(GivenUp { what, errno: Some(errno), why });
                None
            }
        }
    }
}

/// The kernel reads descriptors as unsigned there; ours is open, so it is not negative.
fn as_u64(fd: RawFd) -> u64 {
    u64::from(fd.unsigned_abs())
}

fn note_excluded(flags: SetupFlags, given_up: &mut Vec<GivenUp>) {
    for (flag, what) in OPTIONAL {
        if flags.contains(flag) {
            given_up.push(GivenUp { what, errno: None, why: "SQPOLL excludes it" });
        }
    }
}

/// Both queues' indices and the completion entries share one mapping; it ends with whichever part
/// the kernel put last.
fn rings_len_bytes(params: &Params) -> usize {
    let array_len = if params.flags.contains(SetupFlags::NO_SQARRAY) {
        0
    } else {
        params.sq_off.array as usize + params.sq_entries as usize * size_of::<u32>()
    };
    let completions = params.cq_off.cqes as usize + params.cq_entries as usize * size_of::<Cqe>();
    array_len.max(completions)
}
