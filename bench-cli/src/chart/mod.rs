//! Charts as SVG: lines and steps over two axes, readable on light and dark grounds.
//!
//! Owns the drawing. Colours come from a style sheet inside the picture, so that it follows the
//! reader's preference; it needs no script and no other file. Used by `plot` and `tune`.

mod page;
mod scale;

pub(crate) use page::{escape, page};
pub(crate) use scale::{Spread, Unit, label};

use std::fmt::Write as _;

use scale::Scale;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 64.0;

/// The colours of lines, each told apart by people who see few colours (after Okabe and Ito).
const COLOURS: [(&str, &str); 6] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9a4d"),
    ("#009e73", "#3ddbb0"),
    ("#a6518a", "#e68fc6"),
    ("#7a6a00", "#f0e442"),
    ("#555555", "#bbbbbb"),
];

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: &'static str,
    pub(crate) spread: Spread,
    pub(crate) unit: Unit,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Vertical bars at points: x, low, high.
    pub(crate) bars: Vec<(f64, f64, f64)>,
    /// Whether each value holds until the next one.
    pub(crate) stepped: bool,
}

impl Line {
    pub(crate) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Line {
        Line { name: name.into(), points, bars: Vec::new(), stepped: false }
    }
}

/// A point that is named in the picture.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) at: (f64, f64),
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
}

impl Chart {
    /// The picture, a whole SVG document.
    pub(crate) fn svg(&self) -> String {
        self.picture(0.0).document()
    }

    fn picture(&self, top: f64) -> Picture {
        let places = legend(&self.lines);
        let rows_below_first = places.last().map_or(0.0, |place| place.1);
        let all = || self.lines.iter().flat_map(|line| line.points.iter().copied());
        let bars = self.lines.iter().flat_map(|line| &line.bars);
        // A bar that reaches far is cut off rather than let it press all else down.
        let highest = all().map(|point| point.1).fold(0.0, f64::max) * 1.5;
        let reach = bars.flat_map(|(_, low, high)| [*low, high.min(highest)]);
        let marked = self.marks.iter().map(|mark| mark.at);
        let frame = Frame {
            top,
            x: Scale::of(self.x.spread, all().chain(marked.clone()).map(|point| point.0)),
            y: Scale::of(self.y.spread, all().chain(marked).map(|point| point.1).chain(reach)),
        };
        let mut body = String::new();
        self.draw_axes(&frame, &mut body);
        for (index, line) in self.lines.iter().enumerate() {
            draw_line(&frame, line, &class(index), &mut body);
        }
        self.draw_marks(&frame, &mut body);
        self.draw_legend(&frame, &places, &mut body);
        Picture { body, height: top + HEIGHT + rows_below_first }
    }

    fn draw_axes(&self, frame: &Frame, out: &mut String) {
        text(out, (LEFT, frame.top + 22.0), "title", &self.title);
        for tick in frame.y.ticks() {
            let Some(y) = frame.y(tick) else { continue };
            line(out, "grid", (LEFT, y), (WIDTH - RIGHT, y));
            text(out, (LEFT - 8.0, y + 4.0), "end", &label(self.y.unit, tick));
        }
        for tick in frame.x.ticks() {
            let Some(x) = frame.x(tick) else { continue };
            line(out, "grid", (x, frame.top + TOP), (x, frame.bottom()));
            text(out, (x, frame.bottom() + 18.0), "middle", &label(self.x.unit, tick));
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        text(out, (middle, frame.bottom() + 36.0), "middle name", self.x.name);
        let centre = f64::midpoint(frame.top + TOP, frame.bottom());
        let _ = writeln!(
            out,
            "<text class=\"middle name\" transform=\"translate(16 {centre:.1}) rotate(-90)\">\
             {}</text>",
            escape(self.y.name)
        );
    }

    fn draw_marks(&self, frame: &Frame, out: &mut String) {
        for Mark { name, at } in &self.marks {
            let (Some(x), Some(y)) = (frame.x(at.0), frame.y(at.1)) else { continue };
            let _ = writeln!(out, "<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/>");
            // Away from the nearer edge, so that the words stay inside.
            let (class, side) = if x > WIDTH * 0.6 { ("end", -10.0) } else { ("start", 10.0) };
            let below = if y < frame.top + TOP + 20.0 { 18.0 } else { -10.0 };
            text(out, (x + side, y + below), class, name);
        }
    }

    fn draw_legend(&self, frame: &Frame, places: &[(f64, f64)], out: &mut String) {
        for (index, (line, (x, below))) in self.lines.iter().zip(places).enumerate() {
            let y = frame.bottom() + 54.0 + below;
            self::line(out, &class(index), (*x, y - 4.0), (x + 18.0, y - 4.0));
            text(out, (x + 24.0, y), "start", &line.name);
        }
    }
}

/// Where the names of lines stand: from the left, and below the first row.
fn legend(lines: &[Line]) -> Vec<(f64, f64)> {
    let (mut x, mut below) = (LEFT, 0.0);
    let mut places = Vec::new();
    for line in lines {
        // Seven pixels to a letter at this size.
        let width = 30.0 + 7.0 * line.name.chars().count() as f64;
        if x > LEFT && x + width > WIDTH - RIGHT {
            (x, below) = (LEFT, below + 18.0);
        }
        places.push((x, below));
        x += width + 16.0;
    }
    places
}

/// Colour and dashes of a line.
fn class(index: usize) -> String {
    let dashes = if index < COLOURS.len() { "" } else { " dashed" };
    format!("s{}{dashes}", index % COLOURS.len())
}

/// Several charts below each other, as one SVG document.
pub(crate) fn stacked(charts: &[Chart]) -> String {
    let mut all = Picture { body: String::new(), height: 0.0 };
    for chart in charts {
        let Picture { body, height } = chart.picture(all.height);
        all.body.push_str(&body);
        all.height = height;
    }
    all.document()
}

/// What is drawn so far.
struct Picture {
    body: String,
    height: f64,
}

impl Picture {
    fn document(&self) -> String {
        let Picture { body, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<style>{}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n",
            style()
        )
    }
}

fn style() -> String {
    let lines = |dark: bool| {
        let mut rules = String::new();
        for (index, colours) in COLOURS.iter().enumerate() {
            let colour = if dark { colours.1 } else { colours.0 };
            let _ = write!(rules, ".s{index}{{stroke:{colour};fill:none;stroke-width:2}}");
        }
        rules
    };
    format!(
        ".ground{{fill:#fff}}text{{fill:#222;font:12px sans-serif}}\
         .title{{font:bold 14px sans-serif}}\
         .end{{text-anchor:end}}.middle{{text-anchor:middle}}.name{{fill:#666}}\
         .grid{{stroke:#ddd}}.dashed{{stroke-dasharray:5 3}}\
         .mark{{fill:none;stroke:#222;stroke-width:2}}{}\
         @media(prefers-color-scheme:dark){{.ground{{fill:#16181d}}text{{fill:#e6e6e6}}\
         .name{{fill:#aaa}}.grid{{stroke:#33363d}}.mark{{stroke:#fff}}{}}}",
        lines(false),
        lines(true)
    )
}

/// The place of one chart in the picture.
struct Frame {
    top: f64,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn bottom(&self) -> f64 {
        self.top + HEIGHT - BOTTOM
    }

    fn x(&self, value: f64) -> Option<f64> {
        Some(LEFT + self.x.position(value)? * (WIDTH - LEFT - RIGHT))
    }

    fn y(&self, value: f64) -> Option<f64> {
        Some(self.bottom() - self.y.position(value)? * (HEIGHT - TOP - BOTTOM))
    }
}

fn draw_line(frame: &Frame, line: &Line, class: &str, out: &mut String) {
    let mut path = String::new();
    let mut before: Option<f64> = None;
    for (x, y) in &line.points {
        let (Some(x), Some(y)) = (frame.x(*x), frame.y(*y)) else { continue };
        if let (Some(level), true) = (before, line.stepped) {
            let _ = write!(path, "{x:.1},{level:.1} ");
        }
        let _ = write!(path, "{x:.1},{y:.1} ");
        before = Some(y);
    }
    let _ = writeln!(out, "<polyline class=\"{class}\" points=\"{}\"/>", path.trim_end());
    for (x, low, high) in &line.bars {
        let (Some(x), Some(low), Some(high)) = (frame.x(*x), frame.y(*low), frame.y(*high)) else {
            continue;
        };
        self::line(out, class, (x, low), (x, high));
    }
}

fn line(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, at: (f64, f64), class: &str, words: &str) {
    let words = escape(words);
    let _ =
        writeln!(out, "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{words}</text>", at.0, at.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let mut line = Line::new("a < b", vec![(1.0, 10.0), (2.0, 20.0), (4.0, f64::NAN)]);
        line.bars = vec![(2.0, 15.0, 25.0)];
        Chart {
            title: "Title & more".into(),
            x: Axis { name: "depth", spread: Spread::Log2, unit: Unit::Plain },
            y: Axis { name: "IOPS", spread: Spread::Linear, unit: Unit::Plain },
            lines: vec![line],
            marks: vec![Mark { name: "knee".into(), at: (2.0, 20.0) }],
        }
    }

    #[test]
    fn the_picture_holds_everything_that_was_given_and_nothing_broken() {
        let svg = chart().svg();
        for part in ["Title &amp; more", "a &lt; b", ">depth<", ">IOPS<", ">knee<", "<polyline"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 1);
        assert!(!svg.contains("<script") && !svg.contains("href"), "{svg}");
    }

    #[test]
    fn stacked_charts_stand_below_each_other() {
        let svg = stacked(&[chart(), chart()]);
        assert_eq!(svg.matches("<svg").count(), 1);
        assert_eq!(svg.matches("Title &amp; more").count(), 2);
        assert!(svg.contains("height=\"680\""), "{svg}");
    }

    #[test]
    fn many_names_take_several_rows_and_lines_beyond_the_colours_are_dashed() {
        let mut many = chart();
        many.lines = vec![Line::new("a rather long name of a line", vec![(1.0, 2.0)]); 8];
        let places = legend(&many.lines);
        assert!(places.iter().all(|(x, _)| x + 30.0 + 7.0 * 28.0 <= WIDTH), "{places:?}");
        assert_eq!(places.iter().filter(|place| place.1 > 0.0).count(), 6);
        let svg = many.svg();
        assert!(svg.contains("class=\"s1 dashed\"") && svg.contains("height=\"394\""), "{svg}");
    }

    #[test]
    fn stepped_lines_keep_their_level_until_the_next_value() {
        let mut steps = chart();
        steps.lines[0].stepped = true;
        assert!(steps.svg().matches(',').count() > chart().svg().matches(',').count());
    }
}
