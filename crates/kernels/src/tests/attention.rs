use super::*;
use crate::{causal_attention, plain, relative_attention};

/// Attention of heads that are views into `[batch, position, head, d_head]`, as in a model.
fn through_views(
    f: fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>,
    inputs: &[Tensor<4>],
) -> Tensor<4> {
    let [q, k, v] = [0, 1, 2].map(|i| inputs[i].clone().swap_dims(1, 2));
    f(q, k, v)
}

fn direct(f: fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>, inputs: &[Tensor<4>]) -> Tensor<4> {
    f(inputs[0].clone(), inputs[1].clone(), inputs[2].clone())
}

/// The definition, one query at a time; inputs are `[batch, head, position, d_head]`.
fn scalar(inputs: &[Vec<f64>], [batch, heads, positions, d_head]: [usize; 4]) -> Vec<f64> {
    let mut output = Vec::new();
    for head in 0..batch * heads {
        let row = |x: &[f64], i: usize| {
            let start = (head * positions + i) * d_head;
            x[start..start + d_head].to_vec()
        };
        for i in 0..positions {
            let q = row(&inputs[0], i);
            let weights: Vec<f64> = (0..=i)
                .map(|j| {
                    let k = row(&inputs[1], j);
                    let score: f64 = q.iter().zip(&k).map(|(q, k)| q * k).sum();
                    (score / (d_head as f64).sqrt()).exp()
                })
                .collect();
            let sum: f64 = weights.iter().sum();
            for c in 0..d_head {
                let mix = |(j, w): (usize, &f64)| w * row(&inputs[2], j)[c];
                output.push(weights.iter().enumerate().map(mix).sum::<f64>() / sum);
            }
        }
    }
    output
}

/// Elements of inputs, outputs and gradients are of order 1.
const TOLERANCE: Tolerance = Tolerance {
    units: 64.0,
    scale: 1.0,
};

const POSITIONS: [usize; 7] = [1, 5, 17, 32, 63, 64, 128];
const D_HEADS: [usize; 6] = [1, 7, 8, 16, 32, 33];

#[test]
fn every_shape_agrees_with_the_composition() {
    for positions in POSITIONS {
        for d_head in D_HEADS {
            let shape = [2, positions, 3, d_head];
            check(
                "attention",
                &[shape; 3],
                &|x| through_views(causal_attention, x),
                &|x| through_views(plain::causal_attention, x),
                TOLERANCE,
            );
        }
    }
}

#[test]
fn values_and_slopes_are_those_of_the_definition() {
    for shape in [[1, 1, 1, 1], [1, 2, 5, 3], [2, 1, 17, 8], [1, 1, 35, 17]] {
        check_against_loop(
            "attention",
            &[shape; 3],
            &|x| direct(causal_attention, x),
            &|x| scalar(x, shape),
            TOLERANCE,
        );
    }
}

#[test]
fn any_layout_is_read_as_its_view() {
    let run = |f: fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>, x: &[Tensor<4>]| {
        // q: last dimension not dense; k: a slice with an offset; v: broadcast over heads.
        let q = x[0].clone().swap_dims(2, 3);
        let k = x[1].clone().slice([1..3, 0..3, 2..21, 1..10]);
        let v = x[2].clone().expand([2, 3, 19, 9]);
        f(q, k, v)
    };
    check(
        "views",
        &[[2, 3, 9, 19], [4, 3, 23, 11], [2, 1, 19, 9]],
        &|x| run(causal_attention, x),
        &|x| run(plain::causal_attention, x),
        TOLERANCE,
    );
}

#[test]
fn large_scores_neither_overflow_nor_lose_the_mask() {
    let scaled = |f: fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>, x: &[Tensor<4>]| {
        f(x[0].clone() * 40.0, x[1].clone() * 8.0, x[2].clone())
    };
    // Scores reach a thousand, where one unit of rounding in a score is 1e-4: a thousand units of
    // epsilon.
    check(
        "large scores",
        &[[1, 2, 37, 16]; 3],
        &|x| scaled(causal_attention, x),
        &|x| scaled(plain::causal_attention, x),
        Tolerance::units(20_000.0),
    );
}

#[test]
fn the_future_does_not_matter() {
    with_level(|level| {
        let shape = [1, 2, 40, 8];
        let inputs = leaves(&[shape; 3], 1, DType::F32);
        let whole = direct(causal_attention, &inputs);
        for known in [1, 16, 31, 33] {
            let past: Vec<_> = inputs
                .iter()
                .map(|x| x.clone().slice([0..1, 0..2, 0..known, 0..8]))
                .collect();
            let part = direct(causal_attention, &past);
            let expected = whole.clone().slice([0..1, 0..2, 0..known, 0..8]);
            let what = format!("{level:?}, {known} positions");
            assert_close(
                &values(part),
                &values(expected),
                Tolerance::units(4.0),
                &what,
            );
        }
    });
}

/// With numbers by distance: the last of the inputs.
fn relative(
    f: fn(Tensor<4>, Tensor<4>, Tensor<4>, Tensor<3>) -> Tensor<4>,
    inputs: &[Tensor<4>],
) -> Tensor<4> {
    let [q, k, v] = [0, 1, 2].map(|i| inputs[i].clone().swap_dims(1, 2));
    let [replicas, heads, n, _] = inputs[3].dims();
    f(q, k, v, inputs[3].clone().reshape([replicas, heads, n]))
}

#[test]
fn attention_by_distance_agrees_with_the_composition() {
    for positions in POSITIONS {
        for (d_head, replicas, more) in [(1, 1, 0), (8, 2, 3), (16, 1, 1), (33, 4, 0)] {
            let shape = [4, positions, 3, d_head];
            let added = [replicas, 3, positions + more, 1];
            check(
                "relative attention",
                &[shape, shape, shape, added],
                &|x| relative(relative_attention, x),
                &|x| relative(plain::relative_attention, x),
                // A number's gradient sums over 4 · positions rows of order 1.
                Tolerance {
                    units: 64.0,
                    scale: 4.0 * positions as f64,
                },
            );
        }
    }
}

#[test]
fn numbers_of_zero_change_nothing() {
    let shape = [2, 3, 37, 8];
    let inputs = leaves(&[shape; 3], 1, DType::F32);
    let none = Tensor::zeros([2, 3, 37], &inputs[0].device());
    let [q, k, v] = [0, 1, 2].map(|i| inputs[i].clone().inner());
    let found = relative_attention(q, k, v, none);
    assert_eq!(values(found), values(direct(causal_attention, &inputs)));
}

#[test]
fn batches_do_not_touch() {
    for (positions, d_head) in [(5, 7), (33, 16), (64, 32)] {
        check_stack("attention", &[[2, 3, positions, d_head]; 3], &|x, _| {
            direct(causal_attention, x)
        });
    }
}

#[test]
fn values_are_the_same_with_and_without_a_graph() {
    let inputs = leaves(&[[2, 3, 21, 9]; 3], 1, DType::F32);
    let detached: Vec<_> = inputs
        .iter()
        .map(|x| x.clone().set_require_grad(false))
        .collect();
    let bare: Vec<_> = inputs.iter().map(|x| x.clone().inner()).collect();
    let expected = values(direct(causal_attention, &inputs));
    assert_eq!(values(direct(causal_attention, &detached)), expected);
    assert_eq!(values(direct(causal_attention, &bare)), expected);
}

#[test]
fn empty_batches_and_double_precision_pass() {
    let empty = leaves(&[[0, 3, 4, 5]; 3], 1, DType::F32);
    assert_eq!(direct(causal_attention, &empty).dims(), [0, 3, 4, 5]);
    let double = leaves(&[[1, 3, 4, 5]; 3], 1, DType::F64);
    let expected = values(direct(plain::causal_attention, &double));
    assert_eq!(values(direct(causal_attention, &double)), expected);
}

#[test]
#[should_panic(expected = "must have one shape")]
fn other_shapes_are_refused() {
    let x = leaves(&[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 4, 4]], 1, DType::F32);
    direct(causal_attention, &x);
}
