//! Waits that the kernel reads from registered memory instead of copying an argument, and the clock
//! by which it measures them.

use crate::abi::{
    ClockRegister, KernelTimespec, MemRegionReg, RegWait, RegWaitFlags, RegionDesc, RegisterOp,
};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::ring::Ring;
use std::time::Duration;

/// `IORING_MEM_REGION_TYPE_USER`: the memory is ours.
const REGION_OF_USER: u32 = 1 << 0;
/// `IORING_MEM_REGION_REG_WAIT_ARG`: it holds waits.
const REGION_OF_WAITS: u64 = 1 << 0;
/// More than a thread can use, and few enough that sizes cannot overflow.
const COUNT_MAX: u32 = 4096;

/// Memory that the kernel reads in an `enter` which names a registered wait.
#[derive(Debug)]
pub(crate) struct WaitRegion {
    memory: Mapping,
    count: u32,
}

/// By which clock the ring measures time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It stands still while the machine sleeps. The default.
    Monotonic,
    /// It goes on then.
    Boottime,
}

impl Ring {
    /// Chooses the clock of waits, with and without a point in time.
    ///
    /// Kernel: Linux 6.12; an older one always uses [`Clock::Monotonic`].
    ///
    /// # Errors
    /// `Unsupported` before Linux 6.12.
    pub fn register_clock(&mut self, clock: Clock) -> Result<(), Error> {
        let id = match clock {
            Clock::Monotonic => libc::CLOCK_MONOTONIC,
            Clock::Boottime => libc::CLOCK_BOOTTIME,
        };
        let argument = ClockRegister { clockid: id.cast_unsigned(), ..ClockRegister::default() };
        let argument = (&raw const argument).cast();
        let what = || format!("clock {clock:?} for waits");
        // SAFETY: CLOCK takes one `io_uring_clock_register`, alive on this stack, and a count of 0.
        unsafe { self.register(RegisterOp::CLOCK, argument, 0, what) }.map(drop)
    }

    /// Fills registered wait `index`, for [`Wait::registered`](crate::Wait::registered): for no
    /// longer than `timeout`, where `min_wait` is the time after which one completion is enough.
    ///
    /// # Errors
    /// `InvalidArgument` if the ring has no such wait.
    pub fn set_wait(
        &mut self,
        index: u32,
        timeout: Option<Duration>,
        min_wait: Duration,
    ) -> Result<(), Error> {
        self.check_registered_wait(index)?;
        let Some(region) = &self.waits else { return Ok(()) };
        let wait = RegWait {
            ts: timeout.map(KernelTimespec::from).unwrap_or_default(),
            min_wait_usec: u32::try_from(min_wait.as_micros()).unwrap_or(u32::MAX),
            flags: if timeout.is_some() { RegWaitFlags::TS } else { RegWaitFlags::empty() },
            ..RegWait::default()
        };
        // SAFETY: the index is below the count that `at` checks.
        let place = unsafe { region.memory.at::<RegWait>(0, region.count).add(index as usize) };
        // SAFETY: the place is valid and aligned; the kernel reads it only in an `enter` of this
        // ring, and the ring is borrowed exclusively here.
        unsafe { place.write(wait) };
        Ok(())
    }

    pub(crate) fn check_registered_wait(&self, index: u32) -> Result<(), Error> {
        let count = self.waits.as_ref().map_or(0, |region| region.count);
        if index < count {
            return Ok(());
        }
        let detail = format!("registered wait {index} of {count}: register more before enabling");
        Err(Error::invalid("io_uring_enter", detail))
    }

    /// Registers room for `count` waits; the ring is still disabled.
    pub(crate) fn register_waits(&mut self, count: u32) -> Result<(), Error> {
        let what = || format!("{count} registered waits");
        if count == 0 || count > COUNT_MAX {
            let detail = format!("{}: choose 1 to {COUNT_MAX}", what());
            return Err(Error::invalid("io_uring_register", detail));
        }
        let len_bytes =
            (count as usize * size_of::<RegWait>()).next_multiple_of(rustix::param::page_size());
        let memory = Mapping::anonymous(len_bytes)?;
        let region = RegionDesc {
            user_addr: memory.address() as u64,
            size: len_bytes as u64,
            flags: REGION_OF_USER,
            ..RegionDesc::default()
        };
        let argument = MemRegionReg {
            region_uptr: (&raw const region).expose_provenance() as u64,
            flags: REGION_OF_WAITS,
            ..MemRegionReg::default()
        };
        let argument = (&raw const argument).cast();
        // SAFETY: MEM_REGION takes one `io_uring_mem_region_reg`; it and the description that it
        // names live on this stack. The kernel pins the memory, which the ring keeps from here on.
        unsafe { self.register(RegisterOp::MEM_REGION, argument, 1, what) }?;
        self.waits = Some(WaitRegion { memory, count });
        Ok(())
    }
}
