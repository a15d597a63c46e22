//! The tables that stages are sought in: a run's own, or a file of anyone's.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use ontogeny_analysis::series::{self, Wanted};
use ontogeny_analysis::stages::{ErrorMeasures, StageSettings, View};
use ontogeny_analysis::table::{MeasureRow, parse_row};
use ontogeny_store::RunFolder;
use ontogeny_training::ReplicaEnd;

use crate::arguments::StagesArguments;
use crate::checks;
use crate::commands::analyze::{self, TABLE};
use crate::failure::InFile;

/// A table, and how it is looked at.
pub struct Table {
    pub replicas: Vec<Given>,
    pub settings: StageSettings,
    /// What was noticed in it.
    pub notes: Vec<String>,
    /// Whether it is a run's own.
    pub is_run: bool,
}

/// One replica's rows, or why there are none.
pub struct Given {
    pub name: String,
    pub rows: Result<Vec<MeasureRow>>,
    /// How its training ended, if it ended early.
    pub ended: Option<String>,
}

/// The replicas of a run's table.
pub fn of_run(a: &StagesArguments) -> Result<Table> {
    for (given, option) in [
        (a.x.is_some(), "--x"),
        (a.y.is_some(), "--y"),
        (!a.y2.is_empty(), "--y2"),
        (a.err.is_some(), "--err"),
        (a.replica_column.is_some(), "--replica-column"),
    ] {
        if given {
            bail!(
                "{option} names a column of a file, and {} is a run's folder",
                a.table.display()
            );
        }
    }
    let folder = RunFolder::open(&a.table)?;
    checks::manifest(&folder)?;
    checks::checkpoints(&folder)?;
    analyze::check_written(&folder, TABLE)?;
    let path = folder.analysis().join(TABLE);
    let text = std::fs::read_to_string(&path).map_err(|e| {
        InFile::error(
            &path,
            format!("cannot be read: {e}; `ontogeny analyze` writes it"),
        )
    })?;
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let row = parse_row(line).map_err(|e| {
            let damage = format!(
                "line {}: {e}; `ontogeny analyze {}` writes the table anew",
                i + 1,
                folder.root().display()
            );
            InFile::error(&path, damage)
        })?;
        rows.push(row);
    }
    let ends = checks::ends(folder.root());
    let mut notes = Vec::new();
    let chunks = rows.chunk_by(|a, b| a.replica == b.replica);
    let mut replicas: Vec<Given> = chunks
        .map(|rows| given_of_run(rows, &ends, &mut notes))
        .collect();
    for end in &ends {
        if replicas.iter().all(|r| r.name != end.name) {
            let reason = "it has no row in the table; `ontogeny analyze` measures it";
            replicas.push(Given {
                name: end.name.clone(),
                rows: Err(InFile::error(&path, reason)),
                ended: None,
            });
        }
    }
    if let Some(name) = &a.replica {
        let names: Vec<String> = replicas.iter().map(|r| r.name.clone()).collect();
        replicas.retain(|r| r.name == *name);
        if replicas.is_empty() {
            return Err(InFile::error(
                &path,
                format!(
                    "there is no replica `{name}`; it holds {}",
                    series::list(&names)
                ),
            ));
        }
    }
    if replicas.is_empty() {
        let reason = "there are no rows; `ontogeny analyze` writes them";
        return Err(InFile::error(&path, reason));
    }
    Ok(Table {
        replicas,
        settings: StageSettings::default(),
        notes,
        is_run: true,
    })
}

/// A replica of a run. What was measured of it after it was frozen is no development.
fn given_of_run(rows: &[MeasureRow], ends: &[ReplicaEnd], notes: &mut Vec<String>) -> Given {
    let name = rows.first().map_or(String::new(), |r| r.replica.clone());
    let end = ends.iter().find(|e| e.name == name);
    let mut rows = rows.to_vec();
    let ended = end.and_then(|e| e.frozen_at).map(|step| {
        rows.retain(|row| row.step <= step);
        let kept = rows.len();
        let ended = format!(
            "it was frozen at step {step}, where its loss or gradient was no longer finite, so that \
             only {kept} rows count"
        );
        notes.push(format!("replica {name}: {ended}"));
        ended
    });
    Given {
        name,
        rows: Ok(rows),
        ended,
    }
}

/// The replicas of a file, and a view for each of its curves.
pub fn of_file(a: &StagesArguments) -> Result<Table> {
    let need = |given: &Option<String>, option: &str, what: &str| match given {
        Some(name) => Ok(name.clone()),
        None => Err(anyhow!(
            "{} is a file: {option} has to name its column {what}",
            a.table.display()
        )),
    };
    let step = need(&a.x, "--x", "of steps")?;
    let first = need(&a.y, "--y", "with the curve")?;
    let errors = a.err.iter().map(|error| (first.clone(), error.clone()));
    let errors = ErrorMeasures::Named(errors.collect());
    let values: Vec<String> = std::iter::once(first).chain(a.y2.iter().cloned()).collect();
    for (i, name) in values.iter().enumerate() {
        if values[..i].contains(name) || *name == step {
            bail!(
                "the column `{}` is named twice",
                ontogeny_store::excerpt(name)
            );
        }
    }
    if let Some(error) = &a.err
        && (*error == step || *error == values[0])
    {
        bail!(
            "--err names `{}`, which is the column of steps or the curve itself; it needs a column of \
             standard errors",
            ontogeny_store::excerpt(error)
        );
    }
    let settings = StageSettings {
        views: values.iter().map(|name| view(name)).collect(),
        errors,
        ..StageSettings::default()
    };
    let wanted = Wanted {
        step,
        values,
        error: a.err.clone(),
        replica_column: a.replica_column.clone(),
        replica: a.replica.clone(),
    };
    let read = series::read(Path::new(&a.table), &wanted)?;
    let given = |one: series::Replica| Given {
        name: one.name,
        rows: one.rows.map_err(anyhow::Error::new),
        ended: None,
    };
    Ok(Table {
        replicas: read.replicas.into_iter().map(given).collect(),
        settings,
        notes: read.notes,
        is_run: false,
    })
}

fn view(curve: &str) -> View {
    View {
        name: curve.to_owned(),
        curves: vec![curve.to_owned()],
        falling: false,
    }
}
