//! Sequences of pairs, as numbers to compute with and as the vectors that a network reads.

use crate::Values;

/// Sequences of pairs of a task each. The numbers are those that a network reads, which are single
/// precision.
#[derive(Clone, Debug, PartialEq)]
pub struct RegressionSequences {
    /// Components D of a task and of an x.
    pub dimension: usize,
    /// Pairs K of a sequence.
    pub pairs: usize,
    /// Number of sequences.
    pub rows: usize,
    /// The task t of each sequence, `[rows, dimension]`.
    pub tasks: Vec<f64>,
    /// `[rows, pairs, dimension]`.
    pub xs: Vec<f64>,
    /// y = t·x + ε, `[rows, pairs]`.
    pub ys: Vec<f64>,
}

/// One of some [`RegressionSequences`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegressionSequence<'a> {
    /// The task t, `[dimension]`, which no predictor looks at.
    pub task: &'a [f64],
    /// `[pairs, dimension]`.
    pub xs: &'a [f64],
    /// `[pairs]`.
    pub ys: &'a [f64],
}

/// How held-out sequences differ from those of training. By default they do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegressionShift {
    /// Tasks t ~ N(0, I) anew instead of those of the pool. Where there is no pool this changes
    /// nothing.
    pub fresh_tasks: bool,
    /// Variance g of the components of x: x ~ N(0, g·I).
    pub scale: f64,
}

impl Default for RegressionShift {
    fn default() -> Self {
        Self {
            fresh_tasks: false,
            scale: 1.0,
        }
    }
}

impl RegressionShift {
    /// Tasks from outside the pool.
    pub fn fresh_tasks() -> Self {
        Self {
            fresh_tasks: true,
            scale: 1.0,
        }
    }

    /// Tasks as in training, x ~ N(0, g·I).
    pub fn scaled(g: f64) -> Self {
        Self {
            fresh_tasks: false,
            scale: g,
        }
    }
}

impl RegressionSequences {
    /// Sequence `row`.
    ///
    /// # Panics
    ///
    /// If there is none of this number.
    pub fn row(&self, row: usize) -> RegressionSequence<'_> {
        let (d, k) = (self.dimension, self.pairs);
        RegressionSequence {
            task: &self.tasks[row * d..(row + 1) * d],
            xs: &self.xs[row * k * d..(row + 1) * k * d],
            ys: &self.ys[row * k..(row + 1) * k],
        }
    }

    /// All sequences, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = RegressionSequence<'_>> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// As a network reads them: 2K positions of D + 1 components, (0, x) and (y, 0, …, 0) in turn,
    /// with the target y at the first of the two and 0 at the second, which does not count.
    pub fn values(&self) -> Values {
        let width = self.dimension + 1;
        let positions = 2 * self.pairs;
        let mut inputs = vec![0.0; self.rows * positions * width];
        let mut targets = vec![0.0; self.rows * positions];
        let xs = self.xs.chunks_exact(self.dimension);
        let pairs = inputs.chunks_exact_mut(2 * width);
        let targets_of_pairs = targets.chunks_exact_mut(2);
        for (((pair, target), x), &y) in pairs.zip(targets_of_pairs).zip(xs).zip(&self.ys) {
            for (input, &component) in pair[1..].iter_mut().zip(x) {
                *input = component as f32;
            }
            pair[width] = y as f32;
            target[0] = y as f32;
        }
        Values {
            inputs,
            targets,
            rows: self.rows,
            positions,
            // 2 where there is an x, 0 where there is a y.
            weights: Some([2.0, 0.0].repeat(self.pairs)),
        }
    }
}
