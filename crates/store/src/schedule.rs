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

    /// The same from `first` on, which then belongs to it too.
    pub fn beginning_at(mut self, first: Step) -> Self {
        self.steps.retain(|&step| step > first);
        self.steps.insert(0, first);
        self
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

/// `count` steps between `lo` and `hi` that are not in `known`, such that the widest gap left
/// between neighbours is as narrow as can be on the axis ln(step + 1): each gap between steps of
/// `known` gets its share, evenly. Fewer where there are not so many steps.
pub fn fill_gaps(known: &[Step], lo: Step, hi: Step, count: usize) -> Vec<Step> {
    let inside = known.iter().filter(|s| (lo..=hi).contains(s));
    let mut fences: Vec<u64> = inside.map(|s| s.0).chain([lo.0, hi.0]).collect();
    fences.sort_unstable();
    fences.dedup();
    let gaps: Vec<(u64, u64)> = fences.windows(2).map(|w| (w[0], w[1])).collect();
    let axis = |step: u64| (step as f64).ln_1p();
    let mut shares = vec![0_u64; gaps.len()];
    for _ in 0..count {
        let room = (0..gaps.len()).filter(|&i| shares[i] < gaps[i].1 - gaps[i].0 - 1);
        let left = |i: usize| (axis(gaps[i].1) - axis(gaps[i].0)) / (shares[i] + 1) as f64;
        match room.max_by(|&i, &j| left(i).total_cmp(&left(j))) {
            Some(widest) => shares[widest] += 1,
            None => break,
        }
    }
    let mut steps = Vec::new();
    for (&(from, to), &share) in gaps.iter().zip(&shares) {
        let mut previous = from;
        for i in 1..=share {
            let x = axis(from) + (axis(to) - axis(from)) * i as f64 / (share + 1) as f64;
            // Where steps are scarcer than points on the axis, each still gets one of its own.
            previous = (x.exp_m1().round() as u64).clamp(previous + 1, to - 1 - (share - i));
            steps.push(Step(previous));
        }
    }
    steps
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
    fn fills_the_widest_gaps_evenly() {
        let filled = |at: &[u64], lo: u64, hi: u64, count: usize| {
            let known: Vec<Step> = at.iter().copied().map(Step).collect();
            let steps = fill_gaps(&known, Step(lo), Step(hi), count);
            steps.iter().map(|s| s.0).collect::<Vec<u64>>()
        };
        // From 9 to 999 is ln 100; its middle is ln 10 on: 10 · 10 − 1.
        assert_eq!(filled(&[], 9, 999, 1), [99]);
        // 10 · 100^(i/4) − 1 for i = 1, 2, 3.
        assert_eq!(filled(&[], 9, 999, 3), [31, 99, 315]);
        // The wider part gets the only one: √(50 · 1000) − 1.
        assert_eq!(filled(&[49], 9, 999, 1), [223]);
        // Half of ln 20 is less than ln 5, so the narrower part gets the second: √(10 · 50) − 1.
        assert_eq!(filled(&[49], 9, 999, 2), [21, 223]);
        // What the schedule has outside does not count; what it has inside is not chosen again.
        assert_eq!(filled(&[5, 11, 12, 14], 10, 15, 9), [13]);
        assert_eq!(filled(&[], 0, 6, 9), [1, 2, 3, 4, 5]);
        assert_eq!(filled(&[], 0, 100, 3).len(), 3);
        assert_eq!(filled(&[], 10, 11, 3), [] as [u64; 0]);
        assert_eq!(filled(&[], 10, 500, 0), [] as [u64; 0]);
    }

    #[test]
    fn can_begin_later() {
        let spec = ScheduleSpec {
            every: 4,
            ..ScheduleSpec::default()
        };
        let from = |first: u64| {
            let schedule = Schedule::build(&spec, Step(10)).beginning_at(Step(first));
            schedule.steps().iter().map(|s| s.0).collect::<Vec<u64>>()
        };
        assert_eq!(from(0), [0, 4, 8, 10]);
        assert_eq!(from(4), [4, 8, 10]);
        assert_eq!(from(5), [5, 8, 10]);
        assert_eq!(from(10), [10]);
    }

    #[test]
    fn is_short_in_a_configuration_and_refuses_unknown_keys() {
        let spec: ScheduleSpec = serde_json::from_str(r#"{"log": 40}"#).unwrap();
        assert_eq!((spec.log, spec.every, spec.at.len()), (40, 0, 0));
        let error = serde_json::from_str::<ScheduleSpec>(r#"{"lgo": 40}"#).unwrap_err();
        assert!(error.to_string().contains("lgo"));
    }
}
