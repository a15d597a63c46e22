//! Looking on while a run is trained changes nothing in it, and is no work done twice.

use std::path::PathBuf;

use ontogeny_tests::Sandbox;

use crate::SMALL;

#[test]
fn a_watched_run_has_the_same_bits_and_its_analysis_finds_what_the_monitor_measured() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let train = |out: &str, online: &str| {
        let set = format!("stages.online={online}");
        let arguments = [
            "train",
            "small.toml",
            "--json",
            "--device",
            "cpu",
            "--out",
            out,
            "--set",
            &set,
            "--set",
            "stages.online_share=1.0",
            "--set",
            "training.steps=600",
        ];
        sandbox.run(&arguments).json();
    };
    train("watched", "true");
    train("alone", "false");
    assert_eq!(
        kept(&sandbox, "watched", &["checkpoints", "metrics.jsonl"]),
        kept(&sandbox, "alone", &["checkpoints", "metrics.jsonl"])
    );
    let measured = sandbox.times("watched/analysis/behaviour");
    assert!(!measured.is_empty(), "the monitor measured nothing");
    for run in ["watched", "alone"] {
        sandbox.run(&["analyze", run, "--json"]).json();
    }
    let after = sandbox.times("watched/analysis/behaviour");
    for (path, time) in measured {
        assert_eq!(after.get(&path), Some(&time), "measured again");
    }
    assert_eq!(
        kept(&sandbox, "watched", &["analysis/table.jsonl"]),
        kept(&sandbox, "alone", &["analysis/table.jsonl"])
    );
}

/// The files of a run's folder whose paths begin so.
fn kept(sandbox: &Sandbox, run: &str, beginnings: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let tree = sandbox.tree(run).into_iter();
    let kept: Vec<(PathBuf, Vec<u8>)> = tree
        .filter(|(path, _)| beginnings.iter().any(|b| path.starts_with(b)))
        .collect();
    assert!(!kept.is_empty());
    kept
}
