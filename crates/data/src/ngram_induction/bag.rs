//! The bag-of-context oracle: what can be told of a trigger's successor from how often each token
//! has occurred so far, without the order.
//!
//! After the n-th occurrence of an active trigger its successor has occurred n − 1 times on its
//! behalf (at `reliability` 1), beside what the rest of the program makes of it. So for each
//! candidate `y` with count `c`, the likelihood ratio of being the successor is
//! `B(c − (n − 1)) / B(c)`, where the background `B` is a Poisson distribution of mean (frequency
//! of `y` without triggers) × (tokens so far that no trigger brought about), mixed with the chance
//! that `y` is the successor of another trigger and owes it that trigger's number of occurrences.
//! The counts of a Markov chain are more dispersed than Poisson's and the triggers are taken one
//! at a time, so the ratio is raised to a power, which is fitted: the one that gives the least
//! loss at repeated triggers of a fixed sample. That makes it a strong opponent, and a claim of
//! induction, that a network does better than this, a safe one.
//!
//! Elsewhere the predictor is the trigram oracle with the probability that each trigger is active
//! taken from how often it has occurred.

use ontogeny_store::Stream;

use super::filter::{mix_recurrence, mix_successor};
use super::program::{Program, Shown};
use super::statistics::Statistics;
use super::subsets::inclusion;

/// Exponents to choose from.
const POWERS: [f64; 8] = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0];

/// Sequences in the sample for the choice.
const SAMPLE: u64 = 400;

/// The oracle's state: the bag, filled token by token.
pub(crate) struct Bag<'a> {
    program: &'a Program,
    statistics: &'a Statistics,
    power: f64,
    counts: Vec<u32>,
    len: u32,
}

impl<'a> Bag<'a> {
    pub(crate) fn new(program: &'a Program, statistics: &'a Statistics, power: f64) -> Self {
        Self {
            program,
            statistics,
            power,
            counts: vec![0; program.d_vocab()],
            len: 0,
        }
    }

    /// Puts a token of the context into the bag.
    pub(crate) fn add(&mut self, token: u32) {
        self.counts[token as usize] += 1;
        self.len += 1;
    }

    /// `P(next | bag, last two tokens)` into `out`, where the last token is in the bag already and
    /// the tables say `base`.
    pub(crate) fn predict_into(&self, last: u32, base: &[f64], out: &mut [f64]) {
        match self.program.trigger(last) {
            None => mix_recurrence(self.program, &self.recurrence_weights(), base, out),
            Some(place) => {
                let ratios = self.ratios(place);
                let n = self.program.successors.len() as f64;
                let evidence = ratios.iter().map(|r| r.powf(self.power)).sum::<f64>() / n;
                let active = self.active(Some((place, evidence)))[place];
                let mut successor = vec![0.0; self.program.d_vocab()];
                for (&token, &ratio) in self.program.successors.iter().zip(&ratios) {
                    successor[token as usize] = if evidence > 0.0 {
                        ratio.powf(self.power) / (n * evidence)
                    } else {
                        1.0 / n
                    };
                }
                mix_successor(active * self.program.reliability, &successor, base, out);
            }
        }
    }

    /// What a recurrence is likely to be of. Which triggers were shown, the bag knows.
    fn recurrence_weights(&self) -> Vec<f64> {
        let program = self.program;
        if program.burstiness == 0.0 {
            return self.active(None);
        }
        let mut shown = Shown::none();
        for (place, &token) in program.triggers.iter().enumerate() {
            if self.counts[token as usize] > 0 {
                shown.add(place);
            }
        }
        program.recurrence_weights(&shown)
    }

    /// Each trigger's probability of being active, from its number of occurrences (Poisson at the
    /// two rates) and, for the last token, from the evidence of a successor.
    fn active(&self, evidence: Option<(usize, f64)>) -> Vec<f64> {
        let program = self.program;
        let k = program.triggers.len();
        if program.all_active() {
            return vec![1.0; k];
        }
        let mut log_odds: Vec<f64> = program
            .triggers
            .iter()
            .zip(&self.statistics.rates)
            .map(|(&token, &(active, inactive))| {
                f64::from(self.counts[token as usize]) * (active / inactive).ln()
                    - f64::from(self.len) * (active - inactive)
            })
            .collect();
        if let Some((place, evidence)) = evidence {
            log_odds[place] += evidence.ln();
        }
        inclusion(&log_odds, program.n_active)
            .unwrap_or_else(|| vec![program.n_active as f64 / k as f64; k])
    }

    /// The likelihood ratio of being the successor, for each token that can be one.
    fn ratios(&self, place: usize) -> Vec<f64> {
        let program = self.program;
        let r = program.reliability;
        let share = program.n_active as f64 / program.triggers.len() as f64;
        // Of each other trigger, how many tokens it has brought about if it is active.
        let others: Vec<u32> = program
            .triggers
            .iter()
            .enumerate()
            .filter(|&(other, _)| other != place)
            .map(|(_, &token)| (r * f64::from(self.counts[token as usize])).round() as u32)
            .collect();
        let own = self.counts[program.triggers[place] as usize].saturating_sub(1);
        let by_triggers = share * (f64::from(others.iter().sum::<u32>()) + r * f64::from(own));
        let free = (f64::from(self.len) - by_triggers).max(1.0);
        let weight = share / program.successors.len() as f64;
        let background = |count: u32, mean: f64| {
            let by_others: f64 = others.iter().map(|&n| lowered(count, n, mean)).sum();
            (1.0 - weight * others.len() as f64) + weight * by_others
        };
        let binomial = binomial(own, r);
        program
            .successors
            .iter()
            .map(|&token| {
                let count = self.counts[token as usize];
                let mean = free * self.statistics.background[token as usize];
                let as_successor: f64 = binomial
                    .iter()
                    .zip(0..)
                    .filter(|&(&p, n)| p > 0.0 && n <= count)
                    .map(|(&p, n)| p * lowered(count, n, mean) * background(count - n, mean))
                    .sum();
                as_successor / background(count, mean)
            })
            .collect()
    }
}

/// `Poisson(count − by; mean) / Poisson(count; mean)`: 0 if the count is smaller than `by`.
fn lowered(count: u32, by: u32, mean: f64) -> f64 {
    if by > count {
        return 0.0;
    }
    (count - by + 1..=count)
        .map(|factor| f64::from(factor) / mean)
        .product()
}

/// The probabilities of 0 to `n` successes of probability `p`.
fn binomial(n: u32, p: f64) -> Vec<f64> {
    let mut row = vec![0.0; n as usize + 1];
    row[0] = 1.0;
    for trials in 1..=n as usize {
        for i in (0..=trials).rev() {
            let below = if i > 0 { row[i - 1] } else { 0.0 };
            row[i] = row[i] * (1.0 - p) + below * p;
        }
    }
    row
}

/// The exponent with the least loss at repeated triggers.
pub(crate) fn fit_power(
    program: &Program,
    statistics: &Statistics,
    seed: u64,
    n_ctx: usize,
) -> f64 {
    let stream = Stream::new(seed, "ngram_induction bag", &[n_ctx as u64]);
    let d = program.d_vocab();
    let mut losses = [0.0; POWERS.len()];
    let mut tokens = Vec::with_capacity(n_ctx + 1);
    let (mut base, mut next) = (vec![0.0; d], vec![0.0; d]);
    for index in 0..SAMPLE {
        tokens.clear();
        program.draw_into(&mut stream.at(index), n_ctx + 1, &mut tokens, |_, _| ());
        let mut bag = Bag::new(program, statistics, 1.0);
        for (position, pair) in tokens.windows(2).enumerate() {
            let (last, target) = (pair[0], pair[1]);
            bag.add(last);
            if program.trigger(last).is_none() || bag.counts[last as usize] < 2 {
                continue;
            }
            let before = position.checked_sub(1).map(|earlier| tokens[earlier]);
            program.tables.next_into(before, last, &mut base);
            for (loss, power) in losses.iter_mut().zip(POWERS) {
                bag.power = power;
                bag.predict_into(last, &base, &mut next);
                *loss -= next[target as usize].max(f64::MIN_POSITIVE).ln();
            }
        }
    }
    let best = (0..POWERS.len()).min_by(|&x, &y| losses[x].total_cmp(&losses[y]));
    best.map_or(1.0, |best| POWERS[best])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowered_is_a_ratio_of_poisson_probabilities() {
        let poisson = |n: u32, mean: f64| {
            (-mean).exp() * mean.powi(n as i32) / (1..=n).map(f64::from).product::<f64>()
        };
        for (count, by) in [(5, 2), (3, 3), (4, 0)] {
            let expected = poisson(count - by, 1.7) / poisson(count, 1.7);
            assert!((lowered(count, by, 1.7) / expected - 1.0).abs() < 1e-12);
        }
        assert_eq!(lowered(1, 2, 1.7), 0.0);
    }

    #[test]
    fn binomial_probabilities() {
        let found = binomial(3, 0.25);
        for (found, expected) in found.iter().zip([27.0, 27.0, 9.0, 1.0]) {
            assert!((found - expected / 64.0).abs() < 1e-15);
        }
        assert_eq!(binomial(4, 1.0), [0.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
