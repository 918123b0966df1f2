//! What every machine of this room begins with: a kernel, the static program, and a disk with an
//! empty file system.

use super::machine::{Boot, Device};
use super::medium::Medium;
use crate::matrix::archive::{Archive, at, run};
use crate::matrix::{Fault, Kernel, modules, suites};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a guest needs besides its file system.
const MODULES: [&str; 6] =
    ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "crc32c_generic", "crc32c_intel"];

/// A file system and the disk below it.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem {
    /// Its name, for mount(8) as well.
    pub name: &'static str,
    make: &'static [&'static str],
    /// How the guest sees the disk.
    pub device: Device,
    len_bytes: u64,
}

/// Those that can be looked at. XFS needs 300 MiB; its file is sparse. All of ext4's tables are
/// written by mkfs, so that no thread of the kernel writes to it behind our back.
pub const FILE_SYSTEMS: [FileSystem; 2] = [
    FileSystem {
        name: "ext4",
        make: &["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
        device: Device::Virtio,
        len_bytes: 64 << 20,
    },
    FileSystem {
        name: "xfs",
        make: &["mkfs.xfs", "-q", "-f"],
        device: Device::Scsi,
        len_bytes: 320 << 20,
    },
];

/// The file systems of this name, or all if it is empty.
///
/// # Errors
/// When there is none.
pub fn file_systems(name: &str) -> Result<Vec<FileSystem>, Fault> {
    let all = FILE_SYSTEMS.into_iter();
    let found: Vec<_> = all.filter(|known| name.is_empty() || known.name == name).collect();
    let known = || FILE_SYSTEMS.map(|known| known.name).join(", ");
    match found.is_empty() {
        true => Err(format!("no file system {name}: choose of {}", known())),
        false => Ok(found),
    }
}

/// Fetches, builds and makes what is missing below a folder; what to boot from, and the disk.
///
/// # Errors
/// When there is no archive, a tool is missing, or the program does not build.
pub fn prepare(
    kernel: &Kernel,
    file_system: &FileSystem,
    folder: &Path,
) -> Result<(Boot, Medium), Fault> {
    let own = folder.join(kernel.name);
    let work = own.join("power-off");
    fs::create_dir_all(&work).map_err(at(&work))?;
    let packages = Archive::new(folder)?.packages_of(kernel)?;
    let program = suites::build_program("power-off")?;
    let needed = [&MODULES[..], &[file_system.name]].concat();
    let kernel = modules::unpack(&packages, &own, &needed)?;
    let base = work.join("base");
    let file = fs::File::create(&base).map_err(at(&base))?;
    file.set_len(file_system.len_bytes).map_err(at(&base))?;
    run(Command::new(file_system.make[0]).args(&file_system.make[1..]).arg(&base))?;
    let medium = Medium::open(&base).map_err(at(&base))?;
    // The medium has it open.
    fs::remove_file(&base).map_err(at(&base))?;
    let boot = Boot::new(&kernel, &program, (file_system.name, file_system.device), &work)?;
    Ok((boot, medium))
}
