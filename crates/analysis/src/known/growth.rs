//! A two-layer linear network whose development is known: each mode rises along a sigmoid of its
//! own.
//!
//! Inputs have a diagonal covariance, the truth is diagonal, and the loss averaged over the inputs
//! is `½ Σᵢⱼ vⱼ ((W₂W₁)ᵢⱼ − tᵢ[i = j])²`. From a small balanced start in which no two modes share a
//! hidden unit, gradient flow keeps them apart, and the strength a of each follows
//! `a' = 2va(t − a)` (Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of
//! learning in deep linear neural networks).

use ontogeny_store::Stream;

use super::Model;
use crate::stages::Valley;
use crate::statistics::{mean, standard_error};

/// One mode of the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// Its strength in the truth, t.
    pub target: f64,
    /// Variance of its input, v.
    pub variance: f64,
}

impl Mode {
    /// Its rate, `vt`: a small strength grows as `exp(2vt·time)`.
    pub fn rate(&self) -> f64 {
        self.variance * self.target
    }

    /// Its strength at a time, from `start` at time 0.
    pub fn strength(&self, start: f64, time: f64) -> f64 {
        self.target / (1.0 + (self.target / start - 1.0) * (-2.0 * self.rate() * time).exp())
    }

    /// When its strength is half of its target.
    pub fn half_rise(&self, start: f64) -> f64 {
        (self.target / start - 1.0).ln() / (2.0 * self.rate())
    }

    /// How fast its part of the loss, `½v(t − a)²`, falls at a time.
    pub fn fall(&self, start: f64, time: f64) -> f64 {
        let a = self.strength(start, time);
        let left = self.target - a;
        self.variance * left * 2.0 * self.variance * a * left
    }
}

/// The network: its first inputs and outputs carry the modes, the others nothing.
#[derive(Debug, Clone)]
pub struct LinearModes {
    /// Hidden units, at least as many as modes.
    pub hidden: usize,
    /// Outputs, at least as many as modes.
    pub outputs: usize,
    /// The modes, the fastest first.
    pub modes: Vec<Mode>,
    /// Variances of the inputs beyond those of the modes.
    pub idle: Vec<f64>,
}

impl LinearModes {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.modes.len() + self.idle.len()
    }

    fn variance(&self, input: usize) -> f64 {
        match self.modes.get(input) {
            Some(mode) => mode.variance,
            None => self.idle[input - self.modes.len()],
        }
    }

    /// The same network with a truth of the first modes alone; the inputs of the others carry
    /// nothing then.
    #[must_use]
    pub fn with_truth_of(&self, modes: usize) -> Self {
        let quiet = |(k, mode): (usize, &Mode)| Mode {
            target: if k < modes { mode.target } else { 0.0 },
            ..*mode
        };
        Self {
            modes: self.modes.iter().enumerate().map(quiet).collect(),
            ..self.clone()
        }
    }

    /// Every mode at strength `start`, balanced between the layers, on a hidden unit of its own;
    /// all else is 0.
    pub fn decoupled(&self, start: f64) -> Vec<f64> {
        self.diagonal(|_| start)
    }

    fn diagonal(&self, strength: impl Fn(usize) -> f64) -> Vec<f64> {
        let inputs = self.inputs();
        let mut w = vec![0.0; self.dimension()];
        for k in 0..self.modes.len() {
            let root = strength(k).sqrt();
            w[k * inputs + k] = root;
            w[self.hidden * inputs + k * self.hidden + k] = root;
        }
        w
    }

    /// Independent normal weights of this standard deviation.
    pub fn random(&self, deviation: f64, seed: u64) -> Vec<f64> {
        let mut noise = vec![0.0; self.dimension()];
        Stream::new(seed, "start of a linear network", &[]).fill_normal(0, &mut noise);
        noise.iter().map(|&z| deviation * f64::from(z)).collect()
    }

    /// The strength from which each mode grows after a small start of any kind.
    ///
    /// With b the weights from the mode's input and c those to its output, both over the hidden
    /// units, `b' = vt·c` and `c' = vt·b` as long as all are small: (b − c)/2 dies out and p = (b +
    /// c)/2 grows. Faster modes take their direction of the hidden units for themselves: what a
    /// slower one has along it is unlearned while the faster one is there. So the part of p that is
    /// perpendicular to those of all faster modes counts, squared. Exact for the decoupled start;
    /// otherwise up to terms that are small beside the targets.
    pub fn effective_starts(&self, w: &[f64]) -> Vec<f64> {
        let inputs = self.inputs();
        let mut taken: Vec<Vec<f64>> = Vec::new();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut starts = Vec::new();
        for k in 0..self.modes.len() {
            let mut p: Vec<f64> = (0..self.hidden)
                .map(|h| 0.5 * (w[h * inputs + k] + w[self.hidden * (inputs + k) + h]))
                .collect();
            for direction in &taken {
                let along = dot(&p, direction);
                for (p, d) in p.iter_mut().zip(direction) {
                    *p -= along * d;
                }
            }
            let square = dot(&p, &p);
            starts.push(square);
            taken.push(p.iter().map(|x| x / square.sqrt()).collect());
        }
        starts
    }

    /// Strength of each mode in `W₂W₁`.
    pub fn strengths(&self, w: &[f64]) -> Vec<f64> {
        let inputs = self.inputs();
        (0..self.modes.len())
            .map(|k| {
                (0..self.hidden)
                    .map(|h| w[self.hidden * (inputs + k) + h] * w[h * inputs + k])
                    .sum()
            })
            .collect()
    }

    /// `W₂W₁ − T`, `outputs × inputs`.
    fn error(&self, w: &[f64]) -> Vec<f64> {
        let inputs = self.inputs();
        let (w1, w2) = w.split_at(self.hidden * inputs);
        let mut error = vec![0.0; self.outputs * inputs];
        for i in 0..self.outputs {
            for h in 0..self.hidden {
                let x = w2[i * self.hidden + h];
                for j in 0..inputs {
                    error[i * inputs + j] += x * w1[h * inputs + j];
                }
            }
        }
        for (k, mode) in self.modes.iter().enumerate() {
            error[k * inputs + k] -= mode.target;
        }
        error
    }

    /// The loss as one measures it: its mean over so many fresh inputs, and the standard error of
    /// that.
    pub fn measured_loss(&self, w: &[f64], inputs: usize, stream: &Stream) -> (f64, Option<f64>) {
        let (error, width) = (self.error(w), self.inputs());
        let mut noise = vec![0.0; inputs * width];
        stream.fill_normal(0, &mut noise);
        let deviations: Vec<f64> = (0..width).map(|j| self.variance(j).sqrt()).collect();
        let of_one = |z: &[f32]| -> f64 {
            let x: Vec<f64> = z
                .iter()
                .zip(&deviations)
                .map(|(&z, d)| f64::from(z) * d)
                .collect();
            let rows = error.chunks_exact(width);
            let outputs = rows.map(|row| row.iter().zip(&x).map(|(e, x)| e * x).sum::<f64>());
            0.5 * outputs.map(|o| o * o).sum::<f64>()
        };
        let all: Vec<f64> = noise.chunks_exact(width).map(of_one).collect();
        (mean(&all), standard_error(&all))
    }

    /// The boundaries between the rises of neighbouring modes, in steps of gradient descent at this
    /// rate: the middle of the valley that the speed of the loss has on ln(step + 1) (see
    /// [`crate::stages`]). Modes begin at `starts`.
    pub fn boundaries(&self, starts: &[f64], rate: f64) -> Vec<f64> {
        let speed = |step: f64| -> f64 {
            let of = |(mode, &start): (&Mode, &f64)| mode.fall(start, rate * step);
            (step + 1.0) * self.modes.iter().zip(starts).map(of).sum::<f64>()
        };
        let rises: Vec<f64> = self
            .modes
            .iter()
            .zip(starts)
            .map(|(mode, &start)| (mode.half_rise(start) / rate).ln_1p())
            .collect();
        const PLACES: usize = 20_000;
        let track = |from: f64, to: f64| -> (Vec<f64>, Vec<f64>) {
            let place = |i: usize| from + (to - from) * i as f64 / PLACES as f64;
            let x = (0..=PLACES).map(place);
            x.map(|x| (x, speed(x.exp_m1()))).unzip()
        };
        let greatest = |(x, speed): &(Vec<f64>, Vec<f64>)| {
            let top = (0..speed.len()).max_by(|&a, &b| speed[a].total_cmp(&speed[b]));
            top.map_or((x[0], speed[0]), |top| (x[top], speed[top]))
        };
        // An episode is fastest not quite at its half-rise, but nearer to it than to the next one.
        let apart = rises
            .windows(2)
            .map(|w| 0.5 * (w[1] - w[0]))
            .collect::<Vec<_>>();
        let nearest = |k: usize| {
            let before = k.checked_sub(1).map_or(rises[k], |b| apart[b]);
            let after = apart.get(k).copied().unwrap_or(before);
            greatest(&track(rises[k] - before, rises[k] + after))
        };
        let tops: Vec<(f64, f64)> = (0..rises.len()).map(nearest).collect();
        let middle = |w: &[(f64, f64)]| {
            let (x, speed) = track(w[0].0, w[1].0);
            let valley = Valley::of(&x, &speed, w[0].1.min(w[1].1));
            valley.map(|v| v.middle().exp_m1())
        };
        tops.windows(2).filter_map(middle).collect()
    }
}

impl Model for LinearModes {
    fn dimension(&self) -> usize {
        self.hidden * (self.inputs() + self.outputs)
    }

    /// The truth, balanced between the layers.
    fn start(&self) -> Vec<f64> {
        self.diagonal(|k| self.modes[k].target)
    }

    fn loss_and_gradient(&self, w: &[f64], gradient: &mut [f64]) -> f64 {
        let inputs = self.inputs();
        let (w1, w2) = w.split_at(self.hidden * inputs);
        let (g1, g2) = gradient.split_at_mut(self.hidden * inputs);
        let error = self.error(w);
        let mut loss = 0.0;
        for i in 0..self.outputs {
            for j in 0..inputs {
                let e = error[i * inputs + j];
                let weighted = self.variance(j) * e;
                loss += 0.5 * weighted * e;
                for h in 0..self.hidden {
                    g1[h * inputs + j] += w2[i * self.hidden + h] * weighted;
                    g2[i * self.hidden + h] += w1[h * inputs + j] * weighted;
                }
            }
        }
        loss
    }
}

/// Gradient descent from `w`, telling `see` of the weights after each number of updates from 0 to
/// `last`.
pub fn descend(
    model: &dyn Model,
    mut w: Vec<f64>,
    rate: f64,
    last: u64,
    mut see: impl FnMut(u64, &[f64]),
) {
    let mut gradient = vec![0.0; w.len()];
    for step in 0..=last {
        see(step, &w);
        gradient.fill(0.0);
        model.loss_and_gradient(&w, &mut gradient);
        for (w, g) in w.iter_mut().zip(&gradient) {
            *w -= rate * g;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> LinearModes {
        let mode = |target, variance| Mode { target, variance };
        LinearModes {
            hidden: 3,
            outputs: 4,
            modes: vec![mode(1.5, 2.0), mode(0.8, 1.0)],
            idle: vec![0.7],
        }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let model = network();
        let w = model.random(0.6, 3);
        let loss = |w: &[f64]| model.loss_and_gradient(w, &mut vec![0.0; w.len()]);
        let mut gradient = vec![0.0; w.len()];
        model.loss_and_gradient(&w, &mut gradient);
        for i in 0..w.len() {
            let moved = |by: f64| {
                let mut w = w.clone();
                w[i] += by;
                loss(&w)
            };
            // Third derivatives of order 10, times step²/6, and rounding 1e-16/step.
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - gradient[i]).abs() < 1e-8, "{i}");
        }
        let start = model.start();
        assert!(loss(&start) < 1e-25, "the truth has no loss");
        assert!((model.strengths(&start)[0] - 1.5).abs() < 1e-12);
    }

    #[test]
    fn the_measured_loss_is_the_loss_up_to_its_error() {
        let model = network();
        let w = model.random(0.6, 3);
        let exact = model.loss_and_gradient(&w, &mut vec![0.0; w.len()]);
        let stream = Stream::new(5, "inputs of a test", &[]);
        let (measured, se) = model.measured_loss(&w, 40_000, &stream);
        let se = se.unwrap();
        assert!(
            (measured - exact).abs() < 4.0 * se,
            "{measured} {exact} {se}"
        );
        assert!(se < 0.02 * exact);
    }

    #[test]
    fn the_closed_form_solves_its_equation() {
        let mode = Mode {
            target: 1.5,
            variance: 2.0,
        };
        let a = |time| mode.strength(0.01, time);
        assert!((a(0.0) - 0.01).abs() < 1e-15);
        assert!((a(mode.half_rise(0.01)) - 0.75).abs() < 1e-12);
        for time in [0.1, 0.5, 0.9, 2.0] {
            let slope = (a(time + 1e-5) - a(time - 1e-5)) / 2e-5;
            let expected = 2.0 * 2.0 * a(time) * (1.5 - a(time));
            assert!((slope - expected).abs() < 1e-8, "{time}");
            let loss = |time| 0.5 * 2.0 * (1.5 - a(time)).powi(2);
            let fall = (loss(time - 1e-5) - loss(time + 1e-5)) / 2e-5;
            assert!((fall - mode.fall(0.01, time)).abs() < 1e-7, "{time}");
        }
    }

    #[test]
    fn descent_follows_the_closed_form_and_comes_nearer_with_smaller_steps() {
        let model = network();
        let worst = |rate: f64| {
            let mut worst = 0.0_f64;
            let w = model.decoupled(1e-3);
            descend(&model, w, rate, (8.0 / rate) as u64, |step, w| {
                for (mode, a) in model.modes.iter().zip(model.strengths(w)) {
                    let exact = mode.strength(1e-3, rate * step as f64);
                    worst = worst.max((a - exact).abs());
                }
            });
            worst
        };
        let (coarse, fine) = (worst(4e-3), worst(1e-3));
        assert!(fine < 0.01, "{fine}");
        // The error is of first order in the step.
        assert!((coarse / fine - 4.0).abs() < 0.4, "{coarse} {fine}");
    }

    #[test]
    fn a_decoupled_start_is_its_own_effective_start() {
        let model = network();
        for start in model.effective_starts(&model.decoupled(1e-3)) {
            assert!((start - 1e-3).abs() < 1e-15);
        }
    }
}
