//! Every setting as text: its variable, what that takes, and how it is read and shown. The table of
//! `environment`; reads no environment.

use crate::buffer_class::BufferClass;
use crate::choices::{Required, TaskWork};
use crate::config::{BackendChoice, Config, SqPoll};
use crate::depth::Target;
use crate::lanes::Lanes;
use std::time::Duration;

/// One setting as text.
pub(crate) struct Variable {
    /// The variable; in lower case and without `IOMILL_` it is the method of `Config`.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: &'static str,
    pub(crate) set: fn(Config, &str) -> Option<Config>,
    /// The value that counts, in words that `set` takes.
    pub(crate) show: fn(&Config) -> String,
}

/// All settings, in the order of the table of `Config`.
pub(crate) const VARIABLES: [Variable; 23] = [
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
        name: "IOMILL_ADAPTIVE",
        takes: "a smallest depth, MIN:mean=MICROSECONDS, MIN:pPERCENT=MICROSECONDS, or off",
        set: |config, text| {
            if text == "off" {
                return Some(Config { adaptive: None, ..config });
            }
            let (min, target) = adaptive(text)?;
            let max = config.depth;
            Some(config.adaptive(min..=max, target))
        },
        show: |config| match config.adaptive {
            None => String::from("off"),
            Some((min, Target::Knee)) => min.to_string(),
            Some((min, Target::Mean { limit_ns })) => format!("{min}:mean={}", limit_ns / 1000),
            Some((min, Target::Percentile { percent, limit_ns })) => {
                format!("{min}:p{percent}={}", limit_ns / 1000)
            }
        },
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

/// The smallest depth and the target; the largest depth is a setting of its own.
fn adaptive(text: &str) -> Option<(u32, Target)> {
    let Some((min, target)) = text.split_once(':') else {
        return Some((text.parse().ok()?, Target::Knee));
    };
    let (part, micros) = target.split_once('=')?;
    let limit_ns = micros.parse::<u64>().ok()?.checked_mul(1000)?;
    let target = match part.strip_prefix('p') {
        Some(percent) => Target::Percentile { percent: percent.parse().ok()?, limit_ns },
        None if part == "mean" => Target::Mean { limit_ns },
        None => return None,
    };
    Some((min.parse().ok()?, target))
}

const BACKENDS: [(&str, BackendChoice); 3] = [
    ("auto", BackendChoice::Auto),
    ("io_uring", BackendChoice::IoUring),
    ("threads", BackendChoice::Threads),
];

const SWITCH: [(&str, bool); 2] = [("0", false), ("1", true)];

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
