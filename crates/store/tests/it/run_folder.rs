//! The run's folder: created once, opened again, written by one process at a time.

use std::fs;
use std::time::SystemTime;

use ontogeny_store::{
    KeyBuilder, RUN_SCHEMA, ReplicaEntry, RunFolder, RunManifest, StoreError, rfc3339,
};

fn manifest() -> RunManifest {
    RunManifest {
        schema: RUN_SCHEMA,
        name: "induction".to_owned(),
        config_key: KeyBuilder::new("config").finish(),
        device_kind: "cpu".to_owned(),
        version: "0.1.0".to_owned(),
        created: rfc3339(SystemTime::UNIX_EPOCH),
        replicas: vec![ReplicaEntry {
            name: "base-1".to_owned(),
            arm: "base".to_owned(),
            seed: 1,
        }],
    }
}

#[test]
fn is_created_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("runs").join("one");
    assert!(!RunFolder::exists(&root));
    let run = RunFolder::create(&root, "steps = 3\n", &manifest()).unwrap();
    assert!(RunFolder::exists(&root));
    assert_eq!(
        fs::read_to_string(run.config_toml()).unwrap(),
        "steps = 3\n"
    );
    let opened = RunFolder::open(&root).unwrap();
    assert_eq!(opened.read_manifest().unwrap(), manifest());
    assert_eq!(opened.root(), root);
}

#[test]
fn never_writes_over_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("one");
    RunFolder::create(&root, "a = 1\n", &manifest()).unwrap();
    let error = RunFolder::create(&root, "a = 2\n", &manifest()).unwrap_err();
    assert!(
        error.to_string().contains("already holds `run.json`"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(root.join("config.toml")).unwrap(),
        "a = 1\n"
    );

    let thesis = folder.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter.tex"), "").unwrap();
    let error = RunFolder::create(&thesis, "", &manifest()).unwrap_err();
    assert!(
        error.to_string().contains("already holds `chapter.tex`"),
        "{error}"
    );
    assert_eq!(fs::read_dir(&thesis).unwrap().count(), 1);

    for i in 0..7 {
        fs::write(thesis.join(format!("{i}.tex")), "").unwrap();
    }
    let error = RunFolder::create(&thesis, "", &manifest()).unwrap_err();
    let told = "already holds `0.tex`, `1.tex`, `2.tex`, `3.tex`, `4.tex` and 3 more";
    assert!(error.to_string().contains(told), "{error}");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RunFolder::create(&file, "", &manifest()).unwrap_err();
    assert!(error.to_string().contains("it is a file"), "{error}");
}

#[test]
fn a_creation_that_was_killed_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("one");
    // Killed after each thing that creation does, the half-written files included.
    fs::create_dir(&root).unwrap();
    RunFolder::create(&root, "", &manifest()).unwrap();
    fs::remove_file(root.join("run.json")).unwrap();
    fs::write(root.join(".partial-1"), "{\"sche").unwrap();
    assert!(matches!(
        RunFolder::open(&root),
        Err(StoreError::NoRun { .. })
    ));
    RunFolder::create(&root, "", &manifest()).unwrap();
    RunFolder::open(&root).unwrap();
}

#[test]
fn folders_that_are_no_runs_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("one");
    let message = || RunFolder::open(&root).unwrap_err().to_string();
    assert!(
        message().contains("is not the folder of a run"),
        "{}",
        message()
    );
    RunFolder::create(&root, "", &manifest()).unwrap();
    let path = root.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    for length in 0..text.trim_end().len() {
        fs::write(&path, &text[..length]).unwrap();
        assert!(message().contains("run.json`, line "), "{}", message());
    }
    fs::write(&path, text.replace("\"schema\": 1", "\"schema\": 2")).unwrap();
    assert!(
        message().contains("has schema 2, this version reads schema 1"),
        "{}",
        message()
    );
    fs::write(&path, text.replace("\"seed\": 1", "\"seed\": \"x\"")).unwrap();
    let error = RunFolder::open(&root).unwrap_err();
    let line = 1 + text.lines().position(|line| line.contains("seed")).unwrap();
    assert_eq!(error.position().map(|p| p.0), Some(line), "{error}");
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("one");
    let run = RunFolder::create(&root, "", &manifest()).unwrap();
    let lock = run.lock().unwrap();
    let error = RunFolder::open(&root).unwrap().lock().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Locked { .. }), "{text}");
    #[cfg(unix)]
    assert!(
        text.contains(&format!("(id {})", std::process::id())),
        "{text}"
    );
    assert!(text.contains("in use by another process"), "{text}");
    drop(lock);
    drop(run.lock().unwrap());
    run.lock().unwrap();
}

#[test]
fn what_is_odd_about_a_manifest_is_told_and_what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("one");
    let run = RunFolder::create(&root, "", &manifest()).unwrap();
    let none: [String; 0] = [];
    assert_eq!(run.oddities("0.1.0").unwrap(), none);
    let told = run.oddities("0.2.0").unwrap();
    assert!(
        told[0].contains("made by Ontogeny 0.1.0, and this is 0.2.0"),
        "{told:?}"
    );

    let path = root.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    for (entry, changed, odd, told) in [
        ("1970-", "2970-", true, "is yet to come"),
        (
            "\"schema\": 1",
            "\"schema\": 1, \"future\": 1",
            true,
            "has `future`",
        ),
        ("1970-", "seventy-", false, "`created` is `seventy-"),
        ("\"cpu\"", "\"tpu\"", false, "the kinds are cpu, gpu, cuda"),
        (
            "\"schema\": 1",
            "\"schema\": \"1\"",
            false,
            "`schema` is \"1\"",
        ),
        (
            "\"schema\": 1",
            "\"scheme\": 1",
            false,
            "`schema` is missing",
        ),
    ] {
        fs::write(&path, text.replace(entry, changed)).unwrap();
        let found = run.oddities("0.1.0");
        assert_eq!(found.is_ok(), odd, "{changed}: {found:?}");
        let found = found.map_or_else(|error| error.to_string(), |all| all.join("\n"));
        assert!(found.contains(told), "{changed}: {found}");
    }
}

#[test]
fn who_takes_the_lock_removes_what_was_left_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run"), "", &manifest()).unwrap();
    let left = ["analysis/llc/.partial-b", ".partial-a"];
    let kept = [
        "analysis/llc/a.json",
        "analysis/.partial-of-another-process",
    ];
    fs::create_dir_all(run.analysis().join("llc")).unwrap();
    for name in left.iter().chain(&kept) {
        fs::write(run.root().join(name), "half").unwrap();
    }
    let _lock = run.lock().unwrap();
    for name in left {
        assert!(!run.root().join(name).exists(), "{name}");
    }
    for name in kept {
        assert!(run.root().join(name).exists(), "{name}");
    }
}
