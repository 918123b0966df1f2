//! A small part of the depth controller's test set, for every run: the rest is the binary
//! `depth-table`. The oracles are those that it prints, as constants, since trying every depth
//! takes long.

use iomill_tests::depth::cases::{
    Case, Who, demands, devices, in_lanes, narrow, shared, throttled,
};
use iomill_tests::depth::judge::{Known, Variant, demand, knee, sharing, target, two_targets};
use iomill_tests::depth::oracle::{Aim, Oracle};

fn case(name: &str) -> Case {
    devices().into_iter().find(|case| case.name == name).unwrap()
}

/// A device with its best throughput and the smallest depth that gives 95 % of it.
fn known(name: &str, best: f64, depth_95: u32, variant: Variant) -> Known {
    known_of(&case(name), best, depth_95, variant)
}

fn known_of(case: &Case, best: f64, depth_95: u32, variant: Variant) -> Known {
    let oracle = Oracle { best, depth_95, within: 0.0, depth_within: 0 };
    Known::with(case, Aim::None, variant, oracle)
}

#[test]
fn the_knee_is_found_on_every_kind_of_device() {
    for (name, best, depth_95) in [
        ("M/M/1", 1000.0, 1),
        ("M/M/8", 8000.0, 8),
        ("0.1 ms, cap 100k", 1e5, 10),
        ("16 dies 0.4 ms", 38_607.0, 112),
        ("retrograde pool", 16_000.0, 8),
    ] {
        let known = known(name, best, depth_95, Variant::default());
        for seed in [1, 2] {
            let outcome = knee(&known, Who::Ours, seed);
            assert!(outcome.pass, "{name}, seed {seed}: {outcome:?}");
        }
    }
}

/// One server less takes half of the throughput here, and a probe of it in seven takes the rest of
/// what may be missing.
#[test]
fn looking_around_costs_little_where_each_step_of_the_depth_counts() {
    let case = narrow().into_iter().find(|case| case.name == "M/M/2").unwrap();
    let known = known_of(&case, 2000.0, 2, Variant::default());
    for seed in [1, 2, 3] {
        let outcome = knee(&known, Who::Ours, seed);
        assert!(outcome.pass && outcome.x > 0.97, "seed {seed}: {outcome:?}");
    }
}

/// In this run's glance at depth 2 the device looks a third faster than it is.
#[test]
fn a_glance_that_was_wrong_makes_no_other_device() {
    let known = known("M/M/1", 1000.0, 1, Variant::default());
    let outcome = knee(&known, Who::Ours, 1040);
    assert!(outcome.pass && outcome.recovery[0] <= 20.0, "{outcome:?}");
}

/// With a level that follows home no quicker than on a quiet disk, these runs end at a depth that
/// is too low: they compare what a probe gave with what home gave long before.
#[test]
fn a_disk_whose_speed_wanders_gets_the_depth_of_a_quiet_one() {
    let case = shared().into_iter().find(|case| case.name == "measured disk").unwrap();
    let known = known_of(&case, 110_714.0, 88, Variant::default());
    for seed in [4, 5, 7] {
        let outcome = knee(&known, Who::Ours, seed);
        assert!(outcome.pass, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn batches_and_classes_change_nothing() {
    let variant = Variant { batched: true, classes: true, ..Variant::default() };
    let outcome = knee(&known("M/M/8", 8000.0, 8, variant), Who::Ours, 1);
    assert!(outcome.pass, "{outcome:?}");
}

#[test]
fn the_judge_lets_not_everybody_pass() {
    let known = known("16 dies 0.4 ms", 38_607.0, 112, Variant::default());
    let outcome = knee(&known, Who::Vegas, 1);
    assert!(!outcome.pass && outcome.x < 0.8, "{outcome:?}");
}

#[test]
fn a_percentile_is_kept_with_the_throughput_that_it_allows() {
    let case = case("M/M/32");
    let aim = Aim::Late(case.p99, 0.01);
    let oracle = Oracle { best: 160_000.0, depth_95: 32, within: 160_000.0, depth_within: 44 };
    let known = Known::with(&case, aim, Variant::default(), oracle);
    for seed in [1, 2] {
        let outcome = target(&known, Who::Ours, seed);
        assert!(outcome.pass, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn writes_that_give_way_do_not_keep_the_next_reads_of_their_callers_away() {
    let cases = in_lanes();
    let (case, [limit, _]) = cases.iter().find(|(case, _)| case.name == "M/M/32").unwrap();
    let oracle = Oracle { best: 160_000.0, depth_95: 32, within: 160_000.0, depth_within: 32 };
    let variant = Variant { classes: true, lanes: 512, ..Variant::default() };
    let known = Known::with(case, Aim::Late(*limit, 0.01), variant, oracle);
    let outcome = target(&known, Who::Ours, 1);
    assert!(outcome.pass, "{outcome:?}");
}

#[test]
fn a_throttled_disk_gets_no_more_requests_than_it_can_use_over_the_whole_time() {
    for (name, best, depth_95) in
        [("measured disk, 20k/s", 20_000.0, 2), ("16 dies 0.4 ms, 5k/s", 5000.0, 3)]
    {
        let case = throttled().into_iter().find(|case| case.name == name).unwrap();
        let oracle = Oracle { best, depth_95, within: 0.0, depth_within: 0 };
        let known = Known::with(&case, Aim::None, Variant::default(), oracle);
        let outcome = knee(&known, Who::Ours, 1);
        assert!(outcome.pass, "{name}: {outcome:?}");
    }
}

#[test]
fn two_engines_with_one_controller_share_what_two_controllers_ruin() {
    let known = known("retrograde pool", 16_000.0, 8, Variant::default());
    let together = sharing(&known, Who::Ours, true, 1);
    assert!(together.pass, "{together:?}");
}

#[test]
fn an_engine_keeps_its_target_also_beside_one_that_began_without() {
    let case = case("16 dies 0.4 ms");
    let aim = Aim::Late(case.p99, 0.01);
    let oracle = Oracle { best: 38_607.0, depth_95: 112, within: 23_700.0, depth_within: 22 };
    let known = Known::with(&case, aim, Variant::default(), oracle);
    for seed in [1, 2] {
        let outcome = two_targets(&known, seed);
        assert!(outcome.pass, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn loads_that_do_not_press_change_nothing_and_what_cannot_be_is_told() {
    for case in demands().iter().filter(|case| case.name != "open loop 20 %, dies") {
        let outcome = demand(case, Who::Ours, 1);
        assert!(outcome.pass, "{}: {outcome:?}", case.name);
    }
}
