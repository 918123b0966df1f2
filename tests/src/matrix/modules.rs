//! Unpacks a kernel's packages, and finds the modules that the guest needs, in the order in which
//! they have to be loaded.

use super::Fault;
use super::archive::{at, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a guest of the matrix needs: its disks and their file systems, and what those look for by
/// name.
pub const NEEDED: [&str; 10] = [
    "virtio_pci",
    "virtio_blk",
    "nvme",
    "crc32c_generic",
    "crc32c_intel",
    "ext4",
    "xfs",
    "loop",
    "fuse",
    "tmpfs",
];

/// An unpacked kernel.
#[derive(Debug)]
pub struct Unpacked {
    /// Its full version, as `uname -r` says it.
    pub version: String,
    /// The image to boot.
    pub image: PathBuf,
    /// Modules in the order of loading, decompressed.
    pub modules: Vec<PathBuf>,
}

/// Unpacks the packages into `folder`, unless they are there, and finds the modules of these names.
///
/// # Errors
/// When a tool is missing, or the packages do not hold what they should.
pub fn unpack(packages: &[PathBuf], folder: &Path, needed: &[&str]) -> Result<Unpacked, Fault> {
    let root = folder.join("root");
    if !root.exists() {
        // Packages of merged systems keep modules in `usr/lib`, older ones in `lib`: one folder.
        fs::create_dir_all(root.join("usr/lib")).map_err(at(&root))?;
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).map_err(at(&root))?;
        for package in packages {
            let contents = folder.join("contents");
            run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&contents))?;
            for (from, to) in [("lib", "usr"), ("usr/lib", "usr"), ("boot", "")] {
                let (from, to) = (contents.join(from), root.join(to));
                if from.exists() {
                    run(Command::new("cp").arg("-r").arg(from).arg(to))?;
                }
            }
            fs::remove_dir_all(&contents).map_err(at(&contents))?;
        }
    }
    let modules_folder = root.join("lib/modules");
    let version = only_entry(&modules_folder)?;
    run(Command::new("depmod").arg("-b").arg(&root).arg(&version))?;
    let image = [root.join("boot").join(format!("vmlinuz-{version}"))]
        .into_iter()
        .chain([modules_folder.join(&version).join("vmlinuz")])
        .find(|path| path.exists())
        .ok_or_else(|| format!("{}: no vmlinuz in the packages", root.display()))?;
    let modules = modules(&root, &version, &folder.join("modules"), needed)?;
    Ok(Unpacked { version, image, modules })
}

fn only_entry(folder: &Path) -> Result<String, Fault> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    let names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    match names.as_slice() {
        [name] => Ok(name.clone()),
        names => Err(format!("{}: one version is expected, not {names:?}", folder.display())),
    }
}

/// The needed modules and what they depend on, decompressed into `folder`. What is built into the
/// kernel, or is not there under this name, is left out: the guest says if it misses something.
fn modules(
    root: &Path,
    version: &str,
    folder: &Path,
    needed: &[&str],
) -> Result<Vec<PathBuf>, Fault> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for name in needed {
        let mut command = Command::new("modprobe");
        command.arg("-d").arg(root).args(["-S", version, "--show-depends", *name]);
        let Ok(lines) = run(&mut command) else { continue };
        for file in lines.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let file = decompressed(Path::new(file.trim()), folder)?;
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    if files.is_empty() {
        return Err(format!("{}: no module was found", root.display()));
    }
    Ok(files)
}

fn decompressed(module: &Path, folder: &Path) -> Result<PathBuf, Fault> {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.trim_end_matches(".xz").trim_end_matches(".zst");
    let target = folder.join(plain);
    if target.exists() {
        return Ok(target);
    }
    let copied = folder.join(&*name);
    fs::copy(module, &copied).map_err(at(module))?;
    match copied.extension().and_then(|ending| ending.to_str()) {
        Some("xz") => run(Command::new("xz").arg("-df").arg(&copied))?,
        Some("zst") => run(Command::new("zstd").args(["-qdf", "--rm"]).arg(&copied))?,
        _ => String::new(),
    };
    Ok(target)
}
