//! `docs/reference/operations.md` names every operation and every kind of error that the engine
//! exports. What the page says of them is for people to check.

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
