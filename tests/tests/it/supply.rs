//! Licences, sources, duplicates, Rust versions and numbers of dependencies are as they should be.
//! `iomill_tests::supply` judges; this only asks it.

use iomill_tests::supply;

#[test]
fn everything_built_here_may_be_and_users_get_few_packages() {
    let findings = supply::check().expect("cargo knows its lock file without a network");
    assert!(findings.faults.is_empty(), "{}", findings.faults.join("\n"));
    for (name, others) in &findings.run_time {
        assert!(others.contains("libc"), "{name}: everything here calls the kernel: {others:?}");
        println!("{name}: {} run-time dependencies", others.len());
    }
}
