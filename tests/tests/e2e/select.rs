//! `select`: which of two checkpoints a posterior prefers.

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::{SMALL, run_small};

fn figure(of: &Value) -> f64 {
    of.as_f64().expect("a figure")
}

#[test]
fn two_checkpoints_of_a_run_are_compared() {
    let sandbox = Sandbox::new();
    run_small(&sandbox);
    let estimated = sandbox.times("run/analysis/llc");
    let select = |a: &str, b: &str| {
        let both = ["select", a, b, "--replica", "seed1", "--json"];
        sandbox.run(&both).json()
    };
    let found = select("run@29", "run@100000");
    assert_eq!(
        sandbox.times("run/analysis/llc"),
        estimated,
        "λ̂ was there already"
    );
    let (a, b) = (&found["a"], &found["b"]);
    assert!(figure(&a["step"]) < 40.0 && figure(&b["step"]) == 100.0);

    // Against the table, which was made another way: same sequences, same chains.
    let rows: Vec<Value> = sandbox
        .text("run/analysis/table.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    let row = |of: &Value| {
        let own = |r: &&Value| r["replica"] == "seed1" && r["step"] == of["step"];
        rows.iter().find(own).expect("its row").clone()
    };
    let (row_a, row_b) = (row(a), row(b));
    let change = |name: &str| figure(&row_b["values"][name]) - figure(&row_a["values"][name]);
    assert!((figure(&found["delta_llc"]) - change("llc")).abs() < 1e-9);
    // Sixteen tokens a sequence; single precision.
    assert!((figure(&found["delta_loss"]) - 16.0 * change("loss")).abs() < 1e-3);
    assert!(figure(&found["delta_loss_se"]) > 0.0 && figure(&found["delta_llc_se"]) > 0.0);
    assert_eq!(
        (&found["tokens_per_sequence"], &found["chains"]),
        (&16.into(), &2.into())
    );
    for odds in found["odds"].as_array().expect("a table") {
        let n = figure(&odds["n"]);
        let expected = n * figure(&found["delta_loss"]) + n.ln() * figure(&found["delta_llc"]);
        assert!((figure(&odds["log_odds"]) - expected).abs() < 1e-6 * expected.abs().max(1.0));
        assert!(figure(&odds["lo"]) <= figure(&odds["hi"]));
    }
    assert!(found["caveats"].as_array().is_some_and(|c| c.len() > 2));

    // The two exchanged, one of them as a file.
    let back = select(b["checkpoint"].as_str().expect("a path"), "run@29");
    assert_eq!(figure(&back["delta_llc"]), -figure(&found["delta_llc"]));
    assert_eq!(back["critical"]["n"], found["critical"]["n"]);

    // Other settings are estimated, and kept.
    let fresh = [
        "select",
        "run@0",
        "run@100",
        "--replica",
        "seed0,seed1",
        "--set",
    ];
    let more = sandbox.run(&[&fresh[..], &["analysis.llc.draws=12"]].concat());
    let printed = more.success().stdout;
    assert!(
        printed.contains("mid-training") && printed.contains("counting tokens"),
        "{printed}"
    );
    assert_eq!(sandbox.names("run/analysis/llc").len(), estimated.len() + 4);
    let page = sandbox.text("run/report.html");
    assert!(page.contains("Selection between stages") || !page.contains("class=\"stage "));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    for (out, vocabulary) in [("run", "data.d_vocab=16"), ("other", "data.d_vocab=12")] {
        let train = [
            "train",
            "small.toml",
            "--device",
            "cpu",
            "--out",
            out,
            "--set",
        ];
        sandbox.run(&[&train[..], &[vocabulary]].concat()).success();
    }
    let before = sandbox.tree("run");
    for (arguments, message) in [
        (&["run@0", "run@100"][..], "several replicas"),
        (
            &["run@0", "run@0", "--replica", "seed0"],
            "the same checkpoint",
        ),
        (
            &["run@0", "run", "--replica", "seed0"],
            "a run's folder and no checkpoint",
        ),
        (
            &["run@soon", "run@100", "--replica", "seed0"],
            "`soon` is no step",
        ),
        (
            &["nowhere@3", "run@100", "--replica", "seed0"],
            "is no run's folder",
        ),
        (
            &["run@0", "gone.safetensors", "--replica", "seed0"],
            "no such file",
        ),
        (
            &["run@0", "run@100", "--replica", "seed7"],
            "no replica `seed7`",
        ),
        (&["run@0", "other@100", "--replica", "seed0"], "other data"),
        (
            &["run@0", "run@9", "--replica", "seed0,seed1,seed0"],
            "one replica, or two",
        ),
        (
            &["run@0", "run@100", "--replica", "seed0", "--level", "1"],
            "--level",
        ),
        (
            &[
                "run@0",
                "run@100",
                "--replica",
                "seed0",
                "--set",
                "analysis.llc.chains=1",
            ],
            "two chains at least",
        ),
    ] {
        let command = [&["select", "--json"], arguments].concat();
        let error = sandbox.run(&command).refusal().message;
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
    let after = sandbox.tree("run");
    let beyond = |path: &&std::path::PathBuf| !before.contains_key(*path);
    let new: Vec<_> = after.keys().filter(beyond).collect();
    // One chain has an estimate, if no error.
    assert!(new.iter().all(|p| p.starts_with("analysis")), "{new:?}");
}
