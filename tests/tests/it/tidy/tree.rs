//! Walks the repository and applies every check of `tidy` to every file it is about.
//!
//! It never follows links and never looks into build output or git's own folder. The list of files
//! that may hold `unsafe` stands here, with a reason each.

use std::fs;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::{manifest, text, tokens};

/// The files of `engine` that may hold unsafe code, each with its reason: they own memory that the
/// kernel writes, or stand in for what does. `ring` is allowed as a whole, and so are the rivals in
/// `tests/peers`, some of whose traits are unsafe.
const UNSAFE_ENGINE_FILES: &[(&str, &str)] = &[
    (
        "engine/benches/bare_loop.rs",
        "a loop on the ring alone, beside which the engine is measured",
    ),
    ("engine/src/backend/beside.rs", "hands requests in flight on to helpers"),
    ("engine/src/backend/call.rs", "system calls on the memory of requests in flight"),
    ("engine/src/backend/link_tests.rs", "vouches to a backend for the memory of its requests"),
    ("engine/src/backend/mod.rs", "the contract with a backend: who may touch memory, and when"),
    ("engine/src/backend/request.rs", "a request's addresses travel to the backend's threads"),
    ("engine/src/backend/routed.rs", "makes system calls on the memory of requests in flight"),
    ("engine/src/backend/routed_tests.rs", "vouches to a backend for the memory of its requests"),
    ("engine/src/backend/sim/backend.rs", "vouches for what is in flight on a simulated disk"),
    ("engine/src/backend/sim/memory.rs", "copies to and from the memory of requests"),
    ("engine/src/backend/threads.rs", "helpers read and write buffers of requests in flight"),
    ("engine/src/backend/uring.rs", "the kernel reads and writes buffers of requests in flight"),
    ("engine/src/buffer/class.rs", "owns the memory of all buffers of one size"),
    ("engine/src/buffer/foreign.rs", "takes memory of the caller's, and gives it back"),
    ("engine/src/buffer/guard.rs", "is the only way to a piece of memory"),
    ("engine/src/buffer/list.rs", "owns the kernel's description of several buffers"),
    ("engine/src/buffer/mapping.rs", "maps memory, and says what the kernel may do with it"),
    ("engine/src/buffer/plain_mapping.rs", "owns the memory of a pool, on other systems"),
    ("engine/src/buffer/poison.rs", "looks at memory that nobody is to write to"),
    ("engine/src/callback.rs", "stores callbacks of any type inline, without the heap"),
    ("engine/src/file.rs", "takes ownership of descriptors, and gives it up"),
    ("engine/src/slot.rs", "moves a vector on after a short transfer"),
    ("engine/src/lanes/probe.rs", "vouches for the memory of the probe's own requests"),
    ("engine/src/metadata.rs", "owns the memory of the kernel's answer"),
    ("engine/src/platform/linux.rs", "system calls that name the memory of requests"),
    ("engine/src/platform/unix.rs", "system calls that name the memory of requests"),
    ("engine/src/pool.rs", "registers memory that it owns"),
    ("engine/src/shutdown.rs", "drops the backend, or forgets it with what it may still write to"),
    ("engine/src/turn.rs", "vouches to the backend for what is in flight"),
    ("engine/tests/it/allocations.rs", "a counting allocator is an unsafe trait"),
    ("engine/tests/it/caller_buffers.rs", "memory of a caller's implements the unsafe trait"),
    ("engine/tests/it/chain_operations.rs", "counts descriptors in a table of the test's own"),
    ("engine/tests/it/faults.rs", "a backend that injects faults implements the unsafe trait"),
    ("engine/tests/it/futures.rs", "a backend that never completes implements the unsafe trait"),
    ("engine/tests/it/hostile_backend.rs", "a backend that lies implements the unsafe trait"),
    ("engine/tests/it/memory_limits.rs", "changes the user, and forks"),
    ("engine/tests/it/scripted.rs", "a backend that follows a script implements the unsafe trait"),
    ("tests/src/bin/guest-features.rs", "pushes single entries into a ring, to see what is taken"),
    ("engine/tests/it/stuck.rs", "a backend that never completes implements the unsafe trait"),
    ("engine/tests/it/whole_files.rs", "asks for a lease, which tells whether a file is open"),
    ("tests/src/fuzz/completions.rs", "a backend that lies implements the unsafe trait"),
];

/// Folders that hold nothing written for this repository.
const SKIPPED_FOLDERS: [&str; 2] = ["target", ".git"];

/// Endings of the files people write here; a file without an ending (`.ci/run`) counts too.
const TEXT_ENDINGS: [&str; 5] = ["rs", "toml", "md", "yml", "json"];

#[test]
fn every_file_keeps_the_house_rules() {
    let root = repository();
    let files = files_below(&root);
    assert!(files.len() >= 20, "only {} files found below {}", files.len(), root.display());
    let mut findings = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().to_str().expect("names are plain text");
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"));
        findings.extend(check(path, &text));
    }
    let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn every_leave_for_unsafe_is_used() {
    for (path, reason) in UNSAFE_ENGINE_FILES.iter().copied() {
        assert!(!reason.is_empty(), "{path} may hold unsafe code, but why?");
        let text = fs::read_to_string(repository().join(path))
            .unwrap_or_else(|error| panic!("{path} is on the list, but: {error}"));
        assert!(tokens::holds_unsafe(path, &text), "{path} holds no unsafe code: take it off");
    }
}

/// All findings in one file, whose path is relative to the repository.
fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = text::name(path);
    findings.extend(text::leftovers(path, text));
    if !path.ends_with(".md") && !path.ends_with(".json") && !path.starts_with("LICENSE") {
        findings.extend(text::columns(path, text));
    }
    if path.ends_with("Cargo.toml") {
        findings.extend(manifest::dependency_direction(path, text));
    }
    if path.ends_with(".rs") {
        findings.extend(text::file_length(path, text));
        findings.extend(text::header(path, text));
        findings.extend(tokens::function_length(path, text));
        findings.extend(tokens::safety_comments(path, text));
        findings.extend(tokens::forbidden_macros(path, text));
        if !may_hold_unsafe(path) {
            findings.extend(tokens::no_unsafe(path, text));
        }
        if path.contains("/examples/") {
            findings.extend(text::example(path, text));
        }
    }
    findings
}

fn may_hold_unsafe(path: &str) -> bool {
    path.starts_with("ring/")
        || path.starts_with("tests/peers/")
        || UNSAFE_ENGINE_FILES.iter().any(|(allowed, _)| *allowed == path)
}

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package lies in the repository").to_owned()
}

fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let name = entry.file_name();
            let name = name.to_str().expect("names are plain text");
            if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name) {
                folders.push(entry.path());
            } else if kind.is_file() && is_text(name) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

fn is_text(name: &str) -> bool {
    match Path::new(name).extension() {
        Some(ending) => TEXT_ENDINGS.iter().any(|known| ending == *known),
        None => !name.starts_with('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_fires, assert_silent};
    use super::*;

    #[test]
    fn checks_are_applied_by_kind_of_file() {
        let block = "//! Owns a.\n// SAFETY: b is fine.\nconst A: u8 = unsafe { b() };\n";
        assert_silent(&check("ring/src/a.rs", block));
        assert_fires(&check("bench-cli/src/a.rs", block), 3, "outside ring");
        assert_fires(&check("ring/examples/a.rs", "//! A.\n"), 1, "lacks the command line");
        assert_silent(&check("README.md", &"| wide table ".repeat(20)));
        assert_fires(&check(".ci/run", &"echo ".repeat(21)), 1, "105 columns");
    }

    #[test]
    fn build_output_and_binary_files_are_not_looked_at() {
        assert!(is_text("main.rs") && is_text("run") && is_text("LICENSE-MIT"));
        assert!(!is_text("a.png") && !is_text(".gitignore"));
        let seen = files_below(&repository());
        assert!(seen.iter().any(|file| file.ends_with(".ci/run")), "hidden folders are walked");
        assert!(!seen.iter().any(|file| file.iter().any(|part| part == "target")));
    }
}
