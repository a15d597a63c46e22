//! Models whose learning coefficient is known, so that anyone can hold the estimator against the
//! truth.

mod expectation;
mod formulas;
mod growth;
mod models;
mod staged;
mod validate;

pub use expectation::{categorical, normal_crossing, quadratic};
pub use formulas::{Coefficient, deep_linear, reduced_rank};
pub use growth::{LinearModes, Mode, descend};
pub use models::{
    Categorical, DeepLinear, Model, NormalCrossing, Polygon, Quadratic, Superposition,
};
pub use staged::{Finding, Staged, StagedError, validate_stages};
pub use validate::{Answer, Case, Row, validate};

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::AnalysisError;
use crate::llc::Landscape;
use crate::sampler::LossAndGradient;

/// An instance that has an answer, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Spec {
    /// `½ Σ hᵢwᵢ²`: λ is half the number of positive curvatures.
    Quadratic {
        /// The hᵢ, none negative.
        curvatures: Vec<f64>,
    },
    /// `Π wᵢ^{2kᵢ}`: λ = min 1/(2kᵢ).
    NormalCrossing {
        /// The kᵢ.
        powers: Vec<u32>,
    },
    /// Reduced-rank regression.
    Rrr {
        /// Inputs M.
        inputs: usize,
        /// Hidden units H.
        hidden: usize,
        /// Outputs N.
        outputs: usize,
        /// Rank of the truth.
        rank: usize,
    },
    /// A deep linear network.
    Dln {
        /// Widths of the layers, inputs first.
        widths: Vec<usize>,
        /// Rank of the truth.
        rank: usize,
    },
    /// A critical polygon of the toy model of superposition.
    Superposition {
        /// 5, "5+" or 6.
        k: Corners,
    },
    /// A regular model, λ = d/2: a categorical distribution of d + 1 categories.
    Regular {
        /// d.
        dimension: usize,
    },
}

/// A polygon by its corners, as a number or as a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Corners {
    /// 5 or 6.
    Number(u64),
    /// "5", "5+" or "6".
    Text(String),
}

/// An instance that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// Most parameters of an instance: beyond, a chain's draws are no longer cheap.
const MOST_PARAMETERS: usize = 10_000;

impl Spec {
    /// The kind as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Quadratic { .. } => "quadratic",
            Self::NormalCrossing { .. } => "normal_crossing",
            Self::Rrr { .. } => "rrr",
            Self::Dln { .. } => "dln",
            Self::Superposition { .. } => "superposition",
            Self::Regular { .. } => "regular",
        }
    }

    /// The loss, and its coefficient.
    ///
    /// # Errors
    /// [`NoAnswer`] with what would be right.
    pub fn build(&self) -> Result<(Box<dyn Model>, Coefficient), NoAnswer> {
        let no = |text: String| Err(NoAnswer(text));
        let one = |lambda| Coefficient {
            lambda,
            multiplicity: 1,
        };
        let (model, coefficient): (Box<dyn Model>, Coefficient) = match self {
            Self::Quadratic { curvatures } => {
                if let Some(h) = curvatures.iter().find(|h| !(h.is_finite() && **h >= 0.0)) {
                    return no(format!(
                        "`curvatures` must not be negative, since w* would be no minimum; found {h}"
                    ));
                }
                let positive = curvatures.iter().filter(|h| **h > 0.0).count();
                if positive == 0 {
                    return no("`curvatures` needs one that is positive".to_owned());
                }
                let curvatures = curvatures.clone();
                (
                    Box::new(Quadratic { curvatures }),
                    one(positive as f64 / 2.0),
                )
            }
            Self::NormalCrossing { powers } => match formulas::normal_crossing(powers) {
                Some(_) if powers.iter().any(|&k| k > 20) => {
                    return no("`powers` may be at most 20".to_owned());
                }
                Some(coefficient) => {
                    let powers = powers.clone();
                    (Box::new(NormalCrossing { powers }), coefficient)
                }
                None => return no("`powers` needs one that is not 0".to_owned()),
            },
            Self::Rrr {
                inputs,
                hidden,
                outputs,
                rank,
            } => {
                let least = *inputs.min(hidden).min(outputs);
                if least == 0 {
                    return no("`inputs`, `hidden` and `outputs` must be at least 1".to_owned());
                }
                if *rank > least {
                    return no(format!(
                        "`rank` is at most the least of `inputs`, `hidden` and `outputs`, {least}; found {rank}"
                    ));
                }
                let widths = [*inputs, *hidden, *outputs];
                (
                    Box::new(DeepLinear {
                        widths: widths.to_vec(),
                        rank: *rank,
                    }),
                    reduced_rank(widths, *rank),
                )
            }
            Self::Dln { widths, rank } => {
                let least = widths.iter().copied().min().unwrap_or(0);
                if widths.len() < 2 || least == 0 {
                    return no("`widths` needs two layers at least, none of width 0".to_owned());
                }
                if *rank > least {
                    return no(format!(
                        "`rank` is at most the least of `widths`, {least}; found {rank}"
                    ));
                }
                match deep_linear(widths, *rank) {
                    Some(coefficient) => (
                        Box::new(DeepLinear {
                            widths: widths.clone(),
                            rank: *rank,
                        }),
                        coefficient,
                    ),
                    None => return no("no formula for these `widths`".to_owned()),
                }
            }
            Self::Superposition { k } => {
                let text = match k {
                    Corners::Number(n) => n.to_string(),
                    Corners::Text(text) => text.clone(),
                };
                let (polygon, lambda) = match text.as_str() {
                    "5" => (Polygon::Five, 7.0),
                    "5+" => (Polygon::FivePlus, 8.5),
                    "6" => (Polygon::Six, 8.5),
                    other => {
                        return no(format!(
                            "`k` = {other} has no known coefficient; it can be 5, \"5+\" or 6"
                        ));
                    }
                };
                (Box::new(Superposition { polygon }), one(lambda))
            }
            Self::Regular { dimension } => {
                if *dimension == 0 {
                    return no("`dimension` must be at least 1".to_owned());
                }
                let dimension = *dimension;
                (
                    Box::new(Categorical { dimension }),
                    one(dimension as f64 / 2.0),
                )
            }
        };
        match model.dimension() {
            0 => no("there is no parameter".to_owned()),
            d if d > MOST_PARAMETERS => {
                no(format!("{d} parameters are more than {MOST_PARAMETERS}"))
            }
            _ => Ok((model, coefficient)),
        }
    }

    /// A name in the style of a path.
    pub fn name(&self) -> String {
        let list = |x: &[String]| x.join("-");
        let text = |x: &[usize]| list(&x.iter().map(ToString::to_string).collect::<Vec<_>>());
        match self {
            Self::Quadratic { curvatures } => {
                let all: Vec<String> = curvatures.iter().map(ToString::to_string).collect();
                format!("quadratic/{}", list(&all))
            }
            Self::NormalCrossing { powers } => {
                let all: Vec<String> = powers.iter().map(ToString::to_string).collect();
                format!("normal_crossing/{}", list(&all))
            }
            Self::Rrr {
                inputs,
                hidden,
                outputs,
                rank,
            } => format!("rrr/{inputs}-{hidden}-{outputs}-rank{rank}"),
            Self::Dln { widths, rank } => format!("dln/{}-rank{rank}", text(widths)),
            Self::Superposition { k } => match k {
                Corners::Number(n) => format!("superposition/{n}"),
                Corners::Text(t) => format!("superposition/{t}"),
            },
            Self::Regular { dimension } => format!("regular/{dimension}"),
        }
    }
}

/// The instances that ship.
pub fn shipped() -> Vec<Spec> {
    let quadratic = |h: &[f64]| Spec::Quadratic {
        curvatures: h.to_vec(),
    };
    let crossing = |powers: &[u32]| Spec::NormalCrossing {
        powers: powers.to_vec(),
    };
    let rrr = |inputs, hidden, outputs, rank| Spec::Rrr {
        inputs,
        hidden,
        outputs,
        rank,
    };
    let dln = |widths: &[usize], rank| Spec::Dln {
        widths: widths.to_vec(),
        rank,
    };
    let polygon = |k: &str| Spec::Superposition {
        k: Corners::Text(k.to_owned()),
    };
    vec![
        quadratic(&[1.0]),
        quadratic(&[1.0, 4.0, 0.25, 0.0]),
        quadratic(&[1.0; 10]),
        quadratic(&[10.0, 3.0, 1.0, 0.3, 0.1]),
        crossing(&[0, 1]),
        crossing(&[1, 1]),
        crossing(&[0, 2]),
        crossing(&[1, 2]),
        crossing(&[2, 2]),
        crossing(&[0, 3]),
        crossing(&[1, 3]),
        crossing(&[3, 3]),
        crossing(&[1, 1, 1]),
        Spec::Regular { dimension: 1 },
        Spec::Regular { dimension: 3 },
        Spec::Regular { dimension: 10 },
        rrr(5, 3, 5, 0),
        rrr(5, 4, 5, 0),
        rrr(4, 3, 8, 0),
        rrr(8, 3, 4, 0),
        rrr(3, 8, 4, 0),
        rrr(5, 3, 5, 1),
        rrr(4, 3, 4, 2),
        dln(&[3, 4, 5], 1),
        dln(&[2, 3, 3, 2], 1),
        dln(&[4, 3, 3, 4], 2),
        polygon("5"),
        polygon("5+"),
        polygon("6"),
    ]
}

/// A known model as a landscape: all its weights are one parameter `[R, 1, d]`, and there is no
/// data.
pub struct KnownLoss<'a>(pub &'a dyn Model);

impl KnownLoss<'_> {
    /// w* as the sampler wants it.
    pub fn anchor(&self) -> Vec<Tensor<3>> {
        let start: Vec<f32> = self.0.start().iter().map(|&w| w as f32).collect();
        let shape = [1, 1, start.len()];
        let device = burn::tensor::Device::flex();
        vec![Tensor::from_data(TensorData::new(start, shape), &device)]
    }

    fn evaluate(&self, weights: &[Tensor<3>]) -> Result<(Vec<f32>, Vec<f32>), AnalysisError> {
        let d = self.0.dimension();
        let read = weights[0]
            .clone()
            .try_into_vec_as::<f32>()
            .map_err(|e| AnalysisError::Device(e.to_string()))?;
        let (mut losses, mut gradients) = (Vec::new(), Vec::with_capacity(read.len()));
        let (mut w, mut g) = (vec![0.0; d], vec![0.0; d]);
        for chain in read.chunks_exact(d) {
            for (to, from) in w.iter_mut().zip(chain) {
                *to = f64::from(*from);
            }
            g.fill(0.0);
            losses.push(self.0.loss_and_gradient(&w, &mut g) as f32);
            gradients.extend(g.iter().map(|&g| g as f32));
        }
        Ok((losses, gradients))
    }
}

impl Landscape for KnownLoss<'_> {
    fn loss_and_gradients(
        &self,
        weights: &[Tensor<3>],
        _chains: &[u64],
        _draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        let (losses, gradients) = self.evaluate(weights)?;
        let (device, shape) = (weights[0].device(), weights[0].dims());
        let gradient = Tensor::from_data(TensorData::new(gradients, shape), &device);
        Ok((
            Tensor::from_floats(losses.as_slice(), &device),
            vec![gradient],
        ))
    }

    fn loss(
        &self,
        weights: &[Tensor<3>],
        _chains: &[u64],
        _draw: u64,
    ) -> Result<Tensor<1>, AnalysisError> {
        let (losses, _) = self.evaluate(weights)?;
        Ok(Tensor::from_floats(losses.as_slice(), &weights[0].device()))
    }

    fn together(&self, chains: usize) -> usize {
        chains
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_has_an_answer_and_a_name_of_its_own() {
        let specs = shipped();
        let mut names: Vec<String> = specs.iter().map(Spec::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), specs.len());
        assert!(specs.len() >= 25);
        for spec in specs {
            let (model, coefficient) = spec.build().unwrap();
            assert!(
                coefficient.lambda > 0.0 && 2.0 * coefficient.lambda <= model.dimension() as f64
            );
        }
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        for spec in [
            Spec::Quadratic {
                curvatures: vec![1.0, -1.0],
            },
            Spec::Quadratic {
                curvatures: vec![0.0],
            },
            Spec::NormalCrossing { powers: vec![] },
            Spec::NormalCrossing { powers: vec![0] },
            Spec::Rrr {
                inputs: 2,
                hidden: 3,
                outputs: 4,
                rank: 3,
            },
            Spec::Dln {
                widths: vec![3],
                rank: 0,
            },
            Spec::Dln {
                widths: vec![3, 0, 3],
                rank: 0,
            },
            Spec::Superposition {
                k: Corners::Number(4),
            },
            Spec::Regular { dimension: 0 },
        ] {
            assert!(spec.build().is_err(), "{spec:?}");
        }
    }
}
