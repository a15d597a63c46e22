//! Which steps something happens at: a checkpoint, an evaluation, a kept state.

use serde::{Deserialize, Serialize};

use crate::step::Step;

/// A schedule as it is written in a configuration: the union of three families of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSpec {
    /// How many log-spaced points: ⌊last^(j/(log−1))⌋ for j = 0, …, log−1; 0 for none. Early
    /// points coincide, so fewer steps may result. A single point is the last step.
    pub log: usize,
    /// Every so many steps; 0 for none.
    pub every: u64,
    /// Steps listed one by one, in any order.
    pub at: Vec<u64>,
}

/// A sorted set of steps from 0 to a last one, which both belong to it always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    steps: Vec<Step>,
}

impl Schedule {
    /// All steps of `spec` that are not beyond `last`, with 0 and `last`.
    pub fn build(spec: &ScheduleSpec, last: Step) -> Self {
        let log = (0..spec.log).map(|j| log_spaced(j, spec.log, last.0));
        let every = (1..)
            .map_while(|n: u64| n.checked_mul(spec.every))
            .take_while(|&step| spec.every > 0 && step <= last.0);
        let listed = spec.at.iter().copied();
        let mut steps: Vec<Step> = [0, last.0]
            .into_iter()
            .chain(log)
            .chain(every)
            .chain(listed)
            .filter(|&step| step <= last.0)
            .map(Step)
            .collect();
        steps.sort_unstable();
        steps.dedup();
        Self { steps }
    }

    /// Whether `step` belongs to the schedule.
    pub fn contains(&self, step: Step) -> bool {
        self.steps.binary_search(&step).is_ok()
    }

    /// All steps, ascending and without repetition.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The first step of the schedule that is later than `step`.
    pub fn next_after(&self, step: Step) -> Option<Step> {
        let after = self.steps.partition_point(|&other| other <= step);
        self.steps.get(after).copied()
    }
}

/// ⌊last^(j/(points−1))⌋.
fn log_spaced(j: usize, points: usize, last: u64) -> u64 {
    if j + 1 >= points || last == 0 {
        return last;
    }
    let power = (last as f64).powf(j as f64 / (points - 1) as f64);
    // The power of a perfect power is whole, but the floating-point one may fall just short.
    let nearest = power.round();
    if (power - nearest).abs() < 1e-9 * power {
        nearest as u64
    } else {
        power as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: usize, every: u64, at: &[u64], last: u64, expected: &[u64]) {
        let at = at.to_vec();
        let schedule = Schedule::build(&ScheduleSpec { log, every, at }, Step(last));
        let steps: Vec<u64> = schedule.steps().iter().map(|step| step.0).collect();
        assert_eq!(steps, expected, "log {log}, every {every}, last {last}");
    }

    #[test]
    fn always_has_the_ends() {
        check(0, 0, &[], 10, &[0, 10]);
        check(0, 0, &[], 0, &[0]);
        check(5, 3, &[1, 2], 0, &[0]);
    }

    #[test]
    fn unites_its_families_without_repetition() {
        check(0, 4, &[], 10, &[0, 4, 8, 10]);
        check(0, 5, &[], 10, &[0, 5, 10]);
        check(0, 11, &[], 10, &[0, 10]);
        check(0, u64::MAX, &[], 10, &[0, 10]);
        check(0, 0, &[7, 3, 3, 0], 10, &[0, 3, 7, 10]);
        check(3, 40, &[2, 40], 100, &[0, 1, 2, 10, 40, 80, 100]);
    }

    #[test]
    fn has_nothing_beyond_the_last_step() {
        check(0, 0, &[9, 10, 11, u64::MAX], 10, &[0, 9, 10]);
    }

    #[test]
    fn log_points_are_the_floors_of_the_powers() {
        check(1, 0, &[], 1000, &[0, 1000]);
        check(2, 0, &[], 1000, &[0, 1, 1000]);
        // Perfect powers, where floating point falls short of the whole number.
        check(4, 0, &[], 1000, &[0, 1, 10, 100, 1000]);
        check(7, 0, &[], 729, &[0, 1, 3, 9, 27, 81, 243, 729]);
        // 50^(j/5): 1, 2.19, 4.78, 10.46, 22.87, 50.
        check(6, 0, &[], 50, &[0, 1, 2, 4, 10, 22, 50]);
        // More points than steps: early ones coincide.
        check(9, 0, &[], 4, &[0, 1, 2, 3, 4]);
    }

    #[test]
    fn finds_steps() {
        let spec = ScheduleSpec {
            every: 4,
            ..ScheduleSpec::default()
        };
        let schedule = Schedule::build(&spec, Step(10));
        assert!(schedule.contains(Step(8)) && !schedule.contains(Step(9)));
        assert_eq!(schedule.next_after(Step(0)), Some(Step(4)));
        assert_eq!(schedule.next_after(Step(5)), Some(Step(8)));
        assert_eq!(schedule.next_after(Step(10)), None);
        assert_eq!(schedule.next_after(Step(99)), None);
    }

    #[test]
    fn is_short_in_a_configuration_and_refuses_unknown_keys() {
        let spec: ScheduleSpec = serde_json::from_str(r#"{"log": 40}"#).unwrap();
        assert_eq!((spec.log, spec.every, spec.at.len()), (40, 0, 0));
        let error = serde_json::from_str::<ScheduleSpec>(r#"{"lgo": 40}"#).unwrap_err();
        assert!(error.to_string().contains("lgo"));
    }
}
