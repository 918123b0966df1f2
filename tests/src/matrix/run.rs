//! The whole matrix, kernel by kernel.

use super::archive::{Archive, at};
use super::outcome::{Guest, read};
use super::suites::Suite;
use super::{Fault, Kernel, guest, modules, say, suites};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What became of one kernel: its guest, or why there is none.
pub type Line = (&'static str, Result<Guest, Fault>);

/// What the consoles of the last run say, which are kept: no guest is booted.
pub fn consoles(kernels: &[Kernel], folder: &Path) -> Vec<Line> {
    let line = |kernel: &Kernel| {
        let path = folder.join(kernel.name).join("console.log");
        let console = fs::read_to_string(&path).map_err(at(&path));
        (kernel.name, console.map(|text| read(&text)))
    };
    kernels.iter().map(line).collect()
}

/// Fetches, builds, boots and reads, and says on the way what it does.
///
/// # Errors
/// When nothing can be run at all: no archive, or suites that do not build.
pub fn matrix(kernels: &[Kernel], wanted: &[Suite], folder: &Path) -> Result<Vec<Line>, Fault> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let archive = Archive::new(folder)?;
    say("building the suites");
    let binaries = suites::build(wanted)?;
    let line = |kernel: &Kernel| {
        let begin = Instant::now();
        let result = one(&archive, kernel, &binaries, folder);
        let version = result.as_ref().map_or("?", |guest| guest.version.as_str());
        let seconds = begin.elapsed().as_secs();
        say(&format!("kernel {} ({version}): {seconds} s", kernel.name));
        (kernel.name, result)
    };
    Ok(kernels.iter().map(line).collect())
}

fn one(
    archive: &Archive,
    kernel: &Kernel,
    binaries: &[(Suite, PathBuf)],
    folder: &Path,
) -> Result<Guest, Fault> {
    let packages = archive.packages_of(kernel)?;
    let own = folder.join(kernel.name);
    fs::create_dir_all(&own).map_err(at(&own))?;
    let unpacked = modules::unpack(&packages, &own, &modules::NEEDED)?;
    let console = guest::boot(&unpacked, binaries, &own)?;
    Ok(read(&console))
}
