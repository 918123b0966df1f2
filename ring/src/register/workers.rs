//! The kernel's worker threads, which run what cannot complete without blocking.

use crate::abi::RegisterOp;
use crate::error::Error;
use crate::ring::Ring;

/// Words of the set of CPUs: room for the 8,192 that Linux can be built for.
const CPU_WORDS: usize = 128;
const CPU_SET_LEN_BYTES: u32 = 1024;
const _: () = assert!(CPU_WORDS * size_of::<u64>() == CPU_SET_LEN_BYTES as usize);

/// How many kernel workers the thread's rings may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLimits {
    /// For work of bounded time: files and block devices.
    pub bounded: u32,
    /// For work that may take for ever: sockets, pipes, and the like.
    pub unbounded: u32,
}

impl Ring {
    /// Limits the kernel workers of this thread, on all of its rings; 0 leaves a limit as it is.
    /// Answers the limits from before.
    ///
    /// Kernel: Linux 5.15. The default is the smaller of the submission queue's size and four per
    /// CPU for bounded work, and the limit of processes for unbounded work.
    ///
    /// # Errors
    /// `Unsupported` before Linux 5.15.
    pub fn limit_workers(&mut self, limits: WorkerLimits) -> Result<WorkerLimits, Error> {
        let mut numbers = [limits.bounded, limits.unbounded];
        let argument = numbers.as_mut_ptr().cast_const().cast();
        let what = || format!("limits of workers, {} and {}", limits.bounded, limits.unbounded);
        // SAFETY: IOWQ_MAX_WORKERS takes an array of two numbers and answers into it; it is
        // exclusively ours and lives on this stack until the call returns.
        unsafe { self.register(RegisterOp::IOWQ_MAX_WORKERS, argument, 2, what) }?;
        let [bounded, unbounded] = numbers;
        Ok(WorkerLimits { bounded, unbounded })
    }

    /// Binds the kernel workers of this thread to these CPUs. On a ring with SQPOLL, those of its
    /// polling thread.
    ///
    /// Kernel: Linux 5.14, with SQPOLL 6.6.
    ///
    /// # Errors
    /// `InvalidArgument` for a CPU beyond 8,191 or a set without a CPU that is allowed here.
    pub fn bind_workers(&mut self, cpus: &[u32]) -> Result<(), Error> {
        let mut set = [0_u64; CPU_WORDS];
        for cpu in cpus {
            let Some(word) = set.get_mut(*cpu as usize / 64) else {
                let detail = format!("workers on CPU {cpu}: choose 0 to 8191");
                return Err(Error::invalid("io_uring_register", detail));
            };
            *word |= 1 << (cpu % 64);
        }
        let argument = set.as_ptr().cast();
        let what = || format!("workers on CPUs {cpus:?}");
        // SAFETY: IOWQ_AFF takes a set of CPUs and its size in bytes; it lives on this stack.
        unsafe { self.register(RegisterOp::IOWQ_AFF, argument, CPU_SET_LEN_BYTES, what) }.map(drop)
    }

    /// Lets the kernel workers of this thread run on every CPU again.
    ///
    /// # Errors
    /// `Unsupported` before Linux 5.14.
    pub fn unbind_workers(&mut self) -> Result<(), Error> {
        let what = || String::from("workers on every CPU");
        // SAFETY: the operation takes no argument.
        unsafe { self.register(RegisterOp::UNREGISTER_IOWQ_AFF, std::ptr::null(), 0, what) }
            .map(drop)
    }
}
