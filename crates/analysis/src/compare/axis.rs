//! What is counted along the horizontal axis.

use ontogeny_results::compare::Axis;

use crate::table::MeasureRow;

/// From the steps of one replica to tokens, exposures and loss, and back.
#[derive(Debug, Clone)]
pub struct Clock {
    steps: Vec<f64>,
    tokens: Vec<f64>,
    /// ln(step + 1) and the least loss so far, where it was measured.
    loss: (Vec<f64>, Vec<f64>),
    /// From which step on how many repeated triggers an update sees.
    rates: Vec<(u64, f64)>,
}

impl Clock {
    /// The clock of one replica. `rows` are sorted by step; `rates` say from which step on how many
    /// repeated triggers an update sees, the first from 0; `loss` is the measure that serves as
    /// axis.
    pub fn new(rows: &[MeasureRow], rates: &[(u64, f64)], loss: &str) -> Self {
        let mut least = f64::INFINITY;
        let measured = rows.iter().filter_map(|r| {
            least = least.min(*r.values.get(loss)?);
            Some(((r.step as f64).ln_1p(), least))
        });
        Self {
            loss: measured.unzip(),
            steps: rows.iter().map(|r| r.step as f64).collect(),
            tokens: rows.iter().map(|r| r.tokens as f64).collect(),
            rates: rates.to_vec(),
        }
    }

    /// The last step.
    pub fn last(&self) -> f64 {
        self.steps.last().copied().unwrap_or(0.0)
    }

    /// Tokens trained on by a step.
    pub fn tokens(&self, step: f64) -> Option<f64> {
        along(&self.steps, &self.tokens, step)
    }

    /// Repeated triggers trained on by a step.
    pub fn exposures(&self, step: f64) -> f64 {
        let until = self.rates.iter().skip(1).map(|(at, _)| *at as f64);
        let until = until.chain([f64::INFINITY]);
        let each = self.rates.iter().zip(until).map(|((from, rate), to)| {
            let spent = step.min(to) - *from as f64;
            spent.max(0.0) * rate
        });
        each.sum()
    }

    /// The least loss so far at a step, along ln(step + 1) between checkpoints; `None` where no
    /// loss was measured.
    pub fn loss(&self, step: f64) -> Option<f64> {
        along(&self.loss.0, &self.loss.1, step.ln_1p())
    }

    /// The first step at which the loss is down to a level; `None` if it never is.
    pub fn step_at_loss(&self, level: f64) -> Option<f64> {
        let (x, loss) = (&self.loss.0, &self.loss.1);
        let i = loss.iter().position(|l| *l <= level)?;
        let at = match i.checked_sub(1) {
            Some(before) => {
                x[before] + (x[i] - x[before]) * (loss[before] - level) / (loss[before] - loss[i])
            }
            None => x[i],
        };
        Some(at.exp_m1())
    }

    /// The loss at the first and at the last checkpoint.
    pub fn loss_range(&self) -> Option<(f64, f64)> {
        Some((*self.loss.1.first()?, *self.loss.1.last()?))
    }

    /// Where a step lies on an axis.
    pub fn on(&self, axis: Axis, step: f64) -> Option<f64> {
        match axis {
            Axis::Step => Some(step),
            Axis::Tokens => self.tokens(step),
            Axis::Exposures => Some(self.exposures(step)),
            Axis::Loss => self.loss(step),
        }
    }
}

/// Piecewise linear interpolation along ascending `x`; the ends hold beyond them.
pub(super) fn along(x: &[f64], y: &[f64], at: f64) -> Option<f64> {
    let right = x.partition_point(|v| *v < at);
    match (right.checked_sub(1), x.get(right)) {
        (_, None) => y.last().copied(),
        (None, Some(_)) => y.first().copied(),
        (Some(left), Some(_)) => {
            let share = (at - x[left]) / (x[right] - x[left]);
            Some(y[left] + share * (y[right] - y[left]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::rows;

    #[test]
    fn steps_become_tokens_exposures_and_loss() {
        let rows = rows("a", &[0, 1, 3, 7], &[("loss", &[4.0, 3.0, 3.5, 1.0])]);
        let clock = Clock::new(&rows, &[(0, 2.0), (5, 10.0)], "loss");
        assert_eq!(clock.last(), 7.0);
        assert_eq!(clock.tokens(2.0), Some(128.0));
        assert_eq!(clock.exposures(3.0), 6.0);
        assert_eq!(clock.exposures(7.0), 2.0 * 5.0 + 10.0 * 2.0);
        // The loss is the least so far: 3 from step 1 to 3, and halfway from 3 to 7 on ln(step + 1)
        // it is 2.
        assert_eq!(clock.loss(3.0), Some(3.0));
        let middle = (4.0_f64 * 8.0).sqrt() - 1.0;
        assert!((clock.loss(middle).unwrap() - 2.0).abs() < 1e-12);
        assert!((clock.step_at_loss(2.0).unwrap() - middle).abs() < 1e-12);
        assert_eq!(clock.step_at_loss(0.5), None);
        assert_eq!(clock.step_at_loss(5.0), Some(0.0));
    }
}
