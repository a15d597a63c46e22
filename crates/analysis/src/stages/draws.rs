//! Standard normal numbers at fixed places, for integrating over a posterior.
//!
//! They are quadrature points, not part of any experiment: the same table always gives the same
//! stages, so they are a pure function of their coordinates.

/// Fills `out` with standard normals that depend on `curve`, `draw` and the place in `out` only
/// (Box and Muller 1958).
pub(super) fn normals(curve: u64, draw: u64, out: &mut [f64]) {
    for (pair, chunk) in out.chunks_mut(2).enumerate() {
        let place = mix(mix(mix(curve) ^ draw) ^ pair as u64);
        let radius = (-2.0 * uniform(place).ln()).sqrt();
        let angle = std::f64::consts::TAU * uniform(mix(place));
        chunk[0] = radius * angle.cos();
        if let Some(second) = chunk.get_mut(1) {
            *second = radius * angle.sin();
        }
    }
}

/// Fills `out` with numbers uniform on (0, 1], by the same coordinates; a family of its own beside
/// [`normals`].
pub(super) fn uniforms(curve: u64, draw: u64, out: &mut [f64]) {
    for (i, u) in out.iter_mut().enumerate() {
        *u = uniform(mix(mix(mix(!curve) ^ draw) ^ i as u64));
    }
}

/// A number in (0, 1], so that its logarithm is finite.
fn uniform(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// SplitMix64 (Steele, Lea and Flood 2014): one step of the counter and the finaliser.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_independent_standard_normals() {
        let (draws, width) = (2000, 31);
        let mut table = vec![vec![0.0; width]; draws];
        for (i, row) in table.iter_mut().enumerate() {
            normals(3, i as u64, row);
        }
        let all: Vec<f64> = table.iter().flatten().copied().collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let square = all.iter().map(|z| z * z).sum::<f64>() / n;
        let fourth = all.iter().map(|z| z.powi(4)).sum::<f64>() / n;
        // Five standard errors of each.
        assert!(mean.abs() < 5.0 / n.sqrt(), "{mean}");
        assert!((square - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{square}");
        assert!((fourth - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "{fourth}");
        let neighbours = table
            .windows(2)
            .map(|w| w[0][4] * w[1][4] + w[0][5] * w[0][6])
            .sum::<f64>()
            / draws as f64;
        assert!(
            neighbours.abs() < 5.0 * (2.0 / draws as f64).sqrt(),
            "{neighbours}"
        );
    }

    #[test]
    fn a_number_depends_on_its_own_coordinates_only() {
        let (mut long, mut short) = (vec![0.0; 9], vec![0.0; 4]);
        normals(1, 7, &mut long);
        normals(1, 7, &mut short);
        assert_eq!(long[..4], short[..]);
        normals(2, 7, &mut short);
        assert_ne!(long[..4], short[..]);
    }
}
