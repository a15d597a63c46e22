//! Networks that read vectors, fully connected ones and transformers, against the values of
//! `tests/golden/mlp.py` and `vectors.py`, against finite differences, and in stacks.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_model::{Activation, Batch, Init, MlpConfig, Network, NetworkConfig, init, weights};
use ontogeny_store::{NamedTensor, Stream};
use serde::Deserialize;

use crate::values;

#[derive(Deserialize)]
struct Reference {
    config: NetworkConfig,
    /// Rows of an example, and how much each counts.
    #[serde(default = "one")]
    positions: usize,
    row_weights: Option<Vec<f32>>,
    weights: BTreeMap<String, Named>,
    inputs: Vec<f32>,
    targets: Vec<f32>,
    outputs: Vec<f32>,
    loss: f32,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
struct Named {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Reference {
    fn all() -> BTreeMap<String, Self> {
        let read = |text| serde_json::from_str::<BTreeMap<String, Self>>(text).unwrap();
        let mut all = read(include_str!("../golden/mlp.json"));
        let transformers = read(include_str!("../golden/vectors.json"));
        all.extend(transformers.into_iter().map(|(name, reference)| {
            assert!(reference.config.transformer().is_some());
            (format!("transformer, {name}"), reference)
        }));
        all
    }

    /// Whether a derivative may be missing: at a corner of a rectifier.
    fn has_corners(&self) -> bool {
        match &self.config {
            NetworkConfig::Mlp(config) => config.output_activation == Activation::Relu,
            NetworkConfig::Transformer(config) => config.activation == Activation::Relu,
        }
    }

    fn network(&self) -> Network {
        let named = self.weights.iter().map(|(name, own)| NamedTensor {
            name: name.clone(),
            shape: [&[1], own.shape.as_slice()].concat(),
            data: own.values.clone(),
        });
        let tensors: Vec<_> = named.collect();
        weights::from_named(&self.config, 1, &tensors, &Device::flex()).unwrap()
    }

    fn batch(&self) -> Batch {
        let examples = self.targets.len() / self.config.d_out() / self.positions;
        Batch::of_vectors(
            self.inputs.clone(),
            self.targets.clone(),
            [1, examples, self.positions],
            self.row_weights.as_deref(),
            &Device::flex(),
        )
    }
}

/// Every number is a sum of a few dozen products of numbers of order one, through at most four
/// layers: some hundred roundings of half 2⁻²³ each, of the largest number in the tensor.
#[track_caller]
fn near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!(
            (f - e).abs() <= 100.0 * 6e-8 * largest,
            "{what}: {f}, not {e}"
        );
    }
}

#[test]
fn outputs_loss_and_gradients_are_those_of_the_reference() {
    for (name, reference) in Reference::all() {
        let (network, batch) = (reference.network(), reference.batch());
        let outputs = values(network.outputs(&batch.inputs, batch.positions));
        near(&outputs, &reference.outputs, &format!("{name}: outputs"));
        let (loss, gradients) = network.loss_and_gradients(&batch);
        near(&values(loss), &[reference.loss], &format!("{name}: loss"));
        near(
            &values(network.mean_loss(&batch)),
            &[reference.loss],
            &format!("{name}: loss without gradient"),
        );
        let by_row = values(network.loss_by_row(&batch));
        let mean = by_row.iter().sum::<f32>() / by_row.len() as f32;
        near(&[mean], &[reference.loss], &format!("{name}: loss by row"));
        // Under the names and in the shapes that files have.
        let gradients = Network::new(network.config().clone(), gradients);
        let named = weights::to_named(&gradients).unwrap();
        assert_eq!(named.len(), reference.gradients.len(), "{name}");
        for gradient in named {
            let expected = &reference.gradients[&gradient.name];
            near(
                &gradient.data,
                expected,
                &format!("{name}: {}", gradient.name),
            );
        }
    }
}

/// A central difference over ±h differs from the derivative by h²/6 of the third derivative, of
/// order one to ten here, and by the rounding of the loss, 6e-8 of it, over h.
#[test]
fn gradients_are_finite_differences() {
    const H: f32 = 1e-2;
    for (name, reference) in Reference::all() {
        let (network, batch) = (reference.network(), reference.batch());
        let (_, gradients) = network.loss_and_gradients(&batch);
        for (i, gradient) in gradients.into_iter().enumerate() {
            let gradient = values(gradient);
            for (at, slope) in gradient.iter().enumerate() {
                let moved = |by: f32| {
                    let mut parameters = network.clone().into_parameters();
                    let [_, rows, cols] = parameters[i].dims();
                    let mut own = values(parameters[i].clone());
                    own[at] += by;
                    let data = TensorData::new(own, [1, rows, cols]);
                    parameters[i] = Tensor::from_data(data, &Device::flex());
                    values(Network::new(network.config().clone(), parameters).loss(&batch))[0]
                };
                let found = (moved(H) - moved(-H)) / (2.0 * H);
                let room = 2e-3 * (1.0 + reference.loss + slope.abs());
                // At a corner of a rectifier there is no derivative.
                let corner =
                    reference.has_corners() && (found - slope).abs() < 0.1 * (1.0 + slope.abs());
                assert!(
                    corner || (found - slope).abs() < room,
                    "{name}: {i}, {at}: {found}, not {slope}"
                );
            }
        }
    }
}

#[test]
fn a_stack_gives_each_replica_what_it_has_alone() {
    for (name, reference) in Reference::all() {
        let draw = |seed: u64| {
            let stream = Stream::new(seed, "weights", &[]);
            let replica = (Init::default(), stream);
            init::draw(reference.config.clone(), &[replica], &Device::flex())
        };
        let parts = [draw(0), reference.network(), draw(2)];
        let stack = Network::stack(parts.to_vec());
        let batches = Batch::stack(vec![reference.batch(); 3]);
        let (losses, gradients) = stack.loss_and_gradients(&batches);
        let losses = values(losses);
        for (i, part) in parts.iter().enumerate() {
            let (loss, alone) = part.loss_and_gradients(&reference.batch());
            assert_eq!(values(loss), [losses[i]], "{name}: replica {i}");
            for (together, alone) in gradients.iter().zip(alone) {
                let own = together.clone().narrow(0, i, 1);
                assert_eq!(values(own), values(alone), "{name}: replica {i}");
            }
        }
    }
}

#[test]
fn a_configuration_comes_back_from_json_and_says_its_kind() {
    for (name, reference) in Reference::all() {
        let json = serde_json::to_value(&reference.config).unwrap();
        let kind = reference.config.transformer().is_none().then_some("mlp");
        assert_eq!(json.get("kind").and_then(|k| k.as_str()), kind, "{name}");
        let again: NetworkConfig = serde_json::from_value(json).unwrap();
        assert_eq!(again, reference.config, "{name}");
        assert!(again.validate().is_ok(), "{name}");
    }
    let unknown = serde_json::json!({ "kind": "reservoir" });
    let refused = serde_json::from_value::<NetworkConfig>(unknown).unwrap_err();
    assert!(
        refused.to_string().contains("transformer, mlp"),
        "{refused}"
    );
}

#[test]
fn shapes_that_make_no_network_are_refused() {
    let config = |widths: &[usize], tied: bool| MlpConfig {
        widths: widths.to_vec(),
        activation: Activation::Linear,
        output_activation: Activation::Linear,
        biases: Default::default(),
        tied,
        init: Init::default(),
    };
    for (widths, tied, field) in [
        (&[3][..], false, "widths"),
        (&[3, 0, 2], false, "widths"),
        (&[6, 2, 5], true, "tied"),
        (&[6, 6], true, "tied"),
    ] {
        let error = config(widths, tied).validate().unwrap_err().to_string();
        assert!(error.contains(field), "{widths:?}: {error}");
    }
    assert!(config(&[6, 2, 6], true).validate().is_ok());
}
