//! What requests a job makes, drawn without any file.

use super::*;
use crate::options::{Settings, find};

const REGION: Region = Region { first_byte: 8192, len_bytes: 40_960 };

fn workload(options: &[(&str, &str)], regions: &[Region]) -> Workload {
    let mut settings = Settings::default();
    for (name, text) in options {
        find(name).expect("known").apply(&mut settings, text).expect("valid");
    }
    Workload::new(&settings.job, regions, 1)
}

fn blocks(workload: &mut Workload, count: usize) -> Vec<Block> {
    (0..count)
        .map(|_| {
            let direction = workload.next_direction();
            workload.next(direction, u64::MAX)
        })
        .collect()
}

fn offsets(options: &[(&str, &str)], count: usize) -> Vec<u64> {
    let mut workload = workload(options, &[REGION]);
    blocks(&mut workload, count).iter().map(|block| block.offset).collect()
}

/// Asserts that the blocks cover the region exactly once.
fn assert_covers(mut blocks: Vec<Block>, region: Region) {
    blocks.sort_by_key(|block| block.offset);
    let mut end = region.first_byte;
    for block in blocks {
        assert_eq!(block.offset, end, "a hole or an overlap");
        end += u64::from(block.len_bytes);
    }
    assert_eq!(end, region.first_byte + region.len_bytes);
}

#[test]
fn sequential_wraps_to_the_first_block() {
    let seen = offsets(&[("rw", "read")], 11);
    assert_eq!((seen[0], seen[9], seen[10]), (8192, 8192 + 9 * 4096, 8192));
}

#[test]
fn sequential_reads_and_writes_have_positions_of_their_own() {
    let mut workload = workload(&[("rw", "rw")], &[REGION]);
    let seen = blocks(&mut workload, 10);
    for direction in [Direction::Read, Direction::Write] {
        let of: Vec<u64> =
            seen.iter().filter(|b| b.direction == direction).map(|b| b.offset).collect();
        let expected: Vec<u64> = (0..of.len() as u64).map(|block| 8192 + block * 4096).collect();
        assert_eq!(of, expected, "{direction:?}");
    }
}

#[test]
fn holes_are_skipped_forwards_and_backwards() {
    // The order of fio 3.33, read off its --debug=io; at the end fio stops or wraps, we wrap.
    let forwards = offsets(&[("rw", "read:8k")], 5);
    assert_eq!(forwards, [0, 3, 6, 9, 0].map(|block| 8192 + block * 4096));
    let backwards = offsets(&[("rw", "read:-8k")], 10);
    assert_eq!(backwards, [0, 8, 7, 6, 5, 4, 3, 2, 1, 0].map(|block| 8192 + block * 4096));
}

#[test]
fn random_once_covers_each_pass_in_a_new_order() {
    let mut workload = workload(&[("rw", "randread")], &[REGION]);
    let (first, second) = (blocks(&mut workload, 10), blocks(&mut workload, 10));
    assert_ne!(first, second);
    assert_covers(first, REGION);
    assert_covers(second, REGION);
}

#[test]
fn mixed_sizes_cover_each_pass_too() {
    let region = Region { first_byte: 4096, len_bytes: 1 << 20 };
    for sizes in [("bssplit", "512/10:1k/20:4k/70"), ("bsrange", "512-8k"), ("bssplit", "512:7k")] {
        let mut workload = workload(&[("rw", "randread"), sizes], &[region]);
        for _ in 0..3 {
            let (mut pass, mut left) = (Vec::new(), region.len_bytes);
            while left > 0 {
                let block = workload.next(Direction::Read, left);
                left -= u64::from(block.len_bytes);
                pass.push(block);
            }
            assert_covers(pass, region);
        }
    }
}

#[test]
fn sizes_come_in_their_shares() {
    let region = Region { first_byte: 0, len_bytes: 1 << 30 };
    let options = [("rw", "randread"), ("norandommap", "1"), ("bssplit", "4k/60:64k/40")];
    let mut workload = workload(&options, &[region]);
    let seen = blocks(&mut workload, 100_000);
    let small = seen.iter().filter(|block| block.len_bytes == 4096).count();
    assert!((59_200..60_800).contains(&small), "{small}");
    let ends = seen.iter().map(|block| block.offset + u64::from(block.len_bytes));
    assert!(ends.max().is_some_and(|end| end <= region.len_bytes));
}

#[test]
fn random_uniform_stays_inside_and_repeats_blocks() {
    let mut seen = offsets(&[("rw", "randread"), ("norandommap", "1")], 1000);
    assert!(seen.iter().all(|o| (8192..8192 + 40_960).contains(o) && o % 4096 == 0));
    seen.truncate(10);
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() < 10, "ten uniform draws of ten blocks hardly ever hit each once");
}

#[test]
fn runs_follow_each_random_offset() {
    let region = Region { first_byte: 0, len_bytes: 1 << 30 };
    let options = [("rw", "randread:4"), ("norandommap", "1")];
    let mut workload = workload(&options, &[region]);
    let seen = blocks(&mut workload, 400);
    for run in seen.chunks(4) {
        assert!(run.windows(2).all(|pair| pair[1].offset == pair[0].offset + 4096), "{run:?}");
    }
    assert!(seen.chunks(4).all(|run| run[0].offset != 0), "a new offset each");
}

#[test]
fn half_random_is_half_sequential() {
    let region = Region { first_byte: 0, len_bytes: 1 << 30 };
    let options = [("rw", "randread"), ("norandommap", "1"), ("percentage_random", "50")];
    let mut workload = workload(&options, &[region]);
    let seen = blocks(&mut workload, 10_000);
    let following = seen.windows(2).filter(|pair| pair[1].offset == pair[0].offset + 4096).count();
    assert!((4_700..5_300).contains(&following), "{following}");
}

#[test]
fn zones_get_their_shares() {
    let region = Region { first_byte: 0, len_bytes: 1000 * 4096 };
    let options = [("rw", "randread"), ("random_distribution", "zoned:50/5:30/15:20/80")];
    let mut workload = workload(&options, &[region]);
    let seen = blocks(&mut workload, 100_000);
    let within = |low: u64, high: u64| {
        seen.iter().filter(|b| (low * 4096..high * 4096).contains(&b.offset)).count()
    };
    let shares = [within(0, 50), within(50, 200), within(200, 1000)];
    for (share, expected) in shares.into_iter().zip([50_000_usize, 30_000, 20_000]) {
        assert!(share.abs_diff(expected) < 900, "{shares:?}");
    }
}

#[test]
fn strides_leave_holes() {
    let options = [("rw", "read"), ("zonemode", "strided"), ("zonesize", "8k"), ("zoneskip", "8k")];
    let seen = offsets(&options, 8);
    assert_eq!(seen, [0, 1, 4, 5, 8, 9, 0, 1].map(|block| 8192 + block * 4096));
    let options = [
        ("rw", "randread"),
        ("zonemode", "strided"),
        ("zonesize", "4k"),
        ("zonerange", "16k"),
        ("zoneskip", "4k"),
    ];
    let seen = offsets(&options, 1000);
    for pair in seen.chunks(2) {
        assert!((8192..8192 + 16_384).contains(&pair[0]), "{pair:?}");
        assert!((8192 + 20_480..8192 + 36_864).contains(&pair[1]), "{pair:?}");
    }
}

#[test]
fn direction_mix_follows_the_percentage() {
    for percent in [0_usize, 30, 70, 100] {
        let mut workload =
            workload(&[("rw", "rw"), ("rwmixread", &percent.to_string())], &[REGION]);
        let reads = (0..100_000).filter(|_| workload.next_direction() == Direction::Read).count();
        assert!(reads.abs_diff(percent * 1000) <= 800, "{percent}%: {reads} of 100000");
    }
}

#[test]
fn several_files_are_each_covered_once_whatever_their_sizes() {
    let regions = [40_960, 4096, 81_920].map(|len_bytes| Region { first_byte: 0, len_bytes });
    for service in ["roundrobin", "roundrobin:3", "random", "sequential", "zipf:1.2"] {
        for rw in ["read", "randread"] {
            let options = [("rw", rw), ("file_service_type", service)];
            let mut workload = workload(&options, &regions);
            for _ in 0..2 {
                let pass = blocks(&mut workload, 31);
                for (file, region) in (0_u32..).zip(regions) {
                    let of: Vec<Block> = pass.iter().copied().filter(|b| b.file == file).collect();
                    assert_covers(of, region);
                }
            }
        }
    }
}

#[test]
fn files_take_turns() {
    let regions = [REGION; 3];
    let files = |service: &str| {
        let mut workload = workload(&[("rw", "read"), ("file_service_type", service)], &regions);
        blocks(&mut workload, 6).iter().map(|block| block.file).collect::<Vec<_>>()
    };
    assert_eq!(files("roundrobin"), [0, 1, 2, 0, 1, 2]);
    assert_eq!(files("roundrobin:2"), [0, 0, 1, 1, 2, 2]);
    assert_eq!(files("sequential"), [0; 6]);
}
