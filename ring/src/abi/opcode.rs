//! The operation codes of a submission entry. Used by `op` to build entries and by `probe`.

/// An operation code: any `u8`, because the running kernel may know more of them than this list.
///
/// Kernel: the version in each constant's line is the first that has the operation; an older one
/// completes it with `-EINVAL`. Ask [`Probe`](crate::Probe) first (Linux 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Opcode(pub u8);

/// Declares each opcode once, with its kernel name and the first kernel version that has it.
macro_rules! opcodes {
    ($($number:literal $name:ident $since:literal;)*) => {
        impl Opcode {
            $(
                #[doc = concat!("`IORING_OP_", stringify!($name), "`, Linux ", $since, ".")]
                pub const $name: Opcode = Opcode($number);
            )*

            /// The kernel's name without its prefix, or `None` for a code newer than this list.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some(stringify!($name)),)* _ => None }
            }

            /// The first Linux version with this operation, or `None` for an unknown code.
            pub const fn since(self) -> Option<&'static str> {
                match self.0 { $($number => Some($since),)* _ => None }
            }
        }
    };
}

opcodes! {
    0 NOP "5.1";
    1 READV "5.1";
    2 WRITEV "5.1";
    3 FSYNC "5.1";
    4 READ_FIXED "5.1";
    5 WRITE_FIXED "5.1";
    6 POLL_ADD "5.1";
    7 POLL_REMOVE "5.1";
    8 SYNC_FILE_RANGE "5.2";
    9 SENDMSG "5.3";
    10 RECVMSG "5.3";
    11 TIMEOUT "5.4";
    12 TIMEOUT_REMOVE "5.5";
    13 ACCEPT "5.5";
    14 ASYNC_CANCEL "5.5";
    15 LINK_TIMEOUT "5.5";
    16 CONNECT "5.5";
    17 FALLOCATE "5.6";
    18 OPENAT "5.6";
    19 CLOSE "5.6";
    20 FILES_UPDATE "5.6";
    21 STATX "5.6";
    22 READ "5.6";
    23 WRITE "5.6";
    24 FADVISE "5.6";
    25 MADVISE "5.6";
    26 SEND "5.6";
    27 RECV "5.6";
    28 OPENAT2 "5.6";
    29 EPOLL_CTL "5.6";
    30 SPLICE "5.7";
    31 PROVIDE_BUFFERS "5.7";
    32 REMOVE_BUFFERS "5.7";
    33 TEE "5.8";
    34 SHUTDOWN "5.11";
    35 RENAMEAT "5.11";
    36 UNLINKAT "5.11";
    37 MKDIRAT "5.15";
    38 SYMLINKAT "5.15";
    39 LINKAT "5.15";
    40 MSG_RING "5.18";
    41 FSETXATTR "5.19";
    42 SETXATTR "5.19";
    43 FGETXATTR "5.19";
    44 GETXATTR "5.19";
    45 SOCKET "5.19";
    46 URING_CMD "5.19";
    47 SEND_ZC "6.0";
    48 SENDMSG_ZC "6.1";
    49 READ_MULTISHOT "6.7";
    50 WAITID "6.7";
    51 FUTEX_WAIT "6.7";
    52 FUTEX_WAKE "6.7";
    53 FUTEX_WAITV "6.7";
    54 FIXED_FD_INSTALL "6.8";
    55 FTRUNCATE "6.9";
    56 BIND "6.11";
    57 LISTEN "6.11";
    58 RECV_ZC "6.15";
    59 EPOLL_WAIT "6.15";
    60 READV_FIXED "6.15";
    61 WRITEV_FIXED "6.15";
    62 PIPE "6.16";
    63 NOP128 "6.19";
    64 URING_CMD128 "6.19";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opcode_newer_than_the_list_is_a_value_without_a_name() {
        let newer = Opcode(250);
        assert_eq!((newer.name(), newer.since()), (None, None));
        assert_eq!(Opcode::READ.name(), Some("READ"));
        assert_eq!(Opcode::PIPE.since(), Some("6.16"));
    }
}
