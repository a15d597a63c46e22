//! Logits, loss, gradients and traces against the golden values.

use burn::tensor::{Int, Tensor};
use ontogeny_model::{Inputs, weights};

use crate::golden::Golden;
use crate::{batch, gradients, tokens, values};

#[test]
fn logits_and_loss_are_the_golden_ones() {
    for golden in Golden::all() {
        let network = golden.network();
        let batch = batch(&golden, &network, &[0]);
        golden.check(
            "logits",
            &values(network.outputs(&batch.inputs, batch.positions)),
        );
        golden.check("loss", &values(network.loss(&batch)));
        let by_row = values(network.loss_by_row(&batch));
        let mean = by_row.iter().sum::<f32>() / by_row.len() as f32;
        golden.check("loss", &[mean]);
    }
}

#[test]
fn every_gradient_is_the_golden_one() {
    for golden in Golden::all() {
        let network = golden.network();
        let gradients = gradients(&network, &batch(&golden, &network, &[0]));
        let named = weights::to_named(&gradients).unwrap();
        assert_eq!(named.len(), network.config().parameters().len());
        for gradient in named {
            golden.check(&format!("grads/{}", gradient.name), &gradient.data);
        }
    }
}

#[test]
fn a_trace_holds_the_golden_patterns_and_residual_streams() {
    for golden in Golden::all() {
        let network = golden.network();
        let layers = network.config().transformer().unwrap().n_layers;
        let batch = batch(&golden, &network, &[0]);
        let trace = network.trace(&batch.inputs, batch.positions).unwrap();
        // Tracing must not change what is computed.
        let untraced = network.outputs(&batch.inputs, batch.positions);
        assert_eq!(
            values(trace.outputs),
            values(untraced),
            "{}",
            golden.variant
        );
        assert_eq!(
            (trace.patterns.len(), trace.residuals.len()),
            (layers, layers + 1)
        );
        for (layer, pattern) in trace.patterns.into_iter().enumerate() {
            golden.check(&format!("pattern/{layer}"), &values(pattern));
        }
        for (layer, residual) in trace.residuals.into_iter().enumerate() {
            let key = match layer {
                after if after == layers => format!("resid_post/{}", layers - 1),
                before => format!("resid_pre/{before}"),
            };
            golden.check(&key, &values(residual));
        }
    }
}

/// A causal network gives the beginning of a sequence the logits it has in the whole, also when it
/// is asked for fewer positions than it has.
#[test]
fn a_shorter_sequence_has_the_logits_of_its_place_in_the_longer_one() {
    for golden in Golden::all() {
        let network = golden.network();
        let (n_ctx, v) = (network.config().n_ctx(), network.config().d_out());
        let [inputs, _] = tokens(&golden, &network, &[0]);
        let rows = inputs.dims()[1] / n_ctx;
        let whole = values(network.outputs(&Inputs::Tokens(inputs.clone()), n_ctx));
        for t in 1..n_ctx {
            let shorter: Tensor<2, Int> = inputs
                .clone()
                .reshape([rows, n_ctx])
                .narrow(1, 0, t)
                .reshape([1, rows * t]);
            let found = values(network.outputs(&Inputs::Tokens(shorter), t));
            let expected: Vec<f32> = whole
                .chunks_exact(n_ctx * v)
                .flat_map(|row| &row[..t * v])
                .copied()
                .collect();
            // Matrix products of another size may sum in another order, so not bit for bit; the
            // same rounding as in the whole is the golden test's.
            let worst = found
                .iter()
                .zip(&expected)
                .map(|(f, e)| (f - e).abs())
                .fold(0.0, f32::max);
            let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert_eq!(found.len(), expected.len());
            assert!(
                worst <= 8.0 * f32::EPSILON * largest,
                "{}: {t}: {worst:e}",
                golden.variant
            );
        }
    }
}
