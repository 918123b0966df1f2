//! pread(2) on rayon's pool with as many threads as reads at once, and on one thread.

use super::{each, warm_up, whole};
use crate::cost::{Begin, Cost};
use crate::load::{Block, Load, Places};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The pool.
pub fn run(load: &Load, path: &Path) -> io::Result<Cost> {
    let file = load.open(path)?;
    let threads = usize::try_from(load.depth).expect("a small number");
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    let pass = |reads: u64| {
        pool.scope(|scope| {
            for task in 0..load.depth {
                let file = &file;
                scope.spawn(move |_| {
                    task_reads(file, task, each(load, reads)).expect("a read succeeds");
                });
            }
        });
    };
    pass(warm_up(load));
    let begin = Begin::now();
    pass(load.reads);
    Ok(begin.cost_of(load.reads))
}

/// No pool: what one thread does, whatever the load's depth.
pub fn one_thread(load: &Load, path: &Path) -> io::Result<Cost> {
    let file = load.open(path)?;
    // At depth 32 this is a bound, not a contender: so it makes fewer reads where each waits.
    let reads = if load.direct { load.reads.min(8_000) } else { load.reads };
    task_reads(&file, 0, warm_up(load))?;
    let begin = Begin::now();
    task_reads(&file, 0, reads)?;
    Ok(begin.cost_of(reads))
}

fn task_reads(file: &File, task: u64, reads: u64) -> io::Result<()> {
    let mut block = Block::new();
    let mut places = Places::of_task(task);
    for _ in 0..reads {
        whole(file.read_at(block.bytes_mut(), places.next_offset())?)?;
    }
    Ok(())
}
