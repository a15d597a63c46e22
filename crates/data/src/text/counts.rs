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

/// Which tokens followed a context, and how often.
#[derive(Debug, Default)]
struct Followers {
    /// Contexts, ascending.
    contexts: Vec<u64>,
    /// Where each context's followers begin, and where the last ones end.
    starts: Vec<usize>,
    /// Followers, ascending within a context.
    tokens: Vec<u32>,
    counts: Vec<u32>,
}

impl Followers {
    /// From (context, follower) pairs: 2²¹ bounds the tokens, so a context is up to two of them.
    fn count(grams: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut keys: Vec<u64> = grams
            .map(|(context, y)| context << 21 | u64::from(y))
            .collect();
        keys.sort_unstable();
        let mut found = Self::default();
        for gram in keys.chunk_by(|x, y| x == y) {
            let context = gram[0] >> 21;
            if found.contexts.last() != Some(&context) {
                found.contexts.push(context);
                found.starts.push(found.tokens.len());
            }
            found.tokens.push((gram[0] & ((1 << 21) - 1)) as u32);
            found.counts.push(gram.len() as u32);
        }
        found.starts.push(found.tokens.len());
        found
    }

    fn of(&self, context: u64) -> Option<(&[u32], &[u32])> {
        let place = self.contexts.binary_search(&context).ok()?;
        let range = self.starts[place]..self.starts[place + 1];
        Some((&self.tokens[range.clone()], &self.counts[range]))
    }

    /// Turns the shorter context's estimate into this context's.
    fn interpolate(&self, context: u64, out: &mut [f32]) {
        let Some((tokens, counts)) = self.of(context) else {
            return;
        };
        let kinds = tokens.len() as f64;
        let total = counts.iter().map(|&c| f64::from(c)).sum::<f64>() + kinds;
        let keep = (kinds / total) as f32;
        for p in out.iter_mut() {
            *p *= keep;
        }
        for (&token, &count) in tokens.iter().zip(counts) {
            out[token as usize] += (f64::from(count) / total) as f32;
        }
    }
}

/// Counts of the tokens, pairs and triples of a text.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Number of occurrences of each token, `[d_vocab]`.
    pub(crate) tokens: Vec<u64>,
    /// Smoothed unigram probabilities, `[d_vocab]`.
    unigram: Vec<f32>,
    pairs: Followers,
    triples: Followers,
}

impl Counts {
    pub(crate) fn new(text: &[u32], d_vocab: usize) -> Self {
        let mut tokens = vec![0u64; d_vocab];
        for &token in text {
            tokens[token as usize] += 1;
        }
        let kinds = tokens.iter().filter(|&&count| count > 0).count() as f64;
        let total = text.len() as f64 + kinds;
        let unigram = tokens
            .iter()
            .map(|&count| ((count as f64 + kinds / d_vocab as f64) / total) as f32)
            .collect();
        let pairs = text.windows(2).map(|w| (u64::from(w[0]), w[1]));
        let triples = text.windows(3).map(|w| (pair(w[0], w[1]), w[2]));
        Self {
            tokens,
            unigram,
            pairs: Followers::count(pairs),
            triples: Followers::count(triples),
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
        let Some((_, counts)) = self.pairs.of(u64::from(last)) else {
            return 0.0;
        };
        let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
        counts.iter().map(|&c| (f64::from(c) / total).powi(2)).sum()
    }
}

fn pair(before: u32, last: u32) -> u64 {
    u64::from(before) << 21 | u64::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, by counting through the text.
    fn by_definition(text: &[u32], d: usize, context: &[u32], y: u32) -> f64 {
        let n = context.len();
        let shorter = if n == 0 {
            1.0 / d as f64
        } else {
            by_definition(text, d, &context[1..], y)
        };
        let followers: Vec<u32> = text
            .windows(n + 1)
            .filter(|window| window[..n] == *context)
            .map(|window| window[n])
            .collect();
        if followers.is_empty() {
            return shorter;
        }
        let kinds = followers
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len() as f64;
        let count = followers.iter().filter(|&&f| f == y).count() as f64;
        (count + kinds * shorter) / (followers.len() as f64 + kinds)
    }

    #[test]
    fn probabilities_are_those_of_the_definition() {
        let text = [0, 1, 2, 0, 1, 3, 0, 1, 2, 2, 2, 4, 0, 2, 1, 3, 3];
        let d = 6;
        let counts = Counts::new(&text, d);
        let mut p = vec![0.0; d];
        let close = |p: &[f32], context: &[u32]| {
            for (y, &p) in p.iter().enumerate() {
                let expected = by_definition(&text, d, context, y as u32);
                assert!((f64::from(p) - expected).abs() < 1e-6, "{context:?} {y}");
            }
            assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        };
        counts.unigram_into(&mut p);
        close(&p, &[]);
        for last in 0..6 {
            counts.bigram_into(last, &mut p);
            close(&p, &[last]);
            for before in 0..6 {
                counts.trigram_into(Some(before), last, &mut p);
                close(&p, &[before, last]);
            }
        }
    }
}
