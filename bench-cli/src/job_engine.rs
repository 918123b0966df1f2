//! The engine of one job.
//!
//! Owns what the options of a job mean for its engine, and what its files must be like for it. It
//! runs nothing. Called by `job_thread`.

use std::time::Duration;

use iomill_engine::{BackendChoice, Config, Engine, ErrorKind, File, Lanes, SqPoll};

use crate::error::Error;
use crate::job::{IoEngine, JobSpec, LaneChoice};
use crate::workload::Direction;

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

/// How the engine runs: one line per fact and per fallback.
pub(crate) fn lines(engine: &Engine) -> Vec<String> {
    let report = engine.report();
    let mut lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
    if report.fixed_buffers {
        lines.push("registered buffers".to_owned());
    }
    if report.fixed_files > 0 {
        lines.push("registered file".to_owned());
    }
    lines
}

/// Those of them that say what it has to do without.
pub(crate) fn missing_lines(spec: &JobSpec, engine: &Engine) -> Vec<String> {
    let fell_back = spec.ioengine == IoEngine::Auto && engine.report().backend == "threads";
    let is_missing =
        |line: &String| line.starts_with("without ") || (fell_back && line.starts_with("backend "));
    lines(engine).into_iter().filter(is_missing).collect()
}

/// Takes the job's files, registered if that is asked for.
///
/// # Errors
///
/// A usage error if they are not such as the job needs.
pub(crate) fn take_files(
    spec: &JobSpec,
    engine: &mut Engine,
    files: Vec<File>,
) -> Result<Vec<File>, Error> {
    let mut taken = Vec::with_capacity(files.len());
    for file in files {
        if spec.atomic && spec.rw.writes() {
            check_atomic(spec, &file)?;
        }
        // A polling engine looks at the device when it gets the file, and has no slots for it.
        taken.push(match spec.registerfiles || spec.hipri {
            true => engine.register_file(&file).map_err(|why| Error::usage(why.to_string()))?,
            false => file,
        });
    }
    let refusal = engine.report().fallbacks.iter().find(|note| note.what.starts_with("IOPOLL"));
    match refusal {
        Some(note) if spec.hipri => {
            Err(Error::usage(format!("--hipri is not possible: {}: {}", note.what, note.why)))
        }
        _ => Ok(taken),
    }
}

/// The engine refuses each write that the file does not take; all of them are better refused here.
fn check_atomic(spec: &JobSpec, file: &File) -> Result<(), Error> {
    let sizes = &spec.blocks[Direction::Write as usize];
    let (path, (min, max)) = (file.path().display(), (sizes.min(), sizes.max()));
    match file.atomic_limits() {
        None => Err(Error::usage(format!(
            "--atomic: '{path}' takes no atomic writes; 'bench-cli doctor {path}' shows what the \
             device can do"
        ))),
        Some(limits) if min < u64::from(limits.min) || max > u64::from(limits.max) => {
            Err(Error::usage(format!(
                "--atomic: '{path}' takes atomic writes of {} to {} bytes; choose --bs so",
                limits.min, limits.max
            )))
        }
        Some(_) => Ok(()),
    }
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
    let config = if spec.is_adaptive() {
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
        .iopoll(spec.hipri)
        .fixed_files(if spec.registerfiles { file_slots } else { 0 })
        .sqpoll(poll))
}
