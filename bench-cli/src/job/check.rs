//! Options that cannot be meant together.
//!
//! Owns every check that needs two options and no file; single values were checked against the
//! table. Called by `main` once, before anything is opened.

use super::{IoEngine, JobSpec, memory};
use crate::error::Error;

/// The most memory that the buffers of all jobs may take together.
const BUFFERS_LEN_BYTES_MAX: u64 = 8 << 30;

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
            self.foreign_to_engine(),
            self.impossible_amount(),
            self.impossible_path(),
        ];
        match refusals.into_iter().flatten().next() {
            Some(refusal) => Err(Error::Usage(refusal)),
            None => Ok(()),
        }
    }

    /// Options that are fine but have no effect on this job, one line each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |given: bool, name: &str, why: &str| {
            if given {
                notes.push(format!("{name} has no effect: {why}"));
            }
        };
        let read_only = !self.rw.writes();
        note(read_only && self.fsync_every > 0, "--fsync", "the job does not write");
        note(read_only && self.fdatasync_every > 0, "--fdatasync", "the job does not write");
        note(read_only && self.end_fsync, "--end_fsync", "the job does not write");
        note(read_only && self.refill_buffers, "--refill_buffers", "the job does not write");
        note(read_only && self.zero_buffers, "--zero_buffers", "the job does not write");
        let unmixed = !self.rw.is_mixed();
        note(unmixed && self.rwmixread.is_some(), "--rwmixread", "rw is not a mixed pattern");
        note(unmixed && self.rwmixwrite.is_some(), "--rwmixwrite", "rw is not a mixed pattern");
        let ordered = !self.rw.is_random();
        note(ordered && self.norandommap, "--norandommap", "the offsets are sequential");
        notes.extend(self.logs.notes());
        notes
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
        if self.time_based && self.runtime.is_none() {
            return Some("--time_based needs --runtime, e.g. --runtime=10s".into());
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
        ];
        let foreign = uring_options.iter().find(|(_, given)| *given);
        foreign.map(|(name, _)| format!("{name} is for --ioengine=io_uring, not threads"))
    }

    fn impossible_amount(&self) -> Option<String> {
        let block = self.block_len_bytes;
        for (name, amount) in [("--size", self.size_bytes), ("--io_size", self.io_size_bytes)] {
            if let Some(amount) = amount.filter(|amount| *amount < block) {
                return Some(format!("{name}={amount} is smaller than one block, --bs={block}"));
            }
        }
        // The kernel's file offsets are signed.
        let end = self.offset_bytes.saturating_add(self.size_bytes.unwrap_or(0));
        if i64::try_from(end).is_err() {
            return Some(format!("--offset plus --size is {end} bytes, beyond the largest file"));
        }
        let buffers = u64::from(self.iodepth) * u64::from(self.numjobs) * block;
        if buffers > BUFFERS_LEN_BYTES_MAX {
            return Some(format!(
                "--bs x --iodepth x --numjobs needs {buffers} bytes of buffers, at most \
                 {BUFFERS_LEN_BYTES_MAX} are possible; lower one of them"
            ));
        }
        memory::refusal(buffers)
    }

    fn impossible_path(&self) -> Option<String> {
        match &self.filename {
            None => self.name.contains('/').then(|| {
                format!("--name={} contains '/' but names a file; use --directory", self.name)
            }),
            Some(filename) => (filename.is_absolute() && self.directory.is_some()).then(|| {
                format!("--filename={} is absolute; leave --directory out", filename.display())
            }),
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
            (vec![("size", "1k")], ["--size=1024", "--bs=4096"]),
            (vec![("io_size", "1k")], ["--io_size=1024", "--bs=4096"]),
            (vec![("bs", "64m"), ("iodepth", "4096")], ["--bs", "--iodepth"]),
            (vec![("size", "8192p")], ["--offset", "--size"]),
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
        use crate::workload::ReadPercent;
        assert_eq!(job(&[("rw", "randrw")]).read_percent(), ReadPercent(50));
        assert_eq!(job(&[("rw", "rw"), ("rwmixread", "70")]).read_percent(), ReadPercent(70));
        assert_eq!(job(&[("rw", "rw"), ("rwmixwrite", "70")]).read_percent(), ReadPercent(30));
        assert_eq!(job(&[("rw", "write"), ("rwmixread", "9")]).read_percent(), ReadPercent(0));
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
        assert_eq!(spec.path(2).to_str(), Some("/d/x.2.0"));
        assert_eq!(job(&[("filename", "f"), ("directory", "/d")]).path(2).to_str(), Some("/d/f"));
    }
}
