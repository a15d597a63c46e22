//! Networks of fixed shape and random tokens for them.

use burn::tensor::Device;
use ontogeny_data::{Examples, Sequences};
use ontogeny_model::{Activation, Init, Network, Norm, Positions, TransformerConfig, init};
use ontogeny_store::Stream;
use serde::Serialize;

/// Attention-only networks of two layers with layer norm and learned positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// Vocabulary 64, context 64, width 64, 4 heads, batch 32.
    Tiny,
    /// Vocabulary 512, context 128, width 128, 4 heads, batch 32.
    Small,
    /// Vocabulary 5000, context 1024, width 256, 8 heads, batch 4: the language models of the
    /// papers.
    Paper,
}

/// The shape of a network and of its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// What it began as.
    pub name: Named,
    /// Size of the vocabulary.
    pub d_vocab: usize,
    /// Positions of a sequence.
    pub n_ctx: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Heads of a layer.
    pub n_heads: usize,
    /// Sequences in a batch.
    pub batch: usize,
}

impl From<Named> for Workload {
    fn from(name: Named) -> Self {
        let (d_vocab, n_ctx, d_model, n_heads, batch) = match name {
            Named::Tiny => (64, 64, 64, 4, 32),
            Named::Small => (512, 128, 128, 4, 32),
            Named::Paper => (5000, 1024, 256, 8, 4),
        };
        Self {
            name,
            d_vocab,
            n_ctx,
            d_model,
            n_heads,
            batch,
        }
    }
}

/// Batches that are made beforehand and used in turn.
const POOL: usize = 8;

impl Workload {
    /// The network.
    pub fn network(self) -> TransformerConfig {
        let Self {
            d_vocab,
            n_ctx,
            d_model,
            n_heads,
            ..
        } = self;
        TransformerConfig {
            n_layers: 2,
            n_heads,
            d_model,
            d_head: d_model / n_heads,
            d_mlp: 0,
            activation: Activation::Gelu,
            norm: Norm::Pre,
            positions: Positions::Learned,
            tied: false,
            bias: true,
            block: ontogeny_model::Block::Standard,
            vectors: None,
            n_ctx,
            d_vocab,
            init: Init::default(),
        }
    }

    /// Tokens in, width, width: the product that a layer makes most often.
    pub fn projection(self) -> [usize; 3] {
        let c = self.network();
        [self.batch * c.n_ctx, c.d_model, c.d_model]
    }

    /// Arithmetic of one step, forward and backward, in FLOP: matrix products, with attention
    /// counted in full, although half of it is masked.
    pub fn step_flop(self) -> f64 {
        let c = self.network();
        let tokens = (self.batch * c.n_ctx) as f64;
        let (d, t) = (c.d_model as f64, c.n_ctx as f64);
        let layer = 4.0 * 2.0 * tokens * d * d + 4.0 * tokens * t * d;
        let forward = c.n_layers as f64 * layer + 2.0 * tokens * d * c.d_vocab as f64;
        3.0 * forward
    }

    /// `replicas` networks, each with weights of its own.
    pub fn draw(self, replicas: usize, device: &Device) -> Network {
        let config = self.network();
        let each: Vec<_> = (0..replicas as u64)
            .map(|r| (config.init, Stream::new(r, "bench weights", &[])))
            .collect();
        init::draw(config, &each, device)
    }

    /// Batches of uniform random tokens for one replica.
    pub fn pool(self, replica: usize) -> Vec<Examples> {
        let c = self.network();
        let (rows, len) = (self.batch, c.n_ctx + 1);
        let stream = Stream::new(replica as u64, "bench tokens", &[]);
        let batch = |index: usize| {
            let mut uniform = vec![0.0; rows * len];
            stream.fill_uniform(index as u64, &mut uniform);
            let tokens = uniform.iter().map(|u| (u * c.d_vocab as f32) as u32);
            Examples::Sequences(Sequences {
                tokens: tokens.collect(),
                rows,
                len,
            })
        };
        (0..POOL).map(batch).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of the literature's comparison: 0.65, 6.4 and 70 GFLOP.
    #[test]
    fn arithmetic_is_that_of_the_products() {
        let gflop = [Named::Tiny, Named::Small, Named::Paper]
            .map(|name| Workload::from(name).step_flop() / 1e9);
        for (found, expected) in gflop.into_iter().zip([0.654, 6.44, 69.6]) {
            assert!((found / expected - 1.0).abs() < 0.01, "{gflop:?}");
        }
    }
}
