//! What weights alone tell: composition of heads, norms.

use burn::tensor::{Tensor, TensorData};
use ontogeny_model::{Layout, Network, weights};

use crate::error::AnalysisError;
use crate::measures::Measures;

/// Composition scores of every pair of an earlier and a later head (Elhage et al. 2021):
/// `‖M·W_OV‖_F / (‖M‖_F ‖W_OV‖_F)`, where W_OV is the earlier head's and M the later one's
/// W_QKᵀ (`composition.q`), W_QK (`composition.k`) or W_OV (`composition.v`).
///
/// The definition has matrices act on columns, while weights are stored as `[in, out]`; so with the
/// stored `A = W_V W_O` and `B = W_Q W_Kᵀ` the products are `A·B`, `A·Bᵀ` and `A·A'`.
///
/// # Errors
/// If the device fails.
pub fn composition(network: &Network) -> Result<Measures, AnalysisError> {
    let Some(c) = network.config().transformer() else {
        return Ok(Measures::default());
    };
    let (heads, d, device) = (c.n_heads, c.d_model, network.device());
    let specs = c.parameters();
    let parameters = network.parameters().tensors();
    // One head's matrix at a time, [head, d_model, d_head] or, for W_O, [head, d_head, d_model].
    let stored = |layer: usize, which: &str| -> Result<Option<Tensor<3>>, AnalysisError> {
        let name = format!("blocks.{layer}.attn.W_{which}");
        let Some(index) = specs.iter().position(|s| s.name == name) else {
            return Ok(None);
        };
        let values = weights::read(&parameters[index..=index])?.concat();
        let values = weights::to_disk(&specs[index], 1, values);
        let shape = match specs[index].layout {
            Layout::HeadsOutside { .. } => [heads, d, c.d_head],
            Layout::Same => [heads, c.d_head, d],
        };
        Ok(Some(Tensor::from_data(
            TensorData::new(values, shape),
            &device,
        )))
    };
    let mut layers = Vec::with_capacity(c.n_layers);
    for l in 0..c.n_layers {
        if let (Some(q), Some(k), Some(v), Some(o)) = (
            stored(l, "Q")?,
            stored(l, "K")?,
            stored(l, "V")?,
            stored(l, "O")?,
        ) {
            layers.push((v.matmul(o), q.matmul(k.swap_dims(1, 2)))); // OV and QK, [head, d, d]
        }
    }
    let mut measures = Measures::default();
    for (earlier, (ov, _)) in layers.iter().enumerate() {
        for (later, (later_ov, qk)) in layers.iter().enumerate().skip(earlier + 1) {
            let kinds = [
                ("q", qk.clone()),
                ("k", qk.clone().swap_dims(1, 2)),
                ("v", later_ov.clone()),
            ];
            for (kind, m) in kinds {
                let product = ov
                    .clone()
                    .reshape([heads, 1, d, d])
                    .matmul(m.clone().reshape([1, heads, d, d]));
                let product = norms(product.reshape([heads * heads, d, d]))?;
                let (of_ov, of_m) = (norms(ov.clone())?, norms(m)?);
                for (i, norm) in product.into_iter().enumerate() {
                    let (from, to) = (i / heads, i % heads);
                    measures.value(
                        format!("composition.{kind}.{earlier}.{from}-{later}.{to}"),
                        norm / (of_ov[from] * of_m[to]),
                    );
                }
            }
        }
    }
    Ok(measures)
}

/// Frobenius norm of each matrix of `[n, rows, cols]`.
fn norms(matrices: Tensor<3>) -> Result<Vec<f64>, AnalysisError> {
    let squares = (matrices.clone() * matrices).sum_dim(2).sum_dim(1).sqrt();
    let values = squares
        .try_into_vec_as::<f32>()
        .map_err(|e| AnalysisError::Device(e.to_string()))?;
    Ok(values.into_iter().map(f64::from).collect())
}

/// Euclidean norm of all weights, and of those of each component: `embed`, `pos_embed`,
/// `blocks.<l>.attn`, `blocks.<l>.mlp`, `unembed` and the layer norms.
///
/// # Errors
/// If the device fails.
pub fn weight_norms(network: &Network) -> Result<Measures, AnalysisError> {
    let values = weights::read(network.parameters().tensors())?;
    let mut components: Vec<(String, f64)> = Vec::new();
    for (spec, values) in network.config().parameters().iter().zip(values) {
        let component = spec
            .name
            .rsplit_once('.')
            .map_or(spec.name.as_str(), |(c, _)| c);
        let squares: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        match components.iter_mut().find(|(name, _)| name == component) {
            Some((_, sum)) => *sum += squares,
            None => components.push((component.to_owned(), squares)),
        }
    }
    let mut measures = Measures::default();
    let total: f64 = components.iter().map(|(_, s)| s).sum();
    measures.value("weight_norm", total.sqrt());
    for (component, squares) in components {
        measures.value(format!("weight_norm.{component}"), squares.sqrt());
    }
    Ok(measures)
}
