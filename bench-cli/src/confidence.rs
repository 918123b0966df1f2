//! Means, ratios and their 95 % confidence intervals.
//!
//! Owns the statistics, as plain functions of numbers. It measures and prints nothing. Used by
//! `compare` and `tune`.
//!
//! Rates and latencies are compared by their logarithms: a ratio's spread is then symmetric, and
//! the interval of a ratio and of its inverse agree. The intervals are Student's, for pairs of the
//! differences within the pairs, else Welch's, which does not take both sides to spread alike.

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Whether the interval leaves out `value`.
    pub(crate) fn excludes(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }
}

/// The geometric mean of ratios `new / base` of runs that were made in pairs; `None` for fewer
/// than two pairs, or values that are not above zero.
pub(crate) fn ratio_of_pairs(base: &[f64], new: &[f64]) -> Option<Estimate> {
    let logs: Option<Vec<f64>> =
        base.iter().zip(new).map(|(base, new)| Some(log(*new)? - log(*base)?)).collect();
    let logs = logs?;
    interval(mean(&logs)?, standard_error(&logs)?, logs.len() as f64 - 1.0)
}

/// The ratio of the geometric means of independent runs; `None` for fewer than two on a side.
pub(crate) fn ratio_of_runs(base: &[f64], new: &[f64]) -> Option<Estimate> {
    let logs = |values: &[f64]| values.iter().map(|value| log(*value)).collect::<Option<Vec<_>>>();
    let (base, new) = (logs(base)?, logs(new)?);
    let (base_error, new_error) = (standard_error(&base)?, standard_error(&new)?);
    let error = base_error.hypot(new_error);
    // Welch and Satterthwaite's degrees of freedom; any number serves where nothing spreads.
    let part = |error: f64, count: usize| error.powi(4) / (count as f64 - 1.0);
    let parts = part(base_error, base.len()) + part(new_error, new.len());
    let freedom = if parts > 0.0 { error.powi(4) / parts } else { 1.0 };
    interval(mean(&new)? - mean(&base)?, error, freedom)
}

/// The geometric mean of runs; `None` for fewer than two.
pub(crate) fn mean_of_runs(values: &[f64]) -> Option<Estimate> {
    let logs: Vec<f64> = values.iter().map(|value| log(*value)).collect::<Option<_>>()?;
    interval(mean(&logs)?, standard_error(&logs)?, logs.len() as f64 - 1.0)
}

/// The middle value, or the mean of the two in the middle; `None` for no value.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
}

fn interval(log_mean: f64, error: f64, freedom: f64) -> Option<Estimate> {
    let reach = error * student(freedom);
    Some(Estimate {
        value: log_mean.exp(),
        low: (log_mean - reach).exp(),
        high: (log_mean + reach).exp(),
    })
}

fn log(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then(|| value.ln())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn standard_error(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let count = values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt())
}

/// Student's t: 97.5 % of the distribution with `freedom` degrees of freedom lie below it.
fn student(freedom: f64) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    // Rounded down, so that the interval is never too narrow.
    let whole = freedom.floor().max(1.0);
    let index = TABLE.iter().zip(1_u8..).position(|(_, row)| f64::from(row) == whole);
    // Beyond the table: 1.96 for the normal distribution and the next term of its expansion.
    index.map_or(1.96 + 2.4 / whole, |index| TABLE[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-3
    }

    #[test]
    fn intervals_are_those_of_the_textbook() {
        // Logs 0, 1, 2: mean 1, standard error 1/sqrt(3), t(2) = 4.303.
        let values = [1.0, 1_f64.exp(), 2_f64.exp()];
        let estimate = mean_of_runs(&values).expect("three runs");
        let reach = 4.303 / 3_f64.sqrt();
        assert!(close(estimate.value.ln(), 1.0));
        assert!(close(estimate.low.ln(), 1.0 - reach) && close(estimate.high.ln(), 1.0 + reach));
        assert!(close(student(60.0), 2.0) && close(student(1e9), 1.96));
    }

    #[test]
    fn pairs_see_a_small_gain_that_drift_hides_from_single_runs() {
        let base = [100.0, 150.0, 200.0, 250.0];
        let new = [104.9, 157.6, 210.1, 262.4];
        let paired = ratio_of_pairs(&base, &new).expect("four pairs");
        assert!(paired.excludes(1.0) && close(paired.value, 1.05), "{paired:?}");
        assert!(!ratio_of_runs(&base, &new).expect("four runs").excludes(1.0));
    }

    #[test]
    fn too_little_is_no_estimate() {
        assert_eq!(ratio_of_pairs(&[1.0], &[2.0]), None);
        assert_eq!(ratio_of_runs(&[1.0, 2.0], &[2.0]), None);
        assert_eq!(ratio_of_runs(&[1.0, 0.0], &[2.0, 2.0]), None);
        assert_eq!(mean_of_runs(&[f64::NAN, 1.0]), None);
        assert_eq!(median(&[]), None);
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[1.0, 2.0])), (Some(2.0), Some(1.5)));
    }

    proptest! {
        #[test]
        fn a_ratio_and_its_inverse_agree(
            base in prop::collection::vec(1.0_f64..1e9, 2..12),
            new in prop::collection::vec(1.0_f64..1e9, 2..12),
        ) {
            let there = ratio_of_runs(&base, &new).expect("runs");
            let back = ratio_of_runs(&new, &base).expect("runs");
            prop_assert!((there.value * back.value - 1.0).abs() < 1e-9);
            prop_assert!((there.low * back.high - 1.0).abs() < 1e-9);
            prop_assert!(there.low <= there.value && there.value <= there.high);
        }
    }
}
