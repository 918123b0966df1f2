//! Whether the running kernel keeps the rules as kernels were seen to. A rule that differs from the
//! manual is no failure, and a kernel that differs from the rule is one. What this host lacks is
//! printed with the reason. The example `conformance` prints the same rules as a table.
#![allow(clippy::unwrap_used)]

mod rules;

use rules::{PARTS, Rule, Stop, running};

/// Asks every rule of a part, prints what was skipped, and fails with every deviation at once.
fn check(part: &str) {
    let (_, rules) = PARTS.iter().find(|(name, _)| *name == part).unwrap();
    let mut faults = Vec::new();
    for rule in *rules {
        let answer = rule.answer();
        if let Err(Stop::Skipped(why)) = &answer {
            eprintln!("skipped: \"{}\": {why}", rule.name);
        }
        faults.extend(rule.fault(&answer, running()));
    }
    assert!(faults.is_empty(), "{} of {} rules:\n{}", faults.len(), rules.len(), faults.join("\n"));
}

#[test]
fn set_up_keeps_its_rules() {
    check("set-up");
}

#[test]
fn restrictions_keep_their_rules() {
    check("restrictions");
}

#[test]
fn links_keep_their_rules() {
    check("links");
}

#[test]
fn drains_and_skipped_successes_keep_their_rules() {
    check("order");
}

#[test]
fn overflows_keep_their_rules() {
    check("overflow");
}

#[test]
fn reaping_keeps_its_rules() {
    check("reaping");
}

#[test]
fn cancels_keep_their_rules() {
    check("cancelling");
}

#[test]
fn registered_buffers_keep_their_rules() {
    check("registered buffers");
}

#[test]
fn provided_buffers_keep_their_rules() {
    check("provided buffers");
}

#[test]
fn transfers_keep_their_rules() {
    check("transfers");
}

#[test]
fn polling_keeps_its_rules() {
    check("polling");
}

#[test]
fn workers_keep_their_rules() {
    check("workers");
}

#[test]
fn forks_and_closes_keep_their_rules() {
    check("endings");
}

/// A test of this file per part, and none for a part that is gone.
#[test]
fn every_part_is_checked_by_one_test() {
    let text = include_str!("main.rs");
    for (part, rules) in PARTS {
        let call = format!("check(\"{part}\");");
        assert_eq!(text.matches(&call).count(), 1, "{call}");
        assert!(!rules.is_empty(), "{part}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("    check(\"")).count(), PARTS.len());
}

#[test]
fn every_rule_has_a_name_of_its_own_kernels_in_order_and_each_page_once() {
    let rules: Vec<&Rule> = PARTS.iter().flat_map(|(_, rules)| *rules).collect();
    for (place, rule) in rules.iter().enumerate() {
        assert!(rules[..place].iter().all(|other| other.name != rule.name), "{}", rule.name);
        assert!(rule.seen.is_sorted_by_key(|(since, _)| *since), "{}", rule.name);
        assert!(!rule.seen.is_empty(), "{}", rule.name);
        for (place, (page, says)) in rule.pages.iter().enumerate() {
            assert!(page.ends_with(')') && !says.is_empty(), "{}: {page}", rule.name);
            assert!(rule.pages[..place].iter().all(|(other, _)| other != page), "{}", rule.name);
        }
    }
}

const RULE: Rule = Rule {
    name: "a made-up rule",
    seen: &[((5, 10), "old"), ((6, 1), "new")],
    pages: &[("enter(2)", "old")],
    ask: || Ok(String::from("new")),
};

#[test]
fn a_kernel_is_held_to_the_newest_answer_that_is_not_newer_than_itself() {
    for (kernel, expected) in [((5, 4), "old"), ((5, 15), "old"), ((6, 1), "new"), ((7, 2), "new")]
    {
        assert_eq!(RULE.expected(kernel).1, expected, "{kernel:?}");
    }
}

#[test]
fn a_deviation_names_rule_expectation_and_answer() {
    assert_eq!(RULE.fault(&(RULE.ask)(), (6, 18)), None);
    assert_eq!(RULE.fault(&Err(Stop::Skipped(String::from("no disk"))), (6, 18)), None);
    let fault = RULE.fault(&(RULE.ask)(), (5, 15)).unwrap();
    for part in ["a made-up rule", "Linux 5.10", "\"old\"", "5.15", "\"new\""] {
        assert!(fault.contains(part), "{fault}");
    }
    let broken = RULE.fault(&Err(Stop::Broke(String::from("EIO"))), (6, 18)).unwrap();
    assert!(broken.contains("no answer: EIO"), "{broken}");
}
