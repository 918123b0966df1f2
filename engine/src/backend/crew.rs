//! The threads of a pool, which begin and end together. Owned by `threads`, which starts them when
//! there is work for them; what they do, and what wakes them and lets them end, is its part.
//!
//! A process of one thread has cheaper system calls: the kernel then looks a descriptor up without
//! counting its users. Where the page cache serves everything no helper is ever needed, so none is
//! there. An engine's thread may be pinned meanwhile, and its helpers are not: each takes the CPUs
//! that were allowed before.

use crate::error::{Error, ErrorKind};
use crate::platform::Processors;
use std::thread::{Builder, JoinHandle};

/// What a thread does in its life.
pub(super) type Life = Box<dyn FnOnce() + Send>;

/// Threads, up to a bound.
#[derive(Debug)]
pub(super) struct Crew {
    threads: Vec<JoinHandle<()>>,
    count_max: usize,
    processors: Processors,
}

impl Crew {
    /// Nobody yet.
    pub(super) fn new(count_max: u32, processors: Processors) -> Self {
        Self { threads: Vec::new(), count_max: count_max as usize, processors }
    }

    /// How many there may be.
    pub(super) fn count_max(&self) -> usize {
        self.count_max
    }

    /// Whether nobody is there.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Starts as many as the system allows. What it has refused once is not asked for again.
    ///
    /// # Errors
    /// When it allows none.
    #[cold]
    pub(super) fn start(&mut self, life: impl Fn() -> Life) -> Result<(), Error> {
        for index in self.threads.len()..self.count_max {
            let (processors, life) = (self.processors, life());
            let begin = move || {
                processors.take();
                life();
            };
            match Builder::new().name(format!("iomill-io-{index}")).spawn(begin) {
                Ok(thread) => self.threads.push(thread),
                Err(_) if index > 0 => {
                    self.count_max = index;
                    break;
                }
                Err(error) => {
                    let why =
                        format!("no thread is to be had: {error}: raise the limit (ulimit -u)");
                    return Err(Error::refused(ErrorKind::Backend, "start the thread pool", why));
                }
            }
        }
        Ok(())
    }

    /// Waits until all have ended, which the caller has told them to do.
    pub(super) fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A helper runs no code of the caller's, so it does not panic; if it did, its request
            // is lost already and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_crew_starts_once_and_can_begin_anew_when_it_has_ended() {
        let begun = Arc::new(AtomicU32::new(0));
        let life = || -> Life {
            let begun = Arc::clone(&begun);
            Box::new(move || {
                begun.fetch_add(1, Ordering::Relaxed);
            })
        };
        let mut crew = Crew::new(3, Processors::current());
        assert!(crew.is_empty());
        for round in 1..3 {
            crew.start(life).unwrap();
            crew.start(life).unwrap();
            assert!(!crew.is_empty() && crew.count_max() == 3);
            crew.join();
            assert!(crew.is_empty());
            assert_eq!(begun.load(Ordering::Relaxed), 3 * round);
        }
    }
}
