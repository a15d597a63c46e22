//! `ontogeny stages`: the detector on a table.

mod object;
mod printed;
mod tables;

use anyhow::{Result, anyhow};
use ontogeny_analysis::stages::{
    self, Coverage, LEAST_EXTENT, LEAST_POINTS, Replay, StageError, StageReport, StageSettings,
};
use ontogeny_analysis::table::MeasureRow;
use rayon::prelude::*;

use super::print_json;
use crate::arguments::StagesArguments;
use crate::failure::InFile;
use crate::watch::Looks;
use tables::{Given, Table};

/// What was found in one replica.
struct Found {
    name: String,
    /// Step of its last row.
    last: u64,
    coverage: Vec<Coverage>,
    report: StageReport,
    replay: Option<Replay>,
}

/// A replica without an answer.
struct Failed {
    name: String,
    error: anyhow::Error,
}

/// Extent of the steps on ln(step + 1) below which an answer needs a warning: boundaries that are
/// closer are one.
const NARROW: f64 = 0.4;

/// `ontogeny stages TABLE`.
pub fn command(a: &StagesArguments, json: bool) -> Result<()> {
    let Table {
        replicas,
        settings,
        mut notes,
        is_run,
    } = match a.table.is_dir() {
        true => tables::of_run(a)?,
        false => tables::of_file(a)?,
    };
    for note in &notes {
        errln!("note: {note}");
    }
    let looks = a.online.then(|| {
        let rows = replicas.iter().filter_map(|r| r.rows.as_ref().ok());
        let (looks, rows) = rows.fold((0, 0), |(looks, all), rows| {
            (looks + stages::looks(rows).len(), all + rows.len())
        });
        Looks::new(looks, rows)
    });
    let answers: Vec<Result<Found, Failed>> = replicas
        .into_par_iter()
        .map(|given| answer(a, given, &settings, is_run, looks.as_ref()))
        .collect();
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(one) => found.push(one),
            Err(one) => failed.push(one),
        }
    }
    if found.is_empty() {
        return Err(none_answered(a, failed));
    }
    for one in &found {
        notes.extend(narrow(one));
    }
    for one in &failed {
        errln!(
            "warning: no stages of {}: {:#}",
            named(&one.name),
            one.error
        );
    }
    if json {
        print_json(&object::of(&found, &failed, &notes, &settings, a.curves));
    } else {
        let several = found.len() > 1;
        for one in &found {
            match (one.name.as_str(), several) {
                ("", true) => outln!("{}", named("")),
                ("", false) => {}
                (name, _) => outln!("{name}"),
            }
            printed::found(one, &settings);
        }
    }
    Ok(())
}

/// A replica as messages call it.
fn named(replica: &str) -> String {
    match replica {
        "" => "the rows without a replica's name".to_owned(),
        name => format!("replica {name}"),
    }
}

fn answer(
    a: &StagesArguments,
    given: Given,
    settings: &StageSettings,
    is_run: bool,
    looks: Option<&Looks>,
) -> Result<Found, Failed> {
    let Given { name, rows, ended } = given;
    let result = rows.and_then(|rows| {
        let mut coverage = stages::coverage(&rows, settings);
        if is_run {
            // The default views name measures that not every source has.
            coverage.retain(|c| c.values > 0);
        } else {
            extent_suffices(&rows).map_err(|reason| InFile::error(&a.table, reason))?;
        }
        let refuse = |e: StageError| {
            let reason = match (&ended, is_run) {
                (Some(ended), _) => match e {
                    StageError::TooFewCheckpoints { need, .. } => {
                        format!("{ended}, and stages need {need}")
                    }
                    e => format!("{ended}: {e}"),
                },
                (None, true) => e.to_string(),
                (None, false) => reason(&e, &rows, &coverage),
            };
            InFile::error(&a.table, reason)
        };
        let report = stages::detect(&rows, settings).map_err(refuse)?;
        let replay = match looks {
            Some(looks) => {
                let looked = || looks.looked();
                Some(stages::replay(&rows, settings, &looked).map_err(refuse)?)
            }
            None => None,
        };
        Ok((rows.last().map_or(0, |r| r.step), coverage, report, replay))
    });
    match result {
        Ok((last, coverage, report, replay)) => Ok(Found {
            name,
            last,
            coverage,
            report,
            replay,
        }),
        Err(error) => Err(Failed { name, error }),
    }
}

/// Whether steps of a file reach far enough for stages.
fn extent_suffices(rows: &[MeasureRow]) -> Result<(), String> {
    let extent = stages::extent(rows);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(());
    };
    if rows.len() < LEAST_POINTS || extent >= LEAST_EXTENT {
        return Ok(());
    }
    Err(format!(
        "the steps, {} to {}, are too near to each other on ln(step + 1) to tell stages: they \
         span {extent:.2e} of it, and {LEAST_EXTENT} is needed; subtract the first step from all \
         if they do not count from the start of training, and count updates rather than tokens or \
         seconds",
        first.step, last.step
    ))
}

/// A warning about steps that reach less far than stages that can be told apart.
fn narrow(found: &Found) -> Option<String> {
    let first = found.report.stages.first()?.start;
    let extent = (found.last as f64).ln_1p() - first.ln_1p();
    (extent < NARROW).then(|| {
        let note = format!(
            "{}: the steps, {first:.0} to {}, span {extent:.2} of ln(step + 1), which is too little \
             to tell two boundaries apart",
            named(&found.name),
            found.last
        );
        errln!("warning: {note}");
        note
    })
}

/// Why a file's replica has no answer, in words for a file.
fn reason(error: &StageError, rows: &[MeasureRow], coverage: &[Coverage]) -> String {
    match error {
        StageError::TooFewCheckpoints { have: 1, .. } => {
            format!("there is 1 row, and stages need values at {LEAST_POINTS} steps or more")
        }
        StageError::TooFewCheckpoints { have, .. } => {
            format!("there are {have} rows, and stages need values at {LEAST_POINTS} steps or more")
        }
        StageError::NoCurve { .. } => {
            let of = |c: &Coverage| format!("`{}` has {}", series_name(c), c.values);
            let counts: Vec<String> = coverage.iter().map(of).collect();
            format!(
                "no curve has values at {LEAST_POINTS} steps or more: of {} rows, {}",
                rows.len(),
                counts.join(", ")
            )
        }
        other => other.to_string(),
    }
}

fn series_name(coverage: &Coverage) -> String {
    ontogeny_store::excerpt(&coverage.curve)
}

/// Replicas whose failures are told where none was answered; more are counted.
const TOLD: usize = 4;

/// The error where no replica was answered.
fn none_answered(a: &StagesArguments, mut failed: Vec<Failed>) -> anyhow::Error {
    match failed.as_mut_slice() {
        [] => InFile::error(&a.table, "there is no replica"),
        [_] => match failed.remove(0) {
            Failed { name, error } if name.is_empty() => error,
            Failed { name, error } => error.context(format!("replica {name}")),
        },
        all => {
            let told = all.iter().take(TOLD);
            let mut lines: Vec<String> = told
                .map(|f| format!("{}: {:#}", named(&f.name), f.error))
                .collect();
            if all.len() > TOLD {
                lines.push(format!("and {} more", all.len() - TOLD));
            }
            let count = all.len();
            let first = failed.remove(0).error;
            // The first failure's place is that of all, for scripts.
            let lines = lines.join("\n  ");
            first.context(anyhow!(
                "none of {count} replicas has an answer:\n  {lines}"
            ))
        }
    }
}
