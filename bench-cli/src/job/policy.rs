//! When a job begins, when it ends, and what an error means to it.
//!
//! Owns the settings that tie jobs to each other and to their failures, and their words. It runs
//! nothing. Filled in by `options`, obeyed by `plan`, `runner` and `job_thread`.

use std::time::Duration;

use crate::options::value;

/// Who ends when a job with `exitall` ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExitWhat {
    /// The jobs of the same group.
    #[default]
    Group,
    /// The jobs up to the next `stonewall`.
    Stonewall,
    /// All jobs, also those that have not begun.
    All,
}

impl ExitWhat {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["group", "stonewall", "all"];

    /// What is called `name`.
    pub(crate) fn from_name(name: &str) -> Option<ExitWhat> {
        match name {
            "group" => Some(ExitWhat::Group),
            "stonewall" => Some(ExitWhat::Stonewall),
            "all" => Some(ExitWhat::All),
            _ => None,
        }
    }
}

/// How a job stands to the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    /// Begins after all jobs before it have ended.
    pub(crate) stonewall: bool,
    /// Begins a new group of the report.
    pub(crate) new_group: bool,
    /// Begins after this section's jobs have ended.
    pub(crate) wait_for: Option<String>,
    /// Its end is the end of others.
    pub(crate) exit_all: bool,
    /// Its error is the end of others.
    pub(crate) exit_all_on_error: bool,
    pub(crate) exit_what: ExitWhat,
    /// Shell commands before and after the job.
    pub(crate) exec_prerun: Option<String>,
    pub(crate) exec_postrun: Option<String>,
}

/// Which errors do not end a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContinueOn {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) verify: bool,
}

impl ContinueOn {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] =
        &["none", "read", "write", "io", "verify", "all", "0", "1"];

    /// The errors called `name`.
    pub(crate) fn from_name(name: &str) -> Option<ContinueOn> {
        let of = |read, write, verify| Some(ContinueOn { read, write, verify });
        match name {
            "none" | "0" => of(false, false, false),
            "read" => of(true, false, false),
            "write" => of(false, true, false),
            "io" => of(true, true, false),
            "verify" => of(false, false, true),
            "all" | "1" => of(true, true, true),
            _ => None,
        }
    }
}

/// What is watched for a steady state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SteadyValue {
    Iops,
    Bandwidth,
    Latency,
}

/// When a job has reached a steady state and may end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steady {
    pub(crate) value: SteadyValue,
    /// The slope of a fitted line instead of the largest deviation from the mean.
    pub(crate) slope: bool,
    pub(crate) limit: SteadyLimit,
}

/// How much the value may vary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SteadyLimit {
    /// In percent of the mean.
    Percent(f64),
    /// In the value's own unit: requests, bytes per second, nanoseconds.
    Absolute(f64),
}

impl Steady {
    /// Reads `iops:2%`, `bw_slope:1%`, `lat:100`.
    pub(crate) fn read(text: &str) -> Result<Steady, String> {
        let wrong = || format!("'{text}' is not a steady state; write e.g. iops:2% or bw_slope:1%");
        let (name, limit) = text.split_once(':').ok_or_else(wrong)?;
        let (value, slope) = match name {
            "iops" => (SteadyValue::Iops, false),
            "iops_slope" => (SteadyValue::Iops, true),
            "bw" => (SteadyValue::Bandwidth, false),
            "bw_slope" => (SteadyValue::Bandwidth, true),
            "lat" => (SteadyValue::Latency, false),
            "lat_slope" => (SteadyValue::Latency, true),
            _ => return Err(wrong()),
        };
        let number: Option<f64> = limit.strip_suffix('%').and_then(|digits| digits.parse().ok());
        let limit = match number {
            Some(percent) if percent > 0.0 && percent <= 100.0 => SteadyLimit::Percent(percent),
            Some(_) => return Err(wrong()),
            None => SteadyLimit::Absolute(absolute(value, limit).ok_or_else(wrong)?),
        };
        Ok(Steady { value, slope, limit })
    }

    /// fio's name of the criterion, as in its JSON.
    pub(crate) fn name(&self) -> String {
        let value = match self.value {
            SteadyValue::Iops => "iops",
            SteadyValue::Bandwidth => "bw",
            SteadyValue::Latency => "lat",
        };
        format!("{value}{}", if self.slope { "_slope" } else { "" })
    }
}

fn absolute(value: SteadyValue, text: &str) -> Option<f64> {
    match value {
        SteadyValue::Bandwidth => {
            value::size_bytes(text, value::KB_BASE_DEFAULT).ok().map(|bytes| bytes as f64)
        }
        SteadyValue::Latency => value::time_us(text).ok().map(|span| span.as_nanos() as f64),
        SteadyValue::Iops => text.parse().ok().filter(|number| *number > 0.0),
    }
}

/// How long and how often a steady state is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SteadyTimes {
    /// The length of the window; zero where there is no steady state to look for.
    pub(crate) duration: Duration,
    pub(crate) ramp: Duration,
    pub(crate) check_interval: Duration,
}

impl Default for SteadyTimes {
    fn default() -> SteadyTimes {
        SteadyTimes {
            duration: Duration::ZERO,
            ramp: Duration::ZERO,
            check_interval: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_states_are_read_as_fio_writes_them() {
        let steady = Steady::read("iops:10%").expect("valid");
        assert_eq!((steady.value, steady.slope), (SteadyValue::Iops, false));
        assert_eq!(steady.limit, SteadyLimit::Percent(10.0));
        let steady = Steady::read("bw_slope:1m").expect("valid");
        assert_eq!(steady.limit, SteadyLimit::Absolute(1_048_576.0));
        assert_eq!(steady.name(), "bw_slope");
        for text in ["iops", "iops:", "speed:1%", "iops:0%", "bw:x", "lat:200%"] {
            assert!(Steady::read(text).is_err(), "{text}");
        }
    }
}
