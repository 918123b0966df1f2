//! Registered credentials, under which single entries can run.

use crate::abi::RegisterOp;
use crate::error::Error;
use crate::ring::Ring;

impl Ring {
    /// Remembers the calling thread's credentials; answers their number for
    /// [`Sqe::with_personality`](crate::Sqe::with_personality).
    ///
    /// Kernel: Linux 5.6.
    ///
    /// # Errors
    /// `Unsupported` before Linux 5.6.
    pub fn register_personality(&mut self) -> Result<u16, Error> {
        let what = || String::from("the thread's credentials");
        // SAFETY: the operation takes no argument.
        let number = unsafe { self.register(RegisterOp::PERSONALITY, std::ptr::null(), 0, what) }?;
        u16::try_from(number).map_err(|_| {
            let detail = format!("credentials got number {number}, beyond an entry's 16 bits");
            Error::invalid("io_uring_register", detail)
        })
    }

    /// Forgets credentials. Requests that run under them go on.
    ///
    /// # Errors
    /// `InvalidArgument` if there are none of this number.
    pub fn unregister_personality(&mut self, personality: u16) -> Result<(), Error> {
        let what = || format!("forgetting credentials {personality}");
        let count = u32::from(personality);
        // SAFETY: the operation takes no argument: the number stands in the count's place.
        unsafe { self.register(RegisterOp::UNREGISTER_PERSONALITY, std::ptr::null(), count, what) }
            .map(drop)
    }
}
