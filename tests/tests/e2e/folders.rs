//! Folders of runs that are not what they should be: where `--out` leads, what a configuration or a
//! manifest says, and files of other programs.

use std::os::unix::fs::symlink;

use ontogeny_tests::{Ended, Sandbox};
use serde_json::Value;

/// A run of a second: sixty steps of one replica.
pub const TINY: &str = r#"
name = "t"
seeds = [0]
[data]
kind = "ngram_induction"
d_vocab = 16
[model]
n_ctx = 16
d_model = 16
n_heads = 2
[training]
steps = 60
batch = 4
[checkpoints]
log = 12
[analysis]
held_out = 8
repeated = 4
[analysis.llc]
draws = 12
burn_in = 4
chains = 2
batch = 4
"#;

/// A folder with the configuration and a run of it, trained into `r`.
fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("t.toml", TINY);
    train(&sandbox, "r", &[]).success();
    sandbox
}

/// Trains the configuration into a folder, with something changed.
fn train(sandbox: &Sandbox, out: &str, set: &[&str]) -> Ended {
    let mut arguments = vec!["train", "t.toml", "--json", "--device", "cpu", "--out", out];
    for change in set {
        arguments.extend(["--set", change]);
    }
    sandbox.run(&arguments)
}

/// Copies a folder of the sandbox.
pub fn copy(sandbox: &Sandbox, from: &str, to: &str) {
    for (path, content) in sandbox.tree(from) {
        if !path.to_string_lossy().ends_with('/') {
            sandbox.write(sandbox.path(to).join(path), content);
        }
    }
}

#[test]
fn a_place_that_cannot_be_a_runs_folder_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::new();
    sandbox.write("t.toml", TINY);
    sandbox.write("file", "");
    sandbox.write("full/notes.txt", "mine");
    sandbox.write("jobs/slurm-12.out", "log");
    sandbox.write("disk/lost+found/x", "");
    symlink("nowhere", sandbox.path("dangling")).unwrap();
    symlink("loop", sandbox.path("loop")).unwrap();
    let long = "a".repeat(300);
    let before = sandbox.names("");
    for (out, reason) in [
        ("file", "it is a file"),
        ("file/below", "`file` is a file"),
        ("full", "already holds `notes.txt`"),
        ("jobs", "already holds `slurm-12.out`"),
        ("disk", "already holds `lost+found`"),
        ("dangling", "a link to `nowhere`, which does not exist"),
        ("loop", "lead back to themselves"),
        ("/dev/null", "it is a device"),
        (".", "already holds `dangling`, "),
        ("/", "already holds "),
        (&long, "300 bytes"),
    ] {
        let refusal = train(&sandbox, out, &[]).refusal();
        assert!(
            refusal.message.contains(reason),
            "{out}: {}",
            refusal.message
        );
        assert!(refusal.message.lines().count() <= 10);
        assert_eq!(refusal.file.as_deref(), Some(out), "{}", refusal.message);
    }
    let empty = train(&sandbox, "", &[]).refusal();
    assert!(
        empty.message.contains("a value is required for '--out"),
        "{}",
        empty.message
    );
    assert_eq!(sandbox.names(""), before);
    assert_eq!(sandbox.names("full"), ["notes.txt"]);
    assert_eq!(sandbox.names("jobs"), ["slurm-12.out"]);

    std::fs::create_dir(sandbox.path("real")).unwrap();
    symlink("real", sandbox.path("link")).unwrap();
    train(&sandbox, "link", &[]).json();
    assert!(sandbox.path("real/run.json").exists());
}

#[test]
fn another_configuration_for_the_same_folder_is_refused_with_what_differs() {
    let sandbox = trained();
    let before = sandbox.tree("r/checkpoints");
    for (set, differing) in [
        ("training.lr=2e-3", "training.lr: 0.001 there, 0.002 here"),
        ("training.steps=120", "training.steps: 60 there, 120 here"),
        ("seeds=[0,1]", "seeds: [0] there, [0, 1] here"),
        ("model.n_ctx=32", "model.n_ctx: 16 there, 32 here"),
        ("checkpoints.log=20", "checkpoints.log: 12 there, 20 here"),
    ] {
        let refusal = train(&sandbox, "r", &[set]).refusal();
        assert!(refusal.message.contains(differing), "{}", refusal.message);
        assert!(
            refusal.message.contains("another --out"),
            "{}",
            refusal.message
        );
        let fork = "`ontogeny fork r@60 --steps 120`";
        assert_eq!(refusal.message.contains(fork), set == "training.steps=120");
        assert!(refusal.message.lines().count() <= 10, "{}", refusal.message);
    }
    // Other networks and data may differ in many keys.
    let many: Vec<String> = (0..9).map(|i| format!("model.n_ctx={}", 32 + i)).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.extend([
        "training.lr=1",
        "training.batch=2",
        "model.d_model=8",
        "model.n_layers=1",
    ]);
    many.extend(["data.d_vocab=8", "seeds=[9]"]);
    let refusal = train(&sandbox, "r", &many).refusal();
    assert!(refusal.message.lines().count() <= 10, "{}", refusal.message);
    assert!(refusal.message.contains("more"), "{}", refusal.message);

    // What does not decide the weights is taken over.
    for set in ["analysis.held_out=16", "state.every=5", "name=\"z\""] {
        train(&sandbox, "r", &[set]).json();
    }
    assert_eq!(sandbox.tree("r/checkpoints"), before);
    let manifest: Value = serde_json::from_slice(&sandbox.read("r/run.json")).unwrap();
    assert_eq!(manifest["name"], "z");
}

#[test]
fn a_manifest_or_a_configuration_that_was_changed_is_told_or_refused() {
    let sandbox = trained();
    let manifest: Value = serde_json::from_slice(&sandbox.read("r/run.json")).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed = manifest.clone();
        changed[key] = value;
        sandbox.write("r/run.json", changed.to_string());
        sandbox.run(&["densify", "r", "--around", "20..40", "--json"])
    };
    for (key, value, told) in [
        (
            "version",
            "9.9.9".into(),
            "made by Ontogeny 9.9.9, and this is 0.1.0",
        ),
        (
            "future",
            1.into(),
            "run.json has `future`, which this version does not know",
        ),
        ("created", "2099-01-01T00:00:00Z".into(), "is yet to come"),
        (
            "name",
            "other".into(),
            "run.json calls the run `other`, config.toml calls it `t`",
        ),
    ] {
        let ended = with(key, value).success();
        let notes = ended.stderr.matches(told).count();
        assert_eq!(notes, 1, "{told}: {ended}");
        assert!(ended.stderr.contains("note: r: "), "{ended}");
    }
    let mut replicas = manifest["replicas"].clone();
    replicas[0]["name"] = "other".into();
    for (key, value, reason) in [
        (
            "schema",
            2.into(),
            "has schema 2, this version reads schema 1",
        ),
        (
            "schema",
            "1".into(),
            "`schema` is \"1\" and no whole number",
        ),
        (
            "schema",
            Value::Null,
            "`schema` is null and no whole number",
        ),
        ("created", "not a time".into(), "`created` is `not a time`"),
        ("device_kind", "tpu".into(), "the kinds are cpu, gpu, cuda"),
        (
            "replicas",
            replicas,
            "lists the replicas other, but config.toml beside it makes seed0",
        ),
    ] {
        let refusal = with(key, value).refusal();
        assert!(refusal.message.contains(reason), "{}", refusal.message);
        assert!(refusal.file.is_some_and(|f| f.ends_with("run.json")));
    }
    let mut without = manifest.clone();
    without.as_object_mut().unwrap().remove("schema");
    sandbox.write("r/run.json", without.to_string());
    let refusal = sandbox.run(&["analyze", "r", "--json"]).refusal();
    assert!(
        refusal.message.contains("`schema` is missing"),
        "{}",
        refusal.message
    );
    sandbox.write("r/run.json", manifest.to_string());

    let config = sandbox.text("r/config.toml");
    sandbox.write(
        "r/config.toml",
        config.replace("\nlr = 0.001\n", "\nlr = 0.5\n"),
    );
    let refusal = sandbox.run(&["analyze", "r", "--json"]).refusal();
    let reason = "it was edited after training";
    assert!(refusal.message.contains(reason), "{}", refusal.message);
    assert_eq!(refusal.file.as_deref(), Some("r/config.toml"));
    // The configuration that made the run puts it right, and says what it put right.
    let ended = train(&sandbox, "r", &[]).success();
    let told = "training.lr: 0.5 there, 0.001 here";
    assert!(ended.stderr.contains(told), "{ended}");
    assert_eq!(sandbox.text("r/config.toml"), config);

    sandbox.write("r/config.toml", format!("novel = 1\n{config}"));
    let refusal = sandbox.run(&["analyze", "r", "--json"]).refusal();
    assert!(
        refusal.message.contains("unknown key `novel`"),
        "{}",
        refusal.message
    );
    let mut newer = manifest.clone();
    newer["version"] = "9.9.9".into();
    sandbox.write("r/run.json", newer.to_string());
    let refusal = sandbox.run(&["analyze", "r", "--json"]).refusal();
    let reason = "made by Ontogeny 9.9.9, and this is 0.1.0: open it with that version";
    assert!(refusal.message.contains(reason), "{}", refusal.message);
}

#[test]
fn a_configuration_in_another_encoding_is_named() {
    let sandbox = Sandbox::new();
    let units = || TINY.encode_utf16();
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    for (bytes, name) in [
        (
            [&b"\xFF\xFE"[..], &little].concat(),
            "UTF-16 (little endian)",
        ),
        ([&b"\xFE\xFF"[..], &big].concat(), "UTF-16 (big endian)"),
        (little, "UTF-16 (little endian)"),
        (b"name = \"gr\xF6\xDFe\"\n".to_vec(), "byte 0xf6"),
        (b"name = \"t\"\n\0".to_vec(), "NUL byte"),
    ] {
        sandbox.write("t.toml", bytes);
        let refusal = train(&sandbox, "r", &[]).refusal();
        assert!(refusal.message.contains(name), "{}", refusal.message);
        assert_eq!(refusal.file.as_deref(), Some("t.toml"));
    }
    assert!(!sandbox.path("r").exists());
    // A mark in front of UTF-8 is no part of the text, and the run is the same.
    sandbox.write("t.toml", TINY);
    train(&sandbox, "plain", &["training.steps=2"]).json();
    sandbox.write("t.toml", format!("\u{feff}{TINY}"));
    train(&sandbox, "plain", &["training.steps=2"]).json();
}

#[test]
fn weights_of_other_programs_and_exports_are_told_for_what_they_are() {
    let sandbox = trained();
    for (name, dtype, bytes) in [("f32", "F32", 4), ("bf16", "BF16", 2), ("f16", "F16", 2)] {
        let size = 4 * bytes;
        let header = format!(
            r#"{{"__metadata__":{{"format":"pt"}},"transformer.wte.weight":{{"dtype":"{dtype}","shape":[2,2],"data_offsets":[0,{size}]}}}}"#
        );
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.bytes());
        file.extend(vec![0; size]);
        let path = format!("{name}.safetensors");
        sandbox.write(&path, file);
        let start = format!("training.start_from=\"{path}\"");
        for command in [
            vec!["predict", &path, "--tokens", "1"],
            vec!["export", &path],
            vec!["llc", &path],
            vec![
                "train", "t.toml", "--device", "cpu", "--set", &start, "--out", "s",
            ],
        ] {
            let refusal = sandbox.run(&[&command[..], &["--json"]].concat()).refusal();
            let message = &refusal.message;
            assert!(
                message.contains("is not a checkpoint of a run"),
                "{message}"
            );
            assert!(message.contains(&format!("of type {dtype}")), "{message}");
            assert!(message.contains("RUN/checkpoints/step-"), "{message}");
        }
    }
    let last = "r/checkpoints/step-0000000060.safetensors";
    sandbox.run(&["export", last, "--out", "ex"]).success();
    let start = "training.start_from=\"ex/model.safetensors\"";
    for command in [
        vec!["predict", "ex/model.safetensors", "--tokens", "1"],
        vec![
            "train", "t.toml", "--device", "cpu", "--set", start, "--out", "s",
        ],
    ] {
        let refusal = sandbox.run(&[&command[..], &["--json"]].concat()).refusal();
        let told = "what `ontogeny export` made of its replica `seed0` at step 60";
        assert!(refusal.message.contains(told), "{}", refusal.message);
    }
    assert!(!sandbox.path("s").exists());
}

#[test]
fn a_run_and_a_fork_can_be_moved_and_their_parent_go() {
    let sandbox = trained();
    let made = [
        "fork",
        "r@30",
        "--set",
        "training.lr=2e-3",
        "--train-only",
        "--out",
        "f",
    ];
    sandbox.run(&made).success();
    std::fs::create_dir(sandbox.path("elsewhere")).unwrap();
    for name in ["r", "f"] {
        let to = sandbox.path("elsewhere").join(name);
        std::fs::rename(sandbox.path(name), to).unwrap();
    }
    sandbox.run(&["analyze", "elsewhere/f"]).success();
    sandbox.run(&["report", "elsewhere/f"]).success();
    let again = ["fork", "elsewhere/r@30", "--train-only", "--out", "g"];
    sandbox.run(&again).success();
    let dense = ["densify", "elsewhere/f", "--around", "35..50"];
    sandbox.run(&dense).success();
}
