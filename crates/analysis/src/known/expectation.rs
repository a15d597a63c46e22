//! What a perfect sampler would say at the finite nβ, γ and box that it was given.

use std::f64::consts::PI;

use super::models::Categorical;

/// E[nβ·½Σhᵢwᵢ²] under `exp{−nβ·½Σhᵢwᵢ² − (γ/2)‖w‖²}`, in a box of this half-width if there is one.
pub fn quadratic(curvatures: &[f64], nbeta: f64, gamma: f64, half_width: Option<f64>) -> f64 {
    let one = |&h: &f64| {
        let a = nbeta * h + gamma;
        let variance = match half_width {
            None => 1.0 / a,
            Some(b) => truncated_variance(a, b),
        };
        0.5 * nbeta * h * variance
    };
    curvatures.iter().filter(|&&h| h > 0.0).map(one).sum()
}

/// Variance of a normal distribution of precision `a` cut off at ±b: with `z = b√a`,
/// `(1 − 2zφ(z)/(2Φ(z) − 1))/a`.
fn truncated_variance(a: f64, b: f64) -> f64 {
    let z = b * a.sqrt();
    let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    let inside = libm::erf(z / std::f64::consts::SQRT_2);
    (1.0 - 2.0 * z * density / inside) / a
}

/// E[nβ·Πwᵢ^{2kᵢ}] under `exp{−nβ·Πwᵢ^{2kᵢ} − (γ/2)‖w‖²}` in a box, by quadrature:
/// `s = Σ 2kᵢ ln|wᵢ|` has a density that is the convolution of its terms', and nβ acts on s alone.
/// `None` where the posterior is improper: without a box and without localization.
pub fn normal_crossing(
    powers: &[u32],
    nbeta: f64,
    gamma: f64,
    half_width: Option<f64>,
) -> Option<f64> {
    const STEP: f64 = 0.02;
    if half_width.is_none() && gamma <= 0.0 {
        return None;
    }
    // |w| never gets farther: its density is below e^{−350} of its largest there.
    let reach = (700.0 / gamma).sqrt();
    let most = half_width.map_or(reach, |b| b.min(reach));
    let slowest = f64::from(*powers.iter().max()?) * 2.0;
    // The density falls as e^{s/2k} on the left; what is cut off there is below e^{−30} of what
    // counts.
    let points = (slowest * 30.0 / STEP) as usize + (nbeta.ln().abs() / STEP) as usize + 1;
    let mut density = vec![1.0 / STEP];
    let mut top = 0.0;
    for &k in powers.iter().filter(|&&k| k > 0) {
        let k2 = 2.0 * f64::from(k);
        let own: Vec<f64> = (0..points)
            .map(|i| {
                let y = most.ln() - i as f64 * STEP / k2;
                // dw = w dy, and the grid's ends count half.
                let half = if i == 0 { 0.5 } else { 1.0 };
                half * (y - 0.5 * gamma * (2.0 * y).exp()).exp() / k2
            })
            .collect();
        let mut next = vec![0.0; points];
        for (i, x) in density.iter().enumerate() {
            for (j, y) in own[..points - i].iter().enumerate() {
                next[i + j] += x * y * STEP;
            }
        }
        density = next;
        top += k2 * most.ln();
    }
    let (mut numerator, mut denominator) = (0.0, 0.0);
    for (i, f) in density.iter().enumerate() {
        let energy = nbeta * (top - i as f64 * STEP).exp();
        numerator += energy * (-energy).exp() * f;
        denominator += (-energy).exp() * f;
    }
    Some(numerator / denominator)
}

/// E[nβ·KL(p* ‖ softmax(0, w))] for a flat prior in w: with dw = Π dp/p the posterior is a
/// Dirichlet distribution of p with parameters nβ·p*, so that
/// `Z = e^{−nβ Σ p* ln p*}·ΠΓ(nβ p*ᵢ)/Γ(nβ)`, and the answer is −nβ d ln Z/d nβ.
pub fn categorical(model: &Categorical, nbeta: f64) -> f64 {
    let terms = model
        .truth()
        .into_iter()
        .map(|p| p * (p.ln() - digamma(nbeta * p)));
    nbeta * (digamma(nbeta) + terms.sum::<f64>())
}

/// The derivative of ln Γ, by its recurrence up to 10 and its asymptotic series from there.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series =
        y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y / 132.0))));
    sum + x.ln() - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of an energy under e^{−energy}, by the midpoint rule on a grid over a box.
    fn on_a_grid(half_width: f64, d: usize, points: usize, u: impl Fn(&[f64]) -> [f64; 2]) -> f64 {
        let place = |i: usize| half_width * ((2 * i + 1) as f64 / points as f64 - 1.0);
        let (mut numerator, mut denominator) = (0.0, 0.0);
        for index in 0..points.pow(d as u32) {
            let w: Vec<f64> = (0..d)
                .map(|k| place(index / points.pow(k as u32) % points))
                .collect();
            let [energy, prior] = u(&w);
            numerator += energy * (-energy - prior).exp();
            denominator += (-energy - prior).exp();
        }
        numerator / denominator
    }

    #[test]
    fn crossings_agree_with_a_grid() {
        for (powers, nbeta, gamma, half_width) in [
            (vec![1, 1], 580.0, 0.0, Some(1.0)),
            (vec![2, 2], 580.0, 0.0, Some(1.0)),
            (vec![1, 2], 145.0, 3.0, Some(1.0)),
            (vec![0, 3], 145.0, 1.0, Some(2.0)),
            (vec![1, 1], 50.0, 2.0, None),
        ] {
            let exact = normal_crossing(&powers, nbeta, gamma, half_width).unwrap();
            let grid = on_a_grid(half_width.unwrap_or(6.0), 2, 1500, |w| {
                let energy: f64 = w
                    .iter()
                    .zip(&powers)
                    .map(|(w, &k)| w.powi(2 * k as i32))
                    .product();
                let prior = 0.5 * gamma * w.iter().map(|w| w * w).sum::<f64>();
                [nbeta * energy, prior]
            });
            // The midpoint rule on 1500 points, 1500 being some ten to the steepest bend.
            assert!(
                (exact / grid - 1.0).abs() < 1e-3,
                "{powers:?}: {exact} {grid}"
            );
        }
        // Published for E[x²] = 4, which multiplies nβ = 145, to three digits that were cut off.
        let published = |powers: &[u32]| normal_crossing(powers, 580.0, 0.0, Some(1.0)).unwrap();
        assert!((published(&[1, 1]) - 0.379).abs() < 1e-3);
        assert!((published(&[2, 2]) - 0.155).abs() < 1e-3);
        assert_eq!(normal_crossing(&[1, 1], 100.0, 0.0, None), None);
    }

    #[test]
    fn a_regular_model_agrees_with_a_grid() {
        use super::super::models::Model;
        let model = Categorical { dimension: 2 };
        let start = model.start();
        let nbeta = 60.0;
        let grid = on_a_grid(6.0, 2, 1200, |w| {
            let w: Vec<f64> = w.iter().zip(&start).map(|(w, s)| w + s).collect();
            [nbeta * model.loss_and_gradient(&w, &mut [0.0; 2]), 0.0]
        });
        let exact = categorical(&model, nbeta);
        assert!((exact / grid - 1.0).abs() < 1e-5, "{exact} {grid}");
        // λ = 1 in the limit.
        assert!((categorical(&model, 1e6) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn quadratics_in_a_box_agree_with_a_grid() {
        let (h, nbeta, gamma) = (2.0, 30.0, 5.0);
        for half_width in [0.1, 0.3, 1.0] {
            let grid = on_a_grid(half_width, 1, 20_000, |w| {
                [0.5 * nbeta * h * w[0] * w[0], 0.5 * gamma * w[0] * w[0]]
            });
            let exact = quadratic(&[h], nbeta, gamma, Some(half_width));
            assert!((exact / grid - 1.0).abs() < 1e-6, "{exact} {grid}");
        }
    }
}
