//! What a network that reads vectors has learned of its source.

use ontogeny_data::{Features, Source, Split, Superposition};
use ontogeny_model::{Activation, Biases, Loss, MlpConfig, Network, NetworkConfig, weights};

use crate::behaviour::{mean, read};
use crate::error::AnalysisError;
use crate::measures::Measures;
use crate::probe;

/// Measures of a network on the source it is trained on:
/// - `loss`: over the whole data set of a hierarchy, and of superposition exactly over its
///   distribution where that has a closed form; else the mean over `count` held-out examples;
/// - `amplitude.<mode>` of a hierarchy: how much of each singular mode the network's map has;
/// - `divergence.rank<r>` of a hierarchy: mean squared distance over the items to the best map of
///   rank r;
/// - `polygon` and `polygon_plus` of superposition in two dimensions: corners of the polygon that
///   the features form, and positive biases of the others; `divergence.<k>-gon`, the mean squared
///   distance of the outputs to those of each critical point.
///
/// # Errors
/// If the device fails.
pub fn measure(
    network: &Network,
    source: &Source,
    features: &Features,
    seed: u64,
    count: usize,
) -> Result<Measures, AnalysisError> {
    let mut measures = Measures::default();
    match features {
        Features::Hierarchy(tree) => {
            let items = tree.items();
            let all = outputs(network, source, items)?;
            measures.value("loss", tree.loss(&all));
            for (mode, amplitude) in tree.modes().iter().zip(tree.amplitudes(&all)) {
                measures.value(format!("amplitude.{}", mode.name), amplitude);
            }
            for rank in 0..=tree.modes().len() {
                let best = tree.map_of_rank(rank);
                let apart = all.iter().zip(&best).map(|(x, y)| (x - y).powi(2));
                let apart = apart.sum::<f64>() / items as f64;
                measures.value(format!("divergence.rank{rank}"), apart);
            }
        }
        Features::Superposition(toy) => {
            let exact = match network.config() {
                NetworkConfig::Mlp(config) if is_toy(config) => Some(toy_weights(network)?),
                _ => None,
            };
            if let Some((w, b)) = &exact
                && let Some(loss) = toy.loss(w, b)
            {
                measures.value("loss", loss);
            } else {
                measures.value("loss", loss(network, source, seed, count)?);
            }
            if let Some((w, b)) = exact.filter(|(w, b)| w.len() == 2 * b.len()) {
                let polygon = Superposition::polygon(&w, &b);
                measures.value("polygon", polygon.corners as f64);
                measures.value("polygon_plus", polygon.plus as f64);
                for critical in toy.critical_points() {
                    let apart = critical.distance(&w, &b);
                    measures.value(format!("divergence.{critical}"), apart);
                }
            }
        }
    }
    Ok(measures)
}

/// Mean loss over `count` held-out examples of vectors, in squared error.
///
/// # Errors
/// If the device fails.
pub fn loss(
    network: &Network,
    source: &Source,
    seed: u64,
    count: usize,
) -> Result<f64, AnalysisError> {
    let examples = source.examples(Split::HeldOut, &probe::stream(seed), 0, count);
    let losses = network.loss_by_row(&probe::batch_of(&examples, &network.device()));
    Ok(mean(&read(losses)?))
}

/// What turns the loss on a source's examples into a log-likelihood, and its unit.
pub fn loss_of(source: &Source) -> Loss {
    match source.variance() {
        Some(variance) => Loss::Squared { variance },
        None => Loss::CrossEntropy,
    }
}

/// The network's outputs for the first `items` examples, row major.
fn outputs(network: &Network, source: &Source, items: usize) -> Result<Vec<f64>, AnalysisError> {
    let examples = source.examples(Split::HeldOut, &probe::stream(0), 0, items);
    let batch = probe::batch_of(&examples, &network.device());
    let outputs = weights::read(&[network.outputs(&batch.inputs, 1)])?.concat();
    Ok(outputs.into_iter().map(f64::from).collect())
}

/// Whether a network is the toy model: ReLU(WᵀWx + b).
fn is_toy(config: &MlpConfig) -> bool {
    config.tied
        && config.widths.len() == 3
        && config.activation == Activation::Linear
        && config.output_activation == Activation::Relu
        && config.biases == Biases::Output
}

/// W `[c, m]`, row major, and b of the toy model.
fn toy_weights(network: &Network) -> Result<(Vec<f64>, Vec<f64>), AnalysisError> {
    let read = weights::read(network.parameters().tensors())?;
    let mut read = read
        .into_iter()
        .map(|values| values.into_iter().map(f64::from).collect());
    Ok((
        read.next().unwrap_or_default(),
        read.next().unwrap_or_default(),
    ))
}
