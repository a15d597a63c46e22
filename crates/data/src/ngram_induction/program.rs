//! The generative program.
//!
//! For a sequence, latents are drawn first: which triggers are active (a uniformly random subset)
//! and a successor for each of them (uniform over the tokens that are no triggers, independently).
//! The first token has the frequencies of the language without triggers. Then, after `last`:
//!
//! - `last` an active trigger: its successor with probability `reliability`, else the tables;
//! - `last` an inactive trigger: the tables;
//! - otherwise: with probability `recurrence` one of the active triggers, else the tables (which
//!   may give a trigger as well). Which one: with probability `burstiness` one of those that the
//!   sequence has shown already, all equally likely; otherwise, and where none was shown, any
//!   active one, all equally likely.

use ontogeny_store::KeyBuilder;
use rand::Rng;

use super::tables::Tables;
use crate::draw::{below, subset, uniform, weighted};
use crate::{DataError, NgramInductionSpec, TriggerRank};

/// Everything that is fixed before a sequence is drawn.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) tables: Tables,
    /// The first token's distribution, `[d_vocab]`.
    pub(crate) start: Vec<f64>,
    /// Trigger tokens, ascending.
    pub(crate) triggers: Vec<u32>,
    /// The place of a token among the triggers, `[d_vocab]`.
    trigger_index: Vec<Option<usize>>,
    /// Tokens that can be successors, ascending.
    pub(crate) successors: Vec<u32>,
    /// Number of active triggers in a sequence.
    pub(crate) n_active: usize,
    /// Probability of a recurrence: 0 if no trigger is active.
    pub(crate) recurrence: f64,
    /// Probability that a recurrence is of a trigger that was shown: 0 unless all are active.
    pub(crate) burstiness: f64,
    pub(crate) reliability: f64,
}

/// The triggers that a sequence has shown so far, by their places.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// In the order of their first occurrence.
    places: Vec<usize>,
}

impl Shown {
    pub(crate) fn none() -> Self {
        Self { places: Vec::new() }
    }

    pub(crate) fn add(&mut self, place: usize) {
        if !self.places.contains(&place) {
            self.places.push(place);
        }
    }
}

/// What is drawn for one sequence.
#[derive(Debug)]
pub(crate) struct Latents {
    /// Places of the active triggers, ascending.
    pub(crate) active: Vec<usize>,
    /// The successor of each trigger, active or not (then without effect).
    pub(crate) successor: Vec<u32>,
}

/// One step of a sequence, as its observer sees it.
pub(crate) struct Drawn<'a> {
    /// The triggers up to and with `last`.
    pub(crate) shown: &'a Shown,
    pub(crate) before: Option<u32>,
    pub(crate) last: u32,
    pub(crate) next: u32,
    /// Whether `next` came as the successor of a trigger.
    pub(crate) by_trigger: bool,
}

impl Program {
    pub(crate) fn build(spec: &NgramInductionSpec) -> Result<Self, DataError> {
        let tables = Tables::draw(spec)?;
        let start = tables.frequencies(spec.seed);
        let mut triggers = if spec.trigger_tokens.is_empty() {
            by_rank(&start, spec.trigger_rank, spec.n_triggers)
        } else {
            spec.trigger_tokens.clone()
        };
        triggers.sort_unstable();
        let mut trigger_index = vec![None; spec.d_vocab];
        for (place, &token) in triggers.iter().enumerate() {
            trigger_index[token as usize] = Some(place);
        }
        let successors = (0..spec.d_vocab as u32)
            .filter(|&token| trigger_index[token as usize].is_none())
            .collect();
        let n_active = spec.n_active();
        Ok(Self {
            tables,
            start,
            triggers,
            trigger_index,
            successors,
            n_active,
            recurrence: if n_active > 0 { spec.recurrence } else { 0.0 },
            burstiness: spec.burstiness,
            reliability: spec.reliability,
        })
    }

    /// The place of a token among the triggers.
    pub(crate) fn trigger(&self, token: u32) -> Option<usize> {
        self.trigger_index[token as usize]
    }

    pub(crate) fn d_vocab(&self) -> usize {
        self.tables.d_vocab()
    }

    /// Whether there is no doubt which triggers are active.
    pub(crate) fn all_active(&self) -> bool {
        self.n_active == self.triggers.len()
    }

    /// The probability that a recurrence is of this trigger, in units of `1 / n_active`, where
    /// all are active and these were shown: 1 without burstiness.
    pub(crate) fn recurrence_weight(&self, place: usize, shown: &Shown) -> f64 {
        let among_shown = match shown.places.len() {
            0 => 1.0,
            n if shown.places.contains(&place) => self.n_active as f64 / n as f64,
            _ => 0.0,
        };
        1.0 - self.burstiness + self.burstiness * among_shown
    }

    /// [`Program::recurrence_weight`] of each trigger.
    pub(crate) fn recurrence_weights(&self, shown: &Shown) -> Vec<f64> {
        (0..self.triggers.len())
            .map(|place| self.recurrence_weight(place, shown))
            .collect()
    }

    /// Adds the program's content to a key.
    pub(crate) fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        let start: Vec<f32> = self.start.iter().map(|&p| p as f32).collect();
        self.tables
            .add_to(key)
            .f32s("start", &start)
            .json("triggers", &self.triggers)
    }

    fn draw_latents(&self, rng: &mut impl Rng) -> Latents {
        let n = self.triggers.len();
        let active = subset(rng, n, self.n_active);
        let successor = (0..n)
            .map(|_| self.successors[below(rng, self.successors.len() as u64) as usize])
            .collect();
        Latents { active, successor }
    }

    /// Appends a sequence of `len` tokens and shows each step after the first token to `observe`.
    pub(crate) fn draw_into(
        &self,
        rng: &mut impl Rng,
        len: usize,
        tokens: &mut Vec<u32>,
        mut observe: impl FnMut(&Latents, &Drawn),
    ) {
        let latents = self.draw_latents(rng);
        let mut scratch = vec![0.0; self.d_vocab()];
        let mut shown = Shown::none();
        let mut before = None;
        let mut last = weighted(rng, &self.start) as u32;
        tokens.push(last);
        for _ in 1..len {
            if let Some(place) = self.trigger(last) {
                shown.add(place);
            }
            let (next, by_trigger) =
                self.draw_next(&latents, &shown, before, last, &mut scratch, rng);
            tokens.push(next);
            let drawn = Drawn {
                shown: &shown,
                before,
                last,
                next,
                by_trigger,
            };
            observe(&latents, &drawn);
            (before, last) = (Some(last), next);
        }
    }

    fn draw_next(
        &self,
        latents: &Latents,
        shown: &Shown,
        before: Option<u32>,
        last: u32,
        scratch: &mut [f64],
        rng: &mut impl Rng,
    ) -> (u32, bool) {
        match self.trigger(last) {
            Some(place) => {
                let is_active = latents.active.binary_search(&place).is_ok();
                if is_active && uniform(rng) < self.reliability {
                    return (latents.successor[place], true);
                }
            }
            None => {
                if self.recurrence > 0.0 && uniform(rng) < self.recurrence {
                    let bursty = self.burstiness > 0.0 && uniform(rng) < self.burstiness;
                    let from = match &shown.places[..] {
                        shown if bursty && !shown.is_empty() => shown,
                        _ => &latents.active,
                    };
                    let which = below(rng, from.len() as u64) as usize;
                    return (self.triggers[from[which]], false);
                }
            }
        }
        (self.tables.draw_next(before, last, scratch, rng), false)
    }
}

fn by_rank(frequencies: &[f64], rank: TriggerRank, n: usize) -> Vec<u32> {
    let mut tokens: Vec<u32> = (0..frequencies.len() as u32).collect();
    // A stable sort: equal frequencies stay in the order of their numbers.
    tokens.sort_by(|&x, &y| frequencies[y as usize].total_cmp(&frequencies[x as usize]));
    match rank {
        TriggerRank::MostFrequent => tokens[..n].to_vec(),
        TriggerRank::Spread => (0..n)
            .map(|i| tokens[(2 * i + 1) * tokens.len() / (2 * n)])
            .collect(),
        TriggerRank::Rarest => tokens[tokens.len() - n..].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use ontogeny_store::Stream;

    use super::*;

    #[test]
    fn triggers_by_rank() {
        let frequencies = [0.1, 0.3, 0.05, 0.15, 0.2, 0.08, 0.07, 0.05];
        // Descending: 1, 4, 3, 0, 5, 6, 2, 7.
        assert_eq!(by_rank(&frequencies, TriggerRank::MostFrequent, 2), [1, 4]);
        assert_eq!(by_rank(&frequencies, TriggerRank::Rarest, 2), [2, 7]);
        assert_eq!(by_rank(&frequencies, TriggerRank::Spread, 2), [3, 2]);
        assert_eq!(by_rank(&frequencies, TriggerRank::Spread, 0), [0u32; 0]);
    }

    #[test]
    fn an_active_trigger_keeps_its_successor_through_a_sequence() {
        let program = Program::build(&NgramInductionSpec::default()).unwrap();
        let mut rng = Stream::new(5, "test", &[]).at(0);
        let mut repeats = 0;
        for _ in 0..20 {
            let mut successor = [None; 4];
            program.draw_into(&mut rng, 65, &mut Vec::new(), |_, step| {
                let Some(place) = program.trigger(step.last) else {
                    assert!(!step.by_trigger);
                    return;
                };
                assert!(step.by_trigger && program.trigger(step.next).is_none());
                if let Some(earlier) = successor[place].replace(step.next) {
                    assert_eq!(earlier, step.next);
                    repeats += 1;
                }
            });
        }
        assert!(repeats > 20, "{repeats}");
    }
}
