//! Settings as text: from environment variables, so that an operator can change an engine without a
//! new build, and back as lines that a person can read. Extends `config::Config`; reads the
//! environment once, when asked.

use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::variables::{VARIABLES, Variable};

impl Config {
    /// These settings, changed by the environment variables that are set:
    ///
    /// | variable | value |
    /// |---|---|
    /// | `IOMILL_BACKEND` | `auto`, `io_uring` or `threads` |
    /// | `IOMILL_DEPTH`, `IOMILL_CAPACITY`, `IOMILL_THREADS` | a number |
    /// | `IOMILL_ADAPTIVE` | least depth, `MIN:mean=US` or `MIN:p99=US` in microseconds, or `off` |
    /// | `IOMILL_CAPACITY_BYTES` | a number of bytes |
    /// | `IOMILL_BUFFERS` | `COUNTxBYTES`, for example `64x4096`; more classes after commas |
    /// | `IOMILL_FIXED_BUFFERS`, `IOMILL_HUGE_PAGES`, `IOMILL_ZERO_BUFFERS` | `0` or `1` |
    /// | `IOMILL_FIXED_FILES` | a number of slots |
    /// | `IOMILL_LANES` | `auto` or `off` |
    /// | `IOMILL_INLINE_CALLS` | `0` or `1` |
    /// | `IOMILL_PROBE_LANES` | a directory |
    /// | `IOMILL_RING_ENTRIES` | a number |
    /// | `IOMILL_TASK_WORK` | `defer`, `coop` or `plain` |
    /// | `IOMILL_SQPOLL` | idle time in milliseconds, `IDLE@CPU` to bind it, or `off` |
    /// | `IOMILL_IOPOLL`, `IOMILL_LINK` | `0` or `1` |
    /// | `IOMILL_REQUIRE` | `nothing`, or [`Required`](crate::Required)'s names in lower case |
    /// | `IOMILL_QUEUE` | a number |
    /// | `IOMILL_PIN` | the number of a CPU, or `none` |
    /// | `IOMILL_BUSY_POLL` | a number of microseconds |
    ///
    /// # Errors
    /// `InvalidConfig` with the variable, its value and what it takes. Ranges are checked at
    /// [`start`](Self::start).
    pub fn with_environment(self) -> Result<Self, Error> {
        self.with_variables(|name| match std::env::var(name) {
            Ok(text) => Some(text),
            Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(text)) => Some(text.to_string_lossy().into_owned()),
        })
    }

    /// As `with_environment`, from any source of variables.
    fn with_variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        for Variable { name, takes, set, .. } in &VARIABLES {
            let Some(text) = lookup(name) else { continue };
            self = set(self, text.trim()).ok_or_else(|| {
                let why = format!("{name}={text}: it takes {takes}");
                Error::refused(ErrorKind::InvalidConfig, "read the environment", why)
            })?;
        }
        Ok(self)
    }
}

impl std::fmt::Display for Config {
    /// One line per setting, with the value that counts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Variable { name, show, .. }) in VARIABLES.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{name}={}", show(self))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choices::Required;
    use crate::config::SqPoll;
    use std::time::Duration;

    fn with(variables: &[(&str, &str)]) -> Result<Config, Error> {
        Config::new().with_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// A value for each variable, other than its default.
    const OTHERS: [(&str, &str); 23] = [
        ("IOMILL_BACKEND", "threads"),
        ("IOMILL_DEPTH", "7"),
        ("IOMILL_ADAPTIVE", "2:p99.5=3000"),
        ("IOMILL_CAPACITY", "9"),
        ("IOMILL_THREADS", "3"),
        ("IOMILL_CAPACITY_BYTES", "5000000000"),
        ("IOMILL_BUFFERS", "5x512,2x65536"),
        ("IOMILL_HUGE_PAGES", "0"),
        ("IOMILL_ZERO_BUFFERS", "1"),
        ("IOMILL_FIXED_BUFFERS", "0"),
        ("IOMILL_FIXED_FILES", "2"),
        ("IOMILL_RING_ENTRIES", "16"),
        ("IOMILL_TASK_WORK", "coop"),
        ("IOMILL_SQPOLL", "50@1"),
        ("IOMILL_IOPOLL", "1"),
        ("IOMILL_LINK", "0"),
        ("IOMILL_LANES", "off"),
        ("IOMILL_INLINE_CALLS", "0"),
        ("IOMILL_PROBE_LANES", "/data"),
        ("IOMILL_REQUIRE", "fixed_files,threads"),
        ("IOMILL_QUEUE", "100"),
        ("IOMILL_PIN", "3"),
        ("IOMILL_BUSY_POLL", "250"),
    ];

    #[test]
    fn each_variable_changes_its_setting_and_no_other_and_is_shown_as_it_was_given() {
        assert!(OTHERS.iter().map(|(name, _)| *name).eq(VARIABLES.iter().map(|one| one.name)));
        for (name, value) in OTHERS {
            let config = with(&[(name, value)]).unwrap();
            let (text, default) = (config.to_string(), Config::new().to_string());
            let line = format!("{name}={value}");
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
            // The depth is what others are derived from.
            if name != "IOMILL_DEPTH" && name != "IOMILL_CAPACITY" {
                let changed = text.lines().zip(default.lines()).filter(|(one, other)| one != other);
                assert_eq!(changed.count(), 1, "{text}");
            }
        }
        let all = with(&OTHERS).unwrap();
        assert_eq!((all.depth, all.capacity, all.threads), (7, Some(9), Some(3)));
        let idle = Duration::from_millis(50);
        assert_eq!(all.sqpoll, Some(SqPoll { idle, cpu: Some(1) }));
        assert_eq!(all.require, Required::FIXED_FILES | Required::THREADS);
        assert_eq!(all.busy_poll, Duration::from_micros(250));
        assert_eq!(with(&[("IOMILL_SQPOLL", "off")]).unwrap().sqpoll, None);
        assert_eq!(format!("{:?}", with(&[]).unwrap()), format!("{:?}", Config::new()));
    }

    #[test]
    fn a_configuration_that_is_shown_can_be_given_again() {
        for config in [Config::new(), with(&OTHERS).unwrap()] {
            let text = config.to_string();
            let given: Vec<_> = text.lines().map(|line| line.split_once('=').unwrap()).collect();
            assert_eq!(with(&given).unwrap().to_string(), text);
        }
    }

    #[test]
    fn each_setting_has_a_variable_and_each_of_both_is_documented() {
        let (config, this) = (include_str!("config.rs"), include_str!("environment.rs"));
        let setters = config.lines().filter_map(|line| {
            let rest = line.trim_start().strip_prefix("pub fn ")?;
            rest.split_once("(mut self").map(|(name, _)| name)
        });
        // What is no text cannot be a variable, and the pool's classes have the shorter name.
        let setters = setters.filter(|name| *name != "simulated");
        let mut setters: Vec<&str> =
            setters.map(|name| if name == "buffer_classes" { "buffers" } else { name }).collect();
        let mut settings: Vec<String> =
            VARIABLES.iter().map(|one| one.name["IOMILL_".len()..].to_lowercase()).collect();
        setters.sort_unstable();
        settings.sort_unstable();
        assert_eq!(setters, settings, "the methods of Config, and the variables");
        let table =
            |text: &'static str| text.lines().filter(|line| line.trim().starts_with("/// |"));
        for Variable { name, .. } in &VARIABLES {
            let name = format!("`{name}`");
            assert!(table(this).any(|line| line.contains(&name)), "{name} has no line");
        }
        for setting in settings {
            let name = format!("| `{setting}`");
            assert!(table(config).any(|line| line.contains(&name)), "{name} has no line");
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_its_variable_and_what_it_takes() {
        for (name, value, takes) in [
            ("IOMILL_BACKEND", "uring", "auto, io_uring or threads"),
            ("IOMILL_DEPTH", "-1", "a number"),
            ("IOMILL_ADAPTIVE", "1:p99", "a smallest depth"),
            ("IOMILL_CAPACITY_BYTES", "1M", "a number of bytes"),
            ("IOMILL_BUFFERS", "64", "COUNTxBYTES"),
            ("IOMILL_BUFFERS", "64x4096,", "COUNTxBYTES"),
            ("IOMILL_HUGE_PAGES", "on", "0 or 1"),
            ("IOMILL_FIXED_BUFFERS", "yes", "0 or 1"),
            ("IOMILL_SQPOLL", "fast", "milliseconds"),
            ("IOMILL_SQPOLL", "50@", "milliseconds"),
            ("IOMILL_TASK_WORK", "", "defer, coop or plain"),
            ("IOMILL_REQUIRE", "threads,speed", "setup_flags"),
            ("IOMILL_BUSY_POLL", "1ms", "microseconds"),
            ("IOMILL_PIN", "first", "a CPU"),
            ("IOMILL_LANES", "on", "auto or off"),
            ("IOMILL_INLINE_CALLS", "no", "0 or 1"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            let text = error.to_string();
            assert!(text.contains(&format!("{name}={value}: it takes")), "{text}");
            assert!(text.contains(takes) && !text.contains('\n'), "{text}");
        }
    }
}
