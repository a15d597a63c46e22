//! Whole estimates on losses that are made to fail in one way or another.

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_store::Stream;

use super::*;
use crate::sampler::LossAndGradient;
use crate::statistics::variance;

/// `½ Σ hᵢ(wᵢ − cᵢ)²`, with noise of each minibatch in the loss and in the gradient.
struct Noisy {
    curvatures: Vec<f32>,
    /// Where the minimum is; w* is 0.
    centre: f32,
    loss_noise: f32,
    gradient_noise: f32,
    seed: u64,
}

impl Noisy {
    fn new(d: usize, seed: u64) -> Self {
        Self {
            curvatures: vec![1.0; d],
            centre: 0.0,
            loss_noise: 0.0,
            gradient_noise: 0.0,
            seed,
        }
    }

    fn tensor(&self, values: Vec<f32>) -> Tensor<3> {
        let d = self.curvatures.len();
        let chains = values.len() / d;
        Tensor::from_data(TensorData::new(values, [chains, 1, d]), &Device::flex())
    }

    /// Normals of a chain's minibatch at a draw: of the gradient, and one of the loss.
    fn noise(&self, chains: &[u64], draw: u64, d: usize) -> Vec<f32> {
        let one = |&chain: &u64| {
            let mut z = vec![0.0; d];
            Stream::new(self.seed, "planted noise", &[chain, d as u64]).fill_normal(draw, &mut z);
            z
        };
        chains.iter().flat_map(one).collect()
    }
}

impl Landscape for Noisy {
    fn loss_and_gradients(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<LossAndGradient, AnalysisError> {
        let away = weights[0].clone() - self.centre;
        let gradient = away * self.tensor(self.curvatures.clone());
        let noise = self.tensor(self.noise(chains, draw, self.curvatures.len()));
        let loss = self.loss(weights, chains, draw)?;
        Ok((loss, vec![gradient + noise * self.gradient_noise]))
    }

    fn loss(
        &self,
        weights: &[Tensor<3>],
        chains: &[u64],
        draw: u64,
    ) -> Result<Tensor<1>, AnalysisError> {
        let away = weights[0].clone() - self.centre;
        let squares = away.clone() * away * self.tensor(self.curvatures.clone());
        let noise = self.noise(chains, draw, 1);
        let noise = Tensor::<1>::from_floats(noise.as_slice(), &Device::flex());
        let [n, _, _] = weights[0].dims();
        Ok(squares.sum_dim(2).reshape([n]) * 0.5 + noise * self.loss_noise)
    }

    fn together(&self, chains: usize) -> usize {
        chains
    }
}

fn healthy(seed: u64) -> LlcSettings {
    LlcSettings {
        rule: Rule::Sgld,
        sampler: Settings::new(1e-3, 100.0, 10.0),
        chains: 8,
        draws: Draws::Fixed(400),
        burn_in: 100,
        seed,
        baseline: Baseline::Paired,
        looks: 8,
    }
}

#[test]
fn an_estimate_ends_when_it_is_called_off() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let (landscape, asked) = (Noisy::new(4, 0), AtomicUsize::new(0));
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 50;
    let anchor = [Tensor::<3>::zeros([1, 1, 4], &Device::flex())];
    let subject = Subject {
        landscape: &Stoppable::new(&landscape, &stop),
        evaluation: None,
        anchor: &anchor,
        coordinate: None,
    };
    let ended = estimate(&subject, &healthy(0), &[Mask::all()], |_| None).map(|e| e.llcs.len());
    assert!(
        matches!(ended, Err(AnalysisError::Interrupted)),
        "{ended:?}"
    );
    // Chains beside each other may each have asked once more.
    assert!(asked.into_inner() < 80);
}

fn verdict_of(landscape: &Noisy, settings: &LlcSettings) -> (Verdict, Llc) {
    let d = landscape.curvatures.len();
    let anchor = [Tensor::<3>::zeros([1, 1, d], &Device::flex())];
    let subject = Subject {
        landscape,
        evaluation: None,
        anchor: &anchor,
        coordinate: None,
    };
    let mut estimated = estimate(&subject, settings, &[Mask::all()], |_| None).unwrap();
    let llc = estimated.llcs.remove(0);
    (judge(&llc, settings.sampler.nbeta), llc)
}

/// How many of a hundred seeds have a verdict of this cause, or none.
fn recognised(cause: Option<Cause>, plant: impl Fn(u64) -> (Noisy, LlcSettings)) -> usize {
    (0..100)
        .filter(|&seed| {
            let (landscape, settings) = plant(seed);
            let (verdict, llc) = verdict_of(&landscape, &settings);
            let as_planted = verdict.cause == cause;
            if !as_planted {
                println!("seed {seed}: {verdict:?} {:?}", llc.mean);
            }
            as_planted
        })
        .count()
}

#[test]
fn nothing_is_wrong_with_a_healthy_estimate() {
    let found = recognised(None, |seed| (Noisy::new(200, seed), healthy(seed)));
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn minibatch_noise_that_is_paired_does_no_harm() {
    let found = recognised(None, |seed| {
        let landscape = Noisy {
            loss_noise: 0.5,
            ..Noisy::new(200, seed)
        };
        (landscape, healthy(seed))
    });
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn a_step_that_is_too_large_is_recognised() {
    let found = recognised(Some(Cause::StepTooLarge), |seed| {
        let mut settings = healthy(seed);
        // ε·a = 1.65: every variance is 1.7 times too large.
        settings.sampler.epsilon = 0.015;
        (Noisy::new(200, seed), settings)
    });
    assert!(found >= 95, "{found} of 100");
    let found = recognised(Some(Cause::StepTooLarge), |seed| {
        let mut settings = healthy(seed);
        // Beyond what is stable: the chains die.
        settings.sampler.epsilon = 0.05;
        (Noisy::new(200, seed), settings)
    });
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn a_place_that_is_no_minimum_is_recognised() {
    let found = recognised(Some(Cause::NotAMinimum), |seed| {
        let landscape = Noisy {
            centre: 0.3,
            ..Noisy::new(200, seed)
        };
        (landscape, healthy(seed))
    });
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn a_noisy_baseline_is_recognised() {
    let found = recognised(Some(Cause::BaselineNoise), |seed| {
        let landscape = Noisy {
            loss_noise: 2.0,
            ..Noisy::new(200, seed)
        };
        let mut settings = healthy(seed);
        settings.baseline = Baseline::Apart(16);
        (landscape, settings)
    });
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn draws_that_still_move_are_recognised() {
    let found = recognised(Some(Cause::NotConverged), |seed| {
        let mut settings = healthy(seed);
        // The relaxation takes 1/(ε·a/2) = 900 draws.
        settings.sampler.epsilon = 2e-5;
        settings.burn_in = 20;
        (Noisy::new(200, seed), settings)
    });
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn too_few_draws_are_recognised() {
    let found = recognised(Some(Cause::TooFewDraws), |seed| {
        let mut settings = healthy(seed);
        // Three directions: nβL scatters by .8 of its mean, and the chains are worth a few
        // independent draws.
        settings.draws = Draws::Fixed(140);
        settings.chains = 2;
        (Noisy::new(3, seed), settings)
    });
    assert!(found >= 95, "{found} of 100");
}

/// Draws go on until the error is as wanted, or the budget ends, and it is said which.
#[test]
fn draws_on_request() {
    let auto = |error, most| LlcSettings {
        draws: Draws::Auto { error, most },
        ..healthy(3)
    };
    let (_, llc) = verdict_of(&Noisy::new(20, 3), &auto(0.02, 100_000));
    assert_eq!(llc.precise, Some(true));
    assert!(llc.error().unwrap() <= 0.02 * llc.mean.unwrap());
    assert!(
        llc.draws > 300 && llc.left_out >= llc.draws / 2,
        "{}",
        llc.draws
    );
    let (_, llc) = verdict_of(&Noisy::new(20, 3), &auto(0.0001, 500));
    assert_eq!((llc.precise, llc.draws), (Some(false), 500));
}

/// The noise of the minibatches cancels where the baseline is paired.
#[test]
fn pairing_the_baseline_saves_variance() {
    let spread = |baseline| {
        let all: Vec<f64> = (0..40)
            .map(|seed| {
                let landscape = Noisy {
                    loss_noise: 2.0,
                    ..Noisy::new(200, seed)
                };
                let settings = LlcSettings {
                    baseline,
                    ..healthy(seed)
                };
                verdict_of(&landscape, &settings).1.mean.unwrap()
            })
            .collect();
        variance(&all).sqrt()
    };
    let (paired, apart) = (spread(Baseline::Paired), spread(Baseline::Apart(2400)));
    // Apart: nβ·2·√(2/2400) = 5.8 from the losses of draws and baseline; paired: the draws' own
    // alone.
    assert!(apart > 5.0 * paired, "{paired} {apart}");
    assert!((apart / 5.8 - 1.0).abs() < 0.4, "{apart}");
}

/// Chains of one number share noise and minibatches whatever else lies beside them, and another
/// seed shares nothing.
#[test]
fn masks_ride_in_one_walk_and_are_as_alone() {
    let landscape = Noisy::new(6, 1);
    let anchor = [Tensor::<3>::zeros([1, 1, 6], &Device::flex())];
    let half = |first: bool| {
        let moves: Vec<f32> = (0..6).map(|i| f32::from((i < 3) == first)).collect();
        let moves = Tensor::<3>::from_data(TensorData::new(moves, [1, 1, 6]), &Device::flex());
        Mask::new(vec![Part::Some(Box::new(moves.greater_elem(0.5)))])
    };
    let run = |masks: &[Mask], seed| {
        let subject = Subject {
            landscape: &landscape,
            evaluation: None,
            anchor: &anchor,
            coordinate: None,
        };
        let estimated = estimate(&subject, &healthy(seed), masks, |_| None).unwrap();
        estimated.llcs
    };
    let together = run(&[half(true), half(false), Mask::all()], 5);
    assert_eq!(together[1], run(&[half(false)], 5)[0]);
    assert_eq!(together[2], run(&[Mask::all()], 5)[0]);
    assert_ne!(together[2].mean, run(&[Mask::all()], 6)[0].mean);
    // Three of six directions each.
    for (llc, expected) in together.iter().zip([1.36, 1.36, 2.73]) {
        let (mean, error) = (llc.mean.unwrap(), llc.error().unwrap());
        assert!(
            (mean - expected).abs() < 5.0 * error,
            "{mean} ± {error}, {expected}"
        );
    }
}

fn seen(kept: &[f64], baselines: &[f64]) -> Seen {
    Seen {
        losses: kept.to_vec(),
        kept: kept.to_vec(),
        baselines: baselines.to_vec(),
        ..Seen::default()
    }
}

/// Several checkpoints are one stack, and each is as it would be alone.
#[test]
fn places_ride_in_one_walk_and_are_as_alone() {
    let landscape = Noisy::new(6, 1);
    let at = |x: f32| [Tensor::<3>::full([1, 1, 6], x, &Device::flex())];
    let anchors = [at(0.0), at(0.2), at(-0.1)];
    let subject = |anchor| Subject {
        landscape: &landscape,
        evaluation: None,
        anchor,
        coordinate: None,
    };
    let mask = Mask::all();
    let spots = anchors.each_ref().map(|anchor| Spot {
        anchor: &anchor[..],
        mask: &mask,
    });
    let settings = LlcSettings {
        baseline: Baseline::Apart(4),
        ..healthy(5)
    };
    let together = estimate_all(&subject(&anchors[0]), &settings, &spots, |_| None).unwrap();
    for (found, anchor) in together.llcs.iter().zip(&anchors) {
        let masks = [Mask::all()];
        let alone = estimate(&subject(anchor), &settings, &masks, |_| None).unwrap();
        assert_eq!(*found, alone.llcs[0]);
    }
    assert!(
        together.llcs[1].mean < together.llcs[0].mean,
        "it lies on a slope"
    );
}

/// Chains follow one loss, and the coefficient is that of another on the same draws.
#[test]
fn another_loss_can_be_evaluated() {
    let (followed, evaluated) = (Noisy::new(20, 1), {
        let mut other = Noisy::new(20, 1);
        other.curvatures = vec![3.0; 20];
        other
    });
    let anchor = [Tensor::<3>::zeros([1, 1, 20], &Device::flex())];
    let of = |evaluation| {
        let subject = Subject {
            landscape: &followed,
            evaluation,
            anchor: &anchor,
            coordinate: None,
        };
        let mut found = estimate(&subject, &healthy(2), &[Mask::all()], |_| None).unwrap();
        found.llcs.remove(0).mean.unwrap()
    };
    // Three times the loss on the very same draws.
    let ratio = of(Some(&evaluated as &dyn Landscape)) / of(None);
    assert!((ratio - 3.0).abs() < 1e-4, "{ratio}");
}

#[test]
fn dead_chains_are_in_no_figure() {
    let chains = [
        seen(&[1.0, 1.5], &[0.5; 2]),
        seen(&[f64::NAN; 2], &[0.5; 2]),
        seen(&[3.0, 3.5], &[0.5; 2]),
    ];
    let llc = summarize(&chains.each_ref(), None, 10.0, [0; 2]);
    assert_eq!(llc.by_chain, [Some(7.5), None, Some(27.5)]);
    assert_eq!(llc.mean, Some(17.5));
    assert_eq!(llc.standard_error, Some(10.0));
    assert_eq!(llc.baseline, Some(0.5));
    assert_eq!(llc.trace, [15.0, 20.0]);
    let measures = llc.measures(None, 10.0);
    assert_eq!(measures.values["llc_chains_dead"], 1.0);
    assert_ne!(measures.words["llc_verdict"], "ok");
}

#[test]
fn nothing_is_claimed_when_all_are_dead() {
    let llc = summarize(&[&seen(&[f64::NAN], &[0.5])], None, 10.0, [0; 2]);
    assert_eq!(
        (llc.mean, llc.standard_error, llc.baseline),
        (None, None, None)
    );
    let measures = llc.measures(None, 10.0);
    assert!(!measures.values.contains_key("llc"));
    assert_eq!(measures.words["llc_verdict"], "failed");
}
