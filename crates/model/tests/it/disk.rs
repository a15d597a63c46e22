//! Networks to and from named tensors, and what is said about tensors that do not fit.

use std::path::Path;

use burn::tensor::Device;
use ontogeny_model::{Layout, NetworkConfig, weights};
use ontogeny_store::{Checkpoint, NamedTensor, Step};
use serde_json::{Value, json};

use crate::golden::Golden;
use crate::values;

/// A tensor for each parameter, in which no two numbers are equal.
fn numbered(config: &NetworkConfig, replicas: usize) -> Vec<NamedTensor> {
    let mut next = 0.0_f32;
    config
        .parameters()
        .into_iter()
        .map(|spec| NamedTensor {
            data: (0..replicas * spec.len())
                .map(|_| {
                    next += 1.0;
                    next
                })
                .collect(),
            shape: [&[replicas], spec.shape.as_slice()].concat(),
            name: spec.name,
        })
        .collect()
}

#[test]
fn what_is_read_is_what_was_written() {
    for golden in Golden::all() {
        let config = golden.network().config().clone();
        for replicas in [1, 3] {
            let tensors = numbered(&config, replicas);
            let network =
                weights::from_named(&config, replicas, &tensors, &Device::flex()).unwrap();
            assert_eq!(network.replicas(), replicas);
            assert_eq!(
                weights::to_named(&network).unwrap(),
                tensors,
                "{}",
                golden.variant
            );
        }
    }
}

#[test]
fn the_order_of_the_tensors_does_not_matter() {
    for golden in Golden::all() {
        let config = golden.network().config().clone();
        let tensors = numbered(&config, 2);
        let reversed: Vec<NamedTensor> = tensors.iter().rev().cloned().collect();
        let network = weights::from_named(&config, 2, &reversed, &Device::flex()).unwrap();
        assert_eq!(
            weights::to_named(&network).unwrap(),
            tensors,
            "{}",
            golden.variant
        );
    }
}

/// W_Q, W_K and W_V are `[replica, head, d_model, d_head]` on disk; the computation multiplies by
/// `[replica, d_model, head · d_head]`.
#[test]
fn heads_lie_side_by_side_in_computation() {
    let golden = Golden::all().find(|g| g.variant == "gelu_tied").unwrap();
    let config = golden.network().config().clone();
    let tensors = numbered(&config, 2);
    let network = weights::from_named(&config, 2, &tensors, &Device::flex()).unwrap();
    let c = config.transformer().unwrap();
    let (heads, d_model, d_head) = (c.n_heads, c.d_model, c.d_head);
    let mut seen = Vec::new();
    for ((spec, on_disk), computed) in config
        .parameters()
        .iter()
        .zip(&tensors)
        .zip(network.into_parameters())
    {
        if spec.layout == Layout::Same {
            assert_eq!(values(computed), on_disk.data, "{}", spec.name);
            continue;
        }
        seen.push(spec.name.clone());
        assert_eq!(on_disk.shape, [2, heads, d_model, d_head]);
        assert_eq!(computed.dims(), [2, d_model, heads * d_head]);
        let computed = values(computed);
        for r in 0..2 {
            for h in 0..heads {
                for d in 0..d_model {
                    for k in 0..d_head {
                        assert_eq!(
                            computed[(r * d_model + d) * heads * d_head + h * d_head + k],
                            on_disk.data[((r * heads + h) * d_model + d) * d_head + k],
                            "{}: replica {r}, head {h}, row {d}, column {k}",
                            spec.name
                        );
                    }
                }
            }
        }
    }
    let expected = [
        "0.attn.W_Q",
        "0.attn.W_K",
        "0.attn.W_V",
        "1.attn.W_Q",
        "1.attn.W_K",
        "1.attn.W_V",
    ];
    assert_eq!(seen, expected.map(|name| format!("blocks.{name}")));
}

/// A checkpoint of two replicas of the attention-only network, and its configuration.
fn checkpoint() -> (Checkpoint, NetworkConfig) {
    let golden = Golden::all()
        .find(|g| g.variant == "attention_only")
        .unwrap();
    let config = golden.network().config().clone();
    let checkpoint = Checkpoint {
        step: Step(5),
        replicas: vec!["seed0".to_owned(), "seed1".to_owned()],
        config: serde_json::to_value(&config).unwrap(),
        tensors: numbered(&config, 2),
    };
    (checkpoint, config)
}

#[test]
fn a_checkpoint_rebuilds_its_network() {
    let (checkpoint, config) = checkpoint();
    let path = Path::new("step.safetensors");
    let network = weights::from_checkpoint(&checkpoint, path, &Device::flex()).unwrap();
    assert_eq!(network.config(), &config);
    assert_eq!(weights::to_named(&network).unwrap(), checkpoint.tensors);
}

/// Spoils a checkpoint and asks for the whole message.
fn check(spoil: impl FnOnce(&mut Checkpoint), expected: &str) {
    let (mut checkpoint, _) = checkpoint();
    spoil(&mut checkpoint);
    let path = Path::new("some/step.safetensors");
    let error = weights::from_checkpoint(&checkpoint, path, &Device::flex()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("some/step.safetensors: {expected}")
    );
}

fn tensor<'a>(checkpoint: &'a mut Checkpoint, name: &str) -> &'a mut NamedTensor {
    checkpoint
        .tensors
        .iter_mut()
        .find(|t| t.name == name)
        .unwrap()
}

#[test]
fn a_tensor_that_does_not_fit_is_named() {
    check(
        |c| c.tensors.retain(|t| t.name != "blocks.1.attn.W_O"),
        "tensor `blocks.1.attn.W_O` is missing",
    );
    check(
        |c| tensor(c, "ln_final.w").name = "ln_final.weight".to_owned(),
        "tensor `ln_final.weight` is none of the 26 that its configuration has",
    );
    check(
        |c| tensor(c, "blocks.0.attn.W_Q").shape = vec![2, 8, 2, 4],
        "tensor `blocks.0.attn.W_Q` has shape [2, 8, 2, 4], expected [2, 2, 8, 4]",
    );
    check(
        |c| c.replicas.push("seed2".to_owned()),
        "tensor `embed.W_E` has shape [2, 11, 8], expected [3, 11, 8]",
    );
    // One layer more in the configuration than in the tensors.
    check(
        |c| c.config["n_layers"] = json!(3),
        "tensor `blocks.2.ln1.w` is missing",
    );
}

#[test]
fn a_configuration_that_makes_no_network_is_refused() {
    check(
        |c| c.config["n_heads"] = json!(0),
        "config.json: model.n_heads must be at least 1, found 0",
    );
    check(
        |c| c.config["d_heads"] = json!(4),
        "config.json does not describe a network: unknown field `d_heads`, expected one of \
         `n_layers`, `n_heads`, `d_model`, `d_head`, `d_mlp`, `activation`, `norm`, `positions`, \
         `tied`, `bias`, `block`, `n_ctx`, `d_vocab`, `vectors`, `init`",
    );
    check(
        |c| c.config = Value::Null,
        "config.json does not describe a network: invalid type: null, expected struct \
         TransformerConfig",
    );
}
