//! A stack gives each replica the bits it would have had alone.

use burn::tensor::Device;
use ontogeny_model::{Init, InitKind, Network, NetworkConfig, init, weights};
use ontogeny_store::Stream;

use crate::golden::Golden;
use crate::{batch, gradients, values};

/// Each replica's own shift of the golden batch.
const SHIFTS: [usize; 3] = [0, 4, 7];

/// Weights of another size than the golden ones, so that a mix-up cannot go unseen.
fn draw(config: &NetworkConfig, seed: u64) -> Network {
    let init = Init {
        kind: InitKind::Normal,
        scale: 3.0 * (seed + 1) as f64,
        unembed_scale: None,
    };
    let stream = Stream::new(seed, "weights", &[]);
    init::draw(config.clone(), &[(init, stream)], &Device::flex())
}

/// Three networks of one shape, the golden one in the given slot.
fn three(golden: &Golden, slot: usize) -> Vec<Network> {
    let network = golden.network();
    let (one, other) = (draw(network.config(), 0), draw(network.config(), 1));
    let mut parts = vec![one, other];
    parts.insert(slot, network);
    parts
}

fn bits(values: Vec<f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// Everything that replica `replica` of a stack computes, by name, when replica `i` reads the
/// batch of `shifts[i]`.
fn all(
    golden: &Golden,
    stack: &Network,
    shifts: &[usize],
    replica: usize,
) -> Vec<(String, Vec<u32>)> {
    let read = batch(golden, stack, shifts);
    let loss = stack.loss(&read);
    let by_position = stack.loss_by_row(&read);
    let trace = stack.trace(&read.inputs, read.positions).unwrap();
    let mut found = vec![
        ("loss".to_owned(), values(loss.narrow(0, replica, 1))),
        (
            "loss by position".to_owned(),
            values(by_position.narrow(0, replica, 1)),
        ),
        (
            "logits".to_owned(),
            values(trace.outputs.narrow(0, replica, 1)),
        ),
    ];
    for (layer, pattern) in trace.patterns.into_iter().enumerate() {
        found.push((
            format!("pattern {layer}"),
            values(pattern.narrow(0, replica, 1)),
        ));
    }
    for (layer, residual) in trace.residuals.into_iter().enumerate() {
        found.push((
            format!("residual {layer}"),
            values(residual.narrow(0, replica, 1)),
        ));
    }
    let gradients = gradients(stack, &read).narrow(replica, 1);
    for gradient in weights::to_named(&gradients).unwrap() {
        found.push((format!("gradient of {}", gradient.name), gradient.data));
    }
    found
        .into_iter()
        .map(|(name, values)| (name, bits(values)))
        .collect()
}

#[test]
fn each_replica_computes_what_it_would_alone() {
    for golden in Golden::all() {
        for slot in 0..3 {
            let parts = three(&golden, slot);
            let stack = Network::stack(parts.clone());
            for (i, part) in parts.iter().enumerate() {
                let together = all(&golden, &stack, &SHIFTS, i);
                let alone = all(&golden, part, &SHIFTS[i..=i], 0);
                assert_eq!(together.len(), alone.len());
                for ((name, together), (_, alone)) in together.iter().zip(&alone) {
                    let place = format!("{}: {name}, replica {i}", golden.variant);
                    assert_eq!(together, alone, "{place}, golden weights in slot {slot}");
                }
            }
        }
    }
}

/// What is not asked for costs nothing and changes nothing.
#[test]
fn some_gradients_are_those_of_all() {
    for golden in Golden::all() {
        let stack = Network::stack(three(&golden, 1));
        let batch = batch(&golden, &stack, &SHIFTS);
        let of = |wanted: &(dyn Fn(usize) -> bool + Sync)| {
            let (loss, gradients) = stack.loss_and_some_gradients(wanted, &batch);
            let gradients: Vec<_> = gradients.into_iter().map(|g| bits(values(g))).collect();
            (bits(values(loss)), gradients)
        };
        let (loss, all) = of(&|_| true);
        for some in 0..all.len() {
            let (same, found) = of(&|i| i == some);
            assert_eq!(same, loss);
            for (i, gradient) in found.iter().enumerate() {
                if i == some {
                    assert_eq!(gradient, &all[i], "{}: parameter {i}", golden.variant);
                } else {
                    assert!(gradient.iter().all(|g| *g == 0), "{}: {i}", golden.variant);
                }
            }
        }
    }
}

#[test]
fn a_replica_that_is_not_finite_keeps_it_to_itself() {
    for golden in Golden::all() {
        for sick in 0..3 {
            let mut parts = three(&golden, 1);
            let healthy = Network::stack(parts.clone());
            let sickened = parts[sick].parameters().clone().map(|p| p * f32::NAN);
            parts[sick] = parts[sick].with(sickened);
            let stack = Network::stack(parts);
            for i in 0..3 {
                let found = all(&golden, &stack, &SHIFTS, i);
                if i == sick {
                    assert!(f32::from_bits(found[0].1[0]).is_nan(), "{}", golden.variant);
                } else {
                    let expected = all(&golden, &healthy, &SHIFTS, i);
                    assert_eq!(found, expected, "{}: {i} beside {sick}", golden.variant);
                }
            }
        }
    }
}

#[test]
fn replicas_are_drawn_as_they_would_be_alone() {
    let kinds = [InitKind::Standard, InitKind::Normal, InitKind::Lecun];
    let replicas: Vec<(Init, Stream)> = kinds
        .into_iter()
        .zip(0..)
        .map(|(kind, seed)| {
            (
                Init {
                    kind,
                    scale: 0.5,
                    ..Init::default()
                },
                Stream::new(seed, "weights", &[]),
            )
        })
        .collect();
    for golden in Golden::all() {
        let config = golden.network().config().clone();
        let stack = init::draw(config.clone(), &replicas, &Device::flex());
        for (i, replica) in replicas.iter().enumerate() {
            let alone = init::draw(
                config.clone(),
                std::slice::from_ref(replica),
                &Device::flex(),
            );
            assert_eq!(
                weights::to_named(&stack.narrow(i, 1)).unwrap(),
                weights::to_named(&alone).unwrap(),
                "{}: {:?}",
                golden.variant,
                replica.0.kind
            );
        }
    }
}

#[test]
fn repeated_replicas_lie_beside_each_other() {
    for golden in Golden::all() {
        let parts = three(&golden, 0);
        let repeated = Network::stack(parts.clone()).repeat(2);
        assert_eq!(repeated.replicas(), 6);
        for i in 0..6 {
            assert_eq!(
                weights::to_named(&repeated.narrow(i, 1)).unwrap(),
                weights::to_named(&parts[i / 2]).unwrap(),
                "{}: replica {i}",
                golden.variant
            );
        }
    }
}
