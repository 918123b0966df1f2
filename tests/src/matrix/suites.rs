//! Builds the suites as static binaries, which need nothing of the guest but its kernel.

use super::Fault;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The one target that the guests have.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A suite of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// What the table calls it.
    pub name: &'static str,
    package: &'static str,
    /// The test binary, or the program.
    binary: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// The disks on which it runs.
    pub disks: &'static [&'static str],
    /// Whether it prints `feature` lines instead of a test runner's.
    pub is_features: bool,
}

/// What runs in each guest.
pub const SUITES: [Suite; 6] = [
    Suite {
        name: "ring-conformance",
        package: "iomill-ring",
        binary: "conformance",
        arguments: &["--show-output"],
        disks: &["ext4"],
        is_features: false,
    },
    Suite {
        name: "ring",
        package: "iomill-ring",
        binary: "it",
        arguments: &["--show-output"],
        disks: &["ext4"],
        is_features: false,
    },
    Suite {
        name: "engine-contract",
        package: "iomill-tests",
        binary: "it",
        // A simulated disk asks nothing of the kernel.
        arguments: &[
            "--show-output",
            "contract::",
            "differential::",
            "--skip",
            "contract::sim::",
            "--skip",
            "simulated_disk",
        ],
        disks: &["ext4", "xfs", "nvme"],
        is_features: false,
    },
    Suite {
        name: "policy",
        package: "iomill-tests",
        binary: "it",
        // Another test runs the one that is left out, in a process of its own.
        arguments: &["--show-output", "policy::", "--skip", "with_no_descriptor_left"],
        disks: &["ext4"],
        is_features: false,
    },
    Suite {
        name: "polled",
        package: "iomill-tests",
        binary: "it",
        arguments: &["--show-output", "polled::"],
        disks: &["nvme"],
        is_features: false,
    },
    Suite {
        name: "features",
        package: "iomill-tests",
        binary: "guest-features",
        arguments: &[],
        disks: &["xfs", "nvme"],
        is_features: true,
    },
];

/// Builds suites; each with where it lies.
///
/// # Errors
/// When something does not build.
pub fn build(wanted: &[Suite]) -> Result<Vec<(Suite, PathBuf)>, Fault> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--no-run", "--target", TARGET, "--tests", "--bins"])
        .args(["-p", "iomill-ring", "-p", "iomill-tests", "--message-format=json"])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // A folder of its own: other flags would rebuild everything else each time.
        .env("CARGO_TARGET_DIR", target_folder()?)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the suites do not build: see cargo's messages above".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let built: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    wanted.iter().map(|suite| Ok((*suite, executable(&built, suite)?))).collect()
}

/// Builds one program of this package as the suites are built; where it lies.
///
/// # Errors
/// When it does not build.
pub fn build_program(name: &str) -> Result<PathBuf, Fault> {
    let folder = target_folder()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "-q", "--target", TARGET, "-p", "iomill-tests", "--bin", name])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TARGET_DIR", &folder)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() {
        true => Ok(folder.join(TARGET).join("debug").join(name)),
        false => Err(format!("{name} does not build: see cargo's messages above")),
    }
}

/// The folder of static builds, beside this program's own.
///
/// # Errors
/// When this program does not know where it lies.
pub fn target_folder() -> Result<PathBuf, Fault> {
    let own = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let target = own.ancestors().nth(2).ok_or("this program lies in no build folder")?;
    Ok(target.join("kernel-matrix").join("build"))
}

fn executable(built: &[Value], suite: &Suite) -> Result<PathBuf, Fault> {
    let is_it = |message: &&Value| {
        let package = message["package_id"].as_str().unwrap_or_default();
        // `path+file:///…/ring#iomill-ring@0.1.0`: the name stands behind the last mark.
        let named = package.rsplit('#').next().unwrap_or_default();
        let is_test = message["target"]["kind"][0] == "test" && message["profile"]["test"] == true;
        let is_program =
            message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false;
        message["target"]["name"] == suite.binary
            && named.starts_with(&format!("{}@", suite.package))
            && if suite.is_features { is_program } else { is_test }
    };
    built
        .iter()
        .filter(is_it)
        .find_map(|message| message["executable"].as_str())
        .map(PathBuf::from)
        .ok_or_else(|| format!("cargo built no {} of {}", suite.binary, suite.package))
}
