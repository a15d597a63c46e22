//! The oracles of a corpus, from counts of its training part.
//!
//! - unigram, bigram, trigram: interpolated Witten–Bell estimates, see [`super::counts`];
//! - bag of context: the trigram estimate, rescaled so that tokens which have occurred more often
//!   in the sequence than the corpus lets expect become likelier (unigram rescaling, Kneser,
//!   Peters & Klakow 1997):
//!   `P(y | bag, a, b) ∝ P(y | a, b) · (P_bag(y) / P(y))^power`, where
//!   `P_bag(y) = (count of y so far + strength · P(y)) / (tokens so far + strength)`.
//!   Power and strength are those with the least loss on windows of the held-out documents. Two
//!   numbers fitted there make this oracle look better than it is, if anything; a claim of
//!   induction is that a network does better.
//!
//! Triggers of a text are the tokens worth copying after: when such a token comes back within
//! `n_ctx` tokens, in the training part, what followed it last time follows again in a share of
//! the cases that exceeds by [`GAIN`] at least what two independent draws from the bigram counts
//! would give.

use super::counts::{Counts, Sample};
use crate::Oracle;

/// By how much the share of repeated successors must exceed that of independent draws.
const GAIN: f64 = 0.2;

/// Returns of a token in the training part without which nothing is claimed of it.
const LEAST_RETURNS: u32 = 30;

/// Positions at which the bag-of-context oracle is fitted.
const FIT_POSITIONS: usize = 4096;

/// Positions of a window from one that is used in the fit to the next: near ones share a bag.
const FIT_STRIDE: usize = 8;

#[derive(Debug)]
pub(crate) struct Oracles {
    pub(crate) counts: Counts,
    pub(crate) bag: BagFit,
    /// `[d_vocab]`.
    pub(crate) triggers: Vec<bool>,
}

/// How the bag-of-context oracle of a corpus weighs what has occurred, as fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BagFit {
    /// 0: the bag tells nothing; 1: it is believed as it stands.
    pub power: f64,
    /// Weight of the corpus's frequencies against the bag's, in tokens.
    pub strength: f64,
}

impl BagFit {
    /// Multiplies the probabilities `p`, `[d_vocab]`, by the bag's factors, and normalizes.
    fn rescale(self, counts: &Counts, bag: &[(u32, u32)], p: &mut [f32]) {
        let mut total = 1.0;
        for &(token, count) in bag {
            let factor = self.log_factor(counts, token, count).exp();
            let p = &mut p[token as usize];
            total += f64::from(*p) * (factor - 1.0);
            *p *= factor as f32;
        }
        let scale = (1.0 / total) as f32;
        for p in p {
            *p *= scale;
        }
    }

    /// Relative to a token that has not occurred.
    fn log_factor(self, counts: &Counts, token: u32, count: u32) -> f64 {
        self.power * (f64::from(count) / (self.strength * counts.unigram(token))).ln_1p()
    }
}

impl Oracles {
    /// `samples` is the training part of each corpus; `window(i)` is a sequence of `n_ctx + 1`
    /// held-out tokens.
    pub(crate) fn new(
        samples: &[Sample],
        d_vocab: usize,
        n_ctx: usize,
        window: impl Fn(u64) -> Vec<u32>,
    ) -> Self {
        let counts = Counts::new(samples, d_vocab);
        let windows = (FIT_POSITIONS * FIT_STRIDE).div_ceil(n_ctx) as u64;
        let bag = fit_bag(&counts, d_vocab, (0..windows).map(window));
        let triggers = triggers(samples, &counts, d_vocab, n_ctx);
        Self {
            counts,
            bag,
            triggers,
        }
    }

    /// `P(next)` at each position of a sequence into the rows of `out`, `[len − 1, d_vocab]`; there
    /// is no in-context oracle.
    pub(crate) fn predict_into(&self, oracle: Oracle, sequence: &[u32], out: &mut [f32]) {
        let mut bag = Vec::new();
        let rows = out.chunks_exact_mut(self.triggers.len());
        for (position, (out, &last)) in rows.zip(sequence).enumerate() {
            let before = position.checked_sub(1).map(|earlier| sequence[earlier]);
            match oracle {
                Oracle::Uniform => out.fill(1.0 / out.len() as f32),
                Oracle::Unigram => self.counts.unigram_into(out),
                Oracle::Bigram => self.counts.bigram_into(last, out),
                Oracle::Trigram => self.counts.trigram_into(before, last, out),
                Oracle::BagOfContext | Oracle::InContext => {
                    add(&mut bag, last);
                    self.counts.trigram_into(before, last, out);
                    self.bag.rescale(&self.counts, &bag, out);
                }
            }
        }
    }
}

/// Counts a token in a bag: pairs of a token and its count, ascending.
fn add(bag: &mut Vec<(u32, u32)>, token: u32) {
    match bag.binary_search_by_key(&token, |&(token, _)| token) {
        Ok(place) => bag[place].1 += 1,
        Err(place) => bag.insert(place, (token, 1)),
    }
}

fn fit_bag(counts: &Counts, d_vocab: usize, windows: impl Iterator<Item = Vec<u32>>) -> BagFit {
    let fits: Vec<BagFit> = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
        .into_iter()
        .flat_map(|power| {
            let strength = |i: i32| 2f64.powi(i);
            (4..=12).map(move |i| BagFit {
                power,
                strength: strength(i),
            })
        })
        .collect();
    let mut losses = vec![0.0; fits.len()];
    let mut p = vec![0.0; d_vocab];
    for sequence in windows {
        let mut bag = Vec::new();
        for (position, pair) in sequence.windows(2).enumerate() {
            let (last, next) = (pair[0], pair[1]);
            add(&mut bag, last);
            if position % FIT_STRIDE != FIT_STRIDE - 1 {
                continue;
            }
            counts.trigram_into(Some(sequence[position - 1]), last, &mut p);
            for (fit, loss) in fits.iter().zip(&mut losses) {
                let mut total = 1.0;
                for &(token, count) in &bag {
                    let log_factor = fit.log_factor(counts, token, count);
                    total += f64::from(p[token as usize]) * log_factor.exp_m1();
                    if token == next {
                        *loss -= log_factor;
                    }
                }
                *loss += f64::ln(total);
            }
        }
    }
    let best = (0..fits.len()).min_by(|&x, &y| losses[x].total_cmp(&losses[y]));
    best.map_or(fits[0], |best| fits[best])
}

fn triggers(samples: &[Sample], counts: &Counts, d_vocab: usize, n_ctx: usize) -> Vec<bool> {
    let mut returns = vec![0u32; d_vocab];
    let (mut weighted, mut repeats) = (vec![0.0; d_vocab], vec![0.0; d_vocab]);
    for Sample { tokens, weight } in samples {
        let mut last_seen = vec![None; d_vocab];
        for (position, pair) in tokens.windows(2).enumerate() {
            let token = pair[0] as usize;
            if let Some(earlier) = last_seen[token].replace(position)
                && position - earlier <= n_ctx
            {
                returns[token] += 1;
                weighted[token] += weight;
                if tokens[earlier + 1] == pair[1] {
                    repeats[token] += weight;
                }
            }
        }
    }
    (0..d_vocab)
        .map(|token| {
            returns[token] >= LEAST_RETURNS
                && repeats[token] / weighted[token] >= counts.coincidence(token as u32) + GAIN
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;

    use super::*;
    use crate::draw::below;

    /// Noise of tokens 0 to 19, in blocks of 60 tokens each with its own successor of 20 and its
    /// own favourite among 0 to 9.
    fn text(seed: u64, blocks: usize) -> Vec<u32> {
        let mut rng = Stream::new(seed, "test", &[]).at(0);
        let mut text = Vec::new();
        for _ in 0..blocks {
            let (successor, favourite) = (below(&mut rng, 20) as u32, below(&mut rng, 10) as u32);
            for _ in 0..60 {
                match below(&mut rng, 8) {
                    0 => text.extend([20, successor]),
                    1..4 => text.push(favourite),
                    _ => text.push(below(&mut rng, 20) as u32),
                }
            }
        }
        text
    }

    fn sample(tokens: Vec<u32>) -> Sample {
        Sample {
            tokens,
            weight: 1.0,
        }
    }

    fn oracles() -> Oracles {
        let held_out = text(2, 40);
        Oracles::new(&[sample(text(1, 200))], 22, 40, |i| {
            held_out[7 * i as usize % 2000..][..41].to_vec()
        })
    }

    #[test]
    fn tokens_worth_copying_after_are_found() {
        let found: Vec<usize> = (0..22).filter(|&t| oracles().triggers[t]).collect();
        assert_eq!(found, [20]);
    }

    #[test]
    fn the_bag_is_believed_where_it_tells_something() {
        let oracles = oracles();
        assert!(oracles.bag.power >= 0.5, "{:?}", oracles.bag);
        let held_out = text(3, 60);
        let gains: Vec<f64> = held_out
            .chunks_exact(41)
            .map(|sequence| {
                let loss = |oracle: Oracle| -> f64 {
                    let mut p = vec![0.0; 40 * 22];
                    oracles.predict_into(oracle, sequence, &mut p);
                    let rows = p.chunks_exact(22).zip(&sequence[1..]);
                    rows.map(|(row, &next)| {
                        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                        -f64::from(row[next as usize]).ln() / 40.0
                    })
                    .sum()
                };
                loss(Oracle::Trigram) - loss(Oracle::BagOfContext)
            })
            .collect();
        let n = gains.len() as f64;
        let mean = gains.iter().sum::<f64>() / n;
        let error = (gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n / (n - 1.0)).sqrt();
        assert!(mean > 5.0 * error && mean > 0.05, "{mean} ± {error}");
    }

    #[test]
    fn rescaling_is_the_formula() {
        let counts = Counts::new(&[sample(vec![0, 1, 1, 2, 3, 3, 3, 0])], 5);
        let fit = BagFit {
            power: 0.7,
            strength: 3.0,
        };
        let bag = [(1, 2), (3, 1)];
        let mut p = [0.0; 5];
        counts.trigram_into(Some(1), 3, &mut p);
        let expected: Vec<f64> = (0..5u32)
            .map(|token| {
                let count = bag.iter().find(|(t, _)| *t == token).map_or(0, |(_, c)| *c);
                let unigram = counts.unigram(token);
                let in_bag = (f64::from(count) + 3.0 * unigram) / 6.0;
                f64::from(p[token as usize]) * (in_bag / unigram).powf(0.7)
            })
            .collect();
        let total: f64 = expected.iter().sum();
        fit.rescale(&counts, &bag, &mut p);
        for (p, expected) in p.iter().zip(&expected) {
            assert!((f64::from(*p) - expected / total).abs() < 1e-6);
        }
    }
}
