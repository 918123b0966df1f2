//! The table of options: the one place where an option exists, in several files by subject.
//!
//! Owns names, aliases, kinds, ranges, help and what each value sets; no syntax and no checks
//! that need two options (those are `job`'s). Read by `options` and, through it, by `cli`, `plan`
//! and the reference. This file has what most jobs need, and the options of the invocation.

use std::path::PathBuf;

use super::{OptionDef, Scope, Setting, value};
use crate::job::{Amount, Eta, Format, IoEngine, LaneChoice, Rw, Sizes};

/// An option of a job.
pub(super) const fn job(
    name: &'static str,
    aliases: &'static [&'static str],
    setting: Setting,
    help: &'static str,
) -> OptionDef {
    OptionDef { name, aliases, scope: Scope::Job, setting, help }
}

/// An option of the invocation.
pub(super) const fn run(name: &'static str, setting: Setting, help: &'static str) -> OptionDef {
    OptionDef { name, aliases: &[], scope: Scope::Run, setting, help }
}

/// Sets one field to the value, or to what `$how` makes of it.
macro_rules! set {
    ($($path:ident).+) => { |s, v| { s.$($path).+ = v; Ok(()) } };
    ($($path:ident).+ = $how:expr) => { |s, v| { s.$($path).+ = $how(v); Ok(()) } };
}
pub(super) use set;

/// The options that most jobs have: target, what I/O, how much, how, jobs, files.
pub(super) static OPTIONS: &[OptionDef] = &[
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
        "kb_base",
        &[],
        Setting::Choice(&["1024", "1000"], |s, v| {
            s.job.kb_base = value::integer(v)?;
            Ok(())
        }),
        "What k is in sizes: 1024, or 1000 with Ki for 1024 [1024]",
    ),
    job(
        "filename",
        &[],
        Setting::Text(|s, v| {
            s.job.filename = Some(v.to_owned());
            Ok(())
        }),
        "File or block device, or several with colons between; shared by all copies of the job",
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
        Setting::Form("PATTERN", "randread", |s, v| {
            s.job.rw = Rw::from_name(v)?;
            Ok(())
        }),
        "read, write, trim, rw, trimwrite, or rand in front of one; read:8k skips, randread:8 \
         makes runs [read]",
    ),
    job(
        "bs",
        &["blocksize"],
        Setting::Form("SIZE,..", "8k", |s, v| {
            let kb_base = s.job.kb_base;
            value::per_direction(v, &mut s.job.blocks, |text| Sizes::fixed(text, kb_base))
        }),
        "Size of each read, write and trim [4k]",
    ),
    job(
        "iodepth",
        &[],
        Setting::Form("N|adaptive", "3", |s, v| {
            let depth = crate::job::depth(v)?;
            s.job.depth.is_adaptive = depth.is_none();
            s.job.depth.fixed = depth.unwrap_or(1);
            Ok(())
        }),
        "Requests that each job keeps in flight, or 'adaptive': as many as pay off [1]",
    ),
    job(
        "iodepth_max",
        &[],
        Setting::Int(1..=4096, |s, v| {
            s.job.depth.max = Some(u32::try_from(v).map_err(|_| "too deep")?);
            Ok(())
        }),
        "The largest depth that --iodepth=adaptive may choose [256]",
    ),
    job(
        "latency_target",
        &[],
        Setting::TimeUs(|s, v| {
            s.job.depth.target = (!v.is_zero()).then_some(v);
            Ok(())
        }),
        "Latency to keep to by the depth, up to --iodepth; plain numbers are microseconds [0]",
    ),
    job(
        "latency_percentile",
        &[],
        Setting::Form("P|mean", "99", |s, v| {
            s.job.depth.part = Some(crate::job::part(v)?);
            Ok(())
        }),
        "Part of the requests that keeps to --latency_target, or 'mean' [100]",
    ),
    job(
        "size",
        &[],
        Setting::Form("SIZE|%", "1g", |s, v| {
            let amount = Amount::read_some(v, s.job.kb_base)?;
            s.job.size = Some(amount);
            Ok(())
        }),
        "Bytes of its files that each job works on, also as 20% [all of an existing file]",
    ),
    job(
        "offset",
        &["fileoffset"],
        Setting::Form("SIZE|%", "1g", |s, v| {
            let amount = Amount::read(v, s.job.kb_base)?;
            s.job.offset = amount;
            Ok(())
        }),
        "Where in the file the work starts, also as 20% [0]",
    ),
    job(
        "io_size",
        &["io_limit"],
        Setting::Form("SIZE|%", "1g", |s, v| {
            let amount = Amount::read_some(v, s.job.kb_base)?;
            s.job.io_size = Some(amount);
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
        Setting::Form("ENGINE", "threads", |s, v| {
            s.job.ioengine = IoEngine::from_name(v)?;
            Ok(())
        }),
        "io_uring, threads, or auto: io_uring where the kernel allows it [auto]",
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
        "hipri",
        &[],
        Setting::Bool(set!(job.hipri)),
        "io_uring: poll the device for completions (IOPOLL); needs --direct and poll queues [0]",
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
];

/// The options of the invocation.
pub(super) static RUN_OPTIONS: &[OptionDef] = &[
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
        "Report for people (normal) or for programs (json, json+: with histograms) [normal]",
    ),
    run(
        "eta",
        Setting::Choice(Eta::NAMES, |s, v| {
            s.run.eta = Eta::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Progress line on stderr: always, never, or auto: on a terminal [auto]",
    ),
    run(
        "status-interval",
        Setting::Time(|s, v| {
            s.run.status_interval = (!v.is_zero()).then_some(v);
            Ok(())
        }),
        "Print a line of rates on stderr every so often, also without a terminal [never]",
    ),
    run(
        "start_at",
        Setting::Form("TIME", "@4000000000", |s, v| {
            s.run.start_at = Some(crate::start_at::parse(v)?);
            Ok(())
        }),
        "Start at this time on the clock, with many hosts: 2026-11-20T14:30:00Z, @1795191125 [now]",
    ),
    run(
        "section",
        Setting::Text(|s, v| {
            s.run.sections.push(v.to_owned());
            Ok(())
        }),
        "Run only this section of the job file; may be given several times",
    ),
    run(
        "readonly",
        Setting::Bool(set!(run.readonly)),
        "Refuse jobs that write or trim, whatever else they say",
    ),
    run("parse-only", Setting::Bool(set!(run.parse_only)), "Check the jobs and stop"),
    run(
        "ignore_unsupported",
        Setting::Bool(set!(run.ignore_unsupported)),
        "Pass over options of fio that are not supported, with a warning",
    ),
];
