//! What wakes a ring from another thread: an eventfd that the ring polls. Made by `uring`, rung by
//! anyone; never touches a request.
//!
//! The ring polls it instead of reading it: a poll names no memory, so that a ring can be closed
//! with one in flight. One poll answers once, which every kernel with io_uring can do.

use super::Wait;
use crate::error::Error;
use iomill_ring::Target;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::Wake;

/// A bell: readable from the first ring until it is silenced.
#[derive(Debug)]
pub(super) struct Bell {
    eventfd: OwnedFd,
}

impl Bell {
    /// A silent bell.
    pub(super) fn new() -> Result<Arc<Self>, Error> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::from_errno("make an eventfd", errno.raw_os_error()))?;
        Ok(Arc::new(Self { eventfd }))
    }

    /// What to poll.
    pub(super) fn target(&self) -> Target {
        Target::Fd(self.eventfd.as_raw_fd())
    }

    /// Waits until it rings or the wait's time is over.
    pub(super) fn wait(&self, wait: Wait) {
        let timeout = match wait {
            Wait::For { timeout, .. } => Timespec::try_from(timeout).ok(),
            Wait::None | Wait::AtLeast(_) => None,
        };
        // An error can only be a signal: the caller looks at what came.
        let _ = poll(&mut [PollFd::new(&self.eventfd, PollFlags::IN)], timeout.as_ref());
    }

    /// Forgets all rings so far.
    pub(super) fn silence(&self) {
        let mut count = [0; size_of::<u64>()];
        // An error can only mean that it is silent already.
        let _ = rustix::io::read(&self.eventfd, &mut count);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // An error can only mean that the counter is at its end: then it is readable already.
        let _ = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ringing(bell: &Bell) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&bell.eventfd, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    #[test]
    fn it_rings_until_it_is_silenced_however_often_it_was_rung() {
        let bell = Bell::new().unwrap();
        assert!(!is_ringing(&bell));
        bell.silence();
        for _ in 0..3 {
            bell.wake_by_ref();
            assert!(is_ringing(&bell));
        }
        bell.silence();
        assert!(!is_ringing(&bell));
    }
}
