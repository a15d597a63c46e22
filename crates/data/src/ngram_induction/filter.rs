//! The in-context oracle: Bayes' rule for the generative program, exactly.
//!
//! Given which triggers are active, each step's likelihood involves one trigger at most: the one
//! just seen (through its successor) or the one just emitted (through recurrence). So the
//! posterior over (active set, successors) keeps one number for each trigger, the log-odds of
//! being active against inactive with its successor integrated out, and one distribution over
//! successors given that it is active; the active set's fixed size is restored by summing over
//! subsets ([`inclusion`]). With `burstiness` all triggers are active, and which of them were shown
//! is in plain sight: it changes what a recurrence is likely to be of, and nothing else.

use super::program::{Program, Shown};
use super::subsets::inclusion;

pub(crate) struct Filter<'a> {
    program: &'a Program,
    /// Log-odds of being active, before the size of the active set is accounted for.
    log_odds: Vec<f64>,
    /// `P(trigger is active | context)`.
    active: Vec<f64>,
    /// `P(successor | context, trigger is active)`, `[trigger][d_vocab]`.
    successor: Vec<Vec<f64>>,
    /// The triggers before the last token.
    shown: Shown,
}

impl<'a> Filter<'a> {
    pub(crate) fn new(program: &'a Program) -> Self {
        let n = program.triggers.len();
        let mut prior = vec![0.0; program.d_vocab()];
        for &token in &program.successors {
            prior[token as usize] = 1.0 / program.successors.len() as f64;
        }
        Self {
            program,
            log_odds: vec![0.0; n],
            active: vec![program.n_active as f64 / n.max(1) as f64; n],
            successor: vec![prior; n],
            shown: Shown::none(),
        }
    }

    /// `P(next | context)` into `out`, where the context ends in `last` and `base` is what the
    /// tables say; all are `[d_vocab]`.
    pub(crate) fn predict_into(&self, last: u32, base: &[f64], out: &mut [f64]) {
        match self.program.trigger(last) {
            Some(place) => mix_successor(
                self.active[place] * self.program.reliability,
                &self.successor[place],
                base,
                out,
            ),
            None if self.program.burstiness > 0.0 => {
                let weights = self.program.recurrence_weights(&self.shown);
                mix_recurrence(self.program, &weights, base, out);
            }
            None => mix_recurrence(self.program, &self.active, base, out),
        }
    }

    /// Takes in that `next` followed `last`, where the tables said `base`.
    ///
    /// A step that is impossible given the context (it cannot happen in a sequence of this
    /// program) is passed over, so that the oracle stays defined on any sequence.
    pub(crate) fn observe(&mut self, last: u32, next: u32, base: &[f64]) {
        let by_tables = base[next as usize];
        match self.program.trigger(last) {
            Some(place) => {
                self.shown.add(place);
                self.observe_successor(place, next, by_tables);
            }
            // A recurrence tells nothing of triggers that are active in any case.
            None if self.program.all_active() => {}
            None => {
                if let Some(place) = self.program.trigger(next) {
                    let rho = self.program.recurrence;
                    let inactive = (1.0 - rho) * by_tables;
                    let active = inactive + self.recurrence_of_one();
                    self.shift(place, (active / inactive).ln());
                }
            }
        }
    }

    fn recurrence_of_one(&self) -> f64 {
        if self.program.n_active == 0 {
            0.0
        } else {
            self.program.recurrence / self.program.n_active as f64
        }
    }

    fn observe_successor(&mut self, place: usize, next: u32, by_tables: f64) {
        let r = self.program.reliability;
        let otherwise = (1.0 - r) * by_tables;
        let prior = &self.successor[place];
        let active = r * prior[next as usize] + otherwise;
        if !self.shift(place, (active / by_tables).ln()) || active == 0.0 {
            return;
        }
        let posterior = &mut self.successor[place];
        let of_next = posterior[next as usize] * (r + otherwise) / active;
        for p in posterior.iter_mut() {
            *p *= otherwise / active;
        }
        posterior[next as usize] = of_next;
    }

    /// Adds to a trigger's log-odds; false, and no change, if nothing would remain possible.
    fn shift(&mut self, place: usize, by: f64) -> bool {
        let earlier = self.log_odds[place];
        self.log_odds[place] += by;
        match inclusion(&self.log_odds, self.program.n_active) {
            Some(active) => {
                self.active = active;
                true
            }
            None => {
                self.log_odds[place] = earlier;
                false
            }
        }
    }
}

/// After a trigger: its successor with probability `weight`, otherwise the tables.
pub(crate) fn mix_successor(weight: f64, successor: &[f64], base: &[f64], out: &mut [f64]) {
    for ((out, &successor), &base) in out.iter_mut().zip(successor).zip(base) {
        *out = weight * successor + (1.0 - weight) * base;
    }
}

/// After any other token: a recurrence, or the tables. `weights` holds each trigger's probability
/// of being what recurs, in units of `1 / n_active`: without burstiness, of being active.
pub(crate) fn mix_recurrence(program: &Program, weights: &[f64], base: &[f64], out: &mut [f64]) {
    let rho = program.recurrence;
    for (out, &base) in out.iter_mut().zip(base) {
        *out = (1.0 - rho) * base;
    }
    if rho > 0.0 {
        for (&token, &weight) in program.triggers.iter().zip(weights) {
            out[token as usize] += rho * weight / program.n_active as f64;
        }
    }
}
