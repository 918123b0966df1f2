//! Which way the requests went, and the engine's counters, as JSON.
//!
//! Owns the names below `lanes` and `counters` of the key `iomill`. Called by `iomill`.

use iomill_engine::{FileSystem, LaneCounts, LaneOp, Reason, Route};
use serde::Serialize;

use crate::stats::{EngineUse, KindUse, LaneRow};

/// What carried the requests, and the rows of the table that said so.
#[derive(Serialize)]
pub(super) struct Lanes {
    read: Count,
    write: Count,
    sync: Count,
    trim: Count,
    table: Vec<Row>,
}

/// Completions by what carried them.
#[derive(Serialize)]
struct Count {
    inline: u64,
    backend: u64,
    helpers: u64,
}

/// One row of the table.
#[derive(Serialize)]
struct Row {
    operation: &'static str,
    files: &'static str,
    access: &'static str,
    /// At queue lengths 1, 2-3, 4-15, 16 and more.
    routes: [&'static str; 4],
    why: [String; 4],
}

impl Lanes {
    pub(super) fn of(used: &EngineUse) -> Lanes {
        let [read, write, sync, trim] = used.kinds.map(|kind| {
            let LaneCounts { inline, ring, helper } = kind.lanes;
            Count { inline, backend: ring, helpers: helper }
        });
        Lanes { read, write, sync, trim, table: used.table.iter().map(row).collect() }
    }
}

fn row(row: &LaneRow) -> Row {
    let operation = match row.op {
        LaneOp::Read => "read",
        LaneOp::LongRead => "read of more than 64 KiB",
        LaneOp::Write => "write",
        LaneOp::Sync => "sync",
        _ => "trim",
    };
    let files = match row.file_system {
        FileSystem::Unknown => "no regular file",
        FileSystem::Ext4 => "ext4",
        FileSystem::Xfs => "xfs",
        FileSystem::Btrfs => "btrfs",
        FileSystem::Tmpfs => "tmpfs",
        FileSystem::Overlay => "overlay",
        FileSystem::Remote => "remote",
        FileSystem::Other => "other",
    };
    Row {
        operation,
        files,
        access: if row.is_direct { "direct" } else { "buffered" },
        routes: row.cells.map(|(route, _)| match route {
            Route::Backend => "backend",
            Route::Inline => "inline",
            Route::IfCached => "if cached",
            Route::IfAwaited => "if awaited",
            Route::Helpers => "helpers",
        }),
        why: row.cells.map(|(_, reason)| why(reason)),
    }
}

fn why(reason: Reason) -> String {
    match reason {
        Reason::Rule => "rule".to_owned(),
        Reason::Caller => "caller".to_owned(),
        Reason::Missing => "the ring lacks it".to_owned(),
        Reason::Forbidden => "inline calls are forbidden".to_owned(),
        Reason::Probed { inline_ns, backend_ns } => {
            format!("probed: inline {inline_ns} ns, backend {backend_ns} ns")
        }
        Reason::Observed { inline_ns, backend_ns } => {
            format!("observed: inline {inline_ns} ns, backend {backend_ns} ns")
        }
    }
}

/// What the engine counted beside the requests themselves.
#[derive(Serialize)]
pub(super) struct Counters {
    failed: u64,
    given_up: u64,
    short_transfers: u64,
    retries: u64,
    overflows: u64,
    depth_average: f64,
    depth_max: u32,
}

impl Counters {
    pub(super) fn of(used: &EngineUse) -> Counters {
        let sum = |of: fn(&KindUse) -> u64| used.kinds.iter().map(of).sum();
        Counters {
            failed: sum(|kind| kind.failed),
            given_up: sum(|kind| kind.given_up),
            short_transfers: sum(|kind| kind.short_transfers),
            retries: sum(|kind| kind.retries),
            overflows: used.overflow_count,
            depth_average: used.depth_average(),
            depth_max: used.depth_max,
        }
    }
}
