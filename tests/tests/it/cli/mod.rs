//! `bench-cli` as a user meets it: what it prints, what it refuses and what it leaves behind.
//!
//! It never looks inside the program; `bench-cli`'s own tests do. `program` builds and runs it, the
//! other modules assert. `cargo test -p iomill-tests cli` runs them.

mod corpus;
mod denied;
mod files;
mod fio_keys;
mod fio_plot;
mod jobs;
mod logs;
mod many_hosts;
mod messages;
mod program;
mod refusals;
mod report;
mod scarce;
mod tools;
mod verify;
mod workload;
