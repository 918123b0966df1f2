//! What a run took, and how it travels from the process that ran it to the one that prints.

use std::fmt;
use std::mem::MaybeUninit;
use std::str::FromStr;
use std::time::Instant;

/// Units: nanoseconds per read.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// By the clock.
    pub wall_ns: f64,
    /// Of all threads of the process, kernel included.
    pub cpu_ns: f64,
}

/// When a measured run began.
#[derive(Debug)]
pub struct Begin {
    wall: Instant,
    cpu_ns: f64,
}

impl Begin {
    /// Now.
    pub fn now() -> Self {
        Self { wall: Instant::now(), cpu_ns: process_cpu_ns() }
    }

    /// What `reads` reads since then took.
    pub fn cost_of(&self, reads: u64) -> Cost {
        let wall_ns = self.wall.elapsed().as_secs_f64() * 1e9;
        let cpu_ns = process_cpu_ns() - self.cpu_ns;
        Cost { wall_ns: wall_ns / reads as f64, cpu_ns: cpu_ns / reads as f64 }
    }
}

fn process_cpu_ns() -> f64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the place is a whole `timespec`.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, time.as_mut_ptr()) };
    assert_eq!(answer, 0, "every Linux has this clock");
    // SAFETY: all bytes were zero before, and a `timespec` is numbers only.
    let time = unsafe { time.assume_init() };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cost {} {}", self.wall_ns, self.cpu_ns)
    }
}

impl FromStr for Cost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let wrong = || format!("not a cost: {text:?}");
        if words.next() != Some("cost") {
            return Err(wrong());
        }
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong);
        Ok(Self { wall_ns: number()?, cpu_ns: number()? })
    }
}
