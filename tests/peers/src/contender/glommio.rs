//! glommio: one thread, its own rings, `BufferedFile` or `DmaFile` by the load. It brings its own
//! buffers.

use super::{each, warm_up, whole};
use crate::cost::{Begin, Cost};
use crate::load::{BLOCK_LEN_BYTES, Load, Places};
use glommio::io::{BufferedFile, DmaFile};
use glommio::{LocalExecutorBuilder, Placement};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file of either kind.
enum Either {
    Buffered(BufferedFile),
    Direct(DmaFile),
}

/// Its executor as it comes.
pub fn run(load: &Load, path: &Path) -> io::Result<Cost> {
    let (load, path) = (*load, PathBuf::from(path));
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .spawn(move || async move { in_executor(&load, &path).await })
        .map_err(|error| io::Error::other(error.to_string()))?;
    executor.join().map_err(|error| io::Error::other(error.to_string()))?
}

async fn in_executor(load: &Load, path: &Path) -> io::Result<Cost> {
    let file = Rc::new(if load.direct {
        Either::Direct(DmaFile::open(path).await.map_err(other)?)
    } else {
        Either::Buffered(BufferedFile::open(path).await.map_err(other)?)
    });
    pass(load, &file, warm_up(load)).await?;
    let begin = Begin::now();
    pass(load, &file, load.reads).await?;
    let cost = begin.cost_of(load.reads);
    match Rc::into_inner(file) {
        Some(Either::Direct(file)) => file.close().await.map_err(other)?,
        Some(Either::Buffered(file)) => file.close().await.map_err(other)?,
        None => {}
    }
    Ok(cost)
}

async fn pass(load: &Load, file: &Rc<Either>, reads: u64) -> io::Result<()> {
    let tasks: Vec<_> = (0..load.depth)
        .map(|task| glommio::spawn_local(task_reads(Rc::clone(file), task, each(load, reads))))
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

async fn task_reads(file: Rc<Either>, task: u64, reads: u64) -> io::Result<()> {
    let mut places = Places::of_task(task);
    for _ in 0..reads {
        let offset = places.next_offset();
        let bytes = match &*file {
            Either::Buffered(file) => file.read_at(offset, BLOCK_LEN_BYTES).await.map_err(other)?,
            Either::Direct(file) => {
                file.read_at_aligned(offset, BLOCK_LEN_BYTES).await.map_err(other)?
            }
        };
        whole(bytes.len())?;
    }
    Ok(())
}

fn other(error: glommio::GlommioError<()>) -> io::Error {
    io::Error::other(error.to_string())
}
