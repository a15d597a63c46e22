//! How the fused operations enter Burn: a routed trait, and its implementation under autodiff.
//!
//! [`FusedOps`] is what a call on tensors reaches through Burn's dispatch. On bare Flex it runs a
//! forward pass; on `Autodiff<Flex>` it records a node whose backward pass is written here by hand.
//! Devices other than Flex never come here: the public functions send them to
//! [`plain`](crate::plain).

use crate::flex::cross_entropy::Reduction;
use crate::flex::{attention, cross_entropy, layer_norm, linear, positions};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

/// The operations as Burn routes them. Shapes are those of the public functions, already checked.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_relative_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        relative: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        reduction: Reduction,
    ) -> FloatTensor<Self>;

    fn fused_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self>;

    fn fused_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    fn fused_affine(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_linear_onto(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_affine_onto(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn fused_add_positions(x: FloatTensor<Self>, positions: FloatTensor<Self>)
    -> FloatTensor<Self>;
}

impl FusedOps for Flex {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        attention::forward([q, k, v], None).0
    }

    fn fused_relative_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        relative: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        attention::forward([q, k, v], Some(&relative)).0
    }

    fn fused_cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        reduction: Reduction,
    ) -> FloatTensor<Self> {
        cross_entropy::loss(logits, targets, reduction)
    }

    fn fused_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        layer_norm::forward(x, weight, bias, eps).0
    }

    fn fused_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::forward(None, x, weight, None)
    }

    fn fused_affine(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::forward(None, x, weight, Some(bias))
    }

    fn fused_linear_onto(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::forward(Some(residual), x, weight, None)
    }

    fn fused_affine_onto(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        linear::forward(Some(residual), x, weight, Some(bias))
    }

    fn fused_add_positions(
        x: FloatTensor<Self>,
        positions: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        positions::forward(x, positions)
    }
}

/// Backward node of attention.
#[derive(Debug)]
struct Attention;

impl Backward<Flex, 3> for Attention {
    type State = [FlexTensor; 5];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let (inputs, _) = attention::backward(ops.state, None, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(inputs) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Backward node of attention with numbers added to the scores by distance.
#[derive(Debug)]
struct RelativeAttention;

impl Backward<Flex, 4> for RelativeAttention {
    /// That of [`Attention`], and what is added.
    type State = ([FlexTensor; 5], FlexTensor);

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let (state, relative) = ops.state;
        let (inputs, of_relative) = attention::backward(state, Some(&relative), gradient);
        let gradients = inputs.into_iter().chain(of_relative);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Backward node of cross-entropy; its state is the derivative, computed on the way forward.
#[derive(Debug)]
struct CrossEntropy;

impl Backward<Flex, 1> for CrossEntropy {
    type State = FlexTensor;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [logits] = ops.parents;
        if let Some(logits) = logits {
            grads.register::<Flex>(logits.id, cross_entropy::scale_runs(ops.state, gradient));
        }
    }
}

/// Backward node of layer normalization.
#[derive(Debug)]
struct LayerNorm;

impl Backward<Flex, 3> for LayerNorm {
    type State = [FlexTensor; 3];

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let inputs = layer_norm::backward(ops.state, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(inputs) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Backward node of the linear map; its parents are x, weight, then the bias and the residual if
/// there are.
#[derive(Debug)]
struct Linear {
    bias: bool,
}

impl<const N: usize> Backward<Flex, N> for Linear {
    type State = [FlexTensor; 2];

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<Flex>(&ops.node);
        let [x, weight] = ops.state;
        let mut parents = ops.parents.into_iter();
        let mut next = || parents.next().flatten();
        if let Some(parent) = next() {
            let gradient = linear::input_gradient(dy.clone(), weight.clone());
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = next() {
            let gradient = linear::weight_gradient(x, weight, dy.clone());
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = self.bias.then(&mut next).flatten() {
            grads.register::<Flex>(parent.id, linear::bias_gradient(dy.clone()));
        }
        if let Some(residual) = next() {
            grads.register::<Flex>(residual.id, dy);
        }
    }
}

/// Backward node of the addition of positions; its state is how many positions there are.
#[derive(Debug)]
struct Positions;

impl Backward<Flex, 2> for Positions {
    type State = usize;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<Flex>(&ops.node);
        let [x, positions] = ops.parents;
        if let Some(parent) = positions {
            let gradient = positions::gradient(dy.clone(), ops.state);
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = x {
            grads.register::<Flex>(parent.id, dy);
        }
    }
}

/// The result of an operation that computes the same whether it is tracked or not.
fn finish<O, S, C, const N: usize>(
    node: OpsKind<O, Flex, S, C, N>,
    state: S,
    y: FlexTensor,
) -> FloatTensor<Autodiff<Flex>>
where
    O: Backward<Flex, N, State = S>,
    S: Clone + Send + std::fmt::Debug + 'static,
    C: CheckpointStrategy,
{
    match node {
        OpsKind::Tracked(node) => node.finish(state, y),
        OpsKind::UnTracked(node) => node.finish(y),
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((q, q_node), (k, k_node), (v, v_node)) =
            (q.into_parts(), k.into_parts(), v.into_parts());
        match Attention
            .prepare::<C>([q_node, k_node, v_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(node) => {
                let inputs = [q.clone(), k.clone(), v.clone()];
                let (output, statistics) = attention::forward(inputs, None);
                node.finish([q, k, v, output.clone(), statistics], output)
            }
            OpsKind::UnTracked(node) => node.finish(attention::forward([q, k, v], None).0),
        }
    }

    fn fused_relative_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        relative: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((q, q_node), (k, k_node), (v, v_node)) =
            (q.into_parts(), k.into_parts(), v.into_parts());
        let (relative, relative_node) = relative.into_parts();
        let (output, statistics) =
            attention::forward([q.clone(), k.clone(), v.clone()], Some(&relative));
        let node = RelativeAttention
            .prepare::<C>([q_node, k_node, v_node, relative_node])
            .compute_bound()
            .stateful();
        finish(
            node,
            ([q, k, v, output.clone(), statistics], relative),
            output,
        )
    }

    fn fused_cross_entropy(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        reduction: Reduction,
    ) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        match CrossEntropy.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(node) => {
                let (loss, derivative) =
                    cross_entropy::loss_and_gradient(logits, targets, reduction);
                node.finish(derivative, loss)
            }
            OpsKind::UnTracked(node) => {
                node.finish(cross_entropy::loss(logits, targets, reduction))
            }
        }
    }

    fn fused_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node), (bias, bias_node)) =
            (x.into_parts(), weight.into_parts(), bias.into_parts());
        match LayerNorm
            .prepare::<C>([x_node, weight_node, bias_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(node) => {
                let (y, statistics) = layer_norm::forward(x.clone(), weight.clone(), bias, eps);
                node.finish([x, weight, statistics], y)
            }
            OpsKind::UnTracked(node) => node.finish(layer_norm::forward(x, weight, bias, eps).0),
        }
    }

    fn fused_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let y = linear::forward(None, x.clone(), weight.clone(), None);
        let node = Linear { bias: false }
            .prepare::<C>([x_node, weight_node])
            .compute_bound()
            .stateful();
        finish(node, [x, weight], y)
    }

    fn fused_affine(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node), (bias, bias_node)) =
            (x.into_parts(), weight.into_parts(), bias.into_parts());
        let y = linear::forward(None, x.clone(), weight.clone(), Some(bias));
        let node = Linear { bias: true }
            .prepare::<C>([x_node, weight_node, bias_node])
            .compute_bound()
            .stateful();
        finish(node, [x, weight], y)
    }

    fn fused_linear_onto(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (residual, residual_node) = residual.into_parts();
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let y = linear::forward(Some(residual), x.clone(), weight.clone(), None);
        let node = Linear { bias: false }
            .prepare::<C>([x_node, weight_node, residual_node])
            .compute_bound()
            .stateful();
        finish(node, [x, weight], y)
    }

    fn fused_affine_onto(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (residual, residual_node) = residual.into_parts();
        let ((x, x_node), (weight, weight_node), (bias, bias_node)) =
            (x.into_parts(), weight.into_parts(), bias.into_parts());
        let y = linear::forward(Some(residual), x.clone(), weight.clone(), Some(bias));
        let node = Linear { bias: true }
            .prepare::<C>([x_node, weight_node, bias_node, residual_node])
            .compute_bound()
            .stateful();
        finish(node, [x, weight], y)
    }

    fn fused_add_positions(
        x: FloatTensor<Self>,
        positions: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (positions, positions_node)) = (x.into_parts(), positions.into_parts());
        let count = positions::count(&positions);
        let y = positions::forward(x, positions);
        let node = Positions
            .prepare::<C>([x_node, positions_node])
            .compute_bound()
            .stateful();
        finish(node, count, y)
    }
}
