use super::*;
use crate::{add_positions, linear, linear_onto, plain};

fn affine(
    f: fn(Tensor<3>, Tensor<3>, Option<Tensor<3>>) -> Tensor<3>,
    x: &[Tensor<3>],
) -> Tensor<3> {
    f(x[0].clone(), x[1].clone(), x.get(2).cloned())
}

/// The definition, one element at a time.
fn scalar(inputs: &[Vec<f64>], [replicas, rows, inner, out]: [usize; 4]) -> Vec<f64> {
    let mut y = Vec::new();
    for r in 0..replicas {
        for i in 0..rows {
            for j in 0..out {
                let term = |p: usize| {
                    inputs[0][(r * rows + i) * inner + p] * inputs[1][(r * inner + p) * out + j]
                };
                let bias = inputs.get(2).map_or(0.0, |b| b[r * out + j]);
                y.push(bias + (0..inner).map(term).sum::<f64>());
            }
        }
    }
    y
}

fn shapes([replicas, rows, inner, out]: [usize; 4]) -> [[usize; 3]; 3] {
    [
        [replicas, rows, inner],
        [replicas, inner, out],
        [replicas, 1, out],
    ]
}

#[test]
fn every_shape_agrees_with_the_composition() {
    let sizes = [
        [1, 1, 1, 1],
        [1, 1, 64, 3],
        [2, 5, 7, 61],
        [3, 17, 48, 64],
        [1, 130, 64, 100],
        [1, 300, 128, 512],
    ];
    for sizes in sizes {
        let shapes = shapes(sizes);
        for inputs in [&shapes[..], &shapes[..2]] {
            check(
                "linear",
                inputs,
                &|x| affine(linear, x),
                &|x| affine(plain::linear, x),
                Tolerance::units(64.0),
            );
        }
    }
}

#[test]
fn values_and_slopes_are_those_of_the_definition() {
    for sizes in [[1, 2, 3, 5], [2, 4, 17, 9]] {
        let shapes = shapes(sizes);
        for inputs in [&shapes[..], &shapes[..2]] {
            let scalar = |x: &[Vec<f64>]| scalar(x, sizes);
            check_against_loop(
                "linear",
                inputs,
                &|x| affine(linear, x),
                &scalar,
                Tolerance::units(32.0),
            );
        }
    }
}

#[test]
fn any_layout_is_read_as_its_view() {
    type Linear = fn(Tensor<3>, Tensor<3>, Option<Tensor<3>>) -> Tensor<3>;
    // A tied unembedding: the weight is a transposed view.
    let tied = |f: Linear, x: &[Tensor<3>]| {
        f(
            x[0].clone(),
            x[1].clone().swap_dims(1, 2),
            Some(x[2].clone()),
        )
    };
    // A slice with an offset, a weight shared by both replicas, a bias by columns.
    let odd = |f: Linear, x: &[Tensor<3>]| {
        let w = x[1].clone().expand([2, 7, 19]);
        let b = x[2].clone().swap_dims(1, 2);
        f(x[0].clone().slice([1..3, 2..7, 3..10]), w, Some(b))
    };
    // Rows by columns.
    let swapped = |f: Linear, x: &[Tensor<3>]| {
        f(
            x[0].clone().swap_dims(1, 2),
            x[1].clone(),
            Some(x[2].clone()),
        )
    };
    type Case<'a> = (
        &'a str,
        &'a dyn Fn(Linear, &[Tensor<3>]) -> Tensor<3>,
        [[usize; 3]; 3],
    );
    let cases: [Case<'_>; 3] = [
        ("tied", &tied, [[2, 5, 7], [2, 19, 7], [2, 1, 19]]),
        ("odd", &odd, [[4, 9, 11], [1, 7, 19], [2, 19, 1]]),
        ("swapped", &swapped, [[2, 7, 5], [2, 7, 19], [2, 1, 19]]),
    ];
    for (name, view, shapes) in cases {
        check(
            name,
            &shapes,
            &|x| view(linear, x),
            &|x| view(plain::linear, x),
            Tolerance::units(64.0),
        );
    }
}

#[test]
fn inputs_without_gradients_get_none_and_change_nothing() {
    let x = leaves(&shapes([2, 5, 7, 9]), 1, DType::F32);
    let all = values_and_gradients(&|x| affine(linear, x), &x);
    for frozen in 0..3 {
        let mut inputs = x.clone();
        inputs[frozen] = inputs[frozen].clone().set_require_grad(false);
        let output = affine(linear, &inputs);
        let weights = TensorData::new(normals(99, 90), [2, 5, 9]);
        let weights = Tensor::from_data(weights, &output.device());
        let gradients = (output.clone() * weights).sum().backward();
        assert_eq!(values(output), all[0]);
        for (i, input) in inputs.iter().enumerate() {
            let gradient = input.grad(&gradients).map(values);
            let expected = (i != frozen).then(|| all[i + 1].clone());
            assert_eq!(gradient, expected, "input {i} with {frozen} frozen");
        }
    }
}

#[test]
fn replicas_do_not_touch() {
    for sizes in [[1, 4, 5, 3], [1, 33, 48, 64], [1, 70, 16, 100]] {
        let shapes = shapes(sizes);
        for inputs in [&shapes[..], &shapes[..2]] {
            check_stack("linear", inputs, &|x, _| {
                // Every output must meet the poisoned input: a bias alone poisons its whole column.
                affine(linear, x)
            });
        }
    }
}

#[test]
fn empty_sums_give_the_bias() {
    let x = leaves(&shapes([2, 3, 0, 5]), 1, DType::F32);
    let bias = values(x[2].clone().expand([2, 3, 5]));
    assert_eq!(values(affine(linear, &x)), bias);
}

#[test]
#[should_panic(expected = "must be [2, 4, 5]")]
fn other_shapes_are_refused() {
    let x = leaves(&[[2, 3, 4], [1, 4, 5]], 1, DType::F32);
    affine(linear, &x);
}

/// Residual, x, weight and bias, or all but the bias.
fn onto(
    f: fn(Tensor<3>, Tensor<3>, Tensor<3>, Option<Tensor<3>>) -> Tensor<3>,
    x: &[Tensor<3>],
) -> Tensor<3> {
    f(x[0].clone(), x[1].clone(), x[2].clone(), x.get(3).cloned())
}

#[test]
fn onto_a_residual_agrees_with_the_composition() {
    for [replicas, rows, inner, out] in [[1, 1, 1, 1], [2, 5, 7, 61], [1, 130, 64, 100]] {
        let [x, w, b] = shapes([replicas, rows, inner, out]);
        let shapes = [[replicas, rows, out], x, w, b];
        for inputs in [&shapes[..], &shapes[..3]] {
            check(
                "linear onto",
                inputs,
                &|x| onto(linear_onto, x),
                &|x| onto(plain::linear_onto, x),
                Tolerance::units(64.0),
            );
            check_stack(
                "linear onto",
                &inputs.iter().map(|s| [1, s[1], s[2]]).collect::<Vec<_>>(),
                &|x, _| onto(linear_onto, x),
            );
        }
    }
}

#[test]
fn positions_agree_with_the_composition() {
    for [replicas, sequences, positions, d] in [[1, 1, 1, 1], [2, 3, 5, 7], [1, 4, 6, 64]] {
        let shapes = [
            [replicas, sequences * positions, d],
            [replicas, positions, d],
        ];
        let add = |f: fn(Tensor<3>, Tensor<3>) -> Tensor<3>, x: &[Tensor<3>]| {
            f(x[0].clone(), x[1].clone())
        };
        check(
            "positions",
            &shapes,
            &|x| add(add_positions, x),
            &|x| add(plain::add_positions, x),
            Tolerance::units(8.0),
        );
    }
}

#[test]
#[should_panic(expected = "a divisor of 7")]
fn rows_that_are_no_multiple_of_the_positions_are_refused() {
    let x = leaves(&[[1, 7, 4], [1, 3, 4]], 1, DType::F32);
    add_positions(x[0].clone(), x[1].clone());
}
