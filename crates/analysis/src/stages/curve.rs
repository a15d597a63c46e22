//! One measured series, and the points that a smoother sees of it.

use super::error::StageError;
use crate::table::MeasureRow;

/// Fewest points from which a curve is smoothed.
pub const LEAST_POINTS: usize = 8;

/// One measure over training.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the measure, as in the table.
    pub name: String,
    /// Steps at which it was measured, increasing.
    pub steps: Vec<u64>,
    /// Its values, one for each step.
    pub values: Vec<f64>,
    /// Standard errors of the values where the table has them: one for each value or none at all.
    pub errors: Option<Vec<f64>>,
}

impl Curve {
    /// The curve of `name` in `rows`: the rows that lack it are passed over, so it may be empty.
    ///
    /// `errors` is the measure with its standard errors. A row without it beside rows with it gets
    /// the mean of theirs.
    pub fn from_rows(rows: &[MeasureRow], name: &str, errors: Option<&str>) -> Curve {
        let error_of = |row: &MeasureRow| row.values.get(errors?).copied();
        let (mut steps, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            if let Some(&value) = row.values.get(name) {
                steps.push(row.step);
                values.push(value);
                errors.push(error_of(row));
            }
        }
        let known: Vec<f64> = errors.iter().flatten().copied().collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let errors =
            (!known.is_empty()).then(|| errors.iter().map(|e| e.unwrap_or(mean)).collect());
        Curve {
            name: name.to_owned(),
            steps,
            values,
            errors,
        }
    }
}

/// The abscissa of every smoother: x = ln(step + 1), which puts step 0 at 0.
pub(super) fn log_step(step: f64) -> f64 {
    step.ln_1p()
}

/// The step at x = ln(step + 1).
pub(super) fn step_at(x: f64) -> f64 {
    x.exp_m1().max(0.0)
}

/// Points to smooth, standardised to mean 0 and variance 1.
#[derive(Debug, Clone)]
pub(super) struct Points {
    /// ln(step + 1), increasing.
    pub x: Vec<f64>,
    /// Standardised values.
    pub y: Vec<f64>,
    /// How many measurements each point is the mean of.
    pub count: Vec<f64>,
    /// Variance of each point by its own standard error, in standardised units.
    pub known: Option<Vec<f64>>,
    /// What one standardised unit is.
    pub scale: f64,
    /// What standardised 0 is.
    pub shift: f64,
}

impl Points {
    /// The points of `curve`, averaged into bins of equal width in x where there are more than
    /// `most`.
    ///
    /// A Gaussian process costs the cube of the points, while hundreds of evenly spaced checkpoints
    /// stand nearly at the same place of a logarithmic axis at the end of a run: their mean, with
    /// its smaller noise, says as much. `None` where every value is the same: there is no scale to
    /// standardise by and nothing to smooth.
    pub fn new(curve: &Curve, most: usize) -> Option<Points> {
        let x: Vec<f64> = curve.steps.iter().map(|&s| log_step(s as f64)).collect();
        let known = curve.errors.as_deref().map(pooled_variance);
        let bins = bin_of_each(&x, most);
        let n = bins.last().map_or(0, |last| last + 1);
        let mut points = Points {
            x: vec![0.0; n],
            y: vec![0.0; n],
            count: vec![0.0; n],
            known: known.as_ref().map(|_| vec![0.0; n]),
            scale: 1.0,
            shift: 0.0,
        };
        for (i, &b) in bins.iter().enumerate() {
            points.count[b] += 1.0;
            points.x[b] += x[i];
            points.y[b] += curve.values[i];
            if let (Some(sum), Some(known)) = (&mut points.known, &known) {
                sum[b] += known[i];
            }
        }
        for b in 0..n {
            let count = points.count[b];
            points.x[b] /= count;
            points.y[b] /= count;
            if let Some(known) = &mut points.known {
                known[b] /= count * count;
            }
        }
        points.standardise().then_some(points)
    }

    fn standardise(&mut self) -> bool {
        let n = self.y.len() as f64;
        let mean = self.y.iter().sum::<f64>() / n;
        let variance = self.y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
        let scale = variance.sqrt();
        // Rounding alone makes a constant series vary by about this much.
        if scale <= 1e-12 * mean.abs() || scale < f64::MIN_POSITIVE.sqrt() || !scale.is_finite() {
            return false;
        }
        for y in &mut self.y {
            *y = (*y - mean) / scale;
        }
        if let Some(known) = &mut self.known {
            for v in known {
                *v /= scale * scale;
            }
        }
        (self.scale, self.shift) = (scale, mean);
        true
    }
}

/// Squares of `errors`, each pooled with its two neighbours on either side.
///
/// A standard error from four chains has three degrees of freedom: by chance some come out near
/// zero, and a point that claims to be exact would bend the whole curve through itself.
fn pooled_variance(errors: &[f64]) -> Vec<f64> {
    (0..errors.len())
        .map(|i| {
            let near = &errors[i.saturating_sub(2)..(i + 3).min(errors.len())];
            near.iter().map(|e| e * e).sum::<f64>() / near.len() as f64
        })
        .collect()
}

/// For each of the sorted `x`, the number of its bin among those that hold anything; one bin each
/// up to `most` points.
fn bin_of_each(x: &[f64], most: usize) -> Vec<usize> {
    if x.len() <= most {
        return (0..x.len()).collect();
    }
    let (first, last) = (x[0], x[x.len() - 1]);
    let raw = x.iter().map(|v| {
        let bin = (v - first) / (last - first) * most as f64;
        (bin as usize).min(most - 1)
    });
    let (mut bins, mut previous) = (Vec::<usize>::with_capacity(x.len()), None);
    for bin in raw {
        let number = match (bins.last(), previous) {
            (Some(&b), Some(p)) if p == bin => b,
            (Some(&b), _) => b + 1,
            (None, _) => 0,
        };
        bins.push(number);
        previous = Some(bin);
    }
    bins
}

/// Checks that `rows` are one replica's, in order, and hold finite values.
pub(super) fn check_rows(rows: &[MeasureRow]) -> Result<(), StageError> {
    for pair in rows.windows(2) {
        if pair[0].replica != pair[1].replica {
            return Err(StageError::SeveralReplicas {
                first: pair[0].replica.clone(),
                other: pair[1].replica.clone(),
            });
        }
        if pair[0].step >= pair[1].step {
            return Err(StageError::Unsorted {
                previous: pair[0].step,
                next: pair[1].step,
            });
        }
    }
    for row in rows {
        if let Some((name, &value)) = row.values.iter().find(|(_, v)| !v.is_finite()) {
            return Err(StageError::NotFinite {
                name: name.clone(),
                step: row.step,
                value,
            });
        }
    }
    if rows.len() < LEAST_POINTS {
        return Err(StageError::TooFewCheckpoints {
            have: rows.len(),
            need: LEAST_POINTS,
        });
    }
    Ok(())
}
