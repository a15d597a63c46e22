//! Steps that come twice: what may have happened, and which column would tell the rows apart.

use std::collections::{BTreeMap, BTreeSet};

use super::table::Cell;
use ontogeny_store::excerpt;

/// Names that columns of replicas have elsewhere, the most telling first.
const USUAL: [&str; 14] = [
    "replica", "seed", "run", "run_id", "run id", "runid", "run_name", "trial", "rep", "fold",
    "arm", "model", "name", "id",
];

/// Columns that may tell rows apart, with their names, those with telling names first; `taken` are
/// left out.
pub(super) fn candidates(names: &[String], taken: &[usize]) -> Vec<usize> {
    let rank = |&column: &usize| {
        let plain = names[column].trim().to_lowercase();
        let usual = USUAL.iter().position(|u| *u == plain);
        let part = USUAL.iter().any(|u| plain.contains(u) && u.len() > 2);
        (usual.unwrap_or(USUAL.len()), !part)
    };
    let mut all: Vec<usize> = (0..names.len()).filter(|c| !taken.contains(c)).collect();
    all.sort_by_key(rank);
    // Wide tables have thousands, of which hardly one is another's replica.
    all.truncate(40);
    all
}

/// The first of `columns`, each with its name and cells in the order of `steps`, by which every
/// step comes once: a few values, each in several rows.
pub(super) fn telling<'a>(steps: &[u64], columns: &[(&'a str, Vec<&Cell>)]) -> Option<&'a str> {
    let tells = |cells: &Vec<&Cell>| {
        let mut groups: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let once = steps.iter().zip(cells).all(|(step, cell)| {
            let name = match cell {
                Cell::Text(text) => text.clone(),
                other => format!("{other:?}"),
            };
            groups.entry(name).or_default().insert(*step)
        });
        once && groups.len() > 1 && 3 * groups.len() <= steps.len()
    };
    let found = columns.iter().find(|(_, cells)| tells(cells));
    found.map(|(name, _)| *name)
}

/// Two rows of one step.
pub(super) struct Repeat<'a> {
    /// Whether both have the same values.
    pub same: bool,
    /// How many more steps come again.
    pub more: usize,
    /// The column that would tell them apart.
    pub telling: Option<&'a str>,
    /// The line at which the steps go back, and the steps before and there, if they go back once or
    /// a few times.
    pub back: Option<(usize, u64, u64)>,
    /// What is counted: `line` or `row`.
    pub unit: &'static str,
}

impl Repeat<'_> {
    /// What may have happened, and what to do.
    pub fn hint(&self) -> String {
        let mut hint = String::new();
        if self.more > 0 {
            hint += &format!("{} more steps come again; ", self.more);
        }
        if let Some(column) = self.telling {
            let column = excerpt(column);
            return hint
                + &format!(
                    "the column `{column}` tells such rows apart: if it names replicas, add \
                     --replica-column '{column}' (a column called `replica` needs no option)"
                );
        }
        hint += match self.same {
            true => "both have the same values, as a row written twice or files put together have",
            false => "their values differ",
        };
        match self.back {
            Some((line, before, there)) => {
                hint += &format!(
                    "; the steps go back from {before} to {there} at {} {line}, as a restart of \
                     the run does: keep one row of each step, the later one if the run went on \
                     from there",
                    self.unit
                );
            }
            None => {
                hint += "; keep one row of each step (a restart of the run may write steps \
                         again), or name replicas in a column `replica`";
            }
        }
        hint
    }
}

/// Where sorted steps begin again: the row and the steps before and at it; `None` if they are
/// never, or all the time, out of order.
pub(super) fn back(rows: &[(usize, u64)]) -> Option<(usize, u64, u64)> {
    let falls = rows.windows(2).filter(|w| w[1].1 < w[0].1);
    let all: Vec<_> = falls.map(|w| (w[1].0, w[0].1, w[1].1)).collect();
    (all.len() <= 1 + rows.len() / 10).then(|| all.first().copied())?
}
