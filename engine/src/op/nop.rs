//! The operation that does nothing.

use super::operation::Operation;
use super::operation::sealed::{Describe, Described, Surroundings};
use crate::backend::{Request, RequestKind};
use crate::error::Error;
use std::path::Path;

/// Does nothing but go all the way to the backend and back.
///
/// Kernel: `IORING_OP_NOP` (Linux 5.1).
#[derive(Debug)]
pub struct Nop;

impl Operation for Nop {
    type Output = ();

    #[inline]
    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Nop {
    #[inline]
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request::without_file(RequestKind::Nop));
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        None
    }
}
