//! Whole comparisons of planted runs.

use super::*;
use crate::stages::Stage;
use crate::table::MeasureRow;

/// Rows of a replica with 64 tokens a step.
pub(super) fn rows(replica: &str, steps: &[u64], measures: &[(&str, &[f64])]) -> Vec<MeasureRow> {
    let row = |(i, step): (usize, &u64)| MeasureRow {
        step: *step,
        tokens: 64 * step,
        replica: replica.to_owned(),
        values: measures
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values[i]))
            .collect(),
        vectors: Default::default(),
        words: Default::default(),
    };
    steps.iter().enumerate().map(row).collect()
}

/// A stage of a name.
pub(super) fn stage(name: &str, start: f64, end: Option<f64>) -> Stage {
    Stage {
        name: name.parse().unwrap(),
        start,
        start_lo: start,
        start_hi: start,
        end,
        end_lo: end,
        end_hi: end,
        delta_loss: 0.0,
        delta_llc: None,
        delta_llc_se: None,
        direction: None,
        loss_direction: None,
        signature: Vec::new(),
        delta: Default::default(),
        nearest_oracle: None,
        heads_rising: Vec::new(),
        why: String::new(),
    }
}

/// Arms in which induction begins at `onset` times a factor of the seed, or never by step 1000.
struct Planted {
    name: String,
    dose: f64,
    rows: Vec<Vec<MeasureRow>>,
    stages: Vec<Vec<Stage>>,
}

fn planted(name: &str, dose: f64, onset: f64) -> Planted {
    let steps = [0, 10, 100, 1000];
    let loss = [4.0, 3.0, 2.0, 1.0];
    let factors = [0.8, 0.9, 0.95, 1.0, 1.02, 1.1, 1.15, 1.3];
    Planted {
        name: name.to_owned(),
        dose,
        rows: factors
            .iter()
            .map(|_| rows(name, &steps, &[("loss", &loss)]))
            .collect(),
        stages: factors
            .iter()
            .map(|f| {
                let at = onset * f;
                let first = stage("bigram", 0.0, (at < 1000.0).then_some(at));
                let second = (at < 1000.0).then(|| stage("induction", at, None));
                std::iter::once(first).chain(second).collect()
            })
            .collect(),
    }
}

fn input(p: &Planted) -> ArmInput<'_> {
    ArmInput {
        name: p.name.clone(),
        run: "run".to_owned(),
        dose: Some(p.dose),
        rates: vec![(0, 2.0)],
        repeats_per_sequence: 2.0,
        replicas: p
            .rows
            .iter()
            .zip(&p.stages)
            .enumerate()
            .map(|(seed, (rows, stages))| ReplicaInput {
                name: &p.name,
                seed: seed as u64,
                rows,
                stages: Some(stages),
            })
            .collect(),
    }
}

fn compared(settings: &CompareSettings) -> Comparison {
    // Onset 800/dose: an exponent of −1; at dose 1 three of eight are over 1000 or near it.
    let arms = [
        planted("low", 1.0, 900.0),
        planted("mid", 2.0, 450.0),
        planted("high", 4.0, 225.0),
    ];
    let arms: Vec<_> = arms.iter().map(input).collect();
    compare(&arms, Some("data.recurrence"), settings).unwrap()
}

#[test]
fn a_planted_exponent_is_found_with_its_order_and_its_effects() {
    let settings = CompareSettings {
        resamples: 300,
        ..CompareSettings::default()
    };
    let found = compared(&settings);
    let names: Vec<_> = found.stages.iter().map(|s| s.stage.as_str()).collect();
    assert_eq!(names, ["bigram", "induction"]);
    let low = &found.stages[1].arms[0];
    // 1.15 · 900 and 1.3 · 900 are beyond step 1000.
    assert_eq!((low.found, low.seeds), (6, 8));
    assert!((low.onset.at.unwrap() - 909.0).abs() < 1e-9);
    assert_eq!(low.end.at, None);
    // The bigram stage begins at step 0 everywhere: nothing to compare, and no logarithm.
    assert!(found.effects.iter().all(|e| e.stage == "induction"));
    let high = found.effects.iter().find(|e| e.arm == "high").unwrap();
    assert!((high.medians.at.unwrap() - 0.25).abs() < 1e-9);
    assert_eq!(high.earlier.at, Some(1.0));
    // Only the two extreme divisions of 12 870 are as far apart, and two comparisons were made.
    assert!((high.p - 2.0 / 12_870.0).abs() < 1e-9 && high.p_holm >= high.p);
    let dose = found.dose.unwrap();
    assert!(dose.log && dose.fits.len() == 1);
    let fit = &dose.fits[0];
    let (at, lo, hi) = (
        fit.slope.at.unwrap(),
        fit.slope.lo.unwrap(),
        fit.slope.hi.unwrap(),
    );
    // The same factors in every arm: only the two that are censored can move the slope.
    assert!(
        (at + 1.0).abs() < 0.03 && lo < -1.0 && hi > -1.0,
        "{at} {lo} {hi}"
    );
    assert!(fit.tau.unwrap() < -0.6 && fit.tau_p.unwrap() < 1e-3);
}

#[test]
fn the_same_tables_give_the_same_figures() {
    let settings = CompareSettings {
        resamples: 50,
        permutations: 100,
        pairs: Pairs::All,
        ..CompareSettings::default()
    };
    let found = compared(&settings);
    assert_eq!(found, compared(&settings));
    assert_eq!(found.effects.len(), 3);
}

#[test]
fn tokens_and_exposures_scale_and_the_loss_turns_round() {
    let on = |axis| {
        compared(&CompareSettings {
            axis,
            resamples: 100,
            permutations: 100,
            ..CompareSettings::default()
        })
    };
    let (steps, tokens, exposures, loss) = (
        on(Axis::Step),
        on(Axis::Tokens),
        on(Axis::Exposures),
        on(Axis::Loss),
    );
    let onset = |c: &Comparison| c.stages[1].arms[2].onset;
    let (s, t) = (onset(&steps), onset(&tokens));
    assert!((t.at.unwrap() / s.at.unwrap() - 64.0).abs() < 1e-9);
    assert!((onset(&exposures).hi.unwrap() / s.hi.unwrap() - 2.0).abs() < 1e-9);
    let l = onset(&loss);
    // Between steps 100 and 1000 the loss falls from 2 to 1: later is lower.
    let (at, lo, hi) = (l.at.unwrap(), l.lo.unwrap(), l.hi.unwrap());
    assert!(lo < at && at < hi && hi < 2.0 && lo > 1.0, "{l:?}");
    let levels = loss.equal_loss.unwrap();
    assert_eq!((levels.levels[0], levels.levels[11]), (4.0, 1.0));
    let fit = &loss.dose.unwrap().fits[0];
    // More dose, earlier onset, higher loss at the onset.
    assert!(fit.slope.at.unwrap() > 0.0 && fit.tau.unwrap() > 0.0);
    assert_eq!(steps.equal_loss, None);
}

#[test]
fn an_axis_that_an_arm_lacks_is_refused() {
    let mut arm = planted("a", 1.0, 100.0);
    let settings = |axis| CompareSettings {
        axis,
        ..CompareSettings::default()
    };
    let mut inputs = [input(&arm)];
    inputs[0].rates = vec![(0, 0.0)];
    let refused = compare(&inputs, None, &settings(Axis::Exposures));
    assert!(matches!(refused, Err(CompareError::NoExposures { .. })));
    for row in arm.rows.iter_mut().flatten() {
        row.values.clear();
    }
    let refused = compare(&[input(&arm)], None, &settings(Axis::Loss));
    assert!(matches!(refused, Err(CompareError::NoLoss { .. })));
    assert_eq!(
        compare(&[], None, &settings(Axis::Step)),
        Err(CompareError::NoArm)
    );
}
