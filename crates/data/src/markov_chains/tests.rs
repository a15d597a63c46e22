//! The oracles against integrals over all chains, for all short sequences; the entropy rate.

use super::chain::entropy;
use super::*;

/// Length of the longest sequences that are enumerated.
const LEN: usize = 6;

/// Intervals of the quadrature of a chain's probabilities, an even number.
const INTERVALS: usize = 400;

fn source(states: usize, rows: RowPrior, concentration: f64) -> MarkovChains {
    let spec = MarkovChainsSpec {
        states,
        rows,
        concentration,
        ..MarkovChainsSpec::default()
    };
    spec.check().unwrap();
    MarkovChains::new(spec, LEN - 1)
}

/// All sequences of `len` of k tokens.
fn all(states: u32, len: usize) -> impl Iterator<Item = Vec<u32>> {
    let number = move |n: u32| (0..len as u32).map(move |t| n / states.pow(t) % states);
    (0..states.pow(len as u32)).map(move |n| number(n).collect())
}

/// Nodes in (0, 1) and weights of an integral over the density of Beta(α, α), for 2α a whole
/// number: Simpson's rule in θ, with p = sin²θ, for which the integrand is smooth.
fn beta_nodes(concentration: f64) -> Vec<(f64, f64)> {
    let step = std::f64::consts::FRAC_PI_2 / INTERVALS as f64;
    let mut nodes: Vec<(f64, f64)> = (0..=INTERVALS)
        .map(|i| {
            let weight = match i {
                0 | INTERVALS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            let (sin, cos) = (i as f64 * step).sin_cos();
            (
                sin * sin,
                weight * (sin * cos).powf(2.0 * concentration - 1.0),
            )
        })
        .collect();
    let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
    nodes.iter_mut().for_each(|(_, weight)| *weight /= total);
    nodes
}

fn integral(nodes: &[(f64, f64)], f: impl Fn(f64) -> f64) -> f64 {
    nodes.iter().map(|&(p, weight)| weight * f(p)).sum()
}

/// Probability of a sequence of two states given its first token, averaged over chains whose
/// probabilities of `1` after `0` and after `1` are drawn independently.
fn independent_rows(nodes: &[(f64, f64)], sequence: &[u32]) -> f64 {
    let row = |from: u32| {
        integral(nodes, |p| {
            let after = sequence.windows(2).filter(|pair| pair[0] == from);
            let each = after.map(|pair| if pair[1] == 1 { p } else { 1.0 - p });
            each.product()
        })
    };
    row(0) * row(1)
}

/// The same where one probability p is that of staying, in either state.
fn one_probability(nodes: &[(f64, f64)], sequence: &[u32]) -> f64 {
    integral(nodes, |p| {
        let pairs = sequence.windows(2);
        pairs
            .map(|pair| if pair[0] == pair[1] { p } else { 1.0 - p })
            .product()
    })
}

/// The same for k states and Dirichlet(α) rows, by the integral in closed form: a row's first count
/// of j is worth α, the next α + 1 and so on, over a total that starts at kα.
fn dirichlet_rows(states: usize, concentration: f64, sequence: &[u32]) -> f64 {
    let (k, mut p) = (states as f64, 1.0);
    for (t, pair) in sequence.windows(2).enumerate() {
        let earlier = || sequence[..=t].windows(2).filter(|past| past[0] == pair[0]);
        let same = earlier().filter(|past| past[1] == pair[1]).count();
        p *= (same as f64 + concentration) / (earlier().count() as f64 + k * concentration);
    }
    p
}

/// The bigram oracle is, at every position of every sequence, the ratio of the probabilities of the
/// sequence with and without its next token.
#[track_caller]
fn bigram_is_exact(source: &MarkovChains, probability: impl Fn(&[u32]) -> f64) {
    let k = source.d_vocab();
    for sequence in all(k as u32, LEN) {
        let log_probs = source.predict(Oracle::Bigram, &sequence);
        assert_eq!(log_probs.len(), (LEN - 1) * k);
        for (t, row) in log_probs.chunks_exact(k).enumerate() {
            for (next, log_prob) in row.iter().enumerate() {
                let longer = [&sequence[..=t], &[next as u32]].concat();
                let expected = probability(&longer) / probability(&sequence[..=t]);
                let found = f64::from(log_prob.exp());
                // Single precision.
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{:?} {longer:?}: {found}, not {expected}",
                    source.spec()
                );
            }
        }
    }
}

#[test]
fn the_bigram_oracle_is_bayes_rule() {
    for concentration in [0.5, 1.0, 2.0] {
        let nodes = beta_nodes(concentration);
        let two = source(2, RowPrior::Dirichlet, concentration);
        bigram_is_exact(&two, |sequence| independent_rows(&nodes, sequence));
        let three = source(3, RowPrior::Dirichlet, concentration);
        bigram_is_exact(&three, |sequence| {
            dirichlet_rows(3, concentration, sequence)
        });
    }
    let nodes = beta_nodes(1.0);
    let pooled = source(2, RowPrior::DoublyStochastic, 1.0);
    bigram_is_exact(&pooled, |sequence| one_probability(&nodes, sequence));
}

#[test]
fn the_unigram_oracle_counts_tokens() {
    for (states, rows, concentration) in [
        (2, RowPrior::Dirichlet, 1.0),
        (2, RowPrior::DoublyStochastic, 1.0),
        (3, RowPrior::Dirichlet, 0.5),
    ] {
        let source = source(states, rows, concentration);
        for sequence in all(states as u32, LEN) {
            let log_probs = source.predict(Oracle::Unigram, &sequence);
            let uniform = source.predict(Oracle::Uniform, &sequence);
            for t in 0..LEN - 1 {
                for j in 0..states {
                    let seen = &sequence[..=t];
                    let count = seen.iter().filter(|&&token| token as usize == j).count();
                    let expected = (count as f64 + 1.0) / (seen.len() + states) as f64;
                    let place = t * states + j;
                    let found = f64::from(log_probs[place].exp());
                    assert!((found - expected).abs() < 1e-6, "{sequence:?} {t} {j}");
                    let found = f64::from(uniform[place].exp());
                    assert!((found - 1.0 / states as f64).abs() < 1e-6);
                }
            }
        }
    }
}

#[test]
fn short_sequences_have_a_prediction_for_each_position() {
    let source = source(3, RowPrior::Dirichlet, 1.0);
    for oracle in MarkovChains::ORACLES {
        assert!(source.predict(oracle, &[]).is_empty());
        assert!(source.predict(oracle, &[1]).is_empty());
        assert_eq!(source.predict(oracle, &[1, 2]).len(), 3);
    }
}

/// What the first token tells of the chain, which the bigram oracle does not use, is worth no more
/// than their mutual information over the whole sequence: two states, α = 1, everything integrated.
#[test]
fn the_start_is_worth_little() {
    let nodes = beta_nodes(1.0);
    // Probabilities of `1` after `0` and of `0` after `1`; both 0 have no stationary distribution
    // and no weight.
    let chains: Vec<[f64; 3]> = nodes
        .iter()
        .flat_map(|&(p, a)| nodes.iter().map(move |&(q, b)| [p, q, a * b]))
        .filter(|&[_, _, weight]| weight > 0.0)
        .collect();
    let information = 2f64.ln()
        - chains
            .iter()
            .map(|&[p, q, weight]| weight * entropy(&[q / (p + q), p / (p + q)]))
            .sum::<f64>();
    let mut last = 0.0;
    for len in 2..=LEN {
        // What the oracle loses more than it would if it used the first token: Σ P·ln(P/Q).
        let mut excess = 0.0;
        for sequence in all(2, len) {
            let exact: f64 = chains
                .iter()
                .map(|&[p, q, weight]| {
                    let first = if sequence[0] == 0 { q } else { p } / (p + q);
                    let steps = sequence.windows(2).map(|pair| match pair {
                        [0, 1] => p,
                        [0, _] => 1.0 - p,
                        [_, 0] => q,
                        _ => 1.0 - q,
                    });
                    weight * first * steps.product::<f64>()
                })
                .sum();
            // The first token is either one, equally likely.
            excess += exact * (exact / (0.5 * dirichlet_rows(2, 1.0, &sequence))).ln();
        }
        assert!(excess > last && excess < information, "{len}: {excess}");
        last = excess;
    }
    // As docs/markov.md and the description of the oracle say.
    assert!((information - 0.129).abs() < 6e-4, "{information}");
    assert!((last - 0.060).abs() < 6e-4, "{last}");
}

/// Two states with rows from Dirichlet(1), by quadrature: the sample's error is what its spread
/// says.
#[test]
fn the_entropy_rate_is_the_integral() {
    let nodes = beta_nodes(1.0);
    let exact = integral(&nodes, |p| {
        integral(&nodes, |q| match p + q > 0.0 {
            true => (q * entropy(&[p, 1.0 - p]) + p * entropy(&[q, 1.0 - q])) / (p + q),
            false => 0.0,
        })
    });
    let source = source(2, RowPrior::Dirichlet, 1.0);
    let rates: Vec<f64> = source
        .sample(CHAINS)
        .map(|chain| chain.entropy_rate())
        .collect();
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / n;
    let error = (variance / n).sqrt();
    assert_eq!(source.entropy_rate(), mean);
    assert!(error < 7e-4, "{error}");
    // Five standard errors.
    assert!(
        (mean - exact).abs() < 5.0 * error,
        "{mean} ± {error}, not {exact}"
    );
    assert!((exact - 0.4809).abs() < 6e-5, "{exact}");
}

/// The closed form of doubly stochastic chains of two states is the mean over the same sample;
/// large chains are answered from fewer.
#[test]
fn entropy_rates_of_other_chains() {
    let two = source(2, RowPrior::DoublyStochastic, 1.0);
    let rates = two.sample(CHAINS).map(|chain| chain.entropy_rate());
    let mean = rates.sum::<f64>() / CHAINS as f64;
    // Rates lie between 0 and ln 2: five standard errors are below .007.
    assert_eq!(two.entropy_rate(), 0.5);
    assert!((mean - 0.5).abs() < 0.007, "{mean}");
    // The mean entropy of a Dirichlet(1) row is H_k − 1, with H_k the k-th harmonic number; a chain
    // of many states visits its rows about evenly.
    let many = source(128, RowPrior::Dirichlet, 1.0).entropy_rate();
    let harmonic: f64 = (1..=128).map(|n| 1.0 / f64::from(n)).sum();
    assert!((many - (harmonic - 1.0)).abs() < 0.02, "{many}");
}
