//! Which file system a file lies on, as far as it matters for the choice of a lane. Asked by `file`
//! once per open.

use crate::platform;
use std::os::fd::BorrowedFd;

/// What a file lies on. Made from the number that fstatfs(2) answers (`linux/magic.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FileSystem {
    /// Not known, or no regular file: a path, a pipe, a device.
    #[default]
    Unknown,
    /// ext2, ext3 or ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// tmpfs or ramfs: no device behind it.
    Tmpfs,
    /// overlayfs, as in containers.
    Overlay,
    /// One that waits for another machine or process: NFS, SMB, Ceph, 9p, FUSE and so on.
    Remote,
    /// Any other.
    Other,
}

const REMOTE: [u64; 13] = [
    0x6969,      // NFS
    0x517b,      // SMB
    0xfe53_4d42, // SMB2
    0xff53_4d42, // CIFS
    0x6573_5546, // FUSE
    0x0102_1997, // 9p
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x6b41_4653, // kAFS
    0x7375_7245, // Coda
    0x0116_1970, // GFS2
    0x7461_636f, // OCFS2
    0x0bd0_0bd0, // Lustre
];

impl FileSystem {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Ext4,
        Self::Xfs,
        Self::Btrfs,
        Self::Tmpfs,
        Self::Overlay,
        Self::Remote,
        Self::Other,
    ];

    /// Asks the kernel.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Self {
        platform::file_system_magic(fd).map_or(Self::Unknown, Self::from_magic)
    }

    fn from_magic(magic: u64) -> Self {
        match magic {
            0xef53 => Self::Ext4,
            0x5846_5342 => Self::Xfs,
            0x9123_683e => Self::Btrfs,
            0x0102_1994 | 0x8584_58f6 => Self::Tmpfs,
            0x794c_7630 => Self::Overlay,
            magic if REMOTE.contains(&magic) => Self::Remote,
            _ => Self::Other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "any",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Tmpfs => "tmpfs",
            Self::Overlay => "overlay",
            Self::Remote => "remote",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn magic_numbers_are_told_apart_and_strangers_are_other() {
        assert_eq!(FileSystem::from_magic(0xef53), FileSystem::Ext4);
        assert_eq!(FileSystem::from_magic(0x0102_1994), FileSystem::Tmpfs);
        assert_eq!(FileSystem::from_magic(0x0102_1997), FileSystem::Remote);
        assert_eq!(FileSystem::from_magic(1), FileSystem::Other);
    }

    #[test]
    #[cfg_attr(iomill_portable, ignore = "only Linux names file systems")]
    fn the_kernel_names_the_file_system_of_proc_as_other() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert_eq!(FileSystem::of(file.as_fd()), FileSystem::Other);
    }
}
