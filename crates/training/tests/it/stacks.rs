//! A stack trains each replica as it would be trained alone.

use ontogeny_store::Stream;
use ontogeny_training::Dropout;

use crate::members::{Member, RULES, advance, architectures, dropping, stack, state_of, three};

#[test]
fn each_replica_is_trained_as_it_would_be_alone() {
    for (name, config) in architectures() {
        for rule in RULES {
            let members = three(&config);
            let mut all = dropping(rule, &members);
            let together = advance(&mut all, &members, 0..8);
            for (i, member) in members.iter().enumerate() {
                let member = std::slice::from_ref(member);
                let mut single = dropping(rule, member);
                let alone = advance(&mut single, member, 0..8);
                for (step, (together, alone)) in together.iter().zip(&alone).enumerate() {
                    assert_eq!(together[i], alone[0], "{name}, {rule:?}: {i} at {step}");
                }
                assert_eq!(
                    state_of(&all, i),
                    state_of(&single, 0),
                    "{name}, {rule:?}: {i}"
                );
            }
        }
    }
}

#[test]
fn dropout_leaves_out_what_stream_and_step_say() {
    for (name, config) in architectures() {
        let members = three(&config);
        let loss = |chance: Option<f64>, seed: u64, step: u64| {
            let dropout = chance.map(|chance| Dropout {
                chance,
                streams: (0..3)
                    .map(|i| Stream::new(seed + i, "dropout", &[]))
                    .collect(),
            });
            let mut stack = stack(RULES[0], &members).with_dropout(dropout);
            advance(&mut stack, &members, step..step + 1)
        };
        let plain = loss(None, 0, 0);
        assert_eq!(loss(Some(0.5), 0, 0), loss(Some(0.5), 0, 0), "{name}");
        assert_ne!(loss(Some(0.5), 0, 0), plain, "{name}");
        assert_ne!(loss(Some(0.5), 0, 0), loss(Some(0.5), 9, 0), "{name}");
        // Next to nothing left out is nothing left out, but for the order of two additions.
        let nearly = loss(Some(1e-9), 0, 0);
        for (a, b) in nearly[0].iter().zip(&plain[0]) {
            let [a, b] = [a.0, b.0].map(f32::from_bits);
            assert!((a - b).abs() < 1e-5 * b, "{name}: {a}, not {b}");
        }
    }
}

/// Were a hyper-parameter of one replica used for all, the test above could not see it if the
/// replicas learned the same whatever it is.
#[test]
fn every_hyper_parameter_matters() {
    let (_, config) = architectures().next().unwrap();
    let changes: [fn(&mut Member); 3] = [
        |m| m.learning_rate *= 2.0,
        |m| m.weight_decay = 0.5,
        |m| m.clip = 1e-3,
    ];
    for rule in RULES {
        let member = three(&config).remove(0);
        let weights = |member: Member| {
            let mut stack = stack(rule, std::slice::from_ref(&member));
            advance(&mut stack, &[member], 0..3);
            state_of(&stack, 0)
        };
        let before = weights(member.clone());
        for (i, change) in changes.into_iter().enumerate() {
            let mut changed = member.clone();
            change(&mut changed);
            assert_ne!(weights(changed), before, "{rule:?}: change {i}");
        }
    }
}
