//! How likely Metropolis and Hastings would accept a step of Langevin dynamics: the rule of MALA,
//! and a diagnostic of the others' step size.

use burn::tensor::{Bool, Tensor};
use ontogeny_kernels::sum_of_squares;

use super::{Columns, LossAndGradient, Mask, Part, Settings};

/// A place, with the loss and its gradient there.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) weights: &'a [Tensor<3>],
    pub(super) loss: &'a Tensor<1>,
    pub(super) gradients: &'a [Tensor<3>],
}

/// `log q(w|w') − log q(w'|w) + U(w) − U(w')` of each chain, `[R]`, for a step from `here` to
/// `there`: the log of the acceptance probability where it is below 0.
/// `U = nβ·L + (γ/2)‖w − w*‖² + (δ/2)‖w‖²`, and `q(·|w) = N(w − (ε/2)∇U(w), ε)`.
///
/// `anchor` and both sets of weights are `[R, rows, cols]` each, losses and gradients taken on the
/// same data.
///
/// # Panics
/// If there are not settings for each chain.
pub fn log_acceptance(
    settings: &[Settings],
    mask: &Mask,
    anchor: &[Tensor<3>],
    (from, here): (&[Tensor<3>], &LossAndGradient),
    (to, there): (&[Tensor<3>], &LossAndGradient),
) -> Tensor<1> {
    let chains = settings.len();
    let columns = Columns::new(settings, &anchor[0].device());
    let from = Point {
        weights: from,
        loss: &here.0,
        gradients: &here.1,
    };
    let to = Point {
        weights: to,
        loss: &there.0,
        gradients: &there.1,
    };
    let ratio = log_ratio(&columns, anchor, mask, from, to);
    ratio.reshape([chains])
}

/// The same as columns, `[R, 1, 1]`.
pub(super) fn log_ratio(
    columns: &Columns,
    anchor: &[Tensor<3>],
    mask: &Mask,
    from: Point<'_>,
    to: Point<'_>,
) -> Tensor<3> {
    let rates = &columns.rates;
    let [chains, _, _] = anchor[0].dims();
    let as_column = |loss: &Tensor<1>| loss.clone().reshape([chains, 1, 1]);
    // U(w) − U(w'), then the difference of the proposals' densities.
    let mut ratio = (as_column(from.loss) - as_column(to.loss)) * rates.nbeta.clone();
    for (i, anchor) in anchor.iter().enumerate() {
        let part = mask.part(i);
        if matches!(part, Part::Nothing) {
            continue;
        }
        let (w, v) = (&from.weights[i], &to.weights[i]);
        let own = |weights: &Tensor<3>| {
            let pull = sum_of_squares(weights.clone() - anchor.clone());
            let decay = sum_of_squares(weights.clone());
            (pull * rates.localization.clone() + decay * rates.weight_decay.clone()) * 0.5
        };
        let half = rates.epsilon.clone() * 0.5;
        let missed = |from: &Tensor<3>, gradient: &Tensor<3>, to: &Tensor<3>| {
            let drift = columns.force(from, gradient, anchor) * half.clone();
            sum_of_squares(part.zeroed(to.clone() - from.clone() + drift))
        };
        let back = missed(v, &to.gradients[i], w);
        let forth = missed(w, &from.gradients[i], v);
        ratio = ratio + own(w) - own(v) + (forth - back) / (rates.epsilon.clone() * 2.0);
    }
    ratio
}

/// Whether any weight of a chain lies outside its box, `[R, 1, 1]`.
pub(super) fn outside(
    weights: &[Tensor<3>],
    anchor: &[Tensor<3>],
    half_width: &Tensor<3>,
) -> Tensor<3, Bool> {
    let beyond = weights.iter().zip(anchor).map(|(w, anchor)| {
        let away = (w.clone() - anchor.clone()).abs() - half_width.clone();
        let [chains, rows, columns] = away.dims();
        let flat = away.clamp_min(0.0).reshape([chains, 1, rows * columns]);
        flat.sum_dim(2)
    });
    let total = beyond.reduce(|a, b| a + b);
    total
        .unwrap_or_else(|| half_width.zeros_like())
        .greater_elem(0.0)
}
