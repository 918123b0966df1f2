//! Asks for the ring that a configuration describes. Called by `uring` once, at the start; never
//! falls back to anything that is not io_uring.

use crate::choices::TaskWork;
use crate::config::{Config, SqPoll};
use crate::error::{Error, ErrorKind};
use iomill_ring::abi::SetupFlags;
use iomill_ring::{Builder, Ring};

/// Asks the kernel for the ring.
pub(super) fn build(config: &Config) -> Result<Ring, Error> {
    let what = "set up io_uring";
    // Each request in flight and the cancel of each can complete before we look: room for all, so
    // nothing overflows.
    let cq_entries = (4 * config.depth).next_power_of_two();
    let entries = config.ring_entries_or_default();
    let mut builder = Builder::new(entries).cq_entries(cq_entries.max(entries));
    builder = builder.without(match config.task_work {
        TaskWork::Defer => SetupFlags::empty(),
        TaskWork::Coop => SetupFlags::DEFER_TASKRUN,
        TaskWork::Plain => {
            SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG
        }
    });
    if config.iopoll {
        builder = builder.iopoll();
    }
    let Some(SqPoll { idle, cpu }) = config.sqpoll else {
        return builder.build().map_err(|error| failed(what, &error));
    };
    let with_cpu = |cpu| builder.clone().sqpoll(iomill_ring::SqPoll { idle, cpu }).build();
    with_cpu(cpu).map_err(|error| match cpu {
        // Without the CPU it works: so the CPU is wrong, and nothing else.
        Some(cpu) if error.errno() == Some(libc::EINVAL) && with_cpu(None).is_ok() => {
            let why = format!(
                "CPU {cpu} is not online or not allowed for SQPOLL: choose one of taskset -p $$, \
                 or none"
            );
            Error::refused(ErrorKind::InvalidConfig, what, why)
        }
        _ => failed(what, &error),
    })
}

/// The ring's own failure.
pub(super) fn failed(operation: &'static str, error: &iomill_ring::Error) -> Error {
    Error::backend(operation, error.to_string(), error.errno())
}
