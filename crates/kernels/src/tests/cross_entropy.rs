use super::*;
use crate::{cross_entropy, cross_entropy_by_row, plain};
use burn::tensor::{Int, IntDType};

/// Classes that meet the first and the last, for these replicas.
fn targets(replicas: std::ops::Range<usize>, rows: usize, d_vocab: usize) -> Tensor<2, Int> {
    let class = |i: usize| match i % 5 {
        0 => d_vocab - 1,
        1 => 0,
        _ => (i * 31 + 7) % d_vocab,
    };
    let classes = replicas
        .clone()
        .flat_map(|r| (0..rows).map(move |i| r * rows + i));
    let classes: Vec<i64> = classes.map(|i| class(i) as i64).collect();
    let data = TensorData::new(classes, [replicas.len(), rows]);
    Tensor::from_data(data, &Device::flex())
}

/// The definition, one row at a time.
fn scalar(logits: &[f64], targets: &[usize], d_vocab: usize) -> Vec<f64> {
    logits
        .chunks(d_vocab)
        .zip(targets)
        .map(|(row, &target)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[target])
        .collect()
}

const D_VOCABS: [usize; 7] = [1, 3, 16, 61, 64, 512, 1000];

#[test]
fn every_shape_agrees_with_the_composition() {
    for d_vocab in D_VOCABS {
        for (replicas, rows) in [(1, 1), (2, 5), (3, 17)] {
            let shape = [replicas, rows, d_vocab];
            let y = || targets(0..replicas, rows, d_vocab);
            // Confident logits, as late in training: a loss or a gradient may be a tiny rest of
            // terms of order 1, divided by the rows where it is that of a mean.
            let sharp = |x: &[Tensor<3>]| x[0].clone() * 4.0;
            let tolerance = |scale: f64| Tolerance { units: 32.0, scale };
            check(
                "mean",
                &[shape],
                &|x| cross_entropy(sharp(x), y()),
                &|x| plain::cross_entropy(sharp(x), y()),
                tolerance(1.0 / rows as f64),
            );
            check(
                "by row",
                &[shape],
                &|x| cross_entropy_by_row(sharp(x), y()),
                &|x| plain::cross_entropy_by_row(sharp(x), y()),
                tolerance(1.0),
            );
        }
    }
}

#[test]
fn values_and_slopes_are_those_of_the_definition() {
    for [replicas, rows, d_vocab] in [[1, 1, 3], [2, 3, 5], [2, 4, 37]] {
        let y = targets(0..replicas, rows, d_vocab);
        let classes = y
            .clone()
            .into_data_as::<i64>()
            .try_into_vec::<i64>()
            .expect("i64");
        let classes: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
        let by_row = |x: &[Vec<f64>]| scalar(&x[0], &classes, d_vocab);
        let shape = [replicas, rows, d_vocab];
        check_against_loop(
            "by row",
            &[shape],
            &|x| cross_entropy_by_row(x[0].clone(), y.clone()),
            &by_row,
            Tolerance::units(16.0),
        );
        check_against_loop(
            "mean",
            &[shape],
            &|x| cross_entropy(x[0].clone(), y.clone()),
            &|x| {
                let losses = by_row(x);
                let mean = |own: &[f64]| own.iter().sum::<f64>() / rows as f64;
                losses.chunks(rows).map(mean).collect()
            },
            Tolerance::units(16.0),
        );
    }
}

#[test]
fn any_layout_is_read_as_its_view() {
    let y = || targets(0..2, 4, 21);
    // Transposed, as from a tied unembedding, and a slice with an offset; targets by columns.
    let swapped = |x: &[Tensor<3>]| x[0].clone().swap_dims(1, 2);
    let sliced = |x: &[Tensor<3>]| x[0].clone().slice([1..3, 0..4, 2..23]);
    let by_columns = || y().swap_dims(0, 1).clone().swap_dims(0, 1);
    check(
        "swapped",
        &[[2, 21, 4]],
        &|x| cross_entropy(swapped(x), by_columns()),
        &|x| plain::cross_entropy(swapped(x), y()),
        Tolerance::units(32.0),
    );
    check(
        "sliced",
        &[[3, 5, 24]],
        &|x| cross_entropy_by_row(sliced(x), y().cast(IntDType::I32)),
        &|x| plain::cross_entropy_by_row(sliced(x), y()),
        Tolerance::units(32.0),
    );
}

#[test]
fn logits_held_elsewhere_keep_their_values() {
    with_level(|level| {
        let x = leaves(&[[1, 6, 40]], 1, DType::F32).remove(0);
        let logits = x.clone() * 2.0;
        let held = logits.clone();
        let before = values(held.clone());
        let gradients = cross_entropy(logits, targets(0..1, 6, 40)).backward();
        assert_eq!(values(held), before, "{level:?}");
        // And the gradient is that of logits which nobody holds.
        let kept = values(x.grad(&gradients).expect("a gradient"));
        let gradients = cross_entropy(x.clone() * 2.0, targets(0..1, 6, 40)).backward();
        assert_eq!(
            values(x.grad(&gradients).expect("a gradient")),
            kept,
            "{level:?}"
        );
    });
}

#[test]
fn extreme_logits_give_finite_losses_and_exact_zeros() {
    with_level(|level| {
        let rows = [
            [1e4, -1e4, 0.0, 5.0],
            [f64::NEG_INFINITY, 1.0, 1.0, f64::NEG_INFINITY],
            [-1e30, -1e30, -1e30, -1e30],
        ];
        let x = leaf(&rows.concat(), [1, 3, 4], DType::F32);
        let y = Tensor::<2, Int>::from_data([[0, 1, 2]], &Device::flex());
        let losses = cross_entropy_by_row(x.clone(), y.clone());
        let gradients = losses.clone().sum().backward();
        let ln = |n: f64| f64::from(n.ln() as f32);
        assert_close(
            &values(losses),
            &[0.0, ln(2.0), ln(4.0)],
            Tolerance::units(2.0),
            &format!("{level:?}"),
        );
        let expected = [
            [0.0, 0.0, 0.0, 0.0],
            [0.0, -0.5, 0.5, 0.0],
            [0.25, 0.25, -0.75, 0.25],
        ];
        assert_eq!(
            values(x.grad(&gradients).expect("a gradient")),
            expected.concat(),
            "{level:?}"
        );
    });
}

#[test]
fn one_nan_logit_spoils_its_row_alone() {
    with_level(|level| {
        for place in [0, 7, 16, 36] {
            let mut x = normals(3, 3 * 37);
            x[37 + place] = f64::NAN;
            let x = leaf(&x, [1, 3, 37], DType::F32);
            let losses = values(cross_entropy_by_row(x, targets(0..1, 3, 37)));
            let nan: Vec<bool> = losses.iter().map(|loss| loss.is_nan()).collect();
            assert_eq!(nan, [false, true, false], "{level:?} {place}");
        }
    });
}

#[test]
fn replicas_do_not_touch() {
    for (rows, d_vocab) in [(4, 3), (7, 64), (9, 100)] {
        check_stack("mean", &[[1, rows, d_vocab]], &|x, replicas| {
            cross_entropy(x[0].clone() * 1.5, targets(replicas, rows, d_vocab))
        });
        check_stack("by row", &[[1, rows, d_vocab]], &|x, replicas| {
            cross_entropy_by_row(x[0].clone() * 1.5, targets(replicas, rows, d_vocab))
        });
    }
}

#[test]
fn values_are_the_same_with_and_without_a_graph() {
    with_level(|level| {
        let x = leaves(&[[2, 6, 40]], 1, DType::F32).remove(0);
        let y = || targets(0..2, 6, 40);
        let expected = values(cross_entropy(x.clone(), y()));
        assert_eq!(
            values(cross_entropy(x.clone().set_require_grad(false), y())),
            expected,
            "{level:?}"
        );
        assert_eq!(values(cross_entropy(x.inner(), y())), expected, "{level:?}");
    });
}

#[test]
#[should_panic(expected = "target 5 of row 1 is not below the vocabulary of 5")]
fn a_target_beyond_the_vocabulary_is_refused() {
    let x = leaves(&[[1, 2, 5]], 1, DType::F32).remove(0);
    let y = Tensor::<2, Int>::from_data([[4, 5]], &Device::flex());
    cross_entropy(x, y);
}

#[test]
#[should_panic(expected = "is not below the vocabulary of 5")]
fn a_negative_target_is_refused() {
    let x = leaves(&[[1, 2, 5]], 1, DType::F32).remove(0);
    let y = Tensor::<2, Int>::from_data([[4, -1]], &Device::flex());
    cross_entropy_by_row(x, y);
}

#[test]
#[should_panic(expected = "targets [1, 3] must be [1, 2]")]
fn targets_of_another_shape_are_refused() {
    let x = leaves(&[[1, 2, 5]], 1, DType::F32).remove(0);
    cross_entropy(x, targets(0..1, 3, 5));
}
