//! The test set of the depth controller: simulated devices, an oracle that tries every fixed depth,
//! and the rules that others use. The binary `depth-table` runs all of it; a part runs with the
//! tests.

pub mod cases;
pub mod device;
pub mod judge;
pub mod oracle;
pub mod random;
pub mod rivals;
pub mod rule;
pub mod simulate;
