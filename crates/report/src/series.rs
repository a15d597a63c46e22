//! Long series made short enough for a page, without inventing points.

use crate::TrainingPoint;

/// Most points of a training series on the page: about one for every two pixels of a chart.
const TRAINING_POINTS: usize = 400;

/// Most bins of a loss by position: about one for every four pixels of its chart.
const POSITION_BINS: usize = 48;

/// A training series of at most [`TRAINING_POINTS`] points.
///
/// The log(step + 1) axis is cut into equal bins, and each bin that holds points is replaced by
/// their mean step, tokens and loss; losses that are not finite are left out. A series that is
/// short enough already is only rid of those.
pub(crate) fn thin(series: &[TrainingPoint]) -> Vec<TrainingPoint> {
    let finite: Vec<TrainingPoint> = series
        .iter()
        .copied()
        .filter(|point| point.loss.is_finite())
        .collect();
    let Some(last) = finite.last() else {
        return finite;
    };
    if finite.len() <= TRAINING_POINTS {
        return finite;
    }
    let width = place(last.step) / TRAINING_POINTS as f64;
    finite
        .chunk_by(|a, b| bin(a.step, width) == bin(b.step, width))
        .map(|chunk| {
            let count = chunk.len() as u64;
            TrainingPoint {
                step: chunk.iter().map(|point| point.step).sum::<u64>() / count,
                tokens: chunk.iter().map(|point| point.tokens).sum::<u64>() / count,
                loss: chunk.iter().map(|point| point.loss).sum::<f64>() / count as f64,
            }
        })
        .collect()
}

/// Where a step lies on the charts' axis.
fn place(step: u64) -> f64 {
    (step as f64).ln_1p()
}

/// The bin of a step; the last step belongs to the last bin.
fn bin(step: u64, width: f64) -> usize {
    ((place(step) / width) as usize).min(TRAINING_POINTS - 1)
}

/// Edges of the bins of a loss by position: `edges[i]..edges[i + 1]` are the positions of bin `i`.
///
/// Bins are equal on a log axis, and at least one position wide: what happens along a context
/// happens early in it.
pub(crate) fn position_edges(positions: usize) -> Vec<usize> {
    let top = (positions as f64).ln_1p();
    let mut edges: Vec<usize> = (0..=POSITION_BINS)
        .map(|index| (top * index as f64 / POSITION_BINS as f64).exp_m1().round() as usize)
        .collect();
    edges.dedup();
    edges
}

/// Mean of a vector in each bin; a bin without a finite entry has none.
pub(crate) fn bin_means(vector: &[f64], edges: &[usize]) -> Vec<Option<f64>> {
    edges
        .windows(2)
        .map(|edge| {
            let inside: Vec<f64> = vector
                .get(edge[0]..edge[1].min(vector.len()))
                .unwrap_or_default()
                .iter()
                .copied()
                .filter(|value| value.is_finite())
                .collect();
            (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
        })
        .collect()
}

/// A number for the page: six significant digits, none if it is not finite.
pub(crate) fn shown(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    format!("{value:.5e}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(steps: u64) -> Vec<TrainingPoint> {
        (1..=steps)
            .map(|step| TrainingPoint {
                step,
                tokens: step * 100,
                loss: 1.0 / step as f64,
            })
            .collect()
    }

    #[test]
    fn a_long_series_keeps_its_ends_its_order_and_its_mean() {
        let long = series(20_000);
        let thin = thin(&long);
        assert!(
            thin.len() <= TRAINING_POINTS && thin.len() > 200,
            "{}",
            thin.len()
        );
        assert!(thin.windows(2).all(|pair| pair[0].step < pair[1].step));
        // The first steps are alone in their bins.
        assert_eq!(thin[0], long[0]);
        let last = thin[thin.len() - 1];
        assert!(last.step > 19_500, "{}", last.step);
        assert!((last.loss - 1.0 / last.step as f64).abs() < 1e-8);
    }

    #[test]
    fn a_short_series_loses_only_what_is_not_finite() {
        let mut short = series(5);
        short[2].loss = f64::NAN;
        let steps: Vec<u64> = thin(&short).iter().map(|point| point.step).collect();
        assert_eq!(steps, [1, 2, 4, 5]);
        assert!(thin(&[]).is_empty());
    }

    #[test]
    fn position_bins_cover_every_position_once() {
        for positions in [1, 2, 5, 63, 64, 1024] {
            let edges = position_edges(positions);
            assert_eq!(edges[0], 0);
            assert_eq!(edges[edges.len() - 1], positions);
            assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{edges:?}");
            assert!(edges.len() <= POSITION_BINS + 1);
        }
    }

    #[test]
    fn bins_average_what_is_finite() {
        let means = bin_means(&[1.0, f64::NAN, 3.0, f64::INFINITY], &[0, 1, 3, 4, 9]);
        assert_eq!(means, [Some(1.0), Some(3.0), None, None]);
    }

    #[test]
    fn shown_numbers_are_rounded_and_finite() {
        assert_eq!(shown(1.234_567_89), Some(1.234_57));
        assert_eq!(shown(1e9 + 1.0), Some(1e9));
        assert_eq!(shown(f64::NAN), None);
        assert_eq!(shown(f64::NEG_INFINITY), None);
    }
}
