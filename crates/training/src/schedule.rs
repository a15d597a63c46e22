//! The learning rate as a pure function of the step.

use crate::config::{LrSchedule, TrainingSection};

/// The learning rate of the update that follows `step` updates, as a fraction of its height.
///
/// The rise is `(step + 1)/warmup`, so that no update is wasted on a rate of zero; the descent ends
/// at `lr_end` with the last update. Cosine: Loshchilov & Hutter 2017; one-cycle: Smith & Topin
/// 2018, the triangle that Hoogland et al. 2024 use for in-context regression. Cyclic: Smith 2017.
pub fn rate(training: &TrainingSection, step: u64) -> f64 {
    if training.schedule == LrSchedule::Constant {
        return 1.0;
    }
    if training.schedule == LrSchedule::Cyclic {
        let period = training.period.max(1);
        let way = 2.0 * (step % period) as f64 / period as f64;
        return training.lr_end + (1.0 - training.lr_end) * (1.0 - (way - 1.0).abs());
    }
    if step < training.warmup {
        return (step + 1) as f64 / training.warmup as f64;
    }
    let span = training.steps.saturating_sub(training.warmup + 1).max(1) as f64;
    let progress = ((step - training.warmup) as f64 / span).min(1.0);
    let down = match training.schedule {
        LrSchedule::Constant | LrSchedule::Warmup | LrSchedule::Cyclic => return 1.0,
        LrSchedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        LrSchedule::OneCycle => 1.0 - progress,
    };
    training.lr_end + (1.0 - training.lr_end) * down
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: LrSchedule, warmup: u64, steps: u64, lr_end: f64) -> Vec<f64> {
        let training = TrainingSection {
            schedule,
            warmup,
            steps,
            lr_end,
            ..Default::default()
        };
        (0..steps).map(|s| rate(&training, s)).collect()
    }

    fn check(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-12, "{found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn constant_is_constant() {
        check(&rates(LrSchedule::Constant, 0, 3, 0.0), &[1.0; 3]);
    }

    #[test]
    fn warm_up_rises_and_stays() {
        check(
            &rates(LrSchedule::Warmup, 4, 6, 0.0),
            &[0.25, 0.5, 0.75, 1.0, 1.0, 1.0],
        );
    }

    #[test]
    fn cosine_goes_from_the_height_to_its_end() {
        check(
            &rates(LrSchedule::Cosine, 0, 5, 0.2),
            &[
                1.0,
                0.2 + 0.8 * 0.5 * (1.0 + std::f64::consts::FRAC_1_SQRT_2),
                0.6,
                0.2 + 0.8 * 0.5 * (1.0 - std::f64::consts::FRAC_1_SQRT_2),
                0.2,
            ],
        );
    }

    #[test]
    fn cyclic_goes_up_and_down_again_and_again() {
        let training = TrainingSection {
            schedule: LrSchedule::Cyclic,
            period: 4,
            steps: 7,
            lr_end: 0.2,
            ..Default::default()
        };
        let found: Vec<f64> = (0..7).map(|s| rate(&training, s)).collect();
        check(&found, &[0.2, 0.6, 1.0, 0.6, 0.2, 0.6, 1.0]);
    }

    #[test]
    fn one_cycle_is_a_triangle() {
        check(
            &rates(LrSchedule::OneCycle, 4, 9, 0.0),
            &[0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0],
        );
    }
}
