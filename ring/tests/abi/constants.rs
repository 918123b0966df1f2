//! The value of every constant: bit sets by reflection, opcodes by their own names, the rest from
//! the source.

use crate::{newer, source};
use bitflags::Flags;
use iomill_ring::abi::{self, Opcode, RegisterOp, Restriction, SqeFlags};
use iomill_ring::op;
use linux_raw_sys::general::{RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC};
use linux_raw_sys::io_uring::io_uring_op::*;
use linux_raw_sys::io_uring::io_uring_register_op::*;
use linux_raw_sys::io_uring::io_uring_register_pbuf_ring_flags::*;
use linux_raw_sys::io_uring::io_uring_register_restriction_op::*;
use linux_raw_sys::io_uring::*;
use std::fmt::Display;

/// Their constants by name, or by another where ours turns the words around.
macro_rules! theirs {
    ($($name:ident $(= $alias:literal)?)*) => {
        &[$((theirs!(@name $name $($alias)?), $name as u64)),*]
    };
    (@name $name:ident) => { stringify!($name) };
    (@name $name:ident $alias:literal) => { $alias };
}

/// Compares our constants with theirs, whose names are ours with one of `prefixes` before them. A
/// name that they do not have must be in the list of newer ones.
fn compare(kind: &str, prefixes: &[&str], ours: &[(&str, u64)], theirs: &[(&str, u64)]) {
    assert!(!ours.is_empty(), "{kind}: nothing to compare");
    let same =
        |long: &str, short: &str| prefixes.iter().any(|p| long.strip_prefix(p) == Some(short));
    for (name, value) in ours {
        if let Some((their_name, their_value)) = theirs.iter().find(|(long, _)| same(long, name)) {
            assert_eq!(value, their_value, "{kind}::{name} is not {their_name}");
        } else {
            let newer = newer::NAMES.iter().any(|long| same(long, name));
            assert!(newer, "{kind}::{name} is in no table and not in the list of newer ones");
        }
    }
    for (their_name, _) in theirs {
        assert!(ours.iter().any(|(name, _)| same(their_name, name)), "{kind} lacks {their_name}");
    }
}

/// As [`compare`], for all named bits of a bit set; answers its name.
fn flags<F>(prefixes: &[&str], theirs: &[(&str, u64)]) -> &'static str
where
    F: Flags,
    F::Bits: Into<u64> + Display,
{
    let kind = std::any::type_name::<F>().rsplit("::").next().expect("a path has a last part");
    let named = F::FLAGS.iter().filter(|flag| !flag.name().is_empty());
    let ours: Vec<_> = named.map(|flag| (flag.name(), flag.value().bits().into())).collect();
    compare(kind, prefixes, &ours, theirs);
    kind
}

#[rustfmt::skip]
fn set_up_and_enter() -> Vec<&'static str> {
    vec![
        flags::<abi::SetupFlags>(&["IORING_SETUP_"], theirs! {
            IORING_SETUP_IOPOLL IORING_SETUP_SQPOLL IORING_SETUP_SQ_AFF IORING_SETUP_CQSIZE
            IORING_SETUP_CLAMP IORING_SETUP_ATTACH_WQ IORING_SETUP_R_DISABLED
            IORING_SETUP_SUBMIT_ALL IORING_SETUP_COOP_TASKRUN IORING_SETUP_TASKRUN_FLAG
            IORING_SETUP_SQE128 IORING_SETUP_CQE32 IORING_SETUP_SINGLE_ISSUER
            IORING_SETUP_DEFER_TASKRUN IORING_SETUP_NO_MMAP IORING_SETUP_REGISTERED_FD_ONLY
            IORING_SETUP_NO_SQARRAY IORING_SETUP_HYBRID_IOPOLL
        }),
        flags::<abi::Features>(&["IORING_FEAT_"], theirs! {
            IORING_FEAT_SINGLE_MMAP IORING_FEAT_NODROP IORING_FEAT_SUBMIT_STABLE
            IORING_FEAT_RW_CUR_POS IORING_FEAT_CUR_PERSONALITY IORING_FEAT_FAST_POLL
            IORING_FEAT_POLL_32BITS IORING_FEAT_SQPOLL_NONFIXED IORING_FEAT_EXT_ARG
            IORING_FEAT_NATIVE_WORKERS IORING_FEAT_RSRC_TAGS IORING_FEAT_CQE_SKIP
            IORING_FEAT_LINKED_FILE IORING_FEAT_REG_REG_RING IORING_FEAT_RECVSEND_BUNDLE
            IORING_FEAT_MIN_TIMEOUT IORING_FEAT_RW_ATTR IORING_FEAT_NO_IOWAIT
        }),
        flags::<abi::SqFlags>(&["IORING_SQ_"], theirs! {
            IORING_SQ_NEED_WAKEUP IORING_SQ_CQ_OVERFLOW IORING_SQ_TASKRUN
        }),
        flags::<abi::CqFlags>(&["IORING_CQ_"], theirs! { IORING_CQ_EVENTFD_DISABLED }),
        flags::<abi::CqeFlags>(&["IORING_CQE_F_", "IORING_CQE_"], theirs! {
            IORING_CQE_F_BUFFER IORING_CQE_F_MORE IORING_CQE_F_SOCK_NONEMPTY IORING_CQE_F_NOTIF
            IORING_CQE_F_BUF_MORE
        }),
        flags::<abi::EnterFlags>(&["IORING_ENTER_"], theirs! {
            IORING_ENTER_GETEVENTS IORING_ENTER_SQ_WAKEUP IORING_ENTER_SQ_WAIT
            IORING_ENTER_EXT_ARG IORING_ENTER_REGISTERED_RING IORING_ENTER_ABS_TIMER
            IORING_ENTER_EXT_ARG_REG IORING_ENTER_NO_IOWAIT
        }),
        flags::<abi::RegWaitFlags>(&["IORING_REG_WAIT_"], theirs! { IORING_REG_WAIT_TS }),
        flags::<abi::BufRingFlags>(&["IOU_PBUF_RING_"], theirs! {
            IOU_PBUF_RING_MMAP IOU_PBUF_RING_INC
        }),
        flags::<abi::CloneFlags>(&["IORING_REGISTER_"], theirs! {
            IORING_REGISTER_SRC_REGISTERED IORING_REGISTER_DST_REPLACE
        }),
    ]
}

#[rustfmt::skip]
fn operations() -> Vec<&'static str> {
    vec![
        flags::<abi::RwFlags>(&["RWF_"], theirs! {
            RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND
        }),
        flags::<op::FsyncFlags>(&["IORING_FSYNC_"], theirs! { IORING_FSYNC_DATASYNC }),
        flags::<op::SyncRangeFlags>(&["SYNC_FILE_RANGE_"], theirs! {
            SYNC_FILE_RANGE_WAIT_BEFORE SYNC_FILE_RANGE_WRITE SYNC_FILE_RANGE_WAIT_AFTER
        }),
        flags::<op::PollFlags>(&["IORING_POLL_ADD_", "IORING_POLL_"], theirs! {
            IORING_POLL_ADD_MULTI IORING_POLL_UPDATE_EVENTS IORING_POLL_UPDATE_USER_DATA
            IORING_POLL_ADD_LEVEL
        }),
        flags::<op::TimeoutFlags>(&["IORING_TIMEOUT_"], theirs! {
            IORING_TIMEOUT_ABS IORING_TIMEOUT_UPDATE IORING_TIMEOUT_BOOTTIME
            IORING_TIMEOUT_REALTIME IORING_LINK_TIMEOUT_UPDATE = "IORING_TIMEOUT_LINK_UPDATE"
            IORING_TIMEOUT_ETIME_SUCCESS IORING_TIMEOUT_MULTISHOT
        }),
        flags::<op::CancelFlags>(&["IORING_ASYNC_CANCEL_"], theirs! {
            IORING_ASYNC_CANCEL_ALL IORING_ASYNC_CANCEL_FD IORING_ASYNC_CANCEL_ANY
            IORING_ASYNC_CANCEL_FD_FIXED IORING_ASYNC_CANCEL_USERDATA IORING_ASYNC_CANCEL_OP
        }),
        flags::<op::MessageFlags>(&["IORING_MSG_RING_"], theirs! {
            IORING_MSG_RING_CQE_SKIP IORING_MSG_RING_FLAGS_PASS
        }),
        flags::<op::InstallFlags>(&["IORING_FIXED_FD_"], theirs! { IORING_FIXED_FD_NO_CLOEXEC }),
    ]
}

#[test]
fn every_bit_of_every_bit_set_is_the_kernels() {
    let mut compared = set_up_and_enter();
    compared.extend(operations());
    // The kernel names these by number: see `sqe_flags_are_the_kernels_bits`.
    compared.push("SqeFlags");
    for kind in source::flag_types() {
        assert!(compared.contains(&kind), "{kind} is compared with nothing");
    }
}

#[test]
fn sqe_flags_are_the_kernels_bits() {
    use linux_raw_sys::io_uring::io_uring_sqe_flags_bit::*;
    let theirs = [
        ("FIXED_FILE", IOSQE_FIXED_FILE_BIT),
        ("IO_DRAIN", IOSQE_IO_DRAIN_BIT),
        ("IO_LINK", IOSQE_IO_LINK_BIT),
        ("IO_HARDLINK", IOSQE_IO_HARDLINK_BIT),
        ("ASYNC", IOSQE_ASYNC_BIT),
        ("BUFFER_SELECT", IOSQE_BUFFER_SELECT_BIT),
        ("CQE_SKIP_SUCCESS", IOSQE_CQE_SKIP_SUCCESS_BIT),
    ];
    let ours: Vec<_> =
        SqeFlags::all().iter_names().map(|(name, flag)| (name, flag.bits())).collect();
    assert_eq!(ours, theirs.map(|(name, bit)| (name, 1 << bit as u8)));
}

#[test]
#[rustfmt::skip]
fn every_opcode_is_the_kernels() {
    let names = (0..=u8::MAX).filter_map(|code| Some((Opcode(code).name()?, u64::from(code))));
    let theirs = theirs! {
        IORING_OP_NOP IORING_OP_READV IORING_OP_WRITEV IORING_OP_FSYNC IORING_OP_READ_FIXED
        IORING_OP_WRITE_FIXED IORING_OP_POLL_ADD IORING_OP_POLL_REMOVE IORING_OP_SYNC_FILE_RANGE
        IORING_OP_SENDMSG IORING_OP_RECVMSG IORING_OP_TIMEOUT IORING_OP_TIMEOUT_REMOVE
        IORING_OP_ACCEPT IORING_OP_ASYNC_CANCEL IORING_OP_LINK_TIMEOUT IORING_OP_CONNECT
        IORING_OP_FALLOCATE IORING_OP_OPENAT IORING_OP_CLOSE IORING_OP_FILES_UPDATE IORING_OP_STATX
        IORING_OP_READ IORING_OP_WRITE IORING_OP_FADVISE IORING_OP_MADVISE IORING_OP_SEND
        IORING_OP_RECV IORING_OP_OPENAT2 IORING_OP_EPOLL_CTL IORING_OP_SPLICE
        IORING_OP_PROVIDE_BUFFERS IORING_OP_REMOVE_BUFFERS IORING_OP_TEE IORING_OP_SHUTDOWN
        IORING_OP_RENAMEAT IORING_OP_UNLINKAT IORING_OP_MKDIRAT IORING_OP_SYMLINKAT
        IORING_OP_LINKAT IORING_OP_MSG_RING IORING_OP_FSETXATTR IORING_OP_SETXATTR
        IORING_OP_FGETXATTR IORING_OP_GETXATTR IORING_OP_SOCKET IORING_OP_URING_CMD
        IORING_OP_SEND_ZC IORING_OP_SENDMSG_ZC IORING_OP_READ_MULTISHOT IORING_OP_WAITID
        IORING_OP_FUTEX_WAIT IORING_OP_FUTEX_WAKE IORING_OP_FUTEX_WAITV
        IORING_OP_FIXED_FD_INSTALL IORING_OP_FTRUNCATE IORING_OP_BIND IORING_OP_LISTEN
        IORING_OP_RECV_ZC IORING_OP_EPOLL_WAIT IORING_OP_READV_FIXED IORING_OP_WRITEV_FIXED
        IORING_OP_PIPE
    };
    compare("Opcode", &["IORING_OP_"], &names.collect::<Vec<_>>(), theirs);
    assert_eq!(theirs.len() as u64, IORING_OP_LAST as u64, "the table itself is complete");
}

#[test]
#[rustfmt::skip]
fn every_register_operation_is_the_kernels() {
    let theirs = theirs! {
        IORING_REGISTER_BUFFERS IORING_UNREGISTER_BUFFERS IORING_REGISTER_FILES
        IORING_UNREGISTER_FILES IORING_REGISTER_EVENTFD IORING_UNREGISTER_EVENTFD
        IORING_REGISTER_FILES_UPDATE IORING_REGISTER_EVENTFD_ASYNC IORING_REGISTER_PROBE
        IORING_REGISTER_PERSONALITY IORING_UNREGISTER_PERSONALITY IORING_REGISTER_RESTRICTIONS
        IORING_REGISTER_ENABLE_RINGS IORING_REGISTER_FILES2 IORING_REGISTER_FILES_UPDATE2
        IORING_REGISTER_BUFFERS2 IORING_REGISTER_BUFFERS_UPDATE IORING_REGISTER_IOWQ_AFF
        IORING_UNREGISTER_IOWQ_AFF IORING_REGISTER_IOWQ_MAX_WORKERS IORING_REGISTER_RING_FDS
        IORING_UNREGISTER_RING_FDS IORING_REGISTER_PBUF_RING IORING_UNREGISTER_PBUF_RING
        IORING_REGISTER_SYNC_CANCEL IORING_REGISTER_FILE_ALLOC_RANGE IORING_REGISTER_PBUF_STATUS
        IORING_REGISTER_NAPI IORING_UNREGISTER_NAPI IORING_REGISTER_CLOCK
        IORING_REGISTER_CLONE_BUFFERS IORING_REGISTER_SEND_MSG_RING IORING_REGISTER_ZCRX_IFQ
        IORING_REGISTER_RESIZE_RINGS IORING_REGISTER_MEM_REGION
    };
    compare("RegisterOp", &["IORING_REGISTER_", "IORING_"], &source::register_ops(), theirs);
    assert_eq!(theirs.len() as u64, IORING_REGISTER_LAST as u64, "the table itself is complete");
    let through_index = RegisterOp::BUFFERS.on_registered_ring();
    assert_eq!(through_index.0, IORING_REGISTER_USE_REGISTERED_RING as u32);
}

#[test]
fn restrictions_and_offsets_are_the_kernels() {
    for (ours, theirs) in [
        (Restriction::register_op(RegisterOp::FILES), IORING_RESTRICTION_REGISTER_OP),
        (Restriction::sqe_op(Opcode::READ), IORING_RESTRICTION_SQE_OP),
        (Restriction::flags_allowed(SqeFlags::ASYNC), IORING_RESTRICTION_SQE_FLAGS_ALLOWED),
        (Restriction::flags_required(SqeFlags::ASYNC), IORING_RESTRICTION_SQE_FLAGS_REQUIRED),
    ] {
        assert_eq!(u32::from(ours.kind), theirs as u32);
    }
    assert_eq!(abi::OFFSET_RINGS, u64::from(IORING_OFF_SQ_RING));
    assert_eq!(abi::OFFSET_SQES, u64::from(IORING_OFF_SQES));
}

#[test]
fn file_advice_is_the_kernels() {
    for (ours, theirs) in [
        (op::FileAdvice::NORMAL, libc::POSIX_FADV_NORMAL),
        (op::FileAdvice::RANDOM, libc::POSIX_FADV_RANDOM),
        (op::FileAdvice::SEQUENTIAL, libc::POSIX_FADV_SEQUENTIAL),
        (op::FileAdvice::WILL_NEED, libc::POSIX_FADV_WILLNEED),
        (op::FileAdvice::DONT_NEED, libc::POSIX_FADV_DONTNEED),
        (op::FileAdvice::NO_REUSE, libc::POSIX_FADV_NOREUSE),
    ] {
        assert_eq!(ours.0, theirs.cast_unsigned());
    }
}
