//! The engine through its public interface: on backends that misbehave on purpose, and its promises
//! about memory and system calls. What holds on every real backend is tested in the `tests`
//! package.
#![allow(clippy::unwrap_used)]

mod allocations;
mod cancel;
mod configuration;
mod faults;
mod futures;
mod handle;
mod handle_cancel;
mod hostile;
mod metrics;
mod operations;
mod runner;
#[cfg(feature = "sim")]
mod sim;
#[cfg(feature = "sim")]
mod sim_behaviour;
#[cfg(feature = "sim")]
mod sim_oracle;
#[cfg(feature = "sim")]
mod sim_workload;
mod stuck;
