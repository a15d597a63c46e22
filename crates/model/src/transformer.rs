//! The forward pass, written as the papers write it, with the shape on each line.
//!
//! `R` replicas, `B` sequences for each, `T` positions, `D` = d_model, `H` heads of width `K`,
//! `V` = d_vocab, or d_out of a transformer that reads vectors.

use burn::tensor::{Bool, Int, Tensor, activation, module};
use ontogeny_kernels::plain::relative_pattern;
use ontogeny_kernels::{
    add_positions, causal_attention, layer_norm, linear, linear_onto, relative_attention,
};

use crate::batch::Inputs;
use crate::config::{Block as BlockKind, Norm, Positions, TransformerConfig};
use crate::parameters::Parameters;
use crate::rotary;

/// Added to the variance in every layer norm, as in PyTorch and TransformerLens.
pub const LAYER_NORM_EPSILON: f64 = 1e-5;

/// Gain and offset of a layer norm, each `[R, 1, D]`.
#[derive(Debug, Clone)]
struct NormWeights {
    w: Tensor<3>,
    b: Tensor<3>,
}

/// A matrix `[R, in, out]` and its bias `[R, 1, out]`.
#[derive(Debug, Clone)]
struct Linear {
    w: Tensor<3>,
    b: Option<Tensor<3>>,
}

impl Linear {
    fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.w.clone(), self.b.clone())
    }

    /// `stream + x w + b`.
    fn apply_onto(&self, stream: Tensor<3>, x: Tensor<3>) -> Tensor<3> {
        linear_onto(stream, x, self.w.clone(), self.b.clone())
    }
}

/// The two matrices of an MLP.
#[derive(Debug, Clone)]
struct Mlp {
    norm: Option<NormWeights>,
    inward: Linear,
    outward: Linear,
}

/// One block.
#[derive(Debug, Clone)]
struct Block {
    norm: Option<NormWeights>,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    /// Added to the scores by head and distance, `[R, H, n_ctx]`.
    relative: Option<Tensor<3>>,
    mlp: Option<Mlp>,
}

/// A stack of transformers of one shape, taken apart into what the forward pass reads: handles to
/// the parameters of a [`Network`](crate::Network).
#[derive(Debug, Clone)]
pub(crate) struct Transformer<'a> {
    config: &'a TransformerConfig,
    embed: Tensor<3>,
    positions: Option<Tensor<3>>,
    blocks: Vec<Block>,
    final_norm: Option<NormWeights>,
    unembed: Option<Tensor<3>>,
    unembed_bias: Option<Tensor<3>>,
}

/// What a traced forward pass saw.
#[derive(Debug, Clone)]
pub struct Trace {
    /// `[R, B, T, V]`: logits, or vectors.
    pub outputs: Tensor<4>,
    /// Attention of every layer, `[R, B, H, T, T]`: query position, then key position.
    pub patterns: Vec<Tensor<5>>,
    /// The residual stream before each layer and after the last, `[R, B, T, D]`.
    pub residuals: Vec<Tensor<4>>,
}

impl<'a> Transformer<'a> {
    /// Takes the parameters in the order of [`TransformerConfig::parameters`].
    pub(crate) fn of(config: &'a TransformerConfig, parameters: &Parameters) -> Self {
        let mut rest = parameters.tensors().iter().cloned();
        // The count was checked when the network was made, and each field below takes what
        // `parameters()` lists.
        #[expect(
            clippy::expect_used,
            reason = "the number of tensors was asserted when the network was made"
        )]
        let mut next = || rest.next().expect("one tensor for each parameter");
        let has_norm = config.norm == Norm::Pre;
        let embed = next();
        let positions = config.positions.has_vectors().then(&mut next);
        let blocks = (0..config.n_layers)
            .map(|_| {
                let norm = has_norm.then(|| NormWeights {
                    w: next(),
                    b: next(),
                });
                let mut matrix = || Linear {
                    w: next(),
                    b: config.attention_bias().then(&mut next),
                };
                let (q, k, v, o) = (matrix(), matrix(), matrix(), matrix());
                let relative = (config.positions == Positions::Relative).then(&mut next);
                let mlp = (config.d_mlp > 0).then(|| {
                    let norm = has_norm.then(|| NormWeights {
                        w: next(),
                        b: next(),
                    });
                    let mut matrix = || Linear {
                        w: next(),
                        b: config.bias.then(&mut next),
                    };
                    Mlp {
                        norm,
                        inward: matrix(),
                        outward: matrix(),
                    }
                });
                Block {
                    norm,
                    q,
                    k,
                    v,
                    o,
                    relative,
                    mlp,
                }
            })
            .collect();
        let final_norm = has_norm.then(|| NormWeights {
            w: next(),
            b: next(),
        });
        let unembed = (!config.tied).then(&mut next);
        let unembed_bias = config.bias.then(&mut next);
        Self {
            config,
            embed,
            positions,
            blocks,
            final_norm,
            unembed,
            unembed_bias,
        }
    }

    /// Outputs `[R, B·T, V]` for tokens `[R, B·T]` or vectors `[R, B·T, d_in]`, `positions` = T to
    /// an example. `dropout`, if it is not empty, has factors `[R, B·T, D]` for the embedding and
    /// for what each attention and each MLP adds.
    ///
    /// # Panics
    /// If T is greater than `n_ctx`, or does not divide the number of rows, or the inputs are of
    /// the kind that it does not read.
    pub(crate) fn forward(
        &self,
        inputs: &Inputs,
        positions: usize,
        dropout: &[Tensor<3>],
    ) -> Tensor<3> {
        self.pass(inputs, positions, dropout, None)
    }

    /// Outputs, attention patterns and residual streams for the same.
    pub(crate) fn forward_traced(&self, inputs: &Inputs, positions: usize) -> Trace {
        let [r, bt] = inputs.dims();
        let (mut patterns, mut residuals) = (Vec::new(), Vec::new());
        let outputs = self.pass(
            inputs,
            positions,
            &[],
            Some((&mut patterns, &mut residuals)),
        );
        Trace {
            outputs: outputs.reshape([r, bt / positions, positions, self.config.d_out()]),
            patterns,
            residuals,
        }
    }

    fn pass(
        &self,
        inputs: &Inputs,
        t: usize,
        dropout: &[Tensor<3>],
        mut trace: Option<(&mut Vec<Tensor<5>>, &mut Vec<Tensor<4>>)>,
    ) -> Tensor<3> {
        let c = self.config;
        let [r, bt] = inputs.dims();
        assert!(t <= c.n_ctx && bt % t == 0, "{t} positions, {bt} rows");
        let b = bt / t;
        let device = self.embed.device();

        // Shortformer adds positions to what Q and K read; learned positions join the stream.
        let positions = self.positions.as_ref().map(|p| p.clone().narrow(1, 0, t)); // [R, T, D]
        let (to_stream, to_keys) = match c.positions {
            Positions::Learned => (positions, None),
            Positions::Shortformer => (None, positions),
            Positions::Rotary | Positions::Relative => (None, None),
        };
        let angles =
            (c.positions == Positions::Rotary).then(|| rotary::tables(t, c.d_head, &device));

        let mut x = match (inputs, c.vectors) {
            (Inputs::Tokens(tokens), None) => lookup(&self.embed, tokens.clone()),
            (Inputs::Values(values), Some(_)) => linear(values.clone(), self.embed.clone(), None),
            (Inputs::Values(_), None) => unreachable!("this transformer reads tokens"),
            (Inputs::Tokens(_), Some(_)) => unreachable!("this transformer reads vectors"),
        }; // [R, B·T, D]
        if let Some(positions) = to_stream {
            x = add_positions(x, positions);
        }
        let mut dropout = dropout.iter();
        if let Some(mask) = dropout.next() {
            x = x * mask.clone();
        }
        // `stream + f(y)`, with factors on what is added.
        let mut add = |stream: Tensor<3>, f: &Linear, y: Tensor<3>| match dropout.next() {
            Some(mask) => stream + f.apply(y) * mask.clone(),
            None => f.apply_onto(stream, y),
        };
        for block in &self.blocks {
            if let Some((_, residuals)) = &mut trace {
                residuals.push(x.clone().reshape([r, b, t, c.d_model]));
            }
            let before = (c.block == BlockKind::Doubled).then(|| x.clone());
            let read = apply_norm(&block.norm, x.clone());
            let keyed = match &to_keys {
                Some(positions) => add_positions(read.clone(), positions.clone()),
                None => read.clone(),
            };
            let heads = |y: Tensor<3>| {
                y.reshape([r * b, t, c.n_heads, c.d_head]) // [R·B, T, H, K]
                    .swap_dims(1, 2) // [R·B, H, T, K]
            };
            let mut q = heads(block.q.apply(keyed.clone()));
            let mut k = heads(block.k.apply(keyed));
            let v = heads(block.v.apply(read));
            if let Some(angles) = &angles {
                q = rotary::rotate(q, angles.clone());
                k = rotary::rotate(k, angles.clone());
            }
            if let Some((patterns, _)) = &mut trace {
                let pattern = match &block.relative {
                    None => attention_pattern(q.clone(), k.clone()), // [R·B, H, T, T]
                    Some(relative) => relative_pattern(q.clone(), k.clone(), relative.clone()),
                };
                patterns.push(pattern.reshape([r, b, c.n_heads, t, t]));
            }
            let z = match &block.relative {
                None => causal_attention(q, k, v),
                Some(relative) => relative_attention(q, k, v, relative.clone()),
            };
            let z = z // [R·B, H, T, K]
                .swap_dims(1, 2) // [R·B, T, H, K]
                .reshape([r, bt, c.d_attn()]);
            x = add(x, &block.o, z);
            if let Some(mlp) = &block.mlp {
                let hidden = mlp.inward.apply(apply_norm(&mlp.norm, x.clone())); // [R, B·T, M]
                let hidden = c.activation.apply(hidden);
                x = add(x, &mlp.outward, hidden);
            }
            if let Some(before) = before {
                x = x + before;
            }
        }
        if let Some((_, residuals)) = &mut trace {
            residuals.push(x.clone().reshape([r, b, t, c.d_model]));
        }
        let x = apply_norm(&self.final_norm, x);
        let unembed = match &self.unembed {
            Some(w) => w.clone(),
            None => self.embed.clone().swap_dims(1, 2),
        };
        linear(x, unembed, self.unembed_bias.clone()) // [R, B·T, V]
    }
}

/// Attention of each query `[N, H, T, K]` to each key: softmax over the keys that are not later,
/// `[N, H, T, T]`. Only a trace needs it as a tensor.
fn attention_pattern(q: Tensor<4>, k: Tensor<4>) -> Tensor<4> {
    let [_, _, t, d_head] = q.dims();
    let later = Tensor::<2, Bool>::tril_mask([t, t], 0, &q.device()).reshape([1, 1, t, t]);
    let scores = q.matmul(k.swap_dims(2, 3)) / (d_head as f64).sqrt();
    activation::softmax(scores.mask_fill(later, f32::NEG_INFINITY), 3)
}

fn apply_norm(norm: &Option<NormWeights>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(n) => layer_norm(x, n.w.clone(), n.b.clone(), LAYER_NORM_EPSILON),
        None => x,
    }
}

/// Rows of each replica's table `[R, V, D]` at its tokens `[R, N]`, as `[R, N, D]`.
fn lookup(table: &Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<3> {
    let [r, v, d] = table.dims();
    let n = tokens.dims()[1];
    let tokens = if r == 1 {
        tokens
    } else {
        // One table of R·V rows; replica i's tokens start at i·V.
        let first = Tensor::<1, Int>::arange(0..r as i64, &tokens.device()).mul_scalar(v as i64);
        tokens + first.reshape([r, 1])
    };
    module::embedding(
        table.clone().reshape([r * v, d]),
        tokens.reshape([1, r * n]),
    )
    .reshape([r, n, d])
}
