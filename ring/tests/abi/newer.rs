//! What the kernel has and `linux-raw-sys` has not yet. Each name is looked up there in earnest:
//! the day when an update of that crate brings it, the test says to move it to the tables.

/// The stand-in for a name that `linux-raw-sys` does not have.
const ABSENT: u64 = u64::MAX;

/// Declares the list. A function's own `use` goes before the names of the module around it, so
/// that in `now_known` each name means the crate's constant if there is one, and else the stand-in.
macro_rules! newer {
    ($($name:ident)*) => {
        $(const $name: u64 = ABSENT;)*

        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),*];

        fn now_known() -> Vec<&'static str> {
            #[allow(unused_imports, reason = "none of the names may be there")]
            use linux_raw_sys::{general::*, io_uring::*};
            #[allow(unused_imports, reason = "as above")]
            use linux_raw_sys::io_uring::{io_uring_op::*, io_uring_register_op::*};
            let all = [$((stringify!($name), $name as u64)),*];
            all.iter().filter(|(_, value)| *value != ABSENT).map(|(name, _)| *name).collect()
        }
    };
}

newer! {
    IORING_SETUP_CQE_MIXED
    IORING_SETUP_SQE_MIXED
    IORING_SETUP_SQ_REWIND
    IORING_CQE_F_SKIP
    IORING_CQE_F_32
    IORING_OP_NOP128
    IORING_OP_URING_CMD128
    IORING_REGISTER_QUERY
    IORING_REGISTER_ZCRX_CTRL
    IORING_REGISTER_BPF_FILTER
    IORING_TIMEOUT_IMMEDIATE_ARG
    RWF_NOAPPEND
    RWF_ATOMIC
    RWF_DONTCACHE
    RWF_NOSIGNAL
}

#[test]
fn the_list_is_not_stale() {
    let known: Vec<&str> = now_known();
    assert!(known.is_empty(), "linux-raw-sys has these now, move them to the tables: {known:?}");
}
