//! Learning coefficients in closed form.

/// A learning coefficient λ and its multiplicity m: the free energy grows as
/// `λ ln n − (m − 1) ln ln n` (Watanabe 2009, Algebraic Geometry and Statistical Learning Theory).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// λ.
    pub lambda: f64,
    /// m; an estimate at a finite nβ lies below λ by about (m − 1)/ln nβ.
    pub multiplicity: usize,
}

/// Of `Π wᵢ^{2kᵢ}` at 0: the least 1/(2kᵢ), as often as it is attained. `None` if all powers are 0.
pub fn normal_crossing(powers: &[u32]) -> Option<Coefficient> {
    let largest = *powers.iter().max()?;
    (largest > 0).then(|| Coefficient {
        lambda: 0.5 / f64::from(largest),
        multiplicity: powers.iter().filter(|&&p| p == largest).count(),
    })
}

/// Of reduced-rank regression from `m` inputs through `h` hidden units to `n` outputs where the
/// truth has rank `r` (Aoyagi & Watanabe 2005, Stochastic complexities of reduced rank regression
/// in Bayesian estimation, main theorem).
pub fn reduced_rank([m, h, n]: [usize; 3], r: usize) -> Coefficient {
    let [fm, fh, fn_, fr] = [m, h, n, r].map(|x| x as f64);
    let one = |lambda| Coefficient {
        lambda,
        multiplicity: 1,
    };
    if m + h < n + r {
        return one((fh * fm - fh * fr + fn_ * fr) / 2.0);
    }
    if n + h < m + r {
        return one((fh * fn_ - fh * fr + fm * fr) / 2.0);
    }
    if m + n < h + r {
        return one(fm * fn_ / 2.0);
    }
    let odd = (m + h + n + r) % 2;
    let s = fh + fr;
    let squares = s * s + fm * fm + fn_ * fn_;
    Coefficient {
        lambda: (2.0 * s * (fm + fn_) + 2.0 * fm * fn_ - squares + odd as f64) / 8.0,
        multiplicity: 1 + odd,
    }
}

/// Of a deep linear network with layers of these widths, inputs first, where the truth has rank `r`
/// (Aoyagi 2024, Consideration on the learning efficiency of multiple-layered neural networks with
/// linear units).
///
/// `None` if the widths are fewer than two or narrower than the rank.
pub fn deep_linear(widths: &[usize], r: usize) -> Option<Coefficient> {
    if widths.len() < 2 || widths.iter().any(|&w| w < r) {
        return None;
    }
    let mut excess: Vec<usize> = widths.iter().map(|w| w - r).collect();
    excess.sort_unstable();
    // The set of layers that count: the shortest sorted prefix of ℓ + 1 of them that the rest lies
    // above.
    let count = (2..=excess.len()).find(|&count| {
        let (l, sum) = (count - 1, excess[..count].iter().sum::<usize>());
        let above = excess.get(count).copied().unwrap_or(usize::MAX);
        let below = excess[count - 1];
        below < above && sum >= l * below && (above == usize::MAX || sum < l * above)
    })?;
    let l = count - 1;
    let set = &excess[..count];
    let sum: usize = set.iter().sum();
    // Nothing is left to be learned where the narrowest layers have no excess.
    let ceiling = sum.div_ceil(l).max(1);
    let a = (sum + l) as f64 - (ceiling * l) as f64;
    let (lf, s) = (l as f64, sum as f64);
    let square_of_sum = (sum * sum) as f64;
    let squares: usize = set.iter().map(|m| m * m).sum();
    let pairs = (square_of_sum - squares as f64) / 2.0;
    let [inputs, outputs, rank] = [widths[0], widths[widths.len() - 1], r].map(|x| x as f64);
    let mean = s / lf;
    Some(Coefficient {
        lambda: (rank * (inputs + outputs) - rank * rank) / 2.0 + a * (lf - a) / (4.0 * lf)
            - lf * (lf - 1.0) / 4.0 * mean * mean
            + pairs / 2.0,
        multiplicity: (a * (lf - a)) as usize + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        for (shape, r, lambda) in [
            ([5, 3, 5], 0, 6.5),
            ([5, 4, 5], 0, 8.0),
            ([4, 3, 8], 0, 6.0),
            ([8, 3, 4], 0, 6.0),
            ([3, 8, 4], 0, 6.0),
        ] {
            assert_eq!(reduced_rank(shape, r).lambda, lambda, "{shape:?}");
        }
        let cross = |powers: &[u32]| normal_crossing(powers).unwrap();
        assert_eq!(
            (cross(&[1, 1]).lambda, cross(&[1, 1]).multiplicity),
            (0.5, 2)
        );
        assert_eq!(cross(&[1, 2]).lambda, 0.25);
        assert_eq!(cross(&[3, 0]).lambda, 1.0 / 6.0);
        assert_eq!(normal_crossing(&[0, 0]), None);
    }

    /// Two results of different papers for the same networks.
    #[test]
    fn a_deep_network_of_three_layers_is_reduced_rank_regression() {
        let mut cases = 0;
        for m in 1..=8 {
            for h in 1..=8 {
                for n in 1..=8 {
                    for r in 0..=m.min(h).min(n) {
                        let deep = deep_linear(&[m, h, n], r).unwrap();
                        assert_eq!(deep, reduced_rank([m, h, n], r), "{m} {h} {n} rank {r}");
                        cases += 1;
                    }
                }
            }
        }
        assert!(cases > 1500, "{cases}");
    }

    #[test]
    fn two_layers_are_a_matrix() {
        assert_eq!(deep_linear(&[3, 4], 2).unwrap().lambda, 6.0);
        assert_eq!(deep_linear(&[3], 1), None);
        assert_eq!(deep_linear(&[3, 2, 3], 3), None);
    }
}
