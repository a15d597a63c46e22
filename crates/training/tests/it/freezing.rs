//! A replica that is no longer finite is frozen; the others go on unharmed.

use burn::tensor::Tensor;
use ontogeny_model::Parameters;
use ontogeny_training::optimizer::Optimizer;

use crate::members::{Member, RULES, advance, architectures, stack, state_of, three};

const STEPS: u64 = 6;

/// Puts a member that fails in each place of a stack, beside two that do not.
fn check(rule: Optimizer, fails: fn(&mut Member), expected: u64) {
    for (name, config) in architectures() {
        for sick in 0..3 {
            let healthy = three(&config);
            let mut expectation = stack(rule, &healthy);
            let expected_records = advance(&mut expectation, &healthy, 0..STEPS);

            let mut members = healthy;
            fails(&mut members[sick]);
            let mut all = stack(rule, &members);
            // What the failing replica is before each update.
            let mut before = Vec::new();
            for step in 0..STEPS {
                before.push(state_of(&all, sick));
                let records = advance(&mut all, &members, step..step + 1).remove(0);
                let place = format!("{name}, {rule:?}: {sick} at step {step}");
                for i in (0..3).filter(|&i| i != sick) {
                    assert_eq!(
                        records[i], expected_records[step as usize][i],
                        "{place}: {i}"
                    );
                }
                let frozen_at = (step >= expected).then_some(expected);
                assert_eq!(records[sick].2, frozen_at, "{place}");
            }
            for i in (0..3).filter(|&i| i != sick) {
                assert_eq!(state_of(&all, i), state_of(&expectation, i), "{name}: {i}");
            }
            let frozen: Vec<Option<u64>> = all.frozen_at().unwrap();
            assert_eq!(frozen[sick], Some(expected));
            assert_eq!(frozen.iter().flatten().count(), 1);
            // Weights and moments stay as they were when the loss was found not to be finite.
            let without_mark = |mut state: Vec<(String, Vec<u32>)>| {
                state.retain(|(name, _)| name != "frozen_at");
                state
            };
            let at_freezing = without_mark(before.remove(expected as usize));
            assert_eq!(
                without_mark(state_of(&all, sick)),
                at_freezing,
                "{name}, {rule:?}: {sick}"
            );
        }
    }
}

#[test]
fn a_learning_rate_beyond_reason_ends_after_the_first_update() {
    for rule in RULES {
        check(rule, |member| member.learning_rate = 1e30, 1);
    }
}

#[test]
fn weights_that_hold_one_nan_are_never_updated() {
    let spoil = |member: &mut Member| {
        let mut parameters = member.network.clone().into_parameters();
        // The last one, so that it reaches the loss by itself.
        let last = parameters.pop().unwrap();
        let [_, rows, cols] = last.dims();
        let nan = Tensor::<3>::full([1, 1, 1], f32::NAN, &last.device());
        parameters.push(last.slice_assign([0..1, rows - 1..rows, cols - 1..cols], nan));
        member.network = member.network.with(Parameters::new(parameters));
    };
    for rule in RULES {
        check(rule, spoil, 0);
    }
}

/// A replica fails in the middle of training, not at its beginning: the moments are not zero then.
#[test]
fn a_replica_that_fails_later_keeps_its_moments() {
    // Adam divides a decay that joins the gradient by its own size: it makes nothing overflow.
    let overflowing = |rule: &Optimizer| !matches!(rule, Optimizer::Adam { .. });
    for rule in RULES.into_iter().filter(overflowing) {
        let (name, config) = architectures().next().unwrap();
        let mut members = three(&config);
        // A decay that turns weights over and multiplies them about ten million times at each
        // update; they overflow after some.
        members[1].weight_decay = 1e7;
        members[1].learning_rate = 1.0;
        let mut all = stack(rule, &members);
        let records = advance(&mut all, &members, 0..12);
        let frozen_at = all.frozen_at().unwrap()[1].unwrap();
        assert!(
            (2..12).contains(&frozen_at),
            "{name}, {rule:?}: {frozen_at}"
        );
        for (step, records) in (0..).zip(&records) {
            assert_eq!(
                records[1].2,
                (step >= frozen_at).then_some(frozen_at),
                "{rule:?}: {step}"
            );
            assert_eq!([records[0].2, records[2].2], [None; 2]);
        }
        let mut until = stack(rule, &members);
        advance(&mut until, &members, 0..frozen_at);
        let ends = state_of(&all, 1).into_iter().zip(state_of(&until, 1));
        for ((tensor, after), (_, before)) in ends.filter(|((name, _), _)| name != "frozen_at") {
            assert_eq!(after, before, "{rule:?}: {tensor}");
        }
    }
}
