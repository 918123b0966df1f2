//! How many requests one system call hands over. Asked by `engine` in each tick.

/// Never fewer than this, so that a call's price is shared. Units: requests.
const BATCH_MIN: u32 = 4;
/// The gain of a larger batch is gone here.
const BATCH_MAX: u32 = 32;

/// The largest batch at a window of `depth`: a quarter of it.
///
/// A device finishes many requests at once, one interrupt for all. If all their successors went down
/// in one call, the kernel would hold them back until the last one is prepared, about a microsecond
/// each, while the device runs dry: at depth 64, 4 KiB direct reads lose a tenth of their rate to that.
/// In quarters the device has work after the first one.
pub(crate) fn batch_limit(depth: u32) -> u32 {
    (depth / 4).clamp(BATCH_MIN, BATCH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_quarter_of_the_window_within_its_bounds() {
        let limits = [1, 4, 16, 32, 64, 128, 4096].map(batch_limit);
        assert_eq!(limits, [4, 4, 4, 8, 16, 32, 32]);
    }
}
