//! Sequences are a pure function of (seed, stream, index).

use std::path::Path;

use ontogeny_data::{Language, NgramInductionSpec, Oracle, Source, SourceSpec, Split};
use ontogeny_store::Stream;

fn source(spec: NgramInductionSpec, n_ctx: usize) -> Language {
    let here = Path::new(".");
    let source = Source::build(&SourceSpec::NgramInduction(spec), n_ctx, here, here);
    crate::language(source.unwrap())
}

#[test]
fn a_batch_depends_on_its_arguments_only() {
    let source = source(NgramInductionSpec::default(), 64);
    let stream = Stream::new(1, "batches", &[0]);
    let batch = source.sequences(Split::Train, &stream, 17, 8);
    assert_eq!((batch.rows, batch.len, batch.tokens.len()), (8, 65, 8 * 65));
    source.sequences(Split::Train, &stream, 3, 5);
    assert_eq!(source.sequences(Split::Train, &stream, 17, 8), batch);
    let smaller = source.sequences(Split::Train, &stream, 17, 3);
    assert_eq!(smaller.tokens, batch.tokens[..3 * 65]);
    for other in [
        source.sequences(Split::HeldOut, &stream, 17, 8),
        source.sequences(Split::Train, &stream, 18, 8),
        source.sequences(Split::Train, &Stream::new(2, "batches", &[0]), 17, 8),
    ] {
        assert_ne!(other, batch);
    }
}

/// Changing a draw changes every result built on it: the version in the source's key must then be
/// raised with these values.
#[test]
fn the_first_tokens_are_pinned() {
    let source = source(NgramInductionSpec::default(), 15);
    let batch = source.sequences(Split::Train, &Stream::new(1, "golden", &[]), 0, 2);
    assert_eq!(batch.row(0), GOLDEN[0]);
    assert_eq!(batch.row(1), GOLDEN[1]);
}

const GOLDEN: [[u32; 16]; 2] = [
    [10, 47, 17, 17, 4, 57, 44, 14, 57, 20, 41, 38, 0, 6, 50, 5],
    [
        55, 16, 23, 20, 44, 2, 60, 58, 51, 55, 32, 23, 20, 41, 56, 31,
    ],
];

/// Options that are not set leave no trace: neither in what is written nor in keys.
#[test]
fn the_default_is_written_and_named_as_ever() {
    let spec = SourceSpec::default();
    let written = serde_json::json!({
        "kind": "ngram_induction", "seed": 0, "d_vocab": 64, "bigram_concentration": 0.15,
        "trigram_concentration": 0.3, "trigram_strength": 0.8, "zipf": 0.0, "n_triggers": 4,
        "trigger_rank": "spread", "trigger_tokens": [], "recurrence": 0.2, "reliability": 1.0,
    });
    assert_eq!(serde_json::to_value(&spec).unwrap(), written);
    let key = source(NgramInductionSpec::default(), 64).key();
    assert_eq!(
        key.to_string(),
        "10bc015aed737dc9597aefa09ebedccc3ef79e573913e62e934eacc24061ceb5"
    );
    for changed in [
        NgramInductionSpec {
            burstiness: 0.5,
            ..NgramInductionSpec::default()
        },
        NgramInductionSpec {
            repeat: 0.5,
            ..NgramInductionSpec::default()
        },
        NgramInductionSpec {
            training_set: Some(10),
            ..NgramInductionSpec::default()
        },
    ] {
        assert_ne!(source(changed, 64).key(), key);
    }
}

#[test]
fn a_segment_must_leave_something_to_repeat() {
    let here = Path::new(".");
    let build = |segment| {
        let spec = SourceSpec::NgramInduction(NgramInductionSpec {
            repeat: 1.0,
            segment,
            ..NgramInductionSpec::default()
        });
        Source::build(&spec, 16, here, here).map(crate::language)
    };
    let error = build(Some(17)).expect_err("refused");
    assert_eq!(error.key(), Some("segment"));
    assert!(
        error.to_string().contains("17 tokens (n_ctx + 1)"),
        "{error}"
    );
    let stream = Stream::new(1, "test", &[]);
    for (segment, length) in [(Some(16), 16), (Some(5), 5), (None, 9)] {
        let batch = build(segment)
            .unwrap()
            .sequences(Split::HeldOut, &stream, 0, 8);
        for row in batch.iter() {
            assert!((length..17).all(|t| row[t] == row[t - length]), "{row:?}");
        }
    }
}

#[test]
fn a_finite_training_set_is_drawn_from_evenly_and_grows_at_its_end() {
    let spec = |training_set| NgramInductionSpec {
        training_set,
        ..NgramInductionSpec::default()
    };
    let few = source(spec(Some(5)), 16);
    let stream = Stream::new(1, "batches", &[0]);
    let kinds = |source: &Language, stream: &Stream, rows: usize| {
        let mut counts = std::collections::BTreeMap::new();
        for row in source.sequences(Split::Train, stream, 3, rows).iter() {
            *counts.entry(row.to_vec()).or_insert(0u32) += 1;
        }
        counts
    };
    let counts = kinds(&few, &stream, 5000);
    assert_eq!(counts.len(), 5);
    // 1000 each, with a standard deviation of 28: five of them.
    assert!(
        counts.values().all(|c| c.abs_diff(1000) < 142),
        "{counts:?}"
    );
    // Another replica has the same set, and another order of it.
    let other = Stream::new(2, "batches", &[1]);
    assert!(kinds(&few, &other, 100).keys().eq(counts.keys()));
    assert_ne!(
        few.sequences(Split::Train, &other, 3, 100),
        few.sequences(Split::Train, &stream, 3, 100)
    );
    // A larger set holds the smaller one; one of a single sequence is that sequence.
    let more = kinds(&source(spec(Some(8)), 16), &stream, 500);
    assert_eq!(more.len(), 8);
    assert!(counts.keys().all(|sequence| more.contains_key(sequence)));
    let only = kinds(&source(spec(Some(1)), 16), &stream, 50);
    assert!(only.len() == 1 && only.keys().all(|k| counts.contains_key(k)));
    // A smaller batch is the beginning of a larger one, and held-out sequences are new.
    let batch = few.sequences(Split::Train, &stream, 17, 8);
    let smaller = few.sequences(Split::Train, &stream, 17, 3);
    assert_eq!(smaller.tokens, batch.tokens[..3 * 17]);
    let fresh = source(spec(None), 16);
    assert_ne!(few.repeats_per_sequence(), fresh.repeats_per_sequence());
    let held_out = few.sequences(Split::HeldOut, &stream, 0, 50);
    assert_eq!(held_out, fresh.sequences(Split::HeldOut, &stream, 0, 50));
}

/// Analysis draws and predicts from several threads.
#[test]
fn threads_share_a_source() {
    let source = source(NgramInductionSpec::default(), 32);
    let stream = Stream::new(1, "threads", &[]);
    let alone: Vec<_> = (0..4)
        .map(|index| source.sequences(Split::Train, &stream, index, 2))
        .collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let draw = |index| {
            let (source, stream) = (&source, &stream);
            scope.spawn(move || source.sequences(Split::Train, stream, index, 2))
        };
        let handles: Vec<_> = (0..4).map(draw).collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    assert_eq!(together, alone);
}

#[test]
fn the_key_names_the_content() {
    let key = |spec, n_ctx| source(spec, n_ctx).key();
    let spec = NgramInductionSpec::default();
    assert_eq!(key(spec.clone(), 8), key(spec.clone(), 8));
    assert_ne!(key(spec.clone(), 8), key(spec.clone(), 9));
    let other = NgramInductionSpec {
        seed: 1,
        ..spec.clone()
    };
    assert_ne!(key(other, 8), key(spec, 8));
}

#[test]
fn recurrences_point_at_the_successor() {
    let source = source(NgramInductionSpec::default(), 64);
    let batch = source.sequences(Split::HeldOut, &Stream::new(1, "test", &[]), 0, 16);
    let mut repeats = 0;
    for sequence in batch.iter() {
        let found = source.recurrences(sequence);
        for at in &found.repeated {
            assert_eq!(sequence[at.position], sequence[at.earlier]);
            assert!(at.earlier < at.position && at.position < 64);
            // All triggers are active and reliable by default.
            assert_eq!(sequence[at.position + 1], sequence[at.earlier + 1]);
            repeats += 1;
        }
    }
    assert!(repeats > 100, "{repeats}");
}

#[test]
fn a_description_holds_the_figures() {
    let spec = NgramInductionSpec {
        zipf: 1.0,
        ..NgramInductionSpec::default()
    };
    let source = source(spec, 64);
    let description = source.describe(&Stream::new(1, "test", &[]), 40);
    assert_eq!(description.sequences, 40);
    let names: Vec<_> = description.oracles.iter().map(|o| o.oracle).collect();
    let expected = [
        Oracle::Unigram,
        Oracle::Bigram,
        Oracle::Trigram,
        Oracle::BagOfContext,
        Oracle::InContext,
    ];
    assert_eq!(names, expected);
    for oracle in &description.oracles {
        assert!(oracle.loss > 0.0 && oracle.loss < description.uniform_loss);
        // An oracle's own expectation of its loss is right, within 6 standard errors.
        let error = oracle
            .loss_standard_error
            .hypot(oracle.entropy_standard_error);
        assert!(
            (oracle.loss - oracle.entropy).abs() < 6.0 * error + 0.02,
            "{oracle:?}"
        );
    }
    let batch = source.sequences(Split::Train, &Stream::new(9, "test", &[]), 0, 2000);
    let repeats: Vec<f64> = batch
        .iter()
        .map(|sequence| source.recurrences(sequence).repeated.len() as f64)
        .collect();
    let mean = repeats.iter().sum::<f64>() / 2000.0;
    let variance = repeats.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 2000.0;
    // Two means over about as many sequences: five standard errors of their difference.
    let tolerance = 5.0 * (2.0 * variance / 2000.0).sqrt();
    let difference = description.repeats_per_sequence - mean;
    assert!(mean > 1.0 && difference.abs() < tolerance, "{difference}");
    assert_eq!(
        description.repeats_per_sequence,
        source.repeats_per_sequence()
    );
    let flat = self::source(NgramInductionSpec::default(), 64);
    let flat = ontogeny_data::zipf_fit(&flat.token_frequencies());
    assert!(description.zipf.exponent > flat.exponent + 0.2);
    let total: f64 = source.token_frequencies().iter().sum();
    assert!((total - 1.0).abs() < 1e-9);
    let per_trigger: f64 = description.triggers.iter().map(|t| t.mean_count).sum();
    let per_sequence = description.first_per_sequence + description.repeated_per_sequence;
    assert!((per_trigger - per_sequence).abs() < 1e-9);
}
