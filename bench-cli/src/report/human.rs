//! The report for people, in fio's layout.
//!
//! Owns the wording, line by line in fio's order, and one line of our own (`iomill`). Values that
//! are not measured are left out. Called by `report`.

use std::fmt::Write as _;
use std::io::{self, Write};

use hdrhistogram::Histogram;

use super::latency::{LABELS, Ranges, Scale};
use super::units;
use super::{Entry, Header, Report, VERSION, cpu_ns_per_io, cpu_percent, enters_per_io};
use crate::job::JobSpec;
use crate::stats::{DepthMap, Direction, JobStats, Samples};

/// The labels of the depth classes and of the batch classes.
const LEVELS: [&str; 7] = ["1", "2", "4", "8", "16", "32", ">=64"];
const BATCHES: [&str; 7] = ["0", "4", "8", "16", "32", "64", ">=64"];

/// One direction of a job.
type Of = fn(&JobStats) -> &Direction;

/// The directions with their names.
const DIRECTIONS: [(&str, Of); 3] =
    [("read", |job| &job.read), ("write", |job| &job.write), ("trim", |job| &job.trim)];

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    write_header(report, out)?;
    for entry in &report.entries {
        write_entry(report, entry, out)?;
    }
    report.groups().into_iter().try_for_each(|group| write_group(report, group, out))?;
    write_disks(report, out)
}

fn write_disks(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    if report.disks.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nDisk stats (read/write):")?;
    for disk in &report.disks {
        let (read, write) = (&disk.read, &disk.write);
        writeln!(
            out,
            "  {}: ios={}/{}, merge={}/{}, ticks={}/{}, in_queue={}, util={:3.2}%",
            disk.name,
            read.io_count,
            write.io_count,
            read.merge_count,
            write.merge_count,
            read.busy_ms,
            write.busy_ms,
            disk.queue_ms,
            disk.busy_percent()
        )?;
    }
    Ok(())
}

fn write_header(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    for Header { spec, group, copies } in &report.headers {
        let sizes = ["R", "W", "T"].iter().zip(&spec.blocks).map(|(letter, sizes)| {
            let (min, max) = (units::bytes_iec(sizes.min()), units::bytes_iec(sizes.max()));
            format!("({letter}) {min}-{max}")
        });
        writeln!(
            out,
            "{}: (g={group}): rw={}, bs={}, ioengine={}, iodepth={}",
            spec.name,
            spec.rw.name(),
            sizes.collect::<Vec<_>>().join(", "),
            spec.ioengine.name(),
            spec.depth_words()
        )?;
        if *copies > 1 {
            writeln!(out, "...")?;
        }
    }
    let count: u32 = report.headers.iter().map(|header| header.copies).sum();
    let plural = if count > 1 { "s" } else { "" };
    writeln!(out, "{VERSION}\nStarting {count} thread{plural}")
}

fn write_entry(report: &Report<'_>, entry: &Entry<'_>, out: &mut impl Write) -> io::Result<()> {
    let job = &entry.stats;
    let failure = match &job.failure {
        None => "err= 0".to_owned(),
        Some(failure) => format!("err={:2} ({})", failure.errno, failure.message),
    };
    writeln!(
        out,
        "\n{}: (groupid={}, jobs={}): {failure}: pid={}: {}",
        entry.spec.name,
        entry.group,
        entry.jobs,
        std::process::id(),
        report.finished_text()
    )?;
    if let Some(description) = &entry.spec.description {
        writeln!(out, "  Description  : [{description}]")?;
    }
    for (name, of) in DIRECTIONS {
        if of(job).io_count > 0 {
            let others = report.group_bw_bytes(entry.group, of);
            write_direction(entry.spec, name, of(job), others, out)?;
        }
    }
    write_ranges(&Ranges::of(&DIRECTIONS.map(|(_, of)| &of(job).latency_ns)), out)?;
    if job.sync.io_count > 0 {
        writeln!(out, "  fsync/fdatasync/sync_file_range:")?;
        write_latency("sync", &job.sync.latency_ns, out)?;
        write_percentiles(
            "sync",
            &job.sync.latency_ns,
            &entry.spec.reporting.percentiles.list,
            out,
        )?;
    }
    write_machine(job, out)?;
    write_findings(job, out)
}

/// What was found out beside speed: errors, damage, a steady state.
fn write_findings(job: &JobStats, out: &mut impl Write) -> io::Result<()> {
    if job.error_count > 0 {
        writeln!(
            out,
            "  errors       : total={}, first_error={}",
            job.error_count, job.first_errno
        )?;
    }
    if let Some(verified) = &job.verified {
        writeln!(
            out,
            "  verify       : {} units checked, {} damaged",
            verified.checked_count, verified.damaged_count
        )?;
    }
    if let Some(steady) = &job.steady {
        let attained = if steady.attained { "yes" } else { "no" };
        writeln!(
            out,
            "  steadystate  : attained={attained}, {}, deviation={:.3}, slope={:.3}",
            steady.criterion, steady.deviation, steady.slope
        )?;
    }
    Ok(())
}

fn write_direction(
    spec: &JobSpec,
    name: &str,
    direction: &Direction,
    group_bw_bytes: u64,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "  {name}: IOPS={}, BW={} ({})({}/{}msec)",
        units::count(direction.iops_whole()),
        units::rate_iec(direction.bw_bytes()),
        units::rate_si(direction.bw_bytes()),
        units::bytes_iec(direction.bytes),
        direction.runtime_ms()
    )?;
    write_latency("clat", &direction.latency_ns, out)?;
    write_latency(" lat", direction.total_latency_ns(), out)?;
    if spec.reporting.percentiles.clat {
        write_percentiles("clat", &direction.latency_ns, &spec.reporting.percentiles.list, out)?;
    }
    if direction.since_intended_ns.is_some() {
        writeln!(out, "    lat counts from the intended start of each request")?;
    }
    if spec.reporting.percentiles.lat || direction.since_intended_ns.is_some() {
        write_percentiles(
            "lat",
            direction.total_latency_ns(),
            &spec.reporting.percentiles.list,
            out,
        )?;
    }
    if direction.bw_kib.count == 0 {
        return Ok(());
    }
    let share = 100.0 * direction.bw_kib.mean * 1024.0 / group_bw_bytes.max(1) as f64;
    let (unit, divisor) =
        if direction.bw_kib.mean > 1_048_576.0 { ("MiB", 1024) } else { ("KiB", 1) };
    let share = format!("per={:.2}%, ", share.min(100.0));
    write_samples(&format!("bw (  {unit}/s)"), &direction.bw_kib, divisor, &share, out)?;
    write_samples("iops        ", &direction.iops, 1, "", out)
}

fn write_samples(
    name: &str,
    samples: &Samples,
    divisor: u64,
    share: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "   {name}: min={:>5}, max={:>5}, {share}avg={:5.2}, stdev={:5.2}, samples={}",
        samples.min / divisor,
        samples.max / divisor,
        samples.mean / divisor as f64,
        samples.deviation() / divisor as f64,
        samples.count
    )
}

fn write_latency(name: &str, histogram: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    let scale = Scale::of(histogram.min(), histogram.max());
    writeln!(
        out,
        "    {name} ({}): min={}, max={}, avg={:5.2}, stdev={:5.2}",
        scale.name,
        units::count_long(histogram.min() / scale.divisor),
        units::count_long(histogram.max() / scale.divisor),
        histogram.mean() / scale.divisor as f64,
        histogram.stdev() / scale.divisor as f64
    )
}

fn write_percentiles(
    name: &str,
    histogram: &Histogram<u64>,
    percentiles: &[f64],
    out: &mut impl Write,
) -> io::Result<()> {
    let values: Vec<u64> =
        percentiles.iter().map(|percent| histogram.value_at_percentile(*percent)).collect();
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return Ok(()) };
    let scale = Scale::of(*first, *last);
    let width = (last / scale.divisor).to_string().len().max(5);
    // fio fills 80 columns: four cells of five digits to a line, three of seven.
    let per_line = (73 / (width + 13)).max(1);
    let cells: Vec<String> = percentiles
        .iter()
        .zip(&values)
        .map(|(percent, value)| format!("{percent:>6.2}th=[{:>width$}]", value / scale.divisor))
        .collect();
    writeln!(out, "    {name} percentiles ({}):", scale.name)?;
    let line_count = cells.len().div_ceil(per_line);
    for (index, line) in cells.chunks(per_line).enumerate() {
        let end = if index + 1 < line_count { "," } else { "" };
        writeln!(out, "     |{}{end}", line.join(","))?;
    }
    Ok(())
}

fn write_ranges(ranges: &Ranges, out: &mut impl Write) -> io::Result<()> {
    for (unit, shares) in
        [("nsec", &ranges.ns[..]), ("usec", &ranges.us[..]), ("msec", &ranges.ms[..])]
    {
        let cells: Vec<String> = shares
            .iter()
            .zip(LABELS)
            .filter(|(share, _)| **share > 0.0)
            .map(|(share, label)| format!("{label}={share:.2}%"))
            .collect();
        for line in cells.chunks(5) {
            writeln!(out, "  lat ({unit})   : {}", line.join(", "))?;
        }
    }
    Ok(())
}

/// What the machine did: CPU, depths, totals, and how the engine went about it.
fn write_machine(job: &JobStats, out: &mut impl Write) -> io::Result<()> {
    let (user, system) = cpu_percent(job);
    let (user_ns, system_ns) = cpu_ns_per_io(job);
    let cpu = &job.cpu;
    writeln!(
        out,
        "  cpu          : usr={user:.2}%, sys={system:.2}%, ctx={}, majf={}, minf={}",
        cpu.context_switch_count, cpu.major_fault_count, cpu.minor_fault_count
    )?;
    writeln!(out, "  IO depths    : {}", shares(&job.depth_level, LEVELS))?;
    writeln!(out, "     submit    : {}", shares(&job.batch_submit, BATCHES))?;
    writeln!(out, "     complete  : {}", shares(&job.batch_complete, BATCHES))?;
    writeln!(
        out,
        "     issued rwts: total={},{},{},{} short={},{},0,0 dropped=0,0,0,0",
        job.read.io_count,
        job.write.io_count,
        job.trim.io_count,
        job.sync.io_count,
        job.read.short_count,
        job.write.short_count
    )?;
    writeln!(
        out,
        "  iomill       : {}\n     per I/O   : enters={:.3}, cpu={user_ns}+{system_ns} ns \
         (user+system), of it measuring={:.1} ns",
        job.engine_lines.join("; "),
        enters_per_io(job),
        job.overhead.total_ns() as f64 / job.io_count().max(1) as f64
    )?;
    let Some(story) = &job.depth else { return Ok(()) };
    let chosen = story.status.chosen.map_or_else(
        || "none yet: too few requests, or none that had to wait".to_owned(),
        |depth| depth.to_string(),
    );
    let reach = if story.status.is_out_of_reach { ", latency target out of reach" } else { "" };
    let count = story.decisions.len();
    writeln!(out, "  depth        : chosen={chosen}{reach}, decisions={count}")
}

fn shares(map: &DepthMap, labels: [&str; 7]) -> String {
    let mut line = String::new();
    for (index, (label, share)) in labels.iter().zip(map.percentages()).enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}{label}={share:.1}%");
    }
    line
}

/// The closing lines over all jobs of a group.
fn write_group(report: &Report<'_>, group: u32, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nRun status group {group} (all jobs):")?;
    let entries = || report.entries.iter().filter(|entry| entry.group == group);
    for (name, (_, of)) in [" READ", "WRITE", " TRIM"].into_iter().zip(DIRECTIONS) {
        let mut busy: Vec<&Direction> = entries().map(|entry| of(&entry.stats)).collect();
        busy.retain(|direction| direction.io_count > 0);
        let bws: Vec<u64> = busy.iter().map(|direction| direction.bw_bytes()).collect();
        let runtimes: Vec<u64> = busy.iter().map(|direction| direction.runtime_ms()).collect();
        let (Some(bw_min), Some(bw_max)) = (bws.iter().min(), bws.iter().max()) else { continue };
        let (Some(ms_min), Some(ms_max)) = (runtimes.iter().min(), runtimes.iter().max()) else {
            continue;
        };
        let bytes: u64 = busy.iter().map(|direction| direction.bytes).sum();
        let bw = bytes.saturating_mul(1000) / ms_max;
        writeln!(
            out,
            "  {name}: bw={} ({}), {}-{} ({}-{}), io={} ({}), run={ms_min}-{ms_max}msec",
            units::rate_iec(bw),
            units::rate_si(bw),
            units::rate_iec(*bw_min),
            units::rate_iec(*bw_max),
            units::rate_si(*bw_min),
            units::rate_si(*bw_max),
            units::bytes_iec(bytes),
            units::bytes_si(bytes)
        )?;
    }
    Ok(())
}
