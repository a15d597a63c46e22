//! Several arms and seeds in one run, sources that change, weights that come from elsewhere.

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::SMALL;

/// Arms with learning rates of their own.
fn arms(rates: &[(&str, &str)]) -> String {
    let arm = |(name, rate): &(&str, &str)| {
        format!("\n[[arms]]\nname = \"{name}\"\nset = {{ \"training.lr\" = {rate} }}\n")
    };
    SMALL.to_owned() + &rates.iter().map(arm).collect::<String>()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// Log-probabilities of one replica at one step, as printed.
#[track_caller]
fn predicted(sandbox: &Sandbox, run: &str, step: u64, replica: &str) -> Value {
    let path = format!("{run}/checkpoints/step-{step:010}.safetensors");
    let arguments = [
        "predict",
        &path,
        "--replica",
        replica,
        "--tokens",
        "3,1,4,1,5,9",
        "--json",
    ];
    sandbox.run(&arguments).json()["log_probs"].take()
}

#[test]
fn a_replica_that_explodes_is_named_and_frozen_and_harms_no_other() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "both.toml",
        arms(&[("calm", "1e-2"), ("wild", "1e30"), ("slow", "1e-3")]),
    );
    sandbox.write("calm.toml", arms(&[("calm", "1e-2")]));
    let ended = sandbox.run(&[
        "run",
        "both.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "both",
    ]);
    let stderr = ended.stderr.clone();
    let result = ended.json();

    let replicas = result["replicas"].as_array().expect("a list of replicas");
    let names: Vec<&str> = replicas.iter().filter_map(|r| r["name"].as_str()).collect();
    let expected = [
        "calm.seed0",
        "calm.seed1",
        "wild.seed0",
        "wild.seed1",
        "slow.seed0",
        "slow.seed1",
    ];
    assert_eq!(names, expected);
    for checkpoint in result["checkpoints"]
        .as_array()
        .expect("a list of checkpoints")
    {
        assert_eq!(checkpoint["replicas"], serde_json::json!(expected));
    }
    for replica in replicas {
        let name = replica["name"].as_str().expect("a name");
        let wild = replica["arm"] == "wild";
        assert_eq!(replica["frozen_at"].is_u64(), wild, "{replica}");
        assert_eq!(
            stderr.contains(&format!("warning: {name} stopped being finite")),
            wild,
            "{stderr}"
        );
        assert_eq!(
            !replica["stages"].as_array().is_none_or(Vec::is_empty),
            !wild,
            "{replica}"
        );
    }

    // The others: to the bit what they are without it.
    sandbox
        .run(&[
            "train",
            "calm.toml",
            "--json",
            "--device",
            "cpu",
            "--out",
            "calm",
        ])
        .success();
    let calm = sandbox.text("calm/metrics.jsonl");
    let both = sandbox.text("both/metrics.jsonl");
    let beside: Vec<&str> = both
        .lines()
        .filter(|line| line.contains("\"calm."))
        .collect();
    assert_eq!(beside, calm.lines().collect::<Vec<_>>());
    for seed in ["calm.seed0", "calm.seed1"] {
        assert_eq!(
            predicted(&sandbox, "both", 100, seed),
            predicted(&sandbox, "calm", 100, seed)
        );
    }
    assert_ne!(
        predicted(&sandbox, "both", 100, "calm.seed0"),
        predicted(&sandbox, "both", 100, "slow.seed0")
    );

    // The frozen one keeps the weights it had, and its lines say since when.
    for line in lines(&both)
        .iter()
        .filter(|line| line["step"].as_u64() > Some(5))
    {
        let wild = line["replica"]
            .as_str()
            .is_some_and(|name| name.starts_with("wild."));
        assert_eq!(line["frozen_at"].is_u64(), wild, "{line}");
    }
}

#[test]
fn arms_of_other_shapes_lie_in_folders_of_their_own() {
    let sandbox = Sandbox::new();
    let wide = "\n[[arms]]\nname = \"plain\"\n[[arms]]\nname = \"wide\"\nset = { \"model.d_model\" = 24 }\n";
    sandbox.write("shapes.toml", SMALL.to_owned() + wide);
    let set = [
        "--set",
        "training.steps=30",
        "--set",
        "analysis.llc.enabled=false",
    ];
    let run = [
        "run",
        "shapes.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];
    let result = sandbox.run(&[&run[..], &set].concat()).json();
    for arm in ["plain", "wide"] {
        let names = serde_json::json!([format!("{arm}.seed0"), format!("{arm}.seed1")]);
        let checkpoints = result["checkpoints"]
            .as_array()
            .expect("a list of checkpoints");
        let mut own = checkpoints.iter().filter(|c| c["replicas"] == names);
        let path = own
            .next_back()
            .and_then(|c| c["path"].as_str())
            .expect("a checkpoint");
        assert!(
            path.starts_with(&format!("run/checkpoints/{arm}/")),
            "{path}"
        );
    }
}

#[test]
fn sources_take_turns_and_others_are_measured_beside_them() {
    let sandbox = Sandbox::new();
    let more = "
[[phases]]
at = 50
data = { kind = \"ngram_induction\", d_vocab = 16, seed = 7 }

[[evals]]
name = \"later\"
data = { kind = \"ngram_induction\", d_vocab = 16, seed = 7 }
";
    sandbox.write("phases.toml", SMALL.to_owned() + more);
    let run = [
        "run",
        "phases.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];
    let quick = [
        "--set",
        "seeds=[0]",
        "--set",
        "analysis.llc.data=later",
        "--set",
        "checkpoints.at=[50]",
    ];
    sandbox.run(&[&run[..], &quick].concat()).success();
    let rows = lines(&sandbox.text("run/analysis/table.jsonl"));
    let at = |step: u64, name: &str| {
        let row = rows.iter().find(|row| row["step"] == step).expect("a row");
        row["values"][name].as_f64().expect("a figure")
    };
    // After the change the later source is the training source.
    assert!(at(50, "loss.later") > at(100, "loss.later") + 0.1);
    assert_eq!(at(100, "loss.later"), at(100, "loss"));
    assert_ne!(at(0, "loss.later"), at(0, "loss"));
    assert!(rows.iter().all(|row| row["values"]["llc"].is_number()));
}

#[test]
fn a_run_starts_from_the_checkpoint_of_another() {
    let sandbox = Sandbox::new();
    sandbox.write("first.toml", SMALL);
    sandbox
        .run(&[
            "train",
            "first.toml",
            "--json",
            "--device",
            "cpu",
            "--out",
            "first",
        ])
        .success();
    let start = "\n[training]\nsteps = 40\nstart_from = \"first/checkpoints/step-0000000100.safetensors\"\nstart_replica = \"seed1\"\n";
    sandbox.write(
        "second.toml",
        SMALL.replace("\n[training]\nsteps = 100\n", start),
    );
    let train = [
        "train",
        "second.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "second",
    ];
    sandbox.run(&train).success();
    for seed in ["seed0", "seed1"] {
        let end = predicted(&sandbox, "first", 100, "seed1");
        assert_eq!(predicted(&sandbox, "second", 0, seed), end);
        assert_ne!(predicted(&sandbox, "second", 40, seed), end);
    }
}
