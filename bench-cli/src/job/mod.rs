//! What a job is to do, as its options say.
//!
//! Owns the defaults (fio's) and what follows from several options together. It opens nothing
//! and refuses nothing; `check` does. Filled in by `options`; read by everything that runs a job
//! and by the reports.

mod blocks;
mod check;
mod depth;
mod files;
mod memory;
mod notes;
mod pace;
mod policy;
pub(crate) mod reporting;
mod verify;
mod words;

pub(crate) use blocks::{BLOCK_LEN_BYTES_MAX, Sizes};
pub(crate) use depth::{DepthSpec, depth, part};
pub(crate) use files::{Amount, Fallocate, FileService, FilesSpec, Skew};
pub(crate) use pace::{PaceSpec, RateProcess};
pub(crate) use policy::{
    ContinueOn, ExitWhat, Schedule, Steady, SteadyLimit, SteadyTimes, SteadyValue,
};
pub(crate) use reporting::Reporting;
pub(crate) use verify::{TrimSpec, VerifyKind, VerifySpec};
pub(crate) use words::{Eta, Format, IoEngine, LaneChoice, Rw, SyncMode};

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::options::value;
use crate::verify::Verifier;
use crate::workload::{Direction, Distribution, Region};

/// The seed of every run unless the options say otherwise.
const SEED_DEFAULT: u64 = 0x10_4111;

/// How this invocation reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunSpec {
    pub(crate) output: Option<PathBuf>,
    pub(crate) format: Format,
    pub(crate) eta: Eta,
    /// The time between two lines about the progress, also without a terminal.
    pub(crate) status_interval: Option<Duration>,
    /// When to start, as a time since 1970.
    pub(crate) start_at: Option<Duration>,
    /// The sections to run; all if there are none.
    pub(crate) sections: Vec<String>,
    pub(crate) parse_only: bool,
    pub(crate) readonly: bool,
    pub(crate) ignore_unsupported: bool,
}

/// One job, as its options describe it.
#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// What a kilo is in the values of this job: 1024 or 1000.
    pub(crate) kb_base: u64,
    /// As it was given: several names are separated by colons.
    pub(crate) filename: Option<String>,
    pub(crate) files: FilesSpec,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) rw: Rw,
    /// Of reads, writes and trims.
    pub(crate) blocks: [Sizes; 3],
    /// What random offsets are multiples of; the smallest block if `None`.
    pub(crate) block_align_bytes: Option<[u64; 3]>,
    pub(crate) depth: DepthSpec,
    pub(crate) size: Option<Amount>,
    pub(crate) offset: Amount,
    /// The distance between the offsets of two copies.
    pub(crate) offset_increment: Amount,
    /// What a calculated offset is rounded down to a multiple of.
    pub(crate) offset_align_bytes: Option<u64>,
    pub(crate) io_size: Option<Amount>,
    pub(crate) zones: ZoneSpec,
    /// The most requests of the job; 0 is no limit.
    pub(crate) number_ios: u64,
    pub(crate) loops: u64,
    pub(crate) runtime: Option<Duration>,
    pub(crate) time_based: bool,
    pub(crate) ramp_time: Duration,
    pub(crate) ioengine: IoEngine,
    pub(crate) lanes: Option<LaneChoice>,
    pub(crate) direct: Option<bool>,
    pub(crate) buffered: Option<bool>,
    pub(crate) fixedbufs: bool,
    pub(crate) registerfiles: bool,
    /// Whether the device is polled for completions.
    pub(crate) hipri: bool,
    pub(crate) sqthread_poll: bool,
    pub(crate) sqthread_poll_cpu: Option<u32>,
    pub(crate) sqthread_poll_idle: Option<Duration>,
    pub(crate) numjobs: u32,
    pub(crate) schedule: Schedule,
    pub(crate) group_reporting: bool,
    pub(crate) cpus_allowed: Vec<u32>,
    pub(crate) cpus_split: bool,
    pub(crate) pace: PaceSpec,
    /// The job fails when a request takes longer.
    pub(crate) max_latency: Option<Duration>,
    pub(crate) steady: Option<Steady>,
    pub(crate) steady_times: SteadyTimes,
    pub(crate) rwmixread: Option<u8>,
    pub(crate) rwmixwrite: Option<u8>,
    pub(crate) distribution: [Distribution; 3],
    /// The share of random requests among those of a random job.
    pub(crate) percentage_random: [u8; 3],
    pub(crate) norandommap: bool,
    pub(crate) randseed: Option<u64>,
    pub(crate) randrepeat: bool,
    pub(crate) fsync_every: u64,
    pub(crate) fdatasync_every: u64,
    pub(crate) end_fsync: bool,
    pub(crate) sync_mode: SyncMode,
    /// Whether writes are all or nothing.
    pub(crate) atomic: bool,
    /// Whether writes leave nothing in the page cache.
    pub(crate) uncached: bool,
    pub(crate) unlink: bool,
    pub(crate) allow_overwrite: bool,
    pub(crate) invalidate: bool,
    pub(crate) refill_buffers: bool,
    pub(crate) zero_buffers: bool,
    pub(crate) buffer_pattern: Option<Vec<u8>>,
    /// The share of zeros at the end of each block, in percent.
    pub(crate) compress_percent: u8,
    /// The share of writes that repeat an earlier block, in percent.
    pub(crate) dedupe_percent: u8,
    pub(crate) verify: VerifySpec,
    pub(crate) continue_on: ContinueOn,
    /// Error numbers that do not count: of reads, writes and verifications.
    pub(crate) ignored_errors: [Vec<i32>; 3],
    pub(crate) reporting: Reporting,
}

/// Work in pieces with holes between them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ZoneSpec {
    /// Whether the job works so at all.
    pub(crate) strided: bool,
    pub(crate) size_bytes: u64,
    pub(crate) range_bytes: Option<u64>,
    pub(crate) skip_bytes: u64,
}

impl Default for JobSpec {
    fn default() -> JobSpec {
        JobSpec {
            name: "job".to_owned(),
            description: None,
            kb_base: value::KB_BASE_DEFAULT,
            filename: None,
            files: FilesSpec::default(),
            directory: None,
            rw: Rw::default(),
            blocks: [const { Sizes::Fixed(4096) }; 3],
            block_align_bytes: None,
            depth: DepthSpec::default(),
            size: None,
            offset: Amount::Bytes(0),
            offset_increment: Amount::Bytes(0),
            offset_align_bytes: None,
            io_size: None,
            zones: ZoneSpec::default(),
            number_ios: 0,
            loops: 1,
            runtime: None,
            time_based: false,
            ramp_time: Duration::ZERO,
            ioengine: IoEngine::Auto,
            lanes: None,
            direct: None,
            buffered: None,
            fixedbufs: false,
            registerfiles: false,
            hipri: false,
            sqthread_poll: false,
            sqthread_poll_cpu: None,
            sqthread_poll_idle: None,
            numjobs: 1,
            schedule: Schedule::default(),
            group_reporting: false,
            cpus_allowed: Vec::new(),
            cpus_split: false,
            pace: PaceSpec::default(),
            max_latency: None,
            steady: None,
            steady_times: SteadyTimes::default(),
            rwmixread: None,
            rwmixwrite: None,
            distribution: [const { Distribution::Uniform }; 3],
            percentage_random: [100; 3],
            norandommap: false,
            randseed: None,
            randrepeat: true,
            fsync_every: 0,
            fdatasync_every: 0,
            end_fsync: false,
            sync_mode: SyncMode::None,
            atomic: false,
            uncached: false,
            unlink: true,
            allow_overwrite: false,
            invalidate: true,
            refill_buffers: false,
            zero_buffers: false,
            buffer_pattern: None,
            compress_percent: 0,
            dedupe_percent: 0,
            verify: VerifySpec::default(),
            continue_on: ContinueOn::default(),
            ignored_errors: [const { Vec::new() }; 3],
            reporting: Reporting::default(),
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

    /// The directions that the job goes in.
    pub(crate) fn directions(&self) -> impl Iterator<Item = Direction> + use<> {
        let rw = self.rw;
        Direction::ALL.into_iter().filter(move |direction| rw.has(*direction))
    }

    /// The smallest and the largest block of all directions that the job goes in.
    pub(crate) fn block_bounds(&self) -> (u64, u64) {
        let sizes = || self.directions().map(|direction| &self.blocks[direction as usize]);
        let min = sizes().map(Sizes::min).min().unwrap_or(1);
        (min, sizes().map(Sizes::max).max().unwrap_or(1))
    }

    /// What every offset is a multiple of, seen from the job's first byte.
    pub(crate) fn block_unit(&self) -> u64 {
        let unit = |direction: Direction| match self.block_align_bytes {
            Some(align) => align[direction as usize],
            None => self.blocks[direction as usize].min(),
        };
        self.directions().map(unit).min().unwrap_or(1)
    }

    /// Whether all requests have the same length.
    pub(crate) fn has_one_block_size(&self) -> bool {
        let (min, max) = self.block_bounds();
        min == max
    }

    /// The share of reads among reads and writes, in percent.
    pub(crate) fn read_percent(&self) -> u8 {
        let from_writes = self.rwmixwrite.map(|percent| 100 - percent);
        match (self.rw.has(Direction::Read), self.rw.has(Direction::Write)) {
            (true, true) => self.rwmixread.or(from_writes).unwrap_or(50),
            (true, false) => 100,
            (false, _) => 0,
        }
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

    /// Whether the job reads back what it wrote.
    pub(crate) fn verifies_writes(&self) -> bool {
        let wanted = self.verify.do_verify || self.verify.backlog > 0;
        self.verify.kind.is_some() && self.rw.writes() && wanted
    }

    /// Refuses files that are too large to remember what was written to them.
    ///
    /// # Errors
    ///
    /// A usage error with both numbers.
    pub(crate) fn check_memory(&self, regions: &[Region]) -> Result<(), Error> {
        match memory::refusal_to_remember(Verifier::memory_bytes(self, regions)) {
            Some(refusal) => Err(Error::Usage(refusal)),
            None => Ok(()),
        }
    }

    /// Whether the reads of the job are checked as they come.
    pub(crate) fn verifies_reads(&self) -> bool {
        self.verify.kind.is_some() && !self.rw.changes() && self.verify.do_verify
    }

    /// The distance of headers in verified blocks.
    pub(crate) fn verify_unit(&self) -> u64 {
        self.verify.interval_bytes.unwrap_or_else(|| self.block_bounds().0)
    }

    /// Bytes that the job transfers when its files give it `region_bytes`; `None` when only time
    /// ends it.
    pub(crate) fn amount_bytes(&self, region_bytes: u64) -> Option<u64> {
        if self.time_based {
            return None;
        }
        // With files of a size of their own, --size is the amount and not their size.
        let size = self.size.filter(|_| self.files.size_bytes.is_some());
        Some(self.io_size.or(size).map_or(region_bytes, |amount| amount.of(region_bytes)))
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
