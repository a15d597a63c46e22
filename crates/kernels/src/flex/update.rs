//! Updates of parameters on Flex tensors, in place where nothing else holds the memory.

use super::buffer::{dense, dims, floats, tensor};
use crate::loops::{AdamWNumbers, AdamWUpdate, LangevinUpdate, SumOfSquares, WeightedSum};
use crate::simd::Level;
use crate::update::AdamW;
use burn::backend::flex::FlexTensor;

/// Parameter and moments after an update. `rates` are columns: learning rate, factor on the
/// parameter, gradient scale, and whether the replica is alive.
pub(crate) fn adamw(
    rule: AdamW,
    step: u64,
    [parameter, gradient, first, second]: [FlexTensor; 4],
    rates: [FlexTensor; 4],
) -> [FlexTensor; 3] {
    let [replicas, rows, columns] = dims(&parameter);
    let [mut parameter, gradient, mut first, mut second] =
        [parameter, gradient, first, second].map(dense);
    let rates = rates.map(dense);
    let [learning_rate, keep, gradient_scale, alive] = rates.each_ref().map(floats);
    let [first_correction, second_correction] = rule.corrections(step);
    for replica in 0..replicas {
        if alive[replica] == 0.0 {
            continue;
        }
        let own = replica * rows * columns..(replica + 1) * rows * columns;
        Level::current().run(AdamWUpdate {
            numbers: AdamWNumbers {
                beta1: rule.beta1 as f32,
                beta2: rule.beta2 as f32,
                one_minus_beta1: (1.0 - rule.beta1) as f32,
                one_minus_beta2: (1.0 - rule.beta2) as f32,
                first_correction: (1.0 / first_correction) as f32,
                root_correction: (1.0 / second_correction.sqrt()) as f32,
                epsilon: rule.epsilon as f32,
                learning_rate: learning_rate[replica],
                keep: keep[replica],
                gradient_scale: gradient_scale[replica],
            },
            parameter: &mut parameter.storage_mut()[own.clone()],
            gradient: &floats(&gradient)[own.clone()],
            first: &mut first.storage_mut()[own.clone()],
            second: &mut second.storage_mut()[own],
        });
    }
    [parameter, first, second]
}

/// Weights after a Langevin step. `rates` are columns: ε, nβ, γ.
pub(crate) fn langevin(
    [weights, gradient, anchor, noise]: [FlexTensor; 4],
    rates: [FlexTensor; 4],
) -> FlexTensor {
    let [replicas, rows, columns] = dims(&weights);
    let [mut weights, gradient, anchor, noise] = [weights, gradient, anchor, noise].map(dense);
    let rates = rates.map(dense);
    let [epsilon, nbeta, localization, weight_decay] = rates.each_ref().map(floats);
    for replica in 0..replicas {
        let own = replica * rows * columns..(replica + 1) * rows * columns;
        Level::current().run(LangevinUpdate {
            weights: &mut weights.storage_mut()[own.clone()],
            gradient: &floats(&gradient)[own.clone()],
            anchor: &floats(&anchor)[own.clone()],
            noise: &floats(&noise)[own],
            nbeta: nbeta[replica],
            localization: localization[replica],
            weight_decay: weight_decay[replica],
            half_epsilon: epsilon[replica] / 2.0,
            root_epsilon: epsilon[replica].sqrt(),
        });
    }
    weights
}

/// `[replica, 1, 1]`.
pub(crate) fn sum_of_squares(x: FlexTensor) -> FlexTensor {
    let [replicas, rows, columns] = dims(&x);
    let x = dense(x);
    let size = rows * columns;
    let sum = |replica: usize| {
        let own = &floats(&x)[replica * size..(replica + 1) * size];
        Level::current().run(SumOfSquares(own))
    };
    tensor((0..replicas).map(sum).collect(), [replicas, 1, 1])
}

/// `first·weight + Σ weight·part`.
pub(crate) fn weighted_sum(
    (weight, first): (f64, FlexTensor),
    rest: impl Iterator<Item = (f64, FlexTensor)>,
) -> FlexTensor {
    let mut sum = dense(first);
    let mut keep = weight as f32;
    for (weight, part) in rest {
        let part = dense(part);
        Level::current().run(WeightedSum {
            sum: sum.storage_mut(),
            keep,
            part: floats(&part),
            weight: weight as f32,
        });
        keep = 1.0;
    }
    if keep != 1.0 {
        let sum = sum.storage_mut::<f32>();
        sum.iter_mut().for_each(|x| *x *= keep);
    }
    sum
}
