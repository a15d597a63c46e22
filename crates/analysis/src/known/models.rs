//! Losses whose learning coefficient is known, in double precision, with their gradients written
//! out.

/// A loss about a true parameter.
pub trait Model: Sync + Send {
    /// Number of parameters.
    fn dimension(&self) -> usize;

    /// w*, a true parameter, as singular as there is.
    fn start(&self) -> Vec<f64>;

    /// Loss at `w`; adds its gradient to `gradient`, which comes as zeros.
    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64;
}

/// `½ Σ hᵢ wᵢ²`.
#[derive(Debug)]
pub struct Quadratic {
    /// The hᵢ.
    pub curvatures: Vec<f64>,
}

impl Model for Quadratic {
    fn dimension(&self) -> usize {
        self.curvatures.len()
    }

    fn start(&self) -> Vec<f64> {
        vec![0.0; self.dimension()]
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let mut loss = 0.0;
        for ((w, h), g) in w.iter().zip(&self.curvatures).zip(gradient) {
            loss += 0.5 * h * w * w;
            *g += h * w;
        }
        loss
    }
}

/// `Π wᵢ^{2kᵢ}`.
#[derive(Debug)]
pub struct NormalCrossing {
    /// The kᵢ.
    pub powers: Vec<u32>,
}

impl Model for NormalCrossing {
    fn dimension(&self) -> usize {
        self.powers.len()
    }

    fn start(&self) -> Vec<f64> {
        vec![0.0; self.dimension()]
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let factor = |i: usize| w[i].powi(2 * self.powers[i] as i32);
        let loss = (0..w.len()).map(factor).product();
        for (i, g) in gradient.iter_mut().enumerate() {
            let k = 2 * self.powers[i] as i32;
            if k > 0 {
                let others: f64 = (0..w.len()).filter(|&j| j != i).map(factor).product();
                *g += f64::from(k) * w[i].powi(k - 1) * others;
            }
        }
        loss
    }
}

/// A deep linear network with standard normal inputs and unit noise, `½‖W_L ⋯ W₁ − T‖²` with T of
/// rank r: its loss less that of the truth, averaged over the inputs. Two layers of weights are
/// reduced-rank regression.
#[derive(Debug)]
pub struct DeepLinear {
    /// Widths of the layers, inputs first; two at least.
    pub widths: Vec<usize>,
    /// r, at most the least width.
    pub rank: usize,
}

impl DeepLinear {
    fn layers(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        self.widths.windows(2).map(|w| [w[1], w[0]])
    }
}

/// `c = a b` for `a` of `m × k` and `b` of `k × n`, row major.
fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3], c: &mut [f64]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}

impl Model for DeepLinear {
    fn dimension(&self) -> usize {
        self.layers().map(|[rows, columns]| rows * columns).sum()
    }

    /// Ones on the first r places of every diagonal: each layer has rank r and no more.
    fn start(&self) -> Vec<f64> {
        let one = |[rows, columns]: [usize; 2]| {
            (0..rows * columns).map(move |i| {
                let (row, column) = (i / columns, i % columns);
                f64::from(u8::from(row == column && row < self.rank))
            })
        };
        self.layers().flat_map(one).collect()
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let inputs = self.widths[0];
        // below[l] = W_l ⋯ W₁, `widths[l] × inputs`; the identity for l = 0.
        let mut below: Vec<Vec<f64>> = vec![identity(inputs)];
        let mut at = 0;
        for [rows, columns] in self.layers() {
            let weights = &w[at..at + rows * columns];
            let mut next = vec![0.0; rows * inputs];
            product(
                weights,
                &below[below.len() - 1],
                [rows, columns, inputs],
                &mut next,
            );
            below.push(next);
            at += rows * columns;
        }
        let mut error = below.pop().unwrap_or_default();
        for i in 0..self.rank {
            error[i * inputs + i] -= 1.0;
        }
        let loss = 0.5 * error.iter().map(|e| e * e).sum::<f64>();
        // above = W_{l+1}ᵀ ⋯ W_Lᵀ · error, as high as layer l's output.
        let mut above = error;
        let layers: Vec<[usize; 2]> = self.layers().collect();
        for (l, &[rows, columns]) in layers.iter().enumerate().rev() {
            at -= rows * columns;
            let weights = &w[at..at + rows * columns];
            let own = &mut gradient[at..at + rows * columns];
            for i in 0..rows {
                for j in 0..columns {
                    let (a, b) = (
                        &above[i * inputs..][..inputs],
                        &below[l][j * inputs..][..inputs],
                    );
                    own[i * columns + j] += a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                }
            }
            let mut next = vec![0.0; columns * inputs];
            for i in 0..rows {
                for j in 0..columns {
                    let x = weights[i * columns + j];
                    for p in 0..inputs {
                        next[j * inputs + p] += x * above[i * inputs + p];
                    }
                }
            }
            above = next;
        }
        loss
    }
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n)
        .map(|i| f64::from(u8::from(i / n == i % n)))
        .collect()
}

/// Which critical point of the toy model of superposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polygon {
    /// The regular 5-gon, the sixth feature dead.
    Five,
    /// The same with the sixth feature's bias at 1/(2c).
    FivePlus,
    /// The regular 6-gon.
    Six,
}

/// The toy model of superposition, `E‖x − ReLU(WᵀWx + b)‖²` with 2 hidden units, 6 features,
/// `x = μ eᵢ` and μ uniform in [0, 1] (Chen et al. 2023, arXiv 2310.06301), about one of its
/// critical polygons. The mean over μ is taken exactly.
#[derive(Debug)]
pub struct Superposition {
    /// Which.
    pub polygon: Polygon,
}

const FEATURES: usize = 6;

impl Model for Superposition {
    /// W as `[2, 6]`, then b.
    fn dimension(&self) -> usize {
        3 * FEATURES
    }

    fn start(&self) -> Vec<f64> {
        let corners = match self.polygon {
            Polygon::Five | Polygon::FivePlus => 5,
            Polygon::Six => 6,
        };
        let (radius, bias) = ontogeny_data::Polygon { corners, plus: 0 }.shape();
        let mut w = vec![0.0; 3 * FEATURES];
        for i in 0..corners {
            let angle = std::f64::consts::TAU * i as f64 / corners as f64;
            w[i] = radius * angle.cos();
            w[FEATURES + i] = radius * angle.sin();
            w[2 * FEATURES + i] = bias;
        }
        match self.polygon {
            Polygon::Five => w[2 * FEATURES + 5] = -1.0,
            Polygon::FivePlus => w[2 * FEATURES + 5] = 1.0 / (2.0 * FEATURES as f64),
            Polygon::Six => {}
        }
        w
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let column = |i: usize| [w[i], w[FEATURES + i]];
        let mut loss = 0.0;
        for i in 0..FEATURES {
            for j in 0..FEATURES {
                let (u, v) = (column(i), column(j));
                let a = u[0] * v[0] + u[1] * v[1];
                let bias = w[2 * FEATURES + j];
                let [term, da, db] = ontogeny_data::Superposition::term(i == j, a, bias);
                let share = 1.0 / FEATURES as f64;
                loss += term * share;
                for (k, (u, v)) in u.into_iter().zip(v).enumerate() {
                    gradient[k * FEATURES + i] += da * share * v;
                    gradient[k * FEATURES + j] += da * share * u;
                }
                gradient[2 * FEATURES + j] += db * share;
            }
        }
        loss
    }
}

/// A regular model: the divergence of a categorical distribution from a fixed one,
/// `KL(p* ‖ softmax(0, w))`, with p*ᵢ ∝ i + 1.
#[derive(Debug)]
pub struct Categorical {
    /// Parameters; there is one category more.
    pub dimension: usize,
}

impl Categorical {
    /// p*.
    pub fn truth(&self) -> Vec<f64> {
        let n = self.dimension + 1;
        let sum = (n * (n + 1) / 2) as f64;
        (1..=n).map(|i| i as f64 / sum).collect()
    }
}

impl Model for Categorical {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn start(&self) -> Vec<f64> {
        let p = self.truth();
        p[1..].iter().map(|x| (x / p[0]).ln()).collect()
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let truth = self.truth();
        let largest = w.iter().fold(0.0_f64, |a, &b| a.max(b));
        let exps: Vec<f64> = std::iter::once(0.0)
            .chain(w.iter().copied())
            .map(|x| (x - largest).exp())
            .collect();
        let sum: f64 = exps.iter().sum();
        let log_sum = largest + sum.ln();
        let mut loss = 0.0;
        for (i, p) in truth.iter().enumerate() {
            let logit = if i == 0 { 0.0 } else { w[i - 1] };
            loss += p * (p.ln() - logit + log_sum);
            if i > 0 {
                gradient[i - 1] += exps[i] / sum - p;
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_store::Stream;

    fn models() -> Vec<(&'static str, Box<dyn Model>)> {
        vec![
            (
                "quadratic",
                Box::new(Quadratic {
                    curvatures: vec![1.0, 4.0, 0.0],
                }),
            ),
            (
                "crossing",
                Box::new(NormalCrossing {
                    powers: vec![1, 0, 2],
                }),
            ),
            (
                "rrr",
                Box::new(DeepLinear {
                    widths: vec![4, 3, 5],
                    rank: 2,
                }),
            ),
            (
                "dln",
                Box::new(DeepLinear {
                    widths: vec![3, 2, 4, 3],
                    rank: 1,
                }),
            ),
            (
                "5",
                Box::new(Superposition {
                    polygon: Polygon::Five,
                }),
            ),
            (
                "5+",
                Box::new(Superposition {
                    polygon: Polygon::FivePlus,
                }),
            ),
            (
                "6",
                Box::new(Superposition {
                    polygon: Polygon::Six,
                }),
            ),
            ("regular", Box::new(Categorical { dimension: 4 })),
        ]
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for (name, model) in models() {
            let mut noise = vec![0.0; model.dimension()];
            Stream::new(1, "known models", &[]).fill_normal(0, &mut noise);
            let w: Vec<f64> = model
                .start()
                .iter()
                .zip(&noise)
                .map(|(w, z)| w + 0.3 * f64::from(*z))
                .collect();
            let loss = |w: &[f64]| model.loss_and_gradient(w, &mut vec![0.0; w.len()]);
            let mut gradient = vec![0.0; w.len()];
            model.loss_and_gradient(&w, &mut gradient);
            for i in 0..w.len() {
                let step = 1e-5;
                let moved = |by: f64| {
                    let mut w = w.clone();
                    w[i] += by;
                    loss(&w)
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                // Third derivatives of order 10, times step²/6, and rounding 1e-16/step.
                assert!(
                    (slope - gradient[i]).abs() < 1e-8,
                    "{name} {i}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }

    #[test]
    fn starts_are_critical_and_losses_published() {
        for (name, model) in models() {
            let w = model.start();
            let mut gradient = vec![0.0; w.len()];
            let loss = model.loss_and_gradient(&w, &mut gradient);
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!(norm < 1e-10, "{name}: {norm}");
            let expected = match name {
                "5" => 0.06874,
                "5+" => 0.06180,
                "6" => 0.04819,
                _ => 0.0,
            };
            assert!((loss - expected).abs() < 6e-6, "{name}: {loss}");
        }
    }
}
