//! Every wrong value that the command line can carry, and what is said about it.
//!
//! One table for the wording of single values, one for options that need others, one for failures
//! of a job that runs. What concerns files and rights is in `refusals`, other commands in `tools`.

use std::fs;

use super::program::Place;

/// Option with value, and the words that are said about it.
const VALUES: &[(&str, &str)] = &[
    ("--iodepth=many", "'many' is not a whole number"),
    ("--iodepth=+3", "'+3' is not a whole number"),
    ("--iodepth=4097", "4097 is out of range, 1 to 4096 is possible"),
    ("--size=0", "at least 1 is possible"),
    ("--loops=99999999999999999999", "is too large"),
    ("--direct=2", "'2' is neither 0 nor 1"),
    ("--runtime=soon", "'soon' is not a time; write e.g. 5s, 500ms, 2m, 1h"),
    ("--bs=4kk", "'4kk' is not a size; write e.g. 4096, 4k, 1m, 1g, 1t (k = 1024)"),
    ("--bs=4k,4k,4k,4k", "is not a list of up to three: reads,writes,trims"),
    ("--size=120%", "'120%' is not a percentage between 1% and 100%"),
    ("--bssplit=4k/60:8k/60", "the shares of '4k/60:8k/60' do not add up to 100"),
    ("--percentile_list=50:x", "'x' is not a percentile; write e.g. 50:99"),
    ("--percentile_list=0", "percentile '0' is outside 0 < p <= 100"),
    ("--description=", "the value is empty"),
    ("--rw=sideways", "'sideways' is none of read, write, trim, randread"),
    ("--sync=always", "'always' is none of"),
    ("--ioengine=rbd", "'rbd' is not supported; the engines are io_uring, threads and auto"),
    ("--zonemode=zbd", "'zbd' is not supported: zones are none or strided"),
    ("--thread=0", "jobs are always threads here; leave it out"),
    ("--cpus_allowed=3-1", "'3-1' begins above its end"),
    ("--cpus_allowed=,", "names no CPU"),
    ("--cpus_allowed=5000", "there is no CPU 5000"),
    ("--ignore_error=EWHAT", "'EWHAT' is not an error; write its number or a name such as EIO"),
    ("--latency_percentile=20", "'20' is neither a percentile of 50 to 100 nor 'mean'"),
    ("--verify=crc33", "'crc33' is none of crc32c, xxhash, sha256, meta, pattern, pattern_hdr"),
    ("--steadystate=iops", "'iops' is not a steady state; write e.g. iops:2% or bw_slope:1%"),
    ("--random_distribution=bell", "'bell' is none of random, zipf, pareto, normal, zoned"),
    ("--random_distribution=zoned:60/10", "are no zones; write e.g. 60/10:30/20:10/70"),
    ("--random_distribution=pareto:7", "'7' is not between"),
    ("--file_service_type=none", "'none' is none of"),
    ("--verify_pattern=what", "'what' is not a pattern; write 0xdeadbeef"),
    ("--start_at=soon", "'soon' is not a time; write 2026-11-20T14:30:00Z or @SECONDS"),
    ("--start_at=@1", "s in the past; make the files ready first"),
    ("--output-format=terse", "'terse' is none of normal, json, json+"),
    ("--eta=perhaps", "'perhaps' is none of"),
    ("--section=x", "--section chooses jobs of a job file, and there is none"),
];

#[test]
fn every_wrong_value_is_named_with_what_would_be_right() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (option, words) in VALUES {
        let name = option.split('=').next().expect("a name");
        let said =
            place.run(&["--rw=read", "--filename=data", option][usize::from(name == "--rw")..]);
        said.assert_refused_with(&[name, words]);
        assert_eq!(said.code, Some(2), "{said:?}");
    }
    let many: Vec<String> = (1..=99).map(|percent| percent.to_string()).collect();
    let list = format!("--percentile_list={}", many.join(":"));
    place.run(&[&list]).assert_refused_with(&["99 percentiles given, at most", "are possible"]);
    let many = format!("--bssplit={}", vec!["4k/1"; 100].join(":"));
    place.run(&[&many]).assert_refused_with(&["100 sizes given, at most", "work"]);
    fs::write(place.path("long"), vec![b'x'; (1 << 20) + 1]).expect("written");
    place
        .run(&["--verify_pattern='long'", "--size=1m"])
        .assert_refused_with(&["the pattern has 1048577 bytes, at most 1048576 are possible"]);
}

#[test]
fn options_that_need_others_say_which() {
    let place = Place::new();
    for (options, words) in [
        (&["--direct=1", "--buffered=1"][..], "--direct and --buffered contradict each other"),
        (&["--rwmixread=70", "--rwmixwrite=40", "--rw=rw"], "do not add up to 100; give one"),
        (&["--fsync=1", "--fdatasync=1"], "--fsync and --fdatasync are alternatives; give one"),
        (&["--rate=1m", "--rate_iops=5"], "--rate and --rate_iops are alternatives; give one"),
        (&["--randseed=1", "--randrepeat=0"], "--randrepeat=0 varies it; give one"),
        (&["--ss=iops:2%"], "--steadystate needs --steadystate_duration, e.g. 30s"),
        (&["--rate_process=poisson"], "--rate_process=poisson needs --rate_iops or --rate"),
        (&["--sqthread_poll_idle=1s"], "--sqthread_poll_idle needs --sqthread_poll"),
        (&["--ioengine=threads", "--fixedbufs"], "--fixedbufs is for --ioengine=io_uring"),
        (&["--direct", "--hipri", "--registerfiles"], "--hipri and --registerfiles exclude"),
        (&["--uncached", "--rw=read"], "--uncached is for writes, and --rw=read reads"),
        (&["--atomic", "--direct", "--rw=write", "--bs=12k"], "a power of two, not 12288"),
        (&["--verify_only"], "--verify_only needs --verify, e.g. crc32c"),
        (&["--verify=pattern"], "--verify=pattern needs --verify_pattern"),
        (&["--verify=crc32c", "--rw=trim"], "--verify and trims exclude each other"),
        (&["--trim_percentage=5"], "--trim_percentage is for verified writes: add --verify"),
        (&["--name=a/b"], "--name=a/b contains '/' but names a file; use --directory"),
        (&["--filename=/x", "--directory=y"], "--filename=/x is absolute; leave --directory out"),
        (&["--iodepth_max=8"], "--iodepth_max needs --iodepth=adaptive"),
        (&["job.fio", "--name=x"], "--name begins a job of the command line"),
        (&["-q"], "unexpected argument '-q'; options look like --bs=4k"),
    ] {
        fs::write(place.path("job.fio"), "[a]\nsize=1m\n").expect("written");
        let said =
            place.run(&[&["--size=1m"], options][usize::from(options[0] == "job.fio")..].concat());
        said.assert_refused_with(&[words]);
        assert_eq!(said.code, Some(2), "{said:?}");
    }
}

#[test]
fn sums_sections_and_names_in_job_files_are_refused_by_their_line() {
    let place = Place::new();
    for (text, words) in [
        ("[a]\nsize=(4k+\n", &["job.fio:2: size", "is not a sum; write e.g. (4k+512)*2"][..]),
        ("[a]\nsize=(4-9)\n", &["job.fio:2: size", "which is negative or too large"]),
        ("[a]\nioengine=rbd\n", &["job.fio:2: ioengine", "'rbd' is not supported"]),
        ("[a\n", &["job.fio:1: '[a' is not a section; write its name in brackets"]),
        ("[a]\nsize=${NO_SUCH_SIZE}\n", &["NO_SUCH_SIZE is not set; run it as NO_SUCH_SIZE="]),
        ("[a]\nwait_for=b\nsize=1m\n", &["wait_for", "b"]),
        ("[a]\nsize=1m\nprio=3\n", &["job.fio:3: prio is not supported", "ionice"]),
    ] {
        fs::write(place.path("job.fio"), text).expect("written");
        place.run(&["job.fio"]).assert_refused_with(words);
    }
    fs::write(place.path("job.fio"), "[a]\nsize=64k\nprio=3\n").expect("written");
    let said = place.run(&["job.fio", "--ignore_unsupported", "--parse-only"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("warning: job.fio:3: prio is passed over: "), "{said:?}");
    let said = place.run(&["--nice=3", "--ignore_unsupported", "--parse-only", "--size=64k"]);
    assert!(said.stderr.contains("warning: --nice is passed over: "), "{said:?}");
    fs::write(place.path("job.fio"), b"[a]\nsize=\xff\n").expect("written");
    place.run(&["job.fio"]).assert_refused_with(&["'job.fio' is not UTF-8; save it as UTF-8"]);
}

#[test]
fn what_may_surprise_is_noted() {
    let place = Place::new();
    place.file("data", 1 << 20);
    for (options, words) in [
        (&["--bs=4KiB"][..], "note: --bs=4KiB counts in powers of 1000, as in fio"),
        (&["--ioengine=libaio"], "note: --ioengine=libaio runs as auto: io_uring where"),
        (&["--fsync=4"], "--fsync has no effect: the job does not write"),
        (&["--iodepth=8", "--latency_target=5s"], "makes the depth adaptive, up to --iodepth=8"),
        (&["--gtod_reduce=1"], "note: --gtod_reduce does nothing here: the clock is read once"),
    ] {
        let said =
            place.run(&[&["--filename=data", "--rw=read", "--parse-only"], options].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stderr.contains(words), "{words}: {said:?}");
    }
}

#[test]
fn a_job_that_is_slower_than_it_may_be_ends_with_both_numbers() {
    let place = Place::new();
    place.file("data", 1 << 20);
    let forever = ["--filename=data", "--rw=read", "--time_based", "--runtime=20s"];
    let slow = ["--rate_iops_min=100000000", "--rate_cycle=100"];
    let said = place.run(&[&forever[..], &slow].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["only ", "requests per second, and --rate_min asks for 100000000; lower it"] {
        assert!(said.stderr.contains(part), "{said:?}");
    }
    let said = place.run(&[&forever[..], &["--max_latency=1us", "--bs=1m"]].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("a request took "), "{said:?}");
    assert!(said.stderr.contains("longer than --max_latency=1000 ns allows"), "{said:?}");
}
