//! The house rules, checked over the whole repository.
//!
//! A check is a function over a path and a text, so that its own tests can show that it fires on a
//! bad snippet. It never changes a file and never asks the network or git: `tree` walks the
//! repository and applies every check, the other modules own the checks.

mod finding;
mod manifest;
mod text;
mod tokens;
mod tree;
