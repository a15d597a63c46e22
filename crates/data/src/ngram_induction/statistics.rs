//! The unigram, bigram and trigram oracles: the best predictors that know nothing, the last token
//! or the last two tokens, of a target drawn uniformly from the positions of a sequence.
//!
//! Let `a, b` be the last two tokens of a position (`a` is absent at the first). All tables being
//! known, `P(next | a, b)` depends on the sequence so far only through what `a, b` tell of the
//! latents: `P(trigger k is active | a, b)` and `P(successor of b is y | a, b, b is active)`, which
//! differ from the prior because a sequence visits some pairs more often than another one does.
//! These, and how often each pair occurs, are counted in a large fixed sample of the program in
//! which the latents are known; everything else is the program's formula. The shorter contexts
//! follow by the law of total probability: `P(next | b) = Σ_a P(a | b) P(next | a, b)`.
//!
//! Smoothing: the counts for a pair are shrunk towards those for its last token, and these
//! towards the prior, by a Dirichlet prior worth [`SHRINKAGE`] positions (MacKay & Peto 1995).
//! With all triggers active the trigram oracle is exact wherever `b` is no trigger. With
//! `burstiness` what a recurrence is likely to be of takes the place of what is active: it is
//! counted in the same way, since `a, b` tell something of the triggers that were shown.

use ontogeny_store::Stream;

use super::filter::{mix_recurrence, mix_successor};
use super::program::Program;

/// Weight, in positions, of the shorter context's statistics.
const SHRINKAGE: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct Statistics {
    /// `P(next)`, `[d_vocab]`.
    pub(crate) unigram: Vec<f64>,
    /// `P(next | last)`, `[last, next]`.
    pub(crate) bigram: Vec<f64>,
    /// Relative frequencies of the tokens over all positions of a sequence, `[d_vocab]`.
    pub(crate) frequencies: Vec<f64>,
    /// Relative frequencies of the tokens that no trigger brought about, `[d_vocab]`.
    pub(crate) background: Vec<f64>,
    /// For each trigger, its occurrences per position where it is active, and where it is not.
    pub(crate) rates: Vec<(f64, f64)>,
    latents: Latents,
}

/// What pairs tell of the latents.
#[derive(Debug)]
struct Latents {
    d_vocab: usize,
    n_triggers: usize,
    /// `n_active · P(a recurrence is of trigger k | a, b)`, `[a or none, b, k]`: without
    /// burstiness this is `P(trigger k is active | a, b)`. Empty if it is always 1.
    weights: Vec<f32>,
    /// `P(successor of k is y | a, b = k, k is active)`, `[a or none, k, y]`.
    successor: Vec<f32>,
}

impl Latents {
    /// The row of an absent token comes after those of the tokens.
    fn row(&self, before: Option<u32>) -> usize {
        before.map_or(self.d_vocab, |token| token as usize)
    }

    fn weights(&self, before: Option<u32>, last: u32) -> Option<&[f32]> {
        let k = self.n_triggers;
        let start = (self.row(before) * self.d_vocab + last as usize) * k;
        self.weights.get(start..start + k)
    }

    fn successor(&self, before: Option<u32>, place: usize) -> &[f32] {
        let start = (self.row(before) * self.n_triggers + place) * self.d_vocab;
        &self.successor[start..start + self.d_vocab]
    }
}

impl Statistics {
    /// From a sample of at least `positions` input positions.
    pub(crate) fn sample(program: &Program, seed: u64, n_ctx: usize, positions: usize) -> Self {
        let mut counts = Counts::new(program);
        let stream = Stream::new(seed, "ngram_induction statistics", &[n_ctx as u64]);
        let mut tokens = Vec::with_capacity(n_ctx + 1);
        for index in 0..positions.div_ceil(n_ctx) as u64 {
            counts.add(program, &stream, index, n_ctx, &mut tokens);
        }
        counts.finish(program)
    }

    /// `P(next | before, last)` into `out`, where the tables say `base`; all are `[d_vocab]`.
    pub(crate) fn trigram_into(
        &self,
        program: &Program,
        before: Option<u32>,
        last: u32,
        base: &[f64],
        out: &mut [f64],
    ) {
        trigram_into(&self.latents, program, before, last, base, out);
    }
}

fn trigram_into(
    latents: &Latents,
    program: &Program,
    before: Option<u32>,
    last: u32,
    base: &[f64],
    out: &mut [f64],
) {
    let weights: Vec<f64> = match latents.weights(before, last) {
        Some(weights) => weights.iter().map(|&p| f64::from(p)).collect(),
        None => vec![1.0; program.triggers.len()],
    };
    match program.trigger(last) {
        Some(place) => {
            let successor: Vec<f64> = latents
                .successor(before, place)
                .iter()
                .map(|&p| f64::from(p))
                .collect();
            let active = if program.all_active() {
                1.0
            } else {
                weights[place]
            };
            mix_successor(active * program.reliability, &successor, base, out);
        }
        None => mix_recurrence(program, &weights, base, out),
    }
}

/// What is counted in the sample, in the layout of [`Latents`].
struct Counts {
    latents: Latents,
    /// `[a or none, b]`.
    pairs: Vec<f64>,
    tokens: Vec<f64>,
    background: Vec<f64>,
    /// For each trigger: occurrences and positions in sequences where it is active.
    when_active: Vec<(f64, f64)>,
    /// The same where it is not.
    when_inactive: Vec<(f64, f64)>,
}

impl Counts {
    fn new(program: &Program) -> Self {
        let (d, k) = (program.d_vocab(), program.triggers.len());
        let known = program.all_active() && program.burstiness == 0.0;
        Self {
            latents: Latents {
                d_vocab: d,
                n_triggers: k,
                weights: vec![0.0; if known { 0 } else { (d + 1) * d * k }],
                successor: vec![0.0; (d + 1) * k * d],
            },
            pairs: vec![0.0; (d + 1) * d],
            tokens: vec![0.0; d],
            background: vec![0.0; d],
            when_active: vec![(0.0, 0.0); k],
            when_inactive: vec![(0.0, 0.0); k],
        }
    }

    fn add(
        &mut self,
        program: &Program,
        stream: &Stream,
        index: u64,
        n_ctx: usize,
        tokens: &mut Vec<u32>,
    ) {
        let (d, k) = (self.latents.d_vocab, self.latents.n_triggers);
        let mut occurrences = vec![0.0; k];
        let mut is_active = vec![false; k];
        tokens.clear();
        program.draw_into(&mut stream.at(index), n_ctx + 1, tokens, |latents, step| {
            let row = self.latents.row(step.before);
            let pair = row * d + step.last as usize;
            self.pairs[pair] += 1.0;
            if !self.latents.weights.is_empty() {
                for &place in &latents.active {
                    self.latents.weights[pair * k + place] +=
                        program.recurrence_weight(place, step.shown) as f32;
                }
            }
            if let Some(place) = program.trigger(step.last) {
                occurrences[place] += 1.0;
                if latents.active.binary_search(&place).is_ok() {
                    let successor = latents.successor[place] as usize;
                    self.latents.successor[(row * k + place) * d + successor] += 1.0;
                }
            }
            if !step.by_trigger {
                self.background[step.next as usize] += 1.0;
            }
            for &place in &latents.active {
                is_active[place] = true;
            }
        });
        for place in 0..k {
            let rate = if is_active[place] {
                &mut self.when_active[place]
            } else {
                &mut self.when_inactive[place]
            };
            rate.0 += occurrences[place];
            rate.1 += n_ctx as f64;
        }
        for &token in tokens.iter() {
            self.tokens[token as usize] += 1.0;
        }
    }

    fn finish(mut self, program: &Program) -> Statistics {
        let d = program.d_vocab();
        self.shrink_weights(program);
        self.shrink_successors(program);
        let (unigram, bigram) = marginals(&self.latents, &self.pairs, program);
        let rate = |(count, positions): (f64, f64)| (count + 0.5) / (positions + 1.0);
        let rates = self
            .when_active
            .iter()
            .zip(&self.when_inactive)
            .map(|(&active, &inactive)| (rate(active), rate(inactive)))
            .collect();
        let total: f64 = self.tokens.iter().sum();
        let background: f64 = self.background.iter().sum::<f64>() + d as f64;
        Statistics {
            unigram,
            bigram,
            frequencies: self.tokens.iter().map(|count| count / total).collect(),
            background: self
                .background
                .iter()
                .map(|count| (count + 1.0) / background)
                .collect(),
            rates,
            latents: self.latents,
        }
    }

    /// Turns sums of weights into means.
    fn shrink_weights(&mut self, program: &Program) {
        let (d, k) = (self.latents.d_vocab, self.latents.n_triggers);
        if self.latents.weights.is_empty() {
            return;
        }
        let prior = program.n_active as f64 / k as f64;
        for last in 0..d {
            let pairs = (0..=d).map(|row| row * d + last);
            let n: f64 = pairs.clone().map(|pair| self.pairs[pair]).sum();
            for place in 0..k {
                let count: f64 = pairs
                    .clone()
                    .map(|pair| f64::from(self.latents.weights[pair * k + place]))
                    .sum();
                let by_last = (count + SHRINKAGE * prior) / (n + SHRINKAGE);
                for pair in pairs.clone() {
                    let p = &mut self.latents.weights[pair * k + place];
                    let sum = f64::from(*p) + SHRINKAGE * by_last;
                    *p = (sum / (self.pairs[pair] + SHRINKAGE)) as f32;
                }
            }
        }
    }

    /// Turns counts of successors into probabilities.
    fn shrink_successors(&mut self, program: &Program) {
        let (d, k) = (self.latents.d_vocab, self.latents.n_triggers);
        let prior = 1.0 / program.successors.len() as f64;
        for place in 0..k {
            let mut by_last = vec![0.0; d];
            for &token in &program.successors {
                by_last[token as usize] = SHRINKAGE * prior;
            }
            for row in 0..=d {
                let start = (row * k + place) * d;
                for (sum, &count) in by_last.iter_mut().zip(&self.latents.successor[start..]) {
                    *sum += f64::from(count);
                }
            }
            let total: f64 = by_last.iter().sum();
            for row in 0..=d {
                let start = (row * k + place) * d;
                let counts = &mut self.latents.successor[start..start + d];
                let n: f64 = counts.iter().map(|&count| f64::from(count)).sum();
                for (p, &by_last) in counts.iter_mut().zip(&by_last) {
                    let sum = f64::from(*p) + SHRINKAGE * by_last / total;
                    *p = (sum / (n + SHRINKAGE)) as f32;
                }
            }
        }
    }
}

/// `P(next)` and `P(next | last)` from `P(next | before, last)` and the pairs' frequencies.
fn marginals(latents: &Latents, pairs: &[f64], program: &Program) -> (Vec<f64>, Vec<f64>) {
    let d = latents.d_vocab;
    let mut unigram = vec![0.0; d];
    let mut bigram = vec![0.0; d * d];
    let (mut base, mut next) = (vec![0.0; d], vec![0.0; d]);
    let total: f64 = pairs.iter().sum();
    for last in 0..d {
        let row = &mut bigram[last * d..(last + 1) * d];
        for before in (0..d as u32).map(Some).chain([None]) {
            // The trifle keeps a token that never occurred predictable, from the tables alone.
            let trifle = if before.is_none() { 1e-9 } else { 0.0 };
            let weight = pairs[latents.row(before) * d + last] + trifle;
            if weight > 0.0 {
                program.tables.next_into(before, last as u32, &mut base);
                trigram_into(latents, program, before, last as u32, &base, &mut next);
                for (sum, &p) in row.iter_mut().zip(&next) {
                    *sum += weight * p;
                }
            }
        }
        for (sum, &p) in unigram.iter_mut().zip(row.iter()) {
            *sum += p / total;
        }
        let n: f64 = row.iter().sum();
        for p in row {
            *p /= n;
        }
    }
    (unigram, bigram)
}
