//! `dynamics`: joint principal components of the outputs of a run.

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::{SMALL, run_small};

fn numbers(of: &Value) -> Vec<f64> {
    let all = of.as_array().expect("a list").iter();
    all.map(|x| x.as_f64().expect("a number")).collect()
}

/// Three arms; the last of another context.
const ARMS: &str = r#"
[[arms]]
name = "slow"
set = { "training.lr" = 3e-3 }

[[arms]]
name = "fast"

[[arms]]
name = "short"
set = { "model.n_ctx" = 12 }
"#;

#[test]
fn outputs_of_all_arms_are_decomposed_together() {
    let sandbox = Sandbox::new();
    sandbox.write("arms.toml", format!("{SMALL}{ARMS}"));
    let train = ["train", "arms.toml", "--device", "cpu", "--out", "run"];
    sandbox.run(&train).success();
    let of = |more: &[&str]| {
        let command = [&["dynamics", "run", "--json"], more].concat();
        sandbox.run(&command).json()
    };
    let found = of(&["--components", "3", "--replicas-per-arm", "1"]);
    let left: Vec<&Value> = found["left_out"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(
        left.len(),
        4,
        "a second seed of two arms, and two of another context: {left:?}"
    );
    assert!(left.iter().any(|l| {
        l["reason"]
            .as_str()
            .is_some_and(|r| r.contains("context 12"))
    }));
    let shares = numbers(&found["explained"]);
    assert_eq!(shares.len(), 3);
    assert!(shares.windows(2).all(|w| w[0] >= w[1]) && shares.iter().sum::<f64>() <= 1.0);
    let paths = found["paths"].as_array().expect("paths");
    assert_eq!(paths.len(), 2);
    // Both arms begin at the same weights; equal rows have equal coordinates up to rounding.
    let apart = |at: usize| {
        let [a, b] = [0, 1].map(|k: usize| numbers(&paths[k]["places"][at]));
        let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    assert!(apart(0) < 1e-9, "{}", apart(0));
    assert!(apart(9) > 1e-3, "{}", apart(9));
    // Scores of a component are centred, and its variance is its share.
    let mut sums = [0.0; 3];
    let mut squares = [0.0; 3];
    for path in paths {
        for place in path["places"].as_array().expect("places") {
            for (k, x) in numbers(place).into_iter().enumerate() {
                sums[k] += x;
                squares[k] += x * x;
            }
        }
    }
    for k in 0..3 {
        assert!(sums[k].abs() < 1e-5, "{sums:?}");
        let share = squares[k] / squares[0] * shares[0];
        assert!((share - shares[k]).abs() < 1e-6, "{squares:?} {shares:?}");
    }
    let names: Vec<&str> = found["oracles"]
        .as_array()
        .expect("oracles")
        .iter()
        .filter_map(|o| o["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "unigram",
            "bigram",
            "trigram",
            "bag_of_context",
            "in_context"
        ]
    );

    // The same again is read; other bounds are another result.
    let written = sandbox.times("run/analysis");
    assert_eq!(of(&["--components", "3", "--replicas-per-arm", "1"]), found);
    assert_eq!(sandbox.times("run/analysis"), written, "found again");
    assert_eq!(of(&[])["paths"].as_array().map(Vec::len), Some(4));
}

#[test]
fn an_analysis_finds_them_and_the_report_draws_them() {
    let sandbox = Sandbox::new();
    run_small(&sandbox);
    let page = sandbox.text("run/report.html");
    assert!(page.contains("Trajectory of outputs") && page.contains("bag of context</text>"));

    let without = [
        "run",
        "small.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "other",
        "--set",
    ];
    sandbox
        .run(&[&without[..], &["analysis.dynamics=false"]].concat())
        .json();
    assert!(!sandbox.path("other/analysis/dynamics.json").exists());
    assert!(
        !sandbox
            .text("other/report.html")
            .contains("Trajectory of outputs")
    );

    // What is no result is made again by the command, and refused by the report, which cannot.
    sandbox.write("run/analysis/dynamics.json", "{}");
    let refused = sandbox.run(&["report", "run", "--json"]).refusal().message;
    assert!(
        refused.contains("dynamics.json does not hold dynamics"),
        "{refused}"
    );
    sandbox.run(&["dynamics", "run"]).success();
    sandbox.run(&["report", "run"]).success();
}

#[test]
fn a_run_without_checkpoints_is_refused() {
    let sandbox = Sandbox::new();
    let error = sandbox.run(&["dynamics", "nowhere", "--json"]).refusal();
    assert!(error.message.contains("nowhere"), "{}", error.message);
    let bound = sandbox.run(&["dynamics", "nowhere", "--components", "0", "--json"]);
    assert!(bound.refusal().message.contains("--components"));
}
