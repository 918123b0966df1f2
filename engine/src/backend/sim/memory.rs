//! What lies behind a request's raw addresses and descriptors. The only file of the simulated disk
//! that touches the memory of a request; called by `backend` between `stage` and the completion.

use super::order::{Answer, Order, Target};
use crate::backend::{Request, RequestKind};
use crate::platform;
use std::ffi::CStr;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// The pieces of memory that a transfer names.
///
/// # Safety
/// The contract of `Backend::stage`: the request's memory is valid.
unsafe fn pieces(request: &Request) -> Vec<(*mut u8, usize)> {
    if matches!(request.kind, RequestKind::Read | RequestKind::Write) {
        return vec![(request.address, request.len as usize)];
    }
    if request.len == 0 {
        return Vec::new();
    }
    let vector = request.address.cast_const().cast::<libc::iovec>();
    // SAFETY: the caller vouches for the vector of `len` entries, of which there is at least one.
    let vector = unsafe { std::slice::from_raw_parts(vector, request.len as usize) };
    vector.iter().map(|piece| (piece.iov_base.cast(), piece.iov_len)).collect()
}

/// A request without its addresses: what it reads from memory is copied.
///
/// # Safety
/// The contract of `Backend::stage`: the request's memory is valid, and nobody changes it.
pub(super) unsafe fn take_in(request: &Request, target: Option<Target>) -> Order {
    let mut order = Order {
        kind: request.kind,
        target,
        offset: request.offset,
        len: u64::from(request.len),
        flags: request.flags,
        second: request.second,
        bytes: Arc::default(),
        paths: [Vec::new(), Vec::new()],
    };
    match request.kind {
        kind if kind.is_transfer() => {
            // SAFETY: the caller's promise is passed on.
            let pieces = unsafe { pieces(request) };
            order.len = pieces.iter().map(|(_, len)| *len as u64).sum();
            if !kind.is_read() {
                // SAFETY: the caller's promise is passed on.
                order.bytes = Arc::new(unsafe { gather(&pieces) });
            }
        }
        RequestKind::Open
        | RequestKind::Stat
        | RequestKind::Unlink
        | RequestKind::MakeDirectory
        | RequestKind::Rename
        | RequestKind::Link => {
            // SAFETY: these kinds have a path at their address.
            order.paths[0] = unsafe { path(request.address.cast_const()) };
            if matches!(request.kind, RequestKind::Rename | RequestKind::Link) {
                // SAFETY: these two have another one.
                order.paths[1] = unsafe { path(second(request)) };
            }
        }
        _ => {}
    }
    order
}

/// Gives an answer to whoever asked: fills the memory of a read or of a stat, closes the descriptor
/// of a close; answers the completion's result.
///
/// # Safety
/// The contract of `Backend::stage`: the request's memory is valid and the backend's alone, and of
/// a close the descriptor.
pub(super) unsafe fn give_back(request: &Request, answer: Answer) -> i32 {
    if request.kind.is_read() {
        // SAFETY: the caller's promise is passed on.
        unsafe { scatter(request, &answer.bytes) };
    }
    if let Some(status) = answer.status {
        let place = second(request).cast_mut().cast::<platform::Stat>();
        // SAFETY: a stat has the place for its answer there.
        unsafe { platform::put_stat(place, &status) };
    }
    if request.kind == RequestKind::Close {
        // SAFETY: a close owns its descriptor, and gives it up now.
        drop(unsafe { OwnedFd::from_raw_fd(request.len.cast_signed()) });
    }
    match answer.opened {
        Some(opened) => opened.into_raw_fd(),
        None => answer.result,
    }
}

/// An answer to a stat with nothing in it yet.
pub(super) fn empty_status() -> libc::statx {
    // SAFETY: all its fields are numbers, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// A descriptor that is only looked at.
///
/// # Safety
/// It is open for as long as the result is used.
pub(super) unsafe fn borrow<'fd>(fd: RawFd) -> BorrowedFd<'fd> {
    // SAFETY: the caller vouches for it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Copies pieces of memory together.
///
/// # Safety
/// They are valid, and nobody changes them.
unsafe fn gather(pieces: &[(*mut u8, usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (address, len) in pieces.iter().filter(|(_, len)| *len > 0) {
        // SAFETY: the caller vouches for the piece, which is not empty.
        bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(*address, *len) });
    }
    bytes
}

/// Fills the memory of a read from its beginning.
///
/// # Safety
/// The contract of `Backend::stage`: the memory is valid and the backend's alone.
unsafe fn scatter(request: &Request, mut bytes: &[u8]) {
    // SAFETY: the caller's promise is passed on.
    for (address, len) in unsafe { pieces(request) } {
        let (part, rest) = bytes.split_at(len.min(bytes.len()));
        if !part.is_empty() {
            // SAFETY: the piece is valid, the backend's alone, and at least as long as the part.
            unsafe { address.copy_from_nonoverlapping(part.as_ptr(), part.len()) };
        }
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a read brought more than was asked for");
}

/// The path at an address.
///
/// # Safety
/// There is a string that ends with NUL.
unsafe fn path(address: *const u8) -> Vec<u8> {
    // SAFETY: the caller vouches for it.
    let path = unsafe { CStr::from_ptr(address.cast()) };
    path.to_bytes().to_vec()
}

/// The second address of a request that has one.
fn second(request: &Request) -> *const u8 {
    std::ptr::with_exposed_provenance(usize::try_from(request.second).unwrap_or(0))
}
