//! Extended attributes of files, by path and by file. Values are read into and written from plain
//! memory; a length of 0 asks for an attribute's size.

use super::Target;
use crate::abi::{Opcode, Sqe};
use std::ffi::CStr;

/// Reads an attribute of the file at `path`; completes with its length in bytes.
///
/// Kernel: Linux 5.19, getxattr(2); always runs on a kernel worker.
#[inline]
pub fn getxattr(path: &CStr, name: &CStr, value: *mut u8, len: u32) -> Sqe {
    let address = value.expose_provenance() as u64;
    by_path(path, attribute(Opcode::GETXATTR, name, address, len))
}

/// Sets an attribute of the file at `path`; `flags` are `XATTR_*`.
///
/// Kernel: Linux 5.19, setxattr(2); always runs on a kernel worker.
#[inline]
pub fn setxattr(path: &CStr, name: &CStr, value: *const u8, len: u32, flags: i32) -> Sqe {
    let address = value.expose_provenance() as u64;
    let mut sqe = by_path(path, attribute(Opcode::SETXATTR, name, address, len));
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

/// Reads an attribute of an open file; completes with its length in bytes.
///
/// Kernel: Linux 5.19, fgetxattr(2); always runs on a kernel worker.
#[inline]
pub fn fgetxattr(file: Target, name: &CStr, value: *mut u8, len: u32) -> Sqe {
    let address = value.expose_provenance() as u64;
    file.fill(attribute(Opcode::FGETXATTR, name, address, len))
}

/// Sets an attribute of an open file; `flags` are `XATTR_*`.
///
/// Kernel: Linux 5.19, fsetxattr(2); always runs on a kernel worker.
#[inline]
pub fn fsetxattr(file: Target, name: &CStr, value: *const u8, len: u32, flags: i32) -> Sqe {
    let address = value.expose_provenance() as u64;
    let mut sqe = file.fill(attribute(Opcode::FSETXATTR, name, address, len));
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

#[inline]
fn attribute(opcode: Opcode, name: &CStr, value: u64, len: u32) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    sqe.addr = name.as_ptr().expose_provenance() as u64;
    sqe.off = value;
    sqe.len = len;
    sqe
}

#[inline]
fn by_path(path: &CStr, mut sqe: Sqe) -> Sqe {
    sqe.fd = 0;
    sqe.addr3 = path.as_ptr().expose_provenance() as u64;
    sqe
}
