//! What a job is to do, as its options say.
//!
//! Owns the defaults (fio's) and what follows from several options together. It opens nothing
//! and refuses nothing; `check` does. Filled in by `options::table`; read by `target`,
//! `job_thread` and the reports.

mod check;
mod memory;
mod words;

pub(crate) use words::{Eta, Format, IoEngine, LaneChoice, Rw};

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use crate::workload::{Order, ReadPercent};

/// The seed of every run unless the options say otherwise.
const SEED_DEFAULT: u64 = 0x10_4111;

/// The percentiles that fio reports by default.
const PERCENTILES_DEFAULT: [f64; 17] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95,
    99.99,
];

/// How this invocation reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunSpec {
    pub(crate) output: Option<PathBuf>,
    pub(crate) format: Format,
    pub(crate) eta: Eta,
}

/// One job, as its options describe it.
#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
    pub(crate) name: String,
    pub(crate) filename: Option<PathBuf>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) rw: Rw,
    pub(crate) block_len_bytes: u64,
    pub(crate) iodepth: u32,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) offset_bytes: u64,
    pub(crate) io_size_bytes: Option<u64>,
    pub(crate) runtime: Option<Duration>,
    pub(crate) time_based: bool,
    pub(crate) ramp_time: Duration,
    pub(crate) ioengine: IoEngine,
    pub(crate) lanes: Option<LaneChoice>,
    pub(crate) direct: Option<bool>,
    pub(crate) buffered: Option<bool>,
    pub(crate) fixedbufs: bool,
    pub(crate) registerfiles: bool,
    pub(crate) sqthread_poll: bool,
    pub(crate) sqthread_poll_cpu: Option<u32>,
    pub(crate) sqthread_poll_idle: Option<Duration>,
    pub(crate) numjobs: u32,
    pub(crate) group_reporting: bool,
    pub(crate) rwmixread: Option<u8>,
    pub(crate) rwmixwrite: Option<u8>,
    pub(crate) norandommap: bool,
    pub(crate) randseed: Option<u64>,
    pub(crate) randrepeat: bool,
    pub(crate) fsync_every: u64,
    pub(crate) fdatasync_every: u64,
    pub(crate) end_fsync: bool,
    pub(crate) unlink: bool,
    pub(crate) allow_overwrite: bool,
    pub(crate) invalidate: bool,
    pub(crate) refill_buffers: bool,
    pub(crate) zero_buffers: bool,
    pub(crate) percentiles: Vec<f64>,
}

impl Default for JobSpec {
    fn default() -> JobSpec {
        JobSpec {
            name: "job".to_owned(),
            filename: None,
            directory: None,
            rw: Rw::default(),
            block_len_bytes: 4096,
            iodepth: 1,
            size_bytes: None,
            offset_bytes: 0,
            io_size_bytes: None,
            runtime: None,
            time_based: false,
            ramp_time: Duration::ZERO,
            ioengine: IoEngine::Auto,
            lanes: None,
            direct: None,
            buffered: None,
            fixedbufs: false,
            registerfiles: false,
            sqthread_poll: false,
            sqthread_poll_cpu: None,
            sqthread_poll_idle: None,
            numjobs: 1,
            group_reporting: false,
            rwmixread: None,
            rwmixwrite: None,
            norandommap: false,
            randseed: None,
            randrepeat: true,
            fsync_every: 0,
            fdatasync_every: 0,
            end_fsync: false,
            unlink: true,
            allow_overwrite: false,
            invalidate: true,
            refill_buffers: false,
            zero_buffers: false,
            percentiles: PERCENTILES_DEFAULT.to_vec(),
        }
    }
}

impl JobSpec {
    /// Whether the page cache is bypassed.
    pub(crate) fn is_direct(&self) -> bool {
        self.direct.unwrap_or_else(|| self.buffered == Some(false))
    }

    /// Who chooses the lanes: nobody for a job that asks for io_uring, which would otherwise
    /// measure something else.
    pub(crate) fn lane_choice(&self) -> LaneChoice {
        self.lanes.unwrap_or(match self.ioengine {
            IoEngine::IoUring => LaneChoice::Off,
            IoEngine::Auto | IoEngine::Threads => LaneChoice::Auto,
        })
    }

    /// The order of offsets.
    pub(crate) fn order(&self) -> Order {
        match (self.rw.is_random(), self.norandommap) {
            (false, _) => Order::Sequential,
            (true, false) => Order::RandomOnce,
            (true, true) => Order::RandomUniform,
        }
    }

    /// The share of reads.
    pub(crate) fn read_percent(&self) -> ReadPercent {
        ReadPercent(match (self.rw.reads(), self.rw.writes()) {
            (true, false) => 100,
            (false, _) => 0,
            (true, true) => {
                let from_writes = self.rwmixwrite.map(|percent| 100 - percent);
                self.rwmixread.or(from_writes).unwrap_or(50)
            }
        })
    }

    /// The seed of all jobs of this run; each job derives its own from it.
    pub(crate) fn seed(&self) -> u64 {
        match (self.randseed, self.randrepeat) {
            (Some(seed), _) => seed,
            (None, true) => SEED_DEFAULT,
            // The standard library seeds its hash tables from the kernel's random source.
            (None, false) => RandomState::new().hash_one(0_u8),
        }
    }

    /// After how many writes a sync follows, and whether data alone suffices.
    pub(crate) fn sync_every(&self) -> Option<SyncEvery> {
        if self.fsync_every > 0 {
            Some(SyncEvery { writes: self.fsync_every, data_only: false })
        } else if self.fdatasync_every > 0 {
            Some(SyncEvery { writes: self.fdatasync_every, data_only: true })
        } else {
            None
        }
    }

    /// The path of the file of job number `job_index`.
    pub(crate) fn path(&self, job_index: u32) -> PathBuf {
        let directory = self.directory.clone().unwrap_or_default();
        match &self.filename {
            Some(filename) => directory.join(filename),
            None if self.directory.is_none() => {
                PathBuf::from(format!("./{}.{job_index}.0", self.name))
            }
            None => directory.join(format!("{}.{job_index}.0", self.name)),
        }
    }
}

/// A sync after every so many writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncEvery {
    /// The number of writes between two syncs, at least one.
    pub(crate) writes: u64,
    /// fdatasync instead of fsync.
    pub(crate) data_only: bool,
}
