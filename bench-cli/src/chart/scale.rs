//! Axes: where a value lies, where ticks stand, and how they are labelled.
//!
//! Owns the arithmetic of linear and logarithmic axes and the units of their labels. It draws
//! nothing. Used by `chart`.

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Evenly, from zero.
    Linear,
    /// By their logarithm; ticks at powers of ten.
    Log,
    /// By their logarithm; ticks at powers of two.
    Log2,
    /// Percentiles, by how rare what is beyond them is: 90, 99, 99.9 are equally far apart.
    Percentile,
}

/// What values of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Plain,
    Nanoseconds,
    BytesPerSecond,
    Percent,
}

/// An axis with its range.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    spread: Spread,
    low: f64,
    high: f64,
}

/// The rarest percentile that an axis can show.
const PERCENTILE_MAX: f64 = 99.9999;

impl Scale {
    /// The axis that all `values` fit on.
    pub(crate) fn of(spread: Spread, values: impl Iterator<Item = f64>) -> Scale {
        let placed: Vec<f64> =
            values.filter(|value| is_placeable(spread, *value)).map(|v| place(spread, v)).collect();
        let mut low = placed.iter().copied().fold(f64::INFINITY, f64::min);
        let mut high = placed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if placed.is_empty() {
            (low, high) = (0.0, 1.0);
        }
        match spread {
            Spread::Linear => {
                low = low.min(0.0);
                // A little air above the highest point.
                high += (high - low) * 0.05;
            }
            Spread::Log => (low, high) = ((low - 0.05).floor_half(), (high + 0.05).ceil_half()),
            Spread::Log2 => {}
            Spread::Percentile => low = 0.0,
        }
        if high - low < 1e-9 {
            high = low + 1.0;
        }
        Scale { spread, low, high }
    }

    /// Where a value lies, from 0 to 1; `None` where the axis has no place for it.
    pub(crate) fn position(&self, value: f64) -> Option<f64> {
        is_placeable(self.spread, value).then(|| {
            ((place(self.spread, value) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        })
    }

    /// The values at which ticks stand.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        match self.spread {
            Spread::Linear => linear_ticks(self.low, self.high),
            Spread::Log => log_ticks(self.low, self.high),
            Spread::Log2 => {
                whole_steps(self.low, self.high).map(|power| 2_f64.powf(power)).collect()
            }
            Spread::Percentile => [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, PERCENTILE_MAX]
                .into_iter()
                .filter(|percent| place(self.spread, *percent) <= self.high + 1e-9)
                .collect(),
        }
    }
}

/// Half steps of a power of ten.
trait HalfSteps {
    fn floor_half(self) -> f64;
    fn ceil_half(self) -> f64;
}

impl HalfSteps for f64 {
    fn floor_half(self) -> f64 {
        (self * 2.0).floor() / 2.0
    }

    fn ceil_half(self) -> f64 {
        (self * 2.0).ceil() / 2.0
    }
}

fn is_placeable(spread: Spread, value: f64) -> bool {
    match spread {
        Spread::Linear => value.is_finite(),
        Spread::Log | Spread::Log2 => value.is_finite() && value > 0.0,
        Spread::Percentile => (0.0..=100.0).contains(&value),
    }
}

fn place(spread: Spread, value: f64) -> f64 {
    match spread {
        Spread::Linear => value,
        Spread::Log => value.log10(),
        Spread::Log2 => value.log2(),
        Spread::Percentile => -(1.0 - value.min(PERCENTILE_MAX) / 100.0).log10(),
    }
}

fn whole_steps(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let count = (high.floor() - low.ceil()).max(0.0).round();
    let first = low.ceil();
    (0_u16..).map(f64::from).take_while(move |step| *step <= count).map(move |step| first + step)
}

/// About five round numbers: 1, 2 or 5 times a power of ten apart.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    whole_steps(low / step, high / step).map(|number| number * step).collect()
}

/// Powers of ten, with 2 and 5 between them where there are few.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let factors: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    whole_steps(low.floor(), high.ceil())
        .flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powf(power)))
        .filter(|tick| (low - 1e-9..=high + 1e-9).contains(&tick.log10()))
        .collect()
}

/// A value as a label.
pub(crate) fn label(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Plain => short(value, &[(1e9, "G"), (1e6, "M"), (1e3, "k")]),
        Unit::Nanoseconds => {
            let units = [(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")];
            if value == 0.0 { "0".to_owned() } else { short(value, &units) }
        }
        Unit::BytesPerSecond => {
            let units = [
                (1_073_741_824.0, " GiB/s"),
                (1_048_576.0, " MiB/s"),
                (1024.0, " KiB/s"),
                (1.0, " B/s"),
            ];
            short(value, &units)
        }
        Unit::Percent => format!("{} %", trimmed(value)),
    }
}

fn short(value: f64, units: &[(f64, &str)]) -> String {
    let fitting = units.iter().find(|(divisor, _)| value.abs() >= divisor * 0.9999);
    let (divisor, name) = fitting.copied().unwrap_or((1.0, ""));
    format!("{}{name}", trimmed(value / divisor))
}

/// Up to four decimals, without zeros at the end.
fn trimmed(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 { 0 } else { 4 };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_short_and_have_their_unit() {
        for (unit, value, text) in [
            (Unit::Plain, 150_000.0, "150k"),
            (Unit::Plain, 0.5, "0.5"),
            (Unit::Nanoseconds, 1500.0, "1.5 µs"),
            (Unit::Nanoseconds, 2e6, "2 ms"),
            (Unit::Nanoseconds, 0.0, "0"),
            (Unit::BytesPerSecond, 104_857_600.0, "100 MiB/s"),
            (Unit::Percent, 99.99, "99.99 %"),
        ] {
            assert_eq!(label(unit, value), text);
        }
    }

    #[test]
    fn ticks_are_round() {
        let linear = Scale::of(Spread::Linear, [0.0, 95_000.0].into_iter());
        assert_eq!(linear.ticks(), [0.0, 20_000.0, 40_000.0, 60_000.0, 80_000.0]);
        let log = Scale::of(Spread::Log, [900.0, 90_000_000.0].into_iter());
        assert_eq!(log.ticks(), [1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
        let depths = Scale::of(Spread::Log2, [1.0, 8.0].into_iter());
        assert_eq!(depths.ticks(), [1.0, 2.0, 4.0, 8.0]);
        let rare = Scale::of(Spread::Percentile, [50.0, 99.9].into_iter());
        assert_eq!(rare.ticks(), [0.0, 50.0, 90.0, 99.0, 99.9]);
    }

    #[test]
    fn values_that_an_axis_cannot_show_have_no_place() {
        let log = Scale::of(Spread::Log, [1.0, 10.0].into_iter());
        assert_eq!(log.position(0.0), None);
        assert_eq!(log.position(f64::NAN), None);
        let empty = Scale::of(Spread::Linear, std::iter::empty());
        assert_eq!(empty.position(0.0), Some(0.0));
    }

    proptest! {
        #[test]
        fn every_value_and_every_tick_lies_on_the_axis(
            values in prop::collection::vec(0.001_f64..1e12, 1..20),
        ) {
            for spread in [Spread::Linear, Spread::Log, Spread::Log2] {
                let scale = Scale::of(spread, values.iter().copied());
                prop_assert!(scale.ticks().len() < 60);
                for value in values.iter().chain(&scale.ticks()) {
                    let position = scale.position(*value).expect("on the axis");
                    prop_assert!((0.0..=1.0).contains(&position));
                }
            }
        }
    }
}
