//! Initial weights: a pure function of the configuration and a random stream.

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_store::Stream;

use crate::config::{Init, InitKind, ParameterSpec, Role};
use crate::network::{Network, NetworkConfig};

/// Standard deviation of [`InitKind::Normal`], GPT-2's.
const NORMAL_DEVIATION: f64 = 0.02;

/// The values of one parameter of one replica, row major `[rows, cols]`.
///
/// `index` is the parameter's place in [`NetworkConfig::parameters`]: each parameter has a
/// sequence of the stream to itself, so adding one leaves the others as they were.
fn values(spec: &ParameterSpec, init: &Init, stream: &Stream, index: u64) -> Vec<f32> {
    let mut out = vec![0.0; spec.len()];
    let normal = |out: &mut [f32], deviation: f64| {
        stream.fill_normal(index, out);
        scale(out, deviation * init.scale);
    };
    let uniform = |out: &mut [f32], bound: f64| {
        stream.fill_uniform(index, out);
        for x in out.iter_mut() {
            *x = ((f64::from(*x) * 2.0 - 1.0) * bound * init.scale) as f32;
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
    }
    out
}

fn scale(values: &mut [f32], by: f64) {
    for x in values {
        *x = (f64::from(*x) * by) as f32;
    }
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
