//! What the tests of chains have in common: a file, operations on it, and a way to its completion.

use iomill_engine::{Completion, Config, Context, Engine, Error, File, Operation, Sync, Write};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

pub(crate) fn config() -> Config {
    Config::new().depth(8).buffers(8, 4096)
}

/// A file in a folder of its own, which goes with it.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) _folder: tempfile::TempDir,
}

pub(crate) fn place(content: &[u8]) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, content).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    Place { path, file, _folder: folder }
}

pub(crate) fn write(engine: &Engine, file: &File, offset: u64, len: usize, fill: u8) -> Write {
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(len);
    buffer.fill(fill);
    Write { file: file.clone(), offset, buffer }
}

pub(crate) fn sync(file: &File) -> Sync {
    Sync { file: file.clone(), data_only: true }
}

/// Submits an operation; its completion comes to the place that this answers.
pub(crate) fn submit<O: Operation>(
    engine: &mut Engine,
    op: O,
) -> Rc<RefCell<Option<Completion<O>>>> {
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    let on_complete = move |done: Completion<O>, _: &mut Context<'_>| {
        assert!(inside.borrow_mut().replace(done).is_none(), "called back twice");
    };
    engine.submit(op, on_complete).map_err(|refused| refused.error).unwrap();
    place
}

pub(crate) fn perform<O: Operation>(engine: &mut Engine, op: O) -> Result<O::Output, Error> {
    let place = submit(engine, op);
    engine.drain().unwrap();
    let done = place.take().expect("it was called back");
    done.result
}
