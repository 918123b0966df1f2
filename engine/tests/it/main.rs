//! The engine through its public interface: on backends that misbehave on purpose, and its promises
//! about memory and system calls. What holds on every real backend is tested in the `tests`
//! package.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "sim")]
mod adaptive;
mod allocations;
mod caller_buffers;
mod cancel;
mod chain_operations;
mod chain_place;
mod chain_twins;
mod chains;
mod configuration;
mod depth;
mod durable;
mod faults;
mod futures;
mod handle;
mod handle_cancel;
mod handle_chains;
mod hostile;
mod hostile_backend;
mod lanes;
mod memory_limits;
mod metrics;
mod operations;
mod room;
mod runner;
mod scripted;
#[cfg(feature = "sim")]
mod sim;
#[cfg(feature = "sim")]
mod sim_behaviour;
#[cfg(feature = "sim")]
mod sim_chains;
#[cfg(feature = "sim")]
mod sim_crash;
#[cfg(feature = "sim")]
mod sim_crash_chains;
#[cfg(feature = "sim")]
mod sim_oracle;
#[cfg(feature = "sim")]
mod sim_time;
#[cfg(feature = "sim")]
mod sim_workload;
mod stuck;
#[cfg(feature = "sim")]
mod waiting;
mod whole_files;
mod whole_twins;
