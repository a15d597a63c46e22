//! The whole comparison.

use ontogeny_results::compare::{
    Arm, ArmStage, Axis, Comparison, Effect, Estimate, Event, MeasureCurves, SeedLine,
    StageFigures, Timeline,
};
use ontogeny_store::Stream;

use super::arm::{ArmInput, Scale, Seed, seeds, stage_names};
use super::bootstrap::{percentile, resample};
use super::curves::{curve, drawn_measures};
use super::effect::{contrast, holm, log_rank_p};
use super::error::CompareError;
use super::level::equal_loss;
use super::response::response;
use super::survival::{Observation, kaplan_meier, median, wilson};

/// How arms are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareSettings {
    /// What times are measured in.
    pub axis: Axis,
    /// The moment that is compared.
    pub event: Event,
    /// The measure that serves as the axis of loss.
    pub loss: String,
    /// Which arms are compared with which.
    pub pairs: Pairs,
    /// Probability of the intervals.
    pub level: f64,
    /// Bootstrap resamples of each interval.
    pub resamples: usize,
    /// Permutations of each test at most.
    pub permutations: usize,
    /// Seed of both.
    pub seed: u64,
}

/// Which arms are compared with which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Every other arm with the one at this place.
    Against(usize),
    /// Every arm with every one before it.
    All,
}

impl Default for CompareSettings {
    fn default() -> Self {
        Self {
            axis: Axis::Step,
            event: Event::Onset,
            loss: "loss".to_owned(),
            pairs: Pairs::Against(0),
            level: 0.9,
            resamples: 2000,
            // All ways to divide twice eight seeds are 12 870.
            permutations: 20_000,
            seed: 0,
        }
    }
}

/// Compares arms. `knob` is the key whose values are their doses.
///
/// # Errors
/// [`CompareError`] if there is no arm with a replica, or an axis needs what an arm does not have.
pub fn compare(
    arms: &[ArmInput<'_>],
    knob: Option<&str>,
    settings: &CompareSettings,
) -> Result<Comparison, CompareError> {
    if arms.is_empty() || arms.iter().any(|a| a.replicas.is_empty()) {
        return Err(CompareError::NoArm);
    }
    let (seeds, scale) = seeds(arms, settings.axis, &settings.loss)?;
    let names = stage_names(&seeds);
    let stages = names
        .iter()
        .enumerate()
        .map(|(k, stage)| StageFigures {
            stage: stage.clone(),
            arms: arms
                .iter()
                .zip(&seeds)
                .enumerate()
                .map(|(i, (arm, seeds))| {
                    let place = [k as u64, i as u64];
                    arm_stage(&arm.name, seeds, stage, scale, settings, &place)
                })
                .collect(),
        })
        .collect();
    let rows = arms
        .iter()
        .flat_map(|a| a.replicas.iter().flat_map(|r| r.rows));
    let mut measures = drawn_measures(rows);
    if settings.axis == Axis::Loss {
        measures.retain(|m| *m != settings.loss);
    }
    let grouped: Vec<_> = arms
        .iter()
        .zip(&seeds)
        .map(|(arm, seeds)| {
            let own = seeds.iter().map(|s| (s.input.rows, &s.clock));
            (arm.name.as_str(), own.collect::<Vec<_>>())
        })
        .collect();
    let stream = Stream::new(settings.seed, "compare curves", &[]);
    let (resamples, level) = (settings.resamples.min(500), settings.level);
    let curves = measures.iter().map(|measure| MeasureCurves {
        measure: measure.clone(),
        arms: grouped
            .iter()
            .filter_map(|(arm, seeds)| {
                let stream = stream.child(measure, &[]).child(arm, &[]);
                let found = curve(seeds, measure, settings.axis, resamples, level, &stream)?;
                Some(((*arm).to_owned(), found))
            })
            .collect(),
    });
    let curves: Vec<_> = curves.filter(|c| !c.arms.is_empty()).collect();
    let levels = Stream::new(settings.seed, "compare levels", &[]);
    Ok(Comparison {
        axis: settings.axis,
        event: settings.event,
        loss: settings.loss.clone(),
        level,
        resamples: settings.resamples,
        permutations: settings.permutations,
        arms: arms
            .iter()
            .zip(&seeds)
            .map(|(arm, seeds)| described(arm, seeds, scale))
            .collect(),
        stages,
        effects: effects(arms, &seeds, &names, scale, settings),
        dose: knob.and_then(|knob| response(knob, arms, &seeds, &names, scale, settings)),
        curves,
        equal_loss: (settings.axis == Axis::Loss)
            .then(|| equal_loss(&grouped, &measures, resamples, level, &levels))
            .flatten(),
        timelines: arms
            .iter()
            .zip(&seeds)
            .map(|(arm, seeds)| timeline(&arm.name, seeds, scale))
            .collect(),
        events: names
            .iter()
            .flat_map(|stage| {
                let each = arms.iter().zip(&seeds);
                each.flat_map(move |(arm, seeds)| {
                    seeds.iter().flat_map(move |seed| {
                        Event::ALL
                            .iter()
                            .filter_map(move |event| seed.row(arm, stage, *event))
                    })
                })
            })
            .collect(),
    })
}

fn described(arm: &ArmInput<'_>, seeds: &[Seed<'_>], scale: Scale) -> Arm {
    let ends = seeds
        .iter()
        .filter_map(|s| scale.time(&s.clock, s.clock.last()));
    let furthest = ends.fold(0.0, f64::max);
    Arm {
        name: arm.name.clone(),
        run: arm.run.clone(),
        dose: arm.dose,
        seeds: seeds.iter().map(|s| s.input.seed).collect(),
        last: scale.shown(furthest),
        repeats_per_sequence: Some(arm.repeats_per_sequence),
    }
}

/// The times of an event in the seeds of an arm.
fn times(seeds: &[Seed<'_>], stage: &str, event: Event, scale: Scale) -> Vec<Observation> {
    seeds
        .iter()
        .filter_map(|s| s.time(stage, event, scale))
        .collect()
}

fn arm_stage(
    arm: &str,
    seeds: &[Seed<'_>],
    stage: &str,
    scale: Scale,
    settings: &CompareSettings,
    place: &[u64],
) -> ArmStage {
    let onsets = times(seeds, stage, Event::Onset, scale);
    let found = onsets.iter().filter(|o| o.observed).count();
    let (lo, hi) = wilson(found, onsets.len(), settings.level);
    let estimate = |event: Event| {
        let all = times(seeds, stage, event, scale);
        if all.is_empty() {
            return Estimate::default();
        }
        let stream = Stream::new(settings.seed, "compare medians", place).child(event.name(), &[]);
        let medians: Vec<f64> = (0..settings.resamples as u64)
            .map(|b| median(&mut resample(&stream, b, &all)))
            .collect();
        let (lo, hi) = percentile(&medians, settings.level);
        scale.estimate((median(&mut all.clone()), lo, hi))
    };
    let chosen = times(seeds, stage, settings.event, scale);
    ArmStage {
        arm: arm.to_owned(),
        found,
        seeds: onsets.len(),
        share: Estimate::new(found as f64 / onsets.len() as f64, lo, hi),
        onset: estimate(Event::Onset),
        half: estimate(Event::Half),
        end: estimate(Event::End),
        survival: (!chosen.is_empty())
            .then(|| scale.survival(kaplan_meier(&chosen, settings.level))),
    }
}

fn effects(
    arms: &[ArmInput<'_>],
    seeds: &[Vec<Seed<'_>>],
    stages: &[String],
    scale: Scale,
    settings: &CompareSettings,
) -> Vec<Effect> {
    let pairs: Vec<(usize, usize)> = match settings.pairs {
        Pairs::Against(one) => (0..arms.len())
            .filter(|i| *i != one)
            .map(|i| (i, one))
            .collect(),
        Pairs::All => (0..arms.len())
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .collect(),
    };
    let ratio = settings.axis != Axis::Loss;
    let mut found = Vec::new();
    for (k, stage) in stages.iter().enumerate() {
        for &(i, j) in &pairs {
            let own = |i: usize| times(&seeds[i], stage, settings.event, scale);
            let (first, second) = (own(i), own(j));
            let mut both = seeds[i].iter().chain(&seeds[j]);
            if first.is_empty()
                || second.is_empty()
                || is_empty_comparison(&first, &second)
                || both.all(|s| s.begins_with(stage, settings.event))
            {
                continue;
            }
            let place = [k as u64, i as u64, j as u64];
            let stream = Stream::new(settings.seed, "compare effects", &place);
            let c = contrast(
                &first,
                &second,
                ratio,
                settings.resamples,
                settings.level,
                &stream,
            );
            let (at, lo, hi) = c.medians;
            // A loss falls as time grows; a ratio is not known to be more than 0.
            let medians = match ratio {
                true => Estimate::new(at, if lo > 0.0 { lo } else { f64::NAN }, hi),
                false => Estimate::new(-at, -hi, -lo),
            };
            let (at, lo, hi) = c.earlier;
            let p = log_rank_p(
                &first,
                &second,
                settings.permutations,
                &stream.child("permutations", &[]),
            );
            found.push(Effect {
                stage: stage.clone(),
                arm: arms[i].name.clone(),
                against: arms[j].name.clone(),
                medians,
                earlier: Estimate::new(at, lo, hi),
                p,
                p_holm: p,
            });
        }
    }
    let adjusted = holm(&found.iter().map(|e| e.p).collect::<Vec<_>>());
    for (effect, p) in found.iter_mut().zip(adjusted) {
        effect.p_holm = p;
    }
    found
}

/// Whether two arms taken together show nothing that could differ: no event at all, or all at one
/// time. Such a pair is not among the comparisons that p-values are adjusted for; whether it is
/// does not depend on which seed is in which arm.
fn is_empty_comparison(first: &[Observation], second: &[Observation]) -> bool {
    let all = || first.iter().chain(second);
    let time = first[0].time;
    all().all(|o| !o.observed) || all().all(|o| o.observed && o.time == time)
}

fn timeline(arm: &str, seeds: &[Seed<'_>], scale: Scale) -> Timeline {
    let of = |seed: &Seed<'_>| {
        let place = |step: f64| Some(scale.shown(scale.time(&seed.clock, step)?));
        let stages = seed.input.stages.unwrap_or_default().iter();
        let spans = stages.filter_map(|s| {
            let end = s.end.and_then(place);
            Some((s.name.to_string(), place(s.start)?, end))
        });
        SeedLine {
            seed: seed.input.seed,
            stages: spans.collect(),
        }
    };
    Timeline {
        arm: arm.to_owned(),
        seeds: seeds.iter().map(of).collect(),
    }
}
