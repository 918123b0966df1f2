//! Settings as text: from environment variables, so that an operator can change an engine without a
//! new build, and back as lines that a person can read. Extends `config::Config`; reads the
//! environment once, when asked.

use crate::buffer_class::BufferClass;
use crate::choices::{Required, TaskWork};
use crate::config::{BackendChoice, Config, SqPoll};
use crate::error::{Error, ErrorKind};
use crate::lanes::Lanes;
use std::time::Duration;

/// One setting as text.
struct Variable {
    /// The variable; in lower case and without `IOMILL_` it is the method of `Config`.
    name: &'static str,
    /// What it takes.
    takes: &'static str,
    set: fn(Config, &str) -> Option<Config>,
    /// The value that counts, in words that `set` takes.
    show: fn(&Config) -> String,
}

/// All settings, in the order of the table of `Config`.
const VARIABLES: [Variable; 22] = [
    Variable {
        name: "IOMILL_BACKEND",
        takes: "auto, io_uring or threads",
        set: |config, text| Some(config.backend(named(&BACKENDS, text)?)),
        show: |config| name_of(&BACKENDS, config.backend),
    },
    Variable {
        name: "IOMILL_DEPTH",
        takes: "a number of requests",
        set: |config, text| Some(config.depth(text.parse().ok()?)),
        show: |config| config.depth.to_string(),
    },
    Variable {
        name: "IOMILL_CAPACITY",
        takes: "a number of requests",
        set: |config, text| Some(config.capacity(text.parse().ok()?)),
        show: |config| config.capacity_or_default().to_string(),
    },
    Variable {
        name: "IOMILL_THREADS",
        takes: "a number of helper threads",
        set: |config, text| Some(config.threads(text.parse().ok()?)),
        show: |config| config.threads_or_default().to_string(),
    },
    Variable {
        name: "IOMILL_CAPACITY_BYTES",
        takes: "a number of bytes, or unlimited",
        set: |config, text| match text {
            "unlimited" => Some(Config { capacity_bytes: None, ..config }),
            bytes => Some(config.capacity_bytes(bytes.parse().ok()?)),
        },
        show: |config| {
            config.capacity_bytes.map_or_else(|| String::from("unlimited"), |it| it.to_string())
        },
    },
    Variable {
        name: "IOMILL_BUFFERS",
        takes: "COUNTxBYTES, for example 64x4096, and more classes after commas",
        set: |config, text| {
            let classes = text.split(',').map(|class| class.trim().parse().ok());
            Some(config.buffer_classes(classes.collect::<Option<Vec<BufferClass>>>()?))
        },
        show: |config| {
            let classes = config.classes_or_default();
            let texts = classes.iter().map(|class| format!("{}x{}", class.count, class.len_bytes));
            texts.collect::<Vec<String>>().join(",")
        },
    },
    Variable {
        name: "IOMILL_HUGE_PAGES",
        takes: "0 or 1",
        set: |config, text| Some(config.huge_pages(named(&SWITCH, text)?)),
        show: |config| name_of(&SWITCH, config.huge_pages),
    },
    Variable {
        name: "IOMILL_ZERO_BUFFERS",
        takes: "0 or 1",
        set: |config, text| Some(config.zero_buffers(named(&SWITCH, text)?)),
        show: |config| name_of(&SWITCH, config.zero_buffers),
    },
    Variable {
        name: "IOMILL_FIXED_BUFFERS",
        takes: "0 or 1",
        set: |config, text| Some(config.fixed_buffers(named(&SWITCH, text)?)),
        show: |config| name_of(&SWITCH, config.fixed_buffers),
    },
    Variable {
        name: "IOMILL_FIXED_FILES",
        takes: "a number of slots",
        set: |config, text| Some(config.fixed_files(text.parse().ok()?)),
        show: |config| config.fixed_files.to_string(),
    },
    Variable {
        name: "IOMILL_RING_ENTRIES",
        takes: "a number of entries",
        set: |config, text| Some(config.ring_entries(text.parse().ok()?)),
        show: |config| config.ring_entries_or_default().to_string(),
    },
    Variable {
        name: "IOMILL_TASK_WORK",
        takes: "defer, coop or plain",
        set: |config, text| Some(config.task_work(named(&TaskWork::NAMES, text)?)),
        show: |config| name_of(&TaskWork::NAMES, config.task_work),
    },
    Variable {
        name: "IOMILL_SQPOLL",
        takes: "idle milliseconds, MILLISECONDS@CPU, or off",
        set: |config, text| Some(config.sqpoll(sqpoll(text)?)),
        show: |config| match config.sqpoll {
            None => String::from("off"),
            Some(SqPoll { idle, cpu: None }) => idle.as_millis().to_string(),
            Some(SqPoll { idle, cpu: Some(cpu) }) => format!("{}@{cpu}", idle.as_millis()),
        },
    },
    Variable {
        name: "IOMILL_IOPOLL",
        takes: "0 or 1",
        set: |config, text| Some(config.iopoll(named(&SWITCH, text)?)),
        show: |config| name_of(&SWITCH, config.iopoll),
    },
    Variable {
        name: "IOMILL_LINK",
        takes: "0 or 1",
        set: |config, text| Some(config.link(named(&SWITCH, text)?)),
        show: |config| name_of(&SWITCH, config.link),
    },
    Variable {
        name: "IOMILL_LANES",
        takes: "auto or off",
        set: |config, text| match text {
            "auto" => Some(config.lanes(Lanes::Auto)),
            "off" => Some(config.lanes(Lanes::Off)),
            // As the program has chosen: shown, and given again.
            "fixed" if matches!(config.lanes, Lanes::Fixed(_)) => Some(config),
            _ => None,
        },
        show: |config| match config.lanes {
            Lanes::Auto => String::from("auto"),
            Lanes::Off => String::from("off"),
            Lanes::Fixed(_) => String::from("fixed"),
        },
    },
    Variable {
        name: "IOMILL_INLINE_CALLS",
        takes: "0 or 1",
        set: |config, text| Some(config.inline_calls(named(&SWITCH, text)?)),
        show: |config| name_of(&SWITCH, config.inline_calls),
    },
    Variable {
        name: "IOMILL_PROBE_LANES",
        takes: "a directory, or none",
        set: |config, text| match text {
            "none" => Some(Config { probe_lanes: None, ..config }),
            "" => None,
            directory => Some(config.probe_lanes(directory)),
        },
        show: |config| match &config.probe_lanes {
            None => String::from("none"),
            Some(directory) => directory.display().to_string(),
        },
    },
    Variable {
        name: "IOMILL_REQUIRE",
        takes: "nothing, or some of fixed_buffers, fixed_files, setup_flags, ring_operations and \
                threads, with commas between them",
        set: |config, text| Some(config.require(required(text)?)),
        show: |config| {
            let names = Required::NAMES.iter().filter(|(_, one)| config.require.contains(*one));
            let names: Vec<&str> = names.map(|(name, _)| *name).collect();
            if names.is_empty() { String::from("nothing") } else { names.join(",") }
        },
    },
    Variable {
        name: "IOMILL_QUEUE",
        takes: "a number of requests",
        set: |config, text| Some(config.queue(text.parse().ok()?)),
        show: |config| config.queue.to_string(),
    },
    Variable {
        name: "IOMILL_PIN",
        takes: "the number of a CPU, or none",
        set: |config, text| match text {
            "none" => Some(Config { pin: None, ..config }),
            cpu => Some(config.pin(cpu.parse().ok()?)),
        },
        show: |config| config.pin.map_or_else(|| String::from("none"), |cpu| cpu.to_string()),
    },
    Variable {
        name: "IOMILL_BUSY_POLL",
        takes: "a number of microseconds",
        set: |config, text| Some(config.busy_poll(Duration::from_micros(text.parse().ok()?))),
        show: |config| config.busy_poll.as_micros().to_string(),
    },
];

const BACKENDS: [(&str, BackendChoice); 3] = [
    ("auto", BackendChoice::Auto),
    ("io_uring", BackendChoice::IoUring),
    ("threads", BackendChoice::Threads),
];

const SWITCH: [(&str, bool); 2] = [("0", false), ("1", true)];

impl Config {
    /// These settings, changed by the environment variables that are set:
    ///
    /// | variable | value |
    /// |---|---|
    /// | `IOMILL_BACKEND` | `auto`, `io_uring` or `threads` |
    /// | `IOMILL_DEPTH`, `IOMILL_CAPACITY`, `IOMILL_THREADS` | a number |
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
    /// | `IOMILL_REQUIRE` | `nothing`, or names of [`Required`] in lower case and with commas |
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

/// The value of this name.
fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

/// The name of this value; empty if it has none.
fn name_of<T: Copy + PartialEq>(names: &[(&str, T)], value: T) -> String {
    let found = names.iter().find(|(_, other)| *other == value);
    found.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
}

/// `off`, `IDLE` or `IDLE@CPU`.
fn sqpoll(text: &str) -> Option<Option<SqPoll>> {
    if text == "off" {
        return Some(None);
    }
    let (idle, cpu) = match text.split_once('@') {
        None => (text, None),
        Some((idle, cpu)) => (idle, Some(cpu.parse().ok()?)),
    };
    Some(Some(SqPoll { idle: Duration::from_millis(idle.parse().ok()?), cpu }))
}

/// Names with commas between them.
fn required(text: &str) -> Option<Required> {
    if text.is_empty() || text == "nothing" {
        return Some(Required::empty());
    }
    let mut parts = text.split(',').map(|name| named(&Required::NAMES, name.trim()));
    parts.try_fold(Required::empty(), |all, one| Some(all | one?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, Error> {
        Config::new().with_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// A value for each variable, other than its default.
    const OTHERS: [(&str, &str); 22] = [
        ("IOMILL_BACKEND", "threads"),
        ("IOMILL_DEPTH", "7"),
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
