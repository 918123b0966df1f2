//! Options of single requests: their sizes, their places, their mix, their contents.
//!
//! A part of the table; see `table`.

use super::table::{job, set};
use super::{OptionDef, Setting, value};
use crate::job::{BLOCK_LEN_BYTES_MAX, Sizes};
use crate::workload::Distribution;

/// The options of this subject, in the order of the help.
pub(super) static OPTIONS: &[OptionDef] = &[
    job(
        "bsrange",
        &["blocksize_range"],
        Setting::Form("SIZE-SIZE,..", "1k-8k", |s, v| {
            let kb_base = s.job.kb_base;
            value::per_direction(v, &mut s.job.blocks, |text| Sizes::range(text, kb_base))
        }),
        "Random block sizes between two, multiples of the smaller one",
    ),
    job(
        "bssplit",
        &[],
        Setting::Form("SIZE/%:..,..", "4k/60:8k/40", |s, v| {
            let kb_base = s.job.kb_base;
            value::per_direction(v, &mut s.job.blocks, |text| Sizes::split(text, kb_base))
        }),
        "A mix of block sizes with their shares in percent",
    ),
    job(
        "blockalign",
        &["ba"],
        Setting::Form("SIZE,..", "8k", |s, v| {
            let kb_base = s.job.kb_base;
            let mut align = s.job.block_align_bytes.unwrap_or([1; 3]);
            value::per_direction(v, &mut align, |text| {
                let bytes = value::size_bytes(text, kb_base)?;
                super::within(bytes, &(1..=BLOCK_LEN_BYTES_MAX))
            })?;
            s.job.block_align_bytes = Some(align);
            Ok(())
        }),
        "What random offsets are multiples of [the smallest block]",
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
        Setting::Bool(set!(job.norandommap)),
        "Random offsets may repeat; otherwise each block comes once per pass [0]",
    ),
    job(
        "random_distribution",
        &[],
        Setting::Form("WORD:N", "zipf:1.2", |s, v| {
            let kb_base = s.job.kb_base;
            value::per_direction(v, &mut s.job.distribution, |text| {
                Distribution::read(text, kb_base)
            })
        }),
        "random, zipf:theta, pareto:h, normal:deviation%, zoned:access%/size%:.., \
         zoned_abs:access%/bytes:.. [random]",
    ),
    job(
        "percentage_random",
        &[],
        Setting::Form("N,..", "50", |s, v| {
            value::per_direction(v, &mut s.job.percentage_random, |text| {
                u8::try_from(super::within(value::integer(text)?, &(0..=100))?)
                    .map_err(|_| "too much".to_owned())
            })
        }),
        "Share of random offsets in a random job, in percent; the others follow on [100]",
    ),
    job(
        "randseed",
        &[],
        Setting::Int(0..=u64::MAX, set!(job.randseed = Some)),
        "Seed of the random offsets, directions and contents",
    ),
    job(
        "randrepeat",
        &["allrandrepeat"],
        Setting::Bool(set!(job.randrepeat)),
        "Use the same random sequence in every run [1]",
    ),
    job(
        "iodepth_batch_complete_min",
        &["iodepth_batch_complete"],
        Setting::Int(0..=4096, |s, v| {
            s.job.depth.complete_min = u32::try_from(v.max(1)).map_err(|_| "too many")?;
            Ok(())
        }),
        "Wait for this many completions at once [1]",
    ),
    job(
        "fsync",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.fsync_every)),
        "Sync the file after every N writes; 0 = never [0]",
    ),
    job(
        "fdatasync",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.fdatasync_every)),
        "The same with fdatasync, which may leave metadata out [0]",
    ),
    job(
        "end_fsync",
        &[],
        Setting::Bool(set!(job.end_fsync)),
        "Sync the file when the job is done, inside the measured time [0]",
    ),
    job(
        "sync",
        &[],
        Setting::Choice(crate::job::SyncMode::NAMES, |s, v| {
            s.job.sync_mode = crate::job::SyncMode::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Make each write durable by itself: sync (O_SYNC) or dsync (O_DSYNC) [none]",
    ),
    job(
        "atomic",
        &[],
        Setting::Bool(set!(job.atomic)),
        "Each write is all or nothing (RWF_ATOMIC); needs --direct and a device that can [0]",
    ),
    job(
        "uncached",
        &[],
        Setting::Bool(set!(job.uncached)),
        "Buffered writes leave nothing in the page cache (RWF_DONTCACHE, Linux 6.14) [0]",
    ),
    job(
        "refill_buffers",
        &[],
        Setting::Bool(set!(job.refill_buffers)),
        "Fill the buffer with new random data before each write [0]",
    ),
    job(
        "zero_buffers",
        &[],
        Setting::Bool(set!(job.zero_buffers)),
        "Write zeros instead of random data [0]",
    ),
    job(
        "buffer_pattern",
        &[],
        Setting::Form("PATTERN", "0xdeadbeef", |s, v| {
            s.job.buffer_pattern = Some(crate::verify::read_pattern(v)?);
            Ok(())
        }),
        "Write this instead of random data: 0xhex, a number, \"text\" or 'file'",
    ),
    job(
        "buffer_compress_percentage",
        &[],
        Setting::Int(0..=100, |s, v| {
            s.job.compress_percent = u8::try_from(v).map_err(|_| "too much")?;
            Ok(())
        }),
        "Share of each written block that is zeros, or the pattern, in percent [0]",
    ),
    job(
        "dedupe_percentage",
        &[],
        Setting::Int(0..=100, |s, v| {
            s.job.dedupe_percent = u8::try_from(v).map_err(|_| "too much")?;
            Ok(())
        }),
        "Share of writes that repeat the data of the write before, in percent [0]",
    ),
];
