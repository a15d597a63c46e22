//! A run that is gone back into: more checkpoints in a stretch, and other runs from a step.

use std::fs;
use std::path::{Path, PathBuf};

use ontogeny_tests::{Sandbox, Tree};
use serde_json::{Value, json};

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

/// Long enough that there is something to kill, with a state to go on from at every twentieth step.
const LONG: [&str; 13] = [
    "train",
    "small.toml",
    "--json",
    "--device",
    "cpu",
    "--out",
    "run",
    "--set",
    "training.steps=1500",
    "--set",
    "state={ every = 20, log = 6 }",
    "--set",
    "checkpoints.log=8",
];

fn sandbox(first: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    sandbox.run(first).success();
    sandbox
}

fn numbers(value: &Value) -> Vec<u64> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_u64).collect()
}

/// Steps of the checkpoints in a run's folder.
fn steps(sandbox: &Sandbox, run: &str) -> Vec<u64> {
    let names = sandbox.names(Path::new(run).join("checkpoints"));
    let step = |name: String| {
        let digits = name
            .strip_prefix("step-")?
            .strip_suffix(".safetensors")?
            .parse();
        digits.ok()
    };
    names.into_iter().filter_map(step).collect()
}

fn file(run: &str, step: u64) -> PathBuf {
    Path::new(run).join(format!("checkpoints/step-{step:010}.safetensors"))
}

/// Header and tensors of a checkpoint, but for the run that it says it is of.
fn content(sandbox: &Sandbox, run: &str, step: u64) -> (Value, Vec<u8>) {
    let bytes = sandbox.read(file(run, step));
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a header's length");
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: Value = serde_json::from_slice(header).expect("a header is JSON");
    let named = header["__metadata__"]["run"].take();
    assert_eq!(
        named.as_str().map(str::len),
        Some(64),
        "a checkpoint names its run"
    );
    (header, tensors.to_vec())
}

/// What a replay must leave alone.
fn untouched(sandbox: &Sandbox) -> Tree {
    let mut tree = sandbox.tree("run");
    tree.retain(|path, _| {
        let kept = path.starts_with("state");
        kept || ["metrics.jsonl", "run.json", "config.toml", "training.json"]
            .iter()
            .any(|name| path == Path::new(name))
    });
    tree
}

#[test]
fn added_checkpoints_are_analysed_and_stay() {
    let sandbox = sandbox(&RUN);
    let (before, own) = (untouched(&sandbox), steps(&sandbox, "run"));
    let measured = sandbox.times("run/analysis/llc");
    let densify = ["densify", "run", "--around", "20..60", "--checkpoints", "5"];

    let result = sandbox.run(&[&densify[..], &["--analyze", "--json"]].concat());
    let result = result.json();
    let added = numbers(&result["groups"][0]["added"]);
    assert_eq!(added.len(), 5, "{result}");
    assert!(
        added
            .iter()
            .all(|s| (21..60).contains(s) && !own.contains(s))
    );
    let mut all = [&own[..], &added].concat();
    all.sort_unstable();
    assert_eq!(steps(&sandbox, "run"), all);
    assert!(untouched(&sandbox) == before);
    assert_eq!(result["report"], "run/report.html");
    assert_eq!(result["replicas"].as_array().map(Vec::len), Some(2));
    // Every checkpoint is in the table, and what was measured before was not measured again.
    let table = sandbox.text("run/analysis/table.jsonl");
    for replica in ["seed0", "seed1"] {
        let rows = table
            .lines()
            .filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let own = rows.filter(|row| row["replica"] == replica);
        let found: Vec<u64> = own.filter_map(|row| row["step"].as_u64()).collect();
        assert_eq!(found, all, "{replica}");
    }
    let now = sandbox.times("run/analysis/llc");
    for (path, time) in measured
        .iter()
        .filter(|(p, _)| p.extension().is_some_and(|e| e == "json"))
    {
        assert_eq!(
            now.get(path),
            Some(time),
            "{} was measured again",
            path.display()
        );
    }
    assert!(now.len() > measured.len());

    // The same again adds nothing; other ways to say where add more.
    let again = sandbox.run(&[&densify[..], &["--json"]].concat()).json();
    assert!(numbers(&again["groups"][0]["added"]).is_empty());
    assert_eq!(numbers(&again["groups"][0]["present"]), added);
    assert_eq!(again["groups"][0]["replayed"], 0);
    let every = [
        "densify", "run", "--around", "90..99", "--every", "3", "--json",
    ];
    let every = sandbox.run(&every).json();
    let group = &every["groups"][0];
    let mut multiples = [numbers(&group["added"]), numbers(&group["present"])].concat();
    multiples.sort_unstable();
    assert_eq!(multiples, [90, 93, 96, 99]);

    // By the boundaries of the analysis: two that are nearly one, and one that only one replica
    // shows.
    let boundary =
        |lo: f64, hi: f64| json!({ "at": lo, "lo": lo, "hi": hi, "evidence": 1.0, "views": [] });
    let mut stages: Value =
        serde_json::from_slice(&sandbox.read("run/analysis/stages.json")).unwrap_or_default();
    stages[0]["report"]["boundaries"] = json!([boundary(30.0, 40.0)]);
    stages[1]["report"]["boundaries"] = json!([boundary(35.0, 42.0), boundary(70.0, 80.0)]);
    sandbox.write("run/analysis/stages.json", stages.to_string());
    let found = sandbox
        .run(&["densify", "run", "--checkpoints", "2", "--json"])
        .json();
    // On the axis ln(step + 1): 31 to 41, 36 to 43 and 71 to 81, by the root of their ratio on each
    // side.
    let stretches = json!([{ "lo": 25, "hi": 47 }, { "lo": 31, "hi": 46 }, { "lo": 65, "hi": 86 }]);
    assert_eq!(found["groups"][0]["stretches"], stretches);

    // The run goes on being what it was, with all of its checkpoints.
    let all = steps(&sandbox, "run");
    let run = sandbox.run(&RUN).success();
    assert!(run.stderr.contains("complete at step 100"), "{run}");
    let listed = run.json()["checkpoints"].as_array().map(Vec::len);
    assert_eq!(listed, Some(all.len()));
    assert_eq!(steps(&sandbox, "run"), all);
}

#[test]
fn a_replay_that_was_killed_or_interrupted_goes_on() {
    let sandbox = sandbox(&LONG);
    let own = steps(&sandbox, "run");
    let before = untouched(&sandbox);
    let densify = [
        "densify", "run", "--around", "10..1480", "--every", "10", "--json",
    ];
    for (part, by_signal) in [(5, false), (20, true), (60, false)] {
        let mut replay = sandbox.start(&densify);
        replay.wait_until("a checkpoint", || {
            steps(&sandbox, "run").len() >= own.len() + part
        });
        if by_signal {
            replay.interrupt();
            let ended = replay.wait();
            assert_eq!(ended.status.code(), Some(130), "{ended}");
            let message = ended.refusal().message;
            assert!(
                message.contains("the same command goes on from there"),
                "{message}"
            );
        } else {
            replay.kill();
        }
    }
    let done = sandbox.run(&densify).json();
    assert!(numbers(&done["groups"][0]["present"]).len() >= 60, "{done}");
    assert!(untouched(&sandbox) == before);
    let partial = |name: &String| name.starts_with('.');
    assert!(!sandbox.names("run/checkpoints").iter().any(partial));

    let straight = [
        &LONG[..5],
        &["--out", "dense"],
        &LONG[7..],
        &["--set", "checkpoints.every=10"],
    ];
    sandbox.run(&straight.concat()).success();
    for step in (10..=1480).step_by(10) {
        assert!(
            content(&sandbox, "run", step) == content(&sandbox, "dense", step),
            "step {step}"
        );
    }

    // A fork that is killed goes on too, and ends where its parent did.
    let fork = ["fork", "run@707", "--train-only", "--json", "--out", "fork"];
    let mut training = sandbox.start(&fork);
    training.wait_until("a state", || sandbox.names("fork/state/recent").len() > 1);
    training.kill();
    let ended = sandbox.run(&fork).success();
    assert!(!ended.stderr.contains("replaying"), "{ended}");
    assert_eq!(steps(&sandbox, "fork").first(), Some(&707));
    for step in own.into_iter().filter(|&step| step > 707) {
        assert!(
            content(&sandbox, "fork", step) == content(&sandbox, "run", step),
            "{step}"
        );
    }
}

#[test]
fn a_fork_is_a_run_of_its_own() {
    let sandbox = sandbox(&RUN);
    let result = sandbox.run(&["fork", "run@37", "--json"]).json();
    let fork = &result["forks"][0];
    assert_eq!((&result["run"], &fork["at"]), (&json!("run"), &json!(37)));
    let folder = fork["run"].as_str().unwrap_or_default().to_owned();
    assert!(folder.starts_with("runs/small-at37-"), "{folder}");
    let mut expected = vec![37];
    expected.extend(steps(&sandbox, "run").into_iter().filter(|&s| s > 37));
    assert_eq!(steps(&sandbox, &folder), expected);
    assert!(content(&sandbox, &folder, 100) == content(&sandbox, "run", 100));
    let report = sandbox.text(Path::new(&folder).join("report.html"));
    assert!(report.contains("at step 37"));

    // Other data, one replica, from several steps.
    let several = [
        "fork",
        "run@60,20",
        "--replica",
        "seed1",
        "--set",
        "data.zipf=1.5",
        "--train-only",
        "--out",
        "forks",
        "--json",
    ];
    let several = sandbox.run(&several).json();
    for (at, fork) in [20, 60]
        .into_iter()
        .zip(several["forks"].as_array().into_iter().flatten())
    {
        let folder = format!("forks/at{at}");
        assert_eq!(fork["run"], json!(folder));
        assert_eq!(fork["replicas"][0]["name"], "seed1");
        assert_eq!(fork["replicas"].as_array().map(Vec::len), Some(1));
        assert_eq!(steps(&sandbox, &folder).first(), Some(&at));
    }
    assert_eq!(sandbox.names("forks"), ["at20", "at60"]);

    // The parent is not needed any more: the fork is analysed, gone on with and reported alone.
    fs::remove_dir_all(sandbox.path("run")).expect("a run can be removed");
    sandbox.run(&["analyze", "forks/at20", "--json"]).success();
    sandbox.run(&["report", "forks/at20", "--json"]).success();
    let again = [
        "train",
        "forks/at20/config.toml",
        "--out",
        "forks/at20",
        "--json",
    ];
    let again = sandbox.run(&again).success();
    assert!(again.stderr.contains("complete at step 100"), "{again}");
    let longer = [
        "fork",
        "forks/at60@100",
        "--steps",
        "110",
        "--train-only",
        "--json",
    ];
    let longer = sandbox.run(&longer).json();
    assert_eq!(longer["forks"][0]["replicas"][0]["final_step"], 110);

    let elsewhere = ["train", "forks/at20/config.toml", "--out", "new", "--json"];
    let refusal = sandbox.run(&elsewhere).refusal();
    assert!(
        refusal.message.contains("goes on from step 20 of"),
        "{}",
        refusal.message
    );
    assert!(!sandbox.path("new").exists());
}

#[test]
fn what_cannot_be_gone_back_to_is_refused() {
    let sandbox = sandbox(&[&RUN[..], &["--set", "analysis.llc.enabled=false"]].concat());
    let refuse = |command: &str, expected: &str| {
        let before = sandbox.tree("");
        let command: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let ended = sandbox.run(&command);
        let message = ended.refusal().message;
        assert!(message.contains(expected), "{command:?}: {message}");
        let mut after = sandbox.tree("");
        after.retain(|path, content| before.get(path) != Some(content));
        after.retain(|path, _| !path.ends_with("run.lock"));
        assert!(after.is_empty(), "{command:?} left {:?}", after.keys());
    };
    refuse("densify run --around 60-80", "written LO..HI");
    refuse(
        "densify run --around 80..60",
        "step 60 is not after step 80",
    );
    refuse(
        "densify run --around 60..101",
        "step 101 is beyond the run's last step, 100",
    );
    refuse("densify nowhere --around 1..2", "nowhere");
    refuse("fork run", "written RUN@STEP");
    refuse(
        "fork run@101",
        "nothing at step 101 yet: the run is trained to step 100",
    );
    refuse("fork run@100", "nothing is left to train");
    refuse(
        "fork run@50 --replica seed7",
        "there is no replica `seed7`; it has seed0, seed1",
    );
    refuse(
        "fork run@50 --set seeds=[7]",
        "has no replica `seed7` to go on from",
    );
    refuse(
        "fork run@50 --set model.d_model=32",
        "`model.d_model` is 16 there and cannot become 32",
    );
    refuse("fork run@50 --set data.d_vocab=32", "d_vocab");
    refuse("fork run@50 --set training.lrr=1", "did you mean `lr`");

    // A state of another run, as far as can be told: another kind of device.
    let manifest = sandbox.text("run/run.json");
    sandbox.write("run/run.json", manifest.replace("\"cpu\"", "\"gpu\""));
    for command in [
        "fork run@50 --device cpu",
        "densify run --around 20..40 --device cpu",
    ] {
        refuse(command, "was trained on `gpu`");
    }
    sandbox.write("run/run.json", manifest);

    // Weights that are not what training gives.
    let path = file("run", 100);
    let (first, last) = (sandbox.read(file("run", 0)), sandbox.read(&path));
    sandbox.write(&path, first);
    refuse("densify run --around 95..99", "name says 100");
    sandbox.write(&path, last);

    fs::remove_dir_all(sandbox.path("run/analysis")).expect("results can be removed");
    refuse("densify run", "was not analysed yet");
}
