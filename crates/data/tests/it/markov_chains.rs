//! In-context Markov chains: sequences, losses of the oracles, settings, keys.

use std::collections::BTreeSet;
use std::path::Path;

use ontogeny_data::{
    DataError, Language, MarkovChainsSpec, Oracle, RowPrior, Source, SourceSpec, Split,
};
use ontogeny_store::Stream;

fn build(spec: MarkovChainsSpec, n_ctx: usize) -> Result<Language, DataError> {
    let here = Path::new(".");
    Source::build(&SourceSpec::MarkovChains(spec), n_ctx, here, here).map(crate::language)
}

fn source(spec: MarkovChainsSpec, n_ctx: usize) -> Language {
    build(spec, n_ctx).unwrap()
}

fn spec(states: usize, rows: RowPrior) -> MarkovChainsSpec {
    MarkovChainsSpec {
        states,
        rows,
        ..MarkovChainsSpec::default()
    }
}

/// Losses at 100 positions, held out, in nats, of chains with Dirichlet(1) rows. The figures are
/// means over 10⁶ sequences (half of that of three states) by a program written separately in C,
/// with a standard error of .0002.
#[test]
fn losses_are_those_of_another_program() {
    for (states, uniform, unigram, bigram, rate) in [
        (2, 2f64.ln(), 0.5774, 0.5108, 0.4809),
        (3, 3f64.ln(), 1.0045, 0.8860, 0.8190),
    ] {
        let source = source(spec(states, RowPrior::Dirichlet), 100);
        let found = source.describe(&Stream::new(1, "test", &[]), 20_000);
        let names: Vec<_> = found.oracles.iter().map(|o| o.oracle).collect();
        assert_eq!(names, [Oracle::Uniform, Oracle::Unigram, Oracle::Bigram]);
        for (oracle, expected) in found.oracles.iter().zip([uniform, unigram, bigram]) {
            // Sequences' losses have a spread of .17, so that four errors are about .005.
            let room = 4.0 * oracle.loss_standard_error.hypot(2e-4);
            assert!(room < 0.006, "{oracle:?}");
            let off = (oracle.loss - expected).abs();
            assert!(off < room, "{oracle:?}, not {expected}");
        }
        // Over 2¹⁶ chains whose rates have a spread of .165: four errors are .0026.
        let entropy_rate = found.entropy_rate.unwrap();
        let off = (entropy_rate - rate).abs();
        assert!(off < 0.003, "{entropy_rate}, not {rate}");
        // The bigram oracle knows the prior, so that it expects what it loses.
        let bigram = &found.oracles[2];
        let error = bigram
            .loss_standard_error
            .hypot(bigram.entropy_standard_error);
        let off = (bigram.loss - bigram.entropy).abs();
        assert!(off < 4.0 * error, "{bigram:?}");
        assert!(found.triggers.is_empty() && found.corpora.is_empty());
        assert_eq!(found.repeats_per_sequence, 0.0);
        assert_eq!(found.first_per_sequence, 0.0);
        assert!(source.notices().is_empty());
    }
}

/// Of doubly stochastic chains of two states, a sequence of n transitions with s of one kind has
/// the probability 1/((n + 1)·C(n, s)) given its first token, and all s are equally likely: the
/// loss of the bigram oracle in closed form.
#[test]
fn losses_of_doubly_stochastic_chains() {
    let source = source(spec(2, RowPrior::DoublyStochastic), 100);
    let found = source.describe(&Stream::new(2, "test", &[]), 20_000);
    let [uniform, unigram, bigram] = [0, 1, 2].map(|o| &found.oracles[o]);
    assert_eq!(found.entropy_rate, Some(0.5));
    // The logarithm of C(100, s), one s after the other.
    let mut ln_ways = vec![0.0];
    for s in 0..100 {
        ln_ways.push(ln_ways[s] + ((100 - s) as f64 / (s + 1) as f64).ln());
    }
    let expected = (101f64.ln() + ln_ways.iter().sum::<f64>() / 101.0) / 100.0;
    let room = 4.0 * bigram.loss_standard_error;
    let off = (bigram.loss - expected).abs();
    assert!(off < room, "{bigram:?}, not {expected}");
    // By the program in C: counts of tokens are of next to no use.
    let room = 4.0 * unigram.loss_standard_error.hypot(2e-4);
    assert!((unigram.loss - 0.6918).abs() < room, "{unigram:?}");
    assert!((uniform.loss - 2f64.ln()).abs() < 1e-6, "{uniform:?}");
    // Three states have no closed form; their figures are of the program in C as well.
    let source = self::source(spec(3, RowPrior::DoublyStochastic), 100);
    let found = source.describe(&Stream::new(2, "test", &[]), 20_000);
    for (oracle, expected) in found.oracles[1..].iter().zip([1.1229, 0.9694]) {
        let room = 4.0 * oracle.loss_standard_error.hypot(2e-4);
        assert!(room < 0.006, "{oracle:?}");
        let off = (oracle.loss - expected).abs();
        assert!(off < room, "{oracle:?}, not {expected}");
    }
    let entropy_rate = found.entropy_rate.unwrap();
    assert!((entropy_rate - 0.9050).abs() < 0.003, "{entropy_rate}");
}

/// The share of tokens that are the one before them is that of stationary chains from the first
/// pair on: 1 − 2·E[pq/(p + q)] = 1 − ⁴⁄₃(1 − ln 2) for two states, with p and q uniform. From a
/// uniform start it would be ½ at first.
#[test]
fn sequences_start_in_the_stationary_distribution() {
    let n_ctx = 20;
    let rows = 40_000;
    let source = source(spec(2, RowPrior::Dirichlet), n_ctx);
    let batch = source.sequences(Split::HeldOut, &Stream::new(3, "test", &[]), 0, rows);
    let expected = 1.0 - 4.0 / 3.0 * (1.0 - 2f64.ln());
    // Five standard deviations of a share at most.
    let room = 2.5 / (rows as f64).sqrt();
    let share = |holds: &dyn Fn(&[u32]) -> bool| {
        batch.iter().filter(|row| holds(row)).count() as f64 / rows as f64
    };
    for at in [0, 1, n_ctx - 1] {
        let ones = share(&|row| row[at] == 1);
        assert!((ones - 0.5).abs() < room, "{at}: {ones}");
        let stays = share(&|row| row[at] == row[at + 1]);
        assert!(
            (stays - expected).abs() < room,
            "{at}: {stays}, not {expected}"
        );
    }
    assert_eq!(source.token_frequencies(), [0.5, 0.5]);
}

#[test]
fn a_batch_depends_on_its_arguments_only() {
    for rows in [RowPrior::Dirichlet, RowPrior::DoublyStochastic] {
        let source = source(spec(3, rows), 32);
        let stream = Stream::new(1, "batches", &[0]);
        let batch = source.sequences(Split::Train, &stream, 17, 8);
        assert_eq!((batch.rows, batch.len, batch.tokens.len()), (8, 33, 8 * 33));
        assert!(batch.tokens.iter().all(|&token| token < 3));
        let smaller = source.sequences(Split::Train, &stream, 17, 3);
        assert_eq!(smaller.tokens, batch.tokens[..3 * 33]);
        for other in [
            source.sequences(Split::HeldOut, &stream, 17, 8),
            source.sequences(Split::Train, &stream, 18, 8),
            source.sequences(Split::Train, &Stream::new(2, "batches", &[0]), 17, 8),
        ] {
            assert_ne!(other, batch);
        }
        let kinds: BTreeSet<_> = batch.iter().collect();
        assert_eq!(kinds.len(), 8);
    }
}

#[test]
fn a_training_set_is_finite_and_grows_at_its_end() {
    let sized = |training_set, seed| {
        let spec = MarkovChainsSpec {
            training_set,
            seed,
            ..spec(4, RowPrior::Dirichlet)
        };
        source(spec, 24)
    };
    let stream = Stream::new(1, "batches", &[0]);
    let kinds = |source: &Language| -> BTreeSet<Vec<u32>> {
        let batch = source.sequences(Split::Train, &stream, 0, 400);
        batch.iter().map(<[u32]>::to_vec).collect()
    };
    let few = kinds(&sized(Some(5), 0));
    assert_eq!(few.len(), 5);
    let more = kinds(&sized(Some(8), 0));
    assert!(more.len() == 8 && few.is_subset(&more));
    assert!(few.is_disjoint(&kinds(&sized(Some(5), 1))));
    assert_eq!(kinds(&sized(None, 0)).len(), 400);
    let held_out = |source: &Language| source.sequences(Split::HeldOut, &stream, 0, 50);
    assert_eq!(held_out(&sized(Some(5), 0)), held_out(&sized(None, 0)));
}

#[test]
fn settings_are_read_and_refused_by_name() {
    let read = |json: &str| serde_json::from_str::<SourceSpec>(json);
    let written = concat!(
        r#"{"kind":"markov_chains","states":3,"rows":"doubly_stochastic","#,
        r#""concentration":1.0,"seed":0}"#
    );
    let SourceSpec::MarkovChains(found) = read(written).unwrap() else {
        panic!("another kind");
    };
    assert_eq!(found, spec(3, RowPrior::DoublyStochastic));
    // Options that are not set are not written.
    let back = serde_json::to_string(&SourceSpec::MarkovChains(found)).unwrap();
    assert_eq!(back, written);
    let defaults = read(r#"{"kind":"markov_chains"}"#).unwrap();
    assert_eq!(
        defaults,
        SourceSpec::MarkovChains(MarkovChainsSpec::default())
    );
    for (json, part) in [
        (r#"{"kind":"markov_chains","sates":3}"#, "sates"),
        (
            r#"{"kind":"markov_chains","rows":"dirichlett"}"#,
            "dirichlett",
        ),
    ] {
        let error = read(json).expect_err("refused");
        assert!(error.to_string().contains(part), "{error}");
    }
    let refused = |spec, key| {
        let error = build(spec, 8).expect_err("refused");
        assert_eq!(error.key(), Some(key), "{error}");
    };
    refused(spec(1, RowPrior::Dirichlet), "states");
    refused(spec(300, RowPrior::Dirichlet), "states");
    let concentration = |rows, concentration| MarkovChainsSpec {
        concentration,
        ..spec(2, rows)
    };
    refused(concentration(RowPrior::Dirichlet, -1.0), "concentration");
    refused(
        concentration(RowPrior::DoublyStochastic, 2.0),
        "concentration",
    );
    let empty = MarkovChainsSpec {
        training_set: Some(0),
        ..MarkovChainsSpec::default()
    };
    refused(empty, "training_set");
}

#[test]
fn keys_differ_with_each_setting() {
    let base = MarkovChainsSpec {
        training_set: Some(10),
        ..MarkovChainsSpec::default()
    };
    let mut keys = vec![source(base.clone(), 8).key(), source(base.clone(), 9).key()];
    let changes: [fn(&mut MarkovChainsSpec); 6] = [
        |s| s.states = 3,
        |s| s.rows = RowPrior::DoublyStochastic,
        |s| s.concentration = 0.5,
        |s| s.training_set = Some(11),
        |s| s.training_set = None,
        |s| s.seed = 1,
    ];
    for change in changes {
        let mut spec = base.clone();
        change(&mut spec);
        keys.push(source(spec, 8).key());
    }
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
    assert_eq!(source(base.clone(), 8).key(), source(base, 8).key());
    // Without a training set the seed decides nothing.
    let seeded = |seed| MarkovChainsSpec {
        seed,
        ..MarkovChainsSpec::default()
    };
    assert_eq!(source(seeded(0), 8).key(), source(seeded(1), 8).key());
}

/// Changing a draw changes every result built on it: the version in the source's key must then be
/// raised with these values.
#[test]
fn the_first_tokens_are_pinned() {
    let half = MarkovChainsSpec {
        concentration: 0.5,
        ..spec(3, RowPrior::Dirichlet)
    };
    let specs = [
        spec(3, RowPrior::Dirichlet),
        spec(3, RowPrior::DoublyStochastic),
        half,
    ];
    let found = specs.map(|spec| {
        let source = source(spec, 15);
        let batch = source.sequences(Split::Train, &Stream::new(1, "golden", &[]), 0, 1);
        batch.tokens
    });
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [[u32; 16]; 3] = [
    [1, 2, 1, 0, 0, 2, 0, 2, 1, 2, 1, 2, 1, 2, 2, 1],
    [1, 2, 1, 0, 0, 2, 1, 2, 1, 1, 2, 2, 1, 2, 1, 2],
    [0, 0, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 2, 2, 2, 2],
];

#[test]
fn tokens_are_numbers_without_triggers() {
    let source = source(spec(5, RowPrior::Dirichlet), 16);
    assert_eq!((source.d_vocab(), source.n_ctx()), (5, 16));
    let batch = source.sequences(Split::HeldOut, &Stream::new(1, "test", &[]), 0, 1);
    let found = source.recurrences(batch.row(0));
    assert!(found.first.is_empty() && found.repeated.is_empty());
    assert_eq!(source.decode(&[3, 4]), ["3", "4"]);
    let error = source.encode("the").expect_err("refused");
    assert!(error.to_string().contains("0 to 4"), "{error}");
}

/// The largest chains can be drawn and described.
#[test]
fn many_states() {
    for rows in [RowPrior::Dirichlet, RowPrior::DoublyStochastic] {
        let source = source(spec(256, rows), 16);
        let found = source.describe(&Stream::new(1, "test", &[]), 2);
        let rate = found.entropy_rate.unwrap();
        assert!(rate > 4.5 && rate < found.uniform_loss, "{rate}");
        assert!(found.oracles.iter().all(|oracle| oracle.loss.is_finite()));
    }
}
