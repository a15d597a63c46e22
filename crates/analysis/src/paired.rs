//! Changes of λ̂ between checkpoints, chain by chain.
//!
//! Chains of one number have the same noise and minibatches at every checkpoint (unless streams are
//! independent), so that their differences scatter far less than they do.

use crate::statistics::{mean, standard_error};
use crate::table::MeasureRow;

/// The estimates of the chains of a checkpoint, where all lived.
const BY_CHAIN: &str = "llc_by_chain";

/// Change of λ̂ from one checkpoint to another, and its standard error over the chains; `None`
/// where either has no estimate, or not the same chains.
pub fn change(from: &MeasureRow, to: &MeasureRow) -> Option<(f64, f64)> {
    let (a, b) = (from.vectors.get(BY_CHAIN)?, to.vectors.get(BY_CHAIN)?);
    if a.len() != b.len() {
        return None;
    }
    let own: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    Some((mean(&own), standard_error(&own)?))
}

/// Adds to each row the change since the replica's estimate before it: `llc_change` and
/// `llc_change_se`. Rows are sorted by replica and step.
pub(crate) fn add_changes(rows: &mut [MeasureRow]) {
    let mut last: Option<usize> = None;
    for i in 0..rows.len() {
        if !rows[i].vectors.contains_key(BY_CHAIN) {
            continue;
        }
        let before = last.filter(|&l| rows[l].replica == rows[i].replica);
        if let Some((by, se)) = before.and_then(|l| change(&rows[l], &rows[i])) {
            rows[i].values.insert("llc_change".to_owned(), by);
            rows[i].values.insert("llc_change_se".to_owned(), se);
        }
        last = Some(i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn row(replica: &str, step: u64, chains: &[f64]) -> MeasureRow {
        MeasureRow {
            step,
            tokens: 0,
            replica: replica.to_owned(),
            values: BTreeMap::new(),
            vectors: BTreeMap::from([(BY_CHAIN.to_owned(), chains.to_vec())]),
            words: BTreeMap::new(),
        }
    }

    #[test]
    fn what_chains_have_in_common_is_in_no_difference() {
        let mut rows = vec![
            row("a", 0, &[10.0, 20.0, 30.0]),
            row("a", 1, &[11.0, 21.5, 30.5]),
            row("b", 0, &[1.0, 2.0, 3.0]),
            row("b", 1, &[1.0, 2.0]),
        ];
        add_changes(&mut rows);
        assert_eq!(rows[1].values["llc_change"], 1.0);
        let se = rows[1].values["llc_change_se"];
        assert!((se - 0.5 / 3_f64.sqrt()).abs() < 1e-12, "{se}");
        assert!([0, 2, 3].iter().all(|&i| rows[i].values.is_empty()));
    }
}
