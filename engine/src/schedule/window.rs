//! The admission window: how many requests may be with the backend at once. Fixed for now; asked by
//! `engine` before each batch.

/// Counts requests that are with the backend against a fixed limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    limit: u32,
    occupied: u32,
}

impl Window {
    /// An empty window of this size.
    pub(crate) fn fixed(limit: u32) -> Self {
        Self { limit, occupied: 0 }
    }

    /// Requests that are with the backend.
    #[inline]
    pub(crate) fn occupied(&self) -> u32 {
        self.occupied
    }

    /// How many more may go.
    #[inline]
    pub(crate) fn room(&self) -> u32 {
        self.limit - self.occupied
    }

    /// `count` requests went to the backend.
    ///
    /// # Panics
    /// If there was no room for them.
    #[inline]
    pub(crate) fn enter(&mut self, count: u32) {
        assert!(count <= self.room(), "more requests went to the backend than the window allows");
        self.occupied += count;
    }

    /// `count` requests came back from the backend.
    ///
    /// # Panics
    /// If so many had not gone.
    #[inline]
    pub(crate) fn leave(&mut self, count: u32) {
        assert!(count <= self.occupied, "more requests came back than had gone to the backend");
        self.occupied -= count;
    }
}
