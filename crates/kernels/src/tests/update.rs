//! Updates against their compositions in double precision. Every element is a function of a few
//! numbers, so a few units of rounding are all that there may be.

use super::*;
use crate::{AdamW, LangevinRates, Rates, adamw, langevin, plain, sum_of_squares, weighted_sum};

const REPLICAS: usize = 3;

/// Shapes with whole vectors, with tails, and with less than a vector.
const SHAPES: [[usize; 2]; 4] = [[1, 1], [3, 5], [4, 16], [7, 31]];

fn tensor(seed: u64, [rows, columns]: [usize; 2], dtype: DType) -> Tensor<3> {
    let shape = [REPLICAS, rows, columns];
    let data = TensorData::new(normals(seed, shape.iter().product()), shape);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

fn column(values: [f64; REPLICAS], dtype: DType) -> Tensor<3> {
    let data = TensorData::new(values.to_vec(), [REPLICAS, 1, 1]);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

const RULE: AdamW = AdamW {
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
};

fn one_adamw(step: u64, shape: [usize; 2], alive: [f64; 3], dtype: DType) -> [Tensor<3>; 3] {
    let second = tensor(4, shape, dtype).abs();
    let [p, g, m] = [1, 2, 3].map(|seed| tensor(seed, shape, dtype));
    let rates = Rates::new(
        column([1e-2, 3e-3, 0.5], dtype),
        column([0.1, 0.0, 0.3], dtype),
        column([1.0, 0.25, 0.7], dtype),
        column(alive, dtype),
    );
    adamw(RULE, step, [p, g, m, second], &rates)
}

#[test]
fn adamw_is_its_composition() {
    for shape in SHAPES {
        for step in [1, 2, 1000] {
            let expected = one_adamw(step, shape, [1.0; 3], DType::F64).map(values);
            with_level(|level| {
                let actual = one_adamw(step, shape, [1.0; 3], DType::F32).map(values);
                for (actual, expected) in actual.iter().zip(&expected) {
                    let what = format!("{level:?} step {step} {shape:?}");
                    assert_close(actual, expected, Tolerance::units(8.0), &what);
                }
            });
        }
    }
}

#[test]
fn a_frozen_replica_keeps_its_bits() {
    let shape = [7, 31];
    with_level(|level| {
        let moved = one_adamw(3, shape, [1.0, 0.0, 1.0], DType::F32).map(values);
        let all = one_adamw(3, shape, [1.0; 3], DType::F32).map(values);
        let second = tensor(4, shape, DType::F32).abs();
        let before = [
            tensor(1, shape, DType::F32),
            tensor(3, shape, DType::F32),
            second,
        ];
        let size = shape[0] * shape[1];
        for ((moved, all), before) in moved.iter().zip(&all).zip(before.map(values)) {
            assert_eq!(moved[..size], all[..size], "{level:?}");
            assert_eq!(moved[size..2 * size], before[size..2 * size], "{level:?}");
            assert_eq!(moved[2 * size..], all[2 * size..], "{level:?}");
        }
    });
}

#[test]
fn inputs_that_others_hold_stay_as_they_are() {
    let shape = [4, 16];
    let [p, g, m, v] = [1, 2, 3, 4].map(|seed| tensor(seed, shape, DType::F32).abs());
    let before = [&p, &g, &m, &v].map(|t| values(t.clone()));
    let ones = || column([1.0; 3], DType::F32);
    let rates = Rates::new(ones(), ones(), ones(), ones());
    adamw(
        RULE,
        1,
        [p.clone(), g.clone(), m.clone(), v.clone()],
        &rates,
    );
    weighted_sum(vec![(0.5, p.clone()), (0.5, g.clone())]);
    assert_eq!([p, g, m, v].map(values), before);
}

#[test]
fn langevin_is_its_composition() {
    let one = |shape: [usize; 2], dtype: DType| {
        let rates = LangevinRates {
            epsilon: column([1e-3, 1e-2, 0.25], dtype),
            nbeta: column([10.0, 100.0, 1.0], dtype),
            localization: column([100.0, 0.0, 3.0], dtype),
            weight_decay: column([0.0, 0.5, 20.0], dtype),
        };
        langevin([1, 2, 3, 4].map(|seed| tensor(seed, shape, dtype)), &rates)
    };
    for shape in SHAPES {
        let expected = values(one(shape, DType::F64));
        with_level(|level| {
            let actual = values(one(shape, DType::F32));
            let what = format!("{level:?} {shape:?}");
            assert_close(&actual, &expected, Tolerance::units(8.0), &what);
        });
    }
}

#[test]
fn sums_are_their_compositions() {
    // More than one run of the sum of squares.
    for shape in [[3, 5], [7, 31], [90, 111]] {
        let squares = values(plain::sum_of_squares(tensor(1, shape, DType::F64)));
        let parts = |dtype| {
            let part = |seed: u32| (0.3 * f64::from(seed), tensor(seed.into(), shape, dtype));
            weighted_sum((1..=3).map(part).collect()).expect("three parts")
        };
        let weighted = values(parts(DType::F64));
        with_level(|level| {
            let what = format!("{level:?} {shape:?}");
            let actual = values(sum_of_squares(tensor(1, shape, DType::F32)));
            assert_close(&actual, &squares, Tolerance::units(16.0), &what);
            let actual = values(parts(DType::F32));
            assert_close(&actual, &weighted, Tolerance::units(8.0), &what);
        });
    }
    assert!(weighted_sum(Vec::new()).is_none());
}
