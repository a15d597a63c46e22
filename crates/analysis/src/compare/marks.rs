//! Events that are read off a table without the detector: a measure passes a level and stays there.
//!
//! A mark is reached at the first checkpoint from which on it holds at three checkpoints in a row;
//! in a run that never gets there it is censored at the last one.

use super::survival::Observation;
use crate::table::MeasureRow;

/// Checkpoints at which a mark has to hold, one after the other.
const IN_A_ROW: usize = 3;

/// The marks that a table has the measures for, each with its name and when it was reached:
/// - `half_<mode>`: the amplitude of a mode passes half of what it is in the end;
/// - `icl_half`: the loss at the last pair is below half of that at the first;
/// - `past_uniform`, `past_unigram`: the loss is nearer to the floor of the next predictor of a
///   Markov chain than to this one's;
/// - `nearer_dmmse`: the network is nearer to the posterior mean over the pool than to ridge
///   regression;
/// - `last_polygon`: the polygon is the one that it is in the end.
pub(super) fn marks(rows: &[MeasureRow]) -> Vec<(String, Observation)> {
    let Some(last) = rows.last() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut add = |name: String, holds: &dyn Fn(&MeasureRow) -> Option<bool>| {
        if let Some(reached) = reached(rows, holds) {
            found.push((name, reached));
        }
    };
    let value = |row: &MeasureRow, name: &str| row.values.get(name).copied();
    for (name, end) in &last.values {
        if let Some(mode) = name.strip_prefix("amplitude.") {
            let half = |row: &MeasureRow| Some(value(row, name)? >= 0.5 * end);
            add(format!("half_{mode}"), &half);
        }
    }
    if last.values.contains_key("divergence.ridge") {
        add("icl_half".to_owned(), &|row| {
            let by_pair = row.vectors.get("loss_by_position")?;
            Some(*by_pair.last()? < 0.5 * by_pair.first()?)
        });
    }
    for (from, to) in [("uniform", "unigram"), ("unigram", "bigram")] {
        if !last.values.contains_key("divergence.uniform") {
            break;
        }
        let floor = |row: &MeasureRow, of: &str| value(row, &format!("oracle_loss.{of}"));
        add(format!("past_{from}"), &|row| {
            let middle = 0.5 * (floor(row, from)? + floor(row, to)?);
            Some(value(row, "loss")? < middle)
        });
    }
    add("nearer_dmmse".to_owned(), &|row| {
        Some(value(row, "divergence.dmmse")? < value(row, "divergence.ridge")?)
    });
    let polygon = |row: &MeasureRow| Some((value(row, "polygon")?, value(row, "polygon_plus")?));
    add("last_polygon".to_owned(), &|row| {
        Some(polygon(row)? == polygon(last)?)
    });
    found
}

/// When something holds at three measured checkpoints in a row for the first time; `None` if it was
/// never measured.
fn reached(
    rows: &[MeasureRow],
    holds: &dyn Fn(&MeasureRow) -> Option<bool>,
) -> Option<Observation> {
    let measured: Vec<(f64, bool)> = rows
        .iter()
        .filter_map(|row| Some((row.step as f64, holds(row)?)))
        .collect();
    let (end, _) = measured.last()?;
    let first = measured
        .windows(IN_A_ROW)
        .find(|some| some.iter().all(|(_, holds)| *holds));
    Some(match first {
        Some(some) => Observation::at(some[0].0),
        None => Observation::later_than(*end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, values: &[(&str, f64)], by_pair: &[f64]) -> MeasureRow {
        MeasureRow {
            step,
            tokens: step,
            replica: "a".to_owned(),
            values: values.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect(),
            vectors: [("loss_by_position".to_owned(), by_pair.to_vec())].into(),
            words: Default::default(),
        }
    }

    fn of(rows: &[MeasureRow], name: &str) -> Option<Observation> {
        let found = marks(rows).into_iter().find(|(n, _)| n == name);
        found.map(|(_, observation)| observation)
    }

    #[test]
    fn a_mark_must_hold_three_times() {
        // Above half of 2 at steps 1, 3, 4, 5; once below in between.
        let amplitudes = [0.1, 1.5, 0.4, 1.2, 1.9, 2.0];
        let rows: Vec<MeasureRow> = (0..)
            .zip(amplitudes)
            .map(|(step, a)| row(step, &[("amplitude.all", a)], &[]))
            .collect();
        assert_eq!(of(&rows, "half_all"), Some(Observation::at(3.0)));
        assert_eq!(
            of(&rows[..4], "half_all"),
            Some(Observation::later_than(3.0))
        );
        assert_eq!(of(&rows, "nearer_dmmse"), None);
    }

    #[test]
    fn marks_of_chains_and_of_pairs() {
        let chain = |step, loss| {
            let floors = [
                ("loss", loss),
                ("divergence.uniform", 0.1),
                ("oracle_loss.uniform", 0.69),
                ("oracle_loss.unigram", 0.58),
                ("oracle_loss.bigram", 0.51),
            ];
            row(step, &floors, &[])
        };
        let losses = [0.69, 0.63, 0.6, 0.59, 0.58, 0.54, 0.53, 0.52];
        let rows: Vec<MeasureRow> = (0..).zip(losses).map(|(s, l)| chain(s, l)).collect();
        // The middles are .635 and .545.
        assert_eq!(of(&rows, "past_uniform"), Some(Observation::at(1.0)));
        assert_eq!(of(&rows, "past_unigram"), Some(Observation::at(5.0)));
        let pairs = |step, last| {
            let nearer = if step < 3 { 2.0 } else { 0.5 };
            let values = [("divergence.ridge", 1.0), ("divergence.dmmse", nearer)];
            row(step, &values, &[4.0, 3.0, last])
        };
        let rows: Vec<MeasureRow> = (0..)
            .zip([4.0, 3.0, 1.9, 1.0, 0.5, 0.4])
            .map(|(step, last)| pairs(step, last))
            .collect();
        assert_eq!(of(&rows, "icl_half"), Some(Observation::at(2.0)));
        assert_eq!(of(&rows, "nearer_dmmse"), Some(Observation::at(3.0)));
        assert_eq!(of(&rows, "past_uniform"), None);
    }

    #[test]
    fn the_last_polygon_is_the_one_at_the_end() {
        let polygon =
            |step, corners| row(step, &[("polygon", corners), ("polygon_plus", 0.0)], &[]);
        let rows: Vec<MeasureRow> = (0..)
            .zip([4.0, 5.0, 4.0, 5.0, 5.0, 5.0])
            .map(|(step, corners)| polygon(step, corners))
            .collect();
        assert_eq!(of(&rows, "last_polygon"), Some(Observation::at(3.0)));
    }
}
