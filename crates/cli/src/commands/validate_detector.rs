//! `ontogeny validate --detector`: the stage detector on curves whose boundaries are known.

use std::time::Instant;

use anyhow::{Result, bail};
use ontogeny_analysis::stages::StageSettings;
use ontogeny_analysis::stages::calibration::{COVERAGE, FALSE_ALARMS, Outcome, Rate, measure};
use serde_json::{Value, json};

use super::{SCHEMA, print_json};

/// Measures every family on `seeds` curves.
pub fn command(seeds: u64, json: bool) -> Result<()> {
    if seeds == 0 {
        bail!("--seeds is 0: at least 1 curve of each family is needed");
    }
    let begun = Instant::now();
    if !json {
        outln!(
            "{:<58} {:>5} {:>5}  {:<22} {:>6}",
            "family",
            "exact",
            "more",
            "judged by (95 % interval)",
            "width"
        );
    }
    let outcomes = measure(seeds, &StageSettings::default(), &mut |outcome| {
        if !json {
            print_outcome(outcome);
        }
    })?;
    let with = |boundaries: bool| {
        outcomes
            .iter()
            .filter(move |o| (o.family.shape.boundaries() > 0) == boundaries)
    };
    let all = |boundaries| with(boundaries).fold(Rate::default(), |sum, o| sum.and(o.judged()));
    let met = |boundaries| with(boundaries).filter(|o| o.met()).count();
    if json {
        let overall = |boundaries| {
            json!({
                "families": with(boundaries).count(),
                "met": met(boundaries),
                "rate": rate(all(boundaries)),
            })
        };
        print_json(&json!({
            "schema": SCHEMA,
            "seeds": seeds,
            "coverage_aim": [COVERAGE.0, COVERAGE.1],
            "false_alarms_aim": FALSE_ALARMS,
            "families": outcomes.iter().map(outcome_json).collect::<Vec<_>>(),
            "coverage": overall(true),
            "false_alarms": overall(false),
            "seconds": begun.elapsed().as_secs_f64(),
        }));
        return Ok(());
    }
    outln!(
        "intervals of 90 % that hold the truth: {}; between {:.0} and {:.0} % in {} of {} families",
        told(all(true)),
        100.0 * COVERAGE.0,
        100.0 * COVERAGE.1,
        met(true),
        with(true).count()
    );
    outln!(
        "curves without a boundary that show one: {}; at most {:.0} % in {} of {} families",
        told(all(false)),
        100.0 * FALSE_ALARMS,
        met(false),
        with(false).count()
    );
    outln!(
        "{seeds} curves of each family, in {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

fn print_outcome(outcome: &Outcome) {
    let score = &outcome.score;
    let percent = |rate: Rate| format!("{:.0} %", 100.0 * rate.share());
    let word = match outcome.family.shape.boundaries() {
        0 => "alarms",
        _ => "held",
    };
    let width = score
        .median_width()
        .map_or(String::new(), |w| format!("{w:.2}"));
    let plateau = match score.on_plateau.of {
        0 => String::new(),
        _ => format!(
            "; {} reach the plateau, {} lie within it",
            percent(score.on_plateau),
            percent(score.within_plateau)
        ),
    };
    outln!(
        "{:<58} {:>5} {:>5}  {:<22} {width:>6}  {}{plateau}",
        outcome.family.name,
        percent(score.exact),
        percent(score.more),
        format!("{word} {}", told(outcome.judged())),
        if outcome.met() { "met" } else { "NOT MET" },
    );
}

fn told(rate: Rate) -> String {
    let (lo, hi) = rate.interval();
    format!(
        "{:.1} % [{:.0}, {:.0}]",
        100.0 * rate.share(),
        100.0 * lo,
        100.0 * hi
    )
}

fn rate(rate: Rate) -> Value {
    let (lo, hi) = rate.interval();
    json!({ "hits": rate.hits, "of": rate.of, "lo": lo, "hi": hi })
}

fn outcome_json(outcome: &Outcome) -> Value {
    let (family, score) = (&outcome.family, &outcome.score);
    json!({
        "name": family.name,
        "points": family.points,
        "noise": family.noise.level,
        "neighbours": family.noise.neighbours,
        "growth": family.noise.growth,
        "boundaries": family.shape.boundaries(),
        "exact": rate(score.exact),
        "more": rate(score.more),
        "held": rate(score.held),
        "on_plateau": rate(score.on_plateau),
        "within_plateau": rate(score.within_plateau),
        "median_width": score.median_width(),
        "met": outcome.met(),
    })
}
