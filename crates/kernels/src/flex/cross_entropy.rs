//! Cross-entropy on Flex tensors.

use super::buffer::{Unset, dense, dims, floats, tensor};
use crate::loops::{CrossEntropy, Destination};
use crate::simd::Level;
use burn::backend::DType;
use burn::backend::flex::FlexTensor;

/// What becomes of the losses of a replica's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// Their mean: `[replica]`.
    Mean,
    /// Nothing: `[replica, rows]`.
    None,
}

/// The loss alone: `[replica]` or `[replica, rows]`.
pub(crate) fn loss(logits: FlexTensor, targets: FlexTensor, reduction: Reduction) -> FlexTensor {
    let [replicas, rows, d_vocab] = dims(&logits);
    let logits = dense(logits);
    let mut losses = vec![0.0; replicas * rows];
    Level::current().run(CrossEntropy {
        logits: Destination::Nowhere(floats(&logits)),
        targets: &classes(&targets),
        d_vocab,
        scale: 1.0,
        losses: &mut losses,
    });
    reduce(losses, [replicas, rows], reduction)
}

/// The loss and its derivative in the logits.
pub(crate) fn loss_and_gradient(
    logits: FlexTensor,
    targets: FlexTensor,
    reduction: Reduction,
) -> (FlexTensor, FlexTensor) {
    let [replicas, rows, d_vocab] = dims(&logits);
    let mut logits = dense(logits);
    let targets = classes(&targets);
    let scale = match reduction {
        Reduction::Mean => 1.0 / rows as f32,
        Reduction::None => 1.0,
    };
    let mut losses = vec![0.0; replicas * rows];
    let mut run = |logits: Destination<'_>| {
        Level::current().run(CrossEntropy {
            logits,
            targets: &targets,
            d_vocab,
            scale,
            losses: &mut losses,
        });
    };
    let derivative = if logits.is_unique() {
        run(Destination::Overwrite(logits.storage_mut()));
        logits
    } else {
        let mut derivative = Unset::new(replicas * rows * d_vocab);
        run(Destination::Beside(floats(&logits), derivative.slots()));
        // SAFETY: the kernel has set every element.
        unsafe { derivative.into_tensor(logits.layout().clone()) }
    };
    (reduce(losses, [replicas, rows], reduction), derivative)
}

/// Multiplies `x`, in as many equal runs as there are factors, by its factors. A factor of 1, the
/// usual gradient of a loss, costs nothing.
pub(crate) fn scale_runs(x: FlexTensor, factors: FlexTensor) -> FlexTensor {
    let factors = dense(factors);
    let factors = floats(&factors);
    let mut x = dense(x);
    if !factors.is_empty() && factors.iter().any(|&factor| factor != 1.0) {
        let x = x.storage_mut::<f32>();
        let run = x.len() / factors.len();
        if run > 0 {
            for (run, &factor) in x.chunks_exact_mut(run).zip(factors) {
                run.iter_mut().for_each(|x| *x *= factor);
            }
        }
    }
    x
}

/// Means are summed in double precision: a sum over thousands of rows in single precision would
/// lose digits that a difference of losses needs.
fn reduce(losses: Vec<f32>, [replicas, rows]: [usize; 2], reduction: Reduction) -> FlexTensor {
    match reduction {
        Reduction::None => tensor(losses, [replicas, rows]),
        Reduction::Mean => {
            let mean = |replica: usize| {
                let losses = &losses[replica * rows..(replica + 1) * rows];
                let sum: f64 = losses.iter().copied().map(f64::from).sum();
                (sum / rows as f64) as f32
            };
            tensor((0..replicas).map(mean).collect(), [replicas])
        }
    }
}

/// Targets as indices. A negative one becomes an index too large for any vocabulary, and is refused
/// there.
fn classes(targets: &FlexTensor) -> Vec<usize> {
    let targets = targets.to_contiguous();
    match targets.dtype() {
        DType::I32 => {
            let targets = targets.storage::<i32>().iter();
            targets.map(|&t| t as usize).collect()
        }
        _ => {
            let targets = targets.storage::<i64>().iter();
            targets.map(|&t| t as usize).collect()
        }
    }
}
