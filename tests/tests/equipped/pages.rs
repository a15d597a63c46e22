//! Reports and comparisons as a browser shows them.

use ontogeny_tests::{SMALL, Sandbox, run_small};

use crate::browser;

const ON_CPU: [&str; 3] = ["--json", "--device", "cpu"];

pub fn the_report_of_a_run_shows_its_charts() {
    let sandbox = Sandbox::new();
    run_small(&sandbox);
    let page = browser::open(&sandbox.path("run/report.html"));
    for chart in [
        "loss",
        "llc",
        "divergence",
        "triggers",
        "icl",
        "previous_token",
        "induction",
    ] {
        assert!(
            page.contains(&format!("data-chart=\"{chart}\"")),
            "no chart of {chart}"
        );
    }
    let drawn = page.matches("<path").count() + page.matches("<polyline").count();
    assert!(drawn > 10, "{drawn} lines are drawn");
    for text in ["seed0", "seed1", "small.toml", "held_out = 32"] {
        assert!(page.contains(text), "the page does not show {text}");
    }
}

pub fn what_was_not_measured_is_said_not_to_be() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let set = ["--set", "seeds=[3]", "--set", "analysis.llc.enabled=false"];
    let arguments = [&["run", "small.toml", "--out", "mine"], &ON_CPU[..], &set].concat();
    sandbox.run(&arguments).success();
    let page = browser::open(&sandbox.path("mine/report.html"));
    assert!(!page.contains("data-chart=\"llc\"") && page.contains("not estimated"));
}

pub fn a_frozen_replica_is_named() {
    let sandbox = Sandbox::new();
    let wild = "\n[[arms]]\nname = \"calm\"\n\
                [[arms]]\nname = \"wild\"\nset = { \"training.lr\" = 1e30 }\n";
    sandbox.write("both.toml", SMALL.to_owned() + wild);
    let set = ["--set", "analysis.llc.enabled=false"];
    let arguments = [&["run", "both.toml", "--out", "both"], &ON_CPU[..], &set].concat();
    sandbox.run(&arguments).success();
    let page = browser::open(&sandbox.path("both/report.html"));
    assert!(
        page.contains("stopped being finite"),
        "the page does not say that a replica was frozen"
    );
}

pub fn a_comparison_shows_its_knob() {
    let sandbox = Sandbox::new();
    let arm = |name: &str, recurrence: f64| {
        format!("\n[[arms]]\nname = \"{name}\"\nset = {{ \"data.recurrence\" = {recurrence} }}\n")
    };
    sandbox.write(
        "arms.toml",
        SMALL.to_owned() + &arm("rare", 0.1) + &arm("often", 0.4),
    );
    let set = ["--set", "analysis.llc.enabled=false"];
    let arguments = [&["run", "arms.toml", "--out", "arms"], &ON_CPU[..], &set].concat();
    sandbox.run(&arguments).success();
    let resamples = ["--resamples", "100", "--permutations", "100"];
    sandbox
        .run(&[&["compare", "arms"], &resamples[..]].concat())
        .success();
    let page = browser::open(&sandbox.path("arms/compare/compare.html"));
    assert!(page.contains("induction*") && page.contains("data.recurrence"));
}
