//! Initial weights: a pure function of the configuration and a random stream.

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_store::Stream;

use crate::config::{Init, InitKind, ParameterSpec, Part, Role};
use crate::mlp::MlpConfig;
use crate::network::{Network, NetworkConfig};

/// Standard deviation of [`InitKind::Normal`], GPT-2's.
const NORMAL_DEVIATION: f64 = 0.02;

/// The values of one parameter of one replica, row major `[rows, cols]`.
///
/// `index` is the parameter's place in [`NetworkConfig::parameters`]: each parameter has a
/// sequence of the stream to itself, so adding one leaves the others as they were.
fn values(spec: &ParameterSpec, init: &Init, stream: &Stream, index: u64) -> Vec<f32> {
    let mut out = vec![0.0; spec.len()];
    let by = match (spec.part, spec.role) {
        (Part::Unembedding, Role::Matrix { .. }) => init.unembed_scale.unwrap_or(init.scale),
        _ => init.scale,
    };
    let normal = |out: &mut [f32], deviation: f64| {
        stream.fill_normal(index, out);
        scale(out, deviation * by);
    };
    let uniform = |out: &mut [f32], bound: f64| {
        stream.fill_uniform(index, out);
        for x in out.iter_mut() {
            *x = ((f64::from(*x) * 2.0 - 1.0) * bound * by) as f32;
        }
    };
    match (spec.role, init.kind) {
        (Role::NormGain, _) => out.fill(1.0),
        (Role::NormOffset, _) => {}
        (Role::Embedding, InitKind::Standard) => normal(&mut out, 1.0),
        (Role::Embedding | Role::Matrix { .. }, InitKind::Normal) => {
            normal(&mut out, NORMAL_DEVIATION);
        }
        (Role::Embedding, InitKind::Lecun) => normal(&mut out, 1.0 / (spec.cols as f64).sqrt()),
        (Role::Matrix { fan_in }, InitKind::Lecun) => {
            normal(&mut out, 1.0 / (fan_in as f64).sqrt())
        }
        (Role::Matrix { fan_in } | Role::Bias { fan_in }, InitKind::Standard) => {
            uniform(&mut out, 1.0 / (fan_in as f64).sqrt());
        }
        (Role::Bias { .. }, InitKind::Normal | InitKind::Lecun) => {}
        // Nothing is drawn: `aligned` puts the modes in.
        (_, InitKind::Aligned) => {}
    }
    out
}

fn scale(values: &mut [f32], by: f64) {
    for x in values {
        *x = (f64::from(*x) * by) as f32;
    }
}

/// A singular mode of a source, as a start may have it.
#[derive(Debug, Clone, Copy)]
pub struct ModeVectors<'a> {
    /// Over the components of the input, of length 1.
    pub input: &'a [f64],
    /// Over the components of the output, of length 1.
    pub output: &'a [f64],
}

/// One network whose map has each of some modes with the amplitude `scale`, evenly shared by its
/// layers: mode k is component k of every hidden layer. Modes beyond the narrowest layer are left
/// out, and biases are zero (Saxe et al. 2014, arXiv 1312.6120, eq. 12).
///
/// # Panics
/// If the network's layers are tied: a mistake of the caller.
pub fn aligned(
    config: &MlpConfig,
    scale: f64,
    modes: &[ModeVectors<'_>],
    device: &Device,
) -> Network {
    assert!(!config.tied, "each layer has a matrix of its own");
    let layers = config.widths.len() - 1;
    let narrowest = config.widths.iter().min().copied().unwrap_or(0);
    let each = scale.powf(1.0 / layers as f64);
    let parameters = config
        .parameters()
        .iter()
        .map(|spec| {
            let mut values = vec![0.0_f32; spec.len()];
            if let (Role::Matrix { .. }, Part::Dense { layer }) = (spec.role, spec.part) {
                for (k, mode) in modes.iter().take(narrowest).enumerate() {
                    let one = |at: usize| f64::from(u8::from(at == k));
                    for (i, value) in values.iter_mut().enumerate() {
                        let (row, col) = (i / spec.cols, i % spec.cols);
                        let into = if layer == 0 {
                            mode.input[row]
                        } else {
                            one(row)
                        };
                        let out = match layer + 1 == layers {
                            true => mode.output[col],
                            false => one(col),
                        };
                        *value += (each * into * out) as f32;
                    }
                }
            }
            let shape = [1, spec.rows, spec.cols];
            Tensor::from_data(TensorData::new(values, shape), device)
        })
        .collect();
    Network::new(config.clone(), parameters)
}

/// A stack of freshly drawn networks: replica `i` from `replicas[i]`'s own initialisation and
/// stream, whatever the others are.
pub fn draw(
    config: impl Into<NetworkConfig>,
    replicas: &[(Init, Stream)],
    device: &Device,
) -> Network {
    let config = config.into();
    let parameters = config
        .parameters()
        .iter()
        .enumerate()
        .map(|(index, spec)| {
            let stacked: Vec<f32> = replicas
                .iter()
                .flat_map(|(init, stream)| values(spec, init, stream, index as u64))
                .collect();
            let shape = [replicas.len(), spec.rows, spec.cols];
            Tensor::from_data(TensorData::new(stacked, shape), device)
        })
        .collect();
    Network::new(config, parameters)
}
