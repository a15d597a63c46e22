//! The axis on which a curve is equally smooth everywhere.
//!
//! A stationary covariance has one length scale, but development has not: λ̂ may jump between two
//! checkpoints and then lie still for a decade of steps. With the length scale of the jump, noise
//! on the plateau is followed; with that of the plateau, the jump is noise. So the axis is
//! stretched where the curve is fast: dv/dx ∝ 1 + κ·a(x), with the activity a between 0 and 1, and
//! the covariance is stationary in v (after the warp of the `kernel` module). The activity comes
//! from a fit on the straight axis, and κ is worth its price or is 0. Where the speed is below
//! [`QUIET`] of the greatest the activity is exactly 0: what is slow is not stretched, so that a
//! place of least speed does not come from the axis.

/// Share of the greatest speed up to which a place is quiet.
const QUIET: f64 = 0.3;
/// Share of the greatest speed from which a place is fully active: a smaller episode is as abrupt
/// as a large one.
const ACTIVE: f64 = 0.7;

/// An axis v(x), strictly increasing, with the ends of x.
#[derive(Debug, Clone)]
pub(super) struct Bend {
    first: f64,
    cell: f64,
    v: Vec<f64>,
    rate: Vec<f64>,
}

impl Bend {
    /// v = x.
    pub fn straight(first: f64, last: f64) -> Bend {
        Bend::of(first, last, &[1.0, 1.0])
    }

    /// Stretched by up to 1 + κ where `speed`, at even places from `first` to `last`, is great.
    pub fn by_speed(first: f64, last: f64, speed: &[f64], kappa: f64) -> Bend {
        let top = speed.iter().fold(f64::MIN_POSITIVE, |m, s| m.max(s.abs()));
        let activity = |s: &f64| ((s.abs() / top - QUIET) / (ACTIVE - QUIET)).clamp(0.0, 1.0);
        let rates: Vec<f64> = speed.iter().map(|s| 1.0 + kappa * activity(s)).collect();
        Bend::of(first, last, &rates)
    }

    /// Of at least two rates at even places; linear between them, so that v is smooth.
    fn of(first: f64, last: f64, rates: &[f64]) -> Bend {
        let cells = (rates.len() - 1) as f64;
        let whole = rates.windows(2).map(|r| 0.5 * (r[0] + r[1])).sum::<f64>() / cells;
        let rate: Vec<f64> = rates.iter().map(|r| r / whole).collect();
        let cell = (last - first) / cells;
        let mut v = vec![first];
        for r in rate.windows(2) {
            v.push(v[v.len() - 1] + 0.5 * (r[0] + r[1]) * cell);
        }
        Bend {
            first,
            cell,
            v,
            rate,
        }
    }

    /// v and dv/dx at x; beyond the ends it goes on straight.
    pub fn at(&self, x: f64) -> (f64, f64) {
        let place = (x - self.first) / self.cell;
        let i = (place.max(0.0) as usize).min(self.rate.len() - 2);
        let (a, b) = (self.rate[i], self.rate[i + 1]);
        let t = (place - i as f64).clamp(0.0, 1.0);
        let rate = a + (b - a) * t;
        let inside = self.v[i] + self.cell * t * (a + 0.5 * (b - a) * t);
        (inside + rate * self.cell * (place - i as f64 - t), rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_straight_axis_is_x() {
        let straight = Bend::straight(1.0, 9.0);
        for x in [1.0, 2.5, 9.0, 9.5] {
            let (v, rate) = straight.at(x);
            assert!(
                (v - x).abs() < 1e-12 && (rate - 1.0).abs() < 1e-12,
                "{x}: {v}"
            );
        }
    }

    #[test]
    fn it_keeps_its_ends_stretches_what_is_fast_and_its_rate_is_its_slope() {
        let speed = [0.0, 0.1, 0.0, 1.0, 0.6, 0.05, 0.0];
        let bend = Bend::by_speed(0.0, 6.0, &speed, 4.0);
        assert!(bend.at(0.0).0.abs() < 1e-12 && (bend.at(6.0).0 - 6.0).abs() < 1e-12);
        // A quiet cell has the least rate, an active one five times as much.
        assert!((bend.at(3.0).1 / bend.at(1.0).1 - 5.0).abs() < 1e-12);
        assert_eq!(bend.at(0.5).1, bend.at(1.5).1);
        for x in [0.3, 2.2, 3.7, 5.9] {
            let numeric = (bend.at(x + 1e-6).0 - bend.at(x - 1e-6).0) / 2e-6;
            assert!((numeric - bend.at(x).1).abs() < 1e-6);
        }
    }
}
