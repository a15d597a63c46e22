//! Times each fused operation against the composition of Burn's own operations, forward and
//! backward, and prints how far apart the results are.
//!
//! `cargo run --release -p ontogeny-kernels --example compare`

#![expect(clippy::print_stdout, reason = "printing the table is all it does")]

use burn::tensor::{Device, Distribution, Int, Tensor};
use ontogeny_kernels as fused;
use ontogeny_kernels::plain;
use std::time::Instant;

// As the program itself does: a small model's tensors come and go by the thousand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REPETITIONS: usize = 40;

/// Milliseconds of the fastest forward pass and the fastest backward pass.
struct Times {
    forward: f64,
    backward: f64,
}

fn main() {
    let device = Device::flex().autodiff();
    println!(
        "one thread, milliseconds (best of {REPETITIONS}), instructions {}",
        fused::instruction_set()
    );
    println!(
        "{:<34} {:>15} {:>15} {:>6}  relative difference",
        "", "plain", "fused", "gain"
    );

    for shape in [
        [32, 4, 128, 32],
        [32, 4, 64, 16],
        [4, 8, 1024, 32],
        [32, 4, 127, 24],
    ] {
        let [batch, heads, positions, d_head] = shape;
        let inputs = [(); 3].map(|()| random([batch, positions, heads, d_head], &device));
        let head = |x: &Tensor<4>| x.clone().swap_dims(1, 2);
        let call = |f: fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>| {
            let [q, k, v] = &inputs;
            f(head(q), head(k), head(v))
        };
        compare(
            &format!("attention {shape:?}"),
            &inputs,
            || call(plain::causal_attention),
            || call(fused::causal_attention),
        );
    }
    for shape in [
        [1, 4096, 512],
        [1, 2048, 64],
        [2, 2048, 500],
        [1, 4096, 5000],
    ] {
        let logits = random(shape, &device);
        let [replicas, rows, d_vocab] = shape;
        let targets = Tensor::<2, Int>::random(
            [replicas, rows],
            Distribution::Uniform(0.0, d_vocab as f64),
            &device,
        );
        // As after a product: a tensor of its own that nothing else holds.
        let own = || logits.clone() + 0.0;
        compare(
            &format!("cross-entropy {shape:?} *"),
            std::slice::from_ref(&logits),
            || plain::cross_entropy(own(), targets.clone()),
            || fused::cross_entropy(own(), targets.clone()),
        );
    }
    for shape in [[1, 4096, 128], [2, 2048, 64], [1, 4096, 100]] {
        let [replicas, _, d] = shape;
        let inputs = [shape, [replicas, 1, d], [replicas, 1, d]].map(|s| random(s, &device));
        let call = |f: fn(Tensor<3>, Tensor<3>, Tensor<3>, f64) -> Tensor<3>| {
            let [x, w, b] = inputs.clone();
            f(x, w, b, 1e-5)
        };
        compare(
            &format!("layer norm {shape:?}"),
            &inputs,
            || call(plain::layer_norm),
            || call(fused::layer_norm),
        );
    }
    for (rows, inner, out) in [(4096, 128, 128), (4096, 128, 512), (2048, 64, 64)] {
        let inputs = [[1, rows, inner], [1, inner, out], [1, 1, out]].map(|s| random(s, &device));
        let call = |f: fn(Tensor<3>, Tensor<3>, Option<Tensor<3>>) -> Tensor<3>| {
            let [x, w, b] = inputs.clone();
            f(x, w, Some(b))
        };
        compare(
            &format!("linear [1, {rows}, {inner}] to {out}"),
            &inputs,
            || call(plain::linear),
            || call(fused::linear),
        );
    }
    println!("* with one pass over the logits to copy them");
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device).require_grad()
}

/// One line: times of both, and the largest difference of values and of gradients over the largest
/// value.
fn compare<const I: usize, const O: usize>(
    name: &str,
    inputs: &[Tensor<I>],
    plain: impl Fn() -> Tensor<O>,
    fused: impl Fn() -> Tensor<O>,
) {
    let weights = plain().detach().random_like(Distribution::Normal(0.0, 1.0));
    let functions: [&dyn Fn() -> Tensor<O>; 2] = [&plain, &fused];
    let mut samples = [const { (Vec::new(), Vec::new()) }; 2];
    // Alternating, so that both see the same disturbances.
    for _ in 0..REPETITIONS {
        for (function, (forward, backward)) in functions.iter().zip(&mut samples) {
            let start = Instant::now();
            let output = function();
            forward.push(start.elapsed().as_secs_f64() * 1e3);
            let loss = (output * weights.clone()).sum();
            let start = Instant::now();
            let gradients = loss.backward();
            backward.push(start.elapsed().as_secs_f64() * 1e3);
            drop(gradients);
        }
    }
    let [plain_times, fused_times] = samples.map(|(forward, backward)| Times {
        forward: best(forward),
        backward: best(backward),
    });

    let (a, b) = (plain(), fused());
    let mut difference = relative(a.clone(), b.clone());
    let a = (a * weights.clone()).sum().backward();
    let b = (b * weights).sum().backward();
    for input in inputs {
        if let (Some(a), Some(b)) = (input.grad(&a), input.grad(&b)) {
            difference = difference.max(relative(a, b));
        }
    }
    let gain =
        (plain_times.forward + plain_times.backward) / (fused_times.forward + fused_times.backward);
    println!(
        "{name:<34} {:>6.2} + {:>6.2} {:>6.2} + {:>6.2} {gain:>6.1}  {difference:.0e}",
        plain_times.forward, plain_times.backward, fused_times.forward, fused_times.backward
    );
}

fn relative<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    let scale = a.clone().abs().max().into_scalar::<f32>();
    (a - b).abs().max().into_scalar::<f32>() / scale
}

/// The run least disturbed by whatever else the machine does.
fn best(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}
