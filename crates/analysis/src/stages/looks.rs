//! At which rows a replay looks.
//!
//! A look costs the same at every row once there are as many points as a curve is binned into,
//! about a tenth of a second, so that looking at each of 20 000 rows would take an hour.
//! Neighbouring rows of so many stand at nearly the same place of ln(step + 1), and a look at the
//! second says what that at the first has said.

use super::curve::{LEAST_POINTS, log_step};
use crate::table::MeasureRow;

/// Looks of a replay at most, but for the last row. A table with no more rows is looked at row by
/// row.
pub const MOST_LOOKS: usize = 600;
/// Looks that a table with more rows is thinned to.
const THINNED: usize = 160;

/// Numbers of rows that a replay of `rows`, sorted by step, looks at the beginnings of: increasing,
/// from [`LEAST_POINTS`] on, the last one all of them. Of more than [`MOST_LOOKS`] rows, those are
/// left out that are closer to the look before than a 160th of the extent on ln(step + 1).
pub fn looks(rows: &[MeasureRow]) -> Vec<usize> {
    let all = LEAST_POINTS..=rows.len();
    if rows.len() <= MOST_LOOKS {
        return all.collect();
    }
    let x = |n: usize| log_step(rows[n - 1].step as f64);
    let apart = (x(rows.len()) - x(LEAST_POINTS)) / THINNED as f64;
    let mut chosen: Vec<usize> = Vec::new();
    for n in all {
        let far = chosen.last().is_none_or(|&last| x(n) - x(last) >= apart);
        if far || n == rows.len() {
            chosen.push(n);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rows(steps: impl Iterator<Item = u64>) -> Vec<MeasureRow> {
        let row = |step| MeasureRow {
            step,
            tokens: 0,
            replica: String::new(),
            values: BTreeMap::new(),
            vectors: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        steps.map(row).collect()
    }

    #[test]
    fn few_rows_are_looked_at_one_by_one() {
        let all = looks(&rows(0..MOST_LOOKS as u64));
        assert!(all.into_iter().eq(LEAST_POINTS..=MOST_LOOKS));
        assert!(looks(&rows(0..3)).is_empty());
    }

    #[test]
    fn many_are_thinned_evenly_on_the_logarithm() {
        for many in [rows(0..20_000), rows((0..3000).map(|i| i * i))] {
            let chosen = looks(&many);
            assert!(chosen.len() <= THINNED + 2 && chosen.len() > THINNED / 3);
            assert_eq!(chosen.first(), Some(&LEAST_POINTS));
            assert_eq!(chosen.last(), Some(&many.len()));
            let x = |n: usize| log_step(many[n - 1].step as f64);
            let whole = x(many.len()) - x(LEAST_POINTS);
            for pair in chosen.windows(2) {
                // No two far apart, unless nothing is between them.
                let far = x(pair[1]) - x(pair[0]) > 2.0 * whole / THINNED as f64;
                assert!(!far || pair[1] == pair[0] + 1, "{pair:?}");
            }
        }
    }
}
