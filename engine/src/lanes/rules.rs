//! The rules that hold before anything was measured on the machine itself. They come from
//! measurements of 1,682 cells on one machine, of which `docs/guides/lanes.md` gives the gist.
//! Asked by `table` once per cell.

use super::{FileSystem, LaneOp, QueueLength, Route};

/// What an engine runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// io_uring.
    Ring,
    /// A pool of helper threads.
    Pool,
}

/// The route of a cell.
pub(super) fn rule(
    base: Base,
    op: LaneOp,
    file_system: FileSystem,
    direct: bool,
    queue: QueueLength,
) -> Route {
    if op.is_on_open_file() {
        match file_system {
            // A pipe or a device may never answer, another machine late: the caller goes on.
            FileSystem::Unknown | FileSystem::Remote => return Route::Backend,
            // There is no device to wait for; the ring would send even its reads to a worker.
            FileSystem::Tmpfs => return Route::Inline,
            _ => {}
        }
    }
    match op {
        LaneOp::Read | LaneOp::LongRead if direct => direct_transfer(base, queue),
        LaneOp::Read => read(base, queue),
        LaneOp::LongRead => long_read(base, queue),
        LaneOp::Write if direct && file_system == FileSystem::Btrfs => direct_btrfs(base, queue),
        LaneOp::Write if direct => direct_transfer(base, queue),
        LaneOp::Write => write(base, file_system, queue),
        LaneOp::DurableWrite if direct => direct_transfer(base, queue),
        LaneOp::DurableWrite | LaneOp::SyncRange | LaneOp::Advise => waiting(queue),
        LaneOp::Sync => sync(file_system, queue),
        // The ring looks names up without waiting, so that it cannot hang on a FIFO. On the pool
        // this is the price of a hand-over.
        LaneOp::Open => match base {
            Base::Ring => Route::Backend,
            Base::Pool => waiting(queue),
        },
        LaneOp::Close => match (base, queue) {
            (Base::Ring, QueueLength::Some | QueueLength::Many) => Route::Backend,
            _ => Route::Inline,
        },
        LaneOp::Allocate
        | LaneOp::Truncate
        | LaneOp::Create
        | LaneOp::Stat
        | LaneOp::Rename
        | LaneOp::Unlink
        | LaneOp::MakeDirectory
        | LaneOp::Link => Route::Inline,
        LaneOp::Nop => Route::Backend,
    }
}

/// The cache is asked on the engine's thread: by the ring only while the price of its call is
/// shared by few, by the pool always, because any hand-over costs more.
fn read(base: Base, queue: QueueLength) -> Route {
    match (base, queue) {
        (_, QueueLength::One) => Route::IfAwaited,
        (_, QueueLength::Few) | (Base::Pool, _) => Route::IfCached,
        (Base::Ring, _) => Route::Backend,
    }
}

/// Here the copy is the work; several helpers can share it.
fn long_read(base: Base, queue: QueueLength) -> Route {
    match (base, queue) {
        (_, QueueLength::One) => Route::IfAwaited,
        (Base::Pool, QueueLength::Few) => Route::IfCached,
        _ => Route::Backend,
    }
}

fn write(base: Base, file_system: FileSystem, queue: QueueLength) -> Route {
    match (file_system, base, queue) {
        // The ring writes XFS's page cache on the spot, and shares its price among many.
        (FileSystem::Xfs, Base::Ring, QueueLength::Some | QueueLength::Many) => Route::Backend,
        // Of an unknown file system nothing says that it copies and returns.
        (FileSystem::Other, ..) => waiting(queue),
        // The ring hands every one of these to a worker.
        _ => Route::Inline,
    }
}

/// The ring is as good as the plain call for one and better for many; a pool is not.
fn direct_transfer(base: Base, queue: QueueLength) -> Route {
    match base {
        Base::Ring => Route::Backend,
        Base::Pool => waiting(queue),
    }
}

/// Direct writes to Btrfs: helpers reach two to three times the ring's rate.
fn direct_btrfs(base: Base, queue: QueueLength) -> Route {
    match (base, queue) {
        (Base::Ring, QueueLength::Some | QueueLength::Many) => Route::Helpers,
        _ => direct_transfer(base, queue),
    }
}

/// At many at once, helpers of our own beat the ring's workers by half on ext4.
fn sync(file_system: FileSystem, queue: QueueLength) -> Route {
    match (file_system, queue) {
        (FileSystem::Ext4, QueueLength::Many) => Route::Helpers,
        _ => waiting(queue),
    }
}

/// It waits for a device: on the engine's thread only if the caller waits for it as well.
fn waiting(queue: QueueLength) -> Route {
    match queue {
        QueueLength::One => Route::IfAwaited,
        _ => Route::Backend,
    }
}
