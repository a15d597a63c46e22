//! Ten updates of each optimizer against the golden runs.

use std::collections::BTreeMap;

use burn::tensor::Device;
use ontogeny_data::Sequences;
use ontogeny_model::weights;
use ontogeny_training::optimizer::Optimizer;
use ontogeny_training::{Hyper, ReplicaOutcome, Stack, column};
use serde::Deserialize;

use crate::golden::Golden;

/// An entry of `optimizers` in a golden file's metadata.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Settings {
    Adamw {
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        #[serde(default)]
        clip: f64,
    },
    Adam {
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
    },
    Sgd {
        lr: f64,
        momentum: f64,
        weight_decay: f64,
        #[serde(default)]
        clip: f64,
    },
}

impl Settings {
    fn hyper(self) -> Hyper {
        let (optimizer, [lr, weight_decay, clip]) = match self {
            Self::Adamw {
                lr,
                beta1,
                beta2,
                eps: epsilon,
                weight_decay,
                clip,
            } => (
                Optimizer::AdamW {
                    beta1,
                    beta2,
                    epsilon,
                },
                [lr, weight_decay, clip],
            ),
            Self::Adam {
                lr,
                beta1,
                beta2,
                eps: epsilon,
                weight_decay,
            } => (
                Optimizer::Adam {
                    beta1,
                    beta2,
                    epsilon,
                },
                [lr, weight_decay, 0.0],
            ),
            Self::Sgd {
                lr,
                momentum,
                weight_decay,
                clip,
            } => (Optimizer::Sgd { momentum }, [lr, weight_decay, clip]),
        };
        let column = |value: f64| column(&[value], &Device::flex());
        Hyper {
            optimizer,
            learning_rate: column(lr),
            weight_decay: column(weight_decay),
            clip: column(clip),
        }
    }
}

/// The batch of each step of a run.
fn batches(golden: &Golden, run: &str, len: usize) -> Vec<Sequences> {
    let rows = golden.values("tokens").len() / len;
    golden
        .values(&format!("{run}/tokens"))
        .chunks_exact(rows * len)
        .map(|tokens| Sequences {
            tokens: tokens.iter().map(|&token| token as u32).collect(),
            rows,
            len,
        })
        .collect()
}

#[test]
fn ten_updates_are_the_golden_ones() {
    let mut done = Vec::new();
    for golden in Golden::all() {
        // Noise that AdamW divides by its own size; no loss depends on it.
        let noise: Vec<String> = golden.json("zero_gradient");
        let runs: BTreeMap<String, Settings> = golden.json("optimizers");
        for (run, settings) in runs {
            let network = golden.network();
            let len = network.config().n_ctx() + 1;
            let mut stack = Stack::new(network, settings.hyper());
            let outcomes: Vec<ReplicaOutcome> = batches(&golden, &run, len)
                .into_iter()
                .zip(0..)
                .flat_map(|(batch, step)| stack.update(step, 1.0, &[batch.into()]).read().unwrap())
                .collect();
            let take = |f: fn(&ReplicaOutcome) -> f32| outcomes.iter().map(f).collect::<Vec<_>>();
            golden.check(&format!("{run}/losses"), &take(|o| o.loss));
            golden.check(&format!("{run}/norms"), &take(|o| o.gradient_norm));
            assert!(
                outcomes.iter().all(|o| o.frozen_at.is_none()),
                "{}: {run}",
                golden.variant
            );
            for tensor in weights::to_named(stack.network()).unwrap() {
                if !noise.contains(&tensor.name) {
                    golden.check(&format!("{run}/final/{}", tensor.name), &tensor.data);
                }
            }
            done.push(format!("{} {run}", golden.variant));
        }
    }
    let expected = [
        "attention_only adamw",
        "attention_only sgd",
        "gelu_tied adamw",
        "gelu_tied adamw_clip",
        "shortformer_relu adamw",
        "shortformer_relu sgd_clip",
        "rotary_no_norm adamw",
        "relative adam",
    ];
    assert_eq!(done, expected);
}
