//! Registered buffers: how many, how large, of what memory, for whom, and when a tag comes.

use super::ask::{self, PAGE_LEN_BYTES, finish, start};
use super::raw::{self, Ended};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::{CqeFlags, RegisterOp, SetupFlags};
use iomill_ring::{Builder, Target, op};
use std::ffi::c_void;
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const PAGE: usize = PAGE_LEN_BYTES as usize;
const MEBIBYTE: usize = 1 << 20;
const GIBIBYTE: usize = 1 << 30;
/// The limit of locked memory that an unprivileged child gets.
const LIMIT_LEN_BYTES: libc::rlim_t = 64 << 10;
/// Users from here on have no name; a child becomes one that nobody else is, because the kernel
/// counts locked memory by user.
const NAMELESS: libc::pid_t = 100_000;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "1,025 buffers: UIO_MAXIOV and one",
        seen: &[((6, 18), "accepted")],
        pages: &[("register(2)", "EINVAL")],
        ask: || empty_buffers(1025),
    },
    Rule {
        name: "16,384 buffers",
        seen: &[((6, 18), "accepted")],
        pages: &[("register(2)", "EINVAL")],
        ask: || empty_buffers(16_384),
    },
    Rule {
        name: "16,385 buffers",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("register(2)", "EINVAL")],
        ask: || empty_buffers(16_385),
    },
    Rule {
        name: "no buffers",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("register(2)", "EINVAL")],
        ask: || empty_buffers(0),
    },
    Rule {
        name: "a buffer of 1 GiB and a page",
        seen: &[((6, 18), "EFAULT"), ((7, 2), "accepted")],
        pages: &[("register(2)", "EFAULT")],
        ask: || registered(&Memory::new(GIBIBYTE + PAGE, None)?),
    },
    Rule {
        name: "a buffer that maps a file on disk, shared",
        seen: &[((5, 10), "EOPNOTSUPP"), ((6, 12), "EFAULT")],
        pages: &[("register(2)", "EFAULT"), ("registered_buffers(7)", "EFAULT")],
        ask: || registered(&Memory::new(PAGE, Some((file_on_disk()?, libc::MAP_SHARED)))?),
    },
    Rule {
        name: "a buffer that maps a file on disk, private",
        seen: &[((5, 10), "EOPNOTSUPP"), ((6, 12), "accepted")],
        pages: &[("register(2)", "EFAULT"), ("registered_buffers(7)", "EFAULT")],
        ask: || registered(&Memory::new(PAGE, Some((file_on_disk()?, libc::MAP_PRIVATE)))?),
    },
    Rule {
        name: "a buffer that maps a memfd, shared",
        seen: &[((6, 18), "accepted")],
        pages: &[("register(2)", "EFAULT"), ("registered_buffers(7)", "EFAULT")],
        ask: || registered(&Memory::new(PAGE, Some((memory_file()?, libc::MAP_SHARED)))?),
    },
    Rule {
        name: "a buffer of 1 MiB, unprivileged, with 64 KiB of memlock",
        seen: &[((6, 18), "ENOMEM")],
        pages: &[("register(2)", "ENOMEM"), ("registered_buffers(7)", "0")],
        ask: limited_registration,
    },
    Rule {
        name: "a ring of 512 entries, unprivileged, with 64 KiB of memlock",
        seen: &[((6, 18), "0")],
        pages: &[],
        ask: || limited_set_up(512),
    },
    Rule {
        name: "a ring of 1,024 entries, unprivileged, with 64 KiB of memlock",
        seen: &[((5, 10), "0"), ((6, 18), "ENOMEM"), ((7, 2), "0")],
        pages: &[],
        ask: || limited_set_up(1024),
    },
    Rule {
        name: "the tag of a replaced buffer while a read into it waits",
        seen: &[((6, 18), "comes after the read")],
        pages: &[("register(2)", "comes after the read")],
        ask: || tag(false),
    },
    Rule {
        name: "result and flags of a tag's completion",
        seen: &[((6, 18), "zero")],
        pages: &[("register(2)", "zero")],
        ask: || tag(true),
    },
];

/// Registers this many slots without memory in them.
fn empty_buffers(count: u32) -> Answer {
    let ring = Builder::new(4).build()?;
    let none = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    let slots = vec![none; count as usize];
    let (fd, argument) = (raw::number_of(ring.fd())?, slots.as_ptr().cast::<c_void>());
    // SAFETY: BUFFERS takes `count` iovecs, and these name no memory.
    Ok(ask::accepted(unsafe { raw::register(fd, RegisterOp::BUFFERS, argument, count) }))
}

/// A mapping of a rule's own, freed at the end.
struct Memory {
    base: *mut c_void,
    len_bytes: usize,
}

impl Memory {
    /// Anonymous memory, or that of a file, shared or private.
    fn new(len_bytes: usize, file: Option<(OwnedFd, libc::c_int)>) -> Result<Self, Stop> {
        let (protection, null) = (libc::PROT_READ | libc::PROT_WRITE, std::ptr::null_mut());
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let flags = file.as_ref().map_or(anonymous, |(_, flags)| *flags) | libc::MAP_NORESERVE;
        let fd = file.as_ref().map_or(-1, |(fd, _)| fd.as_raw_fd());
        // SAFETY: a fresh address is asked for, so no existing memory is replaced.
        let base = unsafe { libc::mmap(null, len_bytes, protection, flags, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(Self { base, len_bytes })
    }

    fn iovec(&self) -> libc::iovec {
        libc::iovec { iov_base: self.base, iov_len: self.len_bytes }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and what the kernel has of it is pinned by itself.
        unsafe { libc::munmap(self.base, self.len_bytes) };
    }
}

fn registered(memory: &Memory) -> Answer {
    let ring = Builder::new(4).build()?;
    let (fd, iovec) = (raw::number_of(ring.fd())?, memory.iovec());
    let argument = (&raw const iovec).cast::<c_void>();
    // SAFETY: BUFFERS takes one iovec, and the memory outlives the ring.
    Ok(ask::accepted(unsafe { raw::register(fd, RegisterOp::BUFFERS, argument, 1) }))
}

fn file_on_disk() -> Result<OwnedFd, Stop> {
    Ok(ask::file_on(ask::EXT4, "ext4")?.into())
}

fn memory_file() -> Result<OwnedFd, Stop> {
    // SAFETY: the name is a string that ends in zero.
    let fd = unsafe { libc::memfd_create(c"conformance".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: the kernel just gave us this descriptor and nobody else has seen it.
    let file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len(u64::from(PAGE_LEN_BYTES))?;
    Ok(file.into())
}

/// Lowers the limit of locked memory and becomes another user. Answers whether both worked.
fn give_up_privileges() -> bool {
    let limit = libc::rlimit { rlim_cur: LIMIT_LEN_BYTES, rlim_max: LIMIT_LEN_BYTES };
    // SAFETY: the call reads one structure, alive on this stack.
    let failed = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
    // SAFETY: the call takes no argument.
    let user = NAMELESS + unsafe { libc::getpid() };
    // The raw call, because libc's takes a lock.
    // SAFETY: the call takes three numbers.
    let denied = unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) };
    failed == 0 && denied == 0
}

/// What an unprivileged child answers: 0 or an errno.
///
/// # Safety
/// As `raw::in_child`.
unsafe fn unprivileged(thing: impl FnOnce() -> i32) -> Answer {
    /// No errno.
    const PRIVILEGED: i32 = 255;
    let thing = || if give_up_privileges() { thing() } else { PRIVILEGED };
    // SAFETY: `give_up_privileges` makes system calls only, and the caller vouches for the rest.
    match unsafe { raw::in_child(thing) }? {
        Ended::Exited(0) => Ok(String::from("0")),
        Ended::Exited(PRIVILEGED) => {
            Err(Stop::skipped("only root can start a child as another user"))
        }
        Ended::Exited(errno) => Ok(ask::named(Err(errno))),
        Ended::Killed(signal) => Ok(format!("signal {signal}")),
    }
}

fn limited_registration() -> Answer {
    let memory = Memory::new(MEBIBYTE, None)?;
    let iovec = memory.iovec();
    let argument = (&raw const iovec).cast::<c_void>();
    let thing = || match raw::open(SetupFlags::empty(), 4) {
        Err(errno) => errno,
        Ok(ring) => {
            // SAFETY: BUFFERS takes one iovec, whose memory the child has a copy of.
            let done = unsafe { raw::register(ring.as_raw_fd(), RegisterOp::BUFFERS, argument, 1) };
            done.err().unwrap_or(0)
        }
    };
    // SAFETY: the child makes system calls only.
    unsafe { unprivileged(thing) }
}

fn limited_set_up(entries: u32) -> Answer {
    // SAFETY: the child makes system calls only.
    unsafe { unprivileged(|| raw::set_up(SetupFlags::empty(), entries, 0).err().unwrap_or(0)) }
}

/// Replaces a tagged buffer while a read into it waits for data.
fn tag(look_inside: bool) -> Answer {
    const TAG: u64 = 77;
    let mut ring = Builder::new(8).build()?;
    let (reader, mut writer) = std::io::pipe()?;
    let pointer = ask::scratch();
    // SAFETY: scratch memory is never freed, and nothing else uses this page.
    let memory = unsafe { std::slice::from_raw_parts(pointer, PAGE) };
    let buffer = [IoSlice::new(memory)];
    // SAFETY: as above.
    unsafe { ring.register_buffers_tagged(&buffer, &[TAG]) }?;
    start(
        &mut ring,
        &[op::read_fixed(Target::from(reader.as_fd()), pointer, PAGE_LEN_BYTES, 0, 0)],
    )?;
    // SAFETY: as above; the read names the old buffer, whose memory stays.
    unsafe { ring.update_buffers(0, &buffer, &[0]) }?;
    let early = super::ask::after_a_while(&mut ring);
    ring.submit_with(&iomill_ring::Wait::until(0))?;
    let early = early.len() + ring.completions().count();
    if early > 0 {
        return Ok(String::from("comes at once"));
    }
    writer.write_all(b"x")?;
    let done = finish(&mut ring, 2)?;
    let [read, tag] = done[..] else { return Err(Stop::broke("two completions were due")) };
    if (read.result(), tag.user_data) != (Ok(1), TAG) {
        return Err(Stop::broke(format!("neither read nor tag: {done:?}")));
    }
    let zero = (tag.res, tag.flags) == (0, CqeFlags::empty());
    Ok(String::from(match (look_inside, zero) {
        (false, _) => "comes after the read",
        (true, true) => "zero",
        (true, false) => "not zero",
    }))
}
