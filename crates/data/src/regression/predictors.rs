//! What is known to be possible: exact predictors of y.

use serde::Serialize;

use super::pool::TaskPool;
use super::{InContextRegression, RegressionSequence, RegressionSequences};

/// A predictor of y from its x and the pairs before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegressionPredictor {
    /// Says 0.
    Zero,
    /// Takes the task to be the mean of the pool, whatever the pairs before say.
    TaskMean,
    /// The posterior mean over the pool (discrete minimum mean squared error; Raventós et al.
    /// 2023), the best for tasks of the pool.
    Dmmse,
    /// The posterior mean of tasks t ~ N(0, I), which is ridge regression: the best for fresh
    /// tasks.
    Ridge,
}

impl RegressionPredictor {
    /// `zero`, `task_mean`, `dmmse` or `ridge`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::TaskMean => "task_mean",
            Self::Dmmse => "dmmse",
            Self::Ridge => "ridge",
        }
    }
}

impl RegressionPredictor {
    /// Whether it depends on the pool of tasks.
    pub fn knows_pool(self) -> bool {
        match self {
            Self::TaskMean | Self::Dmmse => true,
            Self::Zero | Self::Ridge => false,
        }
    }
}

impl InContextRegression {
    /// The predictors that the source has: those that know a pool only where there is one, and its
    /// mean only where there are several tasks.
    pub fn predictors(&self) -> &'static [RegressionPredictor] {
        use RegressionPredictor::{Dmmse, Ridge, TaskMean, Zero};
        match self.tasks() {
            // The mean of one task is that task: both would say the same.
            Some(1) => &[Zero, Dmmse, Ridge],
            Some(_) => &[Zero, TaskMean, Dmmse, Ridge],
            None => &[Zero, Ridge],
        }
    }

    /// The prediction of each y of a sequence, `[pairs]`, from its x and the pairs before it. The
    /// x may be of any scale; σ² is the source's.
    ///
    /// Without a pool the mean task is 0 and dMMSE is ridge, as with a pool without end. Costs
    /// O(K·M·D) for dMMSE and O(K·D²) for ridge.
    pub fn predict(
        &self,
        predictor: RegressionPredictor,
        sequence: RegressionSequence<'_>,
    ) -> Vec<f64> {
        let zero = || vec![0.0; sequence.ys.len()];
        match (predictor, &self.pool) {
            (RegressionPredictor::Zero, _) | (RegressionPredictor::TaskMean, None) => zero(),
            (RegressionPredictor::TaskMean, Some(pool)) => {
                let xs = sequence.xs.chunks_exact(self.dimension());
                xs.map(|x| dot(pool.mean(), x)).collect()
            }
            (RegressionPredictor::Dmmse, Some(pool)) => self.dmmse(pool, sequence),
            (RegressionPredictor::Ridge, _) | (RegressionPredictor::Dmmse, None) => {
                self.ridge(sequence)
            }
        }
    }

    /// Squared errors (y − ŷ)² of a predictor, noise included, `[rows, pairs]`.
    pub fn losses(
        &self,
        predictor: RegressionPredictor,
        sequences: &RegressionSequences,
    ) -> Vec<f64> {
        let of = |sequence: RegressionSequence<'_>| {
            let predicted = self.predict(predictor, sequence);
            let pairs = predicted.iter().zip(sequence.ys);
            pairs.map(|(p, y)| (y - p).powi(2)).collect::<Vec<f64>>()
        };
        sequences.iter().flat_map(of).collect()
    }

    /// Σᵢ wᵢ tᵢ·x / Σᵢ wᵢ over the pool, wᵢ = exp(−Σ (y − tᵢ·x)²/2σ²) over the pairs before. Each
    /// task is looked at once, for all k.
    fn dmmse(&self, pool: &TaskPool, sequence: RegressionSequence<'_>) -> Vec<f64> {
        let d = self.dimension();
        let precision = 0.5 / self.variance();
        let mut means = vec![WeightedMean::default(); sequence.ys.len()];
        pool.for_each_part(|tasks| {
            for task in tasks.chunks_exact(d) {
                let mut log_weight = 0.0;
                let pairs = sequence.xs.chunks_exact(d).zip(sequence.ys);
                for (mean, (x, y)) in means.iter_mut().zip(pairs) {
                    let value = dot(task, x);
                    mean.add(log_weight, value);
                    log_weight -= precision * (y - value).powi(2);
                }
            }
        });
        means
            .into_iter()
            .map(|mean| mean.sum / mean.total)
            .collect()
    }

    /// xᵀ(XᵀX + σ²I)⁻¹Xᵀy over the pairs before, by a Cholesky factor that each pair updates.
    fn ridge(&self, sequence: RegressionSequence<'_>) -> Vec<f64> {
        let d = self.dimension();
        let mut factor = Factor::scaled_identity(d, self.variance().sqrt());
        // Xᵀy.
        let mut moments = vec![0.0; d];
        let predict = |(x, y): (&[f64], &f64)| {
            let predicted = dot(&factor.solve(&moments), x);
            factor.add(x);
            for (moment, x) in moments.iter_mut().zip(x) {
                *moment += x * y;
            }
            predicted
        };
        sequence
            .xs
            .chunks_exact(d)
            .zip(sequence.ys)
            .map(predict)
            .collect()
    }
}

/// A mean whose weights are given by their logarithms.
#[derive(Clone, Copy, Debug)]
struct WeightedMean {
    /// The largest logarithm so far.
    most: f64,
    /// Sum of the weights over exp(most).
    total: f64,
    /// Sum of weight times value over exp(most).
    sum: f64,
}

impl Default for WeightedMean {
    fn default() -> Self {
        Self {
            most: f64::NEG_INFINITY,
            total: 0.0,
            sum: 0.0,
        }
    }
}

impl WeightedMean {
    fn add(&mut self, log_weight: f64, value: f64) {
        if log_weight > self.most {
            let before = (self.most - log_weight).exp();
            self.total *= before;
            self.sum *= before;
            self.most = log_weight;
        }
        let below = log_weight - self.most;
        // The exponential of anything less is 0 in double precision.
        if below > -746.0 {
            let weight = below.exp();
            self.total += weight;
            self.sum += weight * value;
        }
    }
}

/// The Cholesky factor L of a positive matrix A = LLᵀ.
struct Factor {
    size: usize,
    /// `[size, size]`, row major; nothing above the diagonal is used.
    lower: Vec<f64>,
}

impl Factor {
    /// That of s²I.
    fn scaled_identity(size: usize, s: f64) -> Self {
        let mut lower = vec![0.0; size * size];
        for i in 0..size {
            lower[i * size + i] = s;
        }
        Self { size, lower }
    }

    /// That of A + xxᵀ (Golub and Van Loan, section 6.5.4).
    fn add(&mut self, x: &[f64]) {
        let n = self.size;
        let mut x = x.to_vec();
        for i in 0..n {
            let old = self.lower[i * n + i];
            let new = old.hypot(x[i]);
            let (cosine, sine) = (old / new, x[i] / new);
            self.lower[i * n + i] = new;
            for (j, x) in x.iter_mut().enumerate().skip(i + 1) {
                let entry = &mut self.lower[j * n + i];
                (*entry, *x) = (cosine * *entry + sine * *x, cosine * *x - sine * *entry);
            }
        }
    }

    /// A⁻¹b, by forward and back substitution.
    fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.size;
        let mut solution = b.to_vec();
        for i in 0..n {
            let known = dot(&self.lower[i * n..i * n + i], &solution[..i]);
            solution[i] = (solution[i] - known) / self.lower[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n)
                .map(|j| self.lower[j * n + i] * solution[j])
                .sum();
            solution[i] = (solution[i] - known) / self.lower[i * n + i];
        }
        solution
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;

    use super::*;
    use crate::InContextRegressionSpec;
    use crate::describe::mean_and_error;
    use crate::regression::RegressionShift;

    fn source(dimension: usize, pairs: usize, tasks: Option<u64>) -> InContextRegression {
        InContextRegression::new(InContextRegressionSpec {
            dimension,
            pairs,
            tasks,
            ..InContextRegressionSpec::default()
        })
    }

    fn sequences(source: &InContextRegression, rows: usize) -> RegressionSequences {
        let stream = Stream::new(1, "sequences", &[]);
        source.held_out(&stream, rows, RegressionShift::default())
    }

    #[track_caller]
    fn close(found: &[f64], expected: &[f64], room: f64) {
        assert_eq!(found.len(), expected.len());
        let pairs = found.iter().zip(expected);
        let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < room, "{apart}: {found:?}, not {expected:?}");
    }

    /// A⁻¹b by Gaussian elimination with pivots, `[n, n]` row major.
    fn dense_solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for i in 0..n {
            let pivot = (i..n).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()));
            a.swap(i, pivot.unwrap());
            b.swap(i, pivot.unwrap());
            for j in 0..n {
                if j != i {
                    let row = a[i].clone();
                    let factor = a[j][i] / row[i];
                    for (entry, above) in a[j].iter_mut().zip(&row) {
                        *entry -= factor * above;
                    }
                    b[j] -= factor * b[i];
                }
            }
        }
        (0..n).map(|i| b[i] / a[i][i]).collect()
    }

    /// Ridge written as in a textbook: the matrix is made and solved anew for every pair.
    fn plain_ridge(sequence: RegressionSequence<'_>, d: usize, variance: f64) -> Vec<f64> {
        let xs: Vec<&[f64]> = sequence.xs.chunks_exact(d).collect();
        let at = |k: usize| {
            let entry = |i: usize, j: usize| {
                let sum: f64 = xs[..k].iter().map(|x| x[i] * x[j]).sum();
                sum + if i == j { variance } else { 0.0 }
            };
            let a = (0..d).map(|i| (0..d).map(|j| entry(i, j)).collect());
            let moment = |i: usize| xs[..k].iter().zip(sequence.ys).map(|(x, y)| x[i] * y).sum();
            let w = dense_solve(a.collect(), (0..d).map(moment).collect());
            dot(&w, xs[k])
        };
        (0..xs.len()).map(at).collect()
    }

    #[test]
    fn ridge_is_the_dense_solve() {
        for (d, pairs) in [(1, 3), (4, 8), (8, 16), (5, 2)] {
            let source = source(d, pairs, None);
            for shift in [RegressionShift::default(), RegressionShift::scaled(16.0)] {
                let sequences = source.held_out(&Stream::new(2, "rows", &[]), 20, shift);
                for sequence in sequences.iter() {
                    let found = source.predict(RegressionPredictor::Ridge, sequence);
                    assert_eq!(found[0], 0.0);
                    close(&found, &plain_ridge(sequence, d, 0.125), 1e-10);
                }
            }
        }
    }

    /// In one dimension the posterior mean is an integral over t. The trapezoidal rule on a grid
    /// far finer than the posterior is wide is exact to double precision.
    #[test]
    fn ridge_is_the_posterior_mean_by_quadrature() {
        let source = source(1, 6, None);
        for sequence in sequences(&source, 20).iter() {
            let at = |k: usize| {
                let (mut total, mut sum) = (0.0, 0.0);
                for step in -40_000..=40_000 {
                    let t = f64::from(step) * 2.5e-4;
                    let before = sequence.xs[..k].iter().zip(sequence.ys);
                    let squares: f64 = before.map(|(x, y)| (y - t * x).powi(2)).sum();
                    let density = (-0.5 * t * t - squares / (2.0 * 0.125)).exp();
                    total += density;
                    sum += density * t;
                }
                sum / total * sequence.xs[k]
            };
            let expected: Vec<f64> = (0..6).map(at).collect();
            close(
                &source.predict(RegressionPredictor::Ridge, sequence),
                &expected,
                1e-9,
            );
        }
    }

    #[test]
    fn dmmse_is_the_plain_sum_over_the_pool() {
        for tasks in [1, 2, 7, 100] {
            let source = source(3, 6, Some(tasks));
            let pool: Vec<Vec<f64>> = (0..tasks).map(|i| source.task(i).unwrap()).collect();
            let mean: Vec<f64> = (0..3)
                .map(|i| pool.iter().map(|task| task[i]).sum::<f64>() / tasks as f64)
                .collect();
            for sequence in sequences(&source, 20).iter() {
                let xs: Vec<&[f64]> = sequence.xs.chunks_exact(3).collect();
                let at = |k: usize| {
                    let weight = |task: &[f64]| {
                        let before = xs[..k].iter().zip(sequence.ys);
                        let squares: f64 = before.map(|(x, y)| (y - dot(task, x)).powi(2)).sum();
                        (-squares / (2.0 * 0.125)).exp()
                    };
                    let total: f64 = pool.iter().map(|task| weight(task)).sum();
                    let said = pool.iter().map(|task| weight(task) * dot(task, xs[k]));
                    said.sum::<f64>() / total
                };
                let found = source.predict(RegressionPredictor::Dmmse, sequence);
                close(&found, &(0..6).map(at).collect::<Vec<f64>>(), 1e-10);
                let of_mean: Vec<f64> = xs.iter().map(|x| dot(&mean, x)).collect();
                let found_of_mean = source.predict(RegressionPredictor::TaskMean, sequence);
                close(&found_of_mean, &of_mean, 1e-12);
                // At the first pair all tasks weigh the same.
                assert!((found[0] - of_mean[0]).abs() < 1e-12);
                if tasks == 1 {
                    let only: Vec<f64> = xs.iter().map(|x| dot(&pool[0], x)).collect();
                    close(&found, &only, 1e-12);
                }
            }
        }
    }

    /// Far away from the pool every weight is below what a number can hold; the mean is still of
    /// the task that is nearest.
    #[test]
    fn dmmse_does_without_numbers_that_underflow() {
        let source = source(2, 3, Some(5));
        let xs = [1e3, 0.0, 0.0, 1e3, 1.0, 1.0];
        let target = source.task(3).unwrap();
        let ys = [1e3 * target[0] + 1e2, 1e3 * target[1], 0.0];
        let sequence = RegressionSequence {
            task: &target,
            xs: &xs,
            ys: &ys,
        };
        let away = |task: u64| {
            let task = source.task(task).unwrap();
            (ys[0] - 1e3 * task[0]).powi(2) + (ys[1] - 1e3 * task[1]).powi(2)
        };
        let nearest = (0..5).min_by(|&a, &b| away(a).total_cmp(&away(b))).unwrap();
        assert!((-away(nearest) / 0.25).exp() == 0.0);
        let found = source.predict(RegressionPredictor::Dmmse, sequence);
        let task = source.task(nearest).unwrap();
        assert!((found[2] - (task[0] + task[1])).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn without_a_pool_the_predictors_are_the_limits_of_a_large_one() {
        let source = source(4, 8, None);
        for sequence in sequences(&source, 3).iter() {
            let said = |predictor| source.predict(predictor, sequence);
            assert_eq!(
                said(RegressionPredictor::Dmmse),
                said(RegressionPredictor::Ridge)
            );
            assert_eq!(said(RegressionPredictor::TaskMean), [0.0; 8]);
            assert_eq!(said(RegressionPredictor::Zero), [0.0; 8]);
        }
        // In one dimension 2¹⁴ tasks are close to all.
        let many = self::source(1, 6, Some(1 << 14));
        for sequence in sequences(&many, 20).iter() {
            let ridge = many.predict(RegressionPredictor::Ridge, sequence);
            // Six standard errors of a mean of 2¹⁴ tasks, with x up to 3.
            close(
                &many.predict(RegressionPredictor::Dmmse, sequence),
                &ridge,
                0.15,
            );
        }
    }

    /// Whether the mean of some losses is a value known to half a unit of its last digit, within
    /// five standard errors.
    #[track_caller]
    fn has_floor(name: &str, found: &[f64], expected: f64, half_unit: f64) {
        let (mean, error) = mean_and_error(found);
        println!("{name}: {mean:.4} ± {error:.4}");
        let room = 5.0 * error + half_unit;
        assert!(
            (mean - expected).abs() < room,
            "{mean}, not {expected} ± {room}"
        );
    }

    /// Of the losses themselves, noise included, and of their expectation once the xs are known,
    /// σ²(1 + xᵀ(XᵀX + σ²I)⁻¹x), whose standard error is far smaller.
    #[test]
    fn ridge_has_its_floors() {
        let source = source(4, 8, None);
        let sequences = sequences(&source, 40_000);
        let losses = source.losses(RegressionPredictor::Ridge, &sequences);
        let expected = |sequence: RegressionSequence<'_>| {
            let mut factor = Factor::scaled_identity(4, 0.125_f64.sqrt());
            let risk = |x: &[f64]| {
                let risk = 0.125 * (1.0 + dot(&factor.solve(x), x));
                factor.add(x);
                risk
            };
            sequence.xs.chunks_exact(4).map(risk).collect::<Vec<f64>>()
        };
        let risks: Vec<f64> = sequences.iter().flat_map(expected).collect();
        let floors = [
            (4.125, 5e-4),
            (3.178, 5e-4),
            (2.28, 5e-3),
            (1.49, 5e-3),
            (0.894, 5e-4),
            (0.574, 5e-4),
            (0.410, 5e-4),
            (0.322, 5e-4),
        ];
        for (name, all) in [("loss", &losses), ("expected", &risks)] {
            for (k, (floor, half_unit)) in floors.into_iter().enumerate() {
                let at_k: Vec<f64> = all.iter().copied().skip(k).step_by(8).collect();
                has_floor(&format!("{name} at {}", k + 1), &at_k, floor, half_unit);
            }
            has_floor(name, &means_of(all, 8), 1.659, 5e-4);
        }
    }

    /// Means over the pairs of each sequence.
    fn means_of(losses: &[f64], pairs: usize) -> Vec<f64> {
        let rows = losses.chunks_exact(pairs);
        rows.map(|row| row.iter().sum::<f64>() / pairs as f64)
            .collect()
    }

    #[test]
    fn ridge_has_its_floors_in_eight_dimensions() {
        for (variance, floor) in [(0.125, 2.696), (0.25, 3.010)] {
            let source = InContextRegression::new(InContextRegressionSpec {
                dimension: 8,
                pairs: 16,
                variance,
                ..InContextRegressionSpec::default()
            });
            let losses = source.losses(RegressionPredictor::Ridge, &sequences(&source, 20_000));
            let name = format!("loss at variance {variance}");
            has_floor(&name, &means_of(&losses, 16), floor, 5e-4);
        }
    }

    /// On tasks of the pool dMMSE is best. A single task is known from the start; the more there
    /// are, the closer is dMMSE to ridge.
    #[test]
    fn dmmse_loses_more_the_more_tasks_there_are() {
        let mut last = 0.0;
        for tasks in [1, 4, 16, 64, 256, 1024] {
            let source = source(4, 8, Some(tasks));
            let sequences = sequences(&source, 4000);
            let [dmmse, ridge] = [RegressionPredictor::Dmmse, RegressionPredictor::Ridge]
                .map(|predictor| means_of(&source.losses(predictor, &sequences), 8));
            let (loss, error) = mean_and_error(&dmmse);
            let (of_ridge, error_of_ridge) = mean_and_error(&ridge);
            println!(
                "{tasks} tasks: dmmse {loss:.3} ± {error:.3}, ridge {of_ridge:.3} ± \
                 {error_of_ridge:.3}"
            );
            if tasks == 1 {
                has_floor("one task", &dmmse, 0.125, 0.0);
            }
            let apart: Vec<f64> = ridge.iter().zip(&dmmse).map(|(r, d)| r - d).collect();
            let (apart, error) = mean_and_error(&apart);
            assert!(apart > 5.0 * error, "{tasks}: {apart} ± {error}");
            assert!(loss > last, "{tasks}: {loss}, after {last}");
            last = loss;
        }
    }
}
