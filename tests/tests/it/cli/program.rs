//! Builds `bench-cli` once and runs it in a folder of its own.
//!
//! It never judges what the program said: the other modules of `cli` do.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::{fmt, fs};

use serde_json::Value;
use tempfile::TempDir;

/// The program that takes io_uring away from another one.
pub(super) const WITHOUT_IO_URING: &str = env!("CARGO_BIN_EXE_without-io-uring");

/// Where `bench-cli` lies; the first caller builds it. Cargo tells the paths of a package's own
/// programs only, and this one belongs to another package.
pub(super) fn bench_cli() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            // The same features as `cargo test --workspace` has, so that little is left to build.
            .args(["build", "--workspace", "--bins", "--tests"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "bench-cli does not build");
        let messages = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
        let executable = messages.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let path = PathBuf::from(message["executable"].as_str()?);
            // The program's own unit tests are an executable too, with a longer name.
            (path.file_name() == Some(OsStr::new("bench-cli"))).then_some(path)
        });
        executable.expect("cargo tells where bench-cli lies")
    })
}

/// A folder to run `bench-cli run` in, removed at the end.
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Place {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the test");
        Place { folder }
    }

    /// A new file of this length with bytes that are not zero.
    pub(super) fn file(&self, name: &str, len_bytes: usize) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, vec![b'a'; len_bytes]).expect("the folder takes a file");
        path
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names in the folder, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("readable").file_name().into_string().expect("plain names"))
            .collect();
        names.sort();
        names
    }

    /// `bench-cli run` with these arguments, in this folder.
    pub(super) fn run(&self, arguments: &[&str]) -> Said {
        self.run_by(Command::new(bench_cli()), arguments)
    }

    /// The same through a command that ends with the path of `bench-cli`.
    pub(super) fn run_by(&self, mut command: Command, arguments: &[&str]) -> Said {
        command.arg("run").args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Said::new(output, format!("bench-cli run {}", arguments.join(" ")))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What the program said and how it ended.
pub(super) struct Said {
    line: String,
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl fmt::Debug for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { line, code, stdout, stderr } = self;
        write!(out, "`{line}` ended with {code:?}\n--- stdout:\n{stdout}--- stderr:\n{stderr}")
    }
}

impl Said {
    pub(super) fn new(output: Output, line: String) -> Said {
        Said {
            line,
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// The report, where the run succeeded and stdout is JSON from its first byte to its last.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.json_of_any_end()
    }

    /// The same however the run ended.
    #[track_caller]
    pub(super) fn json_of_any_end(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not clean JSON: {error}: {self:?}"))
    }

    /// Asserts a refusal: not a success, nothing on stdout, and one line on stderr with all parts.
    #[track_caller]
    pub(super) fn assert_refused_with(&self, parts: &[&str]) {
        assert!(matches!(self.code, Some(1..=125)), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "not one line: {self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "stderr does not say {part:?}: {self:?}");
        }
    }
}
