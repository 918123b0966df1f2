//! The fuzzer's corpora and a few hundred mutations, for the targets that need no other program;
//! `.ci/run` runs all of them. In a process of its own, because it silences panics.

use std::process::Command;

fn fuzz(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fuzz"))
        .arg("--finds")
        .arg(folder.path())
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_corpora_and_some_mutations_find_nothing() {
    let run = ["--seconds", "600", "--seed", "1", "--cases", "150", "chains", "completions"];
    let (code, said) = fuzz(&run);
    assert_eq!(code, Some(0), "{said}");
    for target in ["chains", "completions"] {
        let line = said.lines().find(|line| line.starts_with(&format!("fuzz: {target}: ")));
        assert!(line.is_some_and(|line| line.ends_with(" inputs, 0 finds")), "{said}");
    }
}

#[test]
fn an_unknown_target_and_an_empty_corpus_are_refused() {
    let empty = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(empty.path().join("chains")).unwrap();
    let corpus = empty.path().to_str().unwrap();
    for (arguments, message) in [
        (&["chain"][..], "unknown target chain"),
        (&["--corpus", corpus, "chains"], "is empty"),
        (&["--cases"], "--cases needs a value"),
    ] {
        let (code, said) = fuzz(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(message), "{said}");
    }
}
