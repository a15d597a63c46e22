//! The comparison as one offline HTML document.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ontogeny_results::compare::Comparison;
use ontogeny_results::stages::StageName;

use super::input::CompareInput;
use super::table::{Table, all};
use super::words::{percent, stage_label, unit};
use crate::html::{escape, escape_json};
use crate::number::{moment, setting};
use crate::page::{POLICY, STYLE};
use crate::series::shown;
use crate::verdict::{label, own_class};

const OWN_STYLE: &str = include_str!("../../assets/compare/style.css");

const SCRIPTS: [&str; 8] = [
    include_str!("../../assets/scales.js"),
    include_str!("../../assets/draw.js"),
    include_str!("../../assets/compare/axes.js"),
    include_str!("../../assets/compare/timelines.js"),
    include_str!("../../assets/compare/survival.js"),
    include_str!("../../assets/compare/dose.js"),
    include_str!("../../assets/compare/curves.js"),
    include_str!("../../assets/compare/main.js"),
];

const READING: &str = include_str!("../../assets/compare/reading.html");

/// The whole page (UTF-8). Tables are plain HTML; figures are drawn when it is opened.
#[must_use]
pub fn render(input: &CompareInput) -> String {
    let mut html = String::with_capacity(256 * 1024);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"ontogeny {}\">\n\
         <title>{}: arms compared</title>\n<style>\n{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&input.version),
        escape(&input.title)
    );
    header(&mut html, input);
    let mut tables = all(input).into_iter();
    if let Some(first) = tables.next() {
        html.push_str("<section id=\"stages\">\n");
        table(&mut html, &first);
        html.push_str(CAPTION_STAGES);
        html.push_str("</section>\n");
    }
    html.push_str(
        "<noscript><p class=\"absent\">The figures are drawn by a script in this page; without it, the tables \
         still hold.</p></noscript>\n<div id=\"figures\"></div>\n<section id=\"tables\">\n",
    );
    for other in tables {
        table(&mut html, &other);
    }
    html.push_str("</section>\n<section id=\"reading\">\n<h2>How the figures are made</h2>\n");
    html.push_str(READING);
    html.push_str("</section>\n");
    provenance(&mut html, input);
    html.push_str("</main>\n");
    let _ = writeln!(
        html,
        "<script type=\"application/json\" id=\"ontogeny-data\">{}</script>",
        data(input)
    );
    html.push_str("<script>\n(() => {\n\"use strict\";\n");
    for script in SCRIPTS {
        html.push_str(script);
    }
    html.push_str("})();\n</script>\n</body>\n</html>\n");
    html
}

const CAPTION_STAGES: &str = "<p class=\"caption\">Medians over seeds with their intervals; “&gt;” marks what was not \
    reached by the end of the runs. induction* is read without the detector: from then on the loss after repeated triggers stays more than \
    2 % below the bag-of-context oracle’s.</p>\n";

fn header(html: &mut String, input: &CompareInput) {
    let seeds: usize = input.comparison.arms.iter().map(|a| a.seeds.len()).sum();
    let _ = writeln!(
        html,
        "<header>\n<p class=\"kicker\">{} · {}</p>\n<h1>{}</h1>\n<p class=\"summary\">{} arms, {seeds} replicas; \
         the {} of each stage, in {}.{}</p>\n<p class=\"verdict\">{}</p>\n</header>",
        escape(
            &input
                .runs
                .iter()
                .map(|r| r.folder.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ),
        escape(&moment(&input.created)),
        escape(&input.title),
        input.comparison.arms.len(),
        input.comparison.event.name(),
        escape(&unit(input)),
        match input.differing.as_slice() {
            [] => String::new(),
            keys => format!(" The arms differ in {}.", escape(&keys.join(", "))),
        },
        verdict(input)
    );
    if !input.notes.is_empty() {
        html.push_str("<ul class=\"warnings\">\n");
        for note in &input.notes {
            let _ = writeln!(html, "<li>{}</li>", escape(note));
        }
        html.push_str("</ul>\n");
    }
}

/// Which differences hold after adjustment.
fn verdict(input: &CompareInput) -> String {
    if input.comparison.effects.is_empty() {
        return "There is no pair of arms with a stage to compare.".to_owned();
    }
    let alpha = 1.0 - input.comparison.level;
    let hold: Vec<String> = input
        .comparison
        .effects
        .iter()
        .filter(|e| e.p_holm <= alpha)
        .map(|e| {
            let when = match e.earlier.at {
                Some(p) if p < 0.5 => "later",
                _ => "earlier",
            };
            format!(
                "<span class=\"found\"><b>{}</b> {} {when} than {}</span>",
                escape(&stage_label(&e.stage)),
                escape(&e.arm),
                escape(&e.against)
            )
        })
        .collect();
    let count = input.comparison.effects.len();
    match hold.len() {
        0 => format!(
            "Of {count} comparisons none holds at p = {} after adjustment for their number.",
            setting((alpha * 1000.0).round() / 1000.0)
        ),
        n => format!(
            "Of {count} comparisons {n} hold at p = {} after adjustment for their number: {}.",
            setting((alpha * 1000.0).round() / 1000.0),
            hold.join(", ")
        ),
    }
}

fn table(html: &mut String, table: &Table) {
    let _ = write!(
        html,
        "<h2>{}</h2>\n<div class=\"scroll\">\n<table class=\"plain\"><thead><tr>",
        escape(&table.title)
    );
    let class = |i: usize| match table.numeric[i] {
        true => " class=\"num\"",
        false => "",
    };
    for (i, name) in table.head.iter().enumerate() {
        let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(i), escape(name));
    }
    html.push_str("</tr></thead>\n");
    // One group of rows for each stage or measure, named once.
    for group in table.rows.chunk_by(|a, b| a[0] == b[0]) {
        html.push_str("<tbody>\n");
        for (k, row) in group.iter().enumerate() {
            html.push_str("<tr>");
            for (i, cell) in row.iter().enumerate() {
                let label = escape(&table.head[i]);
                let _ = match (i, k) {
                    (0, 0) => write!(html, "<th scope=\"row\">{}</th>", escape(cell)),
                    (0, _) => write!(
                        html,
                        "<th scope=\"row\" class=\"again\">{}</th>",
                        escape(cell)
                    ),
                    _ => write!(
                        html,
                        "<td{} data-label=\"{label}\"><div>{}</div></td>",
                        class(i),
                        interval(cell)
                    ),
                };
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n");
    }
    html.push_str("</table>\n</div>\n");
}

/// A cell with its interval set apart.
fn interval(cell: &str) -> String {
    match cell.split_once(" [") {
        Some((figure, rest)) => format!(
            "<b>{}</b> <span class=\"aside\">[{}</span>",
            escape(figure),
            escape(rest)
        ),
        None => escape(cell).into_owned(),
    }
}

fn provenance(html: &mut String, input: &CompareInput) {
    html.push_str("<section id=\"provenance\">\n<h2>Where the figures came from</h2>\n<dl class=\"provenance\">\n");
    for run in &input.runs {
        let _ = writeln!(
            html,
            "<div><dt>{}</dt><dd>{} <span class=\"aside\">{}</span></dd></div>",
            escape(&run.name),
            escape(&run.folder),
            escape(&run.key)
        );
    }
    let _ = writeln!(
        html,
        "<div><dt>Intervals</dt><dd>{} over {} resamples</dd></div>\n\
         <div><dt>Tests</dt><dd>all exchanges of seeds, or {} at random where there are more</dd></div>\n</dl>\n\
         <p class=\"again\">Made by</p>\n<pre class=\"command\">{}</pre>\n</section>",
        percent(input.comparison.level),
        input.comparison.resamples,
        input.comparison.permutations,
        escape(&input.command)
    );
}

/// What the scripts draw: the figures, without the tidy table, and six digits of each.
fn data(input: &CompareInput) -> String {
    let mut page = input.clone();
    page.comparison.events.clear();
    let mut value = serde_json::to_value(&page).unwrap_or_default();
    rounded(&mut value);
    let names = names(&input.comparison);
    if !names.is_empty() {
        value["names"] = names.into();
    }
    escape_json(&value.to_string())
}

/// Label and class of the stages whose class is not spelled like their name, in order.
fn names(comparison: &Comparison) -> Vec<serde_json::Value> {
    let seeds = comparison.timelines.iter().flat_map(|t| &t.seeds);
    let drawn = seeds.flat_map(|seed| seed.stages.iter().map(|(name, ..)| name));
    let listed = comparison.stages.iter().map(|figures| &figures.stage);
    let all: BTreeSet<StageName> = drawn
        .chain(listed)
        .filter_map(|name| name.parse().ok())
        .collect();
    let described = |name: StageName| {
        let class = own_class(name)?;
        Some(serde_json::json!({ "name": name, "label": label(name), "class": class }))
    };
    all.into_iter().filter_map(described).collect()
}

fn rounded(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(values) => values.iter_mut().for_each(rounded),
        serde_json::Value::Object(map) => map.values_mut().for_each(rounded),
        serde_json::Value::Number(n) if n.is_f64() => {
            *value = n.as_f64().and_then(shown).into();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_results::compare::{Arm, ArmStage, Effect, Estimate, StageFigures};

    #[test]
    fn a_page_says_what_holds_and_escapes_what_it_is_given() {
        let known = |at| Estimate {
            at: Some(at),
            lo: Some(0.5 * at),
            hi: None,
        };
        let input = CompareInput {
            title: "a <b>".into(),
            comparison: Comparison {
                level: 0.9,
                arms: vec![Arm {
                    name: "</script>".into(),
                    last: 4000.0,
                    ..Arm::default()
                }],
                stages: vec![StageFigures {
                    stage: "below_bag".into(),
                    arms: vec![ArmStage {
                        arm: "</script>".into(),
                        found: 3,
                        seeds: 8,
                        onset: known(1000.0),
                        ..ArmStage::default()
                    }],
                }],
                effects: vec![
                    Effect {
                        stage: "induction".into(),
                        earlier: known(0.9),
                        p_holm: 0.01,
                        ..Effect::default()
                    },
                    Effect {
                        p_holm: f64::NAN,
                        ..Effect::default()
                    },
                ],
                ..Comparison::default()
            },
            ..CompareInput::default()
        };
        let page = render(&input);
        assert!(page.contains("Of 2 comparisons 1 hold at p = 0.1"));
        assert!(page.contains("a &lt;b&gt;") && !page.contains("a <b>"));
        // Of the data and of the scripts.
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("<b>1000</b> <span class=\"aside\">[500, &gt; 4000]</span>"));
        assert!(!page.contains("NaN"));
        assert!(!page.contains("src=") && page.contains("default-src 'none'"));
    }

    #[test]
    fn stages_without_a_colour_of_their_own_bring_their_class() {
        let figures = |stage: &str| StageFigures {
            stage: stage.into(),
            arms: Vec::new(),
        };
        let mut input = CompareInput::default();
        input.comparison.stages = vec![figures("bigram"), figures("below_bag")];
        assert!(!data(&input).contains("names"));
        input.comparison.stages.push(figures("rank10"));
        input.comparison.stages.push(figures("rank2"));
        let data: serde_json::Value = serde_json::from_str(&data(&input)).unwrap();
        assert_eq!(
            data["names"],
            serde_json::json!([
                { "name": "rank2", "label": "rank 2", "class": "tone-3" },
                { "name": "rank10", "label": "rank 10", "class": "tone-5" },
            ])
        );
    }
}
