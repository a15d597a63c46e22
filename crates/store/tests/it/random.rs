//! Streams as their users need them: independent of length and order, and well distributed.

use std::collections::HashSet;

use ontogeny_store::Stream;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

fn normals(stream: &Stream, index: u64, n: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; n];
    stream.fill_normal(index, &mut out);
    out
}

fn uniforms(stream: &Stream, index: u64, n: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; n];
    stream.fill_uniform(index, &mut out);
    out
}

#[test]
fn an_element_does_not_depend_on_the_length() {
    let stream = Stream::new(1, "length", &[]);
    let long = (normals(&stream, 9, 1100), uniforms(&stream, 9, 1100));
    for n in [0, 1, 2, 3, 4, 5, 255, 256, 257, 511, 512, 513, 1099] {
        assert_eq!(normals(&stream, 9, n), long.0[..n], "{n}");
        assert_eq!(uniforms(&stream, 9, n), long.1[..n], "{n}");
    }
}

#[test]
fn uniforms_are_the_words_of_the_generator_scaled() {
    let stream = Stream::new(1, "words", &[]);
    let mut rng = stream.at(5);
    for u in uniforms(&stream, 5, 700) {
        assert_eq!(u, (rng.next_u32() >> 8) as f32 / 16_777_216.0);
    }
}

#[test]
fn every_part_of_the_address_makes_another_sequence() {
    let base = Stream::new(1, "a", &[1]);
    let streams = [
        base,
        Stream::new(2, "a", &[1]),
        Stream::new(1, "b", &[1]),
        Stream::new(1, "a", &[2]),
        Stream::new(1, "a", &[]),
        Stream::new(1, "a", &[1, 0]),
        Stream::new(1, "a", &[0, 1]),
        base.child("a", &[1]),
        base.child("a", &[1]).child("a", &[1]),
        base.child("b", &[1]),
        base.child("a", &[]),
    ];
    let mut seen = HashSet::new();
    for stream in &streams {
        for index in [0, 1, 1 << 32, u64::MAX] {
            assert!(
                seen.insert(stream.at(index).next_u64()),
                "{stream:?} {index}"
            );
        }
    }
    assert_eq!(base, Stream::new(1, "a", &[1]));
}

#[test]
fn bytes_and_longer_words_are_the_same_sequence() {
    let stream = Stream::new(3, "bytes", &[]);
    let mut words = stream.at(0);
    let expected: Vec<u8> = (0..3)
        .flat_map(|_| words.next_u32().to_le_bytes())
        .collect();
    let mut bytes = [0; 10];
    stream.at(0).fill_bytes(&mut bytes);
    assert_eq!(bytes, expected[..10]);
    let long = u64::from_le_bytes(expected[..8].try_into().unwrap());
    assert_eq!(stream.at(0).next_u64(), long);
}

#[test]
fn works_with_the_distributions_of_rand() {
    let mut rng = Stream::new(4, "rand", &[]).at(0);
    let sum: f64 = (0..2000)
        .map(|_| Distribution::<f64>::sample(&StandardNormal, &mut rng))
        .sum();
    assert!(sum.abs() < 4.0 * 2000f64.sqrt(), "{sum}");
    assert!((0..100).all(|_| rng.random_range(3..6) < 6));
}

/// Distance of the empirical distribution from `cdf`, times √n.
fn kolmogorov(mut sample: Vec<f32>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f32::total_cmp);
    let n = sample.len() as f64;
    let distance = sample
        .iter()
        .enumerate()
        .map(|(i, &x)| {
            let p = cdf(f64::from(x));
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        })
        .fold(0.0, f64::max);
    distance * n.sqrt()
}

/// The standard normal's distribution function by its series at zero (Marsaglia, 2004).
fn normal_cdf(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while sum + term != sum {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

#[test]
fn distributions_are_right() {
    let stream = Stream::new(5, "distribution", &[]);
    // 1.95 is passed by one true sample in a thousand; these are fixed.
    let distance = kolmogorov(uniforms(&stream, 0, 100_000), |u| u);
    assert!(distance < 1.95, "uniform: {distance}");
    let distance = kolmogorov(normals(&stream, 1, 100_000), normal_cdf);
    assert!(distance < 1.95, "normal: {distance}");
}

#[test]
fn normals_have_the_moments_of_independent_normals() {
    let n = 400_000;
    let z = normals(&Stream::new(6, "moments", &[]), 0, n);
    let mean_of =
        |f: &dyn Fn(f64) -> f64| z.iter().map(|&z| f(f64::from(z))).sum::<f64>() / n as f64;
    // Four standard errors of each moment: the variance of z^k is E z^2k − (E z^k)².
    let check = |what: &str, value: f64, expected: f64, variance: f64| {
        let tolerance = 4.0 * (variance / n as f64).sqrt();
        assert!((value - expected).abs() < tolerance, "{what}: {value}");
    };
    check("mean", mean_of(&|z| z), 0.0, 1.0);
    check("variance", mean_of(&|z| z * z), 1.0, 2.0);
    check("third moment", mean_of(&|z| z.powi(3)), 0.0, 15.0);
    check("fourth moment", mean_of(&|z| z.powi(4)), 3.0, 96.0);
    // Neighbours within a block, and the same place of neighbouring blocks.
    for lag in [1, 2, 3, 4, 256] {
        let product = z
            .iter()
            .zip(&z[lag..])
            .map(|(a, b)| f64::from(a * b))
            .sum::<f64>();
        check("lagged product", product / n as f64, 0.0, 1.0);
        let squares = z
            .iter()
            .zip(&z[lag..])
            .map(|(a, b)| f64::from(a * a * b * b));
        check("lagged squares", squares.sum::<f64>() / n as f64, 1.0, 8.0);
    }
    // All finite, and the tails are there: 400 000 normals reach 4 but not 6.6.
    let largest = z.iter().fold(0.0f32, |m, z| m.max(z.abs()));
    assert!(
        z.iter().all(|z| z.is_finite()) && (4.0..6.6).contains(&largest),
        "{largest}"
    );
}
