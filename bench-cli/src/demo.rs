//! The demonstration that runs when no job is described.
//!
//! Owns the preset, written as options like any other job. It removes what it creates, since the
//! preset leaves `unlink` alone. Called by `main`.

use crate::cli::{self, Assignment, Origin};
use crate::notice;
use crate::options::{self, Scope};

/// Puts the preset job in front of `given` if `given` describes none, and says so on stderr.
pub(crate) fn complete(given: Vec<Assignment>) -> Vec<Assignment> {
    if given.iter().any(|given| given.option.scope == Scope::Job) {
        return given;
    }
    let mut all = preset();
    all.extend(given);
    notice::line("bench-cli: no job given, running a demonstration; the same as");
    notice::line(&format!("  {}", cli::equivalent(&all)));
    all
}

fn preset() -> Vec<Assignment> {
    // The process id keeps two demonstrations apart.
    let name = format!("demo-{}", std::process::id());
    let directory = std::env::temp_dir().display().to_string();
    let options = [
        ("name", name.as_str()),
        ("directory", directory.as_str()),
        ("rw", "randread"),
        ("bs", "4k"),
        ("iodepth", "32"),
        ("size", "256m"),
        ("runtime", "3s"),
        ("time_based", "1"),
    ];
    options
        .into_iter()
        .filter_map(|(name, text)| {
            let option = options::find(name)?;
            Some(Assignment { option, text: text.to_owned(), origin: Origin::CommandLine })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Settings;

    #[test]
    fn the_preset_is_a_valid_job() {
        let mut settings = Settings::default();
        let preset = preset();
        assert_eq!(preset.len(), 8);
        for Assignment { option, text, .. } in preset {
            option.apply(&mut settings, &text).expect("valid");
        }
        settings.job.check().expect("valid together");
        assert_eq!(settings.job.depth.fixed, 32);
        assert!(settings.job.unlink);
    }

    #[test]
    fn a_given_job_is_left_alone_and_report_options_do_not_count_as_one() {
        let given = |name: &str, text: &str| Assignment {
            option: options::find(name).expect("known"),
            text: text.to_owned(),
            origin: Origin::CommandLine,
        };
        assert_eq!(complete(vec![given("bs", "8k")]).len(), 1);
        assert_eq!(complete(vec![given("output-format", "json")]).len(), 9);
    }
}
