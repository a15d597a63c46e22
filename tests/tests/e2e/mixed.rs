//! Runs whose files were exchanged, deleted, edited or damaged, and runs that went wrong: nothing
//! of this stays unsaid.

use std::os::unix::fs::symlink;

use ontogeny_tests::{Ended, Sandbox};
use serde_json::Value;

use crate::folders::{TINY, copy};

const LAST: &str = "checkpoints/step-0000000060.safetensors";

/// A folder with the configuration, and a run of it in `r`, analysed.
fn analysed() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("t.toml", TINY);
    run(&sandbox, "run", "r", &[]).json();
    sandbox
}

/// Trains the configuration into a folder, with something changed; or what else `command` does.
fn run(sandbox: &Sandbox, command: &str, out: &str, set: &[&str]) -> Ended {
    let mut arguments = vec![command, "t.toml", "--json", "--device", "cpu", "--out", out];
    for change in set {
        arguments.extend(["--set", change]);
    }
    sandbox.run(&arguments)
}

fn json(sandbox: &Sandbox, path: &str) -> Value {
    serde_json::from_slice(&sandbox.read(path)).expect("the file is JSON")
}

#[test]
fn a_checkpoint_of_another_run_or_step_is_refused_by_every_command() {
    let sandbox = analysed();
    run(&sandbox, "train", "other", &["training.lr=1e-2"]).json();
    copy(&sandbox, "r", "q");
    let foreign = sandbox.read(format!("other/{LAST}"));
    let last = format!("q/{LAST}");
    sandbox.write(&last, &foreign);
    let commands: &[&[&str]] = &[
        &["analyze", "q"],
        &["report", "q"],
        &["stages", "q"],
        &["compare", "q", "other"],
        &["densify", "q", "--around", "20..40"],
        &["fork", "q@60", "--steps", "80", "--out", "f"],
        &["select", "q@60", "q@30"],
        &["llc", &last],
        &["dynamics", "q"],
        &["export", &last, "--out", "ex"],
        &["predict", &last, "--tokens", "1"],
        &["run", "t.toml", "--device", "cpu", "--out", "q"],
    ];
    for command in commands {
        let refusal = sandbox.run(&[command, &["--json"][..]].concat()).refusal();
        let message = &refusal.message;
        assert!(
            message.contains("was written by another run"),
            "{command:?}: {message}"
        );
        assert!(
            refusal.file.is_some_and(|file| file.ends_with(LAST)),
            "{message}"
        );
    }
    assert_eq!(sandbox.read(&last), foreign);
    // In its own folder, and put back, they are what they always were.
    sandbox.write(&last, sandbox.read(format!("r/{LAST}")));
    sandbox.run(&["analyze", "q"]).success();
    sandbox
        .run(&["export", &format!("other/{LAST}"), "--out", "ex"])
        .success();

    // The state that training would go on from, exchanged: the one before is used.
    let state = "state/kept/step-0000000060.safetensors";
    sandbox.write(format!("q/{state}"), sandbox.read(format!("other/{state}")));
    let ended = run(&sandbox, "train", "q", &[]).success();
    assert!(
        ended.stderr.contains("passing over a damaged state"),
        "{ended}"
    );
    assert_eq!(sandbox.read(&last), sandbox.read(format!("r/{LAST}")));

    // Under another step's name.
    sandbox.write(
        "q/checkpoints/step-0000000045.safetensors",
        sandbox.read(&last),
    );
    let refusal = sandbox.run(&["analyze", "q", "--json"]).refusal();
    let told = "entry `step` is 60, but the file's name says 45";
    assert!(refusal.message.contains(told), "{}", refusal.message);
}

#[test]
fn checkpoints_that_were_deleted_are_named_and_come_back_bit_for_bit() {
    let sandbox = analysed();
    let before = sandbox.tree("r/checkpoints");
    let table = sandbox.read("r/analysis/table.jsonl");
    let names = sandbox.names("r/checkpoints");
    let steps: Vec<&String> = names.iter().filter(|n| n.starts_with("step-")).collect();
    let delete = |names: &[&String]| {
        for name in names {
            std::fs::remove_file(sandbox.path("r/checkpoints").join(name)).unwrap();
        }
    };
    delete(&steps[4..5]);
    let step: u64 = steps[4][5..15].parse().unwrap();
    let told = format!(
        "1 of the {} checkpoints on the schedule are missing: step {step};",
        steps.len()
    );
    let cure = "`ontogeny train r/config.toml --out r --device cpu` makes them again";
    for command in ["analyze", "report"] {
        let ended = sandbox.run(&[command, "r"]).success();
        assert!(ended.stderr.contains(&told), "{told}: {ended}");
        assert!(ended.stderr.contains(cure), "{ended}");
    }
    let found = run(&sandbox, "run", "r", &[]).success();
    assert!(found.stderr.contains(&told), "{found}");
    assert_eq!(
        found.json()["checkpoints"].as_array().unwrap().len(),
        steps.len()
    );
    assert_eq!(sandbox.tree("r/checkpoints"), before);
    assert_eq!(sandbox.read("r/analysis/table.jsonl"), table);

    // All of them, and what says which network they are of.
    delete(&steps);
    let refusal = sandbox.run(&["analyze", "r", "--json"]).refusal();
    assert!(
        refusal.message.contains("`ontogeny train`"),
        "{}",
        refusal.message
    );
    std::fs::remove_file(sandbox.path("r/checkpoints/config.json")).unwrap();
    let again = ["train", "r/config.toml", "--out", "r", "--device", "cpu"];
    sandbox.run(&again).success();
    assert_eq!(sandbox.tree("r/checkpoints"), before);

    std::fs::remove_file(sandbox.path("r/checkpoints/config.json")).unwrap();
    sandbox.run(&["analyze", "r"]).success();
    sandbox.write("r/checkpoints/config.json", "{");
    let refusal = sandbox.run(&["analyze", "r", "--json"]).refusal();
    assert!(refusal.message.contains("delete it"), "{}", refusal.message);
}

#[test]
fn results_that_were_changed_are_made_anew_or_refused() {
    let sandbox = analysed();
    let analysis = sandbox.tree("r/analysis");
    let one = |folder: &str, end: &str| {
        let names = sandbox.names(format!("r/analysis/{folder}"));
        let name = names.into_iter().find(|n| n.ends_with(end)).unwrap();
        format!("r/analysis/{folder}/{name}")
    };
    for path in [
        one("behaviour", ".json"),
        one("llc", ".json"),
        one("llc", ".parquet"),
    ] {
        let mut bytes = sandbox.read(&path);
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        sandbox.write(&path, bytes);
        let ended = sandbox.run(&["analyze", "r"]).success();
        assert!(ended.stderr.contains("was changed or damaged"), "{ended}");
        assert_eq!(ended.stderr.matches("measured again").count(), 1, "{ended}");
    }
    let again = sandbox.run(&["analyze", "r"]).success();
    assert!(!again.stderr.contains("measured again"), "{again}");
    assert!(sandbox.tree("r/analysis") == analysis, "the same results");

    // Results of the first version have no hash.
    let path = one("behaviour", ".json");
    let mut old = json(&sandbox, &path);
    let entries = old.as_object_mut().unwrap();
    entries.remove("hash").unwrap();
    entries.remove("files").unwrap();
    sandbox.write(&path, old.to_string());
    let again = sandbox.run(&["analyze", "r"]).success();
    assert!(!again.stderr.contains("measured again"), "{again}");

    let table = sandbox.text("r/analysis/table.jsonl");
    for name in ["table.jsonl", "stages.json"] {
        let path = format!("r/analysis/{name}");
        let text = sandbox.text(&path);
        for damaged in [
            text.replacen('1', "2", 1),
            text[..text.len() / 2].to_owned(),
        ] {
            sandbox.write(&path, damaged);
            let refusal = sandbox.run(&["report", "r", "--json"]).refusal();
            let cure = "`ontogeny analyze r` writes it anew";
            assert!(refusal.message.contains(cure), "{}", refusal.message);
            assert!(refusal.file.is_some_and(|file| file.ends_with(name)));
        }
        sandbox.run(&["analyze", "r"]).success();
        assert_eq!(sandbox.text(&path), text);
        sandbox.run(&["report", "r"]).success();
    }
    assert_eq!(sandbox.text("r/analysis/table.jsonl"), table);
}

#[test]
fn metrics_that_were_lost_are_told_when_training_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.write("t.toml", TINY);
    run(&sandbox, "train", "r", &[]).json();
    let whole = sandbox.text("r/metrics.jsonl");
    let lines: Vec<&str> = whole.lines().collect();
    let step = |line: &str| serde_json::from_str::<Value>(line).unwrap()["step"].clone();
    let (fifth, last) = (step(lines[4]), step(lines[lines.len() - 1]));
    assert_eq!(last, 59);
    let resume = |text: &str| {
        sandbox.write("r/metrics.jsonl", text);
        run(&sandbox, "train", "r", &[]).success()
    };
    // A torn end after the last line is repaired, and other ends of lines are.
    for text in [format!("{whole}\0\0\0"), whole.replace('\n', "\r\n")] {
        let ended = resume(&text);
        assert!(!ended.stderr.contains("warning"), "{ended}");
        assert_eq!(sandbox.text("r/metrics.jsonl"), whole);
    }
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
    let lost = format!("1 line of seed0 lost (step {fifth})");
    let ended = resume(&without(4));
    assert!(ended.stderr.contains(&lost), "{ended}");
    let ended = resume(&whole.replacen(lines[4], &lines[4].replace(':', ";"), 1));
    assert!(
        ended
            .stderr
            .contains("1 line was damaged in the middle (5)"),
        "{ended}"
    );
    assert!(ended.stderr.contains(&lost), "{ended}");
    assert_eq!(sandbox.text("r/metrics.jsonl"), without(4));
    let aside = sandbox.text("r/metrics.jsonl.damaged");
    assert_eq!(aside.trim_end(), lines[4].replace(':', ";"));
    // A last line that was torn before the state.
    let ended = resume(&whole[..whole.len() - 7]);
    assert!(ended.stderr.contains("lost (step 59)"), "{ended}");
    std::fs::remove_file(sandbox.path("r/metrics.jsonl")).unwrap();
    let ended = run(&sandbox, "train", "r", &[]).success();
    let told = "is missing: the metrics from step 0 to step 59 are lost";
    assert!(ended.stderr.contains(told), "{ended}");
}

#[test]
fn a_run_of_which_every_replica_was_frozen_says_so_and_has_an_exit_code_of_its_own() {
    let sandbox = Sandbox::new();
    sandbox.write("t.toml", TINY);
    let hot = [
        "training.lr=1e5",
        "training.optimizer=\"sgd\"",
        "seeds=[0,1]",
    ];
    for command in ["train", "run"] {
        let ended = run(&sandbox, command, "r", &hot);
        assert_eq!(ended.status.code(), Some(3), "{ended}");
        assert!(ended.stderr.contains("every replica was frozen"), "{ended}");
        let result: Value = serde_json::from_str(&ended.stdout).unwrap();
        for replica in result["replicas"].as_array().unwrap() {
            assert!(replica["frozen_at"].as_u64().unwrap() < 10, "{replica}");
            assert_eq!(replica["final_step"], replica["frozen_at"]);
        }
    }
    for command in ["analyze", "report"] {
        let ended = sandbox.run(&[command, "r"]).success();
        assert!(ended.stderr.contains("was frozen there"), "{ended}");
        assert!(ended.stderr.contains("every replica was frozen"), "{ended}");
    }

    // One of two arms: the other is what the run was for.
    let arms =
        "arms=[{name=\"ok\"},{name=\"hot\",set={\"training.lr\"=1e5,\"training.clip\"=0.0}}]";
    let ended = run(&sandbox, "run", "q", &[arms, "training.optimizer=\"sgd\""]);
    let ended = ended.success();
    assert!(ended.stderr.contains("hot.seed0"), "{ended}");
    let ended = sandbox.run(&["compare", "q", "--json"]).success();
    assert!(
        ended
            .stderr
            .contains("Every replica of hot stopped being finite"),
        "{ended}"
    );
    let notes = ended.json()["notes"].to_string();
    assert!(notes.contains("Every replica of hot"), "{notes}");
}

#[test]
fn a_fork_whose_learning_rate_jumps_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("t.toml", TINY);
    let set = ["training.schedule=\"cosine\"", "training.warmup=5"];
    run(&sandbox, "train", "r", &set).json();
    let fork = |more: &[&str]| {
        let given = ["fork", "r@60", "--train-only", "--json", "--out"];
        sandbox.run(&[&given[..], more].concat()).success()
    };
    let ended = fork(&["longer", "--steps", "120"]);
    let told = "the learning rate jumps at step 60, from 0.000e0 (cosine over 60 steps) to 5.";
    assert!(ended.stderr.contains(told), "{ended}");
    // The same rate on is no jump.
    run(&sandbox, "train", "flat", &[]).json();
    let on = [
        "fork",
        "flat@60",
        "--steps",
        "70",
        "--train-only",
        "--out",
        "on",
    ];
    let ended = sandbox.run(&on).success();
    assert!(!ended.stderr.contains("jumps"), "{ended}");
}

#[test]
fn a_run_is_not_compared_with_itself() {
    let sandbox = analysed();
    symlink("r", sandbox.path("link")).unwrap();
    copy(&sandbox, "r", "copied");
    for (other, told) in [
        ("r", "is named twice"),
        ("./r", "is the same folder as r"),
        ("link", "is the same folder as r"),
        ("copied", "holds the same run as r"),
    ] {
        let refusal = sandbox.run(&["compare", "r", other, "--json"]).refusal();
        assert!(
            refusal.message.contains(told),
            "{other}: {}",
            refusal.message
        );
        let why = "a run is not compared with itself";
        assert!(refusal.message.contains(why), "{}", refusal.message);
    }
    sandbox.run(&["compare", "r"]).success();
}

/// A checkpoint's file as the first version wrote it, which did not say whose it is.
fn unmarked(bytes: &[u8]) -> Vec<u8> {
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = String::from_utf8(header.to_vec()).expect("a header is text");
    let from = header.find(r#""run":""#).expect("the run's key");
    let to = from + r#""run":"","#.len() + 64;
    let header = [&header[..from], &header[to..]].concat();
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), tensors].concat()
}

#[test]
fn checkpoints_of_the_first_version_are_read_with_one_note() {
    let sandbox = analysed();
    let table = sandbox.read("r/analysis/table.jsonl");
    for name in sandbox.names("r/checkpoints") {
        let path = format!("r/checkpoints/{name}");
        if name.starts_with("step-") {
            sandbox.write(&path, unmarked(&sandbox.read(&path)));
        }
    }
    let last = format!("r/{LAST}");
    for command in [
        vec!["analyze", "r"],
        vec!["report", "r"],
        vec!["stages", "r"],
        vec!["select", "r@60", "r@30"],
        vec!["densify", "r", "--around", "20..40"],
        vec!["run", "t.toml", "--device", "cpu", "--out", "r"],
        vec!["predict", &last, "--tokens", "1"],
    ] {
        let ended = sandbox.run(&command).success();
        let notes = ended
            .stderr
            .matches("do not say which run they are of")
            .count();
        assert_eq!(notes, 1, "{ended}");
        assert!(!ended.stderr.contains("measured again"), "{ended}");
    }
    assert!(
        sandbox
            .read("r/analysis/table.jsonl")
            .starts_with(&table[..10])
    );
}
