//! tokio's `spawn_blocking` around one pread(2) each, as its own `fs` module does it.

use super::{each, warm_up, whole};
use crate::cost::{Begin, Cost};
use crate::load::{Block, Load, Places};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A multi-thread runtime as it comes.
pub fn run(load: &Load, path: &Path) -> io::Result<Cost> {
    let file = Arc::new(load.open(path)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(async {
        pass(load, &file, warm_up(load)).await?;
        let begin = Begin::now();
        pass(load, &file, load.reads).await?;
        Ok(begin.cost_of(load.reads))
    })
}

async fn pass(load: &Load, file: &Arc<File>, reads: u64) -> io::Result<()> {
    let tasks: Vec<_> = (0..load.depth)
        .map(|task| tokio::spawn(task_reads(Arc::clone(file), task, each(load, reads))))
        .collect();
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn task_reads(file: Arc<File>, task: u64, reads: u64) -> io::Result<()> {
    let mut block = Block::new();
    let mut places = Places::of_task(task);
    for _ in 0..reads {
        let (file, offset) = (Arc::clone(&file), places.next_offset());
        let call = move || (file.read_at(block.bytes_mut(), offset), block);
        let (bytes, back) = tokio::task::spawn_blocking(call).await.map_err(io::Error::other)?;
        whole(bytes?)?;
        block = back;
    }
    Ok(())
}
