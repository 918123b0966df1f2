//! fio's own examples: each parses, or is refused by one line that says why; the portable ones run.
//!
//! Debian's package `fio-examples` has them. The runs are cut down by options of the command line,
//! which go before those of the files. It never measures speed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::Place;

/// Where the examples lie.
const FOLDERS: [&str; 2] = ["/usr/share/doc/fio/examples", "/usr/share/doc/fio-examples/examples"];

/// What every run is cut down to. The last two are for file systems without direct I/O.
const CUT: [&str; 5] = ["--size=1m", "--runtime=1", "--directory=.", "--direct=0", "--buffered=1"];

/// For examples that name a device or a file which is not there.
const ON_DATA: [&str; 2] = ["--filename=data", "--allow_overwrite"];

/// The portable examples, and what they need beside `CUT`.
const RUN: &[(&str, &[&[&str]])] = &[
    ("1mbs_clients.fio", &[&["--startdelay=0", "--rate_min=0"]]),
    ("aio-read.fio", &[]),
    ("backwards-read.fio", &[&ON_DATA]),
    ("basic-verify.fio", &[&ON_DATA]),
    ("butterfly.fio", &[&ON_DATA]),
    (
        "cross-stripe-verify.fio",
        &[
            &ON_DATA,
            // Two jobs beside each other on a megabyte, instead of thirty on terabytes.
            &["--size=512k", "--numjobs=2", "--offset=0", "--offset_increment=512k"],
            &["--io_size=512k"],
        ],
    ),
    ("dedupe-global.fio", &[]),
    ("disk-zone-profile.fio", &[&ON_DATA, &["--zonesize=64k", "--zoneskip=64k"]]),
    ("enospc-pressure.fio", &[&["--filesize=1m"]]),
    ("exitwhat.fio", &[&ON_DATA, &["--filesize=1m"]]),
    ("fio-rand-RW.fio", &[&ON_DATA]),
    ("fio-rand-read.fio", &[&ON_DATA]),
    ("fio-rand-write.fio", &[&ON_DATA]),
    ("fio-seq-RW.fio", &[&ON_DATA]),
    ("fio-seq-read.fio", &[&ON_DATA]),
    ("fio-seq-write.fio", &[&ON_DATA]),
    ("fixed-rate-submission.fio", &[]),
    ("flow.fio", &[&ON_DATA]),
    ("fsx.fio", &[&["--loops=2"]]),
    ("iometer-file-access-server.fio", &[]),
    ("jesd219.fio", &[&ON_DATA]),
    ("latency-profile.fio", &[&ON_DATA, &["--iodepth=8", "--time_based"]]),
    ("poisson-rate-submission.fio", &[]),
    ("rand-zones.fio", &[]),
    ("ssd-steadystate.fio", &[&ON_DATA, &["--bs=64k", "--loops=4"]]),
    ("ssd-test.fio", &[&ON_DATA]),
    ("steadystate.fio", &[&ON_DATA]),
    ("surface-scan.fio", &[&["--fill_device=0"]]),
    ("tiobench-example.fio", &[]),
    ("waitfor.fio", &[&ON_DATA, &["--filesize=1m"]]),
];

/// Portable, but for devices that are not everywhere: they parse.
const PARSED: &[&str] = &["atomic-verify.fio"];

/// The others, and what the refusal says: any of these words.
const REFUSED: &[(&str, &[&str])] = &[
    ("cmdprio-bssplit.fio", &["cmdprio", "write_lat_log"]),
    ("cmdprio-percentage.fio", &["cmdprio", "write_lat_log"]),
    ("cpp_null.fio", &["'cpp_null'"]),
    ("cpuio.fio", &["'cpuio'"]),
    ("dev-dax.fio", &["'dev-dax'"]),
    ("dfs.fio", &["'dfs'"]),
    ("e4defrag.fio", &["'e4defrag'"]),
    ("e4defrag2.fio", &["'e4defrag'", "donorname"]),
    ("exec.fio", &["'exec'", "'cpuio'"]),
    ("falloc.fio", &["'falloc'"]),
    ("filecreate-ioengine.fio", &["'filecreate'"]),
    ("filedelete-ioengine.fio", &["'filedelete'"]),
    ("filestat-ioengine.fio", &["'filestat'"]),
    ("ftruncate.fio", &["'ftruncate'"]),
    ("gfapi.fio", &["'gfapi'"]),
    ("gpudirect-rdmaio-client.fio", &["'rdma'"]),
    ("gpudirect-rdmaio-server.fio", &["'rdma'"]),
    ("http-s3-crypto.fio", &["'http'"]),
    ("http-s3-storage-class.fio", &["'http'"]),
    ("http-s3.fio", &["'http'"]),
    ("http-swift.fio", &["'http'"]),
    ("http-webdav.fio", &["'http'"]),
    ("ime.fio", &["'ime_"]),
    ("libcufile-cufile.fio", &["'libcufile'"]),
    ("libcufile-posix.fio", &["'libcufile'"]),
    ("libhdfs.fio", &["'libhdfs'"]),
    ("libiscsi.fio", &["'libiscsi'"]),
    ("libpmem.fio", &["'libpmem'"]),
    ("librpma_apm-client.fio", &["'librpma_apm_client'"]),
    ("librpma_apm-server.fio", &["'librpma_apm_server'"]),
    ("librpma_gpspm-client.fio", &["'librpma_gpspm_client'"]),
    ("librpma_gpspm-server.fio", &["'librpma_gpspm_server'"]),
    ("libzbc-rand-write.fio", &["'libzbc'", "zone"]),
    ("libzbc-seq-read.fio", &["'libzbc'", "zone"]),
    ("mtd.fio", &["'mtd'"]),
    ("nbd.fio", &["'nbd'"]),
    ("netio.fio", &["'net'"]),
    ("netio_multicast.fio", &["'net'"]),
    ("nfs.fio", &["'nfs'"]),
    ("null.fio", &["'null'"]),
    ("numa.fio", &["numa_"]),
    ("pmemblk.fio", &["'pmemblk'"]),
    ("rados.fio", &["'rados'"]),
    ("rbd.fio", &["'rbd'"]),
    ("rdmaio-client.fio", &["'rdma'"]),
    ("rdmaio-server.fio", &["'rdma'"]),
    ("sg_verify-fail.fio", &["'sg'"]),
    ("sg_verify.fio", &["'sg'"]),
    ("sg_write_same_ndob.fio", &["'sg'"]),
    ("uring-cmd-ng.fio", &["'io_uring_cmd'"]),
    ("uring-cmd-zoned.fio", &["'io_uring_cmd'"]),
    ("xnvme-compare.fio", &["FIO_", "'xnvme'"]),
    ("xnvme-zoned.fio", &["FIO_", "zone"]),
    ("zbd-rand-write.fio", &["zone"]),
    ("zbd-seq-read.fio", &["zone"]),
    ("zipf.fio", &["'null'"]),
];

/// The examples that are installed here.
fn examples() -> Option<Vec<PathBuf>> {
    let Some(folder) = FOLDERS.iter().find(|folder| Path::new(folder).is_dir()) else {
        println!("skipped: fio's examples are not installed: apt-get install fio-examples");
        return None;
    };
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "fio")).collect();
    paths.sort();
    Some(paths)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("plain names")
}

#[test]
fn every_example_parses_or_says_why_not() {
    let Some(examples) = examples() else { return };
    let place = Place::new();
    for path in &examples {
        let said = place.run(&["--parse-only", path.to_str().expect("UTF-8")]);
        assert_eq!(said.stdout, "", "{said:?}");
        assert!(place.names().is_empty(), "it only looks: {:?}", place.names());
        let errors: Vec<&str> =
            said.stderr.lines().filter(|line| line.contains(": error: ")).collect();
        let wanted = REFUSED.iter().find(|(file, _)| *file == name(path));
        if let Some((_, words)) = wanted {
            assert_eq!(said.code, Some(2), "{said:?}");
            let [error] = errors[..] else { panic!("not one line: {said:?}") };
            assert!(words.iter().any(|word| error.contains(word)), "none of {words:?}: {error}");
            assert!(error.contains(&format!("{}:", name(path))), "no line is named: {error}");
        } else if RUN.iter().any(|(file, _)| *file == name(path)) || PARSED.contains(&name(path)) {
            assert_eq!(said.code, Some(0), "{said:?}");
        } else {
            println!("{} is in no table here; it ended with {:?}", name(path), said.code);
            assert!(errors.len() < 2, "{said:?}");
        }
    }
}

#[test]
fn portable_examples_run_when_they_are_cut_down() {
    let Some(examples) = examples() else { return };
    for path in &examples {
        let Some((_, more)) = RUN.iter().find(|(file, _)| *file == name(path)) else { continue };
        let place = Place::new();
        // Not zeros and not a block that verifies: examples that only read must not care.
        place.file("data", 1 << 20);
        let cut = CUT.iter().filter(|option| {
            !(name(path) == "cross-stripe-verify.fio" && option.starts_with("--size"))
        });
        let mut arguments: Vec<&str> = cut.copied().collect();
        arguments.extend(more.iter().flat_map(|list| list.iter().copied()));
        arguments.extend(["--output-format=json", path.to_str().expect("UTF-8")]);
        let report = place.run(&arguments).json();
        let jobs = report["jobs"].as_array().expect("a list");
        assert!(!jobs.is_empty(), "{}: {report:#}", name(path));
        for job in jobs {
            assert_eq!(job["error"], 0, "{}: {job:#}", name(path));
        }
        let expected = |file: &String| file == "data" || file.ends_with(".log");
        assert!(place.names().iter().all(expected), "{:?}", place.names());
    }
}

#[test]
fn every_option_of_the_installed_fio_is_known() {
    let Ok(output) = Command::new("fio").arg("--cmdhelp").output() else {
        println!("skipped: fio is not installed");
        return;
    };
    // The page is made from the table that the program reads; another test compares them.
    let page = include_str!("../../../../docs/reference/bench-cli-options.md");
    let known: Vec<&str> = page.split('`').collect();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<&str> = help
        .lines()
        .filter_map(|line| line.split_once(" :"))
        .map(|(name, _)| name.trim())
        .collect();
    assert!(names.len() > 150, "{help}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !known.iter().any(|word| word.replace('-', "_") == name.replace('-', "_")))
        .collect();
    assert!(missing.is_empty(), "neither taken, nor passed over, nor refused: {missing:?}");
}
