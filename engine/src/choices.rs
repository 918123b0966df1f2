//! The choices that a configuration offers beside numbers: how the kernel finishes requests, and
//! what an engine must not do without. Held by `config`, read by `select` and `engine`.

use bitflags::bitflags;

/// When the kernel does its part of finishing a request. Each changes speed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TaskWork {
    /// When the engine enters the kernel, and then all at once: the quickest, and the default.
    ///
    /// Kernel: Linux 6.1, `IORING_SETUP_DEFER_TASKRUN`; without it as `Coop`.
    #[default]
    Defer,
    /// Whenever the engine's thread enters the kernel for any reason.
    ///
    /// Kernel: Linux 5.19, `IORING_SETUP_COOP_TASKRUN`; without it as `Plain`.
    Coop,
    /// At once, by an interrupt of the engine's thread.
    Plain,
}

impl TaskWork {
    /// The names that environment variables use.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("defer", Self::Defer), ("coop", Self::Coop), ("plain", Self::Plain)];
}

bitflags! {
    /// What an engine must not do without: where it cannot be had, the start fails with one line
    /// that says why, instead of going on with a line in the [`Report`](crate::Report).
    ///
    /// That requests go through io_uring is required by
    /// [`BackendChoice::IoUring`](crate::BackendChoice::IoUring).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Required: u32 {
        /// The buffer pool is registered with the kernel.
        const FIXED_BUFFERS = 1;
        /// There are slots for registered files, and a file that is registered gets one.
        const FIXED_FILES = 1 << 1;
        /// The kernel grants every set-up flag that makes a ring faster. One that another setting
        /// excludes does not count.
        const SETUP_FLAGS = 1 << 2;
        /// Every kind of request goes through the ring, none as a plain system call on the
        /// engine's thread.
        const RING_OPERATIONS = 1 << 3;
        /// The thread pool has as many helpers as were asked for.
        const THREADS = 1 << 4;
    }
}

impl Required {
    /// The names that environment variables and messages use.
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("fixed_buffers", Self::FIXED_BUFFERS),
        ("fixed_files", Self::FIXED_FILES),
        ("setup_flags", Self::SETUP_FLAGS),
        ("ring_operations", Self::RING_OPERATIONS),
        ("threads", Self::THREADS),
    ];
}
