//! What a transformer is: its shape, its choices, and the list of its parameters.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// What follows a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// x·Φ(x), with the exact error function.
    #[default]
    Gelu,
    /// x·σ(x).
    Silu,
    /// tanh x.
    Tanh,
    /// Nothing.
    Linear,
}

impl Activation {
    pub(crate) fn apply(self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Gelu => activation::gelu(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => activation::tanh(x),
            Self::Linear => x,
        }
    }
}

/// Where layer norms stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Before each attention and MLP, and once before the unembedding.
    #[default]
    Pre,
    /// Nowhere.
    None,
}

/// How a position enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// A learned vector added to the residual stream at the start.
    #[default]
    Learned,
    /// The same learned vectors, added after the layer norm to what queries and keys read, and
    /// never to the residual stream (Press et al. 2021, as in TransformerLens).
    Shortformer,
    /// Queries and keys rotated by position (Su et al. 2021): component `i` with component
    /// `i + d_head/2`, angle `position · 10000^(−2i/d_head)`.
    Rotary,
    /// A learned number for each head and distance, added to the scores of attention before the
    /// softmax (Raffel et al. 2020, without its buckets; relative positions as in Edelman et al.
    /// 2024). Nothing is added to the residual stream.
    Relative,
}

impl Positions {
    /// Whether there is a table of vectors, one for each position.
    pub(crate) fn has_vectors(self) -> bool {
        matches!(self, Self::Learned | Self::Shortformer)
    }
}

/// What a block adds to the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Attention, and then the MLP: `x ← x + attn(x)`, `x ← x + mlp(x)`.
    #[default]
    Standard,
    /// The authors' block of Hoogland et al. 2024 (arXiv 2402.02364) for in-context regression: its
    /// whole output is added to its input once more, `x ← x + block(x)`, which makes
    /// `2x + attn + mlp`; and attention has no biases, whatever `bias` says.
    Doubled,
}

impl Block {
    /// Whether it is the standard one, which keys and files of runs do not say.
    pub fn is_standard(&self) -> bool {
        *self == Self::Standard
    }
}

/// Components of the vectors that a transformer reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorEnds {
    /// Components of an input.
    pub d_in: usize,
    /// Components of an output.
    pub d_out: usize,
}

/// How weights begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum InitKind {
    /// Embeddings N(0, 1); matrices and biases uniform on ±1/√fan_in.
    #[default]
    Standard,
    /// Embeddings and matrices N(0, 0.02²); biases zero.
    Normal,
    /// Embeddings N(0, 1/d_model); matrices N(0, 1/fan_in); biases zero.
    Lecun,
    /// A fully connected network whose map has every singular mode of its source, each with the
    /// amplitude `scale`, shared out evenly over the layers (Saxe et al. 2014). For sources whose
    /// modes are known.
    Aligned,
}

/// A named initialisation. The scale alone can reorder the stages of development.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Init {
    /// Which distributions.
    pub kind: InitKind,
    /// Multiplies every weight that is drawn; layer norms start at one and zero regardless. Of
    /// `aligned`, the amplitude of each mode.
    pub scale: f64,
    /// In place of `scale` for the matrix of the unembedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unembed_scale: Option<f64>,
}

impl Default for Init {
    fn default() -> Self {
        Self {
            kind: InitKind::Standard,
            scale: 1.0,
            unembed_scale: None,
        }
    }
}

impl Init {
    /// Refuses a scale that is none.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the field and what would be right.
    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        let scales = [
            ("init.scale", Some(self.scale)),
            ("init.unembed_scale", self.unembed_scale),
        ];
        for (field, scale) in scales {
            if let Some(scale) = scale
                && !(scale.is_finite() && scale > 0.0)
            {
                let reason = format!("must be a positive number, found {scale}");
                return Err(ModelError::config(field, reason));
            }
        }
        Ok(())
    }
}

/// A decoder-only transformer, in the words of TransformerLens.
///
/// Written as `config.json` beside checkpoints: it suffices to rebuild the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Blocks.
    pub n_layers: usize,
    /// Attention heads in each block.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Width of the MLP; 0 leaves MLPs out.
    pub d_mlp: usize,
    /// Non-linearity of the MLP.
    pub activation: Activation,
    /// Where layer norms stand.
    pub norm: Norm,
    /// How a position enters.
    pub positions: Positions,
    /// Whether the unembedding is the transposed embedding.
    pub tied: bool,
    /// Whether attention, MLP and unembedding have biases. Layer norms always have theirs.
    pub bias: bool,
    /// What a block adds to the residual stream.
    #[serde(default, skip_serializing_if = "Block::is_standard")]
    pub block: Block,
    /// Greatest number of positions.
    pub n_ctx: usize,
    /// Size of the vocabulary; 0 where vectors are read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub d_vocab: usize,
    /// The vectors that are read and written in place of tokens: the embedding is then a matrix
    /// without bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<VectorEnds>,
    /// How weights begin.
    pub init: Init,
}

// What says nothing of a decoder of tokens is not written: `config.json` of older runs has no such
// members.

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// What a parameter is to the network; initialisation and weight decay depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Rows looked up by token or position.
    Embedding,
    /// A matrix that takes `fan_in` inputs.
    Matrix {
        /// Number of inputs.
        fan_in: usize,
    },
    /// Added after a matrix that takes `fan_in` inputs.
    Bias {
        /// Number of inputs of the matrix it belongs to.
        fan_in: usize,
    },
    /// Gain of a layer norm.
    NormGain,
    /// Offset of a layer norm.
    NormOffset,
}

/// Where in the network a parameter is: what λ̂ of a part of it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Embeddings of tokens and of positions.
    Embedding,
    /// A layer norm: of a block, or before the unembedding.
    Norm {
        /// The block.
        layer: Option<usize>,
    },
    /// Attention of a block.
    Attention {
        /// The block.
        layer: usize,
        /// Where its heads lie beside each other; `None` for what belongs to no head.
        heads: Option<HeadAxis>,
    },
    /// The MLP of a block.
    Mlp {
        /// The block.
        layer: usize,
    },
    /// From the residual stream to logits.
    Unembedding,
    /// A layer of a fully connected network.
    Dense {
        /// The layer.
        layer: usize,
    },
}

impl Part {
    /// The block or layer, if it is in one.
    pub fn layer(self) -> Option<usize> {
        match self {
            Self::Attention { layer, .. } | Self::Mlp { layer } | Self::Dense { layer } => {
                Some(layer)
            }
            Self::Norm { layer } => layer,
            Self::Embedding | Self::Unembedding => None,
        }
    }
}

/// Along what the heads of an attention parameter lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadAxis {
    /// Rows, as in W_O.
    Rows,
    /// Columns, as in W_Q, W_K, W_V and their biases.
    Columns,
}

/// How the rows and columns used in computation relate to the shape on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The bytes are the same; only the shape differs.
    Same,
    /// `[head, d_model, d_head]` on disk, `[d_model, head · d_head]` in computation.
    HeadsOutside {
        /// Number of heads.
        n_heads: usize,
    },
}

/// One parameter: its name and shape on disk, and its matrix in computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The name TransformerLens gives it.
    pub name: String,
    /// Shape on disk, without the replica axis.
    pub shape: Vec<usize>,
    /// Rows in computation (1 for vectors).
    pub rows: usize,
    /// Columns in computation.
    pub cols: usize,
    /// How the two relate.
    pub layout: Layout,
    /// What it is to the network.
    pub role: Role,
    /// Where it is.
    pub part: Part,
}

impl ParameterSpec {
    /// Number of scalars in one replica.
    pub fn len(&self) -> usize {
        self.rows * self.cols
    }

    /// Whether it holds nothing; never true of a valid configuration.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn new(name: String, shape: &[usize], role: Role, part: Part) -> Self {
        let (rows, cols) = match shape {
            [n] => (1, *n),
            [a, b] => (*a, *b),
            [a, b, c] => (a * b, *c),
            _ => (0, 0),
        };
        Self {
            name,
            shape: shape.to_vec(),
            rows,
            cols,
            layout: Layout::Same,
            role,
            part,
        }
    }
}

impl TransformerConfig {
    /// Refuses shapes that make no network.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the field and what would be right.
    pub fn validate(&self) -> Result<(), ModelError> {
        let positive = [
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("d_model", self.d_model),
            ("d_head", self.d_head),
            ("n_ctx", self.n_ctx),
        ];
        let ends = match self.vectors {
            None => [("d_vocab", self.d_vocab); 2],
            Some(ends) => [("vectors.d_in", ends.d_in), ("vectors.d_out", ends.d_out)],
        };
        for (field, value) in positive.into_iter().chain(ends) {
            if value == 0 {
                return Err(ModelError::config(field, "must be at least 1, found 0"));
            }
        }
        if self.positions == Positions::Rotary && !self.d_head.is_multiple_of(2) {
            return Err(ModelError::config(
                "d_head",
                format!(
                    "must be even for rotary positions, found {}; components are rotated in pairs",
                    self.d_head
                ),
            ));
        }
        if self.tied && self.vectors.is_some() {
            return Err(ModelError::config(
                "tied",
                "must be false for a transformer that reads vectors: what it writes are others",
            ));
        }
        if self.init.kind == InitKind::Aligned {
            return Err(ModelError::config(
                "init.kind",
                "is `aligned`, which is for fully connected networks on a hierarchy",
            ));
        }
        self.init.validate()
    }

    /// Width of all heads of a block together.
    pub fn d_attn(&self) -> usize {
        self.n_heads * self.d_head
    }

    /// Components of an output: logits of tokens, or a vector's.
    pub fn d_out(&self) -> usize {
        self.vectors.map_or(self.d_vocab, |ends| ends.d_out)
    }

    /// Whether attention has biases.
    pub(crate) fn attention_bias(&self) -> bool {
        self.bias && self.block.is_standard()
    }

    /// Every parameter in canonical order. Names, shapes and order on disk come from here alone.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let (d, h, dh, m) = (self.d_model, self.n_heads, self.d_head, self.d_mlp);
        let mut specs = Vec::new();
        let embedding = |name: &str, rows: usize| {
            ParameterSpec::new(name.into(), &[rows, d], Role::Embedding, Part::Embedding)
        };
        specs.push(match self.vectors {
            None => embedding("embed.W_E", self.d_vocab),
            Some(VectorEnds { d_in, .. }) => {
                let role = Role::Matrix { fan_in: d_in };
                ParameterSpec::new("embed.W_E".into(), &[d_in, d], role, Part::Embedding)
            }
        });
        if self.positions.has_vectors() {
            specs.push(embedding("pos_embed.W_pos", self.n_ctx));
        }
        let norm = |specs: &mut Vec<ParameterSpec>, at: String, layer: Option<usize>| {
            if self.norm == Norm::Pre {
                for (which, role) in [("w", Role::NormGain), ("b", Role::NormOffset)] {
                    let name = format!("{at}.{which}");
                    specs.push(ParameterSpec::new(name, &[d], role, Part::Norm { layer }));
                }
            }
        };
        let matrix = |name: String, shape: &[usize], fan_in: usize, part: Part| {
            ParameterSpec::new(name, shape, Role::Matrix { fan_in }, part)
        };
        let bias = |name: String, shape: &[usize], fan_in: usize, part: Part| {
            let spec = ParameterSpec::new(name, shape, Role::Bias { fan_in }, part);
            self.bias.then_some(ParameterSpec {
                rows: 1,
                cols: shape.iter().product(),
                ..spec
            })
        };
        for layer in 0..self.n_layers {
            let at = format!("blocks.{layer}");
            let attention = |heads| Part::Attention { layer, heads };
            norm(&mut specs, format!("{at}.ln1"), Some(layer));
            for which in ["Q", "K", "V"] {
                let part = attention(Some(HeadAxis::Columns));
                specs.push(ParameterSpec {
                    rows: d,
                    cols: h * dh,
                    layout: Layout::HeadsOutside { n_heads: h },
                    ..matrix(format!("{at}.attn.W_{which}"), &[h, d, dh], d, part)
                });
                let bias = bias(format!("{at}.attn.b_{which}"), &[h, dh], d, part);
                specs.extend(bias.filter(|_| self.attention_bias()));
            }
            let part = attention(Some(HeadAxis::Rows));
            specs.push(matrix(format!("{at}.attn.W_O"), &[h, dh, d], h * dh, part));
            // The bias of the output belongs to no head.
            let output = bias(format!("{at}.attn.b_O"), &[d], h * dh, attention(None));
            specs.extend(output.filter(|_| self.attention_bias()));
            if self.positions == Positions::Relative {
                let shape = [h, self.n_ctx];
                let name = format!("{at}.attn.b_rel");
                specs.push(ParameterSpec::new(name, &shape, Role::Embedding, part));
            }
            if m > 0 {
                let part = Part::Mlp { layer };
                norm(&mut specs, format!("{at}.ln2"), Some(layer));
                specs.push(matrix(format!("{at}.mlp.W_in"), &[d, m], d, part));
                specs.extend(bias(format!("{at}.mlp.b_in"), &[m], d, part));
                specs.push(matrix(format!("{at}.mlp.W_out"), &[m, d], m, part));
                specs.extend(bias(format!("{at}.mlp.b_out"), &[d], m, part));
            }
        }
        norm(&mut specs, "ln_final".into(), None);
        let (v, part) = (self.d_out(), Part::Unembedding);
        if !self.tied {
            specs.push(matrix("unembed.W_U".into(), &[d, v], d, part));
        }
        specs.extend(bias("unembed.b_U".into(), &[v], d, part));
        specs
    }
}
