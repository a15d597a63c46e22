use super::super::valley::Valley;
use super::super::{StageReport, StageSettings, detect};
use super::{Shape, log_steps, seeds, sigmoid, table};

/// Stages of one λ̂ curve, sampled at `n` log-spaced checkpoints to step 4000.
fn of_llc(n: usize, value: &dyn Fn(f64) -> f64, noise: f64, seed: u64) -> StageReport {
    let shape = Shape {
        name: "llc",
        value,
        noise: &|_| noise,
    };
    detect(
        &table(&log_steps(n, 4000), &[shape], seed),
        &StageSettings::default(),
    )
    .unwrap()
}

/// How many of `seeds` seeds show a boundary where there is none: in noise, or in a single sigmoid.
fn false_alarms(n: usize, width: Option<f64>, noise: f64, seeds: u64) -> u64 {
    let alarm = |seed: u64| {
        let centre = 2.5 + 4.0 * seed as f64 / seeds as f64;
        let value = |x: f64| width.map_or(3.0, |w| sigmoid(x, centre, w));
        !of_llc(n, &value, noise, seed).boundaries.is_empty()
    };
    (0..seeds).filter(|&s| alarm(s)).count() as u64
}

/// Two sigmoids 2.5 apart on ln(step + 1), the second one sharper and smaller.
fn two(x: f64, centre: f64) -> f64 {
    sigmoid(x, centre, 0.3) + 0.7 * sigmoid(x, centre + 2.5, 0.25)
}

/// The middle of the valley of speed between the sigmoids of [`two`], by its analytic derivative.
fn boundary(centre: f64) -> f64 {
    let slope = |x: f64| {
        let part = |c: f64, w: f64| sigmoid(x, c, w) * (1.0 - sigmoid(x, c, w)) / w;
        part(centre, 0.3) + 0.7 * part(centre + 2.5, 0.25)
    };
    let x: Vec<f64> = (0..=25_000).map(|i| centre + f64::from(i) * 1e-4).collect();
    let speed: Vec<f64> = x.iter().map(|&x| slope(x)).collect();
    let pace = speed[0].min(speed[25_000]);
    Valley::of(&x, &speed, pace).unwrap().middle()
}

/// Over `seeds` seeds: exactly one boundary found, more than one, and the true place within an
/// interval.
fn two_episodes(n: usize, noise: f64, seeds: u64) -> (u64, u64, u64) {
    let (mut one, mut more, mut held) = (0, 0, 0);
    for seed in 0..seeds {
        let centre = 2.5 + 1.5 * seed as f64 / seeds as f64;
        let found = of_llc(n, &|x| two(x, centre), noise, seed).boundaries;
        one += u64::from(found.len() == 1);
        more += u64::from(found.len() > 1);
        let truth = boundary(centre).exp_m1();
        held += u64::from(found.iter().any(|b| b.lo <= truth && truth <= b.hi));
    }
    (one, more, held)
}

#[test]
fn noise_has_no_boundary() {
    let seeds = seeds(20);
    let alarms = false_alarms(44, None, 1.0, seeds);
    println!("noise alone: {alarms} of {seeds}");
    assert!(alarms * 20 <= seeds, "{alarms} of {seeds}");
}

#[test]
fn one_episode_has_no_boundary_in_nearly_all_seeds() {
    let seeds = seeds(12);
    for (width, noise) in [(0.2, 0.003), (0.6, 0.02), (0.2, 0.1), (0.6, 0.1)] {
        let alarms = false_alarms(44, Some(width), noise, seeds);
        println!("one sigmoid of width {width}, noise {noise}: {alarms} of {seeds}");
        assert!(
            alarms * 12 <= seeds,
            "{alarms} of {seeds} at width {width}, noise {noise}"
        );
    }
}

#[test]
fn two_episodes_have_one_boundary_in_the_middle_of_the_valley() {
    let seeds = seeds(12);
    for noise in [0.003, 0.02, 0.1] {
        let (one, more, held) = two_episodes(44, noise, seeds);
        println!("two sigmoids, noise {noise}: one {one}, more {more}, held {held} of {seeds}");
        assert!(
            10 * one >= 8 * seeds,
            "noise {noise}: one {one}, more {more} of {seeds}"
        );
        assert!(
            10 * held >= 8 * seeds,
            "noise {noise}: interval held {held} of {seeds}"
        );
    }
}

#[test]
fn three_episodes_have_two_boundaries_with_rising_and_falling_complexity() {
    let value = |x: f64| sigmoid(x, 2.0, 0.3) - 0.5 * sigmoid(x, 4.5, 0.25) + sigmoid(x, 7.0, 0.2);
    let found = of_llc(60, &value, 0.01, 3);
    let places: Vec<f64> = found.boundaries.iter().map(|b| b.at.ln_1p()).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(
        (places[0] - 3.3).abs() < 0.4 && (places[1] - 5.8).abs() < 0.4,
        "{places:?}"
    );
    let changes: Vec<f64> = found.stages.iter().map(|s| s.delta_llc.unwrap()).collect();
    for (change, expected) in changes.iter().zip([1.0, -0.5, 1.0]) {
        assert!((change - expected).abs() < 0.1, "{changes:?}");
    }
}

#[test]
fn hundreds_of_evenly_spaced_checkpoints_give_the_same_answer_as_few_log_spaced_ones() {
    let value = |x: f64| sigmoid(x, 5.0, 0.3) + 0.7 * sigmoid(x, 7.5, 0.25);
    let shape = Shape {
        name: "llc",
        value: &value,
        noise: &|_| 0.02,
    };
    let steps: Vec<u64> = (0..=500).map(|i| 10 * i).collect();
    let rows = table(&steps, &[shape], 5);
    let found = detect(&rows, &StageSettings::default()).unwrap().boundaries;
    assert_eq!(found.len(), 1, "{found:?}");
    let truth = boundary(5.0).exp_m1();
    assert!(
        found[0].lo <= truth && truth <= found[0].hi,
        "{truth}: {found:?}"
    );
}

#[test]
fn noise_that_grows_along_the_run_is_not_mistaken_for_episodes() {
    let seeds = seeds(12);
    for known in [false, true] {
        let alarm = |seed: u64| {
            let centre = 2.5 + 4.0 * seed as f64 / seeds as f64;
            let value = |x: f64| 100.0 * sigmoid(x, centre, 0.5);
            // From .1 to 6 % of the range.
            let noise = |x: f64| 0.1 * (x / 2.0).exp();
            let mut shapes = vec![Shape {
                name: "llc",
                value: &value,
                noise: &noise,
            }];
            if known {
                shapes.push(Shape {
                    name: "llc_se",
                    value: &noise,
                    noise: &|_| 0.0,
                });
            }
            let rows = table(&log_steps(44, 4000), &shapes, seed);
            !detect(&rows, &StageSettings::default())
                .unwrap()
                .boundaries
                .is_empty()
        };
        let alarms = (0..seeds).filter(|&s| alarm(s)).count() as u64;
        println!("one sigmoid in growing noise, errors known: {known}: {alarms} of {seeds}");
        assert!(
            alarms * 6 <= seeds,
            "errors known: {known}: {alarms} of {seeds}"
        );
    }
}

#[test]
fn the_same_table_gives_the_same_report() {
    let report = || of_llc(44, &|x| two(x, 3.0), 0.02, 1);
    assert_eq!(report(), report());
}

#[test]
fn the_smoothed_curve_follows_the_truth_within_its_band() {
    let report = of_llc(60, &|x| two(x, 3.0), 0.02, 2);
    let curve = &report.smooth[0];
    assert_eq!(curve.name, "llc");
    let inside = (0..curve.steps.len())
        .filter(|&i| {
            let truth = two(curve.steps[i].ln_1p(), 3.0);
            curve.lo[i] <= truth && truth <= curve.hi[i]
        })
        .count();
    assert!(
        10 * inside >= 8 * curve.steps.len(),
        "{inside} of {}",
        curve.steps.len()
    );
    // Speed is the derivative by ln(step + 1).
    let (i, j) = (120, 121);
    let dx = curve.steps[j].ln_1p() - curve.steps[i].ln_1p();
    let difference = (curve.mean[j] - curve.mean[i]) / dx;
    assert!((difference - 0.5 * (curve.speed[i] + curve.speed[j])).abs() < 1e-2);
}
