//! Options of verification: what is checked, when, and what becomes of a damaged block.
//!
//! A part of the table; see `table`.

use super::table::{job, set};
use super::{OptionDef, Setting};
use crate::job::VerifyKind;

/// The smallest distance of two headers: a header and some data.
const INTERVAL_BYTES_MIN: u64 = 128;

/// The options of this subject, in the order of the help.
pub(super) static OPTIONS: &[OptionDef] = &[
    job(
        "verify",
        &[],
        Setting::Form("KIND", "crc32c", |s, v| {
            s.job.verify.kind = VerifyKind::read(v)?;
            Ok(())
        }),
        "Check contents: crc32c, xxhash, sha256, meta, pattern, pattern_hdr; other checksums of \
         fio run as the nearest of these [none]",
    ),
    job(
        "do_verify",
        &[],
        Setting::Bool(set!(job.verify.do_verify)),
        "Read back and check what was written, at the end [1]",
    ),
    job(
        "verify_only",
        &[],
        Setting::Bool(set!(job.verify.only)),
        "Do not write: only check what an earlier run of the same job wrote [0]",
    ),
    job(
        "verify_pattern",
        &[],
        Setting::Form("PATTERN", "0xdeadbeef", |s, v| {
            s.job.verify.pattern = Some(crate::verify::read_pattern(v)?);
            s.job.verify.kind = s.job.verify.kind.or(Some(VerifyKind::Pattern));
            Ok(())
        }),
        "Contents of each block: 0xhex, a number, \"text\" or 'file'; without --verify it \
         means --verify=pattern",
    ),
    job(
        "verify_interval",
        &["header_interval"],
        Setting::Size(INTERVAL_BYTES_MIN..=u64::MAX, set!(job.verify.interval_bytes = Some)),
        "Distance of two headers, a divisor of the block size [the smallest block]",
    ),
    job(
        "verify_backlog",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.verify.backlog)),
        "Check after every N writes, not only at the end; 0 = at the end [0]",
    ),
    job(
        "verify_backlog_batch",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.verify.backlog_batch)),
        "How many of those to check at once; 0 = all [0]",
    ),
    job(
        "verify_fatal",
        &[],
        Setting::Bool(set!(job.verify.fatal)),
        "End at the first damaged block; otherwise all are found and the job fails then [0]",
    ),
    job(
        "verify_dump",
        &[],
        Setting::Bool(set!(job.verify.dump)),
        "Save the first damaged blocks, as read and as expected, in the current folder [1]",
    ),
    job(
        "trim_percentage",
        &[],
        Setting::Int(0..=100, |s, v| {
            s.job.verify.trims.percent = u8::try_from(v).map_err(|_| "too much")?;
            Ok(())
        }),
        "Share of verified writes that are trimmed again, in percent [0]",
    ),
    job(
        "trim_backlog",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.verify.trims.backlog)),
        "Trim after every N writes what --trim_percentage has picked [0]",
    ),
    job(
        "trim_backlog_batch",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.verify.trims.batch)),
        "How many of those to trim at once; 0 = as many as --trim_backlog [0]",
    ),
    job(
        "trim_verify_zero",
        &[],
        Setting::Bool(set!(job.verify.trims.zero)),
        "Trimmed blocks have to read as zeros; otherwise they are not looked at [0]",
    ),
];
