//! The depth controller under samples that no device would give: it stays within its bounds, and
//! finds the knee afterwards as if nothing had been.

use iomill_engine::depth::{Controller, Counts, Depth, Sample, TRACE_LEN, Target};
use proptest::prelude::*;

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Knee),
        (1..u64::MAX).prop_map(|limit_ns| Target::Mean { limit_ns }),
        (50.0..99.99, 1..u64::MAX)
            .prop_map(|(percent, limit_ns)| Target::Percentile { percent, limit_ns }),
    ]
}

/// Small numbers, and any.
fn count() -> impl Strategy<Value = u32> {
    prop_oneof![0..300_u32, Just(0), any::<u32>()]
}

fn counts() -> impl Strategy<Value = Counts> {
    (count(), count(), count(), prop_oneof![0..10_000_000_u64, any::<u64>()]).prop_map(
        |(requests, slots, late, latency_sum_ns)| Counts { requests, slots, late, latency_sum_ns },
    )
}

/// A sample, and how far time goes on before it: not at all, a little, or by hours; or back.
fn sample() -> impl Strategy<Value = (i64, Sample)> {
    let step = prop_oneof![Just(0_i64), 0..2_000_000_i64, 0..1_i64 << 43, -(1_i64 << 43)..0,];
    let all = (step, counts(), counts(), any::<bool>(), count());
    all.prop_map(|(step, reads, writes, backlog, unused)| {
        (step, Sample { now_ns: 0, reads, writes, backlog, unused })
    })
}

/// Feeds the samples; answers the time after the last one.
fn feed(controller: &mut Controller, samples: &[(i64, Sample)], repeat: usize) -> u64 {
    let mut now_ns = 1_u64 << 50;
    for (step, sample) in samples {
        for _ in 0..repeat {
            now_ns = now_ns.saturating_add_signed(*step);
            controller.observe(&Sample { now_ns, ..*sample });
            let limits = controller.limits();
            assert!(controller.range().contains(&limits.total), "{limits:?}");
            assert!((1..=limits.total).contains(&limits.writes), "{limits:?}");
        }
    }
    now_ns
}

/// A device that serves so many at a time in 100 µs. Answers the time after the last reap.
fn serve(controller: &mut Controller, mut now_ns: u64, reaps: u32, at_once: u32) -> u64 {
    for _ in 0..reaps {
        now_ns += 100_000;
        let mut sample = Sample { now_ns, backlog: true, ..Sample::EMPTY };
        for _ in 0..controller.limits().total.min(at_once) {
            sample.reads.add(1, 100_000, controller.latency_limit_ns());
        }
        controller.observe(&sample);
    }
    now_ns
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_window_stays_within_its_bounds_whatever_comes(
        (min, max) in (1..=4096_u32).prop_flat_map(|max| (1..=max, Just(max))),
        target in target(),
        samples in prop::collection::vec(sample(), 1..30),
        repeat in 1..200_usize,
    ) {
        let mut controller = Controller::new(Depth::Adaptive { min, max, target });
        feed(&mut controller, &samples, repeat);
        prop_assert!(controller.decisions().count() <= TRACE_LEN);
        let chosen = controller.chosen();
        prop_assert!(chosen.is_none_or(|chosen| (min..=max).contains(&chosen)), "{:?}", chosen);
    }

    #[test]
    fn it_never_sticks(
        samples in prop::collection::vec(sample(), 1..30),
        repeat in 1..200_usize,
    ) {
        let mut controller =
            Controller::new(Depth::Adaptive { min: 1, max: 256, target: Target::Knee });
        let now_ns = feed(&mut controller, &samples, repeat);
        serve(&mut controller, now_ns.min(1 << 62), 400_000, 8);
        let chosen = controller.chosen();
        prop_assert!(chosen.is_some_and(|chosen| (7..=12).contains(&chosen)), "{:?}", chosen);
    }
}

#[test]
fn without_time_nothing_is_learned_and_nothing_breaks() {
    let depth = Depth::Adaptive { min: 1, max: 256, target: Target::Knee };
    let mut controller = Controller::new(depth);
    let mut sample = Sample { now_ns: 7, backlog: true, ..Sample::EMPTY };
    sample.reads.add(1, 1, u64::MAX);
    for _ in 0..1_000_000 {
        controller.observe(&sample);
    }
    assert_eq!((controller.limits().total, controller.chosen()), (1, None));
    serve(&mut controller, 7, 100_000, 8);
    assert!(controller.chosen().is_some_and(|chosen| (7..=12).contains(&chosen)));
}

/// A probe that is far off is made again, to tell a change of the device from a stall. If home
/// comes to that depth meanwhile, each further probe would be of home, and no other depth ever be
/// seen.
#[test]
fn a_change_in_the_midst_of_a_probe_leaves_nothing_behind() {
    let depth = Depth::Adaptive { min: 1, max: 256, target: Target::Knee };
    for before in 0..100 {
        let mut controller = Controller::new(depth);
        let now_ns = serve(&mut controller, 0, 10_000 + 50 * before, 10);
        serve(&mut controller, now_ns, 30_000, 5);
        let last = || controller.decisions().collect::<Vec<_>>();
        assert_eq!(controller.chosen(), Some(5), "the change {before}: {:?}", last());
    }
}
