//! What stands in for `poison` where neither debug assertions nor the feature `poison` are on:
//! types of no size and functions that do nothing, so that it costs nothing. Finds nothing.

use super::arena::Arena;
use super::class::Class;
use crate::backend::Request;

/// What a class knows of its free buffers: nothing.
#[derive(Debug)]
pub(super) struct Watch;

impl Watch {
    #[inline]
    pub(super) fn new(_count: u32) -> Self {
        Self
    }

    #[inline]
    pub(super) fn given(&self, _class: &Class, _number: u32) {}

    #[inline]
    pub(super) fn taken(&self, _class: &Class, _number: u32) {}
}

/// What a request knows of the memory around its own: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seal;

impl Seal {
    /// Whether it is worth to ask for one.
    pub(crate) const IS_ON: bool = false;

    #[inline]
    pub(crate) fn of(_arena: Option<&Arena>, _request: &Request, _behind_another: bool) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn check(self, _arena: Option<&Arena>, _request: &Request) {}
}
