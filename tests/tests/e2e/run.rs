//! `run`: a configuration in, stages and a report out.

use std::path::Path;

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::SMALL;

#[test]
fn one_command_trains_analyses_and_reports() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let ended = sandbox
        .run(&["run", "small.toml", "--json", "--device", "cpu"])
        .success();
    for said in [
        "training 2 replicas (seed0 … seed1) for 100 steps",
        "analysing",
    ] {
        assert!(ended.stderr.contains(said), "{ended}");
    }
    let result = ended.json();
    assert_eq!(result["schema"], 1);
    let folder = result["run"].as_str().expect("the run's folder");
    assert!(folder.starts_with("runs/small-"), "{folder}");
    for phase in ["train", "analyze", "report"] {
        let seconds = result["seconds"][phase].as_f64();
        assert!(seconds.is_some_and(|s| s > 0.0), "{phase}: {seconds:?}");
    }
    checkpoints_are_as_promised(&sandbox, &result["checkpoints"]);
    replicas_are_as_promised(&result["replicas"]);
    the_table_is_complete(&sandbox, folder, &result["checkpoints"]);

    let report = result["report"].as_str().expect("the report's path");
    assert_eq!(Path::new(report), Path::new(folder).join("report.html"));
}

#[track_caller]
fn checkpoints_are_as_promised(sandbox: &Sandbox, checkpoints: &Value) {
    let checkpoints = checkpoints.as_array().expect("a list of checkpoints");
    let steps: Vec<u64> = checkpoints
        .iter()
        .filter_map(|c| c["step"].as_u64())
        .collect();
    assert_eq!(steps.len(), checkpoints.len());
    assert!(steps.is_sorted_by(|a, b| a < b), "{steps:?}");
    assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&100)));
    assert!(steps.len() >= 12, "{steps:?}");
    for checkpoint in checkpoints {
        let path = checkpoint["path"].as_str().expect("a path");
        let (metadata, tensors) = header(&sandbox.read(path));
        assert_eq!(
            checkpoint["replicas"],
            serde_json::json!(["seed0", "seed1"])
        );
        assert_eq!(metadata["replicas"], r#"["seed0","seed1"]"#);
        assert_eq!(metadata["step"], checkpoint["step"].to_string());
        assert_eq!(metadata["hash"], checkpoint["hash"]);
        assert_eq!(
            tensors["blocks.1.attn.W_Q"]["shape"],
            serde_json::json!([2, 2, 16, 8])
        );
        assert!(sandbox.path(path).with_file_name("config.json").exists());
    }
}

#[track_caller]
fn replicas_are_as_promised(replicas: &Value) {
    let replicas = replicas.as_array().expect("a list of replicas");
    let names: Vec<&Value> = replicas.iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["seed0", "seed1"]);
    for (seed, replica) in replicas.iter().enumerate() {
        assert_eq!(
            (&replica["arm"], replica["seed"].as_u64()),
            (&"base".into(), Some(seed as u64))
        );
        assert_eq!(replica["final_step"], 100);
        let stages = replica["stages"].as_array().expect("a list of stages");
        assert!(
            !stages.is_empty(),
            "a network that learns has a stage: {replica}"
        );
        for stage in stages {
            let figure = |key: &str| {
                assert!(stage.get(key).is_some(), "a stage has no {key}: {stage}");
                stage[key].as_f64()
            };
            assert!(stage["name"].is_string(), "{stage}");
            let start = ["start_lo", "start", "start_hi"].map(figure);
            assert!(start.is_sorted() && start[0].is_some(), "{stage}");
            let end = ["end_lo", "end", "end_hi"].map(figure);
            // Null where the run ended first.
            assert!(
                end == [None; 3] || (end.is_sorted() && end[0].is_some()),
                "{stage}"
            );
        }
        let last = stages.last().expect("not empty");
        assert!(
            last["end"].is_null(),
            "the last stage ends with the run: {last}"
        );
    }
}

/// A row for each checkpoint of each replica, with every kind of measure, λ̂ among them.
#[track_caller]
fn the_table_is_complete(sandbox: &Sandbox, folder: &str, checkpoints: &Value) {
    let table = sandbox.text(Path::new(folder).join("analysis/table.jsonl"));
    let rows: Vec<Value> = table
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row is JSON"))
        .collect();
    assert_eq!(rows.len(), 2 * checkpoints.as_array().map_or(0, Vec::len));
    for row in &rows {
        for measure in [
            "loss",
            "icl_score",
            "divergence.bigram",
            "cross_entropy.in_context",
            "trigger_loss.first",
            "previous_token.0.0",
            "induction.1.1",
            "weight_norm",
            "llc",
            "llc_se",
        ] {
            assert!(row["values"][measure].is_number(), "no {measure} in {row}");
        }
        assert_eq!(row["values"]["llc_chains_used"], 2.0);
        assert_eq!(
            row["vectors"]["loss_by_position"].as_array().map(Vec::len),
            Some(16)
        );
        assert_eq!(
            row["tokens"].as_u64(),
            row["step"].as_u64().map(|step| step * 8 * 16)
        );
    }
}

#[test]
fn a_person_is_shown_the_stages_and_the_way_to_the_report() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let set = ["--set", "seeds=[3]", "--set", "analysis.llc.enabled=false"];
    let arguments = [
        &["run", "small.toml", "--device", "cpu", "--out", "mine"][..],
        &set,
    ]
    .concat();
    let ended = sandbox.run(&arguments).success();
    assert!(ended.stdout.starts_with("seed3\n"), "{ended}");
    assert!(ended.stdout.contains("Δloss -"), "{ended}");
    assert!(
        ended.stdout.ends_with("report: mine/report.html\n"),
        "{ended}"
    );
    assert!(!sandbox.path("mine/analysis/llc").exists());
}

/// Metadata and tensors of a safetensors file, from its header alone.
pub fn header(file: &[u8]) -> (Value, Value) {
    let (length, rest) = file.split_first_chunk::<8>().expect("a length");
    let header = &rest[..u64::from_le_bytes(*length) as usize];
    let header: Value = serde_json::from_slice(header).expect("a header in JSON");
    (header["__metadata__"].clone(), header)
}
