//! Schedules, as a configuration writes them.

use std::path::Path;

use ontogeny_store::{Schedule, ScheduleSpec, Step, fill_gaps};
use ontogeny_training::config::RunConfig;

use super::{Adapter, Verdict};
use crate::dice::Dice;

/// `[training]` steps with `[checkpoints]` and `[state]`.
pub struct Schedules;

const WORDS: [&str; 12] = [
    "[checkpoints]\n",
    "[state]\n",
    "[training]\n",
    "log = ",
    "every = ",
    "at = [",
    "]",
    ",",
    "\n",
    "steps = ",
    "seconds = ",
    "-",
];

impl Adapter for Schedules {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        // Most are sound, and some numbers are anything.
        let odd = 1 << (3 + dice.below(6));
        let steps = 1 + dice.below(5000);
        let n = |dice: &mut Dice, most: usize| match dice.once_in(odd) {
            true => dice.number(),
            false => dice.below(most).to_string(),
        };
        let at: Vec<String> = (0..dice.below(6)).map(|_| n(dice, steps)).collect();
        let steps = match dice.once_in(odd) {
            true => (dice.bits() >> (1 + dice.below(63))).to_string(),
            false => steps.to_string(),
        };
        format!(
            "[training]\nsteps = {}\n[checkpoints]\nlog = {}\nevery = {}\nat = [{}]\n[state]\nevery = {}\nlog = {}\n",
            steps,
            n(dice, 200),
            n(dice, 500),
            at.join(", "),
            n(dice, 500),
            n(dice, 50)
        )
        .into_bytes()
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let text = String::from_utf8_lossy(input);
        let loaded = match RunConfig::parse(&text, "fuzz.toml", "fuzz", Path::new(""), &[]) {
            Ok(loaded) => loaded.config,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        let last = Step(loaded.training.steps);
        let states = ScheduleSpec {
            log: loaded.state.log,
            every: 0,
            at: Vec::new(),
        };
        for spec in [&loaded.checkpoints, &states] {
            let schedule = Schedule::build(spec, last);
            let steps = schedule.steps();
            let sound = steps.first() == Some(&Step(0))
                && steps.last() == Some(&last)
                && steps.is_sorted_by(|a, b| a < b);
            if !sound {
                return Verdict::Wrong(format!("{spec:?} to {last} has the steps {steps:?}"));
            }
            let filled = fill_gaps(steps, Step(last.0 / 4), last, 50);
            if filled.iter().any(|step| schedule.contains(*step)) {
                return Verdict::Wrong(format!("{spec:?} to {last} is filled with {filled:?}"));
            }
        }
        Verdict::Accepted
    }
}
