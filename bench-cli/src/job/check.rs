//! Options that cannot be meant together.
//!
//! Owns every check that needs two options and no file; single values were checked against the
//! table. Called by `main` once, before anything is opened.

use super::{Amount, IoEngine, JobSpec, RateProcess, Sizes, VerifyKind, memory};
use crate::error::Error;
use crate::workload::Direction;

/// The most memory that the buffers of all jobs may take together.
const BUFFERS_LEN_BYTES_MAX: u64 = 8 << 30;

/// The smallest unit with a header of its own.
const UNIT_BYTES_MIN: u64 = 128;

impl JobSpec {
    /// Refuses options that contradict each other.
    ///
    /// # Errors
    ///
    /// A usage error that names both options and what to do.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refusals = [
            self.contradiction(),
            self.missing_partner(),
            self.lonely_depth_option(),
            self.foreign_to_engine(),
            self.impossible_way(),
            self.impossible_amount(),
            self.impossible_path(),
            self.impossible_verify(),
        ];
        match refusals.into_iter().flatten().next() {
            Some(refusal) => Err(Error::Usage(refusal)),
            None => Ok(()),
        }
    }

    fn contradiction(&self) -> Option<String> {
        if self.direct.is_some() && self.direct == self.buffered {
            return Some("--direct and --buffered contradict each other; give one of them".into());
        }
        if let (Some(reads), Some(writes)) = (self.rwmixread, self.rwmixwrite)
            && u32::from(reads) + u32::from(writes) != 100
        {
            return Some(format!(
                "--rwmixread={reads} and --rwmixwrite={writes} do not add up to 100; give one"
            ));
        }
        if self.fsync_every > 0 && self.fdatasync_every > 0 {
            return Some("--fsync and --fdatasync are alternatives; give one of them".into());
        }
        let pace = &self.pace;
        if pace.rate_bytes.iter().zip(&pace.rate_iops).any(|(bytes, iops)| *bytes > 0 && *iops > 0)
        {
            return Some("--rate and --rate_iops are alternatives; give one of them".into());
        }
        if self.refill_buffers && self.zero_buffers {
            return Some("--refill_buffers and --zero_buffers contradict each other".into());
        }
        if self.randseed.is_some() && !self.randrepeat {
            return Some(
                "--randseed fixes the sequence, --randrepeat=0 varies it; give one".into(),
            );
        }
        None
    }

    fn missing_partner(&self) -> Option<String> {
        if self.steady.is_some() && self.steady_times.duration.is_zero() {
            return Some("--steadystate needs --steadystate_duration, e.g. 30s".into());
        }
        if self.pace.process == RateProcess::Poisson && !self.pace.is_rated() {
            return Some("--rate_process=poisson needs --rate_iops or --rate".into());
        }

        if self.time_based && self.runtime.is_none() {
            return Some("--time_based needs --runtime, e.g. --runtime=10s".into());
        }
        let (block, largest) = self.block_bounds();
        if self.zones.strided && self.zones.size_bytes < block {
            return Some(format!("--zonemode=strided needs --zonesize of at least --bs={block}"));
        }
        if self.zones.strided && self.zones.range_bytes.is_some_and(|range| range < largest) {
            return Some(format!("--zonerange is smaller than one block, --bs={largest}"));
        }
        let poll_options = [
            ("--sqthread_poll_cpu", self.sqthread_poll_cpu.is_some()),
            ("--sqthread_poll_idle", self.sqthread_poll_idle.is_some()),
        ];
        let orphan = poll_options.iter().find(|(_, given)| *given && !self.sqthread_poll);
        orphan.map(|(name, _)| format!("{name} needs --sqthread_poll"))
    }

    fn foreign_to_engine(&self) -> Option<String> {
        if self.ioengine != IoEngine::Threads {
            return None;
        }
        let uring_options = [
            ("--fixedbufs", self.fixedbufs),
            ("--registerfiles", self.registerfiles),
            ("--sqthread_poll", self.sqthread_poll),
            ("--hipri", self.hipri),
        ];
        let foreign = uring_options.iter().find(|(_, given)| *given);
        foreign.map(|(name, _)| format!("{name} is for --ioengine=io_uring, not threads"))
    }

    /// Options about how the kernel is to do it.
    fn impossible_way(&self) -> Option<String> {
        for (name, given) in [("--hipri", self.hipri), ("--atomic", self.atomic)] {
            if given && !self.is_direct() {
                return Some(format!("{name} needs --direct: nothing else can be done that way"));
            }
        }
        if self.hipri && self.registerfiles {
            return Some("--hipri and --registerfiles exclude each other; give one".into());
        }
        if self.uncached && self.is_direct() {
            return Some("--uncached is for the page cache, which --direct bypasses anyway".into());
        }
        if self.uncached && self.rw.has(Direction::Read) {
            return Some(format!(
                "--uncached is for writes, and --rw={} reads; use --direct",
                self.rw.name()
            ));
        }
        let writes = &self.blocks[Direction::Write as usize];
        let odd = [writes.min(), writes.max()].into_iter().find(|len| !len.is_power_of_two());
        odd.filter(|_| self.atomic)
            .map(|len| format!("--atomic needs a --bs that is a power of two, not {len}"))
    }

    fn impossible_amount(&self) -> Option<String> {
        let (block, largest) = self.block_bounds();
        let [size, io_size] =
            [self.size, self.io_size].map(|amount| amount.and_then(Amount::bytes));
        for (name, amount) in [("--size", size), ("--io_size", io_size)] {
            if let Some(amount) = amount.filter(|amount| *amount < block) {
                return Some(format!("{name}={amount} is smaller than one block, --bs={block}"));
            }
        }
        let files = u64::try_from(self.named_files().len()).unwrap_or(1);
        let files = files.max(u64::from(self.files.count));
        if let Some(size) =
            size.filter(|size| size / files < block && self.files.size_bytes.is_none())
        {
            return Some(format!(
                "--size={size} divided by {files} files is less than one block, --bs={block}"
            ));
        }
        // The kernel's file offsets are signed.
        let size = if self.files.size_bytes.is_some() { 0 } else { size.unwrap_or(0) };
        let end = self.offset.bytes().unwrap_or(0).saturating_add(size);
        if i64::try_from(end).is_err() {
            return Some(format!("--offset plus --size is {end} bytes, beyond the largest file"));
        }
        let buffers = u64::from(self.lane_count()) * u64::from(self.numjobs) * largest;
        if buffers > BUFFERS_LEN_BYTES_MAX {
            return Some(format!(
                "--bs x --iodepth x --numjobs needs {buffers} bytes of buffers, at most \
                 {BUFFERS_LEN_BYTES_MAX} are possible; lower one of them"
            ));
        }
        memory::refusal(buffers)
    }

    fn impossible_verify(&self) -> Option<String> {
        let verify = &self.verify;
        if let Some(refusal) = self.impossible_trims() {
            return Some(refusal);
        }
        let Some(kind) = verify.kind else {
            return verify.only.then(|| "--verify_only needs --verify, e.g. crc32c".to_owned());
        };
        if matches!(kind, VerifyKind::Pattern | VerifyKind::PatternHeader)
            && verify.pattern.is_none()
        {
            return Some(format!("--verify={} needs --verify_pattern", kind.name()));
        }
        if self.rw.trims() {
            return Some("--verify and trims exclude each other: a trimmed block is gone".into());
        }
        let unit = self.verify_unit();
        if kind.has_header() && unit < UNIT_BYTES_MIN {
            return Some(format!(
                "--verify={} needs blocks of at least {UNIT_BYTES_MIN} bytes, not {unit}",
                kind.name()
            ));
        }
        let lengths =
            self.directions().flat_map(|direction| match &self.blocks[direction as usize] {
                Sizes::Split(parts) => parts.iter().map(|part| part.0).collect(),
                sizes => vec![sizes.min(), sizes.max()],
            });
        let mut lengths = lengths.chain([self.block_unit()]);
        lengths.find(|len| !len.is_multiple_of(unit)).map(|len| {
            format!(
                "--verify puts a header every {unit} bytes, and blocks of {len} bytes are no \
                 multiple of that; give --verify_interval"
            )
        })
    }

    fn impossible_trims(&self) -> Option<String> {
        let trims = &self.verify.trims;
        if trims.percent == 0 {
            return None;
        }
        if self.verify.kind.is_none() || !self.rw.writes() {
            return Some(
                "--trim_percentage is for verified writes: add --verify, or use --rw=trim".into(),
            );
        }
        if self.verify.only {
            return Some(
                "--trim_percentage and --verify_only exclude each other: nobody knows any more \
                 what was trimmed"
                    .into(),
            );
        }
        (trims.backlog == 0)
            .then(|| "--trim_percentage needs --trim_backlog, e.g. --trim_backlog=64".into())
    }

    fn impossible_path(&self) -> Option<String> {
        match &self.filename {
            None => self.name.contains('/').then(|| {
                format!("--name={} contains '/' but names a file; use --directory", self.name)
            }),
            Some(filename) => (filename.starts_with('/') && self.directory.is_some())
                .then(|| format!("--filename={filename} is absolute; leave --directory out")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Settings, find};

    fn job(options: &[(&str, &str)]) -> JobSpec {
        let mut settings = Settings::default();
        for (name, text) in options {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        settings.job
    }

    #[test]
    fn defaults_are_fine() {
        assert!(job(&[]).check().is_ok());
        assert!(job(&[]).notes().is_empty());
    }

    #[test]
    fn contradictions_name_both_options() {
        for (options, words) in [
            (vec![("direct", "1"), ("buffered", "1")], ["--direct", "--buffered"]),
            (vec![("direct", "0"), ("buffered", "0")], ["--direct", "--buffered"]),
            (vec![("rwmixread", "70"), ("rwmixwrite", "40")], ["--rwmixread=70", "40"]),
            (vec![("fsync", "1"), ("fdatasync", "1")], ["--fsync", "--fdatasync"]),
            (vec![("time_based", "1")], ["--time_based", "--runtime"]),
            (vec![("time_based", "1"), ("runtime", "0")], ["--time_based", "--runtime"]),
            (vec![("randseed", "1"), ("randrepeat", "0")], ["--randseed", "--randrepeat"]),
            (vec![("refill_buffers", "1"), ("zero_buffers", "1")], ["--refill", "--zero"]),
            (vec![("sqthread_poll_cpu", "0")], ["--sqthread_poll_cpu", "--sqthread_poll"]),
            (vec![("ioengine", "psync"), ("fixedbufs", "1")], ["--fixedbufs", "io_uring"]),
            (vec![("ioengine", "psync"), ("hipri", "1")], ["--hipri", "io_uring"]),
            (vec![("hipri", "1")], ["--hipri", "--direct"]),
            (vec![("atomic", "1")], ["--atomic", "--direct"]),
            (
                vec![("hipri", "1"), ("direct", "1"), ("registerfiles", "1")],
                ["--hipri", "--registerfiles"],
            ),
            (vec![("uncached", "1"), ("direct", "1")], ["--uncached", "--direct"]),
            (vec![("uncached", "1"), ("rw", "randrw")], ["--uncached", "--rw=randrw"]),
            (
                vec![("rw", "write"), ("atomic", "1"), ("direct", "1"), ("bs", "12k")],
                ["--atomic", "12288"],
            ),
            (vec![("size", "1k")], ["--size=1024", "--bs=4096"]),
            (vec![("io_size", "1k")], ["--io_size=1024", "--bs=4096"]),
            (vec![("bs", "64m"), ("iodepth", "4096")], ["--bs", "--iodepth"]),
            (vec![("size", "8192p")], ["--offset", "--size"]),
            (vec![("rate", "1m"), ("rate_iops", "5")], ["--rate", "--rate_iops"]),
            (vec![("rate_process", "poisson")], ["--rate_process", "--rate_iops"]),
            (vec![("ss", "iops:2%")], ["--steadystate", "--steadystate_duration"]),
            (vec![("size", "8k"), ("nrfiles", "4")], ["--size=8192", "4 files"]),
            (vec![("zonemode", "strided")], ["--zonemode=strided", "--zonesize"]),
            (vec![("verify_only", "1")], ["--verify_only", "--verify"]),
            (vec![("verify", "pattern")], ["--verify=pattern", "--verify_pattern"]),
            (vec![("verify", "crc32c"), ("bs", "64")], ["--verify=crc32c", "128"]),
            (vec![("verify", "crc32c"), ("rw", "trim")], ["--verify", "trim"]),
            (vec![("verify", "crc32c"), ("bssplit", "4k/50:5k/50")], ["4096", "--verify_interval"]),
            (vec![("trim_percentage", "5")], ["--trim_percentage", "--verify"]),
            (
                vec![("trim_percentage", "5"), ("rw", "write"), ("verify", "crc32c")],
                ["--trim_percentage", "--trim_backlog"],
            ),
            (
                vec![
                    ("trim_percentage", "5"),
                    ("trim_backlog", "9"),
                    ("rw", "write"),
                    ("verify", "crc32c"),
                    ("verify_only", "1"),
                ],
                ["--trim_percentage", "--verify_only"],
            ),
            (vec![("name", "a/b")], ["--name=a/b", "--directory"]),
            (vec![("filename", "/x"), ("directory", "y")], ["--filename=/x", "--directory"]),
        ] {
            let refusal = job(&options).check().expect_err("refused").to_string();
            assert!(words.iter().all(|word| refusal.contains(word)), "{options:?}: {refusal}");
            assert!(!refusal.contains('\n'));
        }
    }

    #[test]
    fn agreeing_pairs_are_accepted() {
        assert!(job(&[("direct", "1"), ("buffered", "0")]).check().is_ok());
        assert!(job(&[("rwmixread", "70"), ("rwmixwrite", "30")]).check().is_ok());
    }

    #[test]
    fn mixes_follow_either_percentage() {
        assert_eq!(job(&[("rw", "randrw")]).read_percent(), 50);
        assert_eq!(job(&[("rw", "rw"), ("rwmixread", "70")]).read_percent(), 70);
        assert_eq!(job(&[("rw", "rw"), ("rwmixwrite", "70")]).read_percent(), 30);
        assert_eq!(job(&[("rw", "write"), ("rwmixread", "9")]).read_percent(), 0);
    }

    #[test]
    fn effectless_options_are_noted() {
        let notes = job(&[("rw", "read"), ("fsync", "4"), ("rwmixread", "5")]).notes();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].starts_with("--fsync has no effect"), "{notes:?}");
        assert!(job(&[("rw", "randrw"), ("fsync", "4"), ("norandommap", "1")]).notes().is_empty());
    }

    #[test]
    fn created_files_carry_the_name_and_the_job() {
        let spec = job(&[("name", "x"), ("directory", "/d")]);
        assert_eq!(spec.paths(2), [std::path::Path::new("/d/x.2.0")]);
        let named = job(&[("filename", "f"), ("directory", "/d")]);
        assert_eq!(named.paths(2), [std::path::Path::new("/d/f")]);
    }
}
