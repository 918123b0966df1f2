//! Stands in for `ring` where there is no io_uring: says so.

use super::Backend;
use crate::config::Config;
use crate::error::Error;
use crate::report::Report;

/// Refuses.
pub(crate) fn ring(_config: &Config, _reason: &str) -> Result<(Box<dyn Backend>, Report), Error> {
    let why = "only Linux has io_uring, and this build is not for it: use the thread pool";
    Err(Error::backend("set up io_uring", why.to_owned(), None))
}
