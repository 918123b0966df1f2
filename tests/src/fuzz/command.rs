//! `bench-cli` on command lines, job files and result files that nobody would write: it says what
//! is wrong, and ends by itself with an exit code of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program that needs longer than this hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Where the program lies and where it may write.
#[derive(Clone, Debug)]
pub(super) struct Place {
    program: PathBuf,
    folder: PathBuf,
}

impl Place {
    /// Builds `bench-cli` as this program was built.
    pub(super) fn new(folder: &Path) -> Result<Self, String> {
        let me = std::env::current_exe().map_err(|error| error.to_string())?;
        let program = me.with_file_name("bench-cli");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "-q", "-p", "bench-cli"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.status().map_err(|error| format!("cargo: {error}"))?;
        if !built.success() || !program.exists() {
            return Err(format!("cargo did not build {}", program.display()));
        }
        let folder = fs::canonicalize(folder).map_err(|error| error.to_string())?;
        Ok(Self { program, folder })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        fs::write(self.folder.join(name), bytes).map_err(|error| format!("{name}: {error}"))
    }

    /// Runs it with these words; an exit code that is none of its own is a find.
    fn run(&self, words: &[&str]) -> Result<(), String> {
        let errors = self.folder.join("stderr");
        let file = fs::File::create(&errors).map_err(|error| error.to_string())?;
        let mut child = Command::new(&self.program)
            .args(words)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|error| error.to_string())?;
        let begin = Instant::now();
        let status: ExitStatus = loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if begin.elapsed() > LIMIT => {
                    child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
                    return Err(format!("it did not end in {LIMIT:?}: {words:?}"));
                }
                None => std::thread::sleep(Duration::from_micros(500)),
            }
        };
        let said = fs::read(&errors).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        match status.code() {
            Some(0) => Ok(()),
            Some(1 | 2) if !said.trim().is_empty() && !said.contains("panicked") => Ok(()),
            _ => Err(format!("{status}, and it said: {}", said.trim())),
        }
    }

    /// Words of a job, which is only looked at.
    pub(super) fn command_line(&self, bytes: &[u8]) -> Result<(), String> {
        let text = harmless(bytes);
        // First, so that nothing can take it for a value of its own.
        let words = ["run", "--parse-only"].into_iter();
        let words: Vec<&str> = words.chain(text.split_whitespace().take(64)).collect();
        self.run(&words)
    }

    /// A job file, which is only looked at.
    pub(super) fn job_file(&self, bytes: &[u8]) -> Result<(), String> {
        self.write("job.fio", harmless(bytes).as_bytes())?;
        self.run(&["run", "--parse-only", "job.fio"])
    }

    /// Result files, beside one that is good.
    pub(super) fn results(&self, bytes: &[u8]) -> Result<(), String> {
        let good = include_bytes!("../../corpus/results/ours.json");
        self.write("good.json", good)?;
        self.write("result.json", bytes)?;
        self.run(&["compare", "good.json", "result.json"])?;
        self.run(&["merge", "good.json", "result.json"])?;
        self.run(&["plot", "result.json", "--output=picture.html"])?;
        self.run(&["plot", "result.json", "--output=picture.svg"])
    }
}

/// The text, without what would make the job run in earnest, and without what no argument can hold.
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    match text.to_ascii_lowercase().contains("pars") {
        true => String::new(),
        false => text,
    }
}
