//! Which of two solutions a Bayesian posterior prefers, and from how many samples on (internal
//! model selection).
//!
//! The free energy of the neighbourhood of a solution w grows as `n·ℓ(w) + λ(w)·ln n` (Watanabe
//! 2009, Algebraic Geometry and Statistical Learning Theory), with ℓ the loss of one sample, in
//! nats, and λ the learning coefficient. Of two solutions A and B with Δℓ = ℓ(B) − ℓ(A) and Δλ =
//! λ(B) − λ(A), the log-odds of A over B are therefore `n·Δℓ + ln n·Δλ`. Where B is the more
//! accurate and the more complex, the posterior moves from A to B at a critical n.
//!
//! Terms of order ln ln n are left out. Both points are taken for minima of the population's loss.

use ontogeny_store::Stream;
use serde::Serialize;

use crate::statistics::quantile;

/// Draws of (Δℓ, Δλ) behind every interval.
const DRAWS: usize = 10_000;
/// Beyond so many degrees of freedom Student's distribution is taken for the normal one: its 95 %
/// quantile is then within 1 % of it.
const MANY_DEGREES: usize = 150;

/// How far B lies from A, with standard errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Δℓ = ℓ(B) − ℓ(A), in nats for one sample of whatever n counts.
    pub loss: f64,
    /// Its standard error.
    pub loss_se: f64,
    /// Δλ = λ(B) − λ(A).
    pub llc: f64,
    /// Its standard error.
    pub llc_se: f64,
    /// Degrees of freedom of that error: the chains less one. A few chains tell little of their own
    /// scatter.
    pub llc_degrees: usize,
}

/// The log-odds at one n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Odds {
    /// Samples.
    pub n: f64,
    /// Log-odds of A over B, in nats.
    pub log_odds: f64,
    /// Lower end of their interval.
    pub lo: f64,
    /// Upper end of their interval.
    pub hi: f64,
    /// Probability that they are above 0.
    pub prefers_a: f64,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Favoured {
    /// A.
    A,
    /// B.
    B,
}

/// Which of two solutions is preferred at which n.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selection {
    /// The log-odds at the values of n that were asked for.
    pub odds: Vec<Odds>,
    /// The n beyond which the more accurate of the two is preferred; `None` where it is at every n.
    pub critical: Option<f64>,
    /// Interval of the critical n among the draws that have one.
    pub critical_interval: Option<[f64; 2]>,
    /// Share of the draws that have a critical n.
    pub crossing: f64,
    /// Which is preferred as n grows.
    pub in_the_end: Favoured,
}

/// Log-odds of A over B at `n` samples, in nats.
pub fn log_odds(n: f64, loss: f64, llc: f64) -> f64 {
    n * loss + n.ln() * llc
}

/// The critical n: the larger root of `n/ln n = Δλ/(−Δℓ)`. It exists where the quotient is above e,
/// the least value of `n/ln n`; otherwise the more accurate solution is preferred at every n.
pub fn critical(loss: f64, llc: f64) -> Option<f64> {
    let quotient = -llc / loss;
    if !(quotient > std::f64::consts::E && quotient.is_finite()) {
        return None;
    }
    // With u = ln n it is u − ln u = ln(quotient), u > 1. The left side is convex and rises, and 2
    // ln(quotient) lies to the right of the root, so Newton's method comes down to it without
    // passing it.
    let target = quotient.ln();
    let mut u = 2.0 * target;
    for _ in 0..200 {
        let step = (u - u.ln() - target) / (1.0 - 1.0 / u);
        if !(step > 0.0 && u - step < u) {
            break;
        }
        u = (u - step).max(1.0 + f64::EPSILON);
    }
    // n = u·quotient is the same and loses no digits in an exponential.
    Some(u * quotient).filter(|n| n.is_finite())
}

/// Which solution is preferred as n grows.
pub fn in_the_end(loss: f64, llc: f64) -> Favoured {
    match (loss, llc) {
        (loss, _) if loss > 0.0 => Favoured::A,
        (loss, _) if loss < 0.0 => Favoured::B,
        (_, llc) if llc >= 0.0 => Favoured::A,
        _ => Favoured::B,
    }
}

impl Difference {
    /// Log-odds at each `n`, and the critical n, with intervals of this probability.
    ///
    /// Both errors are carried through by draws: Δℓ from its normal distribution, Δλ from
    /// Student's. The draws are the same for every call.
    pub fn select(&self, n: &[f64], level: f64) -> Selection {
        let draws = self.draws();
        let of_all = draws.len() as f64;
        let interval = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            [0.5 * (1.0 - level), 0.5 * (1.0 + level)]
                .map(|p| quantile(&values, p).unwrap_or(f64::NAN))
        };
        let odds = n.iter().map(|&n| {
            let own: Vec<f64> = draws.iter().map(|d| log_odds(n, d.0, d.1)).collect();
            let above = own.iter().filter(|x| **x > 0.0).count();
            let [lo, hi] = interval(own);
            Odds {
                n,
                log_odds: log_odds(n, self.loss, self.llc),
                lo,
                hi,
                prefers_a: above as f64 / of_all,
            }
        });
        let crossings: Vec<f64> = draws.iter().filter_map(|d| critical(d.0, d.1)).collect();
        Selection {
            odds: odds.collect(),
            critical: critical(self.loss, self.llc),
            crossing: crossings.len() as f64 / of_all,
            critical_interval: (!crossings.is_empty()).then(|| interval(crossings)),
            in_the_end: in_the_end(self.loss, self.llc),
        }
    }

    /// The same with n counting parts of a sample, so many to each: tokens in place of sequences.
    #[must_use]
    pub fn counted_in_parts(&self, parts: f64) -> Self {
        Self {
            loss: self.loss / parts,
            loss_se: self.loss_se / parts,
            ..*self
        }
    }

    fn draws(&self) -> Vec<(f64, f64)> {
        let degrees = match self.llc_degrees {
            many if many > MANY_DEGREES => 0,
            few => few,
        };
        let each = 2 + degrees;
        let mut normal = vec![0.0; each * DRAWS];
        Stream::new(0, "model selection", &[]).fill_normal(0, &mut normal);
        normal
            .chunks_exact(each)
            .map(|own| {
                let own: Vec<f64> = own.iter().map(|&z| f64::from(z)).collect();
                let squares: f64 = own[2..].iter().map(|z| z * z).sum();
                let scale = match degrees {
                    0 => 1.0,
                    degrees => (squares / degrees as f64).sqrt(),
                };
                let llc = self.llc + self.llc_se * own[1] / scale;
                (self.loss + self.loss_se * own[0], llc)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lower branch of Lambert's function, w·eʷ = x with w ≤ −1, by halving.
    fn lambert_below(x: f64) -> f64 {
        let (mut low, mut high) = (-800.0_f64, -1.0_f64);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            // w·eʷ falls from 0 to −1/e on this branch.
            if middle * middle.exp() > x {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    #[test]
    fn the_root_is_lamberts() {
        for quotient in [2.8, 3.0, 10.0, 1e3, 1e8, 1e100] {
            let found = critical(-0.5, 0.5 * quotient).unwrap();
            let expected = -quotient * lambert_below(-1.0 / quotient);
            // Halving leaves one part in 10¹⁶ of u, which near the double root at e is the square
            // root of that.
            let tolerance = if quotient < 3.0 { 1e-7 } else { 1e-12 };
            assert!(
                (found / expected - 1.0).abs() < tolerance,
                "{quotient}: {found} {expected}"
            );
            let odds = log_odds(found, -0.5, 0.5 * quotient);
            assert!(odds.abs() < 1e-9 * found, "{quotient}: {odds}");
            assert!(found > std::f64::consts::E, "the larger root");
        }
    }

    #[test]
    fn without_a_trade_there_is_no_crossing() {
        for (loss, llc, end) in [
            // More accurate and simpler, or the reverse.
            (-1.0, -5.0, Favoured::B),
            (1.0, 5.0, Favoured::A),
            // A trade, but below e.
            (-1.0, 2.7, Favoured::B),
            (1.0, -2.7, Favoured::A),
            // One of the two alone.
            (-1.0, 0.0, Favoured::B),
            (0.0, 3.0, Favoured::A),
            (0.0, -3.0, Favoured::B),
        ] {
            assert_eq!(critical(loss, llc), None, "{loss} {llc}");
            assert_eq!(in_the_end(loss, llc), end, "{loss} {llc}");
            for n in [3.0, 1e3, 1e6] {
                assert_eq!(log_odds(n, loss, llc) > 0.0, end == Favoured::A, "{n}");
            }
        }
    }

    #[test]
    fn the_simple_one_comes_first_whichever_it_is() {
        // B is more accurate by .01 nats and more complex by 10: A before the critical n, B after
        // it.
        let n = critical(-0.01, 10.0).unwrap();
        assert!(log_odds(0.5 * n, -0.01, 10.0) > 0.0 && log_odds(2.0 * n, -0.01, 10.0) < 0.0);
        assert_eq!(critical(0.01, -10.0), Some(n), "the two exchanged");
        assert!(log_odds(0.5 * n, 0.01, -10.0) < 0.0);
    }

    #[test]
    fn intervals_are_those_of_the_linear_form() {
        let sure = Difference {
            loss: -0.01,
            loss_se: 0.001,
            llc: 10.0,
            llc_se: 0.5,
            llc_degrees: 1000,
        };
        let found = sure.select(&[100.0, 10_000.0], 0.9);
        for odds in &found.odds {
            // The form is linear in two normal numbers; a quantile of 10⁴ draws has an error of
            // about 2 % of σ.
            let sd = (odds.n * sure.loss_se).hypot(odds.n.ln() * sure.llc_se);
            assert!((odds.lo - (odds.log_odds - 1.645 * sd)).abs() < 0.08 * sd);
            assert!((odds.hi - (odds.log_odds + 1.645 * sd)).abs() < 0.08 * sd);
        }
        assert_eq!(found.odds[0].prefers_a, 1.0);
        assert_eq!(found.crossing, 1.0);
        let ([lo, hi], at) = (found.critical_interval.unwrap(), found.critical.unwrap());
        assert!(lo < at && at < hi, "{lo} {at} {hi}");
        // Four chains know their own scatter badly: the interval is Student's, 2.35/1.645 as wide.
        let few = Difference {
            llc_degrees: 3,
            loss_se: 0.0,
            ..sure
        };
        let odds = few.select(&[100.0], 0.9).odds[0];
        let half = 100_f64.ln() * few.llc_se * 2.353;
        assert!((odds.hi - odds.log_odds - half).abs() < 0.08 * half);
    }

    #[test]
    fn an_unsure_sign_makes_an_unsure_crossing() {
        let unsure = Difference {
            loss: -0.01,
            loss_se: 0.0,
            llc: 0.0,
            llc_se: 1.0,
            llc_degrees: 1000,
        };
        let found = unsure.select(&[], 0.9);
        assert_eq!(found.critical, None);
        // Half of the draws have Δλ > 0, of which those below .01·e have none.
        assert!((found.crossing - 0.489).abs() < 0.02, "{}", found.crossing);
        assert!(found.critical_interval.is_some());
    }

    #[test]
    fn the_loss_counts_for_the_unit_of_n_and_the_coefficient_does_not() {
        let by_sequence = Difference {
            loss: -0.64,
            loss_se: 0.064,
            llc: 10.0,
            llc_se: 1.0,
            llc_degrees: 3,
        };
        let by_token = by_sequence.counted_in_parts(64.0);
        assert!((by_token.loss + 0.01).abs() < 1e-15 && (by_token.loss_se - 0.001).abs() < 1e-15);
        assert_eq!((by_token.llc, by_token.llc_se), (10.0, 1.0));
    }
}
