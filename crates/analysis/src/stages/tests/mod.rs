//! The detector as a whole: on curves whose answer is known, on published ones, and on what it has
//! to refuse.

mod main_job;
mod published;
mod refusals;
mod synthetic;
mod tables;

use std::collections::BTreeMap;

use super::curve::log_step;
use super::draws::normals;
use crate::table::MeasureRow;

/// A curve of a test table: its name, its value at x = ln(step + 1), and the standard deviation of
/// its noise there.
struct Shape<'a> {
    name: &'a str,
    value: &'a dyn Fn(f64) -> f64,
    noise: &'a dyn Fn(f64) -> f64,
}

/// A table of `shapes` with noise that depends on `seed` only.
fn table(steps: &[u64], shapes: &[Shape], seed: u64) -> Vec<MeasureRow> {
    let mut rows: Vec<MeasureRow> = steps
        .iter()
        .map(|&step| MeasureRow {
            step,
            tokens: step * 2048,
            replica: "a".to_owned(),
            values: BTreeMap::new(),
            vectors: BTreeMap::new(),
            words: BTreeMap::new(),
        })
        .collect();
    for (c, shape) in shapes.iter().enumerate() {
        let mut noise = vec![0.0; steps.len()];
        normals(1000 + c as u64, seed, &mut noise);
        for (row, z) in rows.iter_mut().zip(noise) {
            let x = log_step(row.step as f64);
            let value = (shape.value)(x) + (shape.noise)(x) * z;
            row.values.insert(shape.name.to_owned(), value);
        }
    }
    rows
}

/// Step 0 and about `n` steps up to `last`, log-spaced.
fn log_steps(n: usize, last: u64) -> Vec<u64> {
    let spaced = (0..n).map(|j| (last as f64).powf(j as f64 / (n - 1) as f64).round() as u64);
    let mut steps: Vec<u64> = std::iter::once(0).chain(spaced).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// 1/(1 + e^{−(x − centre)/width}).
fn sigmoid(x: f64, centre: f64, width: f64) -> f64 {
    1.0 / (1.0 + (-(x - centre) / width).exp())
}

/// How many seeds a rate is measured over: `ONTOGENY_SEEDS`, or the few that every test run can
/// afford; without optimisation, where one table takes seconds, two.
fn seeds(few: u64) -> u64 {
    let asked = std::env::var("ONTOGENY_SEEDS")
        .ok()
        .and_then(|s| s.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 2 } else { few })
}
