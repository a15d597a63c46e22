use std::convert::Infallible;

use burn::tensor::{Device, TensorData};

use super::*;

/// Runs chains on a loss and returns the losses of every draw, `[draw][chain]`, and where they end.
fn run(
    start: Vec<Tensor<3>>,
    rule: Rule,
    settings: &[Settings],
    mask: Mask,
    draws: usize,
    mut loss: impl FnMut(&[Tensor<3>]) -> LossAndGradient,
) -> (Vec<Vec<f32>>, Vec<Tensor<3>>) {
    let streams: Vec<Stream> = (0..settings.len() as u64)
        .map(|c| Stream::new(7, "test noise", &[c]))
        .collect();
    let mut chains = Chains::new(start, rule, settings, mask, &streams);
    let mut losses = Vec::new();
    for _ in 0..draws {
        let here = loss(chains.weights());
        losses.push(here.0.clone().try_into_vec_as::<f32>().unwrap());
        chains.step(here, |w| Ok::<_, Infallible>(loss(w))).unwrap();
    }
    (losses, chains.weights().to_vec())
}

/// ½Σ h_i w_i² of one parameter `[R, 1, d]`.
fn quadratic(curvatures: &[f64], device: &Device) -> impl Fn(&[Tensor<3>]) -> LossAndGradient {
    let h: Vec<f32> = curvatures.iter().map(|&h| h as f32).collect();
    let h = Tensor::<3>::from_data(TensorData::new(h, [1, 1, curvatures.len()]), device);
    move |w| {
        let [chains, _, _] = w[0].dims();
        let gradient = w[0].clone() * h.clone();
        let loss = (gradient.clone() * w[0].clone()).sum_dim(2) * 0.5;
        (loss.reshape([chains]), vec![gradient])
    }
}

/// E[λ̂] of the quadratic ½Σh_i w_i² for SGLD with a finite step and a finite chain, started at the
/// minimum, loss read before each step, full batch: with `a = nβh + γ + δ` and `ρ = 1 − εa/2`, the
/// variance of `w` before step k is `(1 − ρ^{2k}) / (a(1 − εa/4))`. The weight decay δ counts as
/// the localization does, w* being 0.
fn expected(curvatures: &[f64], s: &Settings, draws: usize, burn_in: usize) -> f64 {
    let one = |h: &f64| {
        let a = s.nbeta * h + s.localization + s.weight_decay;
        let rho = 1.0 - s.epsilon * a / 2.0;
        let kept = (burn_in..draws).map(|k| 1.0 - rho.powi(2 * k as i32));
        let mean = kept.sum::<f64>() / (draws - burn_in) as f64;
        0.5 * s.nbeta * h / (a * (1.0 - s.epsilon * a / 4.0)) * mean
    };
    curvatures.iter().map(one).sum()
}

/// λ̂ of each chain over the draws after the burn-in.
fn by_chain(losses: &[Vec<f32>], settings: &[Settings], burn_in: usize) -> Vec<f64> {
    let kept = &losses[burn_in..];
    let one = |(c, s): (usize, &Settings)| {
        let sum: f64 = kept.iter().map(|l| f64::from(l[c])).sum();
        s.nbeta * sum / kept.len() as f64
    };
    settings.iter().enumerate().map(one).collect()
}

/// Chains are independent, so their mean is normal about its expectation: 4 standard errors are
/// passed by chance once in 16 000 runs, and the streams are fixed.
fn assert_about(values: &[f64], expected: f64, what: &str) {
    let (m, se) = (
        crate::statistics::mean(values),
        crate::statistics::standard_error(values).unwrap(),
    );
    assert!(
        (m - expected).abs() < 4.0 * se,
        "{what}: {m} ± {se}, expected {expected}"
    );
    // And the test has teeth: the error is small beside the answer.
    assert!(se < 0.03 * expected, "{what}: {se} of {expected}");
}

fn check(
    rule: Rule,
    curvatures: &[f64],
    settings: Settings,
    draws: usize,
    burn_in: usize,
) -> Vec<f64> {
    let device = Device::flex();
    let chains = 256;
    let start = vec![Tensor::<3>::zeros([chains, 1, curvatures.len()], &device)];
    let all = vec![settings; chains];
    let loss = quadratic(curvatures, &device);
    let (losses, _) = run(start, rule, &all, Mask::all(), draws, loss);
    by_chain(&losses, &all, burn_in)
}

#[test]
fn sgld_with_a_coarse_step() {
    let (h, settings) = ([1.0, 4.0, 0.25, 0.0], Settings::new(0.01, 50.0, 5.0));
    let values = check(Rule::Sgld, &h, settings, 400, 0);
    assert_about(&values, expected(&h, &settings, 400, 0), "sgld");
}

#[test]
fn sgld_with_burn_in_left_out_and_weight_decay() {
    let settings = Settings {
        weight_decay: 30.0,
        ..Settings::new(0.002, 100.0, 10.0)
    };
    let h = [1.0; 10];
    let values = check(Rule::Sgld, &h, settings, 300, 100);
    assert_about(&values, expected(&h, &settings, 300, 100), "sgld");
}

/// The limit of a fine step, without its error: Σ ½nβh/(nβh + γ).
fn limit(curvatures: &[f64], s: &Settings) -> f64 {
    curvatures
        .iter()
        .map(|h| 0.5 * s.nbeta * h / (s.nbeta * h + s.localization))
        .sum()
}

#[test]
fn mala_has_no_error_of_the_step() {
    // SGLD with this step would be 19 % too high.
    let (h, settings) = ([1.0, 4.0, 0.25], Settings::new(0.004, 50.0, 5.0));
    let values = check(Rule::Mala, &h, settings, 1500, 300);
    assert_about(&values, limit(&h, &settings), "mala");
}

#[test]
fn the_thermostat_samples_the_posterior() {
    let (h, settings) = (
        [1.0, 4.0, 0.25, 1.0, 2.0, 1.0, 0.5, 1.0],
        Settings::new(2e-4, 50.0, 5.0),
    );
    let values = check(Rule::Sgnht, &h, settings, 6000, 2000);
    // First order in the step: ε·a is at most .04.
    let (value, exact) = (crate::statistics::mean(&values), limit(&h, &settings));
    assert!((value / exact - 1.0).abs() < 0.02, "{value} of {exact}");
}

/// RMSprop's steps follow the gradient's size, so the preconditioner's own change biases it; with
/// curvatures that are all alike the bias is that of SGLD with a step ε·G.
#[test]
fn preconditioned_steps_sample_the_posterior() {
    let (h, settings) = (vec![1.0; 16], Settings::new(2e-4, 100.0, 10.0));
    let values = check(Rule::RmspropSgld, &h, settings, 3000, 1000);
    let (value, exact) = (crate::statistics::mean(&values), limit(&h, &settings));
    // ε·G·a is at most 2e-4 · 10 · 110: 1/(1 − εGa/4) − 1 is under 6 %.
    assert!(
        value > 0.98 * exact && value < 1.08 * exact,
        "{value} of {exact}"
    );
}

/// Doubling the loss and halving nβ leaves the chain where it was, bit for bit; a power of two is
/// exact.
#[test]
fn doubling_the_loss_and_halving_nbeta_is_the_same_chain() {
    let device = Device::flex();
    let start = vec![Tensor::<3>::zeros([2, 1, 3], &device)];
    let end = |factor: f64, rule: Rule| {
        let settings = vec![Settings::new(1e-3, 100.0 / factor, 5.0); 2];
        let h = [factor, 3.0 * factor, 0.25 * factor];
        let loss = quadratic(&h, &device);
        let (_, end) = run(start.clone(), rule, &settings, Mask::all(), 50, loss);
        end[0].clone().try_into_vec_as::<f32>().unwrap()
    };
    for rule in [Rule::Sgld, Rule::Sgnht, Rule::Mala] {
        assert_eq!(end(1.0, rule), end(2.0, rule), "{rule:?}");
    }
    assert_ne!(end(1.0, Rule::RmspropSgld), end(2.0, Rule::RmspropSgld));
}

/// Acceptance probabilities computed outside, for ½|w|² with nβ = 1, γ = 0.
#[test]
fn acceptance_is_that_of_metropolis_and_hastings() {
    let device = Device::flex();
    let at = |w: [f32; 2]| Tensor::<3>::from_data(TensorData::new(w.to_vec(), [1, 1, 2]), &device);
    let loss = quadratic(&[1.0, 1.0], &device);
    for (from, to, epsilon, expected) in [
        ([0.0, 0.0], [1.5, 5.5], 0.1, 0.666_143_6),
        ([1.0, 1.0], [1.5, 0.5], 0.5, 0.969_233_2),
        ([0.0, 0.0], [10.5, 5.5], 0.1, 0.172_684_92),
        ([0.0, 0.0], [10.5, 5.5], 0.5, 0.000_153_59),
    ] {
        let (from, to) = (vec![at(from)], vec![at(to)]);
        let (here, there) = (loss(&from), loss(&to));
        let log = log_acceptance(
            &[Settings::new(epsilon, 1.0, 0.0)],
            &Mask::all(),
            &[at([0.0, 0.0])],
            (&from, &here),
            (&to, &there),
        );
        let p = log.clamp_max(0.0).exp().try_into_vec_as::<f32>().unwrap()[0];
        // Energies of up to 70 in single precision: 2⁻²⁴·70·a few roundings in the exponent.
        assert!(
            (f64::from(p) / expected - 1.0).abs() < 3e-5,
            "{p} {expected}"
        );
    }
}

#[test]
fn what_is_masked_keeps_its_bits_and_a_box_holds() {
    let device = Device::flex();
    let start: Vec<Tensor<3>> = (0..3)
        .map(|i| Tensor::<3>::full([2, 2, 3], 0.1 + f64::from(i), &device))
        .collect();
    let moves = Tensor::<3>::from_data(
        TensorData::new(vec![1.0_f32, 0.0, 1.0, 0.0, 0.0, 1.0], [1, 2, 3]),
        &device,
    )
    .greater_elem(0.5)
    .repeat_dim(0, 2);
    let mask = Mask::new(vec![Part::All, Part::Nothing, Part::Some(Box::new(moves))]);
    let settings = vec![
        Settings {
            half_width: Some(0.05),
            ..Settings::new(5e-4, 10.0, 1.0)
        };
        2
    ];
    for rule in [Rule::Sgld, Rule::RmspropSgld, Rule::Sgnht, Rule::Mala] {
        let loss = |w: &[Tensor<3>]| {
            let loss = w.iter().map(|w| sum_rows(w.clone() * w.clone()) * 0.5);
            (loss.reduce(|a, b| a + b).unwrap(), w.to_vec())
        };
        let (_, end) = run(start.clone(), rule, &settings, mask.clone(), 60, loss);
        let away: Vec<Vec<f32>> = end
            .iter()
            .zip(&start)
            .map(|(w, s)| (w.clone() - s.clone()).try_into_vec_as::<f32>().unwrap())
            .collect();
        assert!(away[1].iter().all(|x| *x == 0.0), "{rule:?} {:?}", away[1]);
        for (i, x) in away[2].iter().enumerate() {
            let free = [true, false, true, false, false, true][i % 6];
            assert_eq!(*x != 0.0, free, "{rule:?} {i}: {x}");
        }
        let most = away[0].iter().fold(0.0_f32, |a, x| a.max(x.abs()));
        assert!(most > 0.01 && most <= 0.050_001, "{rule:?}: {most}");
    }
}

fn sum_rows(x: Tensor<3>) -> Tensor<1> {
    let [chains, rows, columns] = x.dims();
    x.reshape([chains, rows * columns])
        .sum_dim(1)
        .reshape([chains])
}

#[test]
fn a_chain_that_dies_leaves_the_others_as_they_were() {
    let device = Device::flex();
    let settings = Settings::new(0.01, 10.0, 1.0);
    let losses = |start: &[f32], first: u64| -> Vec<f32> {
        let n = start.len();
        let streams: Vec<Stream> = (first..first + n as u64)
            .map(|c| Stream::new(1, "test noise", &[c]))
            .collect();
        let start = vec![Tensor::<3>::from_data(
            TensorData::new(start.to_vec(), [n, 1, 1]),
            &device,
        )];
        let loss = quadratic(&[1.0], &device);
        let mut chains = Chains::new(start, Rule::Sgld, &vec![settings; n], Mask::all(), &streams);
        (0..20)
            .map(|_| {
                let here = loss(chains.weights());
                let last = here.0.clone().try_into_vec_as::<f32>().unwrap()[n - 1];
                chains.step(here, |w| Ok::<_, Infallible>(loss(w))).unwrap();
                last
            })
            .collect()
    };
    let alone = losses(&[0.5], 2);
    let beside = losses(&[1.0, f32::NAN, 0.5], 0);
    assert_eq!(alone, beside);
    assert!(alone.iter().all(|l| l.is_finite()));
}
