//! A stack trains each replica as it would be trained alone.

use crate::members::{Member, RULES, advance, architectures, stack, state_of, three};

#[test]
fn each_replica_is_trained_as_it_would_be_alone() {
    for (name, config) in architectures() {
        for rule in RULES {
            let members = three(&config);
            let mut all = stack(rule, &members);
            let together = advance(&mut all, &members, 0..8);
            for (i, member) in members.iter().enumerate() {
                let member = std::slice::from_ref(member);
                let mut single = stack(rule, member);
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
