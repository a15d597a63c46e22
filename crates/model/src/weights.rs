//! Networks to and from disk, in the names and shapes of TransformerLens.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_store::{Checkpoint, NamedTensor};

use crate::config::{Layout, ParameterSpec};
use crate::error::ModelError;
use crate::network::{Network, NetworkConfig};

/// The parameters under their names on disk, each `[R, ..]` in the classic shape after that.
///
/// # Errors
/// [`ModelError::Read`] if the device fails.
pub fn to_named(network: &Network) -> Result<Vec<NamedTensor>, ModelError> {
    let specs = network.config().parameters();
    let replicas = network.replicas();
    let values = read(network.parameters().tensors())?;
    Ok(specs
        .iter()
        .zip(values)
        .map(|(spec, values)| NamedTensor {
            name: spec.name.clone(),
            shape: [&[replicas], spec.shape.as_slice()].concat(),
            data: to_disk(spec, replicas, values),
        })
        .collect())
}

/// Reads tensors back to the host, row major.
///
/// # Errors
/// [`ModelError::Read`] if the device fails.
pub fn read(tensors: &[Tensor<3>]) -> Result<Vec<Vec<f32>>, ModelError> {
    tensors
        .iter()
        .map(|t| {
            t.clone()
                .try_into_vec_as::<f32>()
                .map_err(|e| ModelError::Read(e.to_string()))
        })
        .collect()
}

/// Rebuilds the stack that a checkpoint holds.
///
/// # Errors
/// [`ModelError::Checkpoint`] naming the tensor that is missing, unknown or of another shape, or
/// the field of `config.json` that is wrong. `path` is named in it.
pub fn from_checkpoint(
    checkpoint: &Checkpoint,
    path: &Path,
    device: &Device,
) -> Result<Network, ModelError> {
    let wrong = |reason: String| ModelError::Checkpoint {
        path: path.to_owned(),
        reason,
    };
    let config: NetworkConfig = serde_json::from_value(checkpoint.config.clone())
        .map_err(|e| wrong(format!("config.json does not describe a network: {e}")))?;
    config
        .validate()
        .map_err(|e| wrong(format!("config.json: {e}")))?;
    from_named(
        &config,
        checkpoint.replicas.len(),
        &checkpoint.tensors,
        device,
    )
    .map_err(wrong)
}

/// Rebuilds a stack from named tensors.
///
/// # Errors
/// A sentence naming the tensor that is missing, unknown or of another shape.
pub fn from_named(
    config: &NetworkConfig,
    replicas: usize,
    tensors: &[NamedTensor],
    device: &Device,
) -> Result<Network, String> {
    let specs = config.parameters();
    if let Some(stranger) = tensors
        .iter()
        .find(|t| specs.iter().all(|s| s.name != t.name))
    {
        return Err(format!(
            "tensor `{}` is none of the {} that its configuration has",
            stranger.name,
            specs.len()
        ));
    }
    let parameters = specs
        .iter()
        .map(|spec| {
            let found = tensors
                .iter()
                .find(|t| t.name == spec.name)
                .ok_or_else(|| format!("tensor `{}` is missing", spec.name))?;
            let expected = [&[replicas], spec.shape.as_slice()].concat();
            if found.shape != expected {
                return Err(format!(
                    "tensor `{}` has shape {:?}, expected {expected:?}",
                    spec.name, found.shape
                ));
            }
            let values = from_disk(spec, replicas, &found.data);
            let shape = [replicas, spec.rows, spec.cols];
            Ok(Tensor::from_data(TensorData::new(values, shape), device))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(Network::new(config.clone(), parameters))
}

/// From `[R, d_model, head · d_head]` to `[R, head, d_model, d_head]` where the layout asks it.
pub fn to_disk(spec: &ParameterSpec, replicas: usize, values: Vec<f32>) -> Vec<f32> {
    match spec.layout {
        Layout::Same => values,
        Layout::HeadsOutside { n_heads } => {
            swap_middle(&values, replicas, spec.rows, n_heads, spec.cols / n_heads)
        }
    }
}

/// The way back of [`to_disk`].
pub fn from_disk(spec: &ParameterSpec, replicas: usize, values: &[f32]) -> Vec<f32> {
    match spec.layout {
        Layout::Same => values.to_vec(),
        Layout::HeadsOutside { n_heads } => {
            swap_middle(values, replicas, n_heads, spec.rows, spec.cols / n_heads)
        }
    }
}

/// `[outer, a, b, inner]` to `[outer, b, a, inner]`.
fn swap_middle(values: &[f32], outer: usize, a: usize, b: usize, inner: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for o in 0..outer {
        for j in 0..b {
            for i in 0..a {
                let at = ((o * a + i) * b + j) * inner;
                out.extend_from_slice(&values[at..at + inner]);
            }
        }
    }
    out
}
