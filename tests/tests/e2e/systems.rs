//! The systems of the literature whose exact predictors are known, by short runs of their presets.

use ontogeny_tests::Sandbox;
use serde_json::Value;

/// Runs a preset with some settings changed.
pub fn run(sandbox: &Sandbox, preset: &str, out: &str, settings: &[&str]) -> Value {
    let config = format!("{}/../configs/{preset}.toml", env!("CARGO_MANIFEST_DIR"));
    let mut arguments = vec!["run", &config, "--json", "--device", "cpu", "--out", out];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    sandbox.run(&arguments).json()
}

/// The last measures of a replica of a run.
fn last(said: &Value, replica: usize, name: &str) -> f64 {
    let all = &said["replicas"][replica]["final"];
    assert!(all[name].is_f64(), "no {name} in {all}");
    all[name].as_f64().unwrap_or_default()
}

const NO_LLC: [&str; 2] = ["analysis.llc.enabled=false", "stages.online=false"];

#[test]
fn regression_begins_at_the_prior_and_is_measured_against_every_predictor() {
    let sandbox = Sandbox::new();
    let settings = [
        "seeds=[0]",
        "training.steps=400",
        "training.warmup=200",
        "model.d_model=16",
        "model.d_mlp=16",
        "training.dropout=0.05",
        "model.block=doubled",
        "analysis.llc.every=1000",
        "analysis.llc.draws=20",
        "analysis.llc.burn_in=5",
    ];
    let said = run(&sandbox, "regression", "run", &settings);
    // After so few steps it says what the prior says.
    assert!(last(&said, 0, "divergence.zero") < 0.1 * last(&said, 0, "divergence.ridge"));
    assert!(last(&said, 0, "oracle_loss.ridge") < last(&said, 0, "loss"));
    for name in ["icl_score", "ood_loss.4", "prediction_square", "llc"] {
        last(&said, 0, name);
    }
    let stages = said["replicas"][0]["stages"].as_array().unwrap();
    assert!(stages.iter().any(|s| s["name"] == "zero"), "{stages:?}");
    // Paths among the predictors.
    let dynamics: Value =
        serde_json::from_str(&sandbox.text("run/analysis/dynamics.json")).unwrap();
    let named: Vec<&str> = dynamics["oracles"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|o| o["name"].as_str())
        .collect();
    assert_eq!(named, ["zero", "ridge"]);
    // What is left out is a function of seed and step: another run has the same bits.
    let again = run(&sandbox, "regression", "again", &settings);
    let hashes = |said: &Value| -> Vec<Value> {
        let all = said["checkpoints"].as_array().unwrap().iter();
        all.map(|c| c["hash"].clone()).collect()
    };
    assert_eq!(hashes(&said), hashes(&again));
}

#[test]
fn a_pool_of_one_task_is_learned_by_heart_and_no_pool_is_not() {
    let sandbox = Sandbox::new();
    let arms = r#"arms=[{ name = "M1", set = { "data.tasks" = 1 } }, { name = "Minf" }]"#;
    let short = [
        arms,
        "training.steps=600",
        "training.warmup=100",
        "training.lr=3e-3",
    ];
    let said = run(
        &sandbox,
        "transient-ridge",
        "run",
        &[&short[..], &NO_LLC].concat(),
    );
    assert_eq!(said["replicas"][0]["arm"], "M1");
    assert!(last(&said, 0, "divergence.dmmse") < 0.1 * last(&said, 0, "divergence.ridge"));
    assert!(last(&said, 0, "ood_loss.fresh_tasks") > 2.0 * last(&said, 0, "loss"));
    assert!(
        said["replicas"][1]["final"]
            .get("divergence.dmmse")
            .is_none()
    );
    let compared = sandbox.run(&["compare", "run", "--json"]).json();
    let stages = compared["stages"].as_array().unwrap();
    let nearer = stages.iter().find(|s| s["stage"] == "nearer_dmmse");
    assert_eq!(nearer.unwrap()["arms"][0]["found"], 1);
}

#[test]
fn chains_are_first_counted_by_state() {
    let sandbox = Sandbox::new();
    let short = ["seeds=[0, 1]", "training.steps=300", "model.n_ctx=60"];
    let said = run(&sandbox, "markov", "run", &[&short[..], &NO_LLC].concat());
    for replica in 0..2 {
        let floor = |name: &str| last(&said, replica, &format!("oracle_loss.{name}"));
        let loss = last(&said, replica, "loss");
        assert!(floor("bigram") < loss && loss < floor("uniform"), "{loss}");
        // In nats: near the counts of states, which need no order.
        assert!(last(&said, replica, "divergence.unigram") < 0.04);
    }
    let described = sandbox.run(&["data", "run/config.toml", "--json"]).json();
    let rate = described["sources"][0]["description"]["entropy_rate"].as_f64();
    assert!(
        rate.is_some_and(|rate| (rate - 0.481).abs() < 0.003),
        "{rate:?}"
    );
}

#[test]
fn networks_and_sources_that_do_not_fit_are_refused() {
    let sandbox = Sandbox::new();
    for (preset, setting, key) in [
        ("regression", "model.kind=mlp", "model.kind"),
        ("regression", "model.d_vocab=7", "model.d_vocab"),
        ("regression", "model.tied=true", "model.tied"),
        ("regression", "data.tasks=0", "data.tasks"),
        (
            "regression",
            "data.out_of_distribution=[-1.0]",
            "data.out_of_distribution",
        ),
        ("markov", "data.states=1", "data.states"),
        ("markov", "training.dropout=1.5", "training.dropout"),
    ] {
        let config = format!("{}/../configs/{preset}.toml", env!("CARGO_MANIFEST_DIR"));
        let command = ["train", &config, "--set", setting, "--out", "run", "--json"];
        let refusal = sandbox.run(&command).refusal();
        let named = refusal.key.as_deref().unwrap_or_default();
        assert!(named.starts_with(key), "{setting}: {refusal:?}");
        assert!(!sandbox.path("run").exists(), "{setting}");
    }
}
