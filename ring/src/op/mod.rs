//! Builds submission entries, one plain function per operation. Safe: an entry is only numbers
//! until it is pushed. Called by whoever drives a `Ring`; never touches a queue.
//!
//! Every function's "Kernel" line is the first Linux version with the operation; an older one
//! completes the entry with `EINVAL`. [`Ring::probe`](crate::Ring::probe) tells before. Flags that
//! a kernel or file system lacks are `EINVAL` or `EOPNOTSUPP` too.
//!
//! What an entry points to must outlive its completion; paths, names and times only its submission
//! ([`Ring::push`](crate::Ring::push) has the conditions). The functions for sockets are left out;
//! an entry for any opcode can be filled by hand, because [`Sqe`](crate::Sqe)'s fields are public.

mod cancel;
mod command;
mod file;
mod futex;
mod memory;
mod message;
mod nop;
mod path;
mod poll;
mod splice;
mod sync;
mod target;
mod time;
mod transfer;
mod xattr;

pub use cancel::{CancelFlags, Matching, cancel};
pub use command::{COMMAND_LEN_BYTES, block_discard, command, command128};
pub use file::{
    FileAdvice, InstallFlags, close, close_slot, fadvise, fallocate, ftruncate, install_fd,
    update_slots,
};
pub use futex::{futex_wait, futex_wait_any, futex_wake};
pub use memory::madvise;
pub use message::{MessageFlags, message, message_file};
pub use nop::{nop, nop_with_result};
pub use path::{
    CURRENT_DIRECTORY, OpenHow, link, mkdir, open, open2, rename, statx, symlink, unlink,
};
pub use poll::{PollFlags, poll, poll_remove, poll_update};
pub use splice::{NO_OFFSET, pipe, splice, tee};
pub use sync::{FsyncFlags, SyncRangeFlags, fsync, sync_file_range};
pub use target::Target;
pub use time::{TimeoutFlags, link_timeout, timeout, timeout_remove, timeout_update};
pub use transfer::{
    CURRENT_POSITION, read, read_fixed, read_into_group, read_multishot, readv, readv_fixed, write,
    write_fixed, writev, writev_fixed,
};
pub use xattr::{fgetxattr, fsetxattr, getxattr, setxattr};
