//! Noise as it lies on estimates: independent, shared along the curve, growing, heavy-tailed.

use super::super::draws::normals;

/// What the errors of a curve's points are like. The standard deviation is always a share of the
/// curve's range, in the root mean square over the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Share of the range.
    pub level: f64,
    /// Correlation of the errors of neighbouring points: an autoregression of first order.
    pub neighbours: f64,
    /// How many times as large the standard deviation is at the last point as at the first,
    /// exponentially in x.
    pub growth: f64,
    /// Whether innovations are Student's t with 4 degrees of freedom, scaled to the same variance.
    pub heavy: bool,
}

impl Noise {
    /// Independent normal errors of one size.
    pub const fn of(level: f64) -> Noise {
        Noise {
            level,
            neighbours: 0.0,
            growth: 1.0,
            heavy: false,
        }
    }

    /// The same with errors that neighbours share.
    pub const fn shared(self, neighbours: f64) -> Noise {
        Noise { neighbours, ..self }
    }

    /// The same with errors that grow along the run.
    pub const fn growing(self, growth: f64) -> Noise {
        Noise { growth, ..self }
    }

    /// The same with heavy tails.
    pub const fn heavy(self) -> Noise {
        Noise {
            heavy: true,
            ..self
        }
    }

    /// Standard deviations at the points `x`, for a curve of range 1.
    pub fn sizes(&self, x: &[f64]) -> Vec<f64> {
        let (first, last) = (x[0], x[x.len() - 1]);
        let raw: Vec<f64> = x
            .iter()
            .map(|x| self.growth.powf((x - first) / (last - first)))
            .collect();
        let square = raw.iter().map(|r| r * r).sum::<f64>() / raw.len() as f64;
        raw.iter().map(|r| self.level * r / square.sqrt()).collect()
    }

    /// Errors at the points `x`, for a curve of range 1, as (`family`, `seed`) draw them.
    pub fn draw(&self, x: &[f64], family: u64, seed: u64) -> Vec<f64> {
        let sizes = self.sizes(x);
        let mut z = vec![0.0; 5 * x.len()];
        normals(family, seed, &mut z);
        let mut state = 0.0;
        let fresh = (1.0 - self.neighbours * self.neighbours).sqrt();
        z.chunks(5)
            .zip(sizes)
            .enumerate()
            .map(|(i, (z, size))| {
                let tail = z[1..].iter().map(|z| z * z).sum::<f64>() / 4.0;
                // The variance of t with 4 degrees of freedom is 2.
                let innovation = if self.heavy {
                    z[0] / (2.0 * tail).sqrt()
                } else {
                    z[0]
                };
                state = if i == 0 {
                    innovation
                } else {
                    self.neighbours * state + fresh * innovation
                };
                size * state
            })
            .collect()
    }
}
