//! What the console of a guest means: per suite and disk how many tests passed, failed and were
//! skipped and why, and which features the kernel has.

use std::collections::BTreeMap;

/// One suite on one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Names of tests that passed and skipped nothing.
    pub passed: Vec<String>,
    /// Names of tests that failed.
    pub failed: Vec<String>,
    /// Reasons of skips, each with the test's name.
    pub skipped: Vec<(String, String)>,
    /// Feature by feature what the kernel said.
    pub features: BTreeMap<String, String>,
    /// Whether it came to its end, and with which status.
    pub status: Option<i32>,
}

/// One guest: by suite and disk.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// `uname -r`, if it came so far.
    pub version: String,
    /// By suite and disk.
    pub outcomes: BTreeMap<(String, String), Outcome>,
    /// Whether it came to its end.
    pub is_complete: bool,
    /// Disks that it could not mount.
    pub missing_disks: Vec<String>,
}

/// Reads a console.
pub fn read(console: &str) -> Guest {
    let mut guest = Guest::default();
    let mut current: Option<(String, String)> = None;
    // The test whose captured output is being printed.
    let mut speaker = String::new();
    for line in console.lines() {
        if let Some(message) = line.strip_prefix("@@ ") {
            let words: Vec<&str> = message.split_whitespace().collect();
            match words.as_slice() {
                ["kernel", version] => guest.version = (*version).to_owned(),
                ["nodisk", disk] => guest.missing_disks.push((*disk).to_owned()),
                ["begin", suite, disk] => {
                    let key = ((*suite).to_owned(), (*disk).to_owned());
                    guest.outcomes.insert(key.clone(), Outcome::default());
                    current = Some(key);
                }
                ["end", _, _, status] => {
                    if let Some(outcome) =
                        current.take().and_then(|key| guest.outcomes.get_mut(&key))
                    {
                        outcome.status = status.parse().ok();
                        outcome.settle();
                    }
                }
                ["done"] => guest.is_complete = true,
                _ => {}
            }
        } else if let Some(outcome) = current.as_ref().and_then(|key| guest.outcomes.get_mut(key)) {
            outcome.take(line, &mut speaker);
        }
    }
    guest
}

impl Outcome {
    fn take(&mut self, line: &str, speaker: &mut String) {
        if let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            match verdict {
                "ok" => self.passed.push(name.to_owned()),
                "FAILED" => self.failed.push(name.to_owned()),
                other => self.skipped.push((name.to_owned(), other.to_owned())),
            }
        } else if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            *speaker = name.to_owned();
        } else if let Some(reason) = line.strip_prefix("skipped") {
            let reason = reason.trim_start_matches(':').trim();
            self.skipped.push((speaker.clone(), reason.to_owned()));
        } else if let Some((name, answer)) =
            line.strip_prefix("feature ").and_then(|rest| rest.split_once(": "))
        {
            self.features.insert(name.to_owned(), answer.to_owned());
        }
    }

    /// A test that skipped something is not counted as passed.
    fn settle(&mut self) {
        self.passed.retain(|name| self.skipped.iter().all(|(skipped, _)| skipped != name));
    }

    /// Whether it ended as it should.
    pub fn is_good(&self) -> bool {
        self.status == Some(0) && self.failed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "@@ kernel 6.1.0\n@@ begin ring ext4\ntest a ... ok\ntest b ... ok\n\
        test c ... FAILED\n\nsuccesses:\n\n---- b stdout ----\nskipped: \"x\": no such opcode\n\
        @@ end ring ext4 101\n@@ begin features ext4\nfeature iopoll: no (EOPNOTSUPP)\n\
        @@ end features ext4 0\n@@ begin ring xfs\ntest a ... ok\n";

    #[test]
    fn verdicts_skips_features_and_an_early_end_are_told_apart() {
        let guest = read(CONSOLE);
        assert_eq!((guest.version.as_str(), guest.is_complete), ("6.1.0", false));
        let at = |suite: &str, disk: &str| &guest.outcomes[&(suite.to_owned(), disk.to_owned())];
        let ring = at("ring", "ext4");
        assert_eq!(ring.passed, ["a"]);
        assert_eq!(ring.failed, ["c"]);
        assert_eq!(ring.skipped, [("b".to_owned(), "\"x\": no such opcode".to_owned())]);
        assert!(!ring.is_good());
        assert_eq!(at("features", "ext4").features["iopoll"], "no (EOPNOTSUPP)");
        assert!(at("features", "ext4").is_good());
        assert_eq!(at("ring", "xfs").status, None, "it never came to its end");
    }
}
