//! A pool of tasks.

use std::sync::OnceLock;

use ontogeny_store::Stream;
use rand::Rng;

use crate::draw::below;

/// Most components of a pool that are kept in memory: 128 MiB of them.
const KEPT: u64 = 1 << 24;
/// Components of a part of a pool that is not kept.
const BLOCK: usize = 1 << 16;

/// `size` tasks t ~ N(0, I). Task i is a function of the seed and i alone, so that a pool is the
/// beginning of every larger one.
#[derive(Clone, Debug)]
pub(super) struct TaskPool {
    size: u64,
    dimension: usize,
    stream: Stream,
    /// All tasks, `[size, dimension]`, once they are needed and if they are few enough.
    kept: OnceLock<Vec<f64>>,
    /// Their mean, `[dimension]`, once it is needed.
    mean: OnceLock<Vec<f64>>,
}

impl TaskPool {
    pub(super) fn new(seed: u64, size: u64, dimension: usize) -> Self {
        Self {
            size,
            dimension,
            stream: Stream::new(seed, "pool of tasks", &[]),
            kept: OnceLock::new(),
            mean: OnceLock::new(),
        }
    }

    /// Number of tasks M.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The number of a task of the pool, all equally likely.
    pub(super) fn number(&self, rng: &mut impl Rng) -> u64 {
        below(rng, self.size)
    }

    /// Writes task `number`, `[dimension]`.
    pub(super) fn fill(&self, number: u64, task: &mut [f32]) {
        self.stream.fill_normal(number, task);
    }

    /// Shows all tasks from the first on, in parts `[some, dimension]` of one task at least.
    pub(super) fn for_each_part(&self, mut show: impl FnMut(&[f64])) {
        if self.size * self.dimension as u64 <= KEPT {
            return show(self.kept.get_or_init(|| self.part(0, self.size)));
        }
        let part = (BLOCK / self.dimension).max(1) as u64;
        let mut first = 0;
        while first < self.size {
            let next = (first + part).min(self.size);
            show(&self.part(first, next));
            first = next;
        }
    }

    /// The mean of all tasks, `[dimension]`.
    pub(super) fn mean(&self) -> &[f64] {
        self.mean.get_or_init(|| {
            let mut mean = vec![0.0; self.dimension];
            self.for_each_part(|tasks| {
                for task in tasks.chunks_exact(self.dimension) {
                    for (sum, component) in mean.iter_mut().zip(task) {
                        *sum += component;
                    }
                }
            });
            for sum in &mut mean {
                *sum /= self.size as f64;
            }
            mean
        })
    }

    /// The tasks from `first` to before `end`, `[end − first, dimension]`.
    fn part(&self, first: u64, end: u64) -> Vec<f64> {
        let mut task = vec![0.0; self.dimension];
        let mut all = Vec::with_capacity((end - first) as usize * self.dimension);
        for number in first..end {
            self.fill(number, &mut task);
            all.extend(task.iter().map(|&component| f64::from(component)));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_pool_whether_it_is_kept_or_not() {
        // 1024 components, 2¹⁴ + 3 tasks: more than is kept.
        let large = TaskPool::new(3, (1 << 14) + 3, 1024);
        let (mut shown, mut parts, mut last) = (0, 0, Vec::new());
        large.for_each_part(|tasks| {
            parts += 1;
            shown += tasks.len() / 1024;
            last = tasks[tasks.len() - 1024..].to_vec();
        });
        assert_eq!((shown, large.kept.get()), ((1 << 14) + 3, None));
        assert!(parts > 1);
        let mut task = vec![0.0; 1024];
        large.fill((1 << 14) + 2, &mut task);
        assert!(last.iter().zip(&task).all(|(a, b)| *a == f64::from(*b)));

        let small = TaskPool::new(3, 5, 1024);
        small.for_each_part(|tasks| assert_eq!(tasks, small.part(0, 5)));
        assert!(small.kept.get().is_some());
        for (i, mean) in small.mean().iter().enumerate() {
            let sum: f64 = (0..5).map(|n| small.part(n, n + 1)[i]).sum();
            assert!((mean - sum / 5.0).abs() < 1e-12);
        }
    }
}
