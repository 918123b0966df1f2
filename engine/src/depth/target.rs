//! What a caller asks of the depth: a number, or a range and an aim. Plain data with its checks;
//! `Config` carries it and `controller` obeys it.

use crate::error::{Error, ErrorKind};
use crate::ranges::DEPTH_MAX;

/// How many requests may be with the device at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Depth {
    /// Always this many. Units: requests.
    Fixed(u32),
    /// As many as the device makes good use of.
    Adaptive {
        /// Never fewer. Units: slots; a request of up to
        /// [`SLOT_LEN_BYTES`](super::SLOT_LEN_BYTES) bytes takes one.
        min: u32,
        /// Never more. Units: slots.
        max: u32,
        /// What to aim for.
        target: Target,
    },
}

/// What an adaptive depth aims for.
///
/// Latency counts from the hand-over to the kernel to the reap. It is that of reads; of writes only
/// when there are no reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// The smallest depth that gives 95 % of the best throughput.
    Knee,
    /// The same, unless the mean latency would be above this.
    Mean {
        /// Units: nanoseconds.
        limit_ns: u64,
    },
    /// The same, unless more than the rest of the requests would take longer than this.
    Percentile {
        /// Which part of the requests has to keep to the limit, such as 99.0. Range: 50 to 99.99.
        percent: f64,
        /// Units: nanoseconds.
        limit_ns: u64,
    },
}

impl Target {
    /// The latency to keep to, if there is one. Units: nanoseconds.
    pub fn limit_ns(self) -> Option<u64> {
        match self {
            Self::Knee => None,
            Self::Mean { limit_ns } | Self::Percentile { limit_ns, .. } => Some(limit_ns),
        }
    }
}

impl Depth {
    /// The largest depth that it may come to.
    pub fn max(self) -> u32 {
        match self {
            Self::Fixed(depth) => depth,
            Self::Adaptive { max, .. } => max,
        }
    }

    /// Refuses what is out of range.
    pub(crate) fn check(self) -> Result<(), Error> {
        let refuse = |why: String| {
            Err(Error::refused(ErrorKind::InvalidConfig, "configure the engine", why))
        };
        let (min, max, target) = match self {
            Self::Fixed(depth) if !(1..=DEPTH_MAX).contains(&depth) => {
                return refuse(format!("the depth is {depth}: choose 1 to {DEPTH_MAX}"));
            }
            Self::Fixed(_) => return Ok(()),
            Self::Adaptive { min, max, target } => (min, max, target),
        };
        if !(1..=DEPTH_MAX).contains(&max) {
            return refuse(format!("the largest depth is {max}: choose 1 to {DEPTH_MAX}"));
        }
        if !(1..=max).contains(&min) {
            return refuse(format!("the smallest depth is {min}: choose 1 to {max}"));
        }
        if target.limit_ns() == Some(0) {
            return refuse("the latency limit is 0: choose 1 ns or more".into());
        }
        match target {
            Target::Percentile { percent, .. } if !(50.0..=99.99).contains(&percent) => {
                refuse(format!("the latency percentile is {percent}: choose 50 to 99.99"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_out_of_range_is_named_with_its_range() {
        let adaptive = |min, max, target| Depth::Adaptive { min, max, target };
        let percentile = |percent| Target::Percentile { percent, limit_ns: 1 };
        for (depth, message) in [
            (Depth::Fixed(0), "the depth is 0: choose 1 to 4096"),
            (adaptive(1, 5000, Target::Knee), "the largest depth is 5000: choose 1 to 4096"),
            (adaptive(9, 8, Target::Knee), "the smallest depth is 9: choose 1 to 8"),
            (adaptive(0, 8, Target::Knee), "the smallest depth is 0: choose 1 to 8"),
            (adaptive(1, 8, Target::Mean { limit_ns: 0 }), "limit is 0: choose 1 ns or more"),
            (adaptive(1, 8, percentile(100.0)), "percentile is 100: choose 50 to 99.99"),
            (adaptive(1, 8, percentile(f64::NAN)), "percentile is NaN: choose 50 to 99.99"),
        ] {
            let error = depth.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().ends_with(message), "{error}");
        }
        adaptive(1, 1, percentile(99.0)).check().unwrap();
    }
}
