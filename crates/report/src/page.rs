//! The document: the parts in their order.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::html::escape;
use crate::number::moment;
use crate::{
    ReportInput, embed, estimate_table, provenance, selection_table, stage_table, trajectory,
    verdict,
};

/// Look of the page.
pub(crate) const STYLE: &str = include_str!("../assets/style.css");

/// What draws the charts, in the order in which the parts build on each other.
const SCRIPTS: [&str; 7] = [
    include_str!("../assets/scales.js"),
    include_str!("../assets/draw.js"),
    include_str!("../assets/bands.js"),
    include_str!("../assets/estimates.js"),
    include_str!("../assets/charts.js"),
    include_str!("../assets/heat.js"),
    include_str!("../assets/main.js"),
];

/// How to read the page: a fixed text.
const READING: &str = include_str!("../assets/reading.html");

/// Forbids the page every request, also to the place it was opened from.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// The whole report as one HTML document (UTF-8) that opens offline.
///
/// The heading, the verdict, the tables and the provenance are plain HTML; the charts are drawn
/// when the page is opened. Text of the input is escaped wherever it goes, and a figure that is not
/// finite is shown as missing.
#[must_use]
pub fn render(input: &ReportInput) -> String {
    let mut html = String::with_capacity(256 * 1024);
    head(&mut html, input);
    html.push_str("<body>\n<main>\n");
    header(&mut html, input);
    stages(&mut html, input);
    html.push_str(&selection_table::section(input));
    html.push_str(FIGURE);
    html.push_str(&trajectory::section(input));
    html.push_str(&estimate_table::section(input));
    html.push_str("<section id=\"provenance\">\n<h2>Where the figures came from</h2>\n");
    html.push_str(&provenance::section(input));
    list(&mut html, "notes", &input.notes);
    html.push_str("</section>\n<section id=\"reading\">\n<h2>How to read this page</h2>\n");
    html.push_str(READING);
    html.push_str("</section>\n</main>\n");
    let _ = writeln!(
        html,
        "<script type=\"application/json\" id=\"ontogeny-data\">{}</script>",
        embed::page_json(input)
    );
    html.push_str("<script>\n(() => {\n\"use strict\";\n");
    for script in SCRIPTS {
        html.push_str(script);
    }
    html.push_str("})();\n</script>\n</body>\n</html>\n");
    html
}

/// Where the scripts put the charts.
const FIGURE: &str = "<section id=\"figure\">\n<h2>Development</h2>\n\
    <noscript><p class=\"absent\">The charts are drawn by a script in this page; without it, the \
    table above and what follows below still hold.</p></noscript>\n\
    <div id=\"charts\"></div>\n</section>\n";

fn head(html: &mut String, input: &ReportInput) {
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"ontogeny {}\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n",
        escape(&input.version),
        title(input)
    );
}

/// What the page is called: its title, or else its run.
fn title(input: &ReportInput) -> Cow<'_, str> {
    match (input.title.as_str(), input.run.as_str()) {
        ("", "") => "Report".into(),
        ("", run) => escape(run),
        (title, _) => escape(title),
    }
}

fn header(html: &mut String, input: &ReportInput) {
    let made = moment(&input.created);
    let kicker: Vec<_> = [&input.run, &made]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|t| escape(t))
        .collect();
    let _ = writeln!(
        html,
        "<header>\n<p class=\"kicker\">{}</p>\n<h1>{}</h1>",
        kicker.join(" · "),
        title(input)
    );
    if !input.summary.is_empty() {
        let _ = writeln!(html, "<p class=\"summary\">{}</p>", escape(&input.summary));
    }
    let _ = writeln!(
        html,
        "<p class=\"verdict\">{}</p>",
        verdict::sentence(input)
    );
    html.push_str(&provenance::facts(input));
    html.push_str("</header>\n");
    list(html, "warnings", &input.warnings);
}

fn stages(html: &mut String, input: &ReportInput) {
    html.push_str("<section id=\"stages\">\n<h2>Stages</h2>\n<div class=\"scroll\">\n");
    html.push_str(&stage_table::stage_table(input));
    html.push_str("</div>\n");
    if input.interval_level > 0.0 {
        let _ = writeln!(
            html,
            "<p class=\"caption\">Steps are optimizer updates; small figures are {:.0} % intervals. \
             Losses and divergences in {}. The nearest oracle is the predictor that the output \
             diverges from least when the stage ends.</p>",
            input.interval_level * 100.0,
            match input.unit.as_str() {
                "" => "nats per token".to_owned(),
                unit => escape(unit).into_owned(),
            }
        );
    }
    html.push_str("</section>\n");
}

fn list(html: &mut String, class: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(html, "<ul class=\"{class}\">");
    for sentence in sentences {
        let _ = writeln!(html, "<li>{}</li>", escape(sentence));
    }
    html.push_str("</ul>\n");
}
