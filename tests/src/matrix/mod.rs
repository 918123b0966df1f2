//! The kernel matrix: the project's suites on other kernels, in virtual machines under software
//! emulation. The binary `kernel-matrix` calls it; no test does, because it fetches packages.
//! `power` boots the same kernels.
//!
//! ```text
//! archive  packages of a kernel, by the distribution's own package manager
//! modules  what the guest has to load, unpacked and in order
//! suites   the tests as static binaries
//! initramfs, guest   one archive to boot from, one boot, and what the guest printed
//! outcome, table     what that means, and how it is shown
//! ```
//!
//! Nothing here changes the host but for files in the folder that it is given.

pub mod archive;
pub mod guest;
pub mod initramfs;
pub mod modules;
pub mod outcome;
pub mod run;
pub mod suites;
pub mod table;

/// A kernel of the matrix: where the distribution keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What the command line and the table call it.
    pub name: &'static str,
    /// The release of the distribution whose archive has it.
    pub suite: &'static str,
    /// How the names of its packages begin: the first must be there, others where there are any.
    pub packages: &'static [&'static str],
}

/// The kernels of Debian's archive, oldest first.
pub const KERNELS: [Kernel; 4] = [
    Kernel { name: "5.10", suite: "bullseye", packages: &["linux-image-5.10."] },
    Kernel { name: "6.1", suite: "bookworm", packages: &["linux-image-6.1."] },
    Kernel { name: "6.12", suite: "trixie", packages: &["linux-image-6.12."] },
    // Its version changes: the newest one that is there.
    Kernel { name: "newest", suite: "sid", packages: &["linux-binary-", "linux-modules-"] },
];

/// The kernel that the command line calls so.
///
/// # Errors
/// When there is none.
pub fn kernel(name: &str) -> Result<Kernel, Fault> {
    let known = || KERNELS.map(|kernel| kernel.name).join(", ");
    let found = KERNELS.into_iter().find(|kernel| kernel.name == name);
    found.ok_or_else(|| format!("no kernel {name}: choose of {}", known()))
}

/// What went wrong, as one line with what to do.
pub type Fault = String;

/// Tells whoever waits what is being done.
#[allow(clippy::print_stderr, reason = "only binaries call it, and their stdout is the result")]
pub(crate) fn say(what: &str) {
    eprintln!("virtual machines: {what}");
}
