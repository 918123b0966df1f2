//! The contenders. Each file runs the same load in the way its crate's own documentation shows:
//! as many tasks as reads in flight, each with one block that it reads into again and again.

mod compio;
mod glommio;
mod iomill;
mod monoio;
mod rayon;
mod tokio;
mod tokio_uring;

use crate::cost::Cost;
use crate::load::Load;
use std::io;
use std::path::Path;

/// Runs a load once, warmed up, and says what it took.
pub type Run = fn(&Load, &Path) -> io::Result<Cost>;

/// All of them, ours first.
pub const CONTENDERS: [(&str, Run); 9] = [
    ("iomill, io_uring", iomill::on_io_uring),
    ("iomill, threads", iomill::on_threads),
    ("one thread, pread", rayon::one_thread),
    ("rayon + pread", rayon::run),
    ("tokio spawn_blocking + pread", tokio::run),
    ("tokio-uring", tokio_uring::run),
    ("monoio", monoio::run),
    ("compio", compio::run),
    ("glommio", glommio::run),
];

/// Reads of the warm-up.
pub fn warm_up(load: &Load) -> u64 {
    load.reads / 10
}

/// How many reads each of `depth` tasks makes.
pub fn each(load: &Load, reads: u64) -> u64 {
    reads.div_ceil(load.depth)
}

/// Refuses a read that did not bring a whole block.
pub fn whole(bytes: usize) -> io::Result<()> {
    if bytes == crate::load::BLOCK_LEN_BYTES {
        Ok(())
    } else {
        Err(io::Error::other(format!("a read brought {bytes} bytes")))
    }
}
