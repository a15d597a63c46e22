//! How many random numbers a second one core makes.
//!
//! `cargo run --release -p ontogeny-store --example normal_rate`

#![expect(
    clippy::print_stdout,
    reason = "an example speaks to the person who runs it"
)]

use std::hint::black_box;
use std::time::Instant;

use ontogeny_store::Stream;
use rand::Rng;

fn main() {
    let stream = Stream::new(0, "rate", &[]);
    let mut out = vec![0.0f32; 1 << 16];
    report("fill_normal", out.len(), |i| {
        stream.fill_normal(i, &mut out);
        black_box(&out);
    });
    report("fill_uniform", out.len(), |i| {
        stream.fill_uniform(i, &mut out);
        black_box(&out);
    });
    report("next_u32", out.len(), |i| {
        let mut rng = stream.at(i);
        for _ in 0..1 << 16 {
            black_box(rng.next_u32());
        }
    });
}

/// Prints the best of several rounds: the one least disturbed by other work on the machine.
fn report(name: &str, per_call: usize, mut call: impl FnMut(u64)) {
    const CALLS: u64 = 200;
    let best = (0..10)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(&mut call);
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    let rate = per_call as f64 * CALLS as f64 / best.as_secs_f64();
    println!("{name}: {:.0} M/s", rate / 1e6);
}
