//! Options that are fine but have no effect on their job.
//!
//! Owns the remarks; nothing is refused here. Called by `plan` once per section.

use super::JobSpec;

impl JobSpec {
    /// One line for each option without effect.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |given: bool, name: &str, why: &str| {
            if given {
                notes.push(format!("{name} has no effect: {why}"));
            }
        };
        let read_only = !self.rw.writes();
        for (name, given) in [
            ("--fsync", self.fsync_every > 0),
            ("--fdatasync", self.fdatasync_every > 0),
            ("--end_fsync", self.end_fsync),
            ("--atomic", self.atomic),
            ("--refill_buffers", self.refill_buffers),
            ("--zero_buffers", self.zero_buffers),
            ("--verify_backlog", self.verify.backlog > 0),
        ] {
            note(read_only && given, name, "the job does not write");
        }
        let unmixed = !self.rw.is_mixed();
        note(unmixed && self.rwmixread.is_some(), "--rwmixread", "rw is not a mixed pattern");
        note(unmixed && self.rwmixwrite.is_some(), "--rwmixwrite", "rw is not a mixed pattern");
        let ordered = !self.rw.is_random();
        note(ordered && self.norandommap, "--norandommap", "the offsets are sequential");
        let spread = self.distribution.iter().any(|spread| *spread != Default::default());
        note(ordered && spread, "--random_distribution", "the offsets are sequential");
        if self.depth.target.is_some() && !self.depth.is_adaptive {
            notes.push(format!(
                "--latency_target makes the depth adaptive, up to --iodepth={}",
                self.depth.fixed
            ));
        }
        notes.extend(self.reporting.logs.notes());
        notes
    }
}

#[cfg(test)]
mod tests {
    use crate::options::{Settings, find};

    #[test]
    fn what_is_written_by_nobody_needs_no_sync() {
        let mut settings = Settings::default();
        for (name, text) in
            [("rw", "read"), ("verify_backlog", "4"), ("random_distribution", "zipf")]
        {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        let notes = settings.job.notes();
        let words = ["--verify_backlog has no effect", "--random_distribution has no effect"];
        assert!(words.iter().all(|word| notes.iter().any(|note| note.starts_with(word))));
        assert_eq!(notes.len(), 2, "{notes:?}");
    }
}
