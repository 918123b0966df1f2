//! Rule 7: crates depend one way, read from their `Cargo.toml` files.
//!
//! It reads only what the rule needs (table names and keys) and never the versions: those stand in
//! the root manifest. `tree` calls it for each manifest.

use super::finding::Finding;

/// Each package and the members of this workspace it may depend on, also in its own tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("iomill-ring", &[]),
    ("iomill-engine", &["iomill-ring"]),
    ("bench-cli", &["iomill-engine"]),
    ("iomill-tests", &["iomill-ring", "iomill-engine", "bench-cli"]),
    ("iomill-peers", &["iomill-engine"]),
];

/// Each dependency on a member of the workspace goes down: bench-cli → engine → ring.
pub(crate) fn dependency_direction(path: &str, text: &str) -> Vec<Finding> {
    let entries = entries(text);
    let Some(package) = entries
        .iter()
        .find(|entry| entry.table == "package" && entry.key == "name")
        .map(|entry| entry.value.trim_matches('"'))
    else {
        // The root manifest is a workspace without a package, so it depends on nothing.
        return Vec::new();
    };
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package) else {
        let message = format!("package {package:?} has no place in the order of crates");
        return vec![Finding::at(path, 1, message)];
    };
    entries
        .iter()
        .filter_map(|entry| Some((entry.line, dependency(entry)?)))
        .filter(|(_, name)| ALLOWED.iter().any(|(member, _)| member == name))
        .filter(|(_, name)| !allowed.contains(name))
        .map(|(line, name)| Finding::at(path, line, format!("{package} must not depend on {name}")))
        .collect()
}

/// A key and its value with the table they stand in; a table's own head is an entry without a key.
#[derive(Debug)]
struct Entry<'a> {
    line: usize,
    table: &'a str,
    key: &'a str,
    value: &'a str,
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut table = "";
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if let Some(head) = line.strip_prefix('[') {
            table = head.trim_end_matches(']');
            entries.push(Entry { line: number, table, key: "", value: "" });
        } else if let Some((key, value)) = line.split_once('=') {
            // A comment with `=` in it becomes an entry too; its key, which keeps the `#`, is no
            // package's name.
            entries.push(Entry { line: number, table, key: key.trim(), value: value.trim() });
        }
    }
    entries
}

/// The package that this entry makes a dependency of, in any of the ways of writing it:
/// `name = …`, `name.workspace = …`, `other = { package = "name" }` and `[dependencies.name]`.
fn dependency<'a>(entry: &Entry<'a>) -> Option<&'a str> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let (last, before) = entry.table.rsplit_once('.').map_or((entry.table, ""), |(a, b)| (b, a));
    if entry.key.is_empty() {
        let kind = before.rsplit('.').next().unwrap_or_default();
        return KINDS.contains(&kind).then_some(last);
    }
    if !KINDS.contains(&last) {
        return None;
    }
    if let Some((_, renamed)) = entry.value.split_once("package") {
        return renamed.split('"').nth(1);
    }
    entry.key.split('.').next()
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_fires, assert_silent};
    use super::*;

    fn check(name: &str, rest: &str) -> Vec<Finding> {
        dependency_direction("Cargo.toml", &format!("[package]\nname = \"{name}\"\n{rest}"))
    }

    #[test]
    fn dependency_that_goes_up_is_found_however_it_is_written() {
        for (line, bad) in [
            (4, "[dependencies]\nbench-cli.workspace = true\n"),
            (4, "[dev-dependencies]\nbench-cli = { path = \"../bench-cli\" }\n"),
            (4, "[target.'cfg(unix)'.dependencies]\nbench-cli.workspace = true\n"),
            (4, "[dependencies]\nbench = { package = \"bench-cli\", path = \"b\" }\n"),
            (3, "[build-dependencies.bench-cli]\npath = \"../bench-cli\"\n"),
        ] {
            assert_fires(&check("iomill-engine", bad), line, "must not depend on bench-cli");
        }
    }

    #[test]
    fn neighbour_two_steps_down_is_not_reached_past_the_engine() {
        let direct = "[dependencies]\niomill-ring.workspace = true\n";
        assert_fires(&check("bench-cli", direct), 4, "must not depend on iomill-ring");
        assert_silent(&check("iomill-engine", direct));
    }

    #[test]
    fn foreign_crates_comments_and_the_root_are_left_alone() {
        assert_silent(&check(
            "iomill-ring",
            "[dependencies]\nlibc.workspace = true\n# bench-cli = 1",
        ));
        let root = "[workspace.dependencies]\niomill-engine = { path = \"engine\" }\n";
        assert_silent(&dependency_direction("Cargo.toml", root));
    }

    #[test]
    fn unknown_package_must_be_given_a_place() {
        assert_fires(&check("iomill-extra", ""), 1, "no place in the order");
    }
}
