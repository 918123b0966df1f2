//! What the program does inside the guest: it mounts the disk and writes until the machine stops,
//! or mounts whatever the host puts there and reads it. Called by the binary `power-off`, there.

use super::cells::{self, Beginning, Host};
use super::dump::Dump;
use super::port::Line;
use iomill_engine::{BackendChoice, Config, File};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// Where the disk is mounted.
const FOLDER: &str = "/disk";

/// Does what the word says: `write` or `look`.
///
/// # Errors
/// One line for the console; the host has heard it as well, if it can be told.
pub fn run(what: &str, device: &str, file_system: &str, port: &str) -> Result<(), String> {
    let line = Line::open(Path::new(port)).map_err(|error| format!("{port}: {error}"))?;
    let line = Rc::new(RefCell::new(line));
    let result = match what {
        "write" => write(device, file_system, &line),
        "look" => look(device, file_system, &mut line.borrow_mut()),
        other => Err(format!("{other}: nothing that a guest does")),
    };
    if let Err(why) = &result {
        line.borrow_mut().say(&format!("failed {why}"));
    }
    result
}

/// Lets the cells of each backend store things until the machine stops.
fn write(device: &str, file_system: &str, line: &Rc<RefCell<Line>>) -> Result<(), String> {
    let mounted = mount(device, FOLDER, file_system, MountFlags::empty(), None);
    mounted.map_err(|error| format!("{device}: {error}"))?;
    let seed = line.borrow_mut().ask("seed").parse().map_err(|_| "the host has no seed")?;
    let mut sides = Vec::new();
    for (backend, choice) in
        [("uring", BackendChoice::IoUring), ("threads", BackendChoice::Threads)]
    {
        let config = Config::new().backend(choice).buffers(16, cells::BUFFER_LEN_BYTES);
        let engine = config.start().map_err(|error| format!("{backend}: {error}"))?;
        sides.push((engine, cells::all(backend, seed, make)?));
    }
    let synced = std::fs::File::open(FOLDER).and_then(|folder| folder.sync_all());
    synced.map_err(|error| format!("{FOLDER}: {error}"))?;
    let line = Rc::clone(line);
    let host: Host = Rc::new(move |mark| line.borrow_mut().say(&mark.to_string()));
    for cell in sides.iter().flat_map(|(_, cells)| cells) {
        host(cell.made());
    }
    loop {
        for (engine, cells) in &mut sides {
            for cell in cells {
                cell.round(engine, &host).map_err(|error| error.to_string())?;
            }
        }
    }
}

/// Makes a cell's file and its contents lasting.
fn make(beginning: &Beginning) -> Result<File, String> {
    let path = Path::new(FOLDER).join(&beginning.name);
    std::fs::write(&path, &beginning.bytes)
        .and_then(|()| std::fs::File::options().write(true).open(&path))
        .and_then(|file| file.set_len(beginning.len_bytes).and(file.sync_all()))
        .map_err(|error| error.to_string())?;
    let options = File::options().read(true).write(true).direct(beginning.is_direct);
    options.open(&path).map_err(|error| error.to_string())
}

fn look(device: &str, file_system: &str, line: &mut Line) -> Result<(), String> {
    while line.ask("next") == "look" {
        match mount(device, FOLDER, file_system, MountFlags::empty(), None) {
            Ok(()) => {
                let dumps = dumps(Path::new(FOLDER)).map_err(|error| error.to_string());
                for dump in dumps? {
                    line.say(&format!("dump {}", dump.line()));
                }
                let gone = unmount(FOLDER, UnmountFlags::empty());
                gone.map_err(|error| format!("{FOLDER}: {error}"))?;
            }
            Err(error) => line.say(&format!("unmountable {error}")),
        }
    }
    Ok(())
}

/// Of all files but those that are still on their way to their name.
fn dumps(folder: &Path) -> std::io::Result<Vec<Dump>> {
    let mut dumps = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && !name.contains('.') {
            dumps.push(Dump::read(folder, &name)?);
        }
    }
    Ok(dumps)
}
