//! The table of options: the one place where an option exists.
//!
//! Owns names, aliases, kinds, ranges, help and what each value sets; no syntax and no checks
//! that need two options (those are `job`'s). Read by `options::mod` and, through it, by `cli`.

use std::path::PathBuf;

use super::{OptionDef, Scope, Setting};
use crate::job::{Eta, Format, IoEngine, LaneChoice, Rw};

/// The largest block that one request can carry.
const BLOCK_LEN_BYTES_MAX: u64 = 64 << 20;

const fn job(
    name: &'static str,
    aliases: &'static [&'static str],
    setting: Setting,
    help: &'static str,
) -> OptionDef {
    OptionDef { name, aliases, scope: Scope::Job, setting, help }
}

const fn run(name: &'static str, setting: Setting, help: &'static str) -> OptionDef {
    OptionDef { name, aliases: &[], scope: Scope::Run, setting, help }
}

/// Every option, in the order of the help: target, what I/O, how much, how, jobs, files, report.
pub(crate) static OPTIONS: &[OptionDef] = &[
    job(
        "name",
        &[],
        Setting::Text(|s, v| {
            if v.contains(char::is_control) {
                return Err(format!("{v:?} has control characters; use letters and digits"));
            }
            s.job.name = v.to_owned();
            Ok(())
        }),
        "Name of the job, and of the files that it creates [job]",
    ),
    job(
        "filename",
        &[],
        Setting::Text(|s, v| {
            s.job.filename = Some(PathBuf::from(v));
            Ok(())
        }),
        "File or block device; shared by all jobs. Without it each job creates its own file",
    ),
    job(
        "directory",
        &[],
        Setting::Text(|s, v| {
            s.job.directory = Some(PathBuf::from(v));
            Ok(())
        }),
        "Where files are created, and what a relative --filename starts from [.]",
    ),
    job(
        "rw",
        &["readwrite"],
        Setting::Choice(Rw::NAMES, |s, v| {
            s.job.rw = Rw::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Pattern: read, write, randread, randwrite, rw (mixed), randrw [read]",
    ),
    job(
        "bs",
        &["blocksize"],
        Setting::Size(1..=BLOCK_LEN_BYTES_MAX, |s, v| {
            s.job.block_len_bytes = v;
            Ok(())
        }),
        "Size of each read or write [4k]",
    ),
    job(
        "iodepth",
        &[],
        Setting::Int(1..=4096, |s, v| {
            s.job.iodepth = u32::try_from(v).map_err(|_| "too deep")?;
            Ok(())
        }),
        "Requests that each job keeps in flight [1]",
    ),
    job(
        "size",
        &[],
        Setting::Size(1..=u64::MAX, |s, v| {
            s.job.size_bytes = Some(v);
            Ok(())
        }),
        "Bytes of the file that each job works on [all of an existing file]",
    ),
    job(
        "offset",
        &[],
        Setting::Size(0..=u64::MAX, |s, v| {
            s.job.offset_bytes = v;
            Ok(())
        }),
        "Where in the file the work starts [0]",
    ),
    job(
        "io_size",
        &[],
        Setting::Size(1..=u64::MAX, |s, v| {
            s.job.io_size_bytes = Some(v);
            Ok(())
        }),
        "Bytes that each job transfers in all, when not --time_based [--size]",
    ),
    job(
        "runtime",
        &["timeout"],
        Setting::Time(|s, v| {
            s.job.runtime = (!v.is_zero()).then_some(v);
            Ok(())
        }),
        "End the job after this time, whatever is left to do; 0 = no limit [0]",
    ),
    job(
        "time_based",
        &[],
        Setting::Bool(|s, v| {
            s.job.time_based = v;
            Ok(())
        }),
        "Run for the whole --runtime, starting over when the size is done [0]",
    ),
    job(
        "ramp_time",
        &[],
        Setting::Time(|s, v| {
            s.job.ramp_time = v;
            Ok(())
        }),
        "Run this long before the measurement begins; comes on top of --runtime [0]",
    ),
    job(
        "ioengine",
        &[],
        Setting::Choice(IoEngine::NAMES, |s, v| {
            s.job.ioengine = IoEngine::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "io_uring, threads (psync), or auto: io_uring where the kernel allows it [auto]",
    ),
    job(
        "lanes",
        &[],
        Setting::Choice(LaneChoice::NAMES, |s, v| {
            s.job.lanes = Some(LaneChoice::from_name(v).ok_or("unknown")?);
            Ok(())
        }),
        "Plain calls where they are quicker (not in fio) [off with ioengine=io_uring, else auto]",
    ),
    job(
        "direct",
        &[],
        Setting::Bool(|s, v| {
            s.job.direct = Some(v);
            Ok(())
        }),
        "Bypass the page cache (O_DIRECT) [0]",
    ),
    job(
        "buffered",
        &[],
        Setting::Bool(|s, v| {
            s.job.buffered = Some(v);
            Ok(())
        }),
        "Go through the page cache; the opposite of --direct [1]",
    ),
    job(
        "fixedbufs",
        &[],
        Setting::Bool(|s, v| {
            s.job.fixedbufs = v;
            Ok(())
        }),
        "io_uring: register the buffers with the kernel [0]",
    ),
    job(
        "registerfiles",
        &[],
        Setting::Bool(|s, v| {
            s.job.registerfiles = v;
            Ok(())
        }),
        "io_uring: register the file with the kernel [0]",
    ),
    job(
        "sqthread_poll",
        &[],
        Setting::Bool(|s, v| {
            s.job.sqthread_poll = v;
            Ok(())
        }),
        "io_uring: let a kernel thread pick up submissions [0]",
    ),
    job(
        "sqthread_poll_cpu",
        &[],
        Setting::Int(0..=u32::MAX as u64, |s, v| {
            s.job.sqthread_poll_cpu = Some(u32::try_from(v).map_err(|_| "no such CPU")?);
            Ok(())
        }),
        "Pin that kernel thread to this CPU",
    ),
    job(
        "sqthread_poll_idle",
        &[],
        Setting::Time(|s, v| {
            s.job.sqthread_poll_idle = Some(v);
            Ok(())
        }),
        "Idle time after which that kernel thread sleeps (not in fio) [1s]",
    ),
    job(
        "numjobs",
        &[],
        Setting::Int(1..=256, |s, v| {
            s.job.numjobs = u32::try_from(v).map_err(|_| "too many")?;
            Ok(())
        }),
        "Copies of the job that run at the same time [1]",
    ),
    job(
        "thread",
        &[],
        Setting::Bool(|_, v| {
            if v { Ok(()) } else { Err("jobs are always threads here; leave it out".to_owned()) }
        }),
        "Run jobs as threads, not processes: always so [1]",
    ),
    job(
        "group_reporting",
        &[],
        Setting::Bool(|s, v| {
            s.job.group_reporting = v;
            Ok(())
        }),
        "Report all copies of the job as one [0]",
    ),
    job(
        "rwmixread",
        &[],
        Setting::Int(0..=100, |s, v| {
            s.job.rwmixread = Some(u8::try_from(v).map_err(|_| "too much")?);
            Ok(())
        }),
        "Percentage of reads in a mixed job [50]",
    ),
    job(
        "rwmixwrite",
        &[],
        Setting::Int(0..=100, |s, v| {
            s.job.rwmixwrite = Some(u8::try_from(v).map_err(|_| "too much")?);
            Ok(())
        }),
        "Percentage of writes in a mixed job [50]",
    ),
    job(
        "norandommap",
        &[],
        Setting::Bool(|s, v| {
            s.job.norandommap = v;
            Ok(())
        }),
        "Random offsets may repeat; otherwise each block comes once per pass [0]",
    ),
    job(
        "randseed",
        &[],
        Setting::Int(0..=u64::MAX, |s, v| {
            s.job.randseed = Some(v);
            Ok(())
        }),
        "Seed of the random offsets, directions and contents",
    ),
    job(
        "randrepeat",
        &[],
        Setting::Bool(|s, v| {
            s.job.randrepeat = v;
            Ok(())
        }),
        "Use the same random sequence in every run [1]",
    ),
    job(
        "fsync",
        &[],
        Setting::Int(0..=u32::MAX as u64, |s, v| {
            s.job.fsync_every = v;
            Ok(())
        }),
        "Sync the file after every N writes; 0 = never [0]",
    ),
    job(
        "fdatasync",
        &[],
        Setting::Int(0..=u32::MAX as u64, |s, v| {
            s.job.fdatasync_every = v;
            Ok(())
        }),
        "The same with fdatasync, which may leave metadata out [0]",
    ),
    job(
        "end_fsync",
        &[],
        Setting::Bool(|s, v| {
            s.job.end_fsync = v;
            Ok(())
        }),
        "Sync the file when the job is done, inside the measured time [0]",
    ),
    job(
        "unlink",
        &[],
        Setting::Bool(|s, v| {
            s.job.unlink = v;
            Ok(())
        }),
        "Remove the files that this run created; others are never removed [1]",
    ),
    job(
        "allow_overwrite",
        &[],
        Setting::Bool(|s, v| {
            s.job.allow_overwrite = v;
            Ok(())
        }),
        "Allow writes to a device or file that this run did not create (not in fio) [0]",
    ),
    job(
        "invalidate",
        &[],
        Setting::Bool(|s, v| {
            s.job.invalidate = v;
            Ok(())
        }),
        "Drop the file from the page cache before the run [1]",
    ),
    job(
        "refill_buffers",
        &[],
        Setting::Bool(|s, v| {
            s.job.refill_buffers = v;
            Ok(())
        }),
        "Fill the buffer with new random data before each write [0]",
    ),
    job(
        "zero_buffers",
        &[],
        Setting::Bool(|s, v| {
            s.job.zero_buffers = v;
            Ok(())
        }),
        "Write zeros instead of random data [0]",
    ),
    job(
        "percentile_list",
        &[],
        Setting::Percentiles(|s, v| {
            s.job.percentiles = v;
            Ok(())
        }),
        "Latency percentiles to report, e.g. 50:99:99.9",
    ),
    run(
        "output",
        Setting::Text(|s, v| {
            s.run.output = Some(PathBuf::from(v));
            Ok(())
        }),
        "Write the report to this file, replacing it [stdout]",
    ),
    run(
        "output-format",
        Setting::Choice(Format::NAMES, |s, v| {
            s.run.format = Format::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Report for people (normal) or for programs (json) [normal]",
    ),
    run(
        "eta",
        Setting::Choice(Eta::NAMES, |s, v| {
            s.run.eta = Eta::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Progress line on stderr: always, never, or auto: on a terminal [auto]",
    ),
];
