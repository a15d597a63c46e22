//! In-context regression: its sequences, its pool of tasks and its predictors.

use std::collections::BTreeSet;
use std::path::Path;

use ontogeny_data::{
    DataError, Examples, InContextRegression, InContextRegressionSpec, RegressionPredictor,
    RegressionSequences, RegressionShift, Source, SourceSpec, Split, Values,
};
use ontogeny_store::Stream;
use serde_json::json;

fn build(spec: InContextRegressionSpec) -> Result<Source, DataError> {
    let here = Path::new(".");
    Source::build(&SourceSpec::InContextRegression(spec), 64, here, here)
}

fn source(spec: InContextRegressionSpec) -> Source {
    build(spec).unwrap()
}

fn regression(source: &Source) -> &InContextRegression {
    source.regression().unwrap()
}

fn values(source: &Source, split: Split, stream: &Stream, index: u64, rows: usize) -> Values {
    match source.examples(split, stream, index, rows) {
        Examples::Values(values) => values,
        Examples::Sequences(_) => panic!("tokens"),
    }
}

fn pool(tasks: u64) -> InContextRegressionSpec {
    InContextRegressionSpec {
        tasks: Some(tasks),
        ..InContextRegressionSpec::default()
    }
}

#[test]
fn positions_are_x_and_y_in_turn() {
    let source = source(InContextRegressionSpec::default());
    let stream = Stream::new(1, "batches", &[0]);
    let batch = values(&source, Split::HeldOut, &stream, 0, 3);
    assert_eq!((batch.rows, batch.positions), (3, 16));
    assert_eq!(
        (batch.inputs.len(), batch.targets.len()),
        (3 * 16 * 5, 3 * 16)
    );
    assert_eq!(
        source.examples(Split::HeldOut, &stream, 0, 3).positions(),
        16
    );
    let shapes = (source.positions(), source.d_in(), source.d_out());
    assert_eq!((shapes, source.variance()), ((16, Some(5), 1), Some(0.125)));
    assert_eq!(batch.weights, Some([[2.0, 0.0]; 8].concat()));
    let same = regression(&source).held_out(&stream, 3, RegressionShift::default());
    assert_eq!(same.values(), batch);
    for (row, sequence) in same.iter().enumerate() {
        for k in 0..8 {
            let at = row * 16 + 2 * k;
            let [x, y] = [at, at + 1].map(|at| &batch.inputs[5 * at..5 * at + 5]);
            let target = f64::from(batch.targets[at]);
            assert_eq!((x[0], batch.targets[at + 1]), (0.0, 0.0));
            assert!(
                x[1..]
                    .iter()
                    .zip(&sequence.xs[4 * k..])
                    .all(|(a, b)| f64::from(*a) == *b)
            );
            assert_eq!((target, f64::from(y[0])), (sequence.ys[k], target));
            assert_eq!(y[1..], [0.0; 4]);
        }
    }
}

#[test]
fn other_sources_have_single_vectors_or_tokens() {
    let here = Path::new(".");
    let of = |spec: serde_json::Value| {
        let spec: SourceSpec = serde_json::from_value(spec).unwrap();
        Source::build(&spec, 64, here, here).unwrap()
    };
    let tree = of(json!({ "kind": "hierarchy", "variance": 0.25 }));
    assert_eq!((tree.d_in(), tree.variance()), (Some(4), Some(0.25)));
    let stream = Stream::new(1, "batches", &[]);
    let toy = of(json!({ "kind": "superposition" }));
    for source in [&tree, &toy] {
        let batch = values(source, Split::Train, &stream, 0, 3);
        assert_eq!((batch.positions, batch.weights), (1, None));
    }
    let language = of(json!({ "kind": "ngram_induction" }));
    assert_eq!((language.d_in(), language.variance()), (None, None));
    for source in [&tree, &toy, &language] {
        assert!(source.regression().is_none());
    }
}

#[test]
fn a_batch_depends_on_its_arguments_only() {
    let specs = [
        InContextRegressionSpec::default(),
        pool(7),
        InContextRegressionSpec {
            training_set: Some(100),
            ..pool(7)
        },
    ];
    for spec in specs {
        let source = source(spec);
        let stream = Stream::new(1, "batches", &[0]);
        let batch = values(&source, Split::Train, &stream, 17, 8);
        values(&source, Split::Train, &stream, 3, 5);
        assert_eq!(values(&source, Split::Train, &stream, 17, 8), batch);
        let smaller = values(&source, Split::Train, &stream, 17, 3);
        assert_eq!(smaller.inputs, batch.inputs[..3 * 16 * 5]);
        assert_eq!(smaller.targets, batch.targets[..3 * 16]);
        for other in [
            values(&source, Split::HeldOut, &stream, 17, 8),
            values(&source, Split::Train, &stream, 18, 8),
            values(
                &source,
                Split::Train,
                &Stream::new(2, "batches", &[0]),
                17,
                8,
            ),
        ] {
            assert_ne!(other, batch);
        }
    }
}

/// A sequence of fewer pairs is the beginning of one of more.
#[test]
fn pairs_are_added_at_the_end() {
    let stream = Stream::new(1, "rows", &[]);
    let of = |pairs| {
        let spec = InContextRegressionSpec { pairs, ..pool(3) };
        regression(&source(spec)).held_out(&stream, 4, RegressionShift::default())
    };
    let (short, long) = (of(3), of(9));
    for (a, b) in short.iter().zip(long.iter()) {
        assert_eq!((a.task, a.xs, a.ys), (b.task, &b.xs[..12], &b.ys[..3]));
    }
}

/// Bits of two positions' vectors for each of two pairs. Changing a draw changes every result built
/// on it: the version in the source's key must then be raised with these values.
#[test]
fn the_first_numbers_are_pinned() {
    let stream = Stream::new(1, "golden", &[]);
    let small = |tasks| InContextRegressionSpec {
        dimension: 2,
        pairs: 2,
        tasks,
        ..InContextRegressionSpec::default()
    };
    let bits = |spec: InContextRegressionSpec| {
        let batch = values(&source(spec), Split::Train, &stream, 0, 1);
        assert_eq!(batch.inputs.len(), 12);
        batch
            .inputs
            .iter()
            .map(|x| x.to_bits())
            .collect::<Vec<u32>>()
    };
    let set = InContextRegressionSpec {
        training_set: Some(5),
        ..small(Some(3))
    };
    assert_eq!([small(None), small(Some(3)), set].map(bits), GOLDEN);
}

const GOLDEN: [[u32; 12]; 3] = [
    [
        0,
        0x3f75_3707,
        0x3f49_241f,
        0xbf45_bfd3,
        0,
        0,
        0,
        0xbeca_c856,
        0x3f12_451d,
        0x3ed7_b491,
        0,
        0,
    ],
    [
        0,
        0x3f75_3707,
        0x3f49_241f,
        0x3e53_127d,
        0,
        0,
        0,
        0xbeca_c856,
        0x3f12_451d,
        0xbe0b_027e,
        0,
        0,
    ],
    [
        0,
        0x400e_fcc0,
        0xbf78_1603,
        0x4095_442d,
        0,
        0,
        0,
        0xbf9f_1742,
        0xbe98_284c,
        0xc020_7ce7,
        0,
        0,
    ],
];

#[test]
fn draws_have_their_moments() {
    let source = source(InContextRegressionSpec::default());
    let stream = Stream::new(3, "moments", &[]);
    let shift = RegressionShift::scaled(16.0);
    let sequences = regression(&source).held_out(&stream, 10_000, shift);
    let noise: Vec<f64> = residuals(&sequences);
    // The variance of a variance of n normals is 2σ⁴/n: five standard deviations, relative.
    let check = |values: &[f64], variance: f64| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let second = values.iter().map(|v| v * v).sum::<f64>() / n;
        assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{mean}");
        assert!(
            (second / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
            "{second}"
        );
    };
    check(&sequences.tasks, 1.0);
    check(&sequences.xs, 16.0);
    check(&noise, 0.125);
    // Noise, x and task of a pair are independent.
    let products: Vec<f64> = noise
        .iter()
        .zip(sequences.xs.iter().step_by(4))
        .map(|(e, x)| e * x)
        .collect();
    let mean = products.iter().sum::<f64>() / products.len() as f64;
    assert!(
        mean.abs() < 5.0 * (2.0 / products.len() as f64).sqrt(),
        "{mean}"
    );
}

/// y − t·x of all pairs.
fn residuals(sequences: &RegressionSequences) -> Vec<f64> {
    let of = |row: usize| {
        let sequence = sequences.row(row);
        let pairs = sequence
            .xs
            .chunks_exact(sequences.dimension)
            .zip(sequence.ys);
        let along = |x: &[f64]| x.iter().zip(sequence.task).map(|(x, t)| x * t).sum::<f64>();
        pairs.map(|(x, y)| y - along(x)).collect::<Vec<f64>>()
    };
    (0..sequences.rows).flat_map(of).collect()
}

#[test]
fn a_pool_is_the_beginning_of_a_larger_one() {
    let (small, large) = (source(pool(3)), source(pool(1000)));
    let [small, large] = [&small, &large].map(regression);
    assert_eq!((small.tasks(), large.tasks()), (Some(3), Some(1000)));
    for i in 0..3 {
        assert_eq!(small.task(i), large.task(i));
        assert!(small.task(i).is_some_and(|task| task.len() == 4));
    }
    assert_eq!((small.task(3), large.task(3).is_some()), (None, true));
    let other = InContextRegressionSpec { seed: 1, ..pool(3) };
    assert_ne!(regression(&source(other)).task(0), small.task(0));
    let none = source(InContextRegressionSpec::default());
    assert_eq!(
        (regression(&none).tasks(), regression(&none).task(0)),
        (None, None)
    );
}

/// The tasks of rows that a network reads, each found as the one of the pool that leaves residuals
/// of the size of the noise; `None` where no task does.
fn tasks_of(source: &Source, batch: &Values) -> Vec<Option<u64>> {
    let regression = regression(source);
    let (d, m) = (regression.dimension(), regression.tasks().unwrap());
    let row = |inputs: &[f32]| {
        let fits = |task: &u64| {
            let task = regression.task(*task).unwrap();
            let pair = |pair: &[f32]| {
                let (x, y) = (&pair[1..=d], f64::from(pair[d + 1]));
                let said: f64 = x.iter().zip(&task).map(|(x, t)| f64::from(*x) * t).sum();
                (y - said).powi(2)
            };
            inputs.chunks_exact(2 * (d + 1)).map(pair).sum::<f64>() < 1e-4
        };
        let found: Vec<u64> = (0..m).filter(fits).collect();
        assert!(found.len() < 2);
        found.first().copied()
    };
    batch
        .inputs
        .chunks_exact(batch.positions * (d + 1))
        .map(row)
        .collect()
}

#[test]
fn tasks_are_those_of_the_pool_unless_they_are_fresh() {
    // Residuals of a right task sum to about 8e-6, of a wrong one to tens.
    let quiet = |tasks| InContextRegressionSpec {
        variance: 1e-6,
        ..pool(tasks)
    };
    let source = source(quiet(5));
    let stream = Stream::new(1, "rows", &[]);
    for split in [Split::Train, Split::HeldOut] {
        let found = tasks_of(&source, &values(&source, split, &stream, 0, 2000));
        let mut counts = [0_u32; 5];
        for task in found {
            counts[task.unwrap() as usize] += 1;
        }
        // 400 each, with a standard deviation of 18: five of them.
        assert!(counts.iter().all(|c| c.abs_diff(400) < 90), "{counts:?}");
    }
    let of = |shift| regression(&source).held_out(&stream, 50, shift);
    let fresh = of(RegressionShift::fresh_tasks());
    assert!(
        tasks_of(&source, &fresh.values())
            .iter()
            .all(Option::is_none)
    );
    // Other x, the same tasks; other tasks, the same x. Fresh ones are those of no pool at all.
    let [plain, scaled] = [RegressionShift::default(), RegressionShift::scaled(4.0)].map(of);
    assert!(
        tasks_of(&source, &scaled.values())
            .iter()
            .all(Option::is_some)
    );
    assert_eq!((&plain.tasks, &plain.xs), (&scaled.tasks, &fresh.xs));
    assert!(plain.xs.iter().zip(&scaled.xs).all(|(a, b)| 2.0 * a == *b));
    let without = self::source(InContextRegressionSpec {
        variance: 1e-6,
        ..InContextRegressionSpec::default()
    });
    assert_eq!(
        fresh,
        regression(&without).held_out(&stream, 50, RegressionShift::default())
    );
}

#[test]
fn a_training_set_is_finite() {
    let spec = |training_set| InContextRegressionSpec {
        training_set,
        ..pool(3)
    };
    let stream = Stream::new(1, "rows", &[]);
    let rows = |source: &Source, split, stream: &Stream| {
        let batch = values(source, split, stream, 0, 400);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        batch
            .inputs
            .chunks_exact(80)
            .map(bits)
            .collect::<BTreeSet<_>>()
    };
    let few = source(spec(Some(20)));
    let train = rows(&few, Split::Train, &stream);
    assert_eq!(train.len(), 20);
    // The same set for every replica, and a part of a larger one.
    assert_eq!(
        rows(&few, Split::Train, &Stream::new(2, "rows", &[])),
        train
    );
    let more = rows(&source(spec(Some(25))), Split::Train, &stream);
    assert_eq!(more.len(), 25);
    assert!(train.is_subset(&more));
    // Held-out sequences are new, and the same as without a set.
    let held_out = rows(&few, Split::HeldOut, &stream);
    assert_eq!(held_out.len(), 400);
    assert_eq!(rows(&source(spec(None)), Split::HeldOut, &stream), held_out);
}

#[test]
fn refusals_name_the_key_at_fault() {
    let refused = |change: serde_json::Value, key: &str, part: &str| {
        let mut spec = json!({ "kind": "in_context_regression" });
        let all = change.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(all);
        let spec: SourceSpec = serde_json::from_value(spec).unwrap();
        let error = spec.check().expect_err(key);
        assert_eq!(error.key(), Some(key));
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(
        json!({ "dimension": 0 }),
        "dimension",
        "is 0; it goes from 1 to 1024",
    );
    refused(json!({ "dimension": 1025 }), "dimension", "1025");
    refused(json!({ "pairs": 0 }), "pairs", "from 1 to 4096");
    refused(json!({ "pairs": 4097 }), "pairs", "4097");
    refused(json!({ "variance": 0.0 }), "variance", "positive");
    refused(json!({ "variance": -1.0 }), "variance", "-1");
    refused(json!({ "tasks": 0 }), "tasks", "from 1 to 16777216");
    refused(json!({ "tasks": 16_777_217 }), "tasks", "16777217");
    refused(json!({ "training_set": 0 }), "training_set", "is 0");
    refused(
        json!({ "out_of_distribution": [4.0, 0.0] }),
        "out_of_distribution",
        "holds 0;",
    );
    refused(
        json!({ "out_of_distribution": [-4.0] }),
        "out_of_distribution",
        "holds -4;",
    );
    let infinite = InContextRegressionSpec {
        out_of_distribution: vec![f64::INFINITY],
        ..InContextRegressionSpec::default()
    };
    let error = build(infinite).expect_err("infinite");
    assert_eq!(error.key(), Some("out_of_distribution"));
    let unknown = json!({ "kind": "in_context_regression", "dimensions": 4 });
    let error = serde_json::from_value::<SourceSpec>(unknown).expect_err("unknown");
    assert!(error.to_string().contains("dimensions"), "{error}");
    // What may be is not refused.
    let largest = json!({
        "kind": "in_context_regression", "dimension": 1024, "pairs": 4096, "tasks": 16_777_216,
        "out_of_distribution": [],
    });
    assert!(
        serde_json::from_value::<SourceSpec>(largest)
            .unwrap()
            .check()
            .is_ok()
    );
}

#[test]
fn the_default_is_written_without_what_is_not_set() {
    let written = json!({
        "kind": "in_context_regression", "dimension": 4, "pairs": 8, "variance": 0.125, "seed": 0,
        "out_of_distribution": [4.0, 16.0, 64.0],
    });
    let spec = SourceSpec::InContextRegression(InContextRegressionSpec::default());
    assert_eq!(serde_json::to_value(&spec).unwrap(), written);
    assert_eq!(serde_json::from_value::<SourceSpec>(written).unwrap(), spec);
}

#[test]
fn the_key_names_what_examples_depend_on() {
    let plain = InContextRegressionSpec::default;
    let full = || InContextRegressionSpec {
        training_set: Some(9),
        ..pool(3)
    };
    let specs = [
        plain(),
        InContextRegressionSpec {
            dimension: 5,
            ..plain()
        },
        InContextRegressionSpec {
            pairs: 5,
            ..plain()
        },
        InContextRegressionSpec {
            variance: 0.25,
            ..plain()
        },
        pool(3),
        pool(4),
        InContextRegressionSpec { seed: 1, ..pool(3) },
        InContextRegressionSpec {
            training_set: Some(3),
            ..plain()
        },
        InContextRegressionSpec {
            training_set: Some(3),
            seed: 1,
            ..plain()
        },
        full(),
        InContextRegressionSpec { seed: 1, ..full() },
    ];
    let keys: BTreeSet<_> = specs
        .iter()
        .map(|spec| source(spec.clone()).key())
        .collect();
    assert_eq!(keys.len(), specs.len());
    for spec in specs {
        let measured = InContextRegressionSpec {
            out_of_distribution: vec![2.0],
            ..spec.clone()
        };
        let measured = source(measured);
        assert_eq!(measured.key(), source(spec.clone()).key());
        assert_eq!(regression(&measured).measured_at(), [2.0]);
        assert_eq!(regression(&source(spec)).measured_at(), [4.0, 16.0, 64.0]);
    }
    // The seed of what is not there decides nothing, and neither does the context of a network.
    let seeded = InContextRegressionSpec { seed: 1, ..plain() };
    let key = source(plain()).key();
    assert_eq!(source(seeded).key(), key);
    let here = Path::new(".");
    let spec = SourceSpec::InContextRegression(plain());
    let other = Source::build(&spec, 5, here, here).unwrap();
    assert_eq!((other.key(), other.positions()), (key, 16));
}

#[test]
fn a_description_ranks_the_predictors() {
    let source = source(pool(16));
    let regression = regression(&source);
    let stream = Stream::new(1, "described", &[]);
    let described = regression.describe(&stream, 2000);
    assert_eq!((described.key, described.tasks), (source.key(), Some(16)));
    let names: Vec<&str> = described
        .predictors
        .iter()
        .map(|p| p.predictor.name())
        .collect();
    assert_eq!(names, ["zero", "task_mean", "dmmse", "ridge"]);
    let of = |at: usize| &described.predictors[at];
    let [zero, mean, dmmse, ridge] = [0, 1, 2, 3].map(of);
    // Before the first pair nothing is known but the pool.
    assert_eq!(zero.loss_first, ridge.loss_first);
    let apart = (mean.loss_first.mean - dmmse.loss_first.mean).abs();
    assert!(apart < 1e-12 && mean.loss_first.mean < zero.loss_first.mean);
    assert!(zero.loss.mean > mean.loss.mean && mean.loss.mean > ridge.loss.mean);
    assert!(ridge.loss.mean > dmmse.loss.mean && dmmse.loss_last.mean > 0.1);
    // 16 tasks are soon told apart: what is left is the noise.
    let room = 5.0 * dmmse.loss_last.standard_error + 0.01;
    assert!(
        (dmmse.loss_last.mean - 0.125).abs() < room,
        "{:?}",
        dmmse.loss_last
    );
    // The figures are means of the losses.
    let sequences = regression.held_out(&stream, 2000, RegressionShift::default());
    let losses = regression.losses(RegressionPredictor::Dmmse, &sequences);
    let average = losses.iter().sum::<f64>() / losses.len() as f64;
    assert!((average - dmmse.loss.mean).abs() < 1e-12);
    // On fresh tasks ridge is best, whatever the pool.
    let fresh = regression.held_out(&stream, 2000, RegressionShift::fresh_tasks());
    let loss = |predictor| regression.losses(predictor, &fresh).iter().sum::<f64>();
    assert!(loss(RegressionPredictor::Ridge) < loss(RegressionPredictor::Dmmse));
}
