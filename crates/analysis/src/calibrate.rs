//! Settings of the sampler from measurements: a small geometric grid of ε and γ at some
//! checkpoints, and then of nβ.
//!
//! All cells share noise and minibatches, chain by chain, so that what differs between cells is
//! what the settings do.

use burn::tensor::Tensor;
use serde::Serialize;

use crate::curvature::top_curvature;
use crate::error::AnalysisError;
use crate::llc::{
    Landscape, Llc, Manner, Seen, Sight, Walk, Walker, Word, judge, summarize, walk_read,
};
use crate::sampler::{Mask, Rule, Settings};
use crate::statistics::mean;

/// A checkpoint to calibrate at.
pub struct Place<'a> {
    /// Its name in tables.
    pub name: String,
    /// The loss around it.
    pub landscape: &'a dyn Landscape,
    /// w*, `[1, rows, cols]` each.
    pub anchor: &'a [Tensor<3>],
}

/// What is tried.
#[derive(Debug, Clone, Serialize)]
pub struct Effort {
    /// The rule.
    pub rule: Rule,
    /// nβ of the grid of ε and γ; a third and three times it are tried afterwards.
    pub nbeta: f64,
    /// Chains of a cell.
    pub chains: usize,
    /// Draws of a chain.
    pub draws: usize,
    /// Seed of noise and minibatches.
    pub seed: u64,
}

/// What one setting did at one place.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// Step size ε.
    pub epsilon: f64,
    /// Localization γ.
    pub localization: f64,
    /// nβ.
    pub nbeta: f64,
    /// λ̂ over the later half of the draws.
    pub llc: Option<f64>,
    /// Its standard error.
    pub se: Option<f64>,
    /// Mean acceptance of a step.
    pub acceptance: Option<f64>,
    /// Temperature, 1 in equilibrium.
    pub temperature: Option<f64>,
    /// Change of λ̂ from the third quarter of the draws to the last, as a share of it.
    pub drift: Option<f64>,
    /// Draws after which the running level stays within a twentieth of the last.
    pub settled: usize,
    /// Independent draws among those of the later half, of all chains.
    pub effective: Option<f64>,
    /// Whether it can be used, and if not, why.
    pub word: Word,
    /// The reason.
    pub reason: String,
}

/// All cells of one place, `[γ][ε]`.
#[derive(Debug, Clone, Serialize)]
pub struct Grid {
    /// The place.
    pub name: String,
    /// Largest absolute eigenvalue of the Hessian at w*, of a minibatch.
    pub curvature: f64,
    /// Rows of one γ, cells from the smallest ε to the largest.
    pub rows: Vec<Vec<Cell>>,
    /// The chosen setting at three nβ.
    pub temperatures: Vec<Cell>,
}

/// The outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// A grid for each place; all have the same ε and γ.
    pub grids: Vec<Grid>,
    /// The γ of the rows.
    pub localizations: Vec<f64>,
    /// The ε of the columns, row by row.
    pub epsilons: Vec<Vec<f64>>,
    /// The best setting, if any cell could be used everywhere.
    pub recommended: Option<Recommended>,
}

/// One setting for the whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Recommended {
    /// Row and column in the grids.
    pub at: [usize; 2],
    /// Step size ε.
    pub epsilon: f64,
    /// Localization γ.
    pub localization: f64,
    /// nβ.
    pub nbeta: f64,
    /// Chains.
    pub chains: usize,
    /// Draws of a chain, those of the burn-in included.
    pub draws: usize,
    /// Draws to leave out.
    pub burn_in: usize,
    /// Largest change of λ̂ for twice the γ or half of it, as a share, over the places.
    pub to_localization: f64,
    /// Largest change of λ̂ for half the ε, as a share, over the places.
    pub to_epsilon: f64,
    /// Whether λ̂ depends so little on ε and γ that one may speak of a plateau.
    pub plateau: bool,
    /// What was found, in words.
    pub reason: String,
}

/// Ratios of the steepest curvature times nβ to γ. The relaxation of what only γ holds takes about
/// as many times ten steps.
const CONDITIONS: [f64; 4] = [3.0, 10.0, 30.0, 100.0];
/// ε times the steepest curvature, from finer to coarser.
const STEPS: [f64; 4] = [0.05, 0.1, 0.2, 0.4];
/// λ̂ may change by this share for a factor of two in γ, and for one in ε, on a plateau.
const PLATEAU_LOCALIZATION: f64 = 0.1;
const PLATEAU_EPSILON: f64 = 0.05;
/// Chains that are recommended.
const CHAINS: usize = 4;
/// Standard error that draws are recommended for, as a share of λ̂.
const WANTED_ERROR: f64 = 0.02;

/// Tries the grid at every place.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If there is no place.
pub fn calibrate(
    places: &[Place<'_>],
    effort: &Effort,
    progress: &dyn Fn(usize, usize),
) -> Result<Calibration, AnalysisError> {
    let total = 2 * places.len() + 1;
    progress(0, total);
    let curvatures = places
        .iter()
        .map(curvature)
        .collect::<Result<Vec<f64>, _>>()?;
    let steepest = effort.nbeta * curvatures.iter().copied().fold(1e-6, f64::max);
    let localizations: Vec<f64> = CONDITIONS
        .iter()
        .rev()
        .map(|k| round(steepest / k))
        .collect();
    let epsilons: Vec<Vec<f64>> = localizations
        .iter()
        .map(|gamma| {
            STEPS
                .iter()
                .map(|s| round(s / (steepest + gamma)))
                .collect()
        })
        .collect();
    let settings: Vec<Settings> = localizations
        .iter()
        .zip(&epsilons)
        .flat_map(|(&gamma, row)| {
            row.iter()
                .map(move |&e| Settings::new(e, effort.nbeta, gamma))
        })
        .collect();
    progress(1, total);
    let mut grids = Vec::new();
    for (place, curvature) in places.iter().zip(curvatures) {
        let cells = cells(place, effort, &settings)?;
        grids.push(Grid {
            name: place.name.clone(),
            curvature,
            rows: cells.chunks(STEPS.len()).map(<[Cell]>::to_vec).collect(),
            temperatures: Vec::new(),
        });
        progress(1 + grids.len(), total);
    }
    let mut recommended = recommend(&grids, effort);
    if let Some(best) = &mut recommended {
        let at = |factor: f64| {
            // The same steps in the steepest direction, and the same share of it in γ.
            let gamma = best.localization * factor;
            Settings::new(best.epsilon / factor, best.nbeta * factor, gamma)
        };
        let three = [1.0 / 3.0, 1.0, 3.0].map(at);
        for (i, (place, grid)) in places.iter().zip(&mut grids).enumerate() {
            grid.temperatures = cells(place, effort, &three)?;
            progress(1 + places.len() + i + 1, total);
        }
    }
    Ok(Calibration {
        grids,
        localizations,
        epsilons,
        recommended,
    })
}

/// Two significant digits: nobody wants to copy more.
fn round(x: f64) -> f64 {
    let scale = 10_f64.powi(1 - x.abs().log10().floor() as i32);
    (x * scale).round() / scale
}

/// The steepest curvature at a place over a few minibatches.
fn curvature(place: &Place<'_>) -> Result<f64, AnalysisError> {
    let mut all = Vec::new();
    for draw in 0..2 {
        let mask = Mask::all();
        all.extend(top_curvature(
            place.landscape,
            place.anchor,
            &mask,
            &[0],
            draw,
        )?);
    }
    let finite: Vec<f64> = all.into_iter().filter(|h| h.is_finite()).collect();
    Ok(if finite.is_empty() {
        0.0
    } else {
        mean(&finite)
    })
}

/// What each setting does at a place.
fn cells(
    place: &Place<'_>,
    effort: &Effort,
    settings: &[Settings],
) -> Result<Vec<Cell>, AnalysisError> {
    let mask = Mask::all();
    let walkers: Vec<Walker<'_>> = settings
        .iter()
        .flat_map(|&settings| {
            let mask = &mask;
            (0..effort.chains as u64).map(move |chain| Walker {
                anchor: place.anchor,
                settings,
                mask,
                chain,
            })
        })
        .collect();
    let manner = Manner {
        landscape: place.landscape,
        evaluation: None,
        rule: effort.rule,
        seed: effort.seed,
        coordinate: None,
        paired: false,
        sight: Sight {
            burn_in: 0,
            every: Some((effort.draws / 16).max(1)),
        },
    };
    let mut walk = Walk::new(&manner, &walkers, |_| None);
    walk.advance(effort.draws)?;
    // All cells have the minibatches of their chains in common, and so L(w*) on them.
    let baselines = (0..effort.chains as u64)
        .map(|chain| {
            let one = |draw| place.landscape.loss(place.anchor, &[chain], draw);
            let all = (0..effort.draws as u64)
                .map(one)
                .collect::<Result<_, _>>()?;
            walk_read(all)
        })
        .collect::<Result<Vec<Vec<f64>>, AnalysisError>>()?;
    let seen: Vec<Seen> = walk
        .seen()
        .enumerate()
        .map(|(i, s)| Seen {
            baselines: baselines[i % effort.chains].clone(),
            ..s.clone()
        })
        .collect();
    let half = effort.draws / 2;
    Ok(settings
        .iter()
        .zip(seen.chunks(effort.chains))
        .map(|(settings, own)| {
            let own: Vec<&Seen> = own.iter().collect();
            let all = summarize(&own, None, settings.nbeta, [0, 0]);
            let llc = summarize(&own, None, settings.nbeta, [half, 8]);
            cell(settings, &llc, &all)
        })
        .collect())
}

fn cell(settings: &Settings, llc: &Llc, all: &Llc) -> Cell {
    let verdict = judge(llc, settings.nbeta);
    let drift = llc
        .diagnostics
        .drift
        .zip(llc.mean)
        .map(|(drift, mean)| drift / mean.abs().max(f64::MIN_POSITIVE));
    Cell {
        epsilon: settings.epsilon,
        localization: settings.localization,
        nbeta: settings.nbeta,
        llc: llc.mean,
        se: llc.error(),
        acceptance: llc.acceptance,
        temperature: llc.temperature.map(|(t, _)| t),
        drift,
        settled: settled(&all.trace, llc.mean),
        effective: llc.diagnostics.effective_draws,
        word: verdict.word,
        reason: verdict.reason,
    }
}

/// The first draw from which on averages over a sixteenth of all draws stay within a tenth of the
/// level, or of their own scatter about it.
fn settled(trace: &[f64], level: Option<f64>) -> usize {
    let Some(level) = level else {
        return trace.len();
    };
    let block = (trace.len() / 16).max(1);
    let means: Vec<f64> = trace.chunks_exact(block).map(mean).collect();
    let later = &means[means.len() / 2..];
    let scatter = later.iter().map(|m| (m - level).abs()).fold(0.0, f64::max);
    let bound = (0.1 * level.abs()).max(scatter);
    let off = means.iter().rposition(|m| (m - level).abs() > bound);
    off.map_or(0, |i| (i + 1) * block)
}

/// The cell that depends least on its neighbours, among those that can be used everywhere.
fn recommend(grids: &[Grid], effort: &Effort) -> Option<Recommended> {
    let places = (0..grids[0].rows.len()).flat_map(|r| (0..STEPS.len()).map(move |c| [r, c]));
    places
        .filter(|&at| usable(grids, at))
        .map(|at| candidate(grids, at, effort))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, recommended)| recommended)
}

/// Whether a cell can be used at every place.
fn usable(grids: &[Grid], [r, c]: [usize; 2]) -> bool {
    grids.iter().all(|g| {
        let cell = &g.rows[r][c];
        cell.word != Word::Failed
            && cell.temperature.is_none_or(|t| t > 0.9 && t < 1.12)
            && cell.drift.is_none_or(|d| d.abs() < 0.1)
    })
}

/// Change of λ̂ between two cells as a share, for a factor of two in what differs; the worst over
/// the places.
fn change(grids: &[Grid], a: [usize; 2], b: [usize; 2], factor: f64) -> f64 {
    let one = |g: &Grid| match g.rows[a[0]][a[1]].llc.zip(g.rows[b[0]][b[1]].llc) {
        Some((a, b)) if a > 0.0 && b > 0.0 => (a / b).ln().abs() * 2_f64.ln() / factor.ln().abs(),
        _ => f64::INFINITY,
    };
    grids.iter().map(one).fold(0.0, f64::max)
}

/// A cell as a recommendation, and how good it is: the less, the better.
fn candidate(grids: &[Grid], [r, c]: [usize; 2], effort: &Effort) -> (f64, Recommended) {
    let gamma = |r: usize| grids[0].rows[r][0].localization;
    let above = (r + 1 < grids[0].rows.len()).then_some(r + 1);
    let to_localization = [r.checked_sub(1), above]
        .into_iter()
        .flatten()
        .filter(|&n| usable(grids, [n, c]))
        .map(|n| change(grids, [r, c], [n, c], gamma(n) / gamma(r)))
        .reduce(f64::max);
    let to_epsilon = c
        .checked_sub(1)
        .filter(|&n| usable(grids, [r, n]))
        .map(|n| change(grids, [r, c], [r, n], STEPS[c] / STEPS[n]));
    let known = to_localization.is_some() && to_epsilon.is_some();
    // What has no neighbour to be compared with is not known to lie on a plateau.
    let (l, e) = (to_localization.unwrap_or(0.5), to_epsilon.unwrap_or(0.1));
    let plateau = known && l <= PLATEAU_LOCALIZATION && e <= PLATEAU_EPSILON;
    let settled = grids
        .iter()
        .map(|g| g.rows[r][c].settled)
        .max()
        .unwrap_or(0);
    let burn_in = settled.max(10).next_multiple_of(10);
    let cell = &grids[0].rows[r][c];
    let recommended = Recommended {
        at: [r, c],
        epsilon: cell.epsilon,
        localization: cell.localization,
        nbeta: cell.nbeta,
        chains: CHAINS,
        draws: burn_in + draws_for(grids, [r, c], effort),
        burn_in,
        to_localization: l,
        to_epsilon: e,
        plateau,
        reason: wording(plateau, known, l, e),
    };
    // Of two that depend alike on their neighbours, the one that settles sooner.
    (
        l + 2.0 * e + 0.1 * settled as f64 / effort.draws as f64,
        recommended,
    )
}

/// Draws of each chain for the wanted error at every place, from the effective draws of the grid's
/// chains.
fn draws_for(grids: &[Grid], [r, c]: [usize; 2], effort: &Effort) -> usize {
    let kept = (effort.chains * effort.draws / 2) as f64;
    let needed = grids.iter().filter_map(|g| {
        let cell = &g.rows[r][c];
        let (llc, se) = cell.llc.zip(cell.se)?;
        // The error falls with the root of the draws.
        let share = se / llc.abs().max(f64::MIN_POSITIVE);
        Some(kept * (share / WANTED_ERROR).powi(2) / CHAINS as f64)
    });
    let needed = needed.fold(0.0, f64::max);
    (needed.ceil() as usize)
        .clamp(40, 100_000)
        .next_multiple_of(10)
}

fn wording(plateau: bool, known: bool, to_localization: f64, to_epsilon: f64) -> String {
    let (l, e) = (100.0 * to_localization, 100.0 * to_epsilon);
    if plateau {
        return format!(
            "a plateau: λ̂ changes by {l:.0} % at most for a factor of two in γ, and by {e:.0} % for half the ε"
        );
    }
    if !known {
        return "no plateau: the cells around this one cannot be used; it is the best of what can"
            .to_owned();
    }
    format!(
        "no plateau: λ̂ changes by {l:.0} % for a factor of two in γ and by {e:.0} % for half the ε; compare only estimates \
         that have these settings in common"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::{Categorical, DeepLinear, KnownLoss, Model, Quadratic};

    fn effort(draws: usize) -> Effort {
        Effort {
            rule: Rule::Sgld,
            nbeta: 1000.0,
            chains: 32,
            draws,
            seed: 1,
        }
    }

    fn on(model: &dyn Model, draws: usize) -> Calibration {
        let landscape = KnownLoss(model);
        let anchor = landscape.anchor();
        let place = Place {
            name: "a".to_owned(),
            landscape: &landscape,
            anchor: &anchor,
        };
        calibrate(&[place], &effort(draws), &|_, _| {}).unwrap()
    }

    /// Where every curvature is far above γ, nothing depends on γ, and the answer is d/2.
    #[test]
    fn a_regular_model_has_a_plateau_at_half_its_dimension() {
        let calibration = on(
            &Quadratic {
                curvatures: vec![1.0; 20],
            },
            800,
        );
        let best = calibration.recommended.unwrap();
        assert!(best.plateau, "{best:?}");
        let cell = &calibration.grids[0].rows[best.at[0]][best.at[1]];
        assert!((cell.llc.unwrap() / 10.0 - 1.0).abs() < 0.1, "{cell:?}");
        assert!((calibration.grids[0].curvature - 1.0).abs() < 0.05);
        assert!(best.burn_in < best.draws);
        let regular = on(&Categorical { dimension: 3 }, 800);
        assert!(regular.recommended.is_some());
    }

    /// A spectrum without a gap: whatever γ, some directions lie above it and some below.
    #[test]
    fn a_spectrum_without_a_gap_has_no_plateau() {
        let curvatures = (0..200)
            .map(|i| 10_f64.powf(-f64::from(i) / 20.0))
            .collect();
        let calibration = on(&Quadratic { curvatures }, 800);
        let best = calibration.recommended.unwrap();
        assert!(!best.plateau, "{best:?}");
        assert!(best.reason.contains("no plateau"));
    }

    /// The curvature of a singular w* is found where there is some.
    #[test]
    fn curvature_is_the_largest_eigenvalue() {
        let model = DeepLinear {
            widths: vec![3, 2, 3],
            rank: 1,
        };
        let landscape = KnownLoss(&model);
        let anchor = landscape.anchor();
        // At ones on the diagonal, ½‖BA − T‖² has the Hessian (dB + dA)² along the first entry:
        // eigenvalue 2.
        let top = top_curvature(&landscape, &anchor, &Mask::all(), &[0], 0).unwrap();
        assert!((top[0] - 2.0).abs() < 0.02, "{top:?}");
    }
}
