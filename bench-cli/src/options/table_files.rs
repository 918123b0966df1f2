//! Options of files: how many, how large, how they are made and what becomes of them.
//!
//! A part of the table; see `table`.

use super::table::{job, set};
use super::{OptionDef, Setting, value};
use crate::job::{Amount, Fallocate, FileService};

/// The options of this subject, in the order of the help.
pub(super) static OPTIONS: &[OptionDef] = &[
    job(
        "nrfiles",
        &["nr_files"],
        Setting::Int(1..=65_536, |s, v| {
            s.job.files.count = u32::try_from(v).map_err(|_| "too many")?;
            Ok(())
        }),
        "Files of each job; --size is divided among them [1]",
    ),
    job(
        "filesize",
        &[],
        Setting::Form("SIZE-SIZE", "1m-4m", |s, v| {
            let kb_base = s.job.kb_base;
            let range = value::range(v, |text| value::size_bytes(text, kb_base))?;
            super::within(range.0, &(1..=u64::MAX))?;
            s.job.files.size_bytes = Some(range);
            Ok(())
        }),
        "Size of each file, or a range to draw it from [--size / --nrfiles]",
    ),
    job(
        "filename_format",
        &[],
        Setting::Text(|s, v| {
            s.job.files.format = Some(v.to_owned());
            Ok(())
        }),
        "Names of created files, with $jobname, $jobnum, $filenum [$jobname.$jobnum.$filenum]",
    ),
    job(
        "file_service_type",
        &[],
        Setting::Form("WORD:N", "random", |s, v| {
            (s.job.files.service, s.job.files.in_a_row) = FileService::read(v)?;
            Ok(())
        }),
        "Which file comes next: roundrobin, random, sequential, zipf, pareto, normal [roundrobin]",
    ),
    job(
        "offset_increment",
        &[],
        Setting::Form("SIZE|%", "1g", |s, v| {
            s.job.offset_increment = Amount::read(v, s.job.kb_base)?;
            Ok(())
        }),
        "Each copy of the job starts this much after the one before [0]",
    ),
    job(
        "offset_align",
        &[],
        Setting::Size(1..=u64::MAX, set!(job.offset_align_bytes = Some)),
        "Round a start given in percent down to a multiple of this [the smallest block]",
    ),
    job(
        "zonemode",
        &[],
        Setting::Form("WORD", "strided", |s, v| match v {
            "none" | "strided" => {
                s.job.zones.strided = v == "strided";
                Ok(())
            }
            _ => Err(format!("'{v}' is not supported: zones are none or strided")),
        }),
        "strided: work in pieces of --zonesize with --zoneskip between them [none]",
    ),
    job(
        "zonesize",
        &[],
        Setting::Size(1..=u64::MAX, set!(job.zones.size_bytes)),
        "Bytes to transfer in a zone before the next one",
    ),
    job(
        "zonerange",
        &[],
        Setting::Size(1..=u64::MAX, set!(job.zones.range_bytes = Some)),
        "Length of a zone [--zonesize]",
    ),
    job(
        "zoneskip",
        &[],
        Setting::Size(0..=u64::MAX, set!(job.zones.skip_bytes)),
        "Distance from the end of one zone to the start of the next [0]",
    ),
    job(
        "number_ios",
        &[],
        Setting::Int(0..=u64::MAX, set!(job.number_ios)),
        "End the job after this many requests; 0 = no limit [0]",
    ),
    job(
        "loops",
        &[],
        Setting::Int(1..=u64::MAX, set!(job.loops)),
        "Do all of it this many times [1]",
    ),
    job(
        "fill_device",
        &["fill_fs"],
        Setting::Bool(set!(job.files.fill_device)),
        "Write until there is no space left; that is the end, and no error [0]",
    ),
    job(
        "fallocate",
        &[],
        Setting::Choice(Fallocate::NAMES, |s, v| {
            s.job.files.fallocate = Fallocate::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Space of a created file: native, none, keep (the length stays), truncate [native]",
    ),
    job(
        "pre_read",
        &[],
        Setting::Bool(set!(job.files.pre_read)),
        "Read the files into the page cache before the job; leaves --invalidate out [0]",
    ),
    job(
        "create_on_open",
        &[],
        Setting::Bool(set!(job.files.create_on_open)),
        "Make the files when the job begins, not before the first job [0]",
    ),
    job(
        "allow_file_create",
        &[],
        Setting::Bool(set!(job.files.allow_create)),
        "Allow missing files to be created [1]",
    ),
    job(
        "unlink",
        &[],
        Setting::Bool(set!(job.unlink)),
        "Remove the files that this run created; others are never removed [1]",
    ),
    job(
        "allow_overwrite",
        &[],
        Setting::Bool(set!(job.allow_overwrite)),
        "Allow writes to a device or file that this run did not create (not in fio) [0]",
    ),
    job(
        "invalidate",
        &[],
        Setting::Bool(set!(job.invalidate)),
        "Drop the file from the page cache before the run [1]",
    ),
];
