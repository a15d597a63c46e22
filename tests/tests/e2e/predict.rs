//! `predict` and `export`: what others compute from a checkpoint.

use std::path::Path;
use std::process::Command;

use ontogeny_tests::{Sandbox, binary};
use serde_json::Value;

use crate::SMALL;
use crate::run::header;

/// Networks that differ in everything that a `config.json` can say.
const NETWORKS: [(&str, &str); 5] = [
    ("attention", ""),
    ("mlp", "d_mlp = 24\nactivation = \"relu\"\n"),
    (
        "shortformer",
        "positions = \"shortformer\"\nbias = false\nd_mlp = 12\n",
    ),
    (
        "rotary",
        "positions = \"rotary\"\nnorm = \"none\"\nd_head = 6\n",
    ),
    ("tied", "tied = true\nn_layers = 1\nd_vocab = 20\n"),
];

/// Trains a network for a few steps and returns the path of its last checkpoint.
#[track_caller]
fn trained(sandbox: &Sandbox, name: &str, model: &str) -> String {
    let config = SMALL.replace("[model]\n", &format!("[model]\n{model}"));
    sandbox.write(format!("{name}.toml"), config);
    let config = format!("{name}.toml");
    let train = ["train", &config, "--json", "--device", "cpu", "--out", name];
    let result = sandbox
        .run(&[&train[..], &["--set", "training.steps=15"]].concat())
        .json();
    let checkpoints = result["checkpoints"]
        .as_array()
        .expect("a list of checkpoints");
    let last = checkpoints.last().and_then(|c| c["path"].as_str());
    last.expect("a checkpoint").to_owned()
}

#[test]
fn each_position_has_a_distribution() {
    let sandbox = Sandbox::new();
    for (name, model) in NETWORKS {
        let checkpoint = trained(&sandbox, name, model);
        let vocabulary = if name == "tied" { 20 } else { 16 };
        let predict = [
            "predict",
            &checkpoint,
            "--replica",
            "seed1",
            "--json",
            "--tokens",
        ];
        let of = |tokens: &str| sandbox.run(&[&predict[..], &[tokens]].concat()).json();
        let predicted = of("3,1,4,1,5");
        assert_eq!(predicted["schema"], 1);
        assert_eq!(predicted["tokens"], serde_json::json!([3, 1, 4, 1, 5]));
        let rows = predicted["log_probs"]
            .as_array()
            .expect("a row for each position");
        assert_eq!(rows.len(), 5);
        for row in rows {
            let row: Vec<f64> = row
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .collect();
            let sum: f64 = row.iter().map(|log_prob| log_prob.exp()).sum();
            assert_eq!(row.len(), vocabulary);
            assert!((sum - 1.0).abs() < 1e-5, "{name}: {sum}");
        }
        // What comes later changes nothing, what came before does.
        let (longer, other) = (of("3,1,4,1,5,0,0"), of("2,1,4,1,5"));
        assert_near(&longer["log_probs"][4], &rows[4]);
        assert_ne!(other["log_probs"][4], rows[4]);
    }
}

#[track_caller]
fn assert_near(found: &Value, expected: &Value) {
    let values = |v: &Value| {
        v.as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect::<Vec<_>>()
    };
    for (f, e) in values(found).iter().zip(values(expected)) {
        assert!((f - e).abs() < 1e-5, "{f}, expected {e}");
    }
}

/// The recomputation that knows nothing but `config.json` and the names of the tensors.
#[test]
fn log_probabilities_agree_with_those_recomputed_outside() {
    let modules = Command::new("python3")
        .args(["-c", "import numpy, safetensors"])
        .output();
    if !modules.is_ok_and(|output| output.status.success()) {
        println!("not tested: needs python3 with numpy and safetensors");
        return;
    }
    let sandbox = Sandbox::new();
    let binary = binary();
    for (name, model) in NETWORKS {
        let checkpoint = trained(&sandbox, name, model);
        // Both replicas of the stack, on a full context.
        let binary = binary.to_str().expect("the binary's path is UTF-8");
        let said = checked_outside(&sandbox, &[&checkpoint, "--binary", binary]);
        assert_eq!(said.matches(": agree").count(), 2, "{name}: {said}");
        // One replica in the classic shapes is the same network.
        let replica = ["--replica", "seed1", "--json"];
        let tokens = ["predict", &checkpoint, "--tokens", "2,7,1,8,2,8"];
        let predicted = sandbox.run(&[&tokens[..], &replica].concat()).success();
        sandbox.write("predicted.json", predicted.stdout);
        let folder = format!("{name}-alone");
        let out = ["export", &checkpoint, "--out", &folder];
        let exported = sandbox.run(&[&out[..], &replica].concat()).json();
        let alone = exported["model"].as_str().expect("a path");
        let said = checked_outside(&sandbox, &[alone, "--predicted", "predicted.json"]);
        assert_eq!(said.matches(": agree").count(), 1, "{name}: {said}");
    }
}

/// What the independent recomputation says, if it agrees.
#[track_caller]
fn checked_outside(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/check_checkpoint.py");
    let checked = Command::new("python3")
        .arg(script)
        .args(arguments)
        .current_dir(sandbox.path(""))
        .output()
        .expect("python3 can be started");
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn one_replica_is_cut_out_in_the_classic_shapes() {
    let sandbox = Sandbox::new();
    let checkpoint = trained(&sandbox, "mlp", NETWORKS[1].1);
    let exported = sandbox
        .run(&["export", &checkpoint, "--replica", "seed1", "--json"])
        .json();
    assert_eq!(exported["model"], "export/model.safetensors");
    assert_eq!(
        (&exported["replica"], &exported["step"]),
        (&"seed1".into(), &15.into())
    );

    let (stacked, alone) = (
        sandbox.read(&checkpoint),
        sandbox.read("export/model.safetensors"),
    );
    let ((_, stacked_header), (metadata, header)) = (header(&stacked), header(&alone));
    assert_eq!(
        (&metadata["format"], &metadata["replica"]),
        (&"pt".into(), &"seed1".into())
    );
    let shape = |name: &str| header[name]["shape"].clone();
    for (name, expected) in [
        ("embed.W_E", &[16, 16][..]),
        ("pos_embed.W_pos", &[16, 16]),
        ("blocks.0.ln1.w", &[16]),
        ("blocks.1.attn.W_Q", &[2, 16, 8]),
        ("blocks.1.attn.b_K", &[2, 8]),
        ("blocks.1.attn.W_O", &[2, 8, 16]),
        ("blocks.0.mlp.W_in", &[16, 24]),
        ("blocks.0.mlp.W_out", &[24, 16]),
        ("unembed.W_U", &[16, 16]),
        ("unembed.b_U", &[16]),
    ] {
        assert_eq!(shape(name), serde_json::json!(expected), "{name}");
    }
    // Every tensor: the second half of the stacked one, to the byte.
    let names: Vec<&String> = header
        .as_object()
        .into_iter()
        .flat_map(|o| o.keys())
        .collect();
    assert_eq!(
        names.len(),
        stacked_header.as_object().map_or(0, serde_json::Map::len)
    );
    for name in names.into_iter().filter(|name| *name != "__metadata__") {
        let whole = bytes(&stacked, &stacked_header[name]);
        assert!(
            bytes(&alone, &header[name]) == &whole[whole.len() / 2..],
            "{name} is not seed1's"
        );
    }
    let config: Value = serde_json::from_slice(&sandbox.read("export/config.json")).expect("JSON");
    assert_eq!(
        (&config["n_layers"], &config["d_mlp"]),
        (&2.into(), &24.into())
    );
}

/// The bytes of a tensor in a safetensors file.
fn bytes<'a>(file: &'a [u8], tensor: &Value) -> &'a [u8] {
    let length = file
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes) as usize);
    let offset = |i: usize| tensor["data_offsets"][i].as_u64().expect("an offset") as usize;
    &file[8 + length..][offset(0)..offset(1)]
}
