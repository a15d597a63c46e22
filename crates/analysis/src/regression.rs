//! What a network that reads pairs of in-context regression has learned of it.

use std::sync::Arc;

use ontogeny_data::{InContextRegression, RegressionSequences, RegressionShift, Source, Values};
use ontogeny_model::Network;
use ontogeny_store::{Key, KeyBuilder};

use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::probe;
use crate::statistics::mean;

/// Held-out sequences of in-context regression and what its exact predictors say of them: computed
/// once, used at every checkpoint of every replica.
#[derive(Debug)]
pub struct RegressionProbe {
    /// As in training, but not seen in it.
    own: Drawn,
    /// With fresh tasks, where those of training come from a pool.
    fresh: Option<Drawn>,
    /// With x of other variances g.
    scaled: Vec<(f64, Drawn)>,
    /// Identity of all this.
    pub key: Key,
}

/// Sequences as a network reads them, with the predictors' predictions of each y.
#[derive(Debug)]
struct Drawn {
    values: Values,
    /// `[sequence, pair]` row major.
    ys: Vec<f64>,
    pairs: usize,
    /// Name and `[sequence, pair]`.
    predictions: Vec<(&'static str, Vec<f64>)>,
}

impl RegressionProbe {
    /// `count` held-out sequences, from the stream of all that is held out. `None` of a source that
    /// is no regression.
    pub fn new(source: &Arc<Source>, seed: u64, count: usize) -> Option<Self> {
        let regression = source.regression()?;
        let stream = probe::stream(seed);
        let draw = |shift| regression.held_out(&stream, count, shift);
        let scales = regression.measured_at();
        let mut key = KeyBuilder::new("regression probe/1")
            .key("source", &source.key())
            .number("seed", seed)
            .number("count", count as u64);
        for scale in scales {
            key = key.number("scale", scale.to_bits());
        }
        let fresh = regression.tasks().map(|_| RegressionShift::fresh_tasks());
        Some(Self {
            own: Drawn::new(regression, &draw(RegressionShift::default()), true),
            fresh: fresh.map(|shift| Drawn::new(regression, &draw(shift), true)),
            scaled: scales
                .iter()
                .map(|&g| {
                    let sequences = draw(RegressionShift::scaled(g));
                    (g, Drawn::new(regression, &sequences, false))
                })
                .collect(),
            key: key.finish(),
        })
    }
}

impl Drawn {
    fn new(source: &InContextRegression, sequences: &RegressionSequences, predicted: bool) -> Self {
        let predictors = match predicted {
            true => source.predictors(),
            false => &[],
        };
        let of = |predictor| {
            let each = sequences.iter().map(|s| source.predict(predictor, s));
            each.collect::<Vec<_>>().concat()
        };
        Self {
            values: sequences.values(),
            ys: sequences.ys.clone(),
            pairs: sequences.pairs,
            predictions: predictors.iter().map(|&p| (p.name(), of(p))).collect(),
        }
    }

    /// The network's prediction of each y, `[sequence, pair]`.
    fn outputs(&self, network: &Network) -> Result<Vec<f64>, AnalysisError> {
        let outputs = probe::outputs_that_count(network, &self.values)?;
        Ok(outputs.into_iter().map(f64::from).collect())
    }

    fn loss(&self, outputs: &[f64]) -> f64 {
        mean_square(outputs, &self.ys)
    }
}

/// Measures of a network on in-context regression:
/// - `loss` on held-out sequences, `loss_by_position` with a value for each of the K pairs, and
///   `icl_score`, the loss at the last pair less that at the first;
/// - `prediction_square`, the mean of ŷ²: small where the network says what the prior says;
/// - for each predictor `divergence.<p>`, the mean of (ŷ − its prediction)², and `oracle_loss.<p>`;
/// - `ood_loss.<g>` with x of variance g, and, where tasks come from a pool, `ood_loss.fresh_tasks`
///   and `ood_divergence.<p>` with tasks that do not.
///
/// # Errors
/// If the device fails.
pub fn measure(network: &Network, probe: &RegressionProbe) -> Result<Measures, AnalysisError> {
    let mut measures = Measures::default();
    let own = &probe.own;
    let outputs = own.outputs(network)?;
    measures.value("loss", own.loss(&outputs));
    let by_position = by_position(own, &outputs);
    if let (Some(first), Some(last)) = (by_position.first(), by_position.last()) {
        measures.value("icl_score", last - first);
    }
    measures.vector("loss_by_position", by_position);
    let squares: Vec<f64> = outputs.iter().map(|y| y * y).collect();
    measures.value("prediction_square", mean(&squares));
    for (name, predicted) in &own.predictions {
        let apart = mean_square(&outputs, predicted);
        measures.value(format!("divergence.{name}"), apart);
        measures.value(format!("oracle_loss.{name}"), own.loss(predicted));
    }
    if let Some(fresh) = &probe.fresh {
        let outputs = fresh.outputs(network)?;
        measures.value("ood_loss.fresh_tasks", fresh.loss(&outputs));
        for (name, predicted) in &fresh.predictions {
            let apart = mean_square(&outputs, predicted);
            measures.value(format!("ood_divergence.{name}"), apart);
        }
    }
    for (scale, drawn) in &probe.scaled {
        let loss = drawn.loss(&drawn.outputs(network)?);
        measures.value(format!("ood_loss.{scale}"), loss);
    }
    Ok(measures)
}

/// Mean squared error at each pair, `[pairs]`.
fn by_position(drawn: &Drawn, outputs: &[f64]) -> Vec<f64> {
    let pairs = drawn.pairs;
    (0..pairs)
        .map(|k| {
            let at = |values: &[f64]| values.iter().skip(k).step_by(pairs).copied().collect();
            let (found, wanted): (Vec<f64>, Vec<f64>) = (at(outputs), at(&drawn.ys));
            mean_square(&found, &wanted)
        })
        .collect()
}

/// Mean of the squared differences.
fn mean_square(a: &[f64], b: &[f64]) -> f64 {
    let squares: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).collect();
    mean(&squares)
}
