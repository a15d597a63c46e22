//! Training that is killed or interrupted, and the same command again.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ontogeny_tests::{Sandbox, Tree};

/// Two stacks of different shapes, trained one after the other, of two replicas each.
const CONFIG: &str = r#"
seeds = [0, 1]

[model]
n_heads = 2
d_model = 16
n_ctx = 16

[data]
kind = "ngram_induction"
d_vocab = 16

[training]
steps = 1500
batch = 8
weight_decay = 0.1
schedule = "cosine"
warmup = 50

[checkpoints]
log = 12

[[phases]]
at = 700
data = { kind = "ngram_induction", d_vocab = 16, seed = 1 }

[[arms]]
name = "narrow"

[[arms]]
name = "wide"
set = { "model.d_model" = 32 }
"#;

const TRAIN: [&str; 11] = [
    "train",
    "long.toml",
    "--json",
    "--device",
    "cpu",
    "--out",
    "run",
    "--set",
    "state.every=20",
    "--set",
    "state.log=5",
];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("long.toml", CONFIG);
    sandbox
}

/// Newest step of which an arm has a state to go on from; `None` if it has none.
fn state(sandbox: &Sandbox, arm: &str) -> Option<u64> {
    let folders = ["recent", "kept"].map(|f| Path::new("run/state").join(arm).join(f));
    let names = folders.iter().flat_map(|folder| sandbox.names(folder));
    let step = |name: String| {
        name.strip_prefix("step-")?
            .strip_suffix(".safetensors")?
            .parse()
            .ok()
    };
    names.filter_map(step).max()
}

/// Everything that training leaves for good.
fn lasting(sandbox: &Sandbox) -> Tree {
    let mut tree = sandbox.tree("run");
    tree.retain(|path, _| {
        let kept = path.starts_with("checkpoints") || path.starts_with("state");
        kept || path == Path::new("metrics.jsonl") || path == Path::new("training.json")
    });
    tree
}

#[track_caller]
fn same(found: &Tree, expected: &Tree) {
    let paths = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(found), paths(expected));
    for (path, content) in found {
        assert!(
            expected.get(path) == Some(content),
            "{} is not the same",
            path.display()
        );
    }
}

/// All that an uninterrupted run leaves.
fn uninterrupted() -> Tree {
    let sandbox = sandbox();
    let result = sandbox.run(&TRAIN).json();
    assert_eq!(result["replicas"].as_array().map(Vec::len), Some(4));
    let tree = lasting(&sandbox);
    let checkpoints = |tree: &Tree| {
        let inside = tree.keys().filter(|path| path.starts_with("checkpoints"));
        inside
            .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
            .count()
    };
    assert!(checkpoints(&tree) >= 20, "{:?}", tree.keys());
    tree
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bits() {
    let expected = uninterrupted();
    let sandbox = sandbox();
    // Where it is killed: the arm, the state it waits for, and how much later, in milliseconds.
    let moments = [
        ("narrow", 20, 0),
        ("narrow", 300, 3),
        ("narrow", 680, 5),
        ("narrow", 900, 17),
        ("wide", 20, 2),
        ("wide", 500, 11),
        ("wide", 1000, 0),
    ];
    let mut early = sandbox.start(&TRAIN);
    early.wait_until("a manifest", || sandbox.path("run/run.json").exists());
    early.kill();
    let mut before = None;
    for (arm, step, later) in moments {
        let mut training = sandbox.start(&TRAIN);
        training.wait_until("a state", || state(&sandbox, arm) >= Some(step));
        sleep(Duration::from_millis(later));
        let killed = training.kill();
        if let Some(before) = before {
            let said = format!("going on from step {before} of 1500");
            assert!(killed.stderr.contains(&said), "{killed}");
        }
        // A moment between two arms has no state of the second.
        before = state(&sandbox, arm);
    }
    let ended = sandbox.run(&TRAIN).success();
    assert!(ended.stderr.contains("complete at step 1500"), "{ended}");
    same(&lasting(&sandbox), &expected);
}

#[test]
fn what_a_crash_of_the_machine_may_damage_is_passed_over() {
    let expected = uninterrupted();
    let sandbox = sandbox();
    let mut training = sandbox.start(&TRAIN);
    training.wait_until("a state", || state(&sandbox, "narrow") >= Some(200));
    training.kill();
    // The newest state lost its end, and the last line of metrics is torn.
    let newest = state(&sandbox, "narrow").expect("a state is there");
    let path = sandbox.path(format!(
        "run/state/narrow/recent/step-{newest:010}.safetensors"
    ));
    let content = fs::read(&path).expect("the newest state is a recent one");
    fs::write(&path, &content[..content.len() / 2]).expect("it can be damaged");
    let metrics = sandbox.read("run/metrics.jsonl");
    sandbox.write("run/metrics.jsonl", [&metrics[..], b"{\"step\":2"].concat());

    let ended = sandbox.run(&TRAIN).success();
    assert!(ended.stderr.contains("damaged state"), "{ended}");
    assert!(
        ended
            .stderr
            .contains(&format!("going on from step {} of", newest - 20)),
        "{ended}"
    );
    same(&lasting(&sandbox), &expected);
}

#[test]
fn ctrl_c_stops_at_a_step_and_says_how_to_go_on() {
    let expected = uninterrupted();
    let sandbox = sandbox();
    for (arm, step) in [("narrow", 100), ("wide", 400)] {
        let mut training = sandbox.start(&TRAIN);
        training.wait_until("a state", || state(&sandbox, arm) >= Some(step));
        training.interrupt();
        let ended = training.wait();
        assert_eq!(ended.status.code(), Some(130), "{ended}");
        let stopped = state(&sandbox, arm).expect("a state is there");
        let said =
            format!("training stopped at step {stopped}; the same command goes on from there");
        assert_eq!(ended.refusal().message, said, "{ended}");
        assert!(
            ended.stderr.contains("stopping; what is finished is kept"),
            "{ended}"
        );
    }
    sandbox.run(&TRAIN).success();
    same(&lasting(&sandbox), &expected);
}

#[test]
fn two_processes_never_train_into_one_folder() {
    let sandbox = sandbox();
    let mut training = sandbox.start(&TRAIN);
    training.wait_until("a state", || state(&sandbox, "narrow").is_some());
    let refusal = sandbox.run(&TRAIN).refusal();
    assert!(
        refusal.message.contains("in use by another process"),
        "{}",
        refusal.message
    );
    assert_eq!(refusal.file.as_deref(), Some("run"));
    training.kill();
}
