//! What the program does inside the guest: it mounts the disk and writes until the machine stops,
//! or mounts whatever the host puts there and reads it, or sees what a failing disk does. Called by
//! the binary `power-off`, there.

use super::cells::{self, Beginning, Host};
use super::dump::Dump;
use super::faults;
use super::port::Line;
use iomill_engine::{BackendChoice, Config, File};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Where the disk is mounted.
const FOLDER: &str = "/disk";
/// How often a busy disk is tried to be unmounted, 20 ms apart.
const UNMOUNTS_MAX: u32 = 500;

/// Does what the word says: `write`, `look` or `fail`.
///
/// # Errors
/// One line for the console; the host has heard it as well, if it can be told.
pub fn run(what: &str, device: &str, file_system: &str, port: &str) -> Result<(), String> {
    let line = Line::open(Path::new(port)).map_err(|error| format!("{port}: {error}"))?;
    let line = Rc::new(RefCell::new(line));
    let result = match what {
        "write" => write(device, file_system, &line),
        "look" => look(device, file_system, &mut line.borrow_mut()),
        "fail" => {
            faults::run(&mut line.borrow_mut(), FOLDER, || mounted(device, file_system), unmounted)
        }
        other => Err(format!("{other}: nothing that a guest does")),
    };
    if let Err(why) = &result {
        line.borrow_mut().say(&format!("failed {why}"));
    }
    result
}

fn mounted(device: &str, file_system: &str) -> Result<(), String> {
    let mounted = mount(device, FOLDER, file_system, MountFlags::empty(), None);
    mounted.map_err(|error| format!("{device}: {error}"))
}

/// Unmounts when nobody uses it any more: the kernel takes a ring apart a while after its end.
fn unmounted() -> Result<(), String> {
    let mut result = unmount(FOLDER, UnmountFlags::empty());
    for _ in 0..UNMOUNTS_MAX {
        if result != Err(Errno::BUSY) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        result = unmount(FOLDER, UnmountFlags::empty());
    }
    result.map_err(|error| format!("{FOLDER}: {error}"))
}

/// Lets the cells of each backend store things until the machine stops.
fn write(device: &str, file_system: &str, line: &Rc<RefCell<Line>>) -> Result<(), String> {
    mounted(device, file_system)?;
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
                unmounted()?;
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
