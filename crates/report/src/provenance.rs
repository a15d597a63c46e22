//! Where the figures came from, as HTML that reads without scripts.

use std::fmt::Write as _;

use crate::html::escape;
use crate::number::{MISSING, compact, duration, grouped, setting};
use crate::{Estimator, GroupSize, ReportInput};

/// The few facts that stand under the page's heading.
pub(crate) fn facts(input: &ReportInput) -> String {
    let from = &input.provenance;
    let total = [
        from.train_seconds,
        from.analyze_seconds,
        from.report_seconds,
    ]
    .into_iter()
    .flatten()
    .sum::<f64>();
    let last = input
        .replicas
        .iter()
        .filter_map(|r| r.rows.last())
        .map(|row| row.step)
        .max();
    // The least and the greatest where shapes differ.
    let count = |of: fn(&GroupSize) -> u64| {
        let known: Vec<u64> = from.groups.iter().map(of).filter(|v| *v > 0).collect();
        match (known.iter().min(), known.iter().max()) {
            (Some(least), Some(most)) if least == most => compact(*most as f64),
            (Some(least), Some(most)) => {
                format!("{}–{}", compact(*least as f64), compact(*most as f64))
            }
            _ => MISSING.to_owned(),
        }
    };
    let facts = [
        ("replicas", input.replicas.len().to_string()),
        ("parameters each", count(|g| g.parameters)),
        (
            "steps",
            last.map_or(MISSING.to_owned(), |step| compact(step as f64)),
        ),
        ("tokens each", count(|g| g.tokens)),
        ("checkpoints", count(|g| g.checkpoints)),
        (
            "train and analyse",
            if total > 0.0 {
                duration(total)
            } else {
                MISSING.to_owned()
            },
        ),
    ];
    let mut html = String::from("<dl class=\"facts\">");
    for (name, value) in facts.iter().filter(|(_, value)| value != MISSING) {
        let name = if *name == "replicas" && value == "1" {
            "replica"
        } else {
            name
        };
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>\n");
    html
}

/// The section at the end of the page.
pub(crate) fn section(input: &ReportInput) -> String {
    let from = &input.provenance;
    let seconds = |value: Option<f64>| value.map_or(String::new(), duration);
    let size = |group: &GroupSize| {
        let plural = if group.replicas == 1 { "" } else { "s" };
        let of = match from.groups.len() {
            1 => String::new(),
            _ => format!(" ({})", escape(&group.network)),
        };
        format!(
            "{} parameters, {} tokens, {} checkpoints, {} replica{plural}{of}",
            grouped(group.parameters),
            grouped(group.tokens),
            grouped(group.checkpoints),
            group.replicas
        )
    };
    let size = from.groups.iter().map(size).collect::<Vec<_>>().join("; ");
    let within = [
        ("measuring", from.measure_seconds),
        ("finding stages", from.stages_seconds),
    ];
    let within: Vec<String> = within
        .iter()
        .filter_map(|(name, time)| Some(format!("{name} {}", duration((*time)?))))
        .collect();
    let analysis = match (seconds(from.analyze_seconds), within.join(", ")) {
        (all, within) if all.is_empty() || within.is_empty() => all,
        (all, within) => format!("{all} ({within})"),
    };
    let durations = [
        ("training", seconds(from.train_seconds)),
        ("analysis", analysis),
        ("report", seconds(from.report_seconds)),
    ];
    let durations: Vec<String> = durations
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| format!("{name} {text}"))
        .collect();
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("<code>{}</code>", escape(text)),
    };
    let program = match input.version.as_str() {
        "" => String::new(),
        version => format!("ontogeny {}", escape(version)),
    };
    let rows = [
        ("Run", escape(&input.run).into_owned()),
        ("Made", escape(&input.created).into_owned()),
        ("Program", program),
        ("Methods", escape(&from.method).into_owned()),
        ("Device", escape(&from.device).into_owned()),
        ("Durations", durations.join(", ")),
        ("Size", size),
        (
            "Estimator of λ̂",
            input.estimator.as_ref().map_or(String::new(), estimator),
        ),
        ("Configuration hash", code(&from.config_key)),
        ("Source hash", code(&from.source_key)),
    ];
    let mut html = String::from("<dl class=\"provenance\">\n");
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>\n");
    if !from.command.is_empty() {
        let _ = writeln!(
            html,
            "<p class=\"again\">To make it again:</p>\n<pre class=\"command\"><code>{}</code></pre>",
            escape(&from.command)
        );
    }
    if !from.config.is_empty() {
        let _ = writeln!(
            html,
            "<details class=\"config\"><summary>Resolved configuration</summary>\
             <pre><code>{}</code></pre></details>",
            escape(&from.config)
        );
    }
    html
}

fn estimator(settings: &Estimator) -> String {
    format!(
        "{}, ε = {}, nβ = {}, γ = {}, {} chains of {} draws, the first {} of each left out",
        escape(&settings.sampler),
        setting(settings.epsilon),
        setting(settings.nbeta),
        setting(settings.gamma),
        settings.chains,
        settings.draws,
        settings.burn_in
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Provenance;

    #[test]
    fn what_is_not_known_is_left_out() {
        let html = section(&ReportInput {
            run: "r".into(),
            ..ReportInput::default()
        });
        for absent in [
            "Device",
            "Durations",
            "Estimator",
            "hash",
            "<details",
            "To make it again",
        ] {
            assert!(!html.contains(absent), "{absent}");
        }
        assert!(html.contains("<dt>Run</dt><dd>r</dd>"));
    }

    #[test]
    fn settings_and_durations_are_spelled_out() {
        let html = section(&ReportInput {
            estimator: Some(Estimator {
                sampler: "SGLD".into(),
                epsilon: 3e-4,
                nbeta: 100.0,
                gamma: 100.0,
                chains: 4,
                draws: 150,
                burn_in: 50,
            }),
            provenance: Provenance {
                train_seconds: Some(42.0),
                analyze_seconds: Some(130.0),
                measure_seconds: Some(128.0),
                stages_seconds: Some(2.0),
                command: "ontogeny run \"a & b.toml\"".into(),
                ..Provenance::default()
            },
            ..ReportInput::default()
        });
        assert!(html.contains("SGLD, ε = 3e−4, nβ = 100, γ = 100, 4 chains of 150 draws"));
        assert!(html.contains(
            "training 42 s, analysis 2 min 10 s (measuring 2 min 8 s, finding stages 2.0 s)"
        ));
        assert!(html.contains("ontogeny run &quot;a &amp; b.toml&quot;"));
    }
}
