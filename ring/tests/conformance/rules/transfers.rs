//! Reads and writes: which flags of preadv2(2) go with which files and operations, and what direct
//! I/O wants.

use super::ask::{self, EXT4, PAGE_LEN_BYTES, TMPFS, one, scratch, scratch_of};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::RwFlags;
use iomill_ring::op;
use iomill_ring::{Builder, Opcode, Ring, Sqe, Target};
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::AsFd;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "HIPRI on a ring that does not poll",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("prep_writev2(3)", "accepted")],
        ask: || flagged(&ask::file_of(b"x")?, RwFlags::HIPRI),
    },
    Rule {
        name: "ATOMIC without O_DIRECT",
        seen: &[((6, 18), "EOPNOTSUPP")],
        pages: &[],
        ask: || flagged(&ask::file_of(b"x")?, RwFlags::ATOMIC),
    },
    Rule {
        name: "ATOMIC with WRITE_FIXED",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: atomic_fixed,
    },
    Rule {
        name: "DONTCACHE on ext4",
        seen: &[((5, 10), "EOPNOTSUPP"), ((6, 18), "accepted")],
        pages: &[],
        ask: || flagged(&ask::file_on(EXT4, "ext4")?, RwFlags::DONTCACHE),
    },
    Rule {
        name: "DONTCACHE on tmpfs",
        seen: &[((6, 18), "EOPNOTSUPP")],
        pages: &[],
        ask: || flagged(&ask::file_on(TMPFS, "tmpfs")?, RwFlags::DONTCACHE),
    },
    Rule {
        name: "DONTCACHE with O_DIRECT on ext4",
        seen: &[((5, 10), "EOPNOTSUPP"), ((6, 18), "accepted")],
        pages: &[],
        ask: uncached_direct,
    },
    Rule {
        name: "NOWAIT on a write to ext4 without O_DIRECT",
        seen: &[((6, 18), "EAGAIN")],
        pages: &[("prep_writev2(3)", "EAGAIN")],
        ask: || flagged(&ask::file_on(EXT4, "ext4")?, RwFlags::NOWAIT),
    },
    Rule {
        name: "APPEND with an offset inside of the file: where the bytes go",
        seen: &[((6, 18), "to the end")],
        pages: &[("prep_writev2(3)", "to the end")],
        ask: append,
    },
    Rule {
        name: "a flag that no kernel knows",
        seen: &[((6, 18), "EOPNOTSUPP")],
        pages: &[],
        ask: || flagged(&ask::file_of(b"x")?, RwFlags::from_bits_retain(1 << 30)),
    },
    Rule {
        name: "O_DIRECT: an offset of 1",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: || direct(|file, page| op::read(file, page, PAGE_LEN_BYTES, 1)),
    },
    Rule {
        name: "O_DIRECT: a length of 100",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: || direct(|file, page| op::read(file, page, 100, 0)),
    },
    Rule {
        name: "O_DIRECT: a buffer at an odd address",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: || direct(|file, page| op::read(file, page.wrapping_add(1), PAGE_LEN_BYTES, 0)),
    },
    Rule {
        name: "a fixed read that leaves its buffer",
        seen: &[((6, 18), "EFAULT")],
        pages: &[],
        ask: || fixed(|file, page| op::read_fixed(file, page, PAGE_LEN_BYTES + 1, 0, 0)),
    },
    Rule {
        name: "a fixed read with a buffer number that is not registered",
        seen: &[((6, 18), "EFAULT")],
        pages: &[],
        ask: || fixed(|file, page| op::read_fixed(file, page, PAGE_LEN_BYTES, 0, 9)),
    },
    Rule {
        name: "vectored fixed read of a piece outside of its buffer",
        seen: &[((6, 18), "EFAULT")],
        pages: &[],
        ask: vectored_fixed,
    },
];

/// Twice as long as a transfer, so that whatever the kernel made of a wrong one lies inside.
fn page() -> *mut u8 {
    scratch_of(2 * PAGE_LEN_BYTES)
}

/// A buffered write of a page with these flags.
fn flagged(file: &File, flags: RwFlags) -> Answer {
    let mut ring = Builder::new(4).build()?;
    let write = op::write(Target::from(file.as_fd()), scratch(), PAGE_LEN_BYTES, 0);
    Ok(ask::accepted(ask::run(&mut ring, &[write.with_rw_flags(flags)])?[0]))
}

/// Registers the first of two pages as buffer 0.
fn register(ring: &mut Ring, page: *mut u8) -> Result<(), Stop> {
    // SAFETY: the memory has two pages, is never freed, and nothing else looks at it.
    let memory = unsafe { std::slice::from_raw_parts(page, PAGE_LEN_BYTES as usize) };
    // SAFETY: as above.
    Ok(unsafe { ring.register_buffers(&[IoSlice::new(memory)]) }?)
}

fn atomic_fixed() -> Answer {
    let mut ring = Builder::new(4).build()?;
    let file = ask::direct_file_in(&std::env::temp_dir(), PAGE_LEN_BYTES)?;
    let page = page();
    register(&mut ring, page)?;
    let target = Target::from(file.as_fd());
    let plain = op::write(target, page, PAGE_LEN_BYTES, 0).with_rw_flags(RwFlags::ATOMIC);
    let answer = one(&mut ring, plain)?;
    if answer != PAGE_LEN_BYTES.to_string() {
        let why = "the file system of the temporary folder has no untorn writes";
        return Err(Stop::skipped(format!("{why}: {answer}")));
    }
    let fixed = op::write_fixed(target, page, PAGE_LEN_BYTES, 0, 0);
    one(&mut ring, fixed.with_rw_flags(RwFlags::ATOMIC))
}

fn uncached_direct() -> Answer {
    flagged(&ask::direct_file(PAGE_LEN_BYTES)?, RwFlags::DONTCACHE)
}

fn append() -> Answer {
    let file = ask::file_of(b"x")?;
    let answer = flagged(&file, RwFlags::APPEND)?;
    let len_bytes = file.metadata()?.len();
    let appended = answer == "accepted" && len_bytes == u64::from(PAGE_LEN_BYTES) + 1;
    let text = format!("{answer}, {len_bytes} bytes");
    Ok(if appended { String::from("to the end") } else { text })
}

fn direct(read: fn(Target, *mut u8) -> Sqe) -> Answer {
    let mut ring = Builder::new(4).build()?;
    let file = ask::direct_file(2 * PAGE_LEN_BYTES)?;
    let refused = one(&mut ring, read(Target::from(file.as_fd()), page()))?;
    // What is aligned must work, or the refusal has another reason.
    let aligned = op::read(Target::from(file.as_fd()), page(), PAGE_LEN_BYTES, 0);
    if one(&mut ring, aligned)? == PAGE_LEN_BYTES.to_string() {
        return Ok(refused);
    }
    Err(Stop::skipped("this device takes no direct I/O of 4 KiB"))
}

fn fixed(read: fn(Target, *mut u8) -> Sqe) -> Answer {
    let mut ring = Builder::new(4).build()?;
    let file = ask::file_of(&[7; PAGE_LEN_BYTES as usize])?;
    let page = page();
    register(&mut ring, page)?;
    one(&mut ring, read(Target::from(file.as_fd()), page))
}

fn vectored_fixed() -> Answer {
    let mut ring = ask::ring_with(&Builder::new(4), &[Opcode::READV_FIXED])?;
    let file = ask::file_of(&[7; PAGE_LEN_BYTES as usize])?;
    let page = page();
    register(&mut ring, page)?;
    let outside = page.wrapping_add(PAGE_LEN_BYTES as usize);
    let piece = |base: *mut u8| libc::iovec { iov_base: base.cast(), iov_len: 8 };
    let pieces = [piece(page), piece(outside)];
    one(&mut ring, op::readv_fixed(Target::from(file.as_fd()), pieces.as_ptr(), 2, 0, 0))
}
