//! Settings from environment variables, so that an operator can change an engine without a new
//! build. Extends `config::Config`; reads the environment once, when asked.

use crate::buffer_class::BufferClass;
use crate::config::{BackendChoice, Config, SqPoll};
use crate::error::{Error, ErrorKind};
use crate::lanes::Lanes;
use std::time::Duration;

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
    /// | `IOMILL_SQPOLL` | idle time in milliseconds, `IDLE@CPU` to bind it, or `off` |
    ///
    /// # Errors
    /// `InvalidConfig` with the variable, its value and what it takes. Ranges are checked at
    /// [`start`](Self::start).
    pub fn with_environment(self) -> Result<Self, Error> {
        self.with_variables(|name| std::env::var(name).ok())
    }

    /// As `with_environment`, from any source of variables.
    fn with_variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        if let Some(text) = lookup("IOMILL_BACKEND") {
            self = self.backend(match text.as_str() {
                "auto" => BackendChoice::Auto,
                "io_uring" => BackendChoice::IoUring,
                "threads" => BackendChoice::Threads,
                _ => return Err(wrong("IOMILL_BACKEND", &text, "auto, io_uring or threads")),
            });
        }
        let number = |name: &str| match lookup(name) {
            None => Ok(None),
            Some(text) => match text.parse::<u32>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(wrong(name, &text, "a whole number")),
            },
        };
        if let Some(depth) = number("IOMILL_DEPTH")? {
            self = self.depth(depth);
        }
        if let Some(capacity) = number("IOMILL_CAPACITY")? {
            self = self.capacity(capacity);
        }
        if let Some(threads) = number("IOMILL_THREADS")? {
            self = self.threads(threads);
        }
        if let Some(slots) = number("IOMILL_FIXED_FILES")? {
            self = self.fixed_files(slots);
        }
        if let Some(text) = lookup("IOMILL_CAPACITY_BYTES") {
            let bytes = text.parse();
            let takes = "a whole number of bytes";
            let bytes = bytes.map_err(|_| wrong("IOMILL_CAPACITY_BYTES", &text, takes))?;
            self = self.capacity_bytes(bytes);
        }
        if let Some(text) = lookup("IOMILL_BUFFERS") {
            let classes = text.split(',').map(str::parse).collect::<Result<Vec<BufferClass>, _>>();
            let takes = "COUNTxBYTES, e.g. 64x4096, more classes after commas";
            let classes = classes.map_err(|_| wrong("IOMILL_BUFFERS", &text, takes))?;
            self = self.buffer_classes(classes);
        }
        let switch = |name: &str| match lookup(name).as_deref() {
            None => Ok(None),
            Some("0") => Ok(Some(false)),
            Some("1") => Ok(Some(true)),
            Some(text) => Err(wrong(name, text, "0 or 1")),
        };
        if let Some(fixed_buffers) = switch("IOMILL_FIXED_BUFFERS")? {
            self = self.fixed_buffers(fixed_buffers);
        }
        if let Some(huge_pages) = switch("IOMILL_HUGE_PAGES")? {
            self = self.huge_pages(huge_pages);
        }
        if let Some(zero_buffers) = switch("IOMILL_ZERO_BUFFERS")? {
            self = self.zero_buffers(zero_buffers);
        }
        if let Some(allowed) = switch("IOMILL_INLINE_CALLS")? {
            self = self.inline_calls(allowed);
        }
        if let Some(text) = lookup("IOMILL_LANES") {
            self = self.lanes(match text.as_str() {
                "auto" => Lanes::Auto,
                "off" => Lanes::Off,
                _ => return Err(wrong("IOMILL_LANES", &text, "auto or off")),
            });
        }
        if let Some(directory) = lookup("IOMILL_PROBE_LANES") {
            self = self.probe_lanes(directory);
        }
        if let Some(text) = lookup("IOMILL_SQPOLL") {
            self = self.sqpoll(sqpoll(&text)?);
        }
        Ok(self)
    }
}

/// `off`, `IDLE` or `IDLE@CPU`.
fn sqpoll(text: &str) -> Result<Option<SqPoll>, Error> {
    if text == "off" {
        return Ok(None);
    }
    let parsed = match text.split_once('@') {
        None => text.parse().ok().map(|idle_ms| (idle_ms, None)),
        Some((idle, cpu)) => {
            idle.parse().ok().zip(cpu.parse().ok()).map(|(idle_ms, cpu)| (idle_ms, Some(cpu)))
        }
    };
    match parsed {
        Some((idle_ms, cpu)) => Ok(Some(SqPoll { idle: Duration::from_millis(idle_ms), cpu })),
        None => Err(wrong("IOMILL_SQPOLL", text, "milliseconds, milliseconds@CPU, or off")),
    }
}

fn wrong(name: &str, value: &str, takes: &str) -> Error {
    let why = format!("{name}={value}: it takes {takes}");
    Error::refused(ErrorKind::InvalidConfig, "read the environment", why)
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

    #[test]
    fn each_variable_changes_its_setting_and_no_other() {
        let config = with(&[
            ("IOMILL_BACKEND", "threads"),
            ("IOMILL_DEPTH", "7"),
            ("IOMILL_CAPACITY", "9"),
            ("IOMILL_THREADS", "3"),
            ("IOMILL_CAPACITY_BYTES", "5000000000"),
            ("IOMILL_BUFFERS", "5x512,2x65536"),
            ("IOMILL_FIXED_BUFFERS", "0"),
            ("IOMILL_HUGE_PAGES", "0"),
            ("IOMILL_ZERO_BUFFERS", "1"),
            ("IOMILL_FIXED_FILES", "2"),
            ("IOMILL_SQPOLL", "50@1"),
            ("IOMILL_LANES", "off"),
            ("IOMILL_INLINE_CALLS", "0"),
            ("IOMILL_PROBE_LANES", "/data"),
        ])
        .unwrap();
        assert_eq!(config.backend, BackendChoice::Threads);
        assert_eq!((config.depth, config.capacity, config.threads), (7, Some(9), Some(3)));
        let classes =
            [(5, 512), (2, 65_536)].map(|(count, len_bytes)| BufferClass { count, len_bytes });
        assert_eq!((config.classes, config.fixed_files), (Some(classes.to_vec()), 2));
        assert!(!config.fixed_buffers && !config.huge_pages && config.zero_buffers);
        assert_eq!(config.capacity_bytes, Some(5_000_000_000));
        assert!(!config.inline_calls);
        assert!(matches!(config.lanes, Lanes::Off));
        assert_eq!(config.probe_lanes, Some("/data".into()));
        let idle = Duration::from_millis(50);
        assert_eq!(config.sqpoll, Some(SqPoll { idle, cpu: Some(1) }));
        assert_eq!(with(&[("IOMILL_SQPOLL", "off")]).unwrap().sqpoll, None);
        assert_eq!(format!("{:?}", with(&[]).unwrap()), format!("{:?}", Config::new()));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_variable_and_what_it_takes() {
        for (name, value, takes) in [
            ("IOMILL_BACKEND", "uring", "auto, io_uring or threads"),
            ("IOMILL_DEPTH", "-1", "a whole number"),
            ("IOMILL_CAPACITY_BYTES", "1M", "a whole number of bytes"),
            ("IOMILL_BUFFERS", "64", "COUNTxBYTES"),
            ("IOMILL_BUFFERS", "64x4096,", "COUNTxBYTES"),
            ("IOMILL_HUGE_PAGES", "on", "0 or 1"),
            ("IOMILL_FIXED_BUFFERS", "yes", "0 or 1"),
            ("IOMILL_SQPOLL", "fast", "milliseconds"),
            ("IOMILL_LANES", "on", "auto or off"),
            ("IOMILL_INLINE_CALLS", "no", "0 or 1"),
        ] {
            let error = with(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}={value}")) && error.contains(takes), "{error}");
        }
    }
}
