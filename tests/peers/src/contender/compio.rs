//! compio: one thread, its own ring, `AsyncReadAt::read_at`.

use super::{each, warm_up, whole};
use crate::cost::{Begin, Cost};
use crate::load::{Block, Load, Places};
use compio::BufResult;
use compio::buf::{IoBuf, IoBufMut, SetLen};
use compio::fs::File;
use compio::io::AsyncReadAt;
use compio::runtime::Runtime;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::path::Path;

impl IoBuf for Block {
    fn as_init(&self) -> &[u8] {
        &self.bytes()[..self.filled]
    }
}

impl SetLen for Block {
    unsafe fn set_len(&mut self, len: usize) {
        self.filled = len;
    }
}

impl IoBufMut for Block {
    fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        let bytes = self.bytes_mut();
        // SAFETY: initialized bytes may be seen as perhaps uninitialized ones; the driver writes
        // only bytes.
        unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) }
    }
}

/// Its runtime as it comes.
pub fn run(load: &Load, path: &Path) -> io::Result<Cost> {
    let file = load.open(path)?;
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        // SAFETY: the descriptor is open, and given up by its owner.
        let file = unsafe { File::from_raw_fd(file.into_raw_fd()) };
        pass(load, &file, warm_up(load)).await?;
        let begin = Begin::now();
        pass(load, &file, load.reads).await?;
        Ok(begin.cost_of(load.reads))
    })
}

async fn pass(load: &Load, file: &File, reads: u64) -> io::Result<()> {
    let tasks: Vec<_> = (0..load.depth)
        .map(|task| compio::runtime::spawn(task_reads(file.clone(), task, each(load, reads))))
        .collect();
    for task in tasks {
        task.await.map_err(|_| io::Error::other("a task panicked"))??;
    }
    Ok(())
}

async fn task_reads(file: File, task: u64, reads: u64) -> io::Result<()> {
    let mut block = Block::new();
    let mut places = Places::of_task(task);
    for _ in 0..reads {
        block.filled = 0;
        let BufResult(bytes, back) = file.read_at(block, places.next_offset()).await;
        whole(bytes?)?;
        block = back;
    }
    Ok(())
}
