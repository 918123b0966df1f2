//! Fetches the packages of a kernel from the distribution's archive with apt, which checks their
//! sums and signatures. Its lists and packages lie in a folder of the matrix's own, so that the
//! host's are left alone; what is there already is not fetched again.

use super::{Fault, Kernel};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The distribution's own key, as its keyring package installs it.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with lists and packages of the matrix's own.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    /// Where the archive is, from the host's own configuration.
    address: String,
}

impl Archive {
    /// Finds out where the archive is.
    ///
    /// # Errors
    /// When the host has no apt, or none that knows Debian's archive.
    pub fn new(folder: &Path) -> Result<Self, Fault> {
        let targets = run(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(ORIGIN) $(LABEL) $(REPO_URI)",
            "Created-By: Packages",
        ]))?;
        let address = targets
            .lines()
            .find_map(|line| line.strip_prefix("Debian Debian "))
            .ok_or("apt knows no archive of Debian: the matrix needs a Debian host")?;
        fs::create_dir_all(folder.join("lists/partial")).map_err(at(folder))?;
        fs::create_dir_all(folder.join("cache/archives/partial")).map_err(at(folder))?;
        fs::create_dir_all(folder.join("packages")).map_err(at(folder))?;
        Ok(Self { folder: folder.to_path_buf(), address: address.to_owned() })
    }

    /// The packages of a kernel, fetched if they are not there: the newest version of each, for the
    /// plain flavour.
    ///
    /// # Errors
    /// When the archive cannot be reached or has no such kernel.
    pub fn packages_of(&self, kernel: &Kernel) -> Result<Vec<PathBuf>, Fault> {
        let folder = self.folder.join("packages").join(kernel.name);
        let fetched = debs(&folder);
        if fetched.len() == kernel.packages.len() {
            return Ok(fetched);
        }
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let list = self.folder.join(format!("{}.list", kernel.suite));
        let line = format!("deb [signed-by={KEYRING}] {} {} main\n", self.address, kernel.suite);
        fs::write(&list, line).map_err(at(&list))?;
        let options = self.options(&list);
        run(Command::new("apt-get").args(&options).args(["-qq", "update"]))?;
        let known = run(Command::new("apt-cache").args(&options).args([
            "search",
            "--names-only",
            "^linux-",
        ]))?;
        for prefix in kernel.packages {
            let name = newest(&known, prefix).ok_or_else(|| {
                format!("{} has no package {prefix}*-amd64: see its list of kernels", kernel.suite)
            })?;
            super::say(&format!("fetching {name}"));
            run(Command::new("apt-get")
                .current_dir(&folder)
                .args(&options)
                .args(["-qq", "download", name]))?;
        }
        Ok(debs(&folder))
    }

    fn options(&self, list: &Path) -> Vec<OsString> {
        let settings = [
            ("Dir::Etc::sourcelist", list.to_path_buf()),
            ("Dir::Etc::sourceparts", PathBuf::from("-")),
            ("Dir::State::lists", self.folder.join("lists")),
            ("Dir::Cache", self.folder.join("cache")),
            // As root it would hand over to a user that may not see the folder.
            ("APT::Sandbox::User", PathBuf::from("root")),
        ];
        let options = settings.into_iter().map(|(name, value)| {
            let mut option = OsString::from(format!("-o{name}="));
            option.push(value);
            option
        });
        options.collect()
    }
}

/// The package of the highest version: of those that begin with `prefix`, are for the plain flavour
/// and hold no debugging symbols.
fn newest<'a>(known: &'a str, prefix: &str) -> Option<&'a str> {
    let names = known.lines().filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| name.starts_with(prefix) && name.ends_with("-amd64"))
        .filter(|name| name.as_bytes()[prefix.len()..].first().is_some_and(u8::is_ascii_digit))
        .filter(|name| !["-cloud-", "-rt-"].iter().any(|flavour| name.contains(flavour)))
        .max_by_key(|name| numbers(name))
}

/// The numbers in a name, in order: how versions are compared.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

fn debs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "deb"))
        .collect();
    files.sort();
    files
}

/// Runs a program to its end; its standard output, or one line that says what failed.
///
/// # Errors
/// When it is missing or fails.
pub fn run(command: &mut Command) -> Result<String, Fault> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name} cannot be started: {error}: install it"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.trim().lines().last().unwrap_or("it gave no reason");
        return Err(format!("{name} failed ({}): {last}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Puts a path in front of what the system said of it.
pub fn at(path: &Path) -> impl Fn(std::io::Error) -> Fault + '_ {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_plain_package_is_chosen_by_number_and_not_by_letter() {
        let known = "linux-image-6.1.0-9-amd64 - Linux\nlinux-image-6.1.0-47-amd64 - Linux\n\
                     linux-image-6.1.0-50-cloud-amd64 - Linux\nlinux-image-6.1.0-51-rt-amd64 - x\n\
                     linux-image-6.1.0-52-amd64-dbg - x\nlinux-image-amd64 - meta\n\
                     linux-image-6.12.1-amd64 - another series\n";
        assert_eq!(newest(known, "linux-image-6.1."), Some("linux-image-6.1.0-47-amd64"));
        assert_eq!(newest(known, "linux-image-6.12."), Some("linux-image-6.12.1-amd64"));
        assert_eq!(newest(known, "linux-binary-"), None);
    }
}
