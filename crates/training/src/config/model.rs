//! `[model]`: the network as it is typed.

use ontogeny_data::{Features, Source};
use ontogeny_model::{
    Activation, Biases, Block, Init, InitKind, MlpConfig, ModelError, NetworkConfig, Norm,
    Positions, TransformerConfig, VectorEnds,
};
use serde::{Deserialize, Serialize};

use super::validate::{Problem, at_least, at_most};

/// Widths and counts beyond this are typing errors, not small networks.
const GREATEST_WIDTH: u64 = 65_536;

/// Which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// A decoder-only transformer that reads tokens, or a sequence of vectors.
    #[default]
    Transformer,
    /// A fully connected network that reads vectors.
    Mlp,
}

/// The network, but for what the source decides: the size of the vocabulary of a transformer, the
/// widths at both ends of a fully connected network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSection {
    /// Which network. What is not of its kind means nothing to it.
    #[serde(skip_serializing_if = "is_transformer")]
    pub kind: NetworkKind,
    /// Widths of the hidden layers of a fully connected network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<usize>,
    /// After the last matrix of a fully connected network.
    #[serde(skip_serializing_if = "is_linear")]
    pub output_activation: Activation,
    /// Which layers of a fully connected network have biases.
    #[serde(skip_serializing_if = "is_all")]
    pub biases: Biases,
    /// Blocks.
    pub n_layers: usize,
    /// Attention heads in each block.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of one head. Default: `d_model / n_heads`; always set once loaded.
    pub d_head: Option<usize>,
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
    /// Whether attention, MLP and unembedding have biases.
    pub bias: bool,
    /// What a block adds to the residual stream.
    #[serde(skip_serializing_if = "Block::is_standard")]
    pub block: Block,
    /// Number of positions; a source of sequences of vectors has its own.
    pub n_ctx: usize,
    /// Size of the vocabulary. Default: the source's; it may be greater, never less.
    pub d_vocab: Option<usize>,
    /// How weights begin.
    pub init: Init,
}

// What says nothing of a transformer is not written, so that keys of its runs stay what they are.

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_transformer(kind: &NetworkKind) -> bool {
    *kind == NetworkKind::Transformer
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_linear(activation: &Activation) -> bool {
    *activation == Activation::Linear
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_all(biases: &Biases) -> bool {
    *biases == Biases::All
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            kind: NetworkKind::Transformer,
            hidden: Vec::new(),
            output_activation: Activation::Linear,
            biases: Biases::All,
            n_layers: 2,
            n_heads: 4,
            d_model: 64,
            d_head: None,
            d_mlp: 0,
            activation: Activation::default(),
            norm: Norm::default(),
            positions: Positions::default(),
            tied: false,
            bias: true,
            block: Block::Standard,
            n_ctx: 64,
            d_vocab: None,
            init: Init::default(),
        }
    }
}

impl ModelSection {
    /// Width of one head: as set, or `d_model / n_heads`.
    pub fn d_head(&self) -> usize {
        self.d_head
            .unwrap_or_else(|| self.d_model.checked_div(self.n_heads).unwrap_or(0))
    }

    /// The network for some sources, which are of one family.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it does not read what the sources give, if `d_vocab` is set to
    /// less than the largest vocabulary, or if the shape makes no network.
    pub fn build(&self, sources: &[&Source]) -> Result<NetworkConfig, ModelError> {
        let features = sources.iter().find_map(|source| source.features());
        let regression = sources.iter().find(|source| source.regression().is_some());
        match (self.kind, features, regression) {
            (NetworkKind::Transformer, None, None) => {
                let vocabularies = sources.iter().map(|source| source.d_out());
                self.of_tokens(vocabularies.max().unwrap_or(0))
            }
            (NetworkKind::Transformer, None, Some(source)) => {
                if self.d_vocab.is_some() {
                    return Err(ModelError::config(
                        "d_vocab",
                        "means nothing to a transformer that reads vectors; leave it out",
                    ));
                }
                let ends = VectorEnds {
                    d_in: source.d_in().unwrap_or(0),
                    d_out: source.d_out(),
                };
                self.transformer(source.positions(), 0, Some(ends))
            }
            (NetworkKind::Mlp, Some(features), None) => {
                let has_modes = matches!(features, Features::Hierarchy(_));
                if self.init.kind == InitKind::Aligned && (self.tied || !has_modes) {
                    return Err(ModelError::config(
                        "init.kind",
                        "is `aligned`, which needs a hierarchy as the source, whose modes are \
                         known, and layers that are not tied",
                    ));
                }
                self.mlp(features.d_in(), features.d_out())
            }
            (NetworkKind::Transformer, Some(_), _) => Err(ModelError::config(
                "kind",
                "is `transformer`, which reads tokens or sequences of vectors, and the source has \
                 single vectors: `mlp` reads them",
            )),
            (NetworkKind::Mlp, _, _) => Err(ModelError::config(
                "kind",
                "is `mlp`, which reads single vectors, and the source has sequences: `transformer` \
                 reads them",
            )),
        }
    }

    /// The transformer that reads the tokens of a source with so large a vocabulary.
    pub(super) fn of_tokens(&self, source_vocab: usize) -> Result<NetworkConfig, ModelError> {
        let d_vocab = self.d_vocab.unwrap_or(source_vocab);
        if d_vocab < source_vocab {
            return Err(ModelError::config(
                "d_vocab",
                format!(
                    "must be at least the {source_vocab} tokens of the source, found {d_vocab}"
                ),
            ));
        }
        self.transformer(self.n_ctx, d_vocab, None)
    }

    fn transformer(
        &self,
        n_ctx: usize,
        d_vocab: usize,
        vectors: Option<VectorEnds>,
    ) -> Result<NetworkConfig, ModelError> {
        let config = TransformerConfig {
            n_layers: self.n_layers,
            n_heads: self.n_heads,
            d_model: self.d_model,
            d_head: self.d_head(),
            d_mlp: self.d_mlp,
            activation: self.activation,
            norm: self.norm,
            positions: self.positions,
            tied: self.tied,
            bias: self.bias,
            block: self.block,
            n_ctx,
            d_vocab,
            vectors,
            init: self.init,
        };
        config.validate()?;
        Ok(config.into())
    }

    fn mlp(&self, d_in: usize, d_out: usize) -> Result<NetworkConfig, ModelError> {
        let config = MlpConfig {
            widths: [&[d_in], &self.hidden[..], &[d_out]].concat(),
            activation: self.activation,
            output_activation: self.output_activation,
            biases: self.biases,
            tied: self.tied,
            init: self.init,
        };
        // What is at fault is what can be written: the layers between the source's two ends.
        config.validate().map_err(|error| match error {
            ModelError::Config { field, reason } if field == "widths" => {
                ModelError::config("hidden", reason)
            }
            other => other,
        })?;
        Ok(config.into())
    }

    pub(super) fn validate(&self) -> Result<(), Problem> {
        if self.kind == NetworkKind::Mlp {
            return self.validate_mlp();
        }
        if !self.hidden.is_empty() {
            let message = "`model.hidden` is of a fully connected network: set `model.kind` = \
                           \"mlp\", or the width of a transformer's MLP by `model.d_mlp`";
            return Err(Problem::new("model.hidden", message));
        }
        at_least("model.n_layers", self.n_layers as u64, 1)?;
        at_least("model.n_heads", self.n_heads as u64, 1)?;
        at_least("model.d_model", self.d_model as u64, 1)?;
        at_least("model.n_ctx", self.n_ctx as u64, 2)?;
        if let Some(d_head) = self.d_head {
            at_least("model.d_head", d_head as u64, 1)?;
        } else if !self.d_model.is_multiple_of(self.n_heads) {
            let near = self.d_model.next_multiple_of(self.n_heads);
            return Err(Problem::new(
                "model.d_model",
                format!(
                    "`model.d_model` = {} cannot be divided among `model.n_heads` = {} heads; \
                     make it a multiple, {near} for example, or set `model.d_head`",
                    self.d_model, self.n_heads
                ),
            )
            .or("model.n_heads"));
        }
        at_most("model.n_layers", self.n_layers as u64, 1024)?;
        for (key, width) in [
            ("model.n_heads", self.n_heads),
            ("model.d_model", self.d_model),
            ("model.d_head", self.d_head()),
            ("model.d_mlp", self.d_mlp),
            ("model.n_ctx", self.n_ctx),
        ] {
            at_most(key, width as u64, GREATEST_WIDTH)?;
        }
        if let Some(d_vocab) = self.d_vocab {
            at_least("model.d_vocab", d_vocab as u64, 1)?;
            at_most("model.d_vocab", d_vocab as u64, 1 << 24)?;
        }
        match self.of_tokens(self.d_vocab.unwrap_or(1)) {
            Ok(_) => Ok(()),
            Err(ModelError::Config { field, reason }) => Err(Problem::new(
                format!("model.{field}"),
                format!("`model.{field}` {reason}"),
            )
            .or("model.positions")),
            Err(other) => Err(Problem::new("model", other.to_string())),
        }
    }

    fn validate_mlp(&self) -> Result<(), Problem> {
        for (i, &width) in self.hidden.iter().enumerate() {
            let key = format!("model.hidden[{i}]");
            at_least(&key, width as u64, 1)?;
            at_most(&key, width as u64, GREATEST_WIDTH)?;
        }
        at_most("model.hidden", self.hidden.len() as u64, 1024)
    }
}
