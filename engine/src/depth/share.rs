//! How engines that use one device split its window. Pure; the engine's registry and the
//! simulation hold the members.

/// One of the engines that share a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Slots that it has with the device.
    pub in_flight: u32,
    /// Whether requests wait in it.
    pub is_hungry: bool,
}

/// How many slots of `total` the member `who` may use: equal parts among the hungry ones of what
/// the others leave, and never none. A member that is not hungry may have what it would get if it
/// were, so that it can begin at once.
///
/// For example 10 slots among two hungry members and one that has 2 in flight: 4 for each of the
/// hungry ones.
///
/// # Panics
/// If there is no such member.
pub fn part(total: u32, members: &[Member], who: usize) -> u32 {
    let (mut hungry, mut before, mut used) = (1, 0, 0);
    for (index, member) in members.iter().enumerate().filter(|(index, _)| *index != who) {
        if member.is_hungry {
            hungry += 1;
            before += u32::from(index < who);
        } else {
            used += member.in_flight;
        }
    }
    assert!(who < members.len(), "the member is one of those that share");
    let left = total.saturating_sub(used);
    // What does not divide goes to the first ones.
    (left / hungry + u32::from(before < left % hungry)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUNGRY: Member = Member { in_flight: 0, is_hungry: true };

    #[test]
    fn the_hungry_share_what_the_others_leave() {
        let idle = Member { in_flight: 2, is_hungry: false };
        let members = [HUNGRY, HUNGRY, idle];
        let parts = [0, 1, 2].map(|who| part(10, &members, who));
        assert_eq!(parts, [4, 4, 3], "the third would get a third of the whole");
        assert_eq!(part(7, &[HUNGRY], 0), 7);
        assert_eq!([0, 1, 2].map(|who| part(8, &[HUNGRY; 3], who)), [3, 3, 2]);
        assert_eq!(part(1, &[HUNGRY; 3], 2), 1, "nobody starves");
        for total in 3..50 {
            let sum: u32 = (0..3).map(|who| part(total, &[HUNGRY; 3], who)).sum();
            assert_eq!(sum, total);
        }
    }
}
