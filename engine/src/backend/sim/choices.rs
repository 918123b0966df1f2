//! Where the choices of a power failure come from: by chance, or every combination in its turn.
//! Asked by `content`, `names` and `snapshot`; knows nothing of what is chosen.

use super::random::Random;

/// Decides between possibilities.
#[derive(Debug)]
pub(super) enum Choices {
    /// By a seed.
    Chance(Random),
    /// All combinations, one per run.
    Each(Odometer),
}

impl Choices {
    /// One of `len` possibilities, of which there is at least one.
    pub(super) fn index(&mut self, len: usize) -> usize {
        match self {
            // Nothing is drawn where there is no choice.
            _ if len < 2 => 0,
            Self::Chance(random) => random.index(len),
            Self::Each(odometer) => odometer.index(len),
        }
    }
}

/// Counts through all combinations. The number of choices and of possibilities may depend on the
/// earlier choices of the same run.
#[derive(Debug, Default)]
pub(super) struct Odometer {
    /// What was chosen and out of how many, first choice first.
    digits: Vec<(usize, usize)>,
    /// How many choices this run has made.
    used: usize,
}

impl Odometer {
    fn index(&mut self, len: usize) -> usize {
        if self.used == self.digits.len() {
            self.digits.push((0, len));
        }
        let (chosen, of) = self.digits[self.used];
        debug_assert_eq!(of, len, "the same choices lead to the same question");
        self.used += 1;
        chosen
    }

    /// Turns to the next combination; answers whether there is one.
    pub(super) fn turn(&mut self) -> bool {
        self.digits.truncate(self.used);
        self.used = 0;
        while let Some((chosen, of)) = self.digits.last_mut() {
            *chosen += 1;
            if chosen < of {
                return true;
            }
            self.digits.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_comes_once_also_where_one_choice_opens_others() {
        let mut choices = Choices::Each(Odometer::default());
        let mut all = Vec::new();
        loop {
            let first = choices.index(3);
            assert_eq!(choices.index(1), 0);
            // Only after a 1 is there anything more to choose.
            all.push((first, if first == 1 { choices.index(2) } else { 9 }));
            let Choices::Each(odometer) = &mut choices else { unreachable!() };
            if !odometer.turn() {
                break;
            }
        }
        assert_eq!(all, [(0, 9), (1, 0), (1, 1), (2, 9)]);
    }
}
