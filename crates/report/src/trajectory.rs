//! The ways of all replicas through the space of outputs, drawn as SVG that shows without scripts.

use std::fmt::Write as _;

use ontogeny_results::dynamics::{Dynamics, Path};

use crate::ReportInput;
use crate::html::escape;
use crate::number::compact;
use crate::verdict::oracle_label;

/// Colours for lines.
const COLOURS: usize = 8;
/// Width of a drawing in its own units; it is as wide as its column on the page.
const WIDTH: f64 = 560.0;
const MARGIN: f64 = 26.0;
/// Least and greatest height.
const HEIGHTS: (f64, f64) = (230.0, 460.0);
/// Between the baselines of two labels: those of a narrow screen.
const LINE: f64 = 16.0;
/// Most paths whose boundaries are labelled with their steps.
const LABELLED: usize = 1;
/// Oracles that have a colour of their own.
const ORACLES: [&str; 5] = [
    "unigram",
    "bigram",
    "trigram",
    "bag_of_context",
    "in_context",
];

/// What a point is where tokens are predicted, and where vectors are.
const POINTS: [&str; 2] = [
    "A point is the output of one checkpoint: probabilities of the next token at fixed places of held-out sequences.",
    "A point is the output of one checkpoint: the vectors that it writes for fixed held-out examples.",
];

const CAPTION: &str = "Axes are the joint principal components of all checkpoints, on one scale; crosses are the oracles, projected \
    afterwards, and need not lie in the plane. The way begins at the hollow square and ends at the full one; circles are \
    boundaries of stages.";

/// The section; nothing if the components are not known, or fewer than two.
pub(crate) fn section(input: &ReportInput) -> String {
    let Some(dynamics) = input.dynamics.as_ref().filter(|d| d.explained.len() > 1) else {
        return String::new();
    };
    let mut html = String::from("<section id=\"trajectory\">\n<h2>Trajectory of outputs</h2>\n");
    html.push_str(&key(dynamics));
    html.push_str("<div class=\"trajectory\">\n");
    for (k, class) in [(1, " class=\"main\""), (2, "")] {
        if dynamics.explained.len() > k {
            let drawn = Plane::new(dynamics, k).draw(input, dynamics);
            let _ = writeln!(html, "<figure{class}>{drawn}</figure>");
        }
    }
    let [of_tokens, of_values] = POINTS;
    let point = if input.unit.is_empty() {
        of_tokens
    } else {
        of_values
    };
    let _ = writeln!(
        html,
        "</div>\n<p class=\"caption\">{point} {CAPTION}</p>\n</section>"
    );
    html
}

/// Whether colours stand for arms: with several arms, or more replicas than colours.
fn by_arm(dynamics: &Dynamics) -> bool {
    arms(dynamics).len() > 1 || dynamics.paths.len() > COLOURS
}

fn arms(dynamics: &Dynamics) -> Vec<&str> {
    let mut arms: Vec<&str> = Vec::new();
    for path in &dynamics.paths {
        if !arms.contains(&path.arm.as_str()) {
            arms.push(&path.arm);
        }
    }
    arms
}

fn colour(dynamics: &Dynamics, k: usize) -> String {
    let number = match by_arm(dynamics) {
        true => {
            let own = |arm: &&str| *arm == dynamics.paths[k].arm;
            arms(dynamics).iter().position(own).unwrap_or(0)
        }
        false => k,
    };
    format!("var(--line-{})", number % COLOURS + 1)
}

/// What the colours stand for, if there are several.
fn key(dynamics: &Dynamics) -> String {
    if dynamics.paths.len() < 2 {
        return String::new();
    }
    let mut html = String::from("<ul class=\"trajectory-key\">");
    let mut told: Vec<&str> = Vec::new();
    for (k, path) in dynamics.paths.iter().enumerate() {
        let name = match by_arm(dynamics) {
            true if path.arm.is_empty() => "all replicas",
            true => path.arm.as_str(),
            false => path.replica.as_str(),
        };
        if !told.contains(&name) {
            told.push(name);
            let colour = colour(dynamics, k);
            let _ = write!(
                html,
                "<li><i style=\"background:{colour}\"></i>{}</li>",
                escape(name)
            );
        }
    }
    html.push_str("</ul>\n");
    html
}

/// One drawing: the first component to the right, another one up.
struct Plane {
    up: usize,
    /// Middle of what is drawn, in both directions.
    middle: [f64; 2],
    /// Units of the drawing for one of the components.
    scale: f64,
    height: f64,
}

impl Plane {
    fn new(dynamics: &Dynamics, up: usize) -> Self {
        let ways = dynamics.paths.iter().flat_map(|p| &p.places);
        let all = ways.chain(dynamics.oracles.iter().map(|o| &o.place));
        let mut ends = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
        for place in all {
            for ([lo, hi], component) in ends.iter_mut().zip([0, up]) {
                if let Some(x) = place.get(component).filter(|x| x.is_finite()) {
                    (*lo, *hi) = (lo.min(*x), hi.max(*x));
                }
            }
        }
        let span = |k: usize| (ends[k][1] - ends[k][0]).max(1e-12);
        let inner = WIDTH - 2.0 * MARGIN;
        let height = (span(1) * inner / span(0) + 2.0 * MARGIN).clamp(HEIGHTS.0, HEIGHTS.1);
        Self {
            up,
            middle: ends.map(|[lo, hi]| 0.5 * (lo + hi)),
            scale: (inner / span(0)).min((height - 2.0 * MARGIN) / span(1)),
            height,
        }
    }

    fn at(&self, place: &[f64]) -> Option<[f64; 2]> {
        let (x, y) = (*place.first()?, *place.get(self.up)?);
        let here = [
            0.5 * WIDTH + (x - self.middle[0]) * self.scale,
            0.5 * self.height - (y - self.middle[1]) * self.scale,
        ];
        here.iter().all(|x| x.is_finite()).then_some(here)
    }

    fn draw(&self, input: &ReportInput, dynamics: &Dynamics) -> String {
        let title = format!("Outputs on components 1 and {}", self.up + 1);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{title}\">\
             <rect class=\"frame\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{:.0}\"/>",
            self.height,
            WIDTH - 1.0,
            self.height - 1.0
        );
        let share = |k: usize| format!("PC{}, {:.0} %", k + 1, 100.0 * dynamics.explained[k]);
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{} →</text><text x=\"7\" y=\"16\">↑ {}</text>",
            WIDTH - 7.0,
            self.height - 8.0,
            share(0),
            share(self.up)
        );
        let mut labels = Vec::new();
        for (k, path) in dynamics.paths.iter().enumerate() {
            self.way(&mut svg, path, &colour(dynamics, k));
        }
        for (k, path) in dynamics.paths.iter().enumerate() {
            let report = input.replicas.iter().find(|r| r.name == path.replica);
            for boundary in report.iter().flat_map(|r| &r.stages.boundaries) {
                let Some([x, y]) = self.on(path, boundary.at) else {
                    continue;
                };
                let step = compact(boundary.at);
                let _ = write!(
                    svg,
                    "<circle class=\"edge\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.2\" style=\"stroke:{}\"><title>{}: \
                     boundary at step {step}</title></circle>",
                    colour(dynamics, k),
                    escape(&path.replica)
                );
                if dynamics.paths.len() <= LABELLED {
                    labels.push(Label::new(
                        [x, y],
                        format!("step {step}"),
                        "",
                        String::new(),
                    ));
                }
            }
        }
        for oracle in &dynamics.oracles {
            let Some([x, y]) = self.at(&oracle.place) else {
                continue;
            };
            let colour = match ORACLES.contains(&oracle.name.as_str()) {
                true => format!("var(--oracle-{})", oracle.name),
                false => "var(--ink-soft)".to_owned(),
            };
            let _ = write!(
                svg,
                "<path class=\"cross\" d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\" style=\"stroke:{colour}\"/>",
                x - 5.0,
                y - 5.0
            );
            let style = format!(" style=\"fill:{colour}\"");
            labels.push(Label::new(
                [x, y],
                oracle_label(&oracle.name),
                "landmark",
                style,
            ));
        }
        place(&mut labels, self.height);
        for label in &labels {
            label.write(&mut svg);
        }
        svg.push_str("</svg>");
        svg
    }

    /// The line through a replica's checkpoints, with a mark at each, and its two ends.
    fn way(&self, svg: &mut String, path: &Path, colour: &str) {
        let there: Vec<(u64, [f64; 2])> = path
            .steps
            .iter()
            .zip(&path.places)
            .filter_map(|(step, place)| Some((*step, self.at(place)?)))
            .collect();
        let line: Vec<String> = there
            .iter()
            .map(|(_, [x, y])| format!("{x:.1} {y:.1}"))
            .collect();
        let _ = write!(
            svg,
            "<path class=\"way\" d=\"M{}\" style=\"stroke:{colour}\"/>",
            line.join("L")
        );
        for (step, [x, y]) in &there {
            let _ = write!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.9\" style=\"fill:{colour}\"><title>{}, step {}</title></circle>",
                escape(&path.replica),
                compact(*step as f64)
            );
        }
        let ends = [(there.first(), "var(--paper)"), (there.last(), colour)];
        for (end, fill) in ends {
            if let Some((_, [x, y])) = end {
                let _ = write!(
                    svg,
                    "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\" style=\"fill:{fill};stroke:{colour};stroke-width:1.6\"/>",
                    x - 3.5,
                    y - 3.5
                );
            }
        }
    }

    /// Where a path is at a step between checkpoints, linear in ln(step + 1).
    fn on(&self, path: &Path, step: f64) -> Option<[f64; 2]> {
        let after = path.steps.iter().position(|&s| s as f64 >= step)?;
        let (b, to) = (path.steps[after] as f64, self.at(path.places.get(after)?)?);
        let Some(before) = after.checked_sub(1) else {
            return Some(to);
        };
        let (a, from) = (path.steps[before] as f64, self.at(&path.places[before])?);
        let part = (step.ln_1p() - a.ln_1p()) / (b.ln_1p() - a.ln_1p());
        Some([0, 1].map(|k| from[k] + part * (to[k] - from[k])))
    }
}

/// A word beside a mark.
struct Label {
    at: [f64; 2],
    /// Whether it stands to the right of its mark.
    right: bool,
    /// Its baseline.
    y: f64,
    text: String,
    class: &'static str,
    style: String,
}

impl Label {
    fn new(at: [f64; 2], text: String, class: &'static str, style: String) -> Self {
        Self {
            at,
            right: at[0] < 0.62 * WIDTH,
            y: at[1] + 4.0,
            text,
            class,
            style,
        }
    }

    fn write(&self, svg: &mut String) {
        let (x, anchor) = match self.right {
            true => (self.at[0] + 9.0, "start"),
            false => (self.at[0] - 9.0, "end"),
        };
        let _ = write!(
            svg,
            "<text class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\"{}>{}</text>",
            self.class,
            self.y,
            self.style,
            escape(&self.text)
        );
    }

    /// What it covers from left to right, at the width of letters on a narrow screen.
    fn covers(&self) -> [f64; 2] {
        let width = 8.2 * self.text.chars().count() as f64;
        match self.right {
            true => [self.at[0] + 9.0, self.at[0] + 9.0 + width],
            false => [self.at[0] - 9.0 - width, self.at[0] - 9.0],
        }
    }
}

/// Moves labels down, and at the bottom up, until no two cover one another.
fn place(labels: &mut [Label], height: f64) {
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    let apart = |a: &Label, b: &Label| {
        let ([a0, a1], [b0, b1]) = (a.covers(), b.covers());
        a1 < b0 || b1 < a0
    };
    for k in 0..labels.len() {
        let (above, own) = labels.split_at_mut(k);
        let Some(own) = own.first_mut() else { continue };
        let near = above.iter().filter(|other| !apart(other, own));
        let free = near.map(|other| other.y + LINE).fold(30.0, f64::max);
        own.y = own.y.max(free);
    }
    let mut ceiling = height - 24.0;
    for label in labels.iter_mut().rev() {
        if label.y > ceiling {
            label.y = ceiling;
            ceiling -= LINE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReplicaReport;
    use ontogeny_results::dynamics::Landmark;
    use ontogeny_results::stages::{Boundary, StageReport};

    fn input() -> ReportInput {
        let path = Path {
            replica: "seed0".into(),
            steps: vec![0, 1, 3],
            places: vec![vec![-1.0, 0.0], vec![0.0, 0.5], vec![1.0, 0.0]],
            ..Path::default()
        };
        ReportInput {
            replicas: vec![ReplicaReport {
                name: "seed0".into(),
                stages: StageReport {
                    boundaries: vec![Boundary {
                        at: 2_f64.sqrt() * 2.0 - 1.0,
                        ..Boundary::default()
                    }],
                    ..StageReport::default()
                },
                ..ReplicaReport::default()
            }],
            dynamics: Some(Dynamics {
                explained: vec![0.7, 0.2],
                paths: vec![path],
                oracles: vec![
                    Landmark {
                        name: "in_context".into(),
                        place: vec![1.0, 0.1],
                    },
                    Landmark {
                        name: "<odd>".into(),
                        place: vec![1.0, 0.1],
                    },
                ],
            }),
            ..ReportInput::default()
        }
    }

    #[test]
    fn paths_landmarks_and_boundaries_are_drawn() {
        let html = section(&input());
        assert!(html.contains("PC1, 70 %") && html.contains("PC2, 20 %"));
        assert!(html.contains("in-context</text>") && html.contains("&lt;odd&gt;</text>"));
        assert!(html.contains("boundary at step 2"), "{html}");
        assert_eq!(
            html.matches("<svg").count(),
            1,
            "there is no third component"
        );
        assert_eq!(section(&ReportInput::default()), "");
    }

    #[test]
    fn a_boundary_lies_on_the_way_where_its_step_does() {
        let input = input();
        let dynamics = input.dynamics.unwrap();
        let plane = Plane::new(&dynamics, 1);
        // ln(step + 1) of 2√2 − 1 is halfway between those of 1 and 3.
        let [x, y] = plane.on(&dynamics.paths[0], 8_f64.sqrt() - 1.0).unwrap();
        let [a, b] = [1, 2].map(|k| plane.at(&dynamics.paths[0].places[k]).unwrap());
        assert!((x - 0.5 * (a[0] + b[0])).abs() < 1e-9 && (y - 0.5 * (a[1] + b[1])).abs() < 1e-9);
        assert_eq!(plane.on(&dynamics.paths[0], 9.0), None, "beyond the end");
    }

    #[test]
    fn labels_do_not_cover_one_another() {
        let mut labels: Vec<Label> = (0..4)
            .map(|k| {
                Label::new(
                    [100.0, 50.0 + f64::from(k)],
                    "bigram".into(),
                    "",
                    String::new(),
                )
            })
            .collect();
        place(&mut labels, 300.0);
        for pair in labels.windows(2) {
            assert!(pair[1].y - pair[0].y >= LINE);
        }
    }
}
