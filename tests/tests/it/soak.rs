//! The soak for a few seconds, in a process of its own, because it counts the process's threads
//! and descriptors.

use std::process::Command;

#[test]
fn a_soak_of_three_seconds_finds_nothing() {
    // In memory where that is possible: a busy disk takes minutes for so many syncs.
    let in_memory = tempfile::tempdir_in("/dev/shm");
    let folder = in_memory.or_else(|_| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(["--seconds", "3", "--seed", "1", "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    let summary = said.lines().last().unwrap();
    assert!(summary.starts_with("soak: seed 1, "), "{summary}");
    assert!(summary.ends_with("; 0 violations"), "{summary}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it left something behind");
}

#[test]
fn a_wrong_command_line_is_refused() {
    for arguments in [&["--second", "3"][..], &["--seconds"], &["--seconds", "many"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("soak: "));
    }
}
