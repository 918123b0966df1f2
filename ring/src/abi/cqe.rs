//! The completion queue entry. Written by the kernel, read by `cqueue`.

use bitflags::bitflags;

bitflags! {
    /// What a completion says beside its result: `IORING_CQE_F_*`. The upper 16 bits are a buffer
    /// number where `BUFFER` is set.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct CqeFlags: u32 {
        /// A provided buffer was used; its number is in the upper 16 bits, Linux 5.7.
        const BUFFER = 1 << 0;
        /// The same request will post more completions, Linux 5.13.
        const MORE = 1 << 1;
        /// The socket has more to read, Linux 5.19.
        const SOCK_NONEMPTY = 1 << 2;
        /// A zero-copy notification, Linux 6.0.
        const NOTIF = 1 << 3;
        /// The provided buffer is not used up, Linux 6.12.
        const BUF_MORE = 1 << 4;
        /// A filler entry to be passed over, Linux 6.18.
        const SKIP = 1 << 5;
        /// This entry is 32 bytes long on a mixed ring, Linux 6.18.
        const F_32 = 1 << 15;
        // Newer flags and the buffer number are kept as they are.
        const _ = !0;
    }
}

/// A completion queue entry of 16 bytes: `struct io_uring_cqe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Cqe {
    /// What the submission entry carried.
    pub user_data: u64,
    /// A count of bytes or another value of the operation; a negative errno on failure.
    pub res: i32,
    /// Beside the result.
    pub flags: CqeFlags,
}

const _: () = assert!(size_of::<Cqe>() == 16);
const _: () = assert!(std::mem::offset_of!(Cqe, res) == 8);

impl Cqe {
    /// The result as the operation's value, or the positive errno.
    #[inline]
    pub const fn result(&self) -> Result<u32, i32> {
        // `unsigned_abs` is also right for i32::MIN, which no kernel sends.
        if self.res < 0 { Err(self.res.saturating_neg()) } else { Ok(self.res.unsigned_abs()) }
    }

    /// The number of the provided buffer that was used, if one was.
    #[inline]
    pub const fn buffer_id(&self) -> Option<u16> {
        if self.flags.contains(CqeFlags::BUFFER) {
            // The upper half of the flags, so nothing is cut off.
            return Some((self.flags.bits() >> 16) as u16);
        }
        None
    }

    /// Whether the same entry will post more completions.
    #[inline]
    pub const fn has_more(&self) -> bool {
        self.flags.contains(CqeFlags::MORE)
    }
}
