//! monoio: one thread, its own ring, `File::read_at`.

use super::{each, warm_up, whole};
use crate::cost::{Begin, Cost};
use crate::load::{BLOCK_LEN_BYTES, Block, Load, Places};
use monoio::buf::IoBufMut;
use monoio::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;

// SAFETY: the block lies on the heap, stays where it is when its owner moves, and is all
// initialized.
unsafe impl IoBufMut for Block {
    fn write_ptr(&mut self) -> *mut u8 {
        self.bytes_mut().as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        BLOCK_LEN_BYTES
    }

    unsafe fn set_init(&mut self, _position: usize) {}
}

/// Its runtime on io_uring as it comes.
pub fn run(load: &Load, path: &Path) -> io::Result<Cost> {
    let file = load.open(path)?;
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().build()?;
    runtime.block_on(async {
        let file = Rc::new(File::from_std(file)?);
        pass(load, &file, warm_up(load)).await?;
        let begin = Begin::now();
        pass(load, &file, load.reads).await?;
        Ok(begin.cost_of(load.reads))
    })
}

async fn pass(load: &Load, file: &Rc<File>, reads: u64) -> io::Result<()> {
    let tasks: Vec<_> = (0..load.depth)
        .map(|task| monoio::spawn(task_reads(Rc::clone(file), task, each(load, reads))))
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

async fn task_reads(file: Rc<File>, task: u64, reads: u64) -> io::Result<()> {
    let mut block = Block::new();
    let mut places = Places::of_task(task);
    for _ in 0..reads {
        let (bytes, back) = file.read_at(block, places.next_offset()).await;
        whole(bytes?)?;
        block = back;
    }
    Ok(())
}
