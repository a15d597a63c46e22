//! Any network: what it is, and a stack of replicas of it.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ModelError;
use crate::batch::{Batch, Inputs};
use crate::config::{Init, ParameterSpec, TransformerConfig};
use crate::loss;
use crate::mlp::MlpConfig;
use crate::parameters::Parameters;
use crate::transformer::{Trace, Transformer};

/// What a network is. In JSON the member `kind` tells, and without it it is a transformer.
#[derive(Debug, Clone, PartialEq)]
pub enum NetworkConfig {
    /// A decoder-only transformer that reads tokens or vectors.
    Transformer(TransformerConfig),
    /// A fully connected network that reads vectors.
    Mlp(MlpConfig),
}

/// The kinds that write their name.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged<M> {
    Mlp(M),
}

impl Serialize for NetworkConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // As it was before there were others: keys and files of old runs say no kind.
            Self::Transformer(config) => config.serialize(serializer),
            Self::Mlp(config) => Tagged::Mlp(config).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for NetworkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut value = serde_json::Value::deserialize(deserializer)?;
        let kind = value.get("kind").cloned();
        match kind.as_ref().map(|kind| kind.as_str()) {
            None | Some(Some("transformer")) => {
                if let Some(members) = value.as_object_mut() {
                    members.remove("kind");
                }
                let config = serde_json::from_value(value).map_err(D::Error::custom)?;
                Ok(Self::Transformer(config))
            }
            Some(Some("mlp")) => match serde_json::from_value(value).map_err(D::Error::custom)? {
                Tagged::Mlp(config) => Ok(Self::Mlp(config)),
            },
            Some(_) => Err(D::Error::custom(
                "`kind` is none of the networks there are: transformer, mlp",
            )),
        }
    }
}

impl From<TransformerConfig> for NetworkConfig {
    fn from(config: TransformerConfig) -> Self {
        Self::Transformer(config)
    }
}

impl From<MlpConfig> for NetworkConfig {
    fn from(config: MlpConfig) -> Self {
        Self::Mlp(config)
    }
}

impl NetworkConfig {
    /// Refuses shapes that make no network.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the field and what would be right.
    pub fn validate(&self) -> Result<(), ModelError> {
        match self {
            Self::Transformer(config) => config.validate(),
            Self::Mlp(config) => config.validate(),
        }
    }

    /// Every parameter in canonical order. Names, shapes and order on disk come from here alone.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        match self {
            Self::Transformer(config) => config.parameters(),
            Self::Mlp(config) => config.parameters(),
        }
    }

    /// Number of scalars in one replica.
    pub fn n_parameters(&self) -> usize {
        self.parameters().iter().map(ParameterSpec::len).sum()
    }

    /// How weights begin.
    pub fn init(&self) -> Init {
        match self {
            Self::Transformer(config) => config.init,
            Self::Mlp(config) => config.init,
        }
    }

    /// The same network that begins otherwise.
    #[must_use]
    pub fn with_init(mut self, init: Init) -> Self {
        match &mut self {
            Self::Transformer(config) => config.init = init,
            Self::Mlp(config) => config.init = init,
        }
        self
    }

    /// Components of an output: the vocabulary of a network that predicts tokens.
    pub fn d_out(&self) -> usize {
        match self {
            Self::Transformer(config) => config.d_out(),
            Self::Mlp(config) => config.widths.last().copied().unwrap_or_default(),
        }
    }

    /// Greatest number of positions of an example; 1 for a network that knows no positions.
    pub fn n_ctx(&self) -> usize {
        match self {
            Self::Transformer(config) => config.n_ctx,
            Self::Mlp(_) => 1,
        }
    }

    /// Places of the residual stream at which numbers may be left out in training: after the
    /// embedding, and of what each attention and each MLP adds. None in a network that has no
    /// residual stream.
    pub fn dropout_sites(&self) -> usize {
        match self {
            Self::Transformer(config) => 1 + config.n_layers * (1 + usize::from(config.d_mlp > 0)),
            Self::Mlp(_) => 0,
        }
    }

    /// What it is in a few words, for a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Transformer(c) => format!(
                "{} layers of {} heads{}, width {}, context {}, {}",
                c.n_layers,
                c.n_heads,
                match c.d_mlp {
                    0 => ", attention only",
                    _ => " with MLPs",
                },
                c.d_model,
                c.n_ctx,
                match c.vectors {
                    None => format!("{} tokens of vocabulary", c.d_vocab),
                    Some(ends) => format!("vectors of {} to {}", ends.d_in, ends.d_out),
                },
            ),
            Self::Mlp(c) => {
                let widths: Vec<String> = c.widths.iter().map(usize::to_string).collect();
                let tied = if c.tied { ", tied" } else { "" };
                format!("fully connected, {}{tied}", widths.join("–"))
            }
        }
    }

    /// The transformer, if it is one.
    pub fn transformer(&self) -> Option<&TransformerConfig> {
        match self {
            Self::Transformer(config) => Some(config),
            Self::Mlp(_) => None,
        }
    }
}

/// A stack of networks of one shape: every parameter has a leading replica axis, and one pass moves
/// all replicas. A stack gives each replica the numbers it would have had alone.
///
/// Tensors are handles: a clone shares the values.
#[derive(Debug, Clone)]
pub struct Network {
    config: NetworkConfig,
    parameters: Parameters,
}

impl Network {
    /// A stack from its parameters in the order of [`NetworkConfig::parameters`], each
    /// `[R, rows, cols]`.
    ///
    /// # Panics
    /// If there are fewer or more parameters than the configuration lists: a mistake of the caller,
    /// since files are checked in [`crate::weights`].
    pub fn new(config: impl Into<NetworkConfig>, parameters: Vec<Tensor<3>>) -> Self {
        let config = config.into();
        assert_eq!(
            parameters.len(),
            config.parameters().len(),
            "one tensor for each parameter of the configuration"
        );
        Self {
            config,
            parameters: Parameters::new(parameters),
        }
    }

    /// The same networks with other values.
    ///
    /// # Panics
    /// If they are fewer or more.
    #[must_use]
    pub fn with(&self, parameters: Parameters) -> Self {
        // Listing what the configuration says costs more than a small network's layer.
        assert_eq!(
            parameters.tensors().len(),
            self.parameters.tensors().len(),
            "one tensor for each parameter"
        );
        Self {
            config: self.config.clone(),
            parameters,
        }
    }

    /// What the networks are.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters in the order of [`NetworkConfig::parameters`], each `[R, rows, cols]`.
    pub fn into_parameters(self) -> Vec<Tensor<3>> {
        self.parameters.into_tensors()
    }

    /// Number of replicas in the stack.
    pub fn replicas(&self) -> usize {
        self.parameters.replicas()
    }

    /// Where the parameters live.
    pub fn device(&self) -> Device {
        self.parameters.device()
    }

    /// Stacks of one shape as one, along the replica axis.
    ///
    /// # Panics
    /// If there is none, or their shapes differ.
    pub fn stack(parts: Vec<Self>) -> Self {
        let config = parts[0].config.clone();
        let parameters = parts.into_iter().map(|part| part.parameters).collect();
        Self {
            config,
            parameters: Parameters::stack(parameters),
        }
    }

    /// The replicas `first .. first + count` of the stack.
    pub fn narrow(&self, first: usize, count: usize) -> Self {
        self.with(self.parameters.narrow(first, count))
    }

    /// Every replica `times` times over, neighbours together: `a a a b b b`.
    pub fn repeat(&self, times: usize) -> Self {
        self.with(self.parameters.repeat(times))
    }

    /// Leaves of a fresh graph with the same values; gradients are asked of those that are wanted.
    pub fn tracked(&self, wanted: impl Fn(usize) -> bool) -> Self {
        self.with(self.parameters.tracked(wanted))
    }

    /// Outputs `[R, N, d_out]` for N = B·T rows, `positions` = T to an example: logits of a network
    /// that predicts tokens, vectors of another.
    ///
    /// # Panics
    /// If the network does not read such inputs, or T is greater than [`NetworkConfig::n_ctx`] or
    /// does not divide N.
    pub fn outputs(&self, inputs: &Inputs, positions: usize) -> Tensor<3> {
        self.outputs_without(inputs, positions, &[])
    }

    /// The same with some numbers left out.
    fn outputs_without(
        &self,
        inputs: &Inputs,
        positions: usize,
        dropout: &[Tensor<3>],
    ) -> Tensor<3> {
        match (&self.config, inputs) {
            (NetworkConfig::Transformer(config), inputs) => {
                Transformer::of(config, &self.parameters).forward(inputs, positions, dropout)
            }
            (NetworkConfig::Mlp(config), Inputs::Values(values)) => {
                config.forward(&self.parameters, values.clone())
            }
            (NetworkConfig::Mlp(_), Inputs::Tokens(_)) => {
                unreachable!("an mlp reads vectors, not tokens")
            }
        }
    }

    /// Outputs, attention patterns and residual streams of a transformer; `None` of another
    /// network.
    ///
    /// # Panics
    /// As [`Network::outputs`].
    pub fn trace(&self, inputs: &Inputs, positions: usize) -> Option<Trace> {
        match &self.config {
            NetworkConfig::Transformer(config) => {
                Some(Transformer::of(config, &self.parameters).forward_traced(inputs, positions))
            }
            NetworkConfig::Mlp(_) => None,
        }
    }

    /// Mean loss of each replica, `[R]`, in one pass.
    ///
    /// # Panics
    /// As [`Network::outputs`].
    pub fn loss(&self, batch: &Batch) -> Tensor<1> {
        loss::mean(
            self.outputs_without(&batch.inputs, batch.positions, &batch.dropout),
            batch,
        )
    }

    /// Loss of each row, `[R, N]`. Without gradient.
    ///
    /// # Panics
    /// As [`Network::outputs`].
    pub fn loss_by_row(&self, batch: &Batch) -> Tensor<2> {
        loss::by_row(self.outputs(&batch.inputs, batch.positions), batch)
    }
}
