//! What the engine of a job did beside moving bytes: its lanes and its counters.
//!
//! Owns which of the engine's figures a report gets, and how those of several jobs are added up.
//! Asked of the engine by `job_thread`, written by `report`.

use iomill_engine::{Engine, File, FileSystem, LaneCounts, LaneOp, Metrics, OpMetrics};
use iomill_engine::{QueueLength, Reason, Route};

/// What one kind of request came to. Units: requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindUse {
    pub(crate) lanes: LaneCounts,
    pub(crate) failed: u64,
    pub(crate) given_up: u64,
    pub(crate) short_transfers: u64,
    pub(crate) retries: u64,
}

/// One row of the table of lanes: where such requests go at queue lengths 1, 2-3, 4-15, and more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LaneRow {
    pub(crate) op: LaneOp,
    pub(crate) file_system: FileSystem,
    pub(crate) is_direct: bool,
    pub(crate) cells: [(Route, Reason); 4],
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineUse {
    /// Reads, writes, syncs, and what frees space.
    pub(crate) kinds: [KindUse; 4],
    /// The rows that the job's requests are looked up in; none where the lanes are off. Of the
    /// first job where several are added up.
    pub(crate) table: Vec<LaneRow>,
    pub(crate) overflow_count: u64,
    /// Requests with the backend, added up over all turns that had any, and the most at once.
    pub(crate) depth_sum: u64,
    pub(crate) depth_samples: u64,
    pub(crate) depth_max: u32,
}

impl EngineUse {
    /// Of this engine, which works on these files.
    pub(crate) fn of(engine: &Engine, files: &[File]) -> EngineUse {
        let metrics: &Metrics = engine.metrics();
        EngineUse {
            kinds: [&metrics.read, &metrics.write, &metrics.sync, &metrics.space].map(kind),
            table: table(engine, files),
            overflow_count: metrics.overflows,
            depth_sum: metrics.depth_sum,
            depth_samples: metrics.depth_samples,
            depth_max: metrics.depth_max,
        }
    }

    /// Requests that were with the backend on average; 0 where there were none.
    pub(crate) fn depth_average(&self) -> f64 {
        self.depth_sum as f64 / self.depth_samples.max(1) as f64
    }

    pub(super) fn add(&mut self, other: &EngineUse) {
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            mine.lanes.inline += theirs.lanes.inline;
            mine.lanes.ring += theirs.lanes.ring;
            mine.lanes.helper += theirs.lanes.helper;
            mine.failed += theirs.failed;
            mine.given_up += theirs.given_up;
            mine.short_transfers += theirs.short_transfers;
            mine.retries += theirs.retries;
        }
        self.overflow_count += other.overflow_count;
        self.depth_sum += other.depth_sum;
        self.depth_samples += other.depth_samples;
        self.depth_max = self.depth_max.max(other.depth_max);
    }
}

fn kind(op: &OpMetrics) -> KindUse {
    KindUse {
        lanes: op.lanes,
        failed: op.failed,
        given_up: op.given_up,
        short_transfers: op.short_transfers,
        retries: op.retries,
    }
}

/// The rows for the kinds of requests that were made, on the file systems of the files.
fn table(engine: &Engine, files: &[File]) -> Vec<LaneRow> {
    let Some(lanes) = engine.lanes() else { return Vec::new() };
    let metrics = engine.metrics();
    let made = [
        (LaneOp::Read, &metrics.read, true),
        (LaneOp::LongRead, &metrics.read, true),
        (LaneOp::Write, &metrics.write, true),
        (LaneOp::Sync, &metrics.sync, false),
        (LaneOp::Allocate, &metrics.space, false),
    ];
    let mut rows: Vec<LaneRow> = Vec::new();
    for (op, _, is_transfer) in made.into_iter().filter(|(_, done, _)| done.completed > 0) {
        for file in files {
            let (file_system, is_direct) = (file.file_system(), is_transfer && file.is_direct());
            let cell = |queue| {
                let route = lanes.route(op, file_system, is_direct, queue);
                (route, lanes.reason(op, file_system, is_direct, queue))
            };
            let row = LaneRow { op, file_system, is_direct, cells: QueueLength::ALL.map(cell) };
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use iomill_engine::{Config, Read};

    /// What an engine says that read a block of a file.
    fn engine_use(config: Config) -> EngineUse {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), [7; 4096]).expect("written");
        let mut engine = config.depth(1).start().expect("an engine");
        let file = File::open(file.path()).expect("opened");
        let buffer = engine.buffer().expect("a buffer");
        engine.submit(Read { file: file.clone(), offset: 0, buffer }, |_, _| {}).expect("accepted");
        engine.drain().expect("drained");
        EngineUse::of(&engine, &[file.clone(), file])
    }

    #[test]
    fn the_table_has_the_rows_of_what_was_done_and_no_others() {
        let used = engine_use(Config::new());
        let ops: Vec<LaneOp> = used.table.iter().map(|row| row.op).collect();
        assert_eq!(ops, [LaneOp::Read, LaneOp::LongRead]);
        let LaneCounts { inline, ring, helper } = used.kinds[0].lanes;
        assert_eq!((inline + ring + helper, used.kinds[1]), (1, KindUse::default()));
        let off = engine_use(Config::new().lanes(iomill_engine::Lanes::Off));
        assert!(off.table.is_empty());
        assert_eq!((off.depth_max, off.depth_average()), (1, 1.0));
    }

    #[test]
    fn counters_of_jobs_are_added_and_depths_are_not() {
        let mut sum = engine_use(Config::new().lanes(iomill_engine::Lanes::Off));
        sum.add(&sum.clone());
        assert_eq!(
            (
                sum.kinds[0].lanes.inline + sum.kinds[0].lanes.ring + sum.kinds[0].lanes.helper,
                sum.depth_max
            ),
            (2, 1)
        );
        assert_eq!(sum.depth_average(), 1.0);
    }
}
