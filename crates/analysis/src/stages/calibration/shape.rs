//! Curves whose episodes, and whose places of least speed, are known.

use super::super::draws::uniforms;
use super::super::valley::Valley;

/// How one episode runs from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// 1/(1 + e^{−z}).
    Sigmoid,
    /// The normal distribution function, whose tails are far lighter than the sigmoid's.
    Normal,
    /// 1 − exp(−e^z): with width 1, an exponential relaxation in steps. It rises slowly and stops
    /// short.
    Relaxation,
    /// A step from one checkpoint to the next.
    Jump,
}

impl Profile {
    /// The share of the change that is done at z = (x − centre)/width.
    fn value(self, z: f64) -> f64 {
        match self {
            Profile::Sigmoid => 1.0 / (1.0 + (-z).exp()),
            Profile::Normal => 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2),
            Profile::Relaxation => -(-z.exp()).exp_m1(),
            Profile::Jump => f64::from(u8::from(z >= 0.0)),
        }
    }

    /// Its derivative by z; 0 where a jump has none.
    fn slope(self, z: f64) -> f64 {
        match self {
            Profile::Sigmoid => {
                let e = (-z.abs()).exp();
                e / (1.0 + e).powi(2)
            }
            Profile::Normal => (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt(),
            Profile::Relaxation => (z - z.exp()).exp(),
            Profile::Jump => 0.0,
        }
    }
}

/// What the curves of a family look like. Widths and gaps are ranges on x = ln(step + 1) from which
/// each curve draws its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Nothing happens.
    Flat,
    /// One episode.
    One {
        /// How it runs.
        profile: Profile,
        /// Its width.
        width: (f64, f64),
    },
    /// Two episodes of one direction, the second .5 to 1.5 times as large as the first.
    Two {
        /// How they run.
        profile: Profile,
        /// Their widths.
        width: (f64, f64),
        /// From centre to centre.
        gap: (f64, f64),
    },
    /// A rise, a fall .4 to .8 times as large, and a rise, all of them sigmoids.
    RiseFallRise {
        /// Their widths.
        width: (f64, f64),
        /// From centre to centre.
        gap: (f64, f64),
    },
    /// Two jumps of one direction. Between them runs a drift whose speed is least at a place drawn
    /// uniformly from the middle four fifths of the plateau, and which makes up `drift` of the
    /// curve's range.
    Jumps {
        /// From jump to jump.
        gap: (f64, f64),
        /// Share of the range; 0 for a plateau without any slope.
        drift: f64,
    },
}

/// One episode.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Episode {
    profile: Profile,
    centre: f64,
    width: f64,
    size: f64,
}

/// A curve without noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    episodes: Vec<Episode>,
    drift: Option<Drift>,
    /// The boundary between each two episodes.
    pub boundaries: Vec<Place>,
}

/// A true boundary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The middle of the valley of speed on x; between two jumps, of the plateau.
    pub at: f64,
    /// The centres of the episodes on its sides: what is found between them is meant for this one.
    pub between: (f64, f64),
    /// Ends of a plateau without slope.
    pub plateau: Option<(f64, f64)>,
}

/// Between two jumps: speed ∝ (x − least)², in all `size`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Drift {
    from: f64,
    to: f64,
    least: f64,
    size: f64,
}

impl Drift {
    fn done(self, x: f64) -> f64 {
        let cube = |x: f64| (x - self.least).powi(3);
        let x = x.clamp(self.from, self.to);
        self.size * (cube(x) - cube(self.from)) / (cube(self.to) - cube(self.from))
    }
}

impl Shape {
    /// How many boundaries a curve of this shape has.
    pub fn boundaries(self) -> usize {
        match self {
            Shape::Flat | Shape::One { .. } => 0,
            Shape::Two { .. } | Shape::Jumps { .. } => 1,
            Shape::RiseFallRise { .. } => 2,
        }
    }

    /// A curve of this shape on x from 0 to `last`, as (`family`, `seed`) draw it.
    pub fn draw(self, last: f64, family: u64, seed: u64) -> Truth {
        let mut u = [0.0; 8];
        uniforms(family, seed, &mut u);
        let within = |(a, b): (f64, f64), u: f64| a + (b - a) * u;
        // Between the first checkpoints, which are few on this axis, and the last.
        let (left, right) = (1.8, last - 1.0);
        let episode = |profile, centre, width, size| Episode {
            profile,
            centre,
            width,
            size,
        };
        let mut drift = None;
        let episodes = match self {
            Shape::Flat => Vec::new(),
            Shape::One { profile, width } => {
                vec![episode(
                    profile,
                    within((left, right), u[0]),
                    within(width, u[1]),
                    1.0,
                )]
            }
            Shape::Two {
                profile,
                width,
                gap,
            } => {
                let gap = within(gap, u[0]);
                let centre = within((left, right - gap), u[1]);
                vec![
                    episode(profile, centre, within(width, u[2]), 1.0),
                    episode(
                        profile,
                        centre + gap,
                        within(width, u[3]),
                        within((0.5, 1.5), u[4]),
                    ),
                ]
            }
            Shape::RiseFallRise { width, gap } => {
                let gaps = (within(gap, u[0]), within(gap, u[1]));
                let centre = within((left, right - gaps.0 - gaps.1), u[2]);
                let sigmoid =
                    |centre, u, size| episode(Profile::Sigmoid, centre, within(width, u), size);
                vec![
                    sigmoid(centre, u[3], 1.0),
                    sigmoid(centre + gaps.0, u[4], -within((0.4, 0.8), u[5])),
                    sigmoid(centre + gaps.0 + gaps.1, u[6], within((0.5, 1.5), u[7])),
                ]
            }
            Shape::Jumps { gap, drift: share } => {
                let gap = within(gap, u[0]);
                let from = within((left, right - gap), u[1]);
                let second = within((0.5, 1.5), u[4]);
                drift = Some(Drift {
                    from,
                    to: from + gap,
                    least: from + gap * within((0.1, 0.9), u[5]),
                    size: share / (1.0 - share) * (1.0 + second),
                });
                vec![
                    episode(Profile::Jump, from, 1.0, 1.0),
                    episode(Profile::Jump, from + gap, 1.0, second),
                ]
            }
        };
        let mut truth = Truth {
            episodes,
            drift,
            boundaries: Vec::new(),
        };
        truth.boundaries = truth
            .episodes
            .windows(2)
            .map(|pair| truth.between(pair[0].centre, pair[1].centre))
            .collect();
        truth
    }
}

impl Truth {
    /// The curve at x.
    pub fn value(&self, x: f64) -> f64 {
        let episodes = self
            .episodes
            .iter()
            .map(|e| e.size * e.profile.value((x - e.centre) / e.width));
        episodes.sum::<f64>() + self.drift.map_or(0.0, |d| d.done(x))
    }

    fn speed(&self, x: f64) -> f64 {
        let parts = self
            .episodes
            .iter()
            .map(|e| e.size * e.profile.slope((x - e.centre) / e.width) / e.width);
        parts.sum::<f64>().abs()
    }

    /// The middle of the valley between two episodes, by their analytic slopes.
    fn between(&self, from: f64, to: f64) -> Place {
        Place {
            at: middle(&[self], from, to),
            between: (from, to),
            plateau: self.drift.filter(|d| d.size == 0.0).map(|_| (from, to)),
        }
    }

    /// The same curve with its episodes `factors` times as large.
    pub fn scaled(&self, factors: &[f64]) -> Truth {
        let mut truth = self.clone();
        for (episode, factor) in truth.episodes.iter_mut().zip(factors) {
            episode.size *= factor;
        }
        truth.boundaries = self
            .boundaries
            .iter()
            .map(|b| truth.between(b.between.0, b.between.1))
            .collect();
        truth
    }
}

/// The middle of the valley that the speed of `curves` has between two episodes: that of the
/// fastest, each in units of its own greatest.
pub fn middle(curves: &[&Truth], from: f64, to: f64) -> f64 {
    let cells = 4000;
    let x: Vec<f64> = (0..=cells)
        .map(|i| from + (to - from) * f64::from(i) / f64::from(cells))
        .collect();
    let mut speed = vec![0.0f64; x.len()];
    for curve in curves {
        let own: Vec<f64> = x.iter().map(|&x| curve.speed(x)).collect();
        let top = own.iter().fold(f64::MIN_POSITIVE, |m, s| m.max(*s));
        for (all, own) in speed.iter_mut().zip(own) {
            *all = all.max(own / top);
        }
    }
    // A jump is faster than everything, and its slope is not in the speed.
    let jumps = curves.iter().any(|c| c.drift.is_some());
    let pace = match jumps {
        true => f64::MAX,
        false => speed[0].min(speed[x.len() - 1]),
    };
    Valley::of(&x, &speed, pace).map_or(0.5 * (from + to), Valley::middle)
}
