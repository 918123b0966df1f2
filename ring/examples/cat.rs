// cargo run -p iomill-ring --example cat -- Cargo.toml README.md
//! Prints files, as cat(1): up to eight reads in flight, printed in the file's order.
#![allow(clippy::print_stdout)]

use iomill_ring::{Builder, Error, Ring, Target, op};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

const DEPTH: u32 = 8;
const BLOCKS: usize = DEPTH as usize;
const BLOCK_LEN_BYTES: u32 = 64 << 10;

fn main() -> ExitCode {
    let names: Vec<_> = std::env::args_os().skip(1).collect();
    let mut ring = match Builder::new(DEPTH).build() {
        Ok(ring) => ring,
        Err(error) => {
            eprintln!("cat: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut code = ExitCode::SUCCESS;
    for name in names {
        if let Err(error) = File::open(&name).and_then(|file| print(&mut ring, &file)) {
            eprintln!("cat: {}: {error}", name.display());
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Reads the file block by block, `BLOCKS` of them at once, until a batch meets the end.
fn print(ring: &mut Ring, file: &File) -> io::Result<()> {
    let mut blocks = vec![vec![0_u8; BLOCK_LEN_BYTES as usize]; BLOCKS];
    let mut offset = 0_u64;
    loop {
        for (index, block) in (0_u32..).zip(&mut blocks) {
            let at = offset + u64::from(index) * u64::from(BLOCK_LEN_BYTES);
            let target = Target::from(file.as_fd());
            let read = op::read(target, block.as_mut_ptr(), BLOCK_LEN_BYTES, at);
            // SAFETY: `wait` below returns only when every read of the batch has completed, and
            // blocks and file live longer than that.
            let pushed = unsafe { ring.push(&read.with_user_data(u64::from(index))) };
            pushed.map_err(io::Error::other)?;
        }
        let lens = wait(ring);
        let mut stdout = io::stdout().lock();
        for (block, len) in blocks.iter().zip(lens) {
            let len = len.map_err(io::Error::from_raw_os_error)?;
            stdout.write_all(&block[..len as usize])?;
            offset += u64::from(len);
            if len == 0 {
                return Ok(());
            }
            if len < BLOCK_LEN_BYTES {
                // A short read: the blocks behind it do not join on, so read them again.
                break;
            }
        }
    }
}

/// Waits for the whole batch; answers its results in the order in which it was pushed.
fn wait(ring: &mut Ring) -> [Result<u32, i32>; BLOCKS] {
    let mut lens = [Ok(0); BLOCKS];
    let mut done = 0;
    while done < BLOCKS {
        if let Err(error) = ring.submit_and_wait(1) {
            // Without the kernel's answer the blocks could not be freed.
            assert!(may_repeat(&error), "cat: {error}");
        }
        for cqe in ring.completions() {
            let index = usize::try_from(cqe.user_data).expect("it came from an index");
            lens[index] = cqe.result();
            done += 1;
        }
    }
    lens
}

fn may_repeat(error: &Error) -> bool {
    use iomill_ring::ErrorKind::{Again, Busy, Interrupted};
    matches!(error.kind(), Again | Busy | Interrupted)
}
