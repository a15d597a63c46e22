//! Fully connected networks: deep linear networks, autoencoders, one hidden layer.

use burn::tensor::Tensor;
use ontogeny_kernels::linear;
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::config::{Activation, Init, ParameterSpec, Part, Role};
use crate::parameters::Parameters;

/// Which layers have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Biases {
    /// All.
    #[default]
    All,
    /// The last alone.
    Output,
    /// None.
    None,
}

/// A fully connected network. It reads and writes vectors, row by row.
///
/// Written as `config.json` beside checkpoints, with `"kind": "mlp"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Components of the input, of each hidden layer, and of the output.
    pub widths: Vec<usize>,
    /// After every matrix but the last.
    pub activation: Activation,
    /// After the last.
    pub output_activation: Activation,
    /// Which layers have biases.
    pub biases: Biases,
    /// Whether the second half of the matrices are those of the first, transposed and in reverse
    /// order, as in an autoencoder whose decoder is its encoder's transpose.
    pub tied: bool,
    /// How weights begin.
    pub init: Init,
}

impl MlpConfig {
    /// Refuses shapes that make no network.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the field and what would be right.
    pub fn validate(&self) -> Result<(), ModelError> {
        let widths = &self.widths;
        if widths.len() < 2 {
            return Err(ModelError::config(
                "widths",
                format!(
                    "must name the input and the output at least, as in [6, 2, 6]; found {widths:?}"
                ),
            ));
        }
        if widths.contains(&0) {
            return Err(ModelError::config(
                "widths",
                format!("must all be at least 1, found {widths:?}"),
            ));
        }
        if self.tied && !(widths.len() % 2 == 1 && widths.iter().eq(widths.iter().rev())) {
            return Err(ModelError::config(
                "tied",
                format!(
                    "a decoder that is the encoder's transpose needs widths that read the same from \
                     both ends, with a middle, as in [6, 2, 6]; found {widths:?}"
                ),
            ));
        }
        self.init.validate()
    }

    /// Matrices, those of a tied decoder among them.
    fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Whether a layer has a matrix of its own.
    fn has_matrix(&self, layer: usize) -> bool {
        !self.tied || layer < self.layers() / 2
    }

    fn has_bias(&self, layer: usize) -> bool {
        match self.biases {
            Biases::All => true,
            Biases::Output => layer + 1 == self.layers(),
            Biases::None => false,
        }
    }

    /// Every parameter in canonical order: `layers.<l>.W` `[in, out]`, `layers.<l>.b` `[out]`.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let mut specs = Vec::new();
        for (layer, pair) in self.widths.windows(2).enumerate() {
            let (fan_in, out) = (pair[0], pair[1]);
            let part = Part::Dense { layer };
            if self.has_matrix(layer) {
                let name = format!("layers.{layer}.W");
                let role = Role::Matrix { fan_in };
                specs.push(ParameterSpec::new(name, &[fan_in, out], role, part));
            }
            if self.has_bias(layer) {
                let name = format!("layers.{layer}.b");
                let role = Role::Bias { fan_in };
                specs.push(ParameterSpec::new(name, &[out], role, part));
            }
        }
        specs
    }

    /// Outputs `[R, N, d_out]` for vectors `[R, N, d_in]`.
    pub(crate) fn forward(&self, parameters: &Parameters, inputs: Tensor<3>) -> Tensor<3> {
        let mut rest = parameters.tensors().iter();
        let mut matrices: Vec<Tensor<3>> = Vec::with_capacity(self.layers());
        let mut x = inputs;
        for layer in 0..self.layers() {
            let matrix = match self.has_matrix(layer) {
                true => rest.next().cloned(),
                // Layer l of 2m is the transpose of layer 2m − 1 − l.
                false => matrices
                    .get(self.layers() - 1 - layer)
                    .map(|w| w.clone().swap_dims(1, 2)),
            };
            let bias = self.has_bias(layer).then(|| rest.next().cloned()).flatten();
            // The number of tensors was checked when the network was made.
            let Some(matrix) = matrix else { break };
            let last = layer + 1 == self.layers();
            x = linear(x, matrix.clone(), bias); // [R, N, widths[layer + 1]]
            x = match last {
                true => self.output_activation.apply(x),
                false => self.activation.apply(x),
            };
            matrices.push(matrix);
        }
        x
    }
}
