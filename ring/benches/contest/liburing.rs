//! liburing's side of the contest: compiles `loop.c` when the bench runs and starts it once per
//! measured run. Where `cc` or liburing is missing it says which; it never installs anything. The C
//! compiler may use all instructions of this CPU, which the Rust sides do not.

use super::{Load, Work};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The compiled loop, in a folder that goes with it.
#[derive(Debug)]
pub(super) struct Program {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    /// Compiles the loop, or says why it cannot be had.
    pub(super) fn compile() -> Result<Self, String> {
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let path = folder.path().join("loop");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/contest/loop.c");
        let output = Command::new("cc")
            .args(["-O3", "-march=native", "-Wall", "-Werror", "-o"])
            .arg(&path)
            .args([source, "-luring"])
            .output()
            .map_err(|error| format!("no C compiler: cc: {error}"))?;
        if output.status.success() {
            return Ok(Self { _folder: folder, path });
        }
        let message = String::from_utf8_lossy(&output.stderr);
        let first = message.lines().find(|line| line.contains("error")).unwrap_or("no message");
        Err(format!("cc with -luring failed (is liburing-dev there?): {first}"))
    }

    /// One measured run in a process of its own.
    pub(super) fn measure(&self, load: &Load, file: &Path, blocks: u64) -> Duration {
        let work = match load.work {
            Work::Nop => "nop",
            Work::FixedRead => "read",
        };
        let output = Command::new(&self.path)
            .args([work, &load.batch.to_string(), &load.batches.to_string()])
            .arg(file)
            .arg(blocks.to_string())
            .output()
            .expect("the program was just compiled");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the loop on liburing failed: {message}");
        let nanoseconds = String::from_utf8_lossy(&output.stdout);
        Duration::from_nanos(nanoseconds.trim().parse().expect("the loop prints nanoseconds"))
    }
}
