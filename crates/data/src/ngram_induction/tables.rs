//! The tables of the language without triggers: `P(next | a, b)` for the last two tokens `a, b`.

use ontogeny_store::{KeyBuilder, Stream, StreamRng};
use rand::Rng;
use rand_distr::{Distribution, Gamma};

use crate::draw::{uniform, weighted};
use crate::{DataError, NgramInductionSpec};

/// Logits of a row are at most 0 and at least this, so that nothing is impossible and no
/// log-probability infinite: e⁻³⁰ is about 10⁻¹³.
const LEAST_LOGIT: f64 = -30.0;

/// Tokens of the long text from which the frequencies of the language are estimated.
const SAMPLE: usize = 1 << 17;

/// Exponentials of the logits, so that a distribution is a product and a division by its sum.
#[derive(Debug)]
pub(crate) struct Tables {
    d_vocab: usize,
    /// `[last, next]`: `exp(A[last] − zipf · ln(next + 1))`.
    bigram: Vec<f64>,
    /// `[before, next]`: `exp(trigram_strength · A2[before])`.
    skip: Vec<f64>,
}

impl Tables {
    pub(crate) fn draw(spec: &NgramInductionSpec) -> Result<Self, DataError> {
        let d = spec.d_vocab;
        let rows = |purpose: &str, key: &'static str, concentration: f64| {
            let stream = Stream::new(spec.seed, purpose, &[d as u64]);
            let gamma = Gamma::new(concentration + 1.0, 1.0)
                .map_err(|error| DataError::setting(key, error.to_string()))?;
            let mut logits = Vec::with_capacity(d * d);
            for row in 0..d as u64 {
                log_dirichlet(&mut stream.at(row), &gamma, concentration, d, &mut logits);
            }
            Ok(logits)
        };
        let mut bigram = rows(
            "bigram table",
            "bigram_concentration",
            spec.bigram_concentration,
        )?;
        for row in bigram.chunks_exact_mut(d) {
            for (next, logit) in row.iter_mut().enumerate() {
                *logit = (*logit - spec.zipf * (next as f64 + 1.0).ln()).exp();
            }
        }
        let mut skip = rows(
            "skip-trigram table",
            "trigram_concentration",
            spec.trigram_concentration,
        )?;
        for logit in &mut skip {
            *logit = (spec.trigram_strength * *logit).exp();
        }
        Ok(Self {
            d_vocab: d,
            bigram,
            skip,
        })
    }

    pub(crate) fn d_vocab(&self) -> usize {
        self.d_vocab
    }

    /// Adds the tables' content to a key.
    pub(crate) fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        // In single precision: the last bits of `exp` and `ln` differ between systems, the
        // language does not.
        let single = |table: &[f64]| table.iter().map(|&x| x as f32).collect::<Vec<_>>();
        key.f32s("bigram", &single(&self.bigram))
            .f32s("skip", &single(&self.skip))
    }

    /// Unnormalised `P(next | before, last)`; without `before` the skip part is left out.
    fn weights_into(&self, before: Option<u32>, last: u32, out: &mut [f64]) {
        let d = self.d_vocab;
        let last = last as usize;
        out.copy_from_slice(&self.bigram[last * d..(last + 1) * d]);
        if let Some(before) = before {
            let before = before as usize;
            for (weight, &skip) in out.iter_mut().zip(&self.skip[before * d..(before + 1) * d]) {
                *weight *= skip;
            }
        }
    }

    /// `P(next | before, last)` into `out`, `[d_vocab]`.
    pub(crate) fn next_into(&self, before: Option<u32>, last: u32, out: &mut [f64]) {
        self.weights_into(before, last, out);
        let scale = 1.0 / out.iter().sum::<f64>();
        for p in out {
            *p *= scale;
        }
    }

    /// A draw from `P(next | before, last)`; `scratch` is `[d_vocab]`.
    pub(crate) fn draw_next(
        &self,
        before: Option<u32>,
        last: u32,
        scratch: &mut [f64],
        rng: &mut impl Rng,
    ) -> u32 {
        self.weights_into(before, last, scratch);
        weighted(rng, scratch) as u32
    }

    /// Relative frequencies of the tokens in a long text of this language, `[d_vocab]`, each
    /// count raised by one so that no token is impossible.
    pub(crate) fn frequencies(&self, seed: u64) -> Vec<f64> {
        let mut rng = Stream::new(seed, "table frequencies", &[]).at(0);
        let mut scratch = vec![0.0; self.d_vocab];
        let mut counts = vec![1.0; self.d_vocab];
        let (mut before, mut last) = (None, 0);
        for _ in 0..SAMPLE {
            let next = self.draw_next(before, last, &mut scratch, &mut rng);
            counts[next as usize] += 1.0;
            (before, last) = (Some(last), next);
        }
        let total: f64 = counts.iter().sum();
        counts.iter().map(|count| count / total).collect()
    }
}

/// Appends the logarithms of a Dirichlet draw, shifted so that the largest is 0.
///
/// `gamma` has shape `concentration + 1`: a draw of shape α is a draw of shape α + 1 times
/// U^{1/α} (Stuart 1962), and in logarithms small α cannot underflow.
fn log_dirichlet(
    rng: &mut StreamRng,
    gamma: &Gamma<f64>,
    concentration: f64,
    d: usize,
    out: &mut Vec<f64>,
) {
    let start = out.len();
    for _ in 0..d {
        let ln_gamma = gamma.sample(rng).ln();
        let u = 1.0 - uniform(rng);
        out.push(ln_gamma + u.ln() / concentration);
    }
    let row = &mut out[start..];
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for logit in row {
        *logit = (*logit - largest).max(LEAST_LOGIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dirichlet_rows_have_the_moments_of_their_concentration() {
        // Of a symmetric Dirichlet(α) of d parts: E p = 1/d, E p² = (α+1)/(d(dα+1)).
        let (d, concentration) = (8, 0.3);
        let spec = NgramInductionSpec {
            d_vocab: d,
            bigram_concentration: concentration,
            ..NgramInductionSpec::default()
        };
        let mut squares = Vec::new();
        let mut p = vec![0.0; d];
        for seed in 0..500 {
            let tables = Tables::draw(&NgramInductionSpec {
                seed,
                ..spec.clone()
            })
            .unwrap();
            for last in 0..d as u32 {
                tables.next_into(None, last, &mut p);
                squares.push(p.iter().map(|p| p * p).sum::<f64>());
            }
        }
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        let expected = (concentration + 1.0) / (d as f64 * concentration + 1.0);
        // The sum of squares lies in [1/8, 1], so its mean over 4000 rows has a standard error
        // below .5/√4000 = .008; .02 is at least 2.5 of the worst case and about 6 of what it is.
        assert!((mean - expected).abs() < 0.02, "{mean} {expected}");
    }

    #[test]
    fn logits_add_up_as_the_formula_says() {
        let spec = NgramInductionSpec {
            d_vocab: 5,
            zipf: 0.7,
            ..NgramInductionSpec::default()
        };
        let plain = Tables::draw(&NgramInductionSpec {
            zipf: 0.0,
            ..spec.clone()
        })
        .unwrap();
        let tables = Tables::draw(&spec).unwrap();
        let mut p = [0.0; 5];
        tables.next_into(Some(3), 2, &mut p);
        let logits: Vec<f64> = (0..5)
            .map(|y| {
                plain.bigram[2 * 5 + y].ln() + plain.skip[3 * 5 + y].ln()
                    - 0.7 * (y as f64 + 1.0).ln()
            })
            .collect();
        let total: f64 = logits.iter().map(|l| l.exp()).sum();
        for (p, logit) in p.iter().zip(&logits) {
            assert!((p - logit.exp() / total).abs() < 1e-12);
        }
    }

    #[test]
    fn extreme_settings_leave_every_token_possible() {
        let spec = NgramInductionSpec {
            d_vocab: 6,
            bigram_concentration: 1e-3,
            trigram_concentration: 1e-3,
            trigram_strength: 10.0,
            zipf: 10.0,
            ..NgramInductionSpec::default()
        };
        let tables = Tables::draw(&spec).unwrap();
        let mut p = [0.0; 6];
        for before in 0..6 {
            for last in 0..6 {
                tables.next_into(Some(before), last, &mut p);
                assert!(p.iter().all(|&p| p > 0.0 && p <= 1.0), "{p:?}");
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }
}
