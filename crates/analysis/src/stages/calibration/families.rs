//! The families of curves that the detector is measured on.

use super::curves::Curves;
use super::noise::Noise;
use super::shape::{Profile, Shape};

/// A family of curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// What it is called in tables.
    pub name: String,
    /// The curves.
    pub shape: Shape,
    /// Their errors.
    pub noise: Noise,
    /// Checkpoints, log-spaced from step 0 to step 4000.
    pub points: usize,
    /// What is measured of it.
    pub curves: Curves,
}

const TWO: Shape = Shape::Two {
    profile: Profile::Sigmoid,
    width: (0.2, 0.4),
    gap: (2.0, 3.2),
};
const NARROW: Shape = Shape::Two {
    profile: Profile::Sigmoid,
    width: (0.05, 0.2),
    gap: (1.0, 3.0),
};
const WIDE: Shape = Shape::Two {
    profile: Profile::Sigmoid,
    width: (0.35, 0.5),
    gap: (2.8, 3.6),
};
const NORMAL: Shape = Shape::Two {
    profile: Profile::Normal,
    width: (0.3, 0.6),
    gap: (2.2, 3.2),
};
const RELAXATIONS: Shape = Shape::Two {
    profile: Profile::Relaxation,
    width: (0.4, 0.8),
    gap: (2.6, 3.6),
};
const THREE: Shape = Shape::RiseFallRise {
    width: (0.15, 0.3),
    gap: (1.7, 2.6),
};
const STEEP: Shape = Shape::Two {
    profile: Profile::Sigmoid,
    width: (0.05, 0.05),
    gap: (1.5, 3.0),
};

const fn jumps(drift: f64) -> Shape {
    Shape::Jumps {
        gap: (1.5, 3.0),
        drift,
    }
}

const fn one(profile: Profile, width: (f64, f64)) -> Shape {
    Shape::One { profile, width }
}

/// Correlation of neighbours' errors, and growth of the errors along the run, as in runs of this
/// project.
const SHARED: f64 = 0.6;
const GROWTH: f64 = 20.0;

/// Every family that is reported.
pub fn families() -> Vec<Family> {
    let quiet = Noise::of(0.003);
    let usual = Noise::of(0.01);
    let loud = Noise::of(0.03);
    let list: Vec<(&str, Shape, Noise, usize)> = vec![
        ("two sigmoids, .3 %", TWO, quiet, 45),
        ("two sigmoids, 1 %", TWO, usual, 45),
        ("two sigmoids, 3 %", TWO, loud, 45),
        ("two sigmoids, 10 %", TWO, Noise::of(0.1), 45),
        (
            "one sigmoid of width .2 to .6, 10 %",
            one(Profile::Sigmoid, (0.2, 0.6)),
            Noise::of(0.1),
            45,
        ),
        (
            "two sigmoids, .3 %, shared errors",
            TWO,
            quiet.shared(SHARED),
            45,
        ),
        (
            "two sigmoids, 1 %, shared errors",
            TWO,
            usual.shared(SHARED),
            45,
        ),
        (
            "two sigmoids, 3 %, shared errors",
            TWO,
            loud.shared(SHARED),
            45,
        ),
        (
            "two sigmoids, .3 %, growing errors",
            TWO,
            quiet.growing(GROWTH),
            45,
        ),
        (
            "two sigmoids, 1 %, growing errors",
            TWO,
            usual.growing(GROWTH),
            45,
        ),
        (
            "two sigmoids, 1 %, growing and shared",
            TWO,
            usual.growing(GROWTH).shared(SHARED),
            45,
        ),
        (
            "two sigmoids, 2 %, growing and shared",
            TWO,
            Noise::of(0.02).growing(GROWTH).shared(SHARED),
            45,
        ),
        (
            "two sigmoids, 1 %, strongly shared",
            TWO,
            usual.shared(0.85),
            45,
        ),
        ("two sigmoids, 1 %, heavy tails", TWO, usual.heavy(), 45),
        ("two sigmoids, 1 %, 30 checkpoints", TWO, usual, 30),
        ("two sigmoids, 1 %, 100 checkpoints", TWO, usual, 100),
        (
            "two sigmoids, 1 %, shared, 100 checkpoints",
            TWO,
            usual.shared(0.8),
            100,
        ),
        ("two narrow sigmoids, 1 %", NARROW, usual, 45),
        ("two wide sigmoids, 1 %", WIDE, usual, 45),
        (
            "two normal episodes, 1 %, shared",
            NORMAL,
            usual.shared(SHARED),
            45,
        ),
        (
            "two relaxations, 1 %, shared",
            RELAXATIONS,
            usual.shared(SHARED),
            45,
        ),
        ("rise, fall, rise, 1 %", THREE, usual, 45),
        (
            "rise, fall, rise, 1 %, growing and shared",
            THREE,
            usual.growing(GROWTH).shared(SHARED),
            45,
        ),
        (
            "sigmoids of width .05, 1 %, shared",
            STEEP,
            usual.shared(SHARED),
            45,
        ),
        ("jumps, flat between, 1 %", jumps(0.0), usual, 45),
        (
            "jumps, flat between, 1 %, growing and shared",
            jumps(0.0),
            usual.growing(GROWTH).shared(SHARED),
            45,
        ),
        ("jumps with drift, .3 %", jumps(0.2), quiet, 45),
        ("jumps with drift, 1 %", jumps(0.2), usual, 45),
        (
            "jumps with drift, 1 %, growing and shared",
            jumps(0.2),
            usual.growing(GROWTH).shared(SHARED),
            45,
        ),
        ("noise alone", Shape::Flat, usual, 45),
        ("noise alone, shared", Shape::Flat, usual.shared(SHARED), 45),
        (
            "noise alone, strongly shared",
            Shape::Flat,
            usual.shared(0.85),
            45,
        ),
        (
            "noise alone, growing and shared",
            Shape::Flat,
            usual.growing(GROWTH).shared(SHARED),
            45,
        ),
        (
            "one sigmoid of width .1 to .3, .3 %",
            one(Profile::Sigmoid, (0.1, 0.3)),
            quiet,
            45,
        ),
        (
            "one sigmoid of width .1 to .3, 1 %, shared",
            one(Profile::Sigmoid, (0.1, 0.3)),
            usual.shared(SHARED),
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 1 %",
            one(Profile::Sigmoid, (0.3, 0.8)),
            usual,
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 1 %, shared",
            one(Profile::Sigmoid, (0.3, 0.8)),
            usual.shared(SHARED),
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 3 %, shared",
            one(Profile::Sigmoid, (0.3, 0.8)),
            loud.shared(SHARED),
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 1 %, growing and shared",
            one(Profile::Sigmoid, (0.3, 0.8)),
            usual.growing(GROWTH).shared(SHARED),
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 1 %, strongly shared",
            one(Profile::Sigmoid, (0.3, 0.8)),
            usual.shared(0.85),
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 1 %, heavy tails",
            one(Profile::Sigmoid, (0.3, 0.8)),
            usual.heavy(),
            45,
        ),
        (
            "one sigmoid of width .3 to .8, 1 %, 100 checkpoints, shared",
            one(Profile::Sigmoid, (0.3, 0.8)),
            usual.shared(0.8),
            100,
        ),
        (
            "one relaxation, 1 %, shared",
            one(Profile::Relaxation, (0.5, 1.5)),
            usual.shared(SHARED),
            45,
        ),
        (
            "one jump, 1 %, shared",
            one(Profile::Jump, (1.0, 1.0)),
            usual.shared(SHARED),
            45,
        ),
    ];
    let family = |(name, shape, noise, points): (&str, Shape, Noise, usize)| Family {
        name: name.to_owned(),
        shape,
        noise,
        points,
        curves: Curves::Llc,
    };
    let several = |(name, noise, curves): (&str, Noise, Curves)| Family {
        name: name.to_owned(),
        shape: TWO,
        noise,
        points: 45,
        curves,
    };
    let several = [
        ("λ̂ and loss, 1 %", usual, Curves::Views),
        (
            "λ̂ and loss, 1 %, shared",
            usual.shared(SHARED),
            Curves::Views,
        ),
        (
            "λ̂ and loss, 2 %, growing and shared",
            Noise::of(0.02).growing(GROWTH).shared(SHARED),
            Curves::Views,
        ),
        ("three curves in one view, 1 %", usual, Curves::Behaviour),
        (
            "three curves in one view, 1 %, shared",
            usual.shared(SHARED),
            Curves::Behaviour,
        ),
    ]
    .map(several);
    list.into_iter().map(family).chain(several).collect()
}
