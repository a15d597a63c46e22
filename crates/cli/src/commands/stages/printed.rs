//! Stages as a person reads them.

use ontogeny_analysis::stages::{
    self, Boundary, Coverage, LEAST_POINTS, Replay, Stage, StageSettings,
};
use ontogeny_store::excerpt;

use super::Found;

/// Holes and outliers of a curve that are listed; more are counted.
const LISTED: usize = 3;

/// Prints what was found in one replica, below its name.
pub fn found(found: &Found, settings: &StageSettings) {
    for curve in &found.coverage {
        coverage(curve, found.last);
    }
    let boundaries = &found.report.boundaries;
    match boundaries.len() {
        0 => outln!("  no boundary: one episode of change, or none"),
        _ => outln!(
            "  {:<12} {:<22} {:>8} {:>8}  shown by",
            "boundary",
            "90 % interval",
            "slowest",
            "evidence"
        ),
    }
    for b in boundaries {
        outln!(
            "  {:<12.0} {:<22} {:>8.0} {:>8.2}  {}",
            b.at,
            format!("{:.0} to {:.0}", b.lo, b.hi),
            b.places.first().map_or(b.at, |p| p.slowest),
            b.evidence,
            shown(b)
        );
        if let Some((curve, hole)) = stages::in_hole(b, &found.coverage, settings) {
            outln!(
                "    in a hole: `{}` has no value between steps {} and {}, so this place is the \
                 smoothing's, not the data's",
                excerpt(&curve.curve),
                hole.from,
                hole.to
            );
        }
    }
    for one in &found.report.stages {
        stage(one, found);
    }
    if let Some(one) = &found.replay {
        replay(one);
    }
}

/// How much is known of a curve whose table ends at step `end`.
fn coverage(curve: &Coverage, end: u64) {
    let name = excerpt(&curve.curve);
    let (Some(first), Some(last)) = (curve.first, curve.last) else {
        outln!(
            "  {name}: no value in any of {} rows; it is left out",
            curve.missing
        );
        return;
    };
    let missing = match curve.missing {
        0 => String::new(),
        missing => format!(", {missing} missing"),
    };
    let noun = if curve.values == 1 { "value" } else { "values" };
    outln!(
        "  {name}: {} {noun}{missing}, steps {first} to {last}",
        curve.values
    );
    if !curve.used {
        outln!("    too few values, {LEAST_POINTS} are needed; it is left out");
        return;
    }
    if last < end {
        outln!("    ends at step {last}, the table at {end}: later it may have changed unseen");
    }
    for hole in curve.holes.iter().take(LISTED) {
        outln!(
            "    no value between steps {} and {}: what happened there cannot be seen",
            hole.from,
            hole.to
        );
    }
    if curve.holes.len() > LISTED {
        outln!("    and {} more such holes", curve.holes.len() - LISTED);
    }
    if curve.constant {
        outln!("    all values are the same; it shows nothing");
    }
    for outlier in curve.outliers.iter().take(LISTED) {
        outln!(
            "    {} at step {} is far outside of all other values and hides what they do; if it is \
             wrong, leave it out",
            outlier.value,
            outlier.step
        );
    }
    if curve.outliers.len() > LISTED {
        outln!("    and {} more such values", curve.outliers.len() - LISTED);
    }
}

/// The views that show a boundary, those that do not place it with their own place.
fn shown(b: &Boundary) -> String {
    let one = |(i, p): (usize, &stages::ViewPlace)| match i {
        0 => excerpt(&p.view),
        _ => format!(
            "{} at {:.0} ({:.0} to {:.0})",
            excerpt(&p.view),
            p.at,
            p.lo,
            p.hi
        ),
    };
    b.places
        .iter()
        .enumerate()
        .map(one)
        .collect::<Vec<_>>()
        .join(", ")
}

fn stage(stage: &Stage, found: &Found) {
    let used = || found.coverage.iter().filter(|c| c.used);
    let reach = used().filter_map(|c| c.last).max().unwrap_or(found.last);
    let end = match stage.end {
        Some(end) => format!("{end:.0}"),
        // A table may go on without any value.
        None if reach < found.last => format!("{reach}, the last value"),
        None => "the end".to_owned(),
    };
    let end_step = stage.end.unwrap_or(found.last as f64);
    let change = |(curve, change): (&String, &f64)| {
        let known = used().find(|c| c.curve == *curve);
        let first = known.and_then(|c| c.first).unwrap_or(0) as f64;
        let last = known.and_then(|c| c.last).unwrap_or(u64::MAX) as f64;
        let part = match (first > stage.start, last < end_step) {
            (true, true) => format!(" ({first} to {last})"),
            (true, false) => format!(" (from {first})"),
            (false, true) => format!(" (to {last})"),
            (false, false) => String::new(),
        };
        format!("{} {change:+.3}{part}", excerpt(curve))
    };
    let mut changes: Vec<String> = stage.delta.iter().map(change).collect();
    let unseen = used().filter(|c| !stage.delta.contains_key(&c.curve));
    changes.extend(unseen.map(|c| format!("{} not measured", excerpt(&c.curve))));
    outln!(
        "  {:<15} {:>7.0} to {end:<9} {}",
        stage.name,
        stage.start,
        changes.join("  ")
    );
    if stage.name != stages::StageName::Unnamed {
        outln!("    {}", stage.why);
    }
}

fn replay(replay: &Replay) {
    outln!("  as the run went on:");
    if replay.looks < replay.rows {
        outln!(
            "  looked at {} of {} rows, evenly on ln(step + 1): an announcement may come late by the \
             distance of two looks",
            replay.looks,
            replay.rows
        );
    }
    for f in &replay.boundaries {
        outln!(
            "  {:<12.0} announced at step {}, {:.0} steps later ({:.2} on ln(step + 1))",
            f.boundary.at,
            f.announced_at,
            f.delay,
            f.delay_log
        );
    }
    for w in &replay.withdrawn {
        outln!(
            "  {:<12.0} announced at step {} and withdrawn at step {}",
            w.boundary.at,
            w.announced_at,
            w.withdrawn_at
        );
    }
    if replay.withdrawn.is_empty() {
        outln!("  nothing was withdrawn");
    }
}
