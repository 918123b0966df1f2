//! What the running kernel's io_uring can do, in words, for diagnostics: `bench-cli doctor` and
//! programs that log what they run on. It sets up rings and drops them again; the engine itself
//! never asks here, because it tries (`select`).

use crate::error::Error;
use iomill_ring::{Builder, Opcode, SqPoll};
use std::time::Duration;

/// Entries of the rings that are tried.
const TRIAL_ENTRIES: u32 = 8;

/// What the engine sends through a ring if the kernel takes it there.
const WANTED: [Opcode; 19] = [
    Opcode::READ,
    Opcode::WRITE,
    Opcode::READ_FIXED,
    Opcode::WRITE_FIXED,
    Opcode::READV,
    Opcode::WRITEV,
    Opcode::FSYNC,
    Opcode::ASYNC_CANCEL,
    Opcode::SYNC_FILE_RANGE,
    Opcode::FALLOCATE,
    Opcode::FTRUNCATE,
    Opcode::FADVISE,
    Opcode::OPENAT,
    Opcode::CLOSE,
    Opcode::STATX,
    Opcode::RENAMEAT,
    Opcode::UNLINKAT,
    Opcode::MKDIRAT,
    Opcode::LINKAT,
];

/// What the running kernel's io_uring gives to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSupport {
    /// Set-up flags that a ring of the engine gets, by the kernel's names without prefix.
    pub setup_flags: Vec<&'static str>,
    /// Set-up flags that it would use and does not get, with the reason.
    pub given_up: Vec<String>,
    /// Features, by the kernel's names without prefix.
    pub features: Vec<&'static str>,
    /// How many operations the kernel has.
    pub opcode_count: usize,
    /// Operations that the engine makes as plain system calls here, by the kernel's names.
    pub missing_opcodes: Vec<&'static str>,
    /// Whether a kernel thread may take submissions; else why not.
    pub sqpoll: Result<(), String>,
    /// Whether a ring may poll for completions; else why not. The disk has to support it as well.
    pub iopoll: Result<(), String>,
}

impl KernelSupport {
    /// Asks the kernel, and tries.
    ///
    /// Kernel: Linux 5.6.
    ///
    /// # Errors
    /// `Backend` with the reason where io_uring cannot be had.
    pub fn query() -> Result<Self, Error> {
        let describe = |error: iomill_ring::Error| {
            Error::backend("set up io_uring", error.to_string(), error.errno())
        };
        let ring = Builder::new(TRIAL_ENTRIES).build().map_err(describe)?;
        let probe = ring.probe().map_err(describe)?;
        let tried = |builder: Builder| builder.build().map(drop).map_err(|error| error.to_string());
        let poll = SqPoll { idle: Duration::from_millis(1), cpu: None };
        let missing = WANTED.into_iter().filter(|opcode| !probe.supports(*opcode));
        Ok(Self {
            setup_flags: ring.setup_flags().iter_names().map(|(name, _)| name).collect(),
            given_up: ring
                .given_up()
                .iter()
                .map(|part| format!("{} ({})", part.what, part.why))
                .collect(),
            features: ring.features().iter_names().map(|(name, _)| name).collect(),
            opcode_count: (0..=probe.last().0).filter(|code| probe.supports(Opcode(*code))).count(),
            missing_opcodes: missing.map(|opcode| opcode.name().unwrap_or("?")).collect(),
            sqpoll: tried(Builder::new(TRIAL_ENTRIES).sqpoll(poll)),
            iopoll: tried(Builder::new(TRIAL_ENTRIES).iopoll()),
        })
    }

    /// How many kinds of operations the engine sends through a ring if it can.
    pub fn wanted_opcode_count(&self) -> usize {
        WANTED.len()
    }
}

#[cfg(all(test, not(iomill_portable)))]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn the_answer_agrees_with_what_the_engine_gets() {
        let engine = Config::new().backend(crate::BackendChoice::IoUring).start();
        match (KernelSupport::query(), engine) {
            (Ok(support), Ok(engine)) => {
                assert!(support.opcode_count >= WANTED.len() - support.missing_opcodes.len());
                let notes: Vec<_> = engine.report().fallbacks.iter().map(|it| &it.what).collect();
                let aside = notes.iter().filter_map(|what| what.strip_suffix(" through the ring"));
                assert!(aside.into_iter().all(|name| support.missing_opcodes.contains(&name)));
                let told = |name: &str| support.given_up.iter().any(|part| part.starts_with(name));
                assert!(!notes.iter().any(|what| what.contains("TASKRUN") && !told(what)));
            }
            (Err(refusal), Err(_)) => println!("skipped: no io_uring here: {refusal}"),
            (support, engine) => panic!("they disagree: {support:?}, {engine:?}"),
        }
    }
}
