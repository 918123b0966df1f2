//! What the workspace is built from: licences, sources, duplicates, Rust versions and the number of
//! run-time dependencies, all from what cargo says without a network. The binary `supply-chain` and
//! the test of the same name call it.
//!
//! It knows no advisories: those need a database that grows by the day (`cargo deny check`, with
//! the `deny.toml` of this repository).

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What a dependency may be licensed under. None asks anything of who links it but the notice.
const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that users link, each with the most other packages it may bring to run time. Raising one
/// is a decision, and belongs into the commit that needs it.
const BUDGETS: [(&str, usize); 3] = [("iomill-ring", 6), ("iomill-engine", 13), ("bench-cli", 50)];

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Per crate that users link, the other packages that they run.
    pub run_time: BTreeMap<String, BTreeSet<String>>,
    /// Packages in all, those for development and building included.
    pub packages: usize,
    /// What must not be, one line each.
    pub faults: Vec<String>,
}

/// Asks cargo, without a network, and judges what it says.
///
/// # Errors
/// When cargo cannot be run, or `Cargo.lock` is not up to date.
pub fn check() -> Result<Findings, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version=1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata says what is no JSON: {error}"))?;
    Ok(judge(&metadata))
}

fn judge(metadata: &Value) -> Findings {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).map(|package| (text(&package["id"]), package)).collect();
    let mut findings = Findings { packages: packages.len(), ..Findings::default() };
    let ours = list(&metadata["packages"]).find(|package| package["source"].is_null());
    let oldest = ours.map_or((0, 0), |package| version(text(&package["rust_version"])));
    for package in packages.values() {
        findings.faults.extend(faults_of(package, oldest));
    }
    for (name, budget) in BUDGETS {
        let found = packages.iter().find(|(_, package)| package["name"] == name);
        let Some((id, _)) = found else {
            findings.faults.push(format!("{name} is not in the workspace: take it off the list"));
            continue;
        };
        let mut ids = BTreeSet::new();
        collect(metadata, &packages, id, &mut ids);
        ids.remove(*id);
        let names: Vec<&str> = ids.iter().map(|id| text(&packages[*id]["name"])).collect();
        for (place, one) in names.iter().enumerate() {
            if names[..place].contains(one) {
                findings.faults.push(format!("{name} brings {one} in two versions"));
            }
        }
        if ids.len() > budget {
            let count = ids.len();
            findings.faults.push(format!("{name} brings {count} packages, allowed are {budget}"));
        }
        findings.run_time.insert(name.to_owned(), names.into_iter().map(str::to_owned).collect());
    }
    findings
}

/// Licence, source and Rust version of one package.
fn faults_of(package: &Value, oldest: (u64, u64)) -> Vec<String> {
    let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
    let mut faults = Vec::new();
    let licence = text(&package["license"]);
    if !is_allowed(licence) {
        faults.push(format!("{name}: the licence {licence:?} is not on the list"));
    }
    let source = package["source"].as_str();
    if source.is_some_and(|source| !source.starts_with("registry+")) {
        faults.push(format!("{name}: comes from {source:?}, which cannot be published"));
    }
    let needed = version(text(&package["rust_version"]));
    if needed > oldest {
        let (major, minor) = needed;
        faults.push(format!("{name}: needs Rust {major}.{minor}, newer than the workspace's"));
    }
    faults
}

/// Whether a licence expression leaves a choice that is on the list. Its forms in the field: names,
/// `OR` or the old `/`, `AND`, and brackets around a choice.
fn is_allowed(expression: &str) -> bool {
    let choices = |text: &str| {
        text.replace('/', " OR ").split(" OR ").any(|name| LICENCES.contains(&name.trim()))
    };
    let brackets = ['(', ')'];
    if expression.contains(" AND ") && expression.contains(" OR ") && !expression.contains(brackets)
    {
        // AND binds tighter: each choice is a list of its own.
        return expression.split(" OR ").any(is_allowed);
    }
    expression.split(" AND ").all(|part| choices(part.trim().trim_matches(brackets)))
}

/// Adds a package and what it needs at run time: not for building, not for tests, and no macros,
/// which run in the compiler.
fn collect<'a>(
    metadata: &'a Value,
    packages: &BTreeMap<&str, &'a Value>,
    id: &'a str,
    found: &mut BTreeSet<&'a str>,
) {
    let targets = || list(&packages[id]["targets"]);
    let is_macro = targets().any(|target| target["kind"][0] == "proc-macro");
    if is_macro || !found.insert(id) {
        return;
    }
    let nodes = list(&metadata["resolve"]["nodes"]);
    for node in nodes.filter(|node| node["id"] == id) {
        for dependency in list(&node["deps"]) {
            if list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()) {
                collect(metadata, packages, text(&dependency["pkg"]), found);
            }
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The first two numbers of a version.
fn version(text: &str) -> (u64, u64) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn licences_are_read_as_choices_and_as_sums() {
        for good in ["MIT", "MIT/Apache-2.0", "GPL-2.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"]
        {
            assert!(is_allowed(good), "{good}");
        }
        for good in ["GPL-3.0 AND MIT OR ISC", "Apache-2.0 WITH LLVM-exception OR GPL-2.0"] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND MPL-2.0"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    fn package(name: &str, licence: &str, source: Value, kind: &str) -> Value {
        let id = format!("{name}-{licence}");
        json!({"id": id, "name": name, "version": "1.0.0", "license": licence, "source": source,
               "rust_version": "1.80", "targets": [{"kind": [kind]}]})
    }

    fn need(id: &str, kind: Value) -> Value {
        json!({"pkg": id, "dep_kinds": [{"kind": kind}]})
    }

    #[test]
    fn run_time_needs_are_counted_and_what_must_not_be_is_named() {
        let registry = json!("registry+x");
        let mut newer = package("newer", "MIT", json!("git+x"), "lib");
        newer["rust_version"] = json!("1.81.0");
        let metadata = json!({
            "packages": [
                package("iomill-ring", "MIT", Value::Null, "lib"),
                package("iomill-engine", "MIT", Value::Null, "lib"),
                package("bench-cli", "MIT", Value::Null, "bin"),
                package("a", "MIT", registry.clone(), "lib"),
                package("a", "ISC", registry.clone(), "lib"),
                package("macro", "MIT", registry.clone(), "proc-macro"),
                package("wrong", "GPL-3.0", registry, "lib"),
                newer,
            ],
            "resolve": {"nodes": [
                {"id": "iomill-ring-MIT", "deps": [need("a-MIT", Value::Null)]},
                {"id": "bench-cli-MIT", "deps": [
                    need("iomill-ring-MIT", Value::Null), need("a-ISC", Value::Null),
                    need("macro-MIT", Value::Null), need("wrong-GPL-3.0", json!("dev")),
                ]},
            ]},
        });
        let findings = judge(&metadata);
        assert_eq!(findings.packages, 8);
        let names = |name: &str| findings.run_time[name].iter().cloned().collect::<Vec<_>>();
        assert_eq!(names("iomill-ring"), ["a"]);
        assert_eq!(names("bench-cli"), ["a", "iomill-ring"]);
        let faults = findings.faults.join("\n");
        for part in ["wrong 1.0.0: the licence", "git+x", "Rust 1.81", "brings a in two versions"] {
            assert!(faults.contains(part), "{part}: {faults}");
        }
        assert_eq!(findings.faults.len(), 4, "{faults}");
    }
}
