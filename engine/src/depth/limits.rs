//! What a controller allows: how many slots in all, and how many of them to writes. Answered by
//! `controller`; kept by the engine's window and by the simulation.

/// The limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Slots that may be with the device, of all classes together.
    pub total: u32,
    /// Of these, those of writes while reads wait: less than all when reads would be late
    /// otherwise.
    pub writes: u32,
}

/// Of a window that writes fill alone, this part is kept free for reads that come.
const FREE_PART: u32 = 4;

impl Limits {
    /// How many slots more writes may take while `taken` are taken, `taken_by_writes` of them by
    /// writes. Units: slots.
    ///
    /// When no reads wait, to hold a write back helps none, and where each caller waits for its
    /// answer it keeps that caller's next read away: with nearly all requests held back, as many
    /// reads come as writes are let through, and the device runs dry. So writes then fill the
    /// window, but for a quarter, so that a read which comes does not wait for one of them to end.
    ///
    /// ```
    /// use iomill_engine::depth::Limits;
    ///
    /// let limits = Limits { total: 16, writes: 2 };
    /// assert_eq!(limits.left_to_writes(9, 1, true), 1);
    /// assert_eq!(limits.left_to_writes(9, 1, false), 3, "up to 12 in all");
    /// ```
    #[inline]
    pub fn left_to_writes(self, taken: u32, taken_by_writes: u32, do_reads_wait: bool) -> u32 {
        let own = self.writes.saturating_sub(taken_by_writes);
        if do_reads_wait {
            return own;
        }
        let fill = self.total - (self.total / FREE_PART).max(1).min(self.total);
        own.max(fill.max(self.writes).saturating_sub(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_keep_to_their_part_while_reads_wait_and_fill_the_window_when_none_do() {
        let limits = Limits { total: 16, writes: 3 };
        for taken in 0..20 {
            for by_writes in 0..=taken {
                let waiting = limits.left_to_writes(taken, by_writes, true);
                assert_eq!(waiting, 3_u32.saturating_sub(by_writes));
                let alone = limits.left_to_writes(taken, by_writes, false);
                assert_eq!(alone, waiting.max(12_u32.saturating_sub(taken)));
            }
        }
    }

    #[test]
    fn a_window_of_any_size_lets_one_write_through() {
        for total in 1..100 {
            for writes in 1..=total {
                let limits = Limits { total, writes };
                assert!(limits.left_to_writes(0, 0, true) >= 1);
                assert!(limits.left_to_writes(0, 0, false) >= limits.writes);
                assert!(limits.left_to_writes(0, 0, false) <= total);
                let all = Limits { total, writes: total };
                assert_eq!(all.left_to_writes(0, 0, false), total, "nothing gives way");
            }
        }
    }
}
