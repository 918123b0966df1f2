//! Every kind of damage is seen, and nothing else is.

use super::*;
use crate::options::{Settings, find};
use proptest::prelude::*;

const REGION: Region = Region { first_byte: 8192, len_bytes: 65_536 };
const KINDS: [&str; 6] = ["crc32c", "xxhash", "sha256", "meta", "pattern", "pattern_hdr"];

fn verifier(options: &[(&str, &str)], seed: u64) -> Verifier {
    let mut settings = Settings::default();
    for (name, text) in options {
        find(name).expect("known").apply(&mut settings, text).expect("valid");
    }
    Verifier::new(&settings.job, &[REGION], seed).expect("it verifies")
}

fn of_kind(kind: &str, rw: &str) -> Verifier {
    verifier(&[("rw", rw), ("verify", kind), ("verify_pattern", "0xaabbcc")], 5)
}

fn problems(damages: Vec<Damage>) -> Vec<Problem> {
    damages.into_iter().map(|damage| damage.problem).collect()
}

#[test]
fn what_was_sealed_passes_for_its_writer_and_for_a_reader() {
    for kind in KINDS {
        let mut writer = of_kind(kind, "write");
        let mut block = vec![0; 16_384];
        writer.seal(0, 12_288, &mut block);
        assert_eq!(writer.check(0, 12_288, &block), [], "{kind}");
        assert_eq!(of_kind(kind, "read").check(0, 12_288, &block), [], "{kind}");
        let expected = writer.expected(0, 12_288, &block[..4096]).expect("known");
        assert!(expected == block[..4096], "{kind}: it can be made again");
    }
}

#[test]
fn lost_and_misplaced_writes_are_told_apart() {
    let mut writer = of_kind("crc32c", "write");
    let (mut old, mut new) = (vec![0; 4096], vec![0; 4096]);
    writer.seal(0, 8192, &mut old);
    writer.seal(0, 8192, &mut new);
    assert_eq!(writer.check(0, 8192, &new), []);
    let stale = Problem::Stale { found: 1, expected: 2 };
    assert_eq!(problems(writer.check(0, 8192, &old)), [stale]);
    let misplaced = Problem::WrongPlace { found: 8192 };
    assert_eq!(problems(writer.check(0, 12_288, &new)), [misplaced]);
    assert_eq!(problems(writer.check(0, 8192, &[0; 4096])), [Problem::NoHeader]);
    let mut other = verifier(&[("rw", "write"), ("verify", "crc32c")], 6);
    let mut theirs = vec![0; 4096];
    other.seal(0, 8192, &mut theirs);
    assert_eq!(problems(writer.check(0, 8192, &theirs)), [Problem::OtherRun]);
    let longer = verifier(&[("rw", "read"), ("verify", "crc32c"), ("bs", "8k")], 5);
    let mut twice = new.clone();
    twice.extend_from_slice(&new);
    assert_eq!(problems(longer.check(0, 8192, &twice)), [Problem::WrongLength { found: 4096 }]);
    let sha = of_kind("sha256", "read");
    assert_eq!(problems(sha.check(0, 8192, &new)), [Problem::OtherKind]);
}

#[test]
fn what_was_written_is_found_in_stretches() {
    let mut writer = of_kind("crc32c", "write");
    let mut block = vec![0; 8192];
    writer.seal(0, 8192 + 16_384, &mut block);
    assert_eq!(writer.written_from(0, 8192, 4096), Some((24_576, 4096)));
    assert_eq!(writer.written_from(0, 8192, 65_536), Some((24_576, 8192)));
    assert_eq!(writer.written_from(0, 32_768, 4096), None);
    writer.forget(0, 24_576, 4096);
    assert_eq!(writer.written_from(0, 8192, 65_536), Some((28_672, 4096)));
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(
        kind in prop::sample::select(vec!["crc32c", "xxhash", "sha256", "pattern", "pattern_hdr"]),
        at in 0_usize..8192,
        change in 1_u8..,
    ) {
        let mut writer = of_kind(kind, "write");
        let mut block = vec![0; 8192];
        writer.seal(0, 8192, &mut block);
        block[at] ^= change;
        let damages = writer.check(0, 8192, &block);
        prop_assert_eq!(damages.len(), 1, "{} byte {}", kind, at);
        prop_assert_eq!(damages[0].offset, 8192 + at as u64 / 4096 * 4096);
    }
}

#[test]
fn trimmed_units_are_zeros_or_nobody_s_business() {
    for (zero, kind) in [("1", "crc32c"), ("0", "crc32c"), ("1", "pattern")] {
        let options = [("rw", "write"), ("verify_pattern", "0xaa"), ("trim_verify_zero", zero)];
        let options = [&options[..], &[("verify", kind)]].concat();
        let mut writer = verifier(&options, 5);
        let mut blocks = vec![0; 12_288];
        writer.seal(0, 8192, &mut blocks);
        writer.trimmed(0, 12_288, 4096);
        let lost = problems(writer.check(0, 8192, &blocks));
        blocks[4096..8192].fill(0);
        assert_eq!(writer.check(0, 8192, &blocks), [], "{zero} {kind}");
        let stretch = writer.written_from(0, 8192, 65_536);
        if zero == "1" {
            assert!(matches!(lost[..], [Problem::NotTrimmed { .. }]), "{lost:?}");
            assert_eq!(stretch, Some((8192, 12_288)));
            assert_eq!(writer.expected(0, 12_288, &[1; 4096]), Some(vec![0; 4096]));
        } else {
            assert!(lost.is_empty(), "{lost:?}");
            assert_eq!(stretch, Some((8192, 4096)), "a stretch ends before it");
            assert_eq!(writer.written_from(0, 12_288, 65_536), Some((16_384, 4096)));
        }
        // Written anew it is what it was before, one generation on.
        writer.seal(0, 12_288, &mut blocks[4096..8192]);
        assert_eq!(writer.check(0, 8192, &blocks), [], "{zero} {kind}");
        assert_eq!(writer.written_from(0, 8192, 65_536), Some((8192, 12_288)));
    }
}
