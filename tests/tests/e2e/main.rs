//! End to end: the real binary on real input, each test in a folder of its own.
//!
//! One module for each promise of the command line. Networks are tiny and runs short: what is
//! tested is that everything fits together, not what networks learn.

mod again;
mod bench;
mod browser;
mod compare;
mod devices;
mod dynamics;
mod estimator;
mod kills;
mod online;
#[cfg(unix)]
mod path_bytes;
mod predict;
mod refusals;
mod replicas;
mod run;
mod select;
#[cfg(unix)]
mod signals;
mod stages;
#[cfg(unix)]
mod streams;
mod text;
mod time_travel;
mod validate_stages;

/// A run of a few seconds: 100 steps of two replicas of a tiny network, sixteen checkpoints or so,
/// every measure taken with very few sequences and draws.
const SMALL: &str = r#"
seeds = [0, 1]

[model]
n_heads = 2
d_model = 16
n_ctx = 16

[data]
kind = "ngram_induction"
d_vocab = 16

[training]
steps = 100
batch = 8
lr = 1e-2

[checkpoints]
log = 20

[analysis]
held_out = 32
repeated = 4

[analysis.llc]
chains = 2
draws = 10
burn_in = 4
batch = 4
"#;

/// Trains and analyses [`SMALL`] into the folder `run`.
fn run_small(sandbox: &ontogeny_tests::Sandbox) {
    sandbox.write("small.toml", SMALL);
    let arguments = [
        "run",
        "small.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];
    sandbox.run(&arguments).json();
}
