//! An input's bytes as numbers: whatever they are, they mean something. Never fails: behind the end
//! everything is 0.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `bound`, which is not 0 and at most 256.
    pub(super) fn below(&mut self, bound: u16) -> u8 {
        u8::try_from(u16::from(self.byte()) % bound).unwrap_or(0)
    }

    pub(super) fn word(&mut self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }
}
