//! How many requests a device should have at once: a rule that follows the device, as a pure
//! machine over samples. No clock, no I/O, no randomness: the engine feeds it once per reap, and
//! the tests feed it with simulated devices.
//!
//! `docs/explanation/depth-control.md` has the reasons and the results against other rules.

mod budget;
mod choice;
mod controller;
mod curve;
mod epoch;
mod goal;
mod grid;
mod knee;
mod latency;
mod limits;
mod pace;
mod sample;
mod share;
mod tally;
mod target;
mod trace;

pub use controller::Controller;
pub use limits::Limits;
pub use sample::{Counts, SLOT_LEN_BYTES, Sample, slots_of};
pub use share::{Member, part};
pub use target::{Depth, Target};
pub use trace::{Decision, TRACE_LEN, Why};
