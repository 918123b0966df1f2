//! Our ABI, written by hand, against the kernel's header as `linux-raw-sys` generated it: every
//! constant and the place of every field. What is newer than that crate is listed here, and a list
//! that has gone stale fails.

mod constants;
mod layout;
mod newer;
mod source;
