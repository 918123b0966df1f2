//! How a request looks to the ring: one submission entry. Asked by `uring` for each request;
//! submits nothing.

use super::{Request, RequestFile, RequestKind};
use iomill_ring::abi::SqeFlags;
use iomill_ring::op::{FileAdvice, SyncRangeFlags};
use iomill_ring::{FsyncFlags, Opcode, Sqe, Target, op};

/// One request as a submission entry.
#[inline]
pub(super) fn entry(request: &Request) -> Sqe {
    let Request { address, len, offset, flags, .. } = *request;
    let file = match request.file {
        RequestFile::Fd(fd) => Target::Fd(fd),
        RequestFile::Slot(slot) => Target::Fixed(slot),
        RequestFile::None => Target::Fd(op::CURRENT_DIRECTORY),
    };
    let sqe = match (request.kind, request.fixed_buffer) {
        (RequestKind::Read, None) => op::read(file, address, len, offset),
        (RequestKind::Read, Some(index)) => op::read_fixed(file, address, len, offset, index),
        (RequestKind::Write, None) => op::write(file, address, len, offset),
        (RequestKind::Write, Some(index)) => op::write_fixed(file, address, len, offset, index),
        _ => return linked(request, rarer_entry(request, file)),
    };
    linked(request, Sqe { op_flags: flags, ..sqe })
}

/// The entry with the request's id, and with its link.
#[inline]
fn linked(request: &Request, sqe: Sqe) -> Sqe {
    // Beside the flag that the file is a registered one.
    let link = if request.linked { SqeFlags::IO_LINK } else { SqeFlags::empty() };
    Sqe { flags: sqe.flags | link, ..sqe }.with_user_data(request.id)
}

/// As `entry`, for what is not on the hot path.
fn rarer_entry(request: &Request, file: Target) -> Sqe {
    let Request { address, len, offset, flags, second, .. } = *request;
    match request.kind {
        RequestKind::ReadVectored => op::readv(file, address.cast_const().cast(), len, offset),
        RequestKind::WriteVectored => op::writev(file, address.cast_const().cast(), len, offset),
        RequestKind::Sync => op::fsync(file, FsyncFlags::empty()),
        RequestKind::SyncData => op::fsync(file, FsyncFlags::DATASYNC),
        RequestKind::SyncRange => {
            op::sync_file_range(file, offset, len, SyncRangeFlags::from_bits_retain(flags))
        }
        RequestKind::Allocate => op::fallocate(file, flags, offset, second),
        RequestKind::Truncate => op::ftruncate(file, offset),
        RequestKind::Advise => op::fadvise(file, offset, len, FileAdvice(flags)),
        RequestKind::Close => op::close(len.cast_signed()),
        RequestKind::CloseSlot => match file {
            Target::Fixed(slot) => op::close_slot(slot),
            Target::Fd(_) => unreachable!("it always names a slot"),
        },
        _ => name_entry(request, file),
    }
}

/// As `entry`, for what is done to names. Filled field by field: the paths are addresses here,
/// whose strings belong to the operation in flight.
fn name_entry(request: &Request, file: Target) -> Sqe {
    let Request { address, len, flags, second, .. } = *request;
    let Target::Fd(directory) = file else {
        unreachable!("operations on names never use a registered file");
    };
    let opcode = match request.kind {
        RequestKind::Open => Opcode::OPENAT,
        RequestKind::Stat => Opcode::STATX,
        RequestKind::Rename => Opcode::RENAMEAT,
        RequestKind::Unlink => Opcode::UNLINKAT,
        RequestKind::MakeDirectory => Opcode::MKDIRAT,
        RequestKind::Link => Opcode::LINKAT,
        _ => return op::nop(),
    };
    // Two-name operations keep the second directory in the length's place, and ours are the same.
    let two_names = matches!(request.kind, RequestKind::Rename | RequestKind::Link);
    Sqe {
        fd: directory,
        addr: address.expose_provenance() as u64,
        off: second,
        len: if two_names { directory.cast_unsigned() } else { len },
        op_flags: flags,
        ..Sqe::new(opcode)
    }
}
