//! A fork goes on where its parent was: with nothing changed, to the same bits.

use std::collections::BTreeSet;

use ontogeny_store::{NamedTensor, Step, read_series};
use ontogeny_training::TrainingError;

use crate::bench::{Bench, SMALL, Until};

/// Arms of two shapes behind [`SMALL`].
const ARMS: &str = r#"
[[arms]]
name = "narrow"

[[arms]]
name = "wide"
set = { "model.d_model" = 12 }
"#;

/// The bits of a replica's weights at a step, wherever in the run it lies.
fn bits(bench: &Bench, replica: &str, step: u64) -> Vec<(String, Vec<u32>)> {
    let has = |g: &ontogeny_training::Group| g.names().iter().any(|n| n == replica);
    let group = bench.run.groups.iter().position(has).unwrap();
    let checkpoint = bench.checkpoints(group).read(Step(step)).unwrap();
    let bits = |t: NamedTensor| (t.name, t.data.iter().map(|x| x.to_bits()).collect());
    let tensors = checkpoint.select(replica).unwrap().tensors;
    tensors.into_iter().map(bits).collect()
}

fn steps(bench: &Bench) -> Vec<u64> {
    let steps = bench.checkpoints(0).steps().unwrap();
    steps.iter().map(|s| s.0).collect()
}

#[test]
fn a_fork_without_a_change_is_its_parent_bit_for_bit() {
    let parent = Bench::trained(SMALL);
    let mut keys = BTreeSet::from([parent.run.key]);
    // At a state that was kept, at a checkpoint, at neither, on both sides of the second source.
    for at in [0, 1, 8, 9, 10, 11, 18, 23] {
        let fork = parent.fork(at, &[]).unwrap();
        assert!(
            keys.insert(fork.run.key),
            "every step makes a run of its own"
        );
        let (outcome, heard) = fork.train(Until::Complete);
        assert_eq!(outcome.unwrap().replicas[0].final_step, Step(24));
        assert_eq!(heard.begun[0].1, at);
        let mut expected = vec![at];
        expected.extend([1, 2, 4, 6, 10, 12, 18, 24].iter().filter(|&&s| s > at));
        assert_eq!(steps(&fork), expected);
        for replica in ["seed3", "seed5"] {
            for &step in &expected[usize::from(!steps(&parent).contains(&at))..] {
                assert!(
                    bits(&fork, replica, step) == bits(&parent, replica, step),
                    "forked at {at}: {replica} at {step}"
                );
            }
            let lines = parent.metrics_of(replica);
            assert_eq!(
                fork.metrics_of(replica),
                lines[at as usize..],
                "forked at {at}"
            );
        }
        let last = |bench: &Bench| bench.states(0).latest().unwrap().unwrap();
        assert!(last(&fork).1.key() == last(&parent).1.key(), "moments too");
    }
}

#[test]
fn a_fork_with_other_data_leaves_its_parent_after_the_step() {
    let parent = Bench::trained(SMALL);
    let fork = parent.fork(6, &["data.zipf=1.5"]).unwrap();
    fork.train(Until::Complete);
    for replica in ["seed3", "seed5"] {
        assert!(bits(&fork, replica, 6) == bits(&parent, replica, 6));
        for step in [10, 12, 18, 24] {
            assert!(bits(&fork, replica, step) != bits(&parent, replica, step));
        }
    }
    // The same change at another step, and another change at the same, are other runs.
    let keys: BTreeSet<_> = [
        (6, "data.zipf=1.5"),
        (4, "data.zipf=1.5"),
        (6, "data.zipf=1"),
    ]
    .map(|(at, set)| parent.fork(at, &[set]).unwrap().run.key)
    .into();
    assert_eq!(keys.len(), 3);
    assert!(keys.contains(&fork.run.key));
    // Learning rate and decay may change as well.
    let slow = parent
        .fork(6, &["training.lr=1e-4", "training.weight_decay=0"])
        .unwrap();
    slow.train(Until::Complete);
    let lines = read_series(&slow.folder.metrics()).unwrap();
    assert_eq!(lines[0]["step"], 6);
    assert!(lines[0]["learning_rate"].as_f64().unwrap() <= 1e-4);
    assert!(bits(&slow, "seed3", 24) != bits(&parent, "seed3", 24));
}

#[test]
fn replicas_are_forked_alone_or_with_all_arms() {
    let parent = Bench::trained(&(SMALL.to_owned() + ARMS));
    let all = parent.fork(9, &[]).unwrap();
    all.train(Until::Complete);
    for replica in ["narrow.seed3", "narrow.seed5", "wide.seed3", "wide.seed5"] {
        for step in [10, 24] {
            assert!(bits(&all, replica, step) == bits(&parent, replica, step));
        }
    }
    let arm = r#"arms=[{ name = "wide", set = { model = { d_model = 12, d_head = 6 } } }]"#;
    let alone = parent.fork(9, &["seeds=[5]", arm]).unwrap();
    assert_eq!(alone.run.replicas().count(), 1);
    alone.train(Until::Complete);
    for step in [10, 12, 24] {
        assert!(bits(&alone, "wide.seed5", step) == bits(&parent, "wide.seed5", step));
    }
}

#[test]
fn a_fork_is_resumed_densified_and_forked_like_any_run() {
    let parent = Bench::trained(SMALL);
    let straight = parent.fork(9, &["data.zipf=1"]).unwrap();
    straight.train(Until::Complete);
    let fork = parent.fork(9, &["data.zipf=1"]).unwrap();
    // It needs nothing of its parent from here on.
    drop(parent);
    for after in [11, 16] {
        fork.train(Until::Killed { group: 0, after });
    }
    fork.train(Until::Complete);
    fork.assert_same(&straight, "killed twice");

    let (done, heard) = fork.densify(&[11, 20], Until::Complete);
    assert_eq!(heard.begun[0].1, 9);
    assert_eq!(done.unwrap().unwrap()[0].added, [Step(11), Step(20)]);
    let (done, _) = fork.densify(&[5], Until::Complete);
    let error = done.unwrap().unwrap_err().to_string();
    assert!(error.contains("goes on from step 9 of parent"), "{error}");

    let second = fork.fork(16, &[]).unwrap();
    second.train(Until::Complete);
    for step in [18, 20, 24] {
        let there = steps(&second).contains(&step);
        assert_eq!(
            there,
            step != 20,
            "the schedule is the fork's, not what was added"
        );
        assert!(!there || bits(&second, "seed5", step) == bits(&fork, "seed5", step));
    }

    // Without its first state it does not begin anew in silence.
    let bare = straight.fork(12, &[]).unwrap();
    std::fs::remove_dir_all(bare.folder.state()).unwrap();
    let error = bare.attempt().unwrap_err().to_string();
    assert!(error.contains("goes on from step 12 of parent"), "{error}");
}

/// What a fork is refused for, and the key at fault if it is one.
#[track_caller]
fn refuse(parent: &Bench, at: u64, set: &[&str], key: Option<&str>, expected: &str) {
    let error = parent.fork(at, set).err().unwrap();
    assert!(error.to_string().contains(expected), "{error}");
    match (&error, key) {
        (TrainingError::Config(error), Some(key)) => assert_eq!(error.key.as_deref(), Some(key)),
        (TrainingError::Config(_), None) | (_, Some(_)) => panic!("{error:?}"),
        _ => {}
    }
}

#[test]
fn what_cannot_be_forked_is_refused() {
    let parent = Bench::new(SMALL);
    parent.train(Until::Stopped {
        group: 0,
        after: 15,
    });
    let (seeds, model) = (Some("seeds"), Some("model.d_model"));
    refuse(&parent, 16, &[], None, "trained to step 15");
    refuse(
        &parent,
        4,
        &["seeds=[5, 7]"],
        seeds,
        "has no replica `seed7`",
    );
    refuse(
        &parent,
        4,
        &["model.d_model=16"],
        model,
        "is 8 there and cannot become 16",
    );
    refuse(
        &parent,
        4,
        &["model.n_heads=4", "model.d_head=4"],
        Some("model.n_heads"),
        "is 2 there",
    );
    refuse(
        &parent,
        4,
        &["training.optimizer=sgd"],
        Some("training.optimizer"),
        "keeps its parent's optimizer",
    );
    refuse(
        &parent,
        4,
        &["training.steps=4", "phases=[]", "training.warmup=1"],
        Some("fork.at"),
        "nothing is left to train",
    );
}
