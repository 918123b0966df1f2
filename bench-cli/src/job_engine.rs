//! The engine of one job.
//!
//! Owns what the options of a job mean for its engine. It runs nothing. Called by `job_thread`.

use std::time::Duration;

use iomill_engine::{BackendChoice, Config, Engine, ErrorKind, Lanes, SqPoll};

use crate::error::Error;
use crate::job::{IoEngine, JobSpec, LaneChoice};

/// fio's default for `sqthread_poll_idle`: the kernel's own.
const SQ_POLL_IDLE_DEFAULT: Duration = Duration::from_secs(1);

/// Starts an engine for a job with this many files.
///
/// # Errors
///
/// A usage error if it cannot run as asked.
pub(crate) fn start(spec: &JobSpec, file_count: usize) -> Result<Engine, Error> {
    config(spec, file_count)?.start().map_err(|error| match spec.ioengine {
        IoEngine::IoUring if error.kind() == ErrorKind::Backend => {
            Error::usage(format!("{error}; or leave --ioengine=io_uring out to run on threads"))
        }
        _ => Error::usage(error.to_string()),
    })
}

fn config(spec: &JobSpec, file_count: usize) -> Result<Config, Error> {
    let (_, largest) = spec.block_bounds();
    let block_len_bytes =
        u32::try_from(largest).map_err(|_| Error::usage(format!("--bs={largest} is too large")))?;
    let backend = match spec.ioengine {
        IoEngine::Auto => BackendChoice::Auto,
        IoEngine::IoUring => BackendChoice::IoUring,
        IoEngine::Threads => BackendChoice::Threads,
    };
    let poll = spec.sqthread_poll.then(|| SqPoll {
        idle: spec.sqthread_poll_idle.unwrap_or(SQ_POLL_IDLE_DEFAULT),
        cpu: spec.sqthread_poll_cpu,
    });
    let file_slots = u32::try_from(file_count).unwrap_or(u32::MAX);
    let config = if spec.depth.is_adaptive {
        Config::new().adaptive(1..=spec.iodepth_max(), spec.depth_target())
    } else {
        Config::new().depth(spec.depth.fixed)
    };
    Ok(config
        .backend(backend)
        // One more than the lanes: the sync at the end comes when all lanes are empty, and a
        // full engine would mean a mistake here.
        .capacity(spec.lane_count() + 1)
        .buffers(spec.lane_count(), block_len_bytes)
        .lanes(match spec.lane_choice() {
            LaneChoice::Auto => Lanes::Auto,
            LaneChoice::Off => Lanes::Off,
        })
        .fixed_buffers(spec.fixedbufs)
        .fixed_files(if spec.registerfiles { file_slots } else { 0 })
        .sqpoll(poll))
}
