//! The public functions, at every level of instructions this CPU has: against scalar loops in
//! double precision, values and (by finite differences of the loops) gradients; against the
//! compositions in double precision; and stacks of replicas against replicas alone, bit for bit.
//!
//! Tolerances are in units of [`f32::EPSILON`] times the largest element of the reference. Rounding
//! of a sum of n products of independent signs grows like √n of these, n ≤ 1000 here, and the
//! exponential turns an error of a few units in scores up to 10 into ten times as many in
//! probabilities: hence tens of units for values and gradients, where a mistake in a formula shows
//! as millions. Where the exact result is zero by cancellation (the gradient in the query of a lone
//! position) the scale is that of its terms.

mod attention;
mod cross_entropy;
mod layer_norm;
mod linear;
mod threads;
mod update;

use crate::simd::with_level;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// An operation on tensors of `D` dimensions that returns one of `O`.
type Operation<'a, const D: usize, const O: usize> = &'a dyn Fn(&[Tensor<D>]) -> Tensor<O>;

/// Standard normals, rounded to single precision; a fixed function of `seed`.
fn normals(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF0;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let mut normal = || {
        let radius = (-2.0 * uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * uniform()).cos()
    };
    (0..n).map(|_| f64::from(normal() as f32)).collect()
}

/// A leaf of the graph.
fn leaf<const D: usize>(values: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    let device = Device::flex().autodiff();
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&device, dtype)).require_grad()
}

fn leaves<const D: usize>(shapes: &[[usize; D]], seed: u64, dtype: DType) -> Vec<Tensor<D>> {
    let values = |(i, shape): (usize, &[usize; D])| {
        let values = normals(seed + i as u64, shape.iter().product());
        leaf(&values, *shape, dtype)
    };
    shapes.iter().enumerate().map(values).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .into_data_dtype(DType::F64)
        .try_into_vec::<f64>()
        .expect("converted to f64")
}

/// The values of an operation, and the gradients of their sum, weighted by fixed random numbers.
fn values_and_gradients<const D: usize, const O: usize>(
    operation: Operation<'_, D, O>,
    inputs: &[Tensor<D>],
) -> Vec<Vec<f64>> {
    let output = operation(inputs);
    let weights = normals(99, output.shape().num_elements());
    let weights = Tensor::from_data(
        TensorData::new(weights, output.dims()),
        (&output.device(), output.dtype()),
    );
    let gradients = (output.clone() * weights).sum().backward();
    let mut all = vec![values(output)];
    for input in inputs {
        all.push(values(input.grad(&gradients).expect("a gradient")));
    }
    all
}

/// How far results may be off.
#[derive(Clone, Copy)]
struct Tolerance {
    /// In units of `f32::EPSILON` times the scale.
    units: f64,
    /// What the scale is at least; else it is the largest element of the reference.
    scale: f64,
}

impl Tolerance {
    fn units(units: f64) -> Self {
        Self { units, scale: 0.0 }
    }
}

/// Checks values and gradients in single precision, at every level, against an operation in double.
fn check<const D: usize, const O: usize>(
    name: &str,
    shapes: &[[usize; D]],
    fused: Operation<'_, D, O>,
    reference: Operation<'_, D, O>,
    tolerance: Tolerance,
) {
    let expected = values_and_gradients(reference, &leaves(shapes, 1, DType::F64));
    with_level(|level| {
        let actual = values_and_gradients(fused, &leaves(shapes, 1, DType::F32));
        for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            let what = format!("{level:?} {name} {shapes:?}, result {i} (0: values)");
            assert_close(actual, expected, tolerance, &what);
        }
    });
}

/// Differences within the tolerance.
fn assert_close(actual: &[f64], expected: &[f64], tolerance: Tolerance, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected
        .iter()
        .fold(tolerance.scale, |m: f64, x| m.max(x.abs()));
    let unit = scale * f64::from(f32::EPSILON);
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = (a - e).abs() / unit;
        // Written so that NaN fails.
        assert!(
            error <= tolerance.units || a == e,
            "{what}: element {i} is {a}, not {e}: {error:.1} units, {} allowed",
            tolerance.units
        );
    }
}

/// Checks values against a scalar loop, and gradients against its central differences along random
/// directions. The loop takes the inputs' elements.
fn check_against_loop<const D: usize, const O: usize>(
    name: &str,
    shapes: &[[usize; D]],
    fused: Operation<'_, D, O>,
    scalar: &dyn Fn(&[Vec<f64>]) -> Vec<f64>,
    tolerance: Tolerance,
) {
    let inputs: Vec<Vec<f64>> = (1..)
        .zip(shapes)
        .map(|(seed, shape)| normals(seed, shape.iter().product()))
        .collect();
    let expected = scalar(&inputs);
    let weights = normals(99, expected.len());
    let loss = |inputs: &[Vec<f64>]| -> f64 {
        let output = scalar(inputs);
        output.iter().zip(&weights).map(|(x, w)| x * w).sum()
    };
    with_level(|level| {
        let actual = values_and_gradients(fused, &leaves(shapes, 1, DType::F32));
        let what = format!("{level:?} {name} {shapes:?}");
        assert_close(&actual[0], &expected, tolerance, &what);
        for (i, gradient) in actual[1..].iter().enumerate() {
            for seed in 0..3 {
                let direction = normals(1000 + seed, gradient.len());
                let moved = |step: f64| {
                    let mut inputs = inputs.clone();
                    for (x, d) in inputs[i].iter_mut().zip(&direction) {
                        *x += step * d;
                    }
                    loss(&inputs)
                };
                // Truncation is of the order of step², rounding of 1e-16 / step: both far below
                // f32.
                let step = 1e-5;
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
                let error = (along - slope).abs();
                assert!(
                    error < 2e-6 * norm.max(tolerance.scale),
                    "{what}, input {i}: slope {slope}, gradient gives {along}: {error}"
                );
            }
        }
    });
}

/// Checks that a stack gives each replica the bits it has alone, and that NaN stays in its replica.
/// The leading axis of every input and of the output is that of replicas.
fn check_stack<const D: usize, const O: usize>(
    name: &str,
    shapes: &[[usize; D]],
    operation: &dyn Fn(&[Tensor<D>], std::ops::Range<usize>) -> Tensor<O>,
) {
    const REPLICAS: usize = 3;
    let stack: Vec<Vec<f64>> = (1..)
        .zip(shapes)
        .map(|(seed, shape)| normals(seed, REPLICAS * shape.iter().product::<usize>()))
        .collect();
    let run = |stack: &[Vec<f64>], replicas: std::ops::Range<usize>| {
        let inputs: Vec<Tensor<D>> = shapes
            .iter()
            .zip(stack)
            .map(|(shape, values)| {
                let size = shape.iter().product::<usize>();
                let mut shape = *shape;
                shape[0] *= replicas.len();
                let own = &values[replicas.start * size..replicas.end * size];
                leaf(own, shape, DType::F32)
            })
            .collect();
        let output = operation(&inputs, replicas);
        // The gradient in the output is twice the output: the same for a replica alone.
        let gradients = (output.clone() * output.clone()).sum().backward();
        let mut all = vec![values(output)];
        for input in &inputs {
            all.push(values(input.grad(&gradients).expect("a gradient")));
        }
        all
    };
    with_level(|level| {
        let what = format!("{level:?} {name} {shapes:?}");
        let together = run(&stack, 0..REPLICAS);
        let part = |result: &[f64], replica: usize| {
            let size = result.len() / REPLICAS;
            result[replica * size..(replica + 1) * size].to_vec()
        };
        for replica in 0..REPLICAS {
            let alone = run(&stack, replica..replica + 1);
            for (i, (together, alone)) in together.iter().zip(&alone).enumerate() {
                assert_eq!(&part(together, replica), alone, "{what} result {i}");
            }
        }
        for poisoned in 0..stack.len() {
            let mut stack = stack.clone();
            let size = stack[poisoned].len() / REPLICAS;
            stack[poisoned][size..2 * size].fill(f64::NAN);
            let with_nan = run(&stack, 0..REPLICAS);
            for (i, (with_nan, together)) in with_nan.iter().zip(&together).enumerate() {
                let what = format!("{what} input {poisoned} NaN, result {i}");
                assert_eq!(part(with_nan, 0), part(together, 0), "{what}");
                assert_eq!(part(with_nan, 2), part(together, 2), "{what}");
                if i == 0 {
                    assert!(part(with_nan, 1).iter().all(|x| x.is_nan()), "{what}");
                }
            }
        }
    });
}
