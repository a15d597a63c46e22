//! N-gram counts, and probabilities from them by interpolated Witten–Bell smoothing.
//!
//! With `c` the count of a context, `t` the number of different tokens that followed it and
//! `P'` the estimate of the shorter context (Witten & Bell 1991, method C, interpolated as in
//! Chen & Goodman 1998, eq. 16):
//!
//! `P(y | context) = (c(context, y) + t · P'(y)) / (c + t)`
//!
//! from the uniform distribution over unigrams and bigrams to trigrams. A context that never
//! occurred gives the shorter one's estimate.
//!
//! In a mixture of corpora an occurrence counts as much as a token of its corpus weighs, and a
//! token that followed adds to `t` the greatest weight with which it did. So weights that stand in
//! the ratio of the corpora's sizes give the estimates of all texts together; a context that only
//! one corpus knows gives that corpus's own, whatever its weight; and only ratios of weights
//! matter.

/// A text, and what one of its tokens weighs.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) tokens: Vec<u32>,
    pub(crate) weight: f64,
}

/// Which tokens followed a context, and how often.
#[derive(Debug, Default)]
struct Followers {
    /// Contexts, ascending.
    contexts: Vec<u64>,
    /// Where each context's followers begin, and where the last ones end.
    starts: Vec<usize>,
    /// Followers, ascending within a context.
    tokens: Vec<u32>,
    /// Weighted numbers of occurrences.
    counts: Vec<f64>,
    /// For each context, the weights of its followers' kinds, added up: their number in a single
    /// text.
    kinds: Vec<f64>,
}

impl Followers {
    /// What follows each run of `n` tokens: 2²¹ bounds the tokens, so that `n` is 1 or 2.
    fn count(samples: &[Sample], n: usize) -> Self {
        // Each gram with its count in a sample and the sample's weight.
        let mut grams: Vec<(u64, f64, f64)> = Vec::new();
        for sample in samples {
            let gram = |window: &[u32]| {
                let tokens = window.iter();
                tokens.fold(0, |gram: u64, &token| gram << 21 | u64::from(token))
            };
            let mut keys: Vec<u64> = sample.tokens.windows(n + 1).map(gram).collect();
            keys.sort_unstable();
            let counted = keys.chunk_by(|x, y| x == y).map(|equal| {
                let count = equal.len() as f64 * sample.weight;
                (equal[0], count, sample.weight)
            });
            grams.extend(counted);
        }
        if samples.len() > 1 {
            // Stable: the sums below do not depend on anything but the samples' order.
            grams.sort_by_key(|&(gram, _, _)| gram);
        }
        let mut found = Self::default();
        for equal in grams.chunk_by(|x, y| x.0 == y.0) {
            let gram = equal[0].0;
            let context = gram >> 21;
            if found.contexts.last() != Some(&context) {
                found.contexts.push(context);
                found.starts.push(found.tokens.len());
                found.kinds.push(0.0);
            }
            found.tokens.push((gram & ((1 << 21) - 1)) as u32);
            found.counts.push(equal.iter().map(|gram| gram.1).sum());
            if let Some(kinds) = found.kinds.last_mut() {
                *kinds += equal.iter().map(|gram| gram.2).fold(0.0, f64::max);
            }
        }
        found.starts.push(found.tokens.len());
        found
    }

    /// A context's followers, their counts, and the weights of their kinds.
    fn of(&self, context: u64) -> Option<(&[u32], &[f64], f64)> {
        let place = self.contexts.binary_search(&context).ok()?;
        let range = self.starts[place]..self.starts[place + 1];
        let counts = &self.counts[range.clone()];
        Some((&self.tokens[range], counts, self.kinds[place]))
    }

    /// Turns the shorter context's estimate into this context's.
    fn interpolate(&self, context: u64, out: &mut [f32]) {
        let Some((tokens, counts, kinds)) = self.of(context) else {
            return;
        };
        let total = counts.iter().sum::<f64>() + kinds;
        let keep = (kinds / total) as f32;
        for p in out.iter_mut() {
            *p *= keep;
        }
        for (&token, &count) in tokens.iter().zip(counts) {
            out[token as usize] += (count / total) as f32;
        }
    }
}

/// Counts of the tokens, pairs and triples of a text or a mixture.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Weighted number of occurrences of each token, `[d_vocab]`.
    pub(crate) tokens: Vec<f64>,
    /// That of all tokens.
    pub(crate) total: f64,
    /// Smoothed unigram probabilities, `[d_vocab]`.
    unigram: Vec<f32>,
    pairs: Followers,
    triples: Followers,
}

impl Counts {
    pub(crate) fn new(samples: &[Sample], d_vocab: usize) -> Self {
        let mut tokens = vec![0.0; d_vocab];
        let mut kinds = vec![0.0f64; d_vocab];
        let mut total = 0.0;
        for sample in samples {
            let mut counts = vec![0u64; d_vocab];
            for &token in &sample.tokens {
                counts[token as usize] += 1;
            }
            for ((sum, kind), &count) in tokens.iter_mut().zip(&mut kinds).zip(&counts) {
                *sum += count as f64 * sample.weight;
                if count > 0 {
                    *kind = kind.max(sample.weight);
                }
            }
            total += sample.tokens.len() as f64 * sample.weight;
        }
        let kinds: f64 = kinds.iter().sum();
        let unigram = tokens
            .iter()
            .map(|&count| ((count + kinds / d_vocab as f64) / (total + kinds)) as f32)
            .collect();
        Self {
            tokens,
            total,
            unigram,
            pairs: Followers::count(samples, 1),
            triples: Followers::count(samples, 2),
        }
    }

    pub(crate) fn unigram_into(&self, out: &mut [f32]) {
        out.copy_from_slice(&self.unigram);
    }

    pub(crate) fn bigram_into(&self, last: u32, out: &mut [f32]) {
        self.unigram_into(out);
        self.pairs.interpolate(u64::from(last), out);
    }

    /// Without `before` it is the bigram estimate.
    pub(crate) fn trigram_into(&self, before: Option<u32>, last: u32, out: &mut [f32]) {
        self.bigram_into(last, out);
        if let Some(before) = before {
            self.triples.interpolate(pair(before, last), out);
        }
    }

    /// The unigram estimate of one token.
    pub(crate) fn unigram(&self, token: u32) -> f64 {
        f64::from(self.unigram[token as usize])
    }

    /// The chance that two tokens after `last`, drawn from the plain counts, are equal; 0 if it
    /// never occurred.
    pub(crate) fn coincidence(&self, last: u32) -> f64 {
        let Some((_, counts, _)) = self.pairs.of(u64::from(last)) else {
            return 0.0;
        };
        let total: f64 = counts.iter().sum();
        counts.iter().map(|&c| (c / total).powi(2)).sum()
    }
}

fn pair(before: u32, last: u32) -> u64 {
    u64::from(before) << 21 | u64::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, by counting through the texts.
    fn by_definition(samples: &[Sample], d: usize, context: &[u32], y: u32) -> f64 {
        let n = context.len();
        let shorter = if n == 0 {
            1.0 / d as f64
        } else {
            by_definition(samples, d, &context[1..], y)
        };
        let mut counts = std::collections::BTreeMap::new();
        let mut kinds = std::collections::BTreeMap::new();
        for sample in samples {
            for window in sample.tokens.windows(n + 1) {
                if window[..n] == *context {
                    *counts.entry(window[n]).or_insert(0.0) += sample.weight;
                    let kind = kinds.entry(window[n]).or_insert(0.0f64);
                    *kind = kind.max(sample.weight);
                }
            }
        }
        if counts.is_empty() {
            return shorter;
        }
        let t: f64 = kinds.values().sum();
        (counts.get(&y).unwrap_or(&0.0) + t * shorter) / (counts.values().sum::<f64>() + t)
    }

    fn text(weight: f64) -> Sample {
        Sample {
            tokens: vec![0, 1, 2, 0, 1, 3, 0, 1, 2, 2, 2, 4, 0, 2, 1, 3, 3],
            weight,
        }
    }

    fn other(weight: f64) -> Sample {
        Sample {
            tokens: vec![5, 5, 1, 2, 5, 0, 1, 1, 3, 0, 4, 4],
            weight,
        }
    }

    /// Probabilities after no, one and two tokens, one after another.
    fn all(counts: &Counts, d: usize) -> Vec<(Vec<u32>, Vec<f32>)> {
        let mut found = Vec::new();
        let mut p = vec![0.0; d];
        counts.unigram_into(&mut p);
        found.push((vec![], p.clone()));
        for last in 0..d as u32 {
            counts.bigram_into(last, &mut p);
            found.push((vec![last], p.clone()));
            for before in 0..d as u32 {
                counts.trigram_into(Some(before), last, &mut p);
                found.push((vec![before, last], p.clone()));
            }
        }
        found
    }

    #[test]
    fn probabilities_are_those_of_the_definition() {
        let d = 6;
        for samples in [
            vec![text(1.0)],
            vec![text(1.0), other(1.0)],
            vec![text(0.3), other(4.0)],
        ] {
            for (context, p) in all(&Counts::new(&samples, d), d) {
                for (y, &p) in p.iter().enumerate() {
                    let expected = by_definition(&samples, d, &context, y as u32);
                    assert!(
                        (f64::from(p) - expected).abs() < 1e-6,
                        "{samples:?} {context:?} {y}"
                    );
                }
                assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn only_ratios_of_weights_matter() {
        let close = |x: &[Sample], y: &[Sample], tolerance: f32| {
            let found = [x, y].map(|samples| all(&Counts::new(samples, 6), 6));
            let [x, y] = &found;
            for ((context, x), (_, y)) in x.iter().zip(y) {
                for (x, y) in x.iter().zip(y) {
                    assert!((x - y).abs() < tolerance, "{context:?} {x} {y}");
                }
            }
        };
        close(&[text(1.0)], &[text(7.0)], 1e-6);
        close(&[text(0.3), other(4.0)], &[text(3.0), other(40.0)], 1e-6);
    }
}
