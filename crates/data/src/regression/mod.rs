//! In-context linear regression (Garg et al. 2022, arXiv 2208.01066; Raventós et al. 2023, arXiv
//! 2306.15063; Hoogland et al. 2024, arXiv 2402.02364; Carroll et al. 2025, arXiv 2501.17745).
//!
//! A sequence has a task t ~ N(0, I) of D components and K pairs of x ~ N(0, I) and y = t·x + ε,
//! ε ~ N(0, σ²). The network should say each y from its x and the pairs before it. With a pool of
//! M tasks the best that it can do is the posterior mean over the pool; without one it is ridge
//! regression, and with many tasks networks come to do that instead. Both are computed exactly.

mod describe;
mod pool;
mod predictors;
mod sequences;
mod spec;

use ontogeny_store::{Key, KeyBuilder, Stream};

use crate::training_set::TrainingSet;
use crate::{Split, Values};
use pool::TaskPool;

pub use describe::{Estimate, PredictorDescription, RegressionDescription};
pub use predictors::RegressionPredictor;
pub use sequences::{RegressionSequence, RegressionSequences, RegressionShift};
pub use spec::InContextRegressionSpec;

/// In-context regression, ready to be drawn from.
#[derive(Clone, Debug)]
pub struct InContextRegression {
    spec: InContextRegressionSpec,
    pool: Option<TaskPool>,
    training_set: Option<TrainingSet>,
}

impl InContextRegression {
    pub(crate) fn new(spec: InContextRegressionSpec) -> Self {
        let pool = spec
            .tasks
            .map(|size| TaskPool::new(spec.seed, size, spec.dimension));
        let training_set = spec
            .training_set
            .map(|size| TrainingSet::new(spec.seed, size));
        Self {
            spec,
            pool,
            training_set,
        }
    }

    /// Names what the examples depend on.
    pub fn key(&self) -> Key {
        let spec = &self.spec;
        let mut key = KeyBuilder::new("in_context_regression/1")
            .number("dimension", spec.dimension as u64)
            .number("pairs", spec.pairs as u64)
            .number("variance", spec.variance.to_bits());
        if let Some(tasks) = spec.tasks {
            key = key.number("tasks", tasks);
        }
        if let Some(size) = spec.training_set {
            key = key.number("training_set", size);
        }
        if spec.tasks.is_some() || spec.training_set.is_some() {
            key = key.number("seed", spec.seed);
        }
        key.finish()
    }

    /// Factors g of the variance of x at which the loss is measured beside that of training. They
    /// are no part of [`InContextRegression::key`].
    pub fn measured_at(&self) -> &[f64] {
        &self.spec.out_of_distribution
    }

    /// Components D of a task and of an x.
    pub fn dimension(&self) -> usize {
        self.spec.dimension
    }

    /// Pairs K of a sequence.
    pub fn pairs(&self) -> usize {
        self.spec.pairs
    }

    /// Vectors of a sequence, 2K.
    pub fn positions(&self) -> usize {
        2 * self.spec.pairs
    }

    /// Components of an input vector, D + 1.
    pub fn d_in(&self) -> usize {
        self.spec.dimension + 1
    }

    /// Components of an output: 1, the prediction of y.
    pub fn d_out(&self) -> usize {
        1
    }

    /// Variance σ² of the noise of y, in whose terms the squared error (y − ŷ)²/2σ² is minus a
    /// log-likelihood.
    pub fn variance(&self) -> f64 {
        self.spec.variance
    }

    /// Number M of tasks in the pool; `None` where each sequence has a fresh task.
    pub fn tasks(&self) -> Option<u64> {
        self.pool.as_ref().map(TaskPool::size)
    }

    /// Task `number` of the pool, `[dimension]`, from 0; `None` where the pool has none of this
    /// number. It does not depend on the size of the pool.
    pub fn task(&self, number: u64) -> Option<Vec<f64>> {
        let pool = self.pool.as_ref().filter(|pool| number < pool.size())?;
        let mut task = vec![0.0; self.spec.dimension];
        pool.fill(number, &mut task);
        Some(task.into_iter().map(f64::from).collect())
    }

    /// The first `rows` held-out sequences of a stream, as batch 0 of [`crate::Source::examples`]
    /// has them if `shift` is the default. Other sequences of the same stream have the same
    /// normals: x scaled and t replaced, so that differences between them have little noise.
    pub fn held_out(
        &self,
        stream: &Stream,
        rows: usize,
        shift: RegressionShift,
    ) -> RegressionSequences {
        self.draw(Split::HeldOut, stream, 0, rows, shift)
    }

    /// Batch `index` of a stream: `rows` examples. As [`crate::Source::examples`].
    pub(crate) fn values(&self, split: Split, stream: &Stream, index: u64, rows: usize) -> Values {
        let shift = RegressionShift::default();
        self.draw(split, stream, index, rows, shift).values()
    }

    /// A sequence is made of the normals of one index of a stream: the task, then x and ε of each
    /// pair. A sequence of fewer pairs is the beginning of one of more.
    fn draw(
        &self,
        split: Split,
        stream: &Stream,
        index: u64,
        rows: usize,
        shift: RegressionShift,
    ) -> RegressionSequences {
        let (d, k) = (self.spec.dimension, self.spec.pairs);
        let batch = stream.child(split.name(), &[index]);
        let set = self.training_set.as_ref().filter(|_| split == Split::Train);
        let pool = self.pool.as_ref().filter(|_| !shift.fresh_tasks);
        let normals = set.map_or(batch, TrainingSet::stream);
        let choices = normals.child("task", &[]);
        let (deviation, spread) = (self.spec.variance.sqrt(), shift.scale.sqrt());
        let mut sequences = RegressionSequences {
            dimension: d,
            pairs: k,
            rows,
            tasks: Vec::with_capacity(rows * d),
            xs: Vec::with_capacity(rows * k * d),
            ys: Vec::with_capacity(rows * k),
        };
        let mut drawn = vec![0.0_f32; d + k * (d + 1)];
        for row in 0..rows as u64 {
            let number = set.map_or(row, |set| set.number(&mut batch.at(row)));
            normals.fill_normal(number, &mut drawn);
            let (task, pairs) = drawn.split_at_mut(d);
            if let Some(pool) = pool {
                pool.fill(pool.number(&mut choices.at(number)), task);
            }
            sequences.tasks.extend(task.iter().map(|&t| f64::from(t)));
            for pair in pairs.chunks_exact(d + 1) {
                let mut y = deviation * f64::from(pair[d]);
                for (t, x) in task.iter().zip(pair) {
                    let x = f64::from((spread * f64::from(*x)) as f32);
                    y += f64::from(*t) * x;
                    sequences.xs.push(x);
                }
                sequences.ys.push(f64::from(y as f32));
            }
        }
        sequences
    }
}
