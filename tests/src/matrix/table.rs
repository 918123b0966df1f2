//! Shows the matrix: for the terminal, and as the page `docs/reference/kernel-versions.md`; and
//! says what is not as it was expected.

use super::outcome::{Guest, Outcome};
use super::run::Line;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What was seen when the matrix last stood, kernel by kernel: the skips that are expected, one
/// line each: `KERNEL SUITE DISK TEST`. A kernel that lacks something is no failure; a test that is
/// skipped for any other reason is.
const EXPECTED: &str = include_str!("expected.txt");

/// What stands above the tables on the page.
pub const HEAD: &str = "# Kernel versions\n\n\
    What this project's own suites say on the kernels of Debian's archive, in virtual machines: \
    the whole\noutput of one run of `cargo run -p iomill-tests --bin kernel-matrix -- --markdown \
    docs/reference/kernel-versions.md`.\n\n";

/// The matrix as Markdown, which also reads well on a terminal.
pub fn markdown(lines: &[Line]) -> String {
    let mut text = String::new();
    results(lines, &mut text);
    features(lines, &mut text);
    skips(lines, &mut text);
    text
}

fn results(lines: &[Line], text: &mut String) {
    text.push_str(
        "## Suites\n\nTests that passed, and in brackets those that skipped something.\n\n",
    );
    let columns: BTreeSet<&(String, String)> =
        guests(lines).flat_map(|(_, guest)| guest.outcomes.keys()).collect();
    let columns: Vec<_> = columns.into_iter().filter(|(suite, _)| suite != "features").collect();
    let titles = columns.iter().map(|(suite, disk)| format!("{suite}, {disk}"));
    row(text, ["kernel".to_owned()].into_iter().chain(titles));
    rule(text, columns.len() + 1);
    for (name, result) in lines {
        let cells = columns.iter().map(|key| match result {
            Ok(guest) => guest.outcomes.get(*key).map_or("not run".to_owned(), cell),
            Err(_) => "not run".to_owned(),
        });
        let version = result.as_ref().map_or("", |guest| guest.version.as_str());
        row(text, [format!("{name} ({version})")].into_iter().chain(cells));
    }
    for (name, fault) in
        lines.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?)))
    {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{name}: {fault}");
    }
}

fn cell(outcome: &Outcome) -> String {
    let mut cell = format!("{} ({})", outcome.passed.len(), skipped_tests(outcome));
    if !outcome.failed.is_empty() {
        let _ = write!(cell, ", **{} failed**", outcome.failed.len());
    } else if !outcome.is_good() {
        cell.push_str(", **broke off**");
    }
    cell
}

fn features(lines: &[Line], text: &mut String) {
    text.push_str(
        "\n## Features\n\nOn the disk `nvme`, an emulated one with polled queues, but for \
         `RWF_ATOMIC on XFS`.\n\n",
    );
    let of = |guest: &Guest| {
        let on =
            |disk: &str| guest.outcomes.get(&("features".to_owned(), disk.to_owned())).cloned();
        let mut features = on("nvme").unwrap_or_default().features;
        if let Some(answer) = on("xfs").unwrap_or_default().features.remove("RWF_ATOMIC") {
            features.insert("RWF_ATOMIC on XFS".to_owned(), answer);
        }
        features
    };
    let found: Vec<_> = guests(lines).map(|(name, guest)| (name, of(guest))).collect();
    let names: BTreeSet<&String> = found.iter().flat_map(|(_, found)| found.keys()).collect();
    row(
        text,
        ["feature".to_owned()].into_iter().chain(found.iter().map(|(name, _)| (*name).to_owned())),
    );
    rule(text, found.len() + 1);
    for name in names {
        let cells = found.iter().map(|(_, found)| found.get(name).cloned().unwrap_or("-".into()));
        row(text, [name.clone()].into_iter().chain(cells));
    }
}

fn skips(lines: &[Line], text: &mut String) {
    text.push_str("\n## What is skipped\n\n");
    // Of one test and reason the kernels, in the order of the matrix.
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (kernel, guest) in guests(lines) {
        for ((suite, _), outcome) in &guest.outcomes {
            for (test, reason) in &outcome.skipped {
                let line = format!("{suite}, `{test}`: {}", short(reason, &guest.version));
                let kernels = reasons.entry(line).or_default();
                if !kernels.contains(&kernel) {
                    kernels.push(kernel);
                }
            }
        }
    }
    if reasons.is_empty() {
        text.push_str("Nothing.\n");
    }
    for (line, kernels) in reasons {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {} ({})", line, kernels.join(", "));
    }
}

/// A reason without the kernel's version, so that kernels share it, and without advice.
fn short(reason: &str, version: &str) -> String {
    let plain = reason.replace(&format!(" ({version})"), "");
    let end = [" also alone", ": the kernel is too old", "; "];
    let end = end.iter().filter_map(|mark| plain.find(mark)).min().unwrap_or(plain.len());
    plain[..end].to_owned()
}

/// The matrix in one line.
pub fn summary(lines: &[Line]) -> String {
    let outcomes: Vec<&Outcome> =
        guests(lines).flat_map(|(_, guest)| guest.outcomes.values()).collect();
    let sum = |count: fn(&Outcome) -> usize| -> usize {
        outcomes.iter().map(|outcome| count(outcome)).sum()
    };
    format!(
        "kernel matrix: {} kernels, {} tests passed, {} skipped something, {} failed, {} findings",
        lines.len(),
        sum(|outcome| outcome.passed.len()),
        sum(skipped_tests),
        sum(|outcome| outcome.failed.len()),
        unexpected(lines).len()
    )
}

fn skipped_tests(outcome: &Outcome) -> usize {
    outcome.skipped.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len()
}

/// Everything that is not as expected, one line each: failures, guests that broke off, and skips
/// that are not in the list.
pub fn unexpected(lines: &[Line]) -> Vec<String> {
    let expected: BTreeSet<&str> = EXPECTED.lines().filter(|line| !line.starts_with('#')).collect();
    let mut found = Vec::new();
    for (kernel, result) in lines {
        let guest = match result {
            Ok(guest) => guest,
            Err(fault) => {
                found.push(format!("{kernel}: {fault}"));
                continue;
            }
        };
        if !guest.is_complete {
            found.push(format!("{kernel}: the guest did not come to its end"));
        }
        found.extend(guest.missing_disks.iter().map(|disk| format!("{kernel}: no disk {disk}")));
        for ((suite, disk), outcome) in &guest.outcomes {
            let place = format!("{kernel} {suite} {disk}");
            found.extend(outcome.failed.iter().map(|test| format!("{place} {test} failed")));
            if !outcome.is_good() && outcome.failed.is_empty() {
                let status = outcome.status.map_or("none".to_owned(), |status| status.to_string());
                found.push(format!("{place} broke off: status {status}"));
            }
            for line in skip_lines(kernel, suite, disk, outcome) {
                if !expected.contains(line.as_str()) {
                    found.push(format!("skipped, but that was not expected: {line}"));
                }
            }
        }
    }
    found
}

/// The skips as `expected.txt` lists them.
pub fn skip_list(lines: &[Line]) -> Vec<String> {
    let all = guests(lines).flat_map(|(kernel, guest)| {
        guest
            .outcomes
            .iter()
            .flat_map(move |((suite, disk), outcome)| skip_lines(kernel, suite, disk, outcome))
    });
    all.collect()
}

fn skip_lines(kernel: &str, suite: &str, disk: &str, outcome: &Outcome) -> BTreeSet<String> {
    let lines = outcome.skipped.iter().map(|(test, _)| format!("{kernel} {suite} {disk} {test}"));
    lines.collect()
}

fn guests(lines: &[Line]) -> impl Iterator<Item = (&'static str, &Guest)> {
    lines.iter().filter_map(|(name, result)| Some((*name, result.as_ref().ok()?)))
}

fn row(text: &mut String, cells: impl Iterator<Item = String>) {
    for cell in cells {
        let _ = write!(text, "| {cell} ");
    }
    text.push_str("|\n");
}

fn rule(text: &mut String, columns: usize) {
    text.push_str(&"|---".repeat(columns));
    text.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::outcome::read;

    const CONSOLE: &str = "@@ kernel 6.1.0\n@@ begin ring ext4\ntest a ... ok\ntest b ... ok\n\
        ---- b stdout ----\nskipped: this kernel (6.1.0) refuses SetupFlags(X) also alone: old\n\
        @@ end ring ext4 0\n@@ done\n";

    #[test]
    fn a_skip_is_shown_with_its_reason_and_is_a_finding_where_nobody_expects_it() {
        let lines: [Line; 2] = [("6.1", Ok(read(CONSOLE))), ("9.9", Err("no such".to_owned()))];
        let page = markdown(&lines);
        assert!(page.contains("- ring, `b`: this kernel refuses SetupFlags(X) (6.1)\n"), "{page}");
        assert!(page.contains("| 6.1 (6.1.0) | 1 (1) |"), "{page}");
        let found = unexpected(&lines);
        assert_eq!(skip_list(&lines), ["6.1 ring ext4 b"]);
        assert!(found[0].contains("not expected: 6.1 ring ext4 b"), "{found:?}");
        assert_eq!(found[1], "9.9: no such");
        let line = summary(&lines);
        assert!(
            line.contains("2 kernels, 1 tests passed, 1 skipped") && line.contains("2 findings")
        );
    }

    #[test]
    fn a_failure_a_broken_off_suite_and_a_guest_without_an_end_are_findings() {
        let failed = CONSOLE.replace("test a ... ok", "test a ... FAILED").replace("@@ done", "");
        let broken = CONSOLE.replace("@@ end ring ext4 0", "@@ end ring ext4 137");
        let found = unexpected(&[("6.1", Ok(read(&failed))), ("6.2", Ok(read(&broken)))]);
        for part in ["6.1: the guest did not come", "ext4 a failed", "6.2 ring ext4 broke off"] {
            assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
        }
    }
}
