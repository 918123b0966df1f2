//! Size, alignment and the place and length of every field of every structure.

use crate::source;
use iomill_ring::{abi, op};
use linux_raw_sys::general::open_how;
use linux_raw_sys::io_uring as sys;
use std::mem::offset_of;

/// A structure of ours and theirs: (size, alignment) of both, and of each field its name, its place
/// in ours and its place in theirs.
struct Pair {
    name: &'static str,
    ours: (usize, usize),
    theirs: (usize, usize),
    fields: Vec<(&'static str, usize, usize)>,
}

/// One `Pair` from the types and the names of their fields.
macro_rules! pair {
    ($ours:ty, $theirs:ty { $($field:ident $(= $their_field:ident)?),* $(,)? }) => {
        Pair {
            name: stringify!($ours).rsplit(' ').next().expect("a type has a name"),
            ours: (size_of::<$ours>(), align_of::<$ours>()),
            theirs: (size_of::<$theirs>(), align_of::<$theirs>()),
            fields: vec![$((
                stringify!($field),
                offset_of!($ours, $field),
                pair!(@offset $theirs, $field $(, $their_field)?),
            )),*],
        }
    };
    (@offset $theirs:ty, $field:ident) => { offset_of!($theirs, $field) };
    (@offset $theirs:ty, $field:ident, $their_field:ident) => { offset_of!($theirs, $their_field) };
}

/// Structures newer than `linux-raw-sys`, checked against the header of liburing by hand; the
/// compile-time assertions beside them hold what was seen.
const NEWER: [&str; 2] = ["QueryHeader", "QueryOpcodes"];
/// Fields in the place of what was reserved when `linux-raw-sys` read the header, with that place's
/// begin and end in bytes.
const NEWER_FIELDS: [(&str, &str, usize, usize); 2] =
    [("BufReg", "min_left", 16, 40), ("BufReg", "resv", 16, 40)];

fn entries() -> Vec<Pair> {
    use abi::{AttrPi, Cqe, Sqe};
    use op::OpenHow;
    vec![
        pair!(Sqe, sys::io_uring_sqe {
            opcode, flags, ioprio, fd, off = __bindgen_anon_1, addr = __bindgen_anon_2, len,
            op_flags = __bindgen_anon_3, user_data, buf_index = __bindgen_anon_4, personality,
            file_index = __bindgen_anon_5, addr3 = __bindgen_anon_6,
        }),
        pair!(AttrPi, sys::io_uring_attr_pi { flags, app_tag, len, addr, seed, rsvd }),
        pair!(Cqe, sys::io_uring_cqe { user_data, res, flags }),
        pair!(OpenHow, open_how { flags, mode, resolve }),
    ]
}

fn set_up_and_enter() -> Vec<Pair> {
    use abi::{CqOffsets, GetEventsArg, KernelTimespec, Params, RegWait, SqOffsets};
    vec![
        pair!(
            SqOffsets,
            sys::io_sqring_offsets {
                head,
                tail,
                ring_mask,
                ring_entries,
                flags,
                dropped,
                array,
                resv1,
                user_addr
            }
        ),
        pair!(
            CqOffsets,
            sys::io_cqring_offsets {
                head,
                tail,
                ring_mask,
                ring_entries,
                overflow,
                cqes,
                flags,
                resv1,
                user_addr
            }
        ),
        pair!(
            Params,
            sys::io_uring_params {
                sq_entries,
                cq_entries,
                flags,
                sq_thread_cpu,
                sq_thread_idle,
                features,
                wq_fd,
                resv,
                sq_off,
                cq_off
            }
        ),
        pair!(KernelTimespec, sys::__kernel_timespec { tv_sec, tv_nsec }),
        pair!(GetEventsArg, sys::io_uring_getevents_arg { sigmask, sigmask_sz, min_wait_usec, ts }),
        pair!(
            RegWait,
            sys::io_uring_reg_wait { ts, min_wait_usec, flags, sigmask, sigmask_sz, pad, pad2 }
        ),
    ]
}

fn registered() -> Vec<Pair> {
    use abi::{Buf, BufReg, BufStatus, ClockRegister, CloneBuffers, FileIndexRange, FilesUpdate};
    use abi::{MemRegionReg, ProbeHeader, ProbeOp, RegionDesc, Restriction, RsrcRegister};
    use abi::{RsrcUpdate, RsrcUpdate2, SyncCancelReg};
    vec![
        pair!(FilesUpdate, sys::io_uring_files_update { offset, resv, fds }),
        pair!(RsrcRegister, sys::io_uring_rsrc_register { nr, flags, resv2, data, tags }),
        pair!(RsrcUpdate, sys::io_uring_rsrc_update { offset, resv, data }),
        pair!(RsrcUpdate2, sys::io_uring_rsrc_update2 { offset, resv, data, tags, nr, resv2 }),
        pair!(
            CloneBuffers,
            sys::io_uring_clone_buffers { src_fd, flags, src_off, dst_off, nr, pad }
        ),
        pair!(FileIndexRange, sys::io_uring_file_index_range { off, len, resv }),
        pair!(ProbeHeader, sys::io_uring_probe { last_op, ops_len, resv, resv2 }),
        pair!(ProbeOp, sys::io_uring_probe_op { op, resv, flags, resv2 }),
        pair!(ClockRegister, sys::io_uring_clock_register { clockid, resv = __resv }),
        pair!(
            SyncCancelReg,
            sys::io_uring_sync_cancel_reg { addr, fd, flags, timeout, opcode, pad, pad2 }
        ),
        pair!(RegionDesc, sys::io_uring_region_desc {
            user_addr, size, flags, id, mmap_offset, resv = __resv
        }),
        pair!(MemRegionReg, sys::io_uring_mem_region_reg { region_uptr, flags, resv = __resv }),
        pair!(Restriction, sys::io_uring_restriction {
            kind = opcode, value = __bindgen_anon_1, resv, resv2
        }),
        pair!(Buf, sys::io_uring_buf { addr, len, bid, resv }),
        pair!(BufReg, sys::io_uring_buf_reg { ring_addr, ring_entries, bgid, flags }),
        pair!(BufStatus, sys::io_uring_buf_status { buf_group, head, resv }),
    ]
}

fn all() -> Vec<Pair> {
    entries().into_iter().chain(set_up_and_enter()).chain(registered()).collect()
}

#[test]
fn every_structure_has_the_kernels_size_and_places() {
    for Pair { name, ours, theirs, fields } in all() {
        assert_eq!(ours, theirs, "{name}: size and alignment");
        for (field, our_place, their_place) in fields {
            assert_eq!(our_place, their_place, "{name}.{field}: place in bytes");
        }
    }
    // The last field of the entry lies in a union of theirs, which names no place for it.
    type Last = sys::io_uring_sqe__bindgen_ty_6__bindgen_ty_1;
    let place = offset_of!(sys::io_uring_sqe, __bindgen_anon_6) + offset_of!(Last, __pad2);
    assert_eq!(offset_of!(abi::Sqe, pad2), place);
}

#[test]
fn no_structure_and_no_field_is_left_out() {
    let pairs = all();
    for (name, fields) in source::structures() {
        let Some(pair) = pairs.iter().find(|pair| pair.name == name) else {
            assert!(
                NEWER.contains(&name),
                "{name} is in no table and not in the list of newer ones"
            );
            continue;
        };
        for field in fields {
            let newer = NEWER_FIELDS.iter().any(|(a, b, ..)| (*a, *b) == (name, field));
            let known = pair.fields.iter().any(|(known, ..)| *known == field);
            assert!(known || newer || (name, field) == ("Sqe", "pad2"), "{name}.{field}");
        }
    }
}

#[test]
fn newer_fields_lie_in_what_was_reserved() {
    assert_eq!(offset_of!(sys::io_uring_buf_reg, resv), 16, "stale: no longer reserved");
    for (structure, field, begin, end) in NEWER_FIELDS {
        let place = match field {
            "min_left" => offset_of!(abi::BufReg, min_left),
            _ => offset_of!(abi::BufReg, resv),
        };
        assert!((begin..end).contains(&place), "{structure}.{field} at {place}");
    }
}
