//! The steepest curvature around a place, by power iteration on differences of gradients.

use burn::tensor::Tensor;
use ontogeny_kernels::sum_of_squares;
use ontogeny_store::Stream;

use crate::error::AnalysisError;
use crate::llc::Landscape;
use crate::sampler::{Mask, Part};

/// Iterations: the largest of many eigenvalues is had to about a tenth, from below.
const ITERATIONS: u64 = 12;

/// Largest absolute eigenvalue of the Hessian at the weights of each chain, `[R, rows, cols]` each,
/// on the data of one draw. With H v ≈ (∇L(w + sv) − ∇L(w − sv))/2s for a v of length 1, and s a
/// thousandth of the weights' norm, or of 1.
///
/// # Errors
/// If the device fails.
pub fn top_curvature(
    landscape: &dyn Landscape,
    weights: &[Tensor<3>],
    mask: &Mask,
    chains: &[u64],
    draw: u64,
) -> Result<Vec<f64>, AnalysisError> {
    let normals = |i: usize, w: &Tensor<3>| {
        let [r, rows, columns] = w.dims();
        let mut values = vec![0.0; r * rows * columns];
        Stream::new(0, "power iteration", &[i as u64]).fill_normal(0, &mut values);
        let data = burn::tensor::TensorData::new(values, [r, rows, columns]);
        masked(mask, i, Tensor::<3>::from_data(data, &w.device()))
    };
    let mut v: Vec<Tensor<3>> = weights
        .iter()
        .enumerate()
        .map(|(i, w)| normals(i, w))
        .collect();
    let step = norm(weights).clamp_min(1.0) * 1e-3;
    let mut lengths = None;
    for _ in 0..ITERATIONS {
        let length = norm(&v).clamp_min(1e-30);
        v = v.into_iter().map(|v| v / length.clone()).collect();
        let moved = |sign: f64| -> Result<Vec<Tensor<3>>, AnalysisError> {
            let at: Vec<Tensor<3>> = weights
                .iter()
                .zip(&v)
                .map(|(w, v)| w.clone() + v.clone() * step.clone() * sign)
                .collect();
            Ok(landscape.loss_and_gradients(&at, chains, draw)?.1)
        };
        let (above, below) = (moved(1.0)?, moved(-1.0)?);
        v = above
            .into_iter()
            .zip(below)
            .enumerate()
            .map(|(i, (a, b))| masked(mask, i, (a - b) / (step.clone() * 2.0)))
            .collect();
        lengths = Some(norm(&v));
    }
    let Some(lengths) = lengths else {
        return Ok(Vec::new());
    };
    let read = lengths
        .try_into_vec_as::<f32>()
        .map_err(|e| AnalysisError::Device(e.to_string()))?;
    Ok(read.into_iter().map(f64::from).collect())
}

fn masked(mask: &Mask, i: usize, x: Tensor<3>) -> Tensor<3> {
    match mask.part(i) {
        Part::All => x,
        part => part.zeroed(x),
    }
}

/// Length of all parameters together, `[R, 1, 1]`.
fn norm(parts: &[Tensor<3>]) -> Tensor<3> {
    let squares = parts.iter().map(|p| sum_of_squares(p.clone()));
    squares
        .reduce(|a, b| a + b)
        .unwrap_or_else(|| Tensor::zeros([1, 1, 1], &burn::tensor::Device::flex()))
        .sqrt()
}
