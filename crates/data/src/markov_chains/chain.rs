//! A single Markov chain: how it is drawn, where it starts, what it costs to predict.

use rand::Rng;

use super::{MarkovChainsSpec, RowPrior};
use crate::draw::{exponential, ln_gamma, uniform, weighted};

/// Least logarithm of an entry of a Dirichlet row, relative to the row's largest: e⁻⁶⁰⁰ is about
/// 10⁻²⁶¹. So every state can be reached from every other, whatever the concentration, and the
/// stationary distribution is unique.
const LEAST_LOGIT: f64 = -600.0;

/// How far the sums of the columns of a doubly stochastic matrix may be from 1.
const SINKHORN_TOLERANCE: f64 = 1e-12;

/// Rounds of scaling at most, which no draw comes near: a matrix whose states nearly fall into
/// parts, with ε between them, needs about 10/ε rounds and has a chance of about ε⁴.
const SINKHORN_ROUNDS: usize = 1 << 20;

/// The chain of one sequence.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Number of states k.
    pub(super) states: usize,
    /// Transition probabilities, `[states, states]`: each row adds up to 1.
    pub(super) rows: Vec<f64>,
    /// The stationary distribution, `[states]`, from which the first token is drawn.
    pub(super) start: Vec<f64>,
}

impl Chain {
    /// A chain from the prior.
    pub(super) fn draw(spec: &MarkovChainsSpec, rng: &mut impl Rng) -> Self {
        let k = spec.states;
        match spec.rows {
            RowPrior::Dirichlet => {
                let mut rows = vec![0.0; k * k];
                for row in rows.chunks_exact_mut(k) {
                    dirichlet_into(rng, spec.concentration, row);
                }
                let start = stationary(&rows, k);
                Self {
                    states: k,
                    rows,
                    start,
                }
            }
            RowPrior::DoublyStochastic => Self {
                states: k,
                rows: doubly_stochastic(rng, k),
                start: vec![1.0 / k as f64; k],
            },
        }
    }

    /// Appends a sequence of `len` tokens.
    pub(super) fn draw_into(&self, rng: &mut impl Rng, len: usize, tokens: &mut Vec<u32>) {
        let mut next = &self.start[..];
        for _ in 0..len {
            let token = weighted(rng, next);
            tokens.push(token as u32);
            next = &self.rows[token * self.states..(token + 1) * self.states];
        }
    }

    /// Expected loss in nats per token of a predictor that knows the chain: the entropy of each
    /// row, weighted by the stationary distribution.
    pub(super) fn entropy_rate(&self) -> f64 {
        let rows = self.rows.chunks_exact(self.states);
        rows.zip(&self.start).map(|(row, p)| p * entropy(row)).sum()
    }
}

/// Entropy of a distribution, in nats.
pub(super) fn entropy(distribution: &[f64]) -> f64 {
    let positive = distribution.iter().filter(|&&p| p > 0.0);
    positive.map(|&p| -p * p.ln()).sum()
}

/// Fills `row` with a draw from the symmetric Dirichlet distribution.
fn dirichlet_into(rng: &mut impl Rng, concentration: f64, row: &mut [f64]) {
    let mut largest = f64::NEG_INFINITY;
    for entry in &mut *row {
        *entry = ln_gamma(rng, concentration);
        largest = largest.max(*entry);
    }
    for entry in &mut *row {
        *entry = (*entry - largest).max(LEAST_LOGIT).exp();
    }
    normalize(row);
}

/// A draw of a doubly stochastic matrix, `[k, k]`; see [`RowPrior::DoublyStochastic`].
fn doubly_stochastic(rng: &mut impl Rng, k: usize) -> Vec<f64> {
    if k == 2 {
        let p = uniform(rng);
        return vec![p, 1.0 - p, 1.0 - p, p];
    }
    let mut rows: Vec<f64> = (0..k * k).map(|_| exponential(rng)).collect();
    let mut columns = vec![0.0; k];
    for _ in 0..SINKHORN_ROUNDS {
        columns.fill(0.0);
        for row in rows.chunks_exact_mut(k) {
            normalize(row);
            for (column, entry) in columns.iter_mut().zip(row) {
                *column += *entry;
            }
        }
        let off = columns.iter().map(|column| (column - 1.0).abs());
        if off.fold(0.0, f64::max) <= SINKHORN_TOLERANCE {
            return rows;
        }
        for row in rows.chunks_exact_mut(k) {
            for (entry, column) in row.iter_mut().zip(&columns) {
                *entry /= column;
            }
        }
    }
    rows.chunks_exact_mut(k).for_each(normalize);
    rows
}

/// The stationary distribution of a chain of k states, `[k]`, whose transition probabilities
/// `rows`, `[k, k]`, are all positive.
///
/// States are removed one by one, the last first, each step that led to one being passed on to
/// where it leads from there (Grassmann, Taksar & Heyman 1985). Nothing is subtracted, so that
/// small probabilities have as many correct digits as large ones.
fn stationary(rows: &[f64], k: usize) -> Vec<f64> {
    let mut left = rows.to_vec();
    for removed in (1..k).rev() {
        let (others, row) = left.split_at_mut(removed * k);
        let row = &row[..removed];
        let leaving: f64 = row.iter().sum();
        for other in others.chunks_exact_mut(k) {
            // Expected visits to the removed state for each visit to the other.
            other[removed] /= leaving;
            let visits = other[removed];
            for (entry, onward) in other.iter_mut().zip(row) {
                *entry += visits * onward;
            }
        }
    }
    let mut visits = vec![0.0; k];
    visits[0] = 1.0;
    for state in 1..k {
        let (known, unknown) = visits.split_at_mut(state);
        let from = left.chunks_exact(k).map(|row| row[state]);
        unknown[0] = known.iter().zip(from).map(|(v, each)| v * each).sum();
        // The largest is kept at 1: ratios may be of any size.
        if unknown[0] > 1.0 {
            let scale = 1.0 / unknown[0];
            visits[..=state].iter_mut().for_each(|v| *v *= scale);
        }
    }
    normalize(&mut visits);
    visits
}

/// Divides positive numbers by their sum.
fn normalize(numbers: &mut [f64]) {
    let scale = 1.0 / numbers.iter().sum::<f64>();
    for number in numbers {
        *number *= scale;
    }
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;

    use super::*;

    fn spec(states: usize, rows: RowPrior, concentration: f64) -> MarkovChainsSpec {
        MarkovChainsSpec {
            states,
            rows,
            concentration,
            ..MarkovChainsSpec::default()
        }
    }

    fn draw(spec: &MarkovChainsSpec, index: u64) -> Chain {
        Chain::draw(spec, &mut Stream::new(1, "chains", &[]).at(index))
    }

    /// Largest difference of the start from what one transition makes of it.
    fn drift(chain: &Chain) -> f64 {
        let k = chain.states;
        let next = |j: usize| {
            let from = chain.start.iter().enumerate();
            from.map(|(i, p)| p * chain.rows[i * k + j]).sum::<f64>()
        };
        let all = (0..k).map(|j| (next(j) - chain.start[j]).abs());
        all.fold(0.0, f64::max)
    }

    #[test]
    fn the_start_is_stationary() {
        for (states, concentration) in [
            (2, 1.0),
            (3, 1.0),
            (8, 0.1),
            (5, 1e-3),
            (12, 1e-3),
            (40, 1e3),
            (256, 1.0),
        ] {
            let spec = spec(states, RowPrior::Dirichlet, concentration);
            for index in 0..20 {
                let chain = draw(&spec, index);
                let total: f64 = chain.start.iter().sum();
                assert!((total - 1.0).abs() < 1e-12, "{spec:?} {total}");
                assert!(chain.start.iter().all(|p| (0.0..=1.0).contains(p)));
                let off = drift(&chain);
                assert!(off < 1e-12, "{spec:?} {off}");
                for row in chain.rows.chunks_exact(states) {
                    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                    assert!(row.iter().all(|&p| p > 0.0));
                }
            }
        }
    }

    /// Of two states with `p` from 0 to 1 and `q` back, the shares are q and p over p + q.
    #[test]
    fn small_probabilities_keep_their_digits() {
        for (p, q) in [(0.25, 0.5), (1e-200, 1e-100), (1e-260, 0.5)] {
            let start = stationary(&[1.0 - p, p, q, 1.0 - q], 2);
            for (found, expected) in start.iter().zip([q / (p + q), p / (p + q)]) {
                assert!((found / expected - 1.0).abs() < 1e-14, "{p} {q} {start:?}");
            }
        }
    }

    #[test]
    fn rows_and_columns_of_doubly_stochastic_matrices_add_up_to_1() {
        for (states, chains) in [(2, 1000), (3, 1000), (10, 100), (256, 2)] {
            let spec = spec(states, RowPrior::DoublyStochastic, 1.0);
            for index in 0..chains {
                let chain = draw(&spec, index);
                for i in 0..states {
                    let row: f64 = chain.rows[i * states..(i + 1) * states].iter().sum();
                    let column: f64 = chain.rows.iter().skip(i).step_by(states).sum();
                    assert!((row - 1.0).abs() < 1e-12, "{states}, row {i}: {row}");
                    assert!(
                        (column - 1.0).abs() < 2e-12,
                        "{states}, column {i}: {column}"
                    );
                }
                assert!(chain.rows.iter().all(|p| (0.0..=1.0).contains(p)));
                assert!(drift(&chain) < 2e-12);
            }
        }
    }

    /// The variance of an entry of a Dirichlet row is (1/k)(1 − 1/k)/(kα + 1).
    #[test]
    fn dirichlet_rows_have_their_variance() {
        for (states, concentration) in [(2, 1.0), (3, 0.2), (4, 5.0)] {
            let spec = spec(states, RowPrior::Dirichlet, concentration);
            let chains = 20_000;
            let (mut squares, mut fourths) = (0.0, 0.0);
            let mean = 1.0 / states as f64;
            for index in 0..chains {
                let square = (draw(&spec, index).rows[0] - mean).powi(2);
                squares += square;
                fourths += square * square;
            }
            let n = chains as f64;
            let (found, fourth) = (squares / n, fourths / n);
            let expected = mean * (1.0 - mean) / (states as f64 * concentration + 1.0);
            // Five standard errors.
            let room = 5.0 * ((fourth - found * found) / n).sqrt();
            assert!(
                (found - expected).abs() < room,
                "{spec:?} {found} {expected}"
            );
        }
    }

    /// A sequence starts and goes on as its chain says.
    #[test]
    fn tokens_follow_the_chain() {
        let chain = draw(&spec(3, RowPrior::Dirichlet, 0.5), 3);
        let n = 40_000;
        let mut counts = [[0.0; 3]; 2];
        let mut steps = [0.0; 9];
        for index in 0..n {
            let mut tokens = Vec::new();
            chain.draw_into(&mut Stream::new(2, "tokens", &[]).at(index), 3, &mut tokens);
            counts[0][tokens[0] as usize] += 1.0;
            counts[1][tokens[2] as usize] += 1.0;
            steps[tokens[0] as usize * 3 + tokens[1] as usize] += 1.0;
        }
        // Five standard deviations of a binomial at 1/2 at most.
        let room = 2.5 * (n as f64).sqrt();
        for counts in counts {
            for (count, p) in counts.iter().zip(&chain.start) {
                assert!((count - n as f64 * p).abs() < room, "{counts:?} {chain:?}");
            }
        }
        for (place, count) in steps.iter().enumerate() {
            let expected = n as f64 * chain.start[place / 3] * chain.rows[place];
            assert!((count - expected).abs() < room, "{steps:?} {chain:?}");
        }
    }

    #[test]
    fn the_entropy_rate_is_that_of_the_rows() {
        let chain = Chain {
            states: 2,
            rows: vec![0.5, 0.5, 1.0, 0.0],
            start: vec![2.0 / 3.0, 1.0 / 3.0],
        };
        assert!((chain.entropy_rate() - 2.0 / 3.0 * 2f64.ln()).abs() < 1e-15);
    }
}
