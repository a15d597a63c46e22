//! Several arms in one run: each is trained as in a run of its own.

use ontogeny_store::{NamedTensor, Step};

use crate::bench::{Bench, SMALL, Until};

/// The last step of [`SMALL`].
const LAST: Step = Step(24);

/// The weights of a replica of the given group at a step, in bits.
fn weights(bench: &Bench, group: usize, step: Step, replica: &str) -> Vec<(String, Vec<u32>)> {
    let checkpoint = bench.checkpoints(group).read(step).unwrap();
    let bits = |t: NamedTensor| (t.name, t.data.iter().map(|x| x.to_bits()).collect());
    checkpoint
        .select(replica)
        .unwrap()
        .tensors
        .into_iter()
        .map(bits)
        .collect()
}

/// A run of two shapes; the arms of one shape differ in what one stack may hold.
fn two_shapes() -> String {
    SMALL.to_owned()
        + r#"
[[arms]]
name = "narrow"

[[arms]]
name = "wide"
set = { "model.d_model" = 12 }

[[arms]]
name = "slow"
set = { "training.lr" = 1e-3, "training.weight_decay" = 0.0, "model.init.scale" = 0.5 }
"#
}

/// Each arm of [`two_shapes`] as the changes to a configuration without arms.
fn alone(arm: &str) -> String {
    match arm {
        "narrow" => SMALL.to_owned(),
        "wide" => SMALL.replace("d_model = 8", "d_model = 12"),
        "slow" => SMALL
            .replace("lr = 1e-2", "lr = 1e-3")
            .replace("weight_decay = 0.1", "weight_decay = 0.0")
            .replace("n_ctx = 12", "n_ctx = 12\ninit = { scale = 0.5 }"),
        other => panic!("no arm {other}"),
    }
}

#[test]
fn arms_of_two_shapes_are_trained_as_each_would_be_alone() {
    let bench = Bench::trained(&two_shapes());
    let groups: Vec<(Option<&str>, Vec<String>)> = bench
        .run
        .groups
        .iter()
        .map(|g| (g.folder.as_deref(), g.names()))
        .collect();
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        groups,
        [
            (
                Some("narrow"),
                names(&["narrow.seed3", "narrow.seed5", "slow.seed3", "slow.seed5"])
            ),
            (Some("wide"), names(&["wide.seed3", "wide.seed5"])),
        ]
    );
    for (arm, group) in [("narrow", 0), ("slow", 0), ("wide", 1)] {
        let single = Bench::trained(&alone(arm));
        for seed in ["seed3", "seed5"] {
            let replica = format!("{arm}.{seed}");
            for step in [Step(0), Step(1), Step(12), LAST] {
                assert_eq!(
                    weights(&bench, group, step, &replica),
                    weights(&single, 0, step, seed),
                    "{replica} at {step}"
                );
            }
            let renamed: Vec<String> = bench
                .metrics_of(&replica)
                .iter()
                .map(|line| line.replace(&replica, seed))
                .collect();
            assert_eq!(renamed, single.metrics_of(seed));
        }
    }
}

#[test]
fn a_run_of_two_shapes_goes_on_in_the_group_where_it_was_interrupted() {
    let straight = Bench::trained(&two_shapes());
    for group in [0, 1] {
        for until in [
            Until::Stopped { group, after: 11 },
            Until::Killed { group, after: 11 },
            // After the last update, before anything of it is written.
            Until::Killed {
                group,
                after: LAST.0,
            },
        ] {
            let bench = Bench::new(&two_shapes());
            bench.train(until);
            let (outcome, heard) = bench.train(Until::Complete);
            assert_eq!(heard.begun.len(), 2);
            assert_eq!(
                heard.begun[0].1 == LAST.0,
                group == 1,
                "a finished group is not repeated"
            );
            let outcome = outcome.unwrap();
            assert_eq!(outcome.replicas.len(), 6);
            assert!(outcome.replicas.iter().all(|r| r.final_step == LAST));
            bench.assert_same(&straight, &format!("group {group}"));
        }
    }
}

/// A second arm that cannot go well.
fn with_wild_arm() -> String {
    SMALL.to_owned()
        + r#"
[[arms]]
name = "steady"

[[arms]]
name = "wild"
set = { "training.lr" = 1e30 }
"#
}

#[test]
fn a_replica_that_is_not_finite_is_named_and_the_others_go_on() {
    let bench = Bench::new(&with_wild_arm());
    let (outcome, heard) = bench.train(Until::Complete);
    let ends = outcome.unwrap().replicas;
    let frozen: Vec<(&str, Option<u64>)> = ends
        .iter()
        .map(|r| (r.name.as_str(), r.frozen_at))
        .collect();
    let wild = [("wild.seed3", Some(1)), ("wild.seed5", Some(1))];
    assert_eq!(
        frozen[..2],
        [("steady.seed3", None), ("steady.seed5", None)]
    );
    assert_eq!(frozen[2..], wild);
    assert_eq!(
        heard.frozen,
        [("wild.seed3".to_owned(), 1), ("wild.seed5".to_owned(), 1)]
    );

    let steady = Bench::trained(SMALL);
    for seed in ["seed3", "seed5"] {
        for step in [Step(1), Step(12), LAST] {
            let replica = format!("steady.{seed}");
            let found = weights(&bench, 0, step, &replica);
            assert_eq!(
                found,
                weights(&steady, 0, step, seed),
                "{replica} at {step}"
            );
        }
        let replica = format!("wild.{seed}");
        assert_ne!(
            weights(&bench, 0, Step(0), &replica),
            weights(&bench, 0, Step(1), &replica)
        );
        assert_eq!(
            weights(&bench, 0, Step(1), &replica),
            weights(&bench, 0, LAST, &replica)
        );
        let lines = bench.metrics_of(&replica);
        assert!(!lines[0].contains("frozen_at"), "{}", lines[0]);
        for line in &lines[1..] {
            assert!(
                line.contains("\"loss\":null") && line.contains("\"frozen_at\":1"),
                "{line}"
            );
        }
    }
}

#[test]
fn a_run_with_a_frozen_replica_goes_on_as_well() {
    let straight = Bench::trained(&with_wild_arm());
    let bench = Bench::new(&with_wild_arm());
    bench.train(Until::Stopped {
        group: 0,
        after: 11,
    });
    let (outcome, _) = bench.train(Until::Complete);
    let frozen: Vec<Option<u64>> = outcome
        .unwrap()
        .replicas
        .iter()
        .map(|r| r.frozen_at)
        .collect();
    assert_eq!(frozen, [None, None, Some(1), Some(1)]);
    bench.assert_same(&straight, "with a frozen replica");
}

#[test]
fn a_run_starts_from_the_weights_of_another() {
    let first = Bench::trained(SMALL);
    let path = first.checkpoints(0).path_of(Step(12));
    let start = format!(
        "start_from = {:?}\nstart_replica = \"seed5\"",
        path.display().to_string()
    );
    let text = SMALL.replace("warmup = 4", &format!("warmup = 4\n{start}"));
    let second = Bench::trained(&text);
    for seed in ["seed3", "seed5"] {
        let begin = weights(&second, 0, Step(0), seed);
        assert_eq!(begin, weights(&first, 0, Step(12), "seed5"), "{seed}");
    }
    // The batches are each seed's own.
    assert_ne!(
        weights(&second, 0, Step(1), "seed3"),
        weights(&second, 0, Step(1), "seed5")
    );
    assert_ne!(first.run.key, second.run.key);
}
