//! A state puts a stack where it was taken, bit for bit.

use ontogeny_store::NamedTensor;
use ontogeny_training::join;

use crate::members::{RULES, advance, architectures, dropping, state_of, three};

#[test]
fn a_restored_stack_goes_on_as_the_one_it_was_taken_from() {
    for (name, config) in architectures() {
        for rule in RULES {
            let members = three(&config);
            let mut straight = dropping(rule, &members);
            let expected = advance(&mut straight, &members, 0..10);

            let mut first = dropping(rule, &members);
            let mut records = advance(&mut first, &members, 0..5);
            let state = first.state().unwrap();
            let mut second = dropping(rule, &members);
            second.restore(&state, 0).unwrap();
            records.extend(advance(&mut second, &members, 5..10));

            assert_eq!(records, expected, "{name}, {rule:?}");
            for i in 0..3 {
                assert_eq!(
                    state_of(&second, i),
                    state_of(&straight, i),
                    "{name}, {rule:?}: {i}"
                );
            }
        }
    }
}

/// A CPU trains replicas one by one and a GPU all at once; either goes on from the other's state.
#[test]
fn stacks_may_be_cut_and_joined_between_state_and_state() {
    for (name, config) in architectures() {
        for rule in RULES {
            let members = three(&config);
            let mut straight = dropping(rule, &members);
            advance(&mut straight, &members, 0..10);

            // Together, then each alone, then together.
            let mut together = dropping(rule, &members);
            advance(&mut together, &members, 0..4);
            let joined = together.state().unwrap();
            let alone: Vec<Vec<NamedTensor>> = members
                .iter()
                .enumerate()
                .map(|(i, member)| {
                    let member = std::slice::from_ref(member);
                    let mut single = dropping(rule, member);
                    single.restore(&joined, i).unwrap();
                    advance(&mut single, member, 4..7);
                    single.state().unwrap()
                })
                .collect();
            let mut again = dropping(rule, &members);
            again.restore(&join(alone), 0).unwrap();
            advance(&mut again, &members, 7..10);

            for i in 0..3 {
                assert_eq!(
                    state_of(&again, i),
                    state_of(&straight, i),
                    "{name}, {rule:?}: {i}"
                );
            }
        }
    }
}

#[test]
fn a_frozen_replica_stays_frozen() {
    let (_, config) = architectures().next().unwrap();
    for rule in RULES {
        let mut members = three(&config);
        members[2].learning_rate = 1e30;
        let mut straight = dropping(rule, &members);
        advance(&mut straight, &members, 0..3);
        let mut restored = dropping(rule, &members);
        restored.restore(&straight.state().unwrap(), 0).unwrap();
        assert_eq!(restored.frozen_at().unwrap(), [None, None, Some(1)]);
        let expected = advance(&mut straight, &members, 3..6);
        assert_eq!(advance(&mut restored, &members, 3..6), expected);
        for i in 0..3 {
            assert_eq!(
                state_of(&restored, i),
                state_of(&straight, i),
                "{rule:?}: {i}"
            );
        }
    }
}

/// Spoils a state of three and asks for the message of a stack of two from the second on.
fn check(spoil: impl FnOnce(&mut Vec<NamedTensor>), expected: &str) {
    let (_, config) = architectures().next().unwrap();
    let members = three(&config);
    let mut state = dropping(RULES[0], &members).state().unwrap();
    spoil(&mut state);
    let mut two = dropping(RULES[0], &members[1..]);
    let before = state_of(&two, 0);
    assert_eq!(two.restore(&state, 1).unwrap_err(), expected);
    assert_eq!(
        state_of(&two, 0),
        before,
        "what does not fit changes nothing"
    );
}

fn tensor<'a>(state: &'a mut [NamedTensor], name: &str) -> &'a mut NamedTensor {
    state.iter_mut().find(|t| t.name == name).unwrap()
}

#[test]
fn a_state_that_does_not_fit_is_refused_by_name() {
    check(
        |state| state.retain(|t| t.name != "second/ln_final.b"),
        "tensor `second/ln_final.b` is missing",
    );
    check(
        |state| tensor(state, "first/embed.W_E").shape = vec![3, 8, 11],
        "tensor `first/embed.W_E` has shape [3, 8, 11], expected [at least 3, 11, 8]",
    );
    check(
        |state| {
            let last = tensor(state, "frozen_at");
            last.shape[0] = 2;
            last.data.pop();
        },
        "tensor `frozen_at` has shape [2, 1, 1], expected [at least 3, 1, 1]",
    );
}
