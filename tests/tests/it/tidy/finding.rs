//! One broken rule at one place, and how the checks and their tests speak about it.
//!
//! It never decides whether something is wrong: the checks do, and `tree` prints what they found.

use std::fmt;

/// A broken house rule.
#[derive(Debug)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    /// A finding at a line (from 1) of a file; line 1 also stands for the file as a whole.
    pub(crate) fn at(path: &str, line: usize, message: impl Into<String>) -> Finding {
        assert!(line >= 1, "lines are counted from 1");
        Finding { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// What a check's own tests call: exactly one finding, at this line, with this in its message.
#[track_caller]
pub(crate) fn assert_fires(findings: &[Finding], line: usize, part: &str) {
    let [finding] = findings else { panic!("one finding wanted, got {findings:#?}") };
    assert_eq!(finding.line, line, "{finding}");
    assert!(finding.message.contains(part), "{finding} does not say {part:?}");
}

/// The other half: a good snippet gives no finding.
#[track_caller]
pub(crate) fn assert_silent(findings: &[Finding]) {
    assert!(findings.is_empty(), "no finding wanted, got {findings:#?}");
}
