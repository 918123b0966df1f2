//! What `target` accepts, creates and refuses.

use super::*;
use crate::options::{Settings, find};
use tempfile::TempDir;

/// A directory that is removed after the test, and a job in it.
struct Place {
    directory: TempDir,
    created: CreatedFiles,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Place { directory, created: CreatedFiles::default() }
    }

    fn existing(&self, len_bytes: usize) -> String {
        let path = self.directory.path().join("existing");
        std::fs::write(&path, vec![7; len_bytes]).expect("written");
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn prepare(&self, options: &[(&str, &str)]) -> Result<Target, Error> {
        let mut settings = Settings::default();
        for (name, text) in options {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        let spec = &settings.job;
        let mut targets = prepare(spec, 0, &self.created, &Interrupt::default())?;
        Ok(targets.remove(0))
    }

    fn refusal(&self, options: &[(&str, &str)]) -> String {
        let error = self.prepare(options).expect_err("refused");
        assert_eq!(error.exit_code(), 2, "{error}");
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }
}

#[test]
fn a_read_job_without_filename_lays_out_its_own_file() {
    let place = Place::new();
    let directory = place.path("");
    let target = place
        .prepare(&[("name", "x"), ("directory", &directory), ("size", "64k"), ("offset", "4k")])
        .expect("created");
    assert!(target.path.ends_with("x.0.0"));
    assert_eq!(target.region.first_byte, 4096);
    assert_eq!(target.region.len_bytes, 16 * 4096);
    let bytes = std::fs::read(&target.path).expect("readable");
    assert_eq!(bytes.len(), 68 * 1024);
    assert!(bytes.iter().filter(|&&byte| byte == 0).count() < bytes.len() / 64, "not zeros");
    place.created.remove_all();
    assert!(!target.path.exists());
}

#[test]
fn a_file_that_was_there_is_read_and_not_removed() {
    let place = Place::new();
    let path = place.existing(40_000);
    let target = place.prepare(&[("filename", &path), ("rw", "randread")]).expect("accepted");
    // 40000 bytes hold nine whole blocks of 4096.
    assert_eq!(target.region.len_bytes, 9 * 4096);
    place.created.remove_all();
    assert!(target.path.exists());
}

#[test]
fn writes_to_foreign_files_need_allow_overwrite() {
    let place = Place::new();
    let path = place.existing(8192);
    for rw in ["write", "randwrite", "rw", "randrw"] {
        let refusal = place.refusal(&[("filename", &path), ("rw", rw)]);
        assert!(refusal.contains("--allow_overwrite") && refusal.contains(&path), "{refusal}");
    }
    let options = [("filename", path.as_str()), ("rw", "write"), ("allow_overwrite", "1")];
    assert_eq!(place.prepare(&options).expect("allowed").region.len_bytes, 2 * 4096);
}

#[test]
fn a_write_job_creates_a_missing_file_and_reserves_its_space() {
    let place = Place::new();
    let path = place.path("new");
    let options = [("filename", path.as_str()), ("rw", "write"), ("size", "64k")];
    let target = place.prepare(&options).expect("created");
    assert_eq!(std::fs::metadata(&target.path).expect("stat").len(), 65_536);
    place.created.remove_all();
    assert!(!target.path.exists());
}

#[test]
fn a_read_job_does_not_create_the_file_it_names() {
    let place = Place::new();
    let path = place.path("missing");
    let refusal = place.refusal(&[("filename", &path), ("size", "1m")]);
    assert!(refusal.contains("does not exist") && refusal.contains(&path), "{refusal}");
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn a_new_file_needs_a_size() {
    let place = Place::new();
    let path = place.path("new");
    let refusal = place.refusal(&[("filename", &path), ("rw", "write")]);
    assert!(refusal.contains("--size"), "{refusal}");
}

#[test]
fn a_read_beyond_the_end_names_both_sizes() {
    let place = Place::new();
    let path = place.existing(8192);
    let refusal = place.refusal(&[("filename", &path), ("size", "64k")]);
    assert!(refusal.contains("65536") && refusal.contains("8192"), "{refusal}");
    let refusal = place.refusal(&[("filename", &path), ("offset", "8k")]);
    assert!(refusal.contains("--offset=8192"), "{refusal}");
}

#[test]
fn directories_and_special_files_are_refused() {
    let place = Place::new();
    let directory = place.path("");
    assert!(place.refusal(&[("filename", &directory)]).contains("is a directory"));
    assert!(place.refusal(&[("filename", "/dev/null")]).contains("neither"));
    let inside = place.path("no/such/directory/file");
    let options = [("filename", inside.as_str()), ("rw", "write"), ("size", "1m")];
    assert!(place.refusal(&options).contains("create its directory"));
}

#[test]
fn unaligned_direct_jobs_name_the_alignment() {
    let place = Place::new();
    let path = place.existing(1 << 16);
    if let Err(error) = place.prepare(&[("filename", &path), ("direct", "1")]) {
        println!("skipped: no direct I/O in the temporary directory: {error}");
        return;
    }
    for (name, value) in [("bs", "1000"), ("offset", "100"), ("size", "10000")] {
        let refusal = place.refusal(&[("filename", &path), ("direct", "1"), (name, value)]);
        assert!(refusal.starts_with(&format!("--{name}={value}")), "{refusal}");
        assert!(refusal.contains("multiple of "), "{refusal}");
    }
}

#[test]
fn a_full_disk_is_an_io_error_with_advice() {
    let error = cannot("lay out", Path::new("x"), &io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("free some space"), "{error}");
}

#[test]
fn an_interrupt_during_the_layout_ends_the_run() {
    let place = Place::new();
    let interrupt = Interrupt::default();
    interrupt.raise();
    let directory = place.directory.path().to_owned();
    let spec = JobSpec {
        directory: Some(directory),
        size: Some(Amount::Bytes(1 << 20)),
        ..JobSpec::default()
    };
    let error = prepare(&spec, 0, &place.created, &interrupt).expect_err("interrupted");
    assert_eq!(error.exit_code(), 130);
}
