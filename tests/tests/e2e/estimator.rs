//! `validate`, `llc` and `calibrate`: the estimator by itself.

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::SMALL;

#[test]
fn an_instance_of_ones_own_is_held_against_its_answer() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mine.toml",
        "kind = \"quadratic\"\ncurvatures = [1.0, 2.0, 0.0]\n",
    );
    let found = sandbox
        .run(&["validate", "--json", "--spec", "mine.toml"])
        .json();
    assert_eq!((&found["passed"], &found["failed"]), (&1.into(), &0.into()));
    let case = &found["cases"][0];
    assert_eq!(case["kind"], "quadratic");
    assert_eq!(case["truth"], 1.0);
    assert_eq!(case["verdict"], "passed");
    assert!(case["box"].is_null());
    let figure = |key: &str| case[key].as_f64().expect("a figure");
    // Σ ½nβh/(nβh + γ), computed here again.
    let one = |h: f64| 0.5 * figure("nbeta") * h / (figure("nbeta") * h + figure("localization"));
    assert!((figure("expected") - one(1.0) - one(2.0)).abs() < 1e-9);
    assert!((figure("estimate") - figure("expected")).abs() < 5.0 * figure("se"));
    assert!(figure("se") < 0.03 * figure("expected"));
}

#[test]
fn instances_without_an_answer_are_refused() {
    let sandbox = Sandbox::new();
    for (text, message) in [
        (
            "kind = \"quadratic\"\ncurvatures = [1.0, -1.0]\n",
            "must not be negative",
        ),
        (
            "kind = \"rrr\"\ninputs = 2\nhidden = 3\noutputs = 4\nrank = 3\n",
            "at most",
        ),
        ("kind = \"superposition\"\nk = 4\n", "no known coefficient"),
        ("kind = \"torus\"\n", "unknown variant"),
        ("kind = \"regular\"\n", "missing field"),
        (
            "kind = \"regular\"\ndimension = 2\nseed = 3\n",
            "unknown field",
        ),
        ("kind = \n", "mine.toml"),
    ] {
        sandbox.write("mine.toml", text);
        let failed = sandbox.run(&["validate", "--json", "--spec", "mine.toml"]);
        let error = failed.refusal().message;
        assert!(error.contains(message), "{text}: {error}");
        assert!(error.contains("mine.toml"), "{error}");
    }
    let error = sandbox
        .run(&["validate", "--json", "--case", "torus"])
        .refusal()
        .message;
    assert!(error.contains("quadratic/1"), "{error}");
}

/// A short run, and the path of its last checkpoint.
fn trained(sandbox: &Sandbox) -> String {
    sandbox.write("small.toml", SMALL);
    let train = [
        "train",
        "small.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];
    let result = sandbox.run(&train).json();
    let all = result["checkpoints"].as_array().expect("checkpoints");
    let last = all.last().and_then(|c| c["path"].as_str());
    last.expect("a checkpoint").to_owned()
}

#[test]
fn single_checkpoints_are_estimated_by_component() {
    let sandbox = Sandbox::new();
    let checkpoint = trained(&sandbox);
    let before = sandbox.names("run");
    let of = |more: &[&str]| -> Value {
        let llc = ["llc", checkpoint.as_str(), "--json", "--replica", "seed1"];
        let set = [
            "--set",
            "analysis.llc.chains=3",
            "--set",
            "analysis.llc.burn_in=10",
        ];
        sandbox.run(&[&llc[..], &set, more].concat()).json()
    };
    let fixed = [
        "--set",
        "analysis.llc.draws=30",
        "--set",
        "analysis.llc.components=[\"all\",\"head:0.1+unembed\"]",
    ];
    let found = of(&fixed);
    let all = found["estimates"].as_array().expect("estimates");
    assert_eq!(all.len(), 2);
    assert_eq!(all[1]["component"], "head:0.1+unembed");
    for estimate in all {
        assert!(estimate["mean"].is_f64() && estimate["acceptance"].is_f64());
        assert_eq!(estimate["by_chain"].as_array().map(Vec::len), Some(3));
        assert_eq!(estimate["trace"].as_array().map(Vec::len), Some(20));
        let verdict = estimate["verdict"].as_str().expect("a verdict");
        assert!(["ok", "suspect", "failed"].contains(&verdict));
        assert!(estimate["reason"].as_str().is_some_and(|r| !r.is_empty()));
    }
    assert_eq!(
        of(&fixed)["estimates"][0]["mean"],
        all[0]["mean"],
        "the same chains again"
    );
    let auto = of(&[
        "--set",
        "analysis.llc.draws=\"auto\"",
        "--set",
        "analysis.llc.most_draws=200",
        "--set",
        "analysis.llc.precision=0.2",
    ]);
    assert!(auto["estimates"][0]["precise"].is_boolean());
    for sampler in ["rmsprop_sgld", "sgnht", "mala"] {
        let rule = format!("analysis.llc.sampler=\"{sampler}\"");
        let found = of(&["--set", &rule, "--set", "analysis.llc.draws=30"]);
        assert!(found["estimates"][0]["mean"].is_f64(), "{sampler}: {found}");
    }
    assert_eq!(sandbox.names("run"), before, "nothing is written");
    // A copy outside of any run is not known to be trained on anything.
    sandbox.write("alone.safetensors", sandbox.read(&checkpoint));
    let error = sandbox
        .run(&["llc", "alone.safetensors", "--json"])
        .refusal()
        .message;
    assert!(error.contains("lies in no run's folder"), "{error}");
}

#[test]
fn settings_are_found_and_written() {
    let sandbox = Sandbox::new();
    trained(&sandbox);
    let found = sandbox
        .run(&[
            "calibrate",
            "run",
            "--json",
            "--replica",
            "seed1",
            "--checkpoints",
            "2",
            "--draws",
            "32",
        ])
        .json();
    let grids = found["grids"].as_array().expect("grids");
    assert_eq!(grids.len(), 2);
    assert_eq!(grids[0]["rows"].as_array().map(Vec::len), Some(4));
    let picture = String::from_utf8(sandbox.read("run/analysis/calibration.svg")).expect("a text");
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    if found["recommended"].is_null() {
        assert!(found["block"].is_null());
        return;
    }
    let block = String::from_utf8(sandbox.read("run/analysis/calibration.toml")).expect("a text");
    assert_eq!(found["block"].as_str(), Some(block.as_str()));
    // The block is a configuration that is taken as it is.
    let (rest, _) = SMALL
        .split_once("[analysis.llc]")
        .expect("a section of its own");
    sandbox.write("with.toml", format!("{rest}\n{block}"));
    sandbox.run(&["data", "with.toml", "--json"]).json();
}
