use super::*;

/// An even grid of `n` places on the axis of the curves.
fn grid(n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| log_step(LAST as f64) * i as f64 / (n - 1) as f64)
        .collect()
}

#[test]
fn a_boundary_is_in_the_middle_of_what_is_slow() {
    for family in families() {
        let truth = family.shape.draw(log_step(LAST as f64), 5, 9);
        assert_eq!(
            truth.boundaries.len(),
            family.shape.boundaries(),
            "{}",
            family.name
        );
        for place in &truth.boundaries {
            let (from, to) = place.between;
            assert!(from < place.at && place.at < to, "{}", family.name);
            if let Shape::Jumps { .. } = family.shape {
                assert!((place.at - 0.5 * (from + to)).abs() < 1e-3);
                continue;
            }
            // Numerically, from values alone: both edges are a tenth of the way from the least
            // speed to the slower episode's.
            let speed = |x: f64| ((truth.value(x + 1e-4) - truth.value(x - 1e-4)) / 2e-4).abs();
            let x: Vec<f64> = (0..=4000)
                .map(|i| from + (to - from) * f64::from(i) / 4000.0)
                .collect();
            let least = x.iter().map(|&x| speed(x)).fold(f64::INFINITY, f64::min);
            let level = least + 0.1 * (speed(from).min(speed(to)) - least);
            let slow: Vec<f64> = x.into_iter().filter(|&x| speed(x) <= level).collect();
            let middle = 0.5 * (slow[0] + slow[slow.len() - 1]);
            assert!(
                (place.at - middle).abs() < 2e-3,
                "{}: {} {middle}",
                family.name,
                place.at
            );
        }
    }
}

#[test]
fn several_curves_have_the_same_episodes_and_each_view_its_own_middle() {
    for family in families().iter().filter(|f| f.curves != Curves::Llc) {
        let (rows, shown) = family.draw(3, 4);
        let names: Vec<&String> = rows[0].values.keys().collect();
        let views: Vec<&str> = shown.iter().map(|s| s.view).collect();
        match family.curves {
            Curves::Views => {
                assert_eq!(names, ["llc", "loss"]);
                assert_eq!(views, ["loss", "complexity"]);
                let at = |i: usize| shown[i].boundaries[0];
                assert_eq!(at(0).between, at(1).between);
                // The smaller the second episode, the lower the level.
                assert!((at(0).at - at(1).at).abs() < 0.3 && at(0).at != at(1).at);
            }
            _ => {
                assert_eq!(names.len(), 3);
                assert_eq!(views, ["behaviour"]);
            }
        }
    }
}

#[test]
fn noise_has_the_size_and_the_correlation_that_it_says() {
    let x = grid(60);
    let noise = Noise::of(0.02).shared(0.6).growing(20.0);
    let sizes = noise.sizes(&x);
    assert!((sizes[59] / sizes[0] - 20.0).abs() < 1e-9);
    let (mut square, mut lagged, draws) = (0.0, 0.0, 400);
    for seed in 0..draws {
        let e = noise.draw(&x, 3, seed);
        let z: Vec<f64> = e.iter().zip(&sizes).map(|(e, s)| e / s).collect();
        square += z.iter().map(|z| z * z).sum::<f64>();
        lagged += z.windows(2).map(|w| w[0] * w[1]).sum::<f64>();
    }
    // About 6000 independent draws of the 24 000 (the sum of 1 + 2Σρ^2k is 2.1, of products less):
    // 4 standard errors.
    let n = draws as f64;
    assert!((square / (60.0 * n) - 1.0).abs() < 0.06, "{square}");
    assert!((lagged / (59.0 * n) - 0.6).abs() < 0.06, "{lagged}");
    let heavy = Noise::of(1.0).heavy();
    let all: Vec<f64> = (0..draws).flat_map(|s| heavy.draw(&x, 4, s)).collect();
    let beyond =
        |limit: f64| all.iter().filter(|e| e.abs() > limit).count() as f64 / all.len() as f64;
    // Student's t with 4 degrees of freedom beyond 4√2: .0048; a normal beyond 4: .00006.
    assert!((0.0025..0.0075).contains(&beyond(4.0)), "{}", beyond(4.0));
}

#[test]
fn rates_have_wilsons_interval() {
    // Wilson's interval of 9 of 10 is .596 to .982 (Brown, Cai and DasGupta 2001 give the formula).
    let (lo, hi) = Rate { hits: 9, of: 10 }.interval();
    assert!(
        (lo - 0.5958).abs() < 1e-3 && (hi - 0.9821).abs() < 1e-3,
        "{lo} {hi}"
    );
    assert_eq!(Rate::default().interval(), (0.0, 1.0));
}

#[test]
fn steps_are_distinct_and_end_where_they_should() {
    for n in [30, 45, 100] {
        let steps = log_steps(n, LAST);
        assert_eq!((steps.len(), steps[0], steps[n - 1]), (n, 0, LAST));
        assert!(steps.windows(2).all(|w| w[0] < w[1]));
    }
}

/// The figures themselves are measured by `ontogeny validate --detector`; here each kind of family
/// has to be within what its rate allows by chance. With 24 curves, a rate of .9 gives fewer than
/// 18 hits in 1 of 60 000 cases per family... and a rate of .05 gives more than 5 alarms in 1 of
/// 1200.
#[test]
fn intervals_hold_the_truth_and_single_episodes_show_none() {
    let seeds = if cfg!(debug_assertions) { 2 } else { 24 };
    let settings = StageSettings::default();
    for name in [
        "two sigmoids, 1 %, shared errors",
        "two sigmoids, 2 %, growing and shared",
        "jumps with drift, .3 %",
        "one sigmoid of width .3 to .8, 1 %, shared",
        "one jump, 1 %, shared",
        "noise alone, shared",
        "λ̂ and loss, 1 %, shared",
        "three curves in one view, 1 %, shared",
    ] {
        let family = families().into_iter().find(|f| f.name == name).unwrap();
        let score = family.score(2_000_000, 0..seeds, &settings).unwrap();
        println!("{name}: {score:?}");
        if family.shape.boundaries() == 0 {
            assert!(score.more.hits <= 5, "{name}: {score:?}");
        } else {
            assert!(score.held.of as u64 * 4 >= seeds * 3, "{name}: {score:?}");
            assert!(
                score.held.hits * 4 >= score.held.of * 3,
                "{name}: {score:?}"
            );
        }
    }
}
