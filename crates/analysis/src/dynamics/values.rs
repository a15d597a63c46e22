//! Vectors that outputs are read on, where networks write vectors.

use ontogeny_data::{Features, InContextRegression, RegressionShift, Source, Split, Values};
use ontogeny_model::Network;
use ontogeny_store::{Key, KeyBuilder};

use crate::error::AnalysisError;
use crate::probe;

/// Held-out sequences of pairs that outputs are read on, as many as Carroll et al. 2025 used.
const SEQUENCES: usize = 512;

/// Fixed examples, and what exact predictors say of them.
#[derive(Debug, Clone)]
pub struct FixedValues {
    examples: Values,
    /// Predictors by name, `[example, position that counts, d_out]` each.
    pub landmarks: Vec<(String, Vec<f32>)>,
    /// Identity of all this.
    pub key: Key,
}

impl FixedValues {
    /// Examples of the first of some sources, each with the name of its arm, and the predictors of
    /// all. Of in-context regression these are sequences of the first arm's tasks, and each arm
    /// with a pool has a dMMSE of its own; of a hierarchy all items and the best maps of each rank.
    ///
    /// `None` if the first source has no predictors in the space of outputs, or the others are not
    /// of its kind and size.
    pub fn new(sources: &[(&str, &Source)], seed: u64) -> Option<Self> {
        let (_, first) = sources.first()?;
        let mut key = KeyBuilder::new("outputs on values/1").number("seed", seed);
        for (arm, source) in sources {
            key = key.text("arm", arm).key("source", &source.key());
        }
        let key = key.finish();
        if let Some(regression) = first.regression() {
            let others = sources.iter().map(|(arm, s)| Some((*arm, s.regression()?)));
            let others: Vec<(&str, &InContextRegression)> = others.collect::<Option<_>>()?;
            return Self::of_pairs(regression, &others, seed, key);
        }
        match first.features()? {
            Features::Hierarchy(tree) => {
                let stream = probe::stream(seed);
                let ontogeny_data::Examples::Values(examples) =
                    first.examples(Split::HeldOut, &stream, 0, tree.items())
                else {
                    return None;
                };
                let single = |map: Vec<f64>| map.into_iter().map(|x| x as f32).collect();
                let ranks = 0..=tree.modes().len();
                Some(Self {
                    examples,
                    landmarks: ranks
                        .map(|rank| (format!("rank{rank}"), single(tree.map_of_rank(rank))))
                        .collect(),
                    key,
                })
            }
            // Its critical points are known up to the order of the features only.
            Features::Superposition(_) => None,
        }
    }

    fn of_pairs(
        first: &InContextRegression,
        arms: &[(&str, &InContextRegression)],
        seed: u64,
        key: Key,
    ) -> Option<Self> {
        let sizes = |source: &InContextRegression| (source.dimension(), source.pairs());
        if arms.iter().any(|(_, source)| sizes(source) != sizes(first)) {
            return None;
        }
        let stream = probe::stream(seed);
        let sequences = first.held_out(&stream, SEQUENCES, RegressionShift::default());
        let mut landmarks: Vec<(String, Vec<f32>)> = Vec::new();
        for (arm, source) in arms {
            for &predictor in source.predictors() {
                let of_pool = predictor.knows_pool();
                let name = match of_pool && arms.len() > 1 {
                    true => format!("{}.{arm}", predictor.name()),
                    false => predictor.name().to_owned(),
                };
                if landmarks.iter().any(|(known, _)| *known == name) {
                    continue;
                }
                let predicted = sequences.iter().map(|s| source.predict(predictor, s));
                let row = predicted.flatten().map(|y| y as f32).collect();
                landmarks.push((name, row));
            }
        }
        Some(Self {
            examples: sequences.values(),
            landmarks,
            key,
        })
    }

    /// A network's outputs at the positions that count.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn row(&self, network: &Network) -> Result<Vec<f32>, AnalysisError> {
        probe::outputs_that_count(network, &self.examples)
    }
}
