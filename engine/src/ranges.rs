//! Which values a configuration may have: each is checked against its range, and some against each
//! other, before anything is set up. Extends `config::Config`; changes nothing.

use crate::buffer_class::{BufferClass, in_range, refuse};
use crate::choices::Required;
use crate::config::Config;
use crate::error::Error;
use std::time::Duration;

/// Most requests that may be with the backend at once.
pub const DEPTH_MAX: u32 = 4096;
/// Most requests that may be accepted at once.
pub const CAPACITY_MAX: u32 = 65_536;
/// Most helper threads.
pub const THREADS_MAX: u32 = 1024;
/// Most requests between other threads and an engine on a thread of its own.
pub const QUEUE_MAX: u32 = 65_536;
/// The last CPU that can be named.
const PIN_MAX: u32 = 1023;
/// The longest time of busy polling.
const BUSY_POLL_MAX: Duration = Duration::from_secs(1);
/// Most entries of a ring's submission queue.
pub const RING_ENTRIES_MAX: u32 = 32_768;
/// The longest idle time of a kernel thread that takes submissions.
const SQPOLL_IDLE_MAX: Duration = Duration::from_secs(3600);
/// Most slots for registered files.
pub const FIXED_FILES_MAX: u32 = 32_768;

impl Config {
    /// Refuses what is out of range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let capacity = self.capacity_or_default();
        self.depth_rule().check()?;
        in_range("capacity", capacity, self.depth, CAPACITY_MAX)?;
        in_range("number of threads", self.threads_or_default(), 1, THREADS_MAX)?;
        BufferClass::check(&self.classes_or_default())?;
        if self.capacity_bytes == Some(0) {
            let why = "the capacity in bytes is 0: choose 1 or more";
            return Err(refuse(why.to_owned()));
        }
        in_range("queue", self.queue, 1, QUEUE_MAX)?;
        in_range("CPU to pin to", self.pin.unwrap_or(0), 0, PIN_MAX)?;
        in_range("number of fixed files", self.fixed_files, 0, FIXED_FILES_MAX)?;
        in_range("number of ring entries", self.ring_entries.unwrap_or(1), 1, RING_ENTRIES_MAX)?;
        not_longer("time of busy polling", self.busy_poll, BUSY_POLL_MAX)?;
        let idle = self.sqpoll.map_or(Duration::ZERO, |sqpoll| sqpoll.idle);
        not_longer("idle time of SQPOLL", idle, SQPOLL_IDLE_MAX)?;
        let has_buffers = self.classes_or_default().iter().any(|class| class.count > 0);
        if self.iopoll && !self.inline_calls {
            let why = "polled devices (iopoll) need calls on the engine's own thread for all but \
                       direct transfers, and those are forbidden: choose one of both";
            return Err(refuse(why.to_owned()));
        }
        let lacking = |required, is_there: bool| self.require.contains(required) && !is_there;
        if lacking(Required::FIXED_BUFFERS, self.fixed_buffers && has_buffers) {
            let why = "fixed buffers are required, and none are asked for: choose some";
            return Err(refuse(why.to_owned()));
        }
        if lacking(Required::FIXED_FILES, self.fixed_files > 0) {
            let why = "fixed files are required, and none are asked for: choose some";
            return Err(refuse(why.to_owned()));
        }
        Ok(())
    }
}

fn not_longer(setting: &str, value: Duration, max: Duration) -> Result<(), Error> {
    if value <= max {
        return Ok(());
    }
    Err(refuse(format!("the {setting} is {value:?}: choose 0 to {} s", max.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SqPoll;
    use crate::error::ErrorKind;

    #[test]
    fn each_value_out_of_range_is_named_with_its_range() {
        let seconds = Duration::from_secs;
        let sqpoll = |idle| Config::new().sqpoll(Some(SqPoll { idle, cpu: None }));
        let required = Config::new().require(Required::all());
        for (config, message) in [
            (Config::new().depth(0), "the depth is 0: choose 1 to 4096"),
            (Config::new().depth(5000), "the depth is 5000: choose 1 to 4096"),
            (Config::new().depth(8).capacity(7), "the capacity is 7: choose 8 to 65536"),
            (Config::new().capacity_bytes(0), "the capacity in bytes is 0: choose 1 or more"),
            (Config::new().threads(0), "the number of threads is 0: choose 1 to 1024"),
            (Config::new().buffers(70_000, 1), "the number of buffers is 70000: choose 0 to 65536"),
            (Config::new().buffers(1, 0), "the length of buffers is 0: choose 1 to 1073741824"),
            (Config::new().fixed_files(40_000), "fixed files is 40000: choose 0 to 32768"),
            (Config::new().queue(0), "the queue is 0: choose 1 to 65536"),
            (Config::new().pin(1024), "the CPU to pin to is 1024: choose 0 to 1023"),
            (Config::new().ring_entries(0), "of ring entries is 0: choose 1 to 32768"),
            (Config::new().busy_poll(seconds(2)), "of busy polling is 2s: choose 0 to 1 s"),
            (sqpoll(seconds(3601)), "idle time of SQPOLL is 3601s: choose 0 to 3600 s"),
            (Config::new().iopoll(true).inline_calls(false), "those are forbidden: choose one"),
            (required.clone().fixed_buffers(false), "fixed buffers are required, and none are"),
            (required.clone().buffers(0, 1), "fixed buffers are required, and none are"),
            (required.clone().fixed_files(0), "fixed files are required, and none are asked"),
        ] {
            let error = config.start().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            let text = error.to_string();
            assert!(text.starts_with("configure the engine: "), "{text}");
            assert!(text.contains(message) && text.contains(": choose "), "{text}");
        }
    }

    #[test]
    fn the_defaults_are_within_their_ranges_at_every_depth() {
        for depth in [1, 2, 32, DEPTH_MAX] {
            Config::new().depth(depth).check().unwrap();
        }
    }
}
