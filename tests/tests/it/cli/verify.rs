//! Verification: what another program damages is found, all of it, and nothing else is.

use std::fs;
use std::os::unix::fs::FileExt as _;

use super::program::{Place, Said};
use super::report::number;

const LEN_BYTES: u64 = 1 << 20;

fn written(place: &Place, kind: &[&str]) {
    let fixed = ["--rw=write", "--size=1m", "--name=v", "--unlink=0", "--iodepth=8"];
    let said = place.run(&[&fixed, kind].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// The offsets of the damaged blocks that a run has named, sorted.
fn named(said: &Said) -> Vec<u64> {
    let lines = said.stderr.lines().filter(|line| line.starts_with("bench-cli: verify: "));
    let offset = |line: &str| {
        let rest = line.split_once("at offset ").expect("an offset").1;
        rest.split_whitespace().next().expect("a number").parse().expect("a number")
    };
    let mut offsets: Vec<u64> = lines.map(offset).collect();
    offsets.sort_unstable();
    offsets
}

#[test]
fn every_block_that_another_program_damaged_is_found() {
    for kind in [
        &["--verify=crc32c"][..],
        &["--verify=xxhash"],
        &["--verify=sha256"],
        &["--verify=pattern", "--verify_pattern=0xdeadbeef"],
        &["--verify=pattern_hdr", "--verify_pattern=0xdeadbeef"],
    ] {
        let place = Place::new();
        written(&place, kind);
        let file = fs::File::options().write(true).open(place.path("v.0.0")).unwrap();
        // One byte each: at the start, in the middle, at the end of a block; and a lost block.
        let mut expected = Vec::new();
        for (block, byte) in [(0, 0), (3, 2000), (100, 4095), (101, 17), (255, 4095)] {
            file.write_all_at(b"!", block * 4096 + byte).unwrap();
            expected.push(block * 4096);
        }
        file.write_all_at(&[0; 4096], 77 * 4096).unwrap();
        expected.push(77 * 4096);
        expected.sort_unstable();
        for rw in ["--rw=read", "--rw=randread"] {
            let check = [rw, "--filename=v.0.0", "--output-format=json", "--iodepth=4"];
            let said = place.run(&[&check, kind].concat());
            assert_eq!(said.code, Some(1), "{said:?}");
            assert_eq!(named(&said), expected, "{kind:?} {rw}: {said:?}");
            let job = &said.json_of_any_end()["jobs"][0];
            assert_eq!(number(job, "/iomill/verify/damaged"), 6.0);
            assert_eq!(number(job, "/iomill/verify/checked"), 256.0);
            assert_eq!(job["error"], 84, "EILSEQ");
        }
        let saved = fs::read(place.path("v.0.0.12288.received")).expect("the block was saved");
        assert_eq!((saved.len(), saved[2000]), (4096, b'!'));
    }
}

#[test]
fn first_damaged_block_ends_the_job_where_that_is_wanted() {
    let place = Place::new();
    written(&place, &["--verify=crc32c"]);
    let file = fs::File::options().write(true).open(place.path("v.0.0")).unwrap();
    file.write_all_at(b"!", 100).unwrap();
    let check = ["--rw=read", "--filename=v.0.0", "--verify=crc32c", "--output-format=json"];
    let said = place.run(&[&check[..], &["--verify_fatal=1", "--verify_dump=0"]].concat());
    assert_eq!((said.code, named(&said)), (Some(1), vec![0]), "{said:?}");
    let job = &said.json_of_any_end()["jobs"][0];
    assert!(number(job, "/read/io_bytes") < LEN_BYTES as f64, "{job:#}");
    assert_eq!(place.names(), ["v.0.0"], "nothing was saved");
}

#[test]
fn jobs_check_what_they_wrote_themselves() {
    for options in [
        &["--rw=write"][..],
        &["--rw=randwrite", "--iodepth=16"],
        &["--rw=randwrite", "--verify_backlog=16", "--iodepth=8"],
        &["--rw=randwrite", "--norandommap", "--iodepth=16", "--io_size=4m"],
        &["--rw=randrw", "--bssplit=4k/50:16k/50", "--iodepth=8"],
        &["--rw=randwrite", "--nrfiles=4", "--loops=2", "--iodepth=8"],
        &["--rw=randwrite", "--random_distribution=zipf:1.2", "--iodepth=16"],
        &["--rw=write", "--bs=64k", "--verify_interval=4k"],
    ] {
        let place = Place::new();
        let fixed = ["--size=1m", "--verify=crc32c", "--output-format=json"];
        let report = place.run(&[&fixed, options].concat()).json();
        let job = &report["jobs"][0];
        assert_eq!(job["error"], 0, "{options:?}: {job:#}");
        assert!(number(job, "/iomill/verify/checked") > 10.0, "{options:?}: {job:#}");
        assert_eq!(number(job, "/iomill/verify/damaged"), 0.0, "{options:?}");
    }
}

#[test]
fn earlier_run_is_checked_without_writing() {
    let place = Place::new();
    written(&place, &["--verify=xxhash"]);
    let before = fs::read(place.path("v.0.0")).unwrap();
    let check = ["--rw=randwrite", "--filename=v.0.0", "--verify=xxhash", "--verify_only"];
    let report = place.run(&[&check[..], &["--output-format=json"]].concat()).json();
    assert_eq!(number(&report, "/jobs/0/iomill/verify/checked"), 256.0);
    assert_eq!(number(&report, "/jobs/0/write/total_ios"), 0.0);
    assert!(fs::read(place.path("v.0.0")).unwrap() == before, "nothing was written");
}

#[test]
fn checks_of_a_paced_writer_have_the_latency_that_they_had() {
    let place = Place::new();
    let paced = ["--rw=randwrite", "--size=256k", "--name=v", "--rate_iops=2000"];
    let said = place.run(&[&paced[..], &["--verify=crc32c", "--output-format=json"]].concat());
    let job = &said.json()["jobs"][0];
    assert_eq!(number(job, "/read/total_ios"), 64.0, "all blocks are read back");
    assert_eq!(number(job, "/read/lat_ns/N"), 64.0, "nobody meant them for a certain time");
    assert!(number(job, "/read/lat_ns/min") > 0.0);
    assert_eq!(number(job, "/write/lat_ns/N"), 64.0);
}

#[test]
fn trims_among_verified_writes_are_made_and_read_as_zeros() {
    let place = Place::new();
    let said = place.run(&[
        "--rw=randwrite",
        "--size=1m",
        "--io_size=4m",
        "--iodepth=8",
        "--norandommap",
        "--verify=crc32c",
        "--verify_backlog=16",
        "--trim_percentage=25",
        "--trim_backlog=8",
        "--trim_verify_zero",
        "--output-format=json",
    ]);
    if said.stderr.contains("Operation not supported") {
        println!("skipped: no holes in files here: {}", said.stderr.trim());
        return;
    }
    let report = said.json();
    let job = &report["jobs"][0];
    let trims = number(job, "/trim/total_ios");
    // A quarter of 1,024 writes, but for those whose place is busy at that moment.
    assert!((100.0..400.0).contains(&trims), "{trims}");
    assert_eq!(number(job, "/iomill/verify/damaged"), 0.0);
    assert!(number(job, "/iomill/verify/checked") > 256.0, "{job:#}");
}
