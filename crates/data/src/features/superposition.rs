//! Sparse features that have to pass through fewer dimensions: the toy model of superposition
//! (Elhage et al. 2022; Chen et al. 2023, arXiv 2310.06301).
//!
//! The network is `f(x) = ReLU(WᵀWx + b)`. Where one feature is active at a time, x = μ eᵢ with μ
//! uniform in [0, 1], the loss E‖x − f(x)‖² and its critical points, regular polygons of columns of
//! W, are known in closed form.

use ontogeny_store::{Key, KeyBuilder, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::Values;
use crate::draw::below;
use crate::spec::{in_range, positive};
use crate::training_set::TrainingSet;
use crate::{DataError, Split};

/// Most features whose critical points are listed: with more, two dimensions hold a small share of
/// them.
const MOST_FEATURES: usize = 16;

/// Settings of the toy model's data.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SuperpositionSpec {
    /// Number of features.
    pub features: usize,
    /// Share of features that are zero, each on its own (Elhage); without it exactly one feature is
    /// active at a time (Chen).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f64>,
    /// Examples to train on; without it new ones without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_set: Option<u64>,
    /// Decides the training set.
    pub seed: u64,
    /// Variance of the noise of a component, in whose terms the squared error is minus a
    /// log-likelihood.
    pub variance: f64,
}

impl Default for SuperpositionSpec {
    fn default() -> Self {
        Self {
            features: 6,
            sparsity: None,
            training_set: None,
            seed: 0,
            variance: 0.5,
        }
    }
}

impl SuperpositionSpec {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        if !(1..=4096).contains(&self.features) {
            let message = format!("is {}; it goes from 1 to 4096", self.features);
            return Err(DataError::setting("features", message));
        }
        if let Some(sparsity) = self.sparsity {
            in_range("sparsity", sparsity, 0.0, 1.0)?;
        }
        positive("variance", self.variance)?;
        crate::spec::training_set(self.training_set)
    }
}

/// Data of the toy model of superposition, ready to be drawn from.
#[derive(Clone, Debug)]
pub struct Superposition {
    spec: SuperpositionSpec,
    training_set: Option<TrainingSet>,
}

/// A critical point: columns of W that are the corners of a regular polygon, the others zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Polygon {
    /// Corners.
    pub corners: usize,
    /// Zero columns whose bias is 1/2c; that of the others is below zero.
    pub plus: usize,
}

impl Superposition {
    pub(crate) fn new(spec: SuperpositionSpec) -> Self {
        let training_set = spec
            .training_set
            .map(|size| TrainingSet::new(spec.seed, size));
        Self { spec, training_set }
    }

    pub(crate) fn key(&self) -> Key {
        let spec = &self.spec;
        let mut key = KeyBuilder::new("superposition/1")
            .number("features", spec.features as u64)
            .number("variance", spec.variance.to_bits());
        if let Some(sparsity) = spec.sparsity {
            key = key.number("sparsity", sparsity.to_bits());
        }
        if let Some(size) = spec.training_set {
            key = key.number("training_set", size).number("seed", spec.seed);
        }
        key.finish()
    }

    /// Number of features c.
    pub fn features(&self) -> usize {
        self.spec.features
    }

    pub(crate) fn variance(&self) -> f64 {
        self.spec.variance
    }

    pub(crate) fn values(&self, split: Split, stream: &Stream, index: u64, rows: usize) -> Values {
        let c = self.features();
        let mut inputs = vec![0.0; rows * c];
        let batch = stream.child(split.name(), &[index]);
        for (row, x) in inputs.chunks_exact_mut(c).enumerate() {
            let mut rng = batch.at(row as u64);
            if let Some(set) = self.training_set.as_ref().filter(|_| split == Split::Train) {
                rng = set.choose(&mut rng);
            }
            match self.spec.sparsity {
                None => {
                    let feature = below(&mut rng, c as u64) as usize;
                    x[feature] = rng.random::<f32>();
                }
                Some(sparsity) => {
                    for value in x {
                        let active = rng.random::<f64>() >= sparsity;
                        let drawn = rng.random::<f32>();
                        *value = if active { drawn } else { 0.0 };
                    }
                }
            }
        }
        Values {
            targets: inputs.clone(),
            inputs,
            rows,
            positions: 1,
            weights: None,
        }
    }

    /// `∫ (μ·[i = j] − ReLU(μa + b))² dμ` over [0, 1], and its derivatives in a and b: what feature
    /// i costs at output j, with a the product of their columns and b the bias of j.
    pub fn term(same: bool, a: f64, b: f64) -> [f64; 3] {
        // Where the unit is active; the integrand is 0 at the moving end, so that the end has no
        // derivative.
        let root = if a == 0.0 { f64::INFINITY } else { -b / a };
        let (low, high) = match (a > 0.0, a < 0.0) {
            (true, _) => (root.clamp(0.0, 1.0), 1.0),
            (_, true) => (0.0, root.clamp(0.0, 1.0)),
            _ if b > 0.0 => (0.0, 1.0),
            _ => (0.0, 0.0),
        };
        let moment = |n: i32| (high.powi(n + 1) - low.powi(n + 1)) / f64::from(n + 1);
        let (m0, m1, m2) = (moment(0), moment(1), moment(2));
        let squared = a * a * m2 + 2.0 * a * b * m1 + b * b * m0;
        let (mut loss, mut da, mut db) =
            (squared, 2.0 * (a * m2 + b * m1), 2.0 * (a * m1 + b * m0));
        if same {
            loss += 1.0 / 3.0 - 2.0 * (a * m2 + b * m1);
            da -= 2.0 * m2;
            db -= 2.0 * m1;
        }
        [loss, da, db]
    }

    /// The exact loss E‖x − ReLU(WᵀWx + b)‖² where one feature is active at a time; `None` where
    /// several may be. W is `[c, m]`, row major: a feature's column of the paper's W is a row.
    pub fn loss(&self, w: &[f64], b: &[f64]) -> Option<f64> {
        self.spec.sparsity.is_none().then(|| exact_loss(w, b))
    }

    /// The critical polygons of two hidden dimensions that c features allow, of 4 to 8 corners,
    /// each with any number of positive leftover biases, and their losses.
    pub fn polygons(&self) -> Vec<(Polygon, f64)> {
        let with_loss = |polygon: Polygon| {
            let (w, b) = polygon.weights(self.features());
            (polygon, exact_loss(&w, &b))
        };
        self.critical_points().into_iter().map(with_loss).collect()
    }

    /// The same without their losses; none of more features than those points were studied for.
    pub fn critical_points(&self) -> Vec<Polygon> {
        let c = self.features();
        if c > MOST_FEATURES {
            return Vec::new();
        }
        (4..=c.min(8))
            .flat_map(|corners| (0..=c - corners).map(move |plus| Polygon { corners, plus }))
            .collect()
    }

    /// The polygon that weights form, W `[c, 2]` and b: the corners of the convex hull of its rows,
    /// and the rows that are not among the corners and have a positive bias.
    pub fn polygon(w: &[f64], b: &[f64]) -> Polygon {
        let points: Vec<[f64; 2]> = w.chunks_exact(2).map(|row| [row[0], row[1]]).collect();
        let longest = points.iter().map(|p| p[0].hypot(p[1])).fold(0.0, f64::max);
        // What has shrunk to a tenth is no feature any more.
        let kept: Vec<usize> = (0..points.len())
            .filter(|&i| points[i][0].hypot(points[i][1]) > 0.1 * longest)
            .collect();
        let corners = hull(&points, &kept);
        let plus = (0..points.len()).filter(|i| !corners.contains(i) && b[*i] > 0.0);
        Polygon {
            corners: corners.len(),
            plus: plus.count(),
        }
    }
}

fn exact_loss(w: &[f64], b: &[f64]) -> f64 {
    let c = b.len();
    let width = w.len() / c.max(1);
    let row = |i: usize| &w[i * width..(i + 1) * width];
    let mut loss = 0.0;
    for i in 0..c {
        for (j, bias) in b.iter().enumerate() {
            let a = row(i).iter().zip(row(j)).map(|(x, y)| x * y).sum();
            loss += Superposition::term(i == j, a, *bias)[0];
        }
    }
    loss / c as f64
}

/// Corners of the convex hull of some points, one after the other around it.
fn hull(points: &[[f64; 2]], kept: &[usize]) -> Vec<usize> {
    let mut order = kept.to_vec();
    order.sort_by(|&i, &j| {
        let key = |i: usize| (points[i][0], points[i][1]);
        key(i)
            .partial_cmp(&key(j))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let turns = |a: usize, b: usize, c: usize| {
        let [a, b, c] = [a, b, c].map(|i| points[i]);
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    };
    // Andrew's monotone chain: the lower side, then the upper.
    let side = |order: &mut dyn Iterator<Item = usize>| {
        let mut chain: Vec<usize> = Vec::new();
        for point in order {
            while let [.., a, b] = chain[..] {
                if turns(a, b, point) > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    if order.len() < 3 {
        return order;
    }
    let mut corners = side(&mut order.iter().copied());
    corners.extend(side(&mut order.iter().rev().copied()));
    corners
}

impl Polygon {
    /// Radius of the corners and their bias, where the loss has no slope in either.
    pub fn shape(self) -> (f64, f64) {
        let k = self.corners;
        let slope = |radius: f64, bias: f64| {
            let (mut dr, mut db) = (0.0, 0.0);
            for j in 0..k {
                let cos = (std::f64::consts::TAU * j as f64 / k as f64).cos();
                let [_, da, own] = Superposition::term(j == 0, radius * radius * cos, bias);
                dr += da * 2.0 * radius * cos;
                db += own;
            }
            [dr, db]
        };
        // Published digits (arXiv 2310.06301), the last two recomputed.
        let (mut r, mut b) = match k {
            ..=4 => return (1.0, 0.0),
            5 => (1.17046, -0.28230),
            6 => (1.32053, -0.61814),
            7 => (1.44839, -0.96691),
            _ => (1.55045, -1.29119),
        };
        // Newton's method.
        for _ in 0..20 {
            let step = 1e-6;
            let [f, g] = slope(r, b);
            let along = |x: [f64; 2], y: [f64; 2]| {
                [(x[0] - y[0]) / (2.0 * step), (x[1] - y[1]) / (2.0 * step)]
            };
            let [fr, gr] = along(slope(r + step, b), slope(r - step, b));
            let [fb, gb] = along(slope(r, b + step), slope(r, b - step));
            let determinant = fr * gb - fb * gr;
            r -= (f * gb - fb * g) / determinant;
            b -= (fr * g - f * gr) / determinant;
        }
        (r, b)
    }

    /// Weights of the critical point for c features: W `[c, 2]`, row major, and b.
    pub fn weights(self, c: usize) -> (Vec<f64>, Vec<f64>) {
        let (radius, bias) = self.shape();
        let (mut w, mut b) = (vec![0.0; 2 * c], vec![-1.0; c]);
        for i in 0..self.corners {
            let angle = std::f64::consts::TAU * i as f64 / self.corners as f64;
            w[2 * i] = radius * angle.cos();
            w[2 * i + 1] = radius * angle.sin();
            b[i] = bias;
        }
        b[self.corners..self.corners + self.plus].fill(1.0 / (2.0 * c as f64));
        (w, b)
    }
}

impl Polygon {
    /// How far the outputs of weights, W `[c, 2]` and b, are from this critical point's,
    /// E‖f(x) − f*(x)‖² where one feature is active at a time.
    ///
    /// The longest rows are taken for the corners, in the order of their angles, and of the others
    /// those with the greatest biases for the positive ones: near the critical point that is the
    /// best match, elsewhere one of the good ones.
    pub fn distance(self, w: &[f64], b: &[f64]) -> f64 {
        let c = b.len();
        let row = |i: usize| [w[2 * i], w[2 * i + 1]];
        let length = |i: usize| row(i)[0].hypot(row(i)[1]);
        let angle = |i: usize| row(i)[1].atan2(row(i)[0]);
        let mut order: Vec<usize> = (0..c).collect();
        order.sort_by(|&i, &j| length(j).total_cmp(&length(i)));
        let (corners, rest) = order.split_at_mut(self.corners.min(c));
        corners.sort_by(|&i, &j| angle(i).total_cmp(&angle(j)));
        rest.sort_by(|&i, &j| b[j].total_cmp(&b[i]));
        let (ideal_w, ideal_b) = self.weights(c);
        let product = |x: [f64; 2], y: [f64; 2]| x[0] * y[0] + x[1] * y[1];
        let ideal = |i: usize| [ideal_w[2 * i], ideal_w[2 * i + 1]];
        let mut sum = 0.0;
        for (ideal_i, &i) in order.iter().enumerate() {
            for (ideal_j, &j) in order.iter().enumerate() {
                let own = (product(row(i), row(j)), b[j]);
                let wanted = (product(ideal(ideal_i), ideal(ideal_j)), ideal_b[ideal_j]);
                sum += apart(own, wanted);
            }
        }
        sum / c as f64
    }
}

/// `∫ (ReLU(μa + b) − ReLU(μa' + b'))² dμ` over [0, 1].
fn apart((a, b): (f64, f64), (other_a, other_b): (f64, f64)) -> f64 {
    let mut ends = vec![0.0, -b / a, -other_b / other_a, 1.0];
    ends.retain(|end| (0.0..=1.0).contains(end));
    ends.sort_by(f64::total_cmp);
    let squared = |mu: f64| {
        let (own, other) = ((mu * a + b).max(0.0), (mu * other_a + other_b).max(0.0));
        (own - other).powi(2)
    };
    // Between two ends it is a polynomial of degree 2, on which Simpson's rule is exact.
    let piece = |ends: &[f64]| {
        let (low, high) = (ends[0], ends[1]);
        let middle = 0.5 * (low + high);
        (high - low) / 6.0 * (squared(low) + 4.0 * squared(middle) + squared(high))
    };
    ends.windows(2).map(piece).sum()
}

impl std::fmt::Display for Polygon {
    /// `5-gon`, and `5-gon+` with a positive leftover bias.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-gon{}", self.corners, "+".repeat(self.plus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toy() -> Superposition {
        Superposition::new(SuperpositionSpec::default())
    }

    #[test]
    fn critical_losses_are_the_published_ones() {
        let found = toy().polygons();
        let named: Vec<String> = found.iter().map(|(p, _)| p.to_string()).collect();
        assert_eq!(
            named,
            ["4-gon", "4-gon+", "4-gon++", "5-gon", "5-gon+", "6-gon"]
        );
        let published = [0.11111, 0.10417, 0.09722, 0.06874, 0.06180, 0.04819];
        for ((polygon, loss), expected) in found.iter().zip(published) {
            assert!((loss - expected).abs() < 6e-6, "{polygon}: {loss}");
        }
        let of = |c: usize| {
            let spec = SuperpositionSpec {
                features: c,
                ..SuperpositionSpec::default()
            };
            Superposition::new(spec).polygons()
        };
        for (c, polygon, expected) in [
            (5, (4, 0), 0.06667),
            (5, (4, 1), 0.05667),
            (5, (5, 0), 0.01583),
            (4, (4, 0), 0.0),
            (7, (7, 0), 0.08327),
            (8, (8, 0), 0.11555),
        ] {
            let (corners, plus) = polygon;
            let found = of(c);
            let loss = found.iter().find(|(p, _)| *p == Polygon { corners, plus });
            assert!((loss.unwrap().1 - expected).abs() < 6e-6, "{c}: {loss:?}");
        }
    }

    #[test]
    fn the_exact_loss_is_that_of_many_draws() {
        // Weights of no particular shape.
        let mut w = vec![0.0_f32; 12];
        let mut b = vec![0.0_f32; 6];
        Stream::new(3, "weights", &[]).fill_normal(0, &mut w);
        Stream::new(3, "biases", &[]).fill_normal(0, &mut b);
        let [w, b] = [w, b].map(|all| all.into_iter().map(f64::from).collect::<Vec<f64>>());
        let rows = 200_000;
        let batch = toy().values(Split::HeldOut, &Stream::new(1, "draws", &[]), 0, rows);
        let losses: Vec<f64> = batch
            .inputs
            .chunks_exact(6)
            .map(|x| {
                let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let hidden = |k: usize| (0..6).map(|i| w[2 * i + k] * x[i]).sum::<f64>();
                let hidden = [hidden(0), hidden(1)];
                (0..6)
                    .map(|j| {
                        let out = w[2 * j] * hidden[0] + w[2 * j + 1] * hidden[1] + b[j];
                        (x[j] - out.max(0.0)).powi(2)
                    })
                    .sum()
            })
            .collect();
        let mean = losses.iter().sum::<f64>() / rows as f64;
        let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / rows as f64;
        let exact = toy().loss(&w, &b).unwrap();
        // Five standard errors.
        let room = 5.0 * (variance / rows as f64).sqrt();
        assert!((mean - exact).abs() < room, "{mean}, not {exact} ± {room}");
    }

    #[test]
    fn critical_weights_are_read_as_their_polygons() {
        for c in 4..=8 {
            let spec = SuperpositionSpec {
                features: c,
                ..SuperpositionSpec::default()
            };
            for (polygon, _) in Superposition::new(spec).polygons() {
                let (w, b) = polygon.weights(c);
                assert_eq!(Superposition::polygon(&w, &b), polygon, "{c}");
            }
        }
    }

    #[test]
    fn distances_are_zero_at_the_critical_point_turned_and_permuted_and_grow_away_from_it() {
        let polygons = toy().polygons();
        for (polygon, _) in &polygons {
            let (w, b) = polygon.weights(6);
            // Turned by an angle, mirrored, and with the features in another order.
            let (sin, cos) = 0.7_f64.sin_cos();
            let order = [3, 0, 5, 1, 4, 2];
            let turn = |i: usize| {
                let (x, y) = (w[2 * i], -w[2 * i + 1]);
                [cos * x - sin * y, sin * x + cos * y]
            };
            let turned: Vec<f64> = order.iter().flat_map(|&i| turn(i)).collect();
            let moved: Vec<f64> = order.iter().map(|&i| b[i]).collect();
            assert!(polygon.distance(&turned, &moved) < 1e-20, "{polygon}");
            for (other, _) in &polygons {
                let apart = other.distance(&turned, &moved);
                assert!(
                    other == polygon || apart > 1e-3,
                    "{polygon}, {other}: {apart}"
                );
            }
            let shrunk: Vec<f64> = turned.iter().map(|x| 0.9 * x).collect();
            assert!(polygon.distance(&shrunk, &moved) > 1e-3, "{polygon}");
        }
    }

    #[test]
    fn the_distance_of_outputs_is_the_integral() {
        for (own, other) in [
            ((1.0, -0.3), (0.5, 0.2)),
            ((-1.2, 0.4), (0.0, 0.1)),
            ((0.0, -1.0), (0.0, 0.0)),
            ((2.0, -0.5), (-1.0, 0.9)),
        ] {
            let n = 20_000;
            let unit = |(a, b): (f64, f64), mu: f64| (a * mu + b).max(0.0);
            let sum: f64 = (0..n)
                .map(|i| (f64::from(i) + 0.5) / f64::from(n))
                .map(|mu| (unit(own, mu) - unit(other, mu)).powi(2))
                .sum();
            // The midpoint rule's error is of order 1/n² but at the kinks, where it is as small.
            let found = apart(own, other);
            assert!(
                (found - sum / f64::from(n)).abs() < 1e-7,
                "{own:?} {other:?}"
            );
        }
    }

    #[test]
    fn one_feature_is_active_or_a_share_of_them() {
        let stream = Stream::new(1, "draws", &[]);
        let batch = toy().values(Split::Train, &stream, 0, 1000);
        let active = |x: &[f32]| x.iter().filter(|x| **x != 0.0).count();
        assert!(batch.inputs.chunks_exact(6).all(|x| active(x) <= 1));
        assert_eq!(batch.inputs, batch.targets);
        let sparse = Superposition::new(SuperpositionSpec {
            sparsity: Some(0.75),
            ..SuperpositionSpec::default()
        });
        let batch = sparse.values(Split::Train, &stream, 0, 1000);
        let share = active(&batch.inputs) as f64 / 6000.0;
        // A quarter, with a standard error of .0056.
        assert!((share - 0.25).abs() < 0.03, "{share}");
        assert_eq!(sparse.loss(&[0.0; 12], &[0.0; 6]), None);
    }

    #[test]
    fn a_training_set_is_finite() {
        let toy = Superposition::new(SuperpositionSpec {
            training_set: Some(20),
            ..SuperpositionSpec::default()
        });
        let stream = Stream::new(1, "draws", &[]);
        let rows = |split| {
            let batch = toy.values(split, &stream, 0, 500);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let rows = batch.inputs.chunks_exact(6).map(bits);
            rows.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(rows(Split::Train), 20);
        assert!(rows(Split::HeldOut) > 400);
    }
}
