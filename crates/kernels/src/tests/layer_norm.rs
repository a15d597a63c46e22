use super::*;
use crate::{layer_norm, plain};

const EPS: f64 = 1e-5;

fn call(
    f: fn(Tensor<3>, Tensor<3>, Tensor<3>, f64) -> Tensor<3>,
    inputs: &[Tensor<3>],
) -> Tensor<3> {
    // Rows away from zero, as after a few residual additions.
    let x = inputs[0].clone() * 1.5 + 0.7;
    f(x, inputs[1].clone(), inputs[2].clone(), EPS)
}

/// The definition, one row at a time.
fn scalar(inputs: &[Vec<f64>], [replicas, rows, d]: [usize; 3]) -> Vec<f64> {
    let mut y = Vec::new();
    for i in 0..replicas * rows {
        let row = inputs[0][i * d..(i + 1) * d].iter().map(|x| x * 1.5 + 0.7);
        let mean = row.clone().sum::<f64>() / d as f64;
        let variance = row.clone().map(|x| (x - mean).powi(2)).sum::<f64>() / d as f64;
        for (j, x) in row.enumerate() {
            let own = i / rows * d + j;
            let normal = (x - mean) / (variance + EPS).sqrt();
            y.push(normal * inputs[1][own] + inputs[2][own]);
        }
    }
    y
}

fn shapes([replicas, rows, d]: [usize; 3]) -> [[usize; 3]; 3] {
    [[replicas, rows, d], [replicas, 1, d], [replicas, 1, d]]
}

#[test]
fn every_shape_agrees_with_the_composition() {
    // Two elements always normalize to ±1: the gradient in them is zero but for eps.
    let tolerance = Tolerance {
        units: 64.0,
        scale: 1.0,
    };
    for d in [2, 5, 16, 48, 61, 64, 128] {
        for (replicas, rows) in [(1, 1), (2, 7), (1, 33)] {
            check(
                "layer norm",
                &shapes([replicas, rows, d]),
                &|x| call(layer_norm, x),
                &|x| call(plain::layer_norm, x),
                tolerance,
            );
        }
    }
}

#[test]
fn values_and_slopes_are_those_of_the_definition() {
    for shape in [[1, 3, 5], [2, 4, 17], [2, 1, 32]] {
        check_against_loop(
            "layer norm",
            &shapes(shape),
            &|x| call(layer_norm, x),
            &|x| scalar(x, shape),
            Tolerance::units(32.0),
        );
    }
}

#[test]
fn any_layout_is_read_as_its_view() {
    let views = |f: fn(Tensor<3>, Tensor<3>, Tensor<3>, f64) -> Tensor<3>, x: &[Tensor<3>]| {
        let w = x[1].clone().slice([1..3, 0..1, 2..21]);
        let b = x[2].clone().swap_dims(1, 2);
        f(x[0].clone().swap_dims(0, 1), w, b, EPS)
    };
    check(
        "views",
        &[[9, 2, 19], [4, 1, 23], [2, 19, 1]],
        &|x| views(layer_norm, x),
        &|x| views(plain::layer_norm, x),
        Tolerance::units(64.0),
    );
}

#[test]
fn a_constant_row_gives_the_bias_and_finite_gradients() {
    with_level(|level| {
        let x = leaf(&[3.0; 21], [1, 1, 21], DType::F32);
        let [w, b] = [1, 2].map(|seed| leaf(&normals(seed, 21), [1, 1, 21], DType::F32));
        let y = layer_norm(x.clone(), w, b.clone(), EPS);
        assert_eq!(values(y.clone()), values(b), "{level:?}");
        let gradients = (y.clone() * y).sum().backward();
        let dx = values(x.grad(&gradients).expect("a gradient"));
        assert!(dx.iter().all(|d| d.is_finite()), "{level:?}: {dx:?}");
    });
}

#[test]
fn a_gradient_held_elsewhere_keeps_its_values() {
    with_level(|level| {
        // The sum hands one gradient to both of its terms.
        let x = leaves(&shapes([1, 4, 21]), 1, DType::F32);
        let residual = leaf(&normals(9, 84), [1, 4, 21], DType::F32);
        let weights = leaf(&normals(10, 84), [1, 4, 21], DType::F32).detach();
        let y = call(layer_norm, &x) + residual.clone();
        let gradients = (y * weights.clone()).sum().backward();
        let direct = values(residual.grad(&gradients).expect("a gradient"));
        assert_eq!(direct, values(weights), "{level:?}");
    });
}

#[test]
fn replicas_do_not_touch() {
    for (rows, d) in [(4, 5), (6, 48), (3, 64)] {
        check_stack("layer norm", &shapes([1, rows, d]), &|x, _| {
            call(layer_norm, x)
        });
    }
}

#[test]
#[should_panic(expected = "must be [2, 1, 4]")]
fn other_shapes_are_refused() {
    let x = leaves(&[[2, 3, 4], [1, 1, 4], [2, 1, 4]], 1, DType::F32);
    call(layer_norm, &x);
}
