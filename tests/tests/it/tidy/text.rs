//! The rules that lines of text can answer: lengths, headers, names, leftovers, examples.
//!
//! It never needs to know what is code and what is a comment: `tokens` owns those rules. `tree`
//! calls it for each file.

use std::path::Path;

use super::finding::Finding;

const FILE_LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 100;
const EXAMPLE_LINES_MAX: usize = 120;

/// File names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] =
    ["utils", "util", "common", "helpers", "helper", "misc", "miscellaneous"];

// Cut in two, because this file is checked as well.
const LEFTOVERS: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:")];
const HOME_PATHS: [&str; 3] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Rule 1: a file of more than 400 lines gives its reason in its first line.
pub(crate) fn file_length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    let first = text.lines().next().unwrap_or_default();
    if lines <= FILE_LINES_MAX || first.contains("because") {
        return Vec::new();
    }
    vec![Finding::at(
        path,
        1,
        format!("{lines} lines: split it, or give the reason in the first line (\"… because …\")"),
    )]
}

/// Rule 2, first half: no line is wider than 100 columns.
pub(crate) fn columns(path: &str, text: &str) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.chars().count()))
        .filter(|(_, columns)| *columns > COLUMNS_MAX)
        .map(|(line, columns)| Finding::at(path, line, format!("{columns} columns: wrap at 100")))
        .collect()
}

/// Rule 5: a file opens with a `//!` header that says something. Before it an example may hold the
/// command that runs it.
pub(crate) fn header(path: &str, text: &str) -> Vec<Finding> {
    let mut lines = text
        .lines()
        .skip_while(|line| path.contains("/examples/") && line.starts_with("// cargo run "));
    match lines.next().and_then(|line| line.strip_prefix("//!")) {
        Some(words) if !words.trim().is_empty() => Vec::new(),
        _ => vec![Finding::at(
            path,
            1,
            "no header: open with `//!` and say what the file owns, what it never does, who \
             calls it",
        )],
    }
}

/// Rule 3: a file is named by its noun.
pub(crate) fn name(path: &str) -> Vec<Finding> {
    let parts = Path::new(path).with_extension("");
    let empty =
        parts.iter().filter_map(|part| part.to_str()).find(|part| EMPTY_NAMES.contains(part));
    match empty {
        Some(part) => {
            vec![Finding::at(path, 1, format!("{part:?} says nothing: name the file by its noun"))]
        }
        None => Vec::new(),
    }
}

/// No note to self and no path of somebody's home is left behind, in code or in prose.
pub(crate) fn leftovers(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in LEFTOVERS.iter().filter(|word| line.contains(**word)) {
            findings.push(Finding::at(path, index + 1, format!("{word}: do it or drop it")));
        }
        for home in HOME_PATHS.iter().filter(|home| line.contains(**home)) {
            findings.push(Finding::at(path, index + 1, format!("{home}: a path of one machine")));
        }
    }
    findings
}

/// Rule 37: an example is short, and its first comment holds the command that runs it.
pub(crate) fn example(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > EXAMPLE_LINES_MAX {
        findings.push(Finding::at(path, 1, format!("{lines} lines: an example has at most 120")));
    }
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let wanted = format!("--example {stem}");
    let mut first_comment = text.lines().take_while(|line| line.starts_with("//"));
    if !first_comment.any(|line| line.contains("cargo run") && line.contains(&wanted)) {
        findings.push(Finding::at(
            path,
            1,
            format!("the first comment lacks the command line: `cargo run … {wanted} …`"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_fires, assert_silent};
    use super::*;

    #[test]
    fn file_over_400_lines_needs_a_reason_in_its_first_line() {
        let body = "a\n".repeat(400);
        assert_silent(&file_length("a.rs", &body));
        assert_fires(&file_length("a.rs", &format!("//! A.\n{body}")), 1, "401 lines");
        assert_silent(&file_length("a.rs", &format!("//! Long because it is a table.\n{body}")));
    }

    #[test]
    fn line_over_100_columns_is_found_and_columns_are_characters() {
        assert_silent(&columns("a.rs", &"é".repeat(100)));
        assert_fires(&columns("a.rs", &format!("a\n{}\n", "b".repeat(101))), 2, "101 columns");
    }

    #[test]
    fn file_without_a_header_is_found() {
        assert_silent(&header("a.rs", "//! Owns a.\n"));
        for bad in ["", "use a;\n", "// Owns a.\n", "//!\n//! Owns a.\n", "\n//! Owns a.\n"] {
            assert_fires(&header("a.rs", bad), 1, "no header");
        }
        let example = "// cargo run --example a\n//! Shows a.\n";
        assert_silent(&header("ring/examples/a.rs", example));
        assert_fires(&header("ring/src/a.rs", example), 1, "no header");
    }

    #[test]
    fn name_without_a_noun_is_found_for_files_and_folders() {
        assert_silent(&name("engine/src/common_prefix.rs"));
        assert_fires(&name("engine/src/utils.rs"), 1, "\"utils\"");
        assert_fires(&name("engine/src/helpers/mod.rs"), 1, "\"helpers\"");
    }

    #[test]
    fn notes_to_self_and_home_paths_are_found() {
        assert_silent(&leftovers("a.md", "the roots of a tree, /homepage, todo lists\n"));
        assert_fires(&leftovers("a.rs", concat!("a\n// FIX", "ME: later\n")), 2, "do it");
        assert_fires(&leftovers("a.rs", concat!("// TO", "DO later\n")), 1, "do it");
        assert_fires(&leftovers("a.md", concat!("in `/ho", "me/ann/a`\n")), 1, "one machine");
        assert_fires(&leftovers("a.md", concat!("\n\n/ro", "ot/a\n")), 3, "one machine");
    }

    #[test]
    fn example_is_short_and_opens_with_its_command() {
        let good = "//! Reads a file: `cargo run -p x --example nop -- FILE`.\nfn main() {}\n";
        assert_silent(&example("ring/examples/nop.rs", good));
        assert_fires(&example("ring/examples/read.rs", good), 1, "--example read");
        let late = "//! Reads.\nfn main() {}\n// cargo run --example nop\n";
        assert_fires(&example("ring/examples/nop.rs", late), 1, "lacks the command line");
        let long = format!("{good}{}", "\n".repeat(120));
        assert_fires(&example("ring/examples/nop.rs", &long), 1, "122 lines");
    }
}
