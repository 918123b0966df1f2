//! A comparison for programs.
//!
//! Owns the names of the keys. What is compared and when there is a verdict is `table`'s. It reads
//! no file. Called by `compare`.

use serde::Serialize;

use super::Side;
use super::table::{Comparison, Design, compared};
use crate::confidence::Estimate;

#[derive(Serialize)]
struct Document {
    /// How the runs of both sides belong together.
    design: &'static str,
    base: Runs,
    comparisons: Vec<Compared>,
}

#[derive(Serialize)]
struct Runs {
    name: String,
    version: String,
    runs: usize,
}

#[derive(Serialize)]
struct Compared {
    new: Runs,
    figures: Vec<Figure>,
}

#[derive(Serialize)]
struct Figure {
    name: &'static str,
    unit: &'static str,
    /// Medians of the runs; null where no run has the figure.
    base: Option<f64>,
    new: Option<f64>,
    ratio: Option<f64>,
    /// The 95 % interval of the ratio; null where there are too few runs for one.
    low: Option<f64>,
    high: Option<f64>,
    /// `better`, `worse`, `no difference shown`, or null without an interval.
    verdict: Option<&'static str>,
}

/// The whole document, with a final newline.
pub(super) fn text(base: &Side, others: &[Side], design: Design) -> String {
    let document = Document {
        design: match design {
            Design::Pairs => "pairs",
            Design::Runs => "runs",
        },
        base: runs(base),
        comparisons: others
            .iter()
            .map(|new| Compared {
                new: runs(new),
                figures: compared(base, new, design).iter().map(figure).collect(),
            })
            .collect(),
    };
    // Plain numbers and texts cannot fail.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn runs(side: &Side) -> Runs {
    Runs {
        name: side.name.clone(),
        version: side.runs.first().map_or_else(String::new, |run| run.version.clone()),
        runs: side.runs.len(),
    }
}

fn figure(compared: &Comparison) -> Figure {
    let Comparison { name, unit, base, new, ratio, interval, .. } = *compared;
    Figure {
        name,
        unit,
        base,
        new,
        ratio,
        low: interval.map(|Estimate { low, .. }| low),
        high: interval.map(|Estimate { high, .. }| high),
        verdict: compared.verdict(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::side;
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_document_has_the_figures_of_the_table() {
        let base = side("a", &[(1000.0, 500), (1010.0, 400), (990.0, 600)]);
        let new = side("b", &[(1200.0, 480), (1210.0, 610), (1190.0, 420)]);
        let text = text(&base, &[new], Design::Runs);
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&document["design"], &document["base"]["runs"]), (&"runs".into(), &3.into()));
        let figures = &document["comparisons"][0]["figures"];
        assert_eq!((&figures[0]["name"], &figures[0]["base"]), (&"IOPS".into(), &1000.0.into()));
        assert_eq!(figures[0]["verdict"], "better");
        let low = figures[0]["low"].as_f64().expect("a number");
        assert!(low > 1.1 && low < 1.2, "{text}");
        assert_eq!(figures[4]["verdict"], "no difference shown");
        assert_eq!(figures[5]["name"], "p99.9 latency");
        assert_eq!((&figures[5]["base"], &figures[5]["verdict"]), (&Value::Null, &Value::Null));
    }
}
