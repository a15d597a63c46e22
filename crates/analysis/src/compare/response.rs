//! Dose–response: which scales the line is straight on, and how it is shown.

use ontogeny_results::compare::{Axis, Dose, DoseFit, Estimate};
use ontogeny_store::Stream;

use super::arm::{ArmInput, Scale, Seed};
use super::dose::{Group, dose_line, trend};
use super::figures::CompareSettings;
use super::survival::Observation;

/// The dependence of each stage on the knob; `None` if fewer than two values of it are there.
///
/// ln time = a + b·ln dose if all doses are positive, else ln time = a + b·dose. The loss is taken
/// as it is: nats need no logarithm, and it falls where time grows.
pub(super) fn response(
    knob: &str,
    arms: &[ArmInput<'_>],
    seeds: &[Vec<Seed<'_>>],
    stages: &[String],
    scale: Scale,
    settings: &CompareSettings,
) -> Option<Dose> {
    let doses: Vec<f64> = arms.iter().map(|a| a.dose).collect::<Option<_>>()?;
    if doses.iter().all(|d| *d == doses[0]) {
        return None;
    }
    let log = doses.iter().all(|d| *d > 0.0);
    let fits = stages.iter().enumerate().filter_map(|(k, stage)| {
        let groups: Vec<Group> = doses
            .iter()
            .zip(seeds)
            .map(|(&x, seeds)| Group {
                x,
                seeds: seeds
                    .iter()
                    .filter_map(|s| s.time(stage, settings.event, scale))
                    .collect(),
            })
            .filter(|g| !g.seeds.is_empty())
            .collect();
        let each = || seeds.iter().flatten();
        let begins = each().filter(|s| s.begins_with(stage, settings.event));
        let begins = begins.count();
        // Where every run begins with it there is nothing to explain.
        if groups.is_empty() || begins == each().count() {
            return None;
        }
        let stream = Stream::new(settings.seed, "compare dose", &[k as u64]);
        let begins = begins > 0;
        Some(fit(stage, &groups, (log, begins), scale, settings, &stream))
    });
    Some(Dose {
        knob: knob.to_owned(),
        log,
        fits: fits.collect(),
    })
}

fn fit(
    stage: &str,
    groups: &[Group],
    (log, begins): (bool, bool),
    scale: Scale,
    settings: &CompareSettings,
    stream: &Stream,
) -> DoseFit {
    let plain = scale.axis == Axis::Loss;
    let straight: Vec<Group> = groups
        .iter()
        .map(|g| Group {
            x: if log { g.x.ln() } else { g.x },
            seeds: g
                .seeds
                .iter()
                .map(|o| Observation {
                    time: if plain { o.time } else { o.time.ln() },
                    ..*o
                })
                .collect(),
        })
        .collect();
    let finite = |g: &Group| g.seeds.iter().all(|o| o.time.is_finite());
    let events = straight
        .iter()
        .filter(|g| g.seeds.iter().any(|o| o.observed));
    let mut at: Vec<f64> = events.map(|g| g.x).collect();
    at.dedup();
    let (line, why) = if begins || !straight.iter().all(finite) {
        (None, Some("some seeds begin with it"))
    } else if at.len() < 2 {
        (
            None,
            Some("it was seen at fewer than two values of the knob"),
        )
    } else {
        let line = dose_line(
            &straight,
            settings.resamples,
            settings.level,
            &stream.child("line", &[]),
        );
        let why = line
            .is_none()
            .then_some("too few seeds were seen for a line that holds when they are resampled");
        (line, why)
    };
    let trend = trend(groups, settings.permutations, &stream.child("trend", &[]));
    // Where the loss is the axis, a time is how far it has come down.
    let sign = if plain { -1.0 } else { 1.0 };
    let slope = line.as_ref().map_or_else(Estimate::default, |l| {
        let (lo, hi) = l.slope;
        let (lo, hi) = if plain { (-hi, -lo) } else { (lo, hi) };
        Estimate::new(sign * l.line.b, lo, hi)
    });
    let back = |time: f64| if plain { time } else { time.exp() };
    let drawn = line.as_ref().map_or(&[][..], |l| &l.drawn);
    DoseFit {
        stage: stage.to_owned(),
        slope,
        intercept: line.as_ref().map(|l| match plain {
            true => scale.shown(l.line.a),
            false => l.line.a,
        }),
        sigma: line.as_ref().map(|l| l.line.sigma),
        lost: line.as_ref().map_or(0, |l| l.lost),
        tau: trend.map(|(tau, _)| sign * tau),
        tau_p: trend.map(|(_, p)| p),
        x: drawn
            .iter()
            .map(|d| if log { d.0.exp() } else { d.0 })
            .collect(),
        y: drawn
            .iter()
            .map(|d| scale.estimate((back(d.1), back(d.2), back(d.3))))
            .collect(),
        seeds: groups
            .iter()
            .flat_map(|g| {
                g.seeds
                    .iter()
                    .map(|o| (g.x, scale.shown(o.time), o.observed))
            })
            .collect(),
        why: why.map(str::to_owned),
    }
}
