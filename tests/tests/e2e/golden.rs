//! What two short runs came to when this was written down, to the last bit.
//!
//! `tests/golden` holds a record of each run: its keys, the hashes of its checkpoints, its table
//! and its stages. Bits depend on how a machine multiplies and takes exponentials, so a record says
//! on which arithmetic it was made. On that arithmetic everything has to come out equal; on another
//! the keys and the initial weights do, and the rest nearly.
//!
//! `ONTOGENY_GOLDEN=write cargo test … golden` writes the records anew.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do; the lint knows only functions marked as tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData, activation};
use ontogeny_store::hash_of_bytes;
use ontogeny_tests::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Few and small draws, so that a run takes seconds.
const SHORT: [&str; 6] = [
    "analysis.repeated=8",
    "analysis.llc.chains=2",
    "analysis.llc.draws=20",
    "analysis.llc.burn_in=5",
    "analysis.llc.batch=8",
    "analysis.held_out=64",
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    arithmetic: String,
    run_key: String,
    /// Content hash by step.
    checkpoints: BTreeMap<u64, String>,
    /// Names of the results of λ̂.
    llc_keys: BTreeSet<String>,
    /// BLAKE3 of the table without what is told in words.
    table: String,
    /// The loss by step.
    loss: Vec<(u64, f64)>,
    stages: Vec<Stage>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    name: String,
    /// Where it ends, with the interval.
    end: Option<[f64; 3]>,
}

#[test]
fn the_default_run_comes_out_as_it_did() {
    let settings = [
        "training.steps=500",
        "training.batch=16",
        "checkpoints.log=14",
    ];
    check("induction", &settings);
}

#[test]
fn a_run_on_text_comes_out_as_it_did() {
    let settings = [
        "training.steps=300",
        "training.batch=4",
        "checkpoints.log=12",
        "data.d_vocab=300",
        "model.d_model=32",
        "model.n_ctx=32",
    ];
    check("text", &settings);
}

#[track_caller]
fn check(name: &str, settings: &[&str]) {
    let sandbox = Sandbox::new();
    let config = package().join(format!("../configs/{name}.toml"));
    let config = config.to_str().unwrap();
    let mut arguments = vec!["run", config, "--json", "--device", "cpu", "--out", "run"];
    for setting in settings.iter().chain(&SHORT) {
        arguments.extend(["--set", setting]);
    }
    let said = sandbox.run(&arguments).json();
    let found = record(&sandbox.path("run"), &said);
    let path = package().join(format!("golden/{name}.json"));
    if std::env::var_os("ONTOGENY_GOLDEN").is_some_and(|what| what == "write") {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        return fs::write(&path, text).unwrap();
    }
    let expected: Record = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    if found.arithmetic == expected.arithmetic {
        return assert_eq!(found, expected);
    }
    assert_eq!(found.run_key, expected.run_key);
    let steps = |record: &Record| record.checkpoints.keys().copied().collect::<Vec<_>>();
    assert_eq!(steps(&found), steps(&expected));
    assert_eq!(
        found.checkpoints[&0], expected.checkpoints[&0],
        "initial weights"
    );
    // Sums taken in another order differ by some 1e-7 of themselves. In a few hundred steps of a
    // training that has no sharp turn behind it, that grows by three orders of magnitude at most.
    for ((step, found), (_, expected)) in found.loss.iter().zip(&expected.loss) {
        let apart = (found - expected).abs() / expected.abs();
        assert!(apart < 1e-3, "loss at step {step}: {found}, not {expected}");
    }
    let names = |record: &Record| {
        let names = record.stages.iter().map(|stage| stage.name.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&found), names(&expected));
    for (found, expected) in found.stages.iter().zip(&expected.stages) {
        if let (Some([at, ..]), Some([_, lo, hi])) = (found.end, expected.end) {
            assert!((lo..=hi).contains(&at), "{found:?}, not {expected:?}");
        }
    }
}

/// The folder of this package.
fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn record(run: &Path, said: &Value) -> Record {
    let json =
        |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checkpoints = said["checkpoints"].as_array().unwrap().iter();
    let results = fs::read_dir(run.join("analysis/llc")).unwrap();
    let names = results.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut rows: Vec<Value> = fs::read_to_string(run.join("analysis/table.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Wording may change.
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("words");
    }
    let reports = json(run.join("analysis/stages.json"));
    let stages = reports[0]["report"]["stages"].as_array().unwrap().iter();
    Record {
        arithmetic: arithmetic(),
        run_key: text(&json(run.join("run.json"))["config_key"]),
        checkpoints: checkpoints
            .map(|c| (c["step"].as_u64().unwrap(), text(&c["hash"])))
            .collect(),
        llc_keys: names
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect(),
        table: hash_of_bytes(&serde_json::to_vec(&rows).unwrap()).to_string(),
        loss: rows
            .iter()
            .map(|row| {
                (
                    row["step"].as_u64().unwrap(),
                    row["values"]["loss"].as_f64().unwrap(),
                )
            })
            .collect(),
        stages: stages
            .map(|stage| Stage {
                name: text(&stage["name"]),
                end: stage["end"].as_f64().map(|end| {
                    let side = |name: &str| stage[name].as_f64().unwrap();
                    [end, side("end_lo"), side("end_hi")]
                }),
            })
            .collect(),
    }
}

/// Names how this machine multiplies and takes exponentials, by what comes out.
fn arithmetic() -> String {
    let device = Device::flex();
    let matrix = |rows: usize, cols: usize| {
        let values: Vec<f32> = (0..rows * cols)
            .map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5)
            .collect();
        Tensor::<2>::from_data(TensorData::new(values, [rows, cols]), &device)
    };
    let product = matrix(96, 160).matmul(matrix(160, 80));
    let all = [
        activation::softmax(product.clone(), 1),
        product.clone().exp(),
        product.clone().tanh(),
        activation::gelu(product.clone()),
        product.clone().powf_scalar(2.0).sum_dim(1),
        product,
    ];
    let bytes: Vec<u8> = all
        .into_iter()
        .flat_map(|tensor| tensor.into_data().try_to_vec::<f32>().unwrap())
        .flat_map(f32::to_le_bytes)
        .collect();
    hash_of_bytes(&bytes).to_string()
}
