//! `docs/reference/operations.md` names every operation and every kind of error that the engine
//! exports; what it says of them is for people to check. `kernel-versions.md` is what the kernel
//! matrix writes, of all its kernels and without a failure.

use iomill_tests::matrix::KERNELS;
use iomill_tests::matrix::table::HEAD;

const PAGE: &str = include_str!("../../../docs/reference/operations.md");

/// The names between the braces that follow `start`, at the beginning of a line each or after a
/// comma; comments are left out.
fn names<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let rest = text.split_once(start).expect("the source has this list").1;
    let body = rest.split_once('}').expect("the list ends").0;
    body.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn every_operation_and_every_kind_of_error_is_on_the_page() {
    let operations = names(include_str!("../../../engine/src/lib.rs"), "pub use op::{");
    let kinds = names(include_str!("../../../engine/src/error.rs"), "pub enum ErrorKind {");
    assert!(operations.len() > 20 && kinds.len() > 15, "{operations:?}, {kinds:?}");
    // What operations have in common, and flags that stand beside theirs.
    let aside = ["Operation", "WriteFlags"];
    for name in operations.into_iter().chain(kinds).filter(|name| !aside.contains(name)) {
        assert!(PAGE.contains(&format!("`{name}`")), "{name} is not on the page");
    }
}

#[test]
fn the_page_of_kernel_versions_is_the_matrix_own_and_has_all_its_kernels() {
    let page = include_str!("../../../docs/reference/kernel-versions.md");
    assert!(page.starts_with(HEAD), "write it with kernel-matrix --markdown");
    for kernel in KERNELS {
        let line = page.lines().find(|line| line.starts_with(&format!("| {} (", kernel.name)));
        let line = line.unwrap_or_else(|| panic!("{} is not on the page", kernel.name));
        for wrong in ["not run", "failed", "broke off", "()"] {
            assert!(!line.contains(wrong), "{line}");
        }
    }
}
