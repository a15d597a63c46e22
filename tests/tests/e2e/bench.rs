//! `bench`: every task answers with the figures that scripts read. How fast it is is not tested.

use ontogeny_tests::Sandbox;
use serde_json::Value;

fn bench(task: &str, more: &[&str]) -> Value {
    let sandbox = Sandbox::new();
    let arguments = [
        &[
            "bench",
            "--json",
            "--task",
            task,
            "--workload",
            "tiny",
            "--seconds",
            "0.2",
        ],
        more,
    ];
    let found = sandbox.run(&arguments.concat()).json();
    assert!(sandbox.names(".").is_empty(), "nothing is left behind");
    found
}

/// A figure that must be there, finite and above zero.
fn figure(found: &Value, key: &str) -> f64 {
    let value = found[key].as_f64().filter(|v| v.is_finite() && *v > 0.0);
    assert!(value.is_some(), "no `{key}` above zero in {found}");
    value.unwrap_or_default()
}

#[test]
fn training_and_sampling_are_measured_against_the_machine() {
    for task in ["train", "sgld"] {
        let found = bench(task, &["--replicas", "2"]);
        let ms = figure(&found, "ms_per_replica_step");
        assert!(figure(&found, "ms_p10") <= ms && ms <= figure(&found, "ms_p90"));
        assert_eq!(found["replicas"], 2);
        assert_eq!(found["chain_steps_per_s"].is_null(), task == "train");
        figure(&found, "peak_rss_mb");
        // A share of the rate is what its definition says, to the digits of the figures.
        let gflop = figure(&found, "gflop_per_replica_step");
        let share = gflop / (ms / 1e3) / figure(&found, "matmul_gflops");
        assert!((figure(&found, "matmul_share") / share - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_analysis_of_checkpoints_is_measured() {
    let found = bench("analyze", &["--checkpoints", "2"]);
    figure(&found, "ms_per_replica_step");
    figure(&found, "chain_steps_per_s");
    assert_eq!(found["checkpoints"], 2);
}

#[test]
fn several_numbers_of_replicas_are_a_sweep() {
    let found = bench(
        "train",
        &["--replicas", "1,3", "--context", "8", "--vocabulary", "5"],
    );
    let sweep = found["sweep"].as_array().expect("a sweep");
    let replicas: Vec<&Value> = sweep.iter().map(|m| &m["replicas"]).collect();
    assert_eq!(replicas, [1, 3]);
    assert_eq!(sweep[1]["workload"]["n_ctx"], 8);
    assert_eq!(sweep[1]["workload"]["d_vocab"], 5);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let sandbox = Sandbox::new();
    for (arguments, part) in [
        (["--replicas", "0"], "1..=4096"),
        (["--seconds", "0"], "must be above 0"),
        (["--workload", "huge"], "tiny, small, paper"),
        (["--device", "tpu"], "unknown device `tpu`"),
    ] {
        let ended = sandbox.run(&[&["bench"], &arguments[..]].concat());
        assert!(!ended.status.success(), "{ended}");
        assert!(ended.stderr.contains(part), "{part} in {ended}");
    }
}
