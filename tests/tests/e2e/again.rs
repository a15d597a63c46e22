//! The same command again: nothing is done twice, nothing comes out differently.

use std::fs;
use std::path::Path;

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::SMALL;

const RUN: [&str; 7] = [
    "run",
    "small.toml",
    "--json",
    "--device",
    "cpu",
    "--out",
    "run",
];
const TRAIN: [&str; 7] = [
    "train",
    "small.toml",
    "--json",
    "--device",
    "cpu",
    "--out",
    "run",
];
const ANALYZE: [&str; 3] = ["analyze", "run", "--json"];

/// What scripts read, without what may differ from call to call.
fn lasting(mut result: Value) -> Value {
    if let Some(object) = result.as_object_mut() {
        object.remove("seconds");
    }
    result
}

#[test]
fn a_second_run_finds_everything_done() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let first = lasting(sandbox.run(&RUN).json());
    let (files, written) = (sandbox.tree("run"), sandbox.times("run/analysis/llc"));

    let again = sandbox.run(&RUN).success();
    assert!(again.stderr.contains("complete at step 100"), "{again}");
    assert_eq!(lasting(again.json()), first);
    assert_eq!(sandbox.times("run/analysis/llc"), written, "measured again");
    let unlike = ["run.lock", "seconds.json", "report.html"];
    for (path, content) in sandbox.tree("run") {
        if !unlike.iter().any(|name| path.ends_with(name)) {
            assert!(
                files.get(&path) == Some(&content),
                "{} has changed",
                path.display()
            );
        }
    }

    // What was lost is measured again, and comes out the same.
    fs::remove_dir_all(sandbox.path("run/analysis/llc")).expect("results can be removed");
    assert_eq!(lasting(sandbox.run(&RUN).json()), first);
    assert_eq!(sandbox.names("run/analysis/llc").len(), written.len());
    assert_eq!(
        files.get(Path::new("analysis/table.jsonl")),
        Some(&sandbox.read("run/analysis/table.jsonl"))
    );

    // Each part alone, from what is on disk.
    let alone = sandbox.run(&ANALYZE).json();
    assert_eq!(
        alone["replicas"][1]["stages"],
        first["replicas"][1]["stages"]
    );
    fs::remove_file(sandbox.path("run/report.html")).expect("a report can be removed");
    let report = sandbox.run(&["report", "run", "--json"]).json();
    assert_eq!(report["report"], "run/report.html");
    assert!(
        sandbox
            .text("run/report.html")
            .starts_with("<!doctype html>")
    );

    // Other settings are other causes: the figures of both are kept apart.
    let other = sandbox.run(&[&ANALYZE[..], &["--set", "analysis.llc.nbeta=50"]].concat());
    other.success();
    assert_eq!(sandbox.names("run/analysis/llc").len(), 2 * written.len());
    assert_ne!(
        files.get(Path::new("analysis/table.jsonl")),
        Some(&sandbox.read("run/analysis/table.jsonl"))
    );
}

#[test]
fn an_analysis_that_was_killed_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    sandbox.run(&TRAIN).success();
    // Long enough that there is something to kill.
    let analyze = [&ANALYZE[..], &["--set", "analysis.llc.draws=300"]].concat();
    sandbox.run(&analyze).success();
    let whole = sandbox.tree("run/analysis");
    let count = sandbox.names("run/analysis/llc").len();
    fs::remove_dir_all(sandbox.path("run/analysis")).expect("results can be removed");

    for (part, by_signal) in [(1, false), (count / 4, true), (count / 2, false)] {
        let mut analysis = sandbox.start(&analyze);
        analysis.wait_until("a result", || {
            sandbox.names("run/analysis/llc").len() > part
        });
        if by_signal {
            analysis.interrupt();
            let ended = analysis.wait();
            assert_eq!(ended.status.code(), Some(130), "{ended}");
            let refusal = ended.refusal();
            assert!(
                refusal.message.contains("the same command goes on"),
                "{ended}"
            );
        } else {
            analysis.kill();
        }
        assert!(
            sandbox.names("run/analysis/llc").len() < count,
            "there is something left to do"
        );
        assert!(!sandbox.path("run/analysis/table.jsonl").exists());
    }
    let kept = sandbox.times("run/analysis/llc");
    sandbox.run(&analyze).success();
    let now = sandbox.times("run/analysis/llc");
    for (path, time) in kept {
        let finished = path.extension().is_some_and(|e| e == "json");
        assert!(
            !finished || now.get(&path) == Some(&time),
            "{} was measured again",
            path.display()
        );
    }
    let mut found = sandbox.tree("run/analysis");
    // What a killed writer left half written is in nobody's way.
    found.retain(|path, _| !path.to_string_lossy().contains(".partial-"));
    assert!(
        found == whole,
        "results differ from those of an analysis in one go"
    );
}
