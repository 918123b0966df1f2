//! The test set of the depth controller: simulated devices, an oracle that tries every fixed depth,
//! and the rules that others use. The binary `depth-table` runs all of it; a part runs with the
//! tests. And a load on a real disk, for the binary `depth-on-disk`.

pub mod cases;
pub mod device;
pub mod judge;
mod lanes;
pub mod on_disk;
pub mod oracle;
pub mod random;
pub mod rivals;
pub mod rule;
pub mod simulate;
