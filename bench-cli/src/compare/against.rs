//! The same job on bench-cli and on fio, in turn.
//!
//! Owns the order of the runs, which changes from pair to pair so that neither side always comes
//! first, and the reading of what they print. Both run as processes of their own. Called by
//! `compare`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Side;
use crate::error::Error;
use crate::notice;
use crate::results::RunResult;

/// What to run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) pair_count: u32,
    pub(super) job: Vec<String>,
    pub(super) ours: Vec<String>,
    pub(super) theirs: Vec<String>,
    pub(super) keep: Option<PathBuf>,
}

impl Plan {
    /// Runs all pairs: fio's side is the base.
    ///
    /// # Errors
    ///
    /// The first run that fails ends it, with what the program said.
    pub(super) fn run(&self) -> Result<(Side, Side), Error> {
        let own = std::env::current_exe()
            .map_err(|error| Error::io(format!("cannot find this program: {error}")))?;
        if let Some(folder) = &self.keep {
            fs::create_dir_all(folder).map_err(|error| {
                Error::usage(format!("cannot make --keep={}: {error}", folder.display()))
            })?;
        }
        let (mut base, mut new) = (Vec::new(), Vec::new());
        for pair in 1..=self.pair_count {
            for ours in [pair % 2 == 1, pair % 2 == 0] {
                match ours {
                    true => new.push(self.one("bench-cli", &own, &["run"], &self.ours, pair)?),
                    false => base.push(self.one("fio", "fio".as_ref(), &[], &self.theirs, pair)?),
                }
            }
            if let (Some(base), Some(new)) = (base.last(), new.last()) {
                let (base, new) = (base.iops(), new.iops());
                notice::line(&format!(
                    "pair {pair} of {}: bench-cli {new:.0}, fio {base:.0} IOPS, ratio {:.2}",
                    self.pair_count,
                    new / base
                ));
            }
        }
        let side = |name: &str, runs| Side { name: name.to_owned(), runs };
        Ok((side("fio", base), side("bench-cli", new)))
    }

    fn one(
        &self,
        name: &str,
        program: &Path,
        before: &[&str],
        extra: &[String],
        pair: u32,
    ) -> Result<RunResult, Error> {
        let output = Command::new(program)
            .args(before)
            .args(&self.job)
            .args(extra)
            .arg("--output-format=json+")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Error::usage(format!("{name} cannot be started: {error}; is it installed?"))
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            // fio says some things on stdout.
            let why = [said.as_ref(), text.as_ref()]
                .iter()
                .find_map(|words| words.lines().rfind(|line| !line.trim().is_empty()))
                .unwrap_or("without a word")
                .to_owned();
            return Err(Error::io(format!("{name} failed ({}): {why}", output.status)));
        }
        if let Some(folder) = &self.keep {
            let path = folder.join(format!("{name}-{pair}.json"));
            fs::write(&path, text.as_bytes()).map_err(|error| {
                Error::io(format!("cannot write '{}': {error}", path.display()))
            })?;
        }
        RunResult::parse(name, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_quoted_and_one_that_is_missing_is_named() {
        let plan = Plan {
            pair_count: 1,
            job: vec!["-c".into(), "echo first; echo it broke >&2; exit 3".into()],
            ours: Vec::new(),
            theirs: Vec::new(),
            keep: None,
        };
        let error = plan.one("fio", "sh".as_ref(), &[], &[], 1).expect_err("failed").to_string();
        assert!(error.contains("fio failed") && error.ends_with("it broke"), "{error}");
        let error = plan.one("fio", "/no/such/fio".as_ref(), &[], &[], 1).expect_err("missing");
        assert!(error.to_string().contains("is it installed?"), "{error}");
    }
}
