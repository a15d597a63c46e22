//! The oracles against enumeration of everything that can happen: 4 tokens, length 5.

use ontogeny_store::Stream;

use super::enumeration::{D, Enumeration, LEN, digits, spec, specs};
use super::*;

/// With a smaller sample than in earnest, which a build without optimization takes long for.
fn source(spec: &NgramInductionSpec, n_ctx: usize) -> NgramInduction {
    let mut source = NgramInduction::build(spec, n_ctx).unwrap();
    let oracles = Oracles::sample(&source.program, source.seed, n_ctx, 1 << 17);
    source.oracles = OnceLock::from(oracles);
    source
}

fn predictions(source: &NgramInduction, oracle: Oracle, sequence: &[u32]) -> Vec<Vec<f64>> {
    let mut rows = Vec::new();
    source.predict_each(oracle, sequence, |p| rows.push(p.to_vec()));
    rows
}

#[track_caller]
fn is_exact(spec: &NgramInductionSpec, exact: &Enumeration) {
    assert!((exact.joint.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let source = NgramInduction::build(spec, LEN - 1).unwrap();
    let mut compared = 0;
    for number in 0..exact.joint.len() {
        let tokens = digits(number, LEN);
        let rows = predictions(&source, Oracle::InContext, &tokens);
        for (position, row) in rows.iter().enumerate() {
            let prefix = &tokens[..=position];
            assert!(
                (row.iter().sum::<f64>() - 1.0).abs() < 1e-9,
                "{spec:?} {prefix:?}"
            );
            let of_prefix = exact.of_prefix(prefix);
            if of_prefix < 1e-14 {
                continue;
            }
            for (next, &p) in row.iter().enumerate() {
                let longer = [prefix, &[next as u32]].concat();
                let expected = exact.of_prefix(&longer) / of_prefix;
                assert!(
                    (p - expected).abs() < 1e-6,
                    "{spec:?} {longer:?} {p} {expected}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn the_filter_is_exact() {
    for spec in specs() {
        is_exact(&spec, &Enumeration::new(&spec));
    }
}

/// Programs whose sequences repeat their beginning, with the segment that is meant.
fn repeating_specs() -> Vec<(NgramInductionSpec, usize)> {
    vec![
        (spec(|s| s.repeat = 0.3), 3),
        (spec(|s| (s.repeat, s.segment) = (0.6, Some(1))), 1),
        (
            spec(|s| {
                (s.repeat, s.segment) = (0.5, Some(2));
                (s.active, s.reliability) = (Some(1), 0.6);
            }),
            2,
        ),
        (
            spec(|s| {
                (s.repeat, s.segment) = (0.2, Some(4));
                s.burstiness = 0.5;
            }),
            4,
        ),
        (spec(|s| (s.repeat, s.segment) = (1.0, Some(2))), 2),
    ]
}

#[test]
fn the_filter_is_exact_where_sequences_repeat_their_beginning() {
    for (spec, segment) in repeating_specs() {
        is_exact(&spec, &Enumeration::repeating(&spec, segment));
    }
}

/// The best predictors from short contexts, averaged over positions, by definition.
fn short_contexts(exact: &Enumeration) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut none, mut one, mut two) = (vec![0.0; D], vec![0.0; D * D], vec![0.0; 5 * D * D]);
    for (number, &p) in exact.joint.iter().enumerate() {
        let tokens = digits(number, LEN);
        for t in 1..LEN {
            let (last, next) = (tokens[t - 1] as usize, tokens[t] as usize);
            let before = if t > 1 { tokens[t - 2] as usize } else { D };
            none[next] += p;
            one[last * D + next] += p;
            two[(before * D + last) * D + next] += p;
        }
    }
    for table in [&mut none, &mut one, &mut two] {
        for row in table.chunks_exact_mut(D) {
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= total);
        }
    }
    (none, one, two)
}

#[test]
fn short_context_oracles_are_those_of_the_definition() {
    for spec in specs() {
        let exact = Enumeration::new(&spec);
        let (none, one, two) = short_contexts(&exact);
        let source = source(&spec, LEN - 1);
        // From n = 2¹⁷ positions. An error comes of frequencies of latents, each with a standard
        // error of at most ½/√m over the m visits of a context, and of shrinkage worth 100
        // positions: 5 standard errors are 2.5/√m. Positions of one sequence share latents (at
        // most 4 of them: a factor of 2), hence 5/√m.
        let close = |found: &[f64], expected: &[f64], p: f64, what: &str| {
            let visits = p * f64::from(1 << 17);
            let tolerance = 5.0 / visits.sqrt() + 100.0 / (visits + 100.0);
            for (f, e) in found.iter().zip(expected) {
                assert!(
                    (f - e).abs() < tolerance,
                    "{spec:?} {what}: {f} {e} ± {tolerance}"
                );
            }
        };
        let mut seen = 0.0;
        for (number, &p) in exact.joint.iter().enumerate() {
            let tokens = digits(number, LEN);
            if p < 1e-4 {
                continue;
            }
            seen += p;
            let unigram = predictions(&source, Oracle::Unigram, &tokens);
            let bigram = predictions(&source, Oracle::Bigram, &tokens);
            let trigram = predictions(&source, Oracle::Trigram, &tokens);
            for t in 0..LEN - 1 {
                let last = tokens[t] as usize;
                let before = if t > 0 { tokens[t - 1] as usize } else { D };
                close(&unigram[t], &none, 1.0, "unigram");
                close(&bigram[t], &one[last * D..][..D], 1.0, "bigram");
                close(
                    &trigram[t],
                    &two[(before * D + last) * D..][..D],
                    p,
                    "trigram",
                );
            }
        }
        assert!(seen > 0.9, "{seen}");
    }
}

/// Draws many sequences and holds their frequencies against the enumeration.
#[track_caller]
fn has_the_probabilities(spec: &NgramInductionSpec, exact: &Enumeration, index: u64) {
    let n = 40_000;
    let mut counts = vec![0.0; exact.joint.len()];
    let source = NgramInduction::build(spec, LEN - 1).unwrap();
    let stream = Stream::new(11, "chi square", &[index]);
    for row in 0..n {
        let mut tokens = Vec::new();
        source.draw_into(&mut stream.at(row), &mut tokens);
        assert_eq!(tokens.len(), LEN);
        counts[tokens.iter().fold(0, |n, &t| n * D + t as usize)] += 1.0;
    }
    // Pearson's statistic over the sequences expected at least 5 times, the others together.
    let (mut chi, mut cells) = (0.0, 0u32);
    let mut rest = (0.0, 0.0);
    for (&count, &p) in counts.iter().zip(&exact.joint) {
        let expected = p * n as f64;
        assert!(p > 0.0 || count == 0.0, "an impossible sequence was drawn");
        if expected >= 5.0 {
            chi += (count - expected) * (count - expected) / expected;
            cells += 1;
        } else {
            rest = (rest.0 + count, rest.1 + expected);
        }
    }
    if rest.1 >= 5.0 {
        chi += (rest.0 - rest.1) * (rest.0 - rest.1) / rest.1;
        cells += 1;
    }
    // Wilson & Hilferty 1931: (χ²/ν)^{1/3} is nearly normal with mean 1 − 2/9ν and variance
    // 2/9ν. 4.75 standard deviations leave a chance of 10⁻⁶ for each of the fifteen programs.
    let nu = f64::from(cells - 1);
    let z = ((chi / nu).cbrt() - (1.0 - 2.0 / (9.0 * nu))) / (2.0 / (9.0 * nu)).sqrt();
    assert!(
        z < 4.75,
        "{spec:?}: chi square {chi} over {cells} cells, z {z}"
    );
}

#[test]
fn sequences_have_the_programs_probabilities() {
    let specs = specs();
    for (index, spec) in specs.iter().enumerate() {
        has_the_probabilities(spec, &Enumeration::new(spec), index as u64);
    }
    for (index, (spec, segment)) in repeating_specs().into_iter().enumerate() {
        let exact = Enumeration::repeating(&spec, segment);
        has_the_probabilities(&spec, &exact, (specs.len() + index) as u64);
    }
}

#[test]
fn better_informed_oracles_lose_less() {
    let source = source(&NgramInductionSpec::default(), 64);
    let stream = Stream::new(7, "test", &[]);
    let (mut all, mut repeated) = ([0.0; 5], [0.0; 5]);
    let (mut n, mut n_repeated) = (0.0, 0.0);
    for row in 0..60 {
        let mut tokens = Vec::new();
        source.draw_into(&mut stream.at(row), &mut tokens);
        for (o, oracle) in NgramInduction::ORACLES.into_iter().enumerate() {
            for (t, p) in predictions(&source, oracle, &tokens).iter().enumerate() {
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{oracle}");
                let loss = -p[tokens[t + 1] as usize].ln();
                all[o] += loss;
                if source.is_trigger(tokens[t]) && tokens[..t].contains(&tokens[t]) {
                    repeated[o] += loss;
                    n_repeated += 1.0 / 5.0;
                }
            }
        }
        n += 64.0;
    }
    let all = all.map(|sum| sum / n);
    let repeated = repeated.map(|sum| sum / n_repeated);
    // Differences are far above the sampling error of 3840 positions.
    assert!(
        all.windows(2).all(|pair| pair[1] < pair[0] - 0.02),
        "{all:?}"
    );
    // After a repeated trigger the filter is certain, and the bag is of help.
    assert!(repeated[4].abs() < 1e-9, "{repeated:?}");
    assert!(
        repeated[3] > 0.5 && repeated[3] < repeated[2] - 0.5,
        "{repeated:?}"
    );
}

#[test]
fn impossible_sequences_keep_the_oracles_defined() {
    defined_on_impossible_sequences(NgramInductionSpec::default());
    // Within a segment that repeats for certain, then with a token that does not.
    for repeat in [0.5, 1.0] {
        defined_on_impossible_sequences(NgramInductionSpec {
            repeat,
            segment: Some(2),
            ..NgramInductionSpec::default()
        });
    }
}

#[track_caller]
fn defined_on_impossible_sequences(spec: NgramInductionSpec) {
    let source = source(&spec, 64);
    let trigger = source.triggers()[0];
    // A trigger followed by another trigger, then by two different successors.
    let tokens = [
        trigger,
        source.triggers()[1],
        trigger,
        60,
        trigger,
        61,
        trigger,
        60,
    ];
    for oracle in NgramInduction::ORACLES {
        let log_probs = source.predict(oracle, &tokens);
        for row in log_probs.chunks_exact(64) {
            let total: f32 = row.iter().map(|l| l.exp()).sum();
            assert!((total - 1.0).abs() < 1e-4, "{oracle} {total}");
            assert!(row.iter().all(|l| l.is_finite() && *l >= LEAST_LOG_PROB));
        }
    }
}

#[test]
fn burstiness_moves_recurrences_to_fewer_triggers_and_leaves_their_number() {
    let n = 4000;
    let counts = |burstiness: f64| {
        let spec = NgramInductionSpec {
            n_triggers: 12,
            burstiness,
            ..NgramInductionSpec::default()
        };
        let source = NgramInduction::build(&spec, 64).unwrap();
        let stream = Stream::new(5, "burstiness", &[]);
        let (mut all, mut squares, mut repeated) = (0.0, 0.0, 0.0);
        for row in 0..n {
            let mut tokens = Vec::new();
            source.draw_into(&mut stream.at(row), &mut tokens);
            let shown: Vec<u32> = tokens
                .into_iter()
                .filter(|&token| source.is_trigger(token))
                .collect();
            let kinds = shown
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len();
            all += shown.len() as f64;
            squares += (shown.len() as f64).powi(2);
            repeated += (shown.len() - kinds) as f64;
        }
        let n = n as f64;
        let error = (squares / n - (all / n).powi(2)).sqrt() / n.sqrt();
        (all / n, repeated / n, error)
    };
    let (even, bursty) = (counts(0.0), counts(0.9));
    // The chance of a recurrence is the same after every token that is no trigger; which trigger
    // it is of changes only what the tables say two tokens later. Five standard errors of the
    // difference, and one per cent of the number for that.
    let tolerance = 5.0 * even.2.hypot(bursty.2) + 0.01 * even.0;
    assert!((even.0 - bursty.0).abs() < tolerance, "{even:?} {bursty:?}");
    assert!(bursty.1 > even.1 + 2.0, "{even:?} {bursty:?}");
}
