//! Names of files are bytes, and not all of them are text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ontogeny_tests::{Ended, Sandbox, Streams};

use crate::SMALL;

/// A name that is no UTF-8.
fn name(beginning: &str) -> OsString {
    OsStr::from_bytes(&[beginning.as_bytes(), b"\xff"].concat()).to_owned()
}

/// Arguments of which some are names.
fn with(arguments: &[&str], names: &[(usize, OsString)]) -> Vec<OsString> {
    let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    for (at, name) in names {
        all.insert(*at, name.clone());
    }
    all
}

#[track_caller]
fn ok(ended: Ended) -> Ended {
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    ended.success()
}

#[test]
fn every_command_takes_a_folder_whose_name_is_no_text() {
    let sandbox = Sandbox::new();
    let config = PathBuf::from(name("d")).join("small.toml");
    let out: OsString = PathBuf::from(name("d")).join(name("r")).into();
    sandbox.write(&config, SMALL);
    let run = with(
        &["run", "--device", "cpu", "--out"],
        &[(1, config.clone().into())],
    );
    let run = [&run[..], std::slice::from_ref(&out)].concat();
    ok(sandbox.run(&run));
    assert!(sandbox.path(&out).join("report.html").exists());
    // Again, with nothing to do, for scripts: JSON is text.
    let shown = PathBuf::from(&out).display().to_string();
    let json = ok(sandbox.run(&[&run[..], &["--json".into()]].concat())).json();
    assert_eq!(json["run"], shown.as_str());

    let checkpoint: OsString = PathBuf::from(&out)
        .join("checkpoints/step-0000000100.safetensors")
        .into();
    let at = |step: &str| {
        let mut point = out.clone();
        point.push(step);
        point
    };
    let export: OsString = PathBuf::from(name("d")).join(name("export")).into();
    let table: OsString = PathBuf::from(name("d")).join(name("a")).into();
    let table = {
        let mut table = table;
        table.push(".csv");
        table
    };
    let rows: String = (0..40)
        .map(|i| format!("{},{}\n", i * i, 1.0 / f64::from(i + 1)))
        .collect();
    sandbox.write(&table, format!("step,loss\n{rows}"));
    let seed0 = ["--replica", "seed0"];
    let commands = [
        with(&["analyze", "--json"], &[(1, out.clone())]),
        with(&["report", "--json"], &[(1, out.clone())]),
        with(&["dynamics", "--json"], &[(1, out.clone())]),
        with(&["stages", "--json"], &[(1, out.clone())]),
        with(
            &[
                "compare",
                "--json",
                "--resamples",
                "100",
                "--permutations",
                "100",
            ],
            &[(1, out.clone())],
        ),
        with(
            &[
                "densify",
                "--json",
                "--around",
                "40..60",
                "--checkpoints",
                "2",
            ],
            &[(1, out.clone())],
        ),
        with(
            &["fork", "--json", "--device", "cpu", "--out"],
            &[(1, at("@50")), (6, name("fork"))],
        ),
        with(
            &["llc", "--json", seed0[0], seed0[1]],
            &[(1, checkpoint.clone())],
        ),
        with(
            &["predict", "--json", seed0[0], seed0[1], "--tokens", "1,2"],
            &[(1, checkpoint.clone())],
        ),
        with(
            &["export", "--json", seed0[0], seed0[1], "--out"],
            &[(1, checkpoint.clone()), (6, export)],
        ),
        with(
            &["select", "--json", seed0[0], seed0[1]],
            &[(1, at("@50")), (2, checkpoint)],
        ),
        with(
            &["stages", "--json", "--x", "step", "--y", "loss"],
            &[(1, table)],
        ),
        with(&["data", "--json"], &[(1, config.into())]),
    ];
    for command in &commands {
        ok(sandbox.run(command)).json();
    }
}

#[test]
fn a_current_folder_whose_name_is_no_text_serves_where_no_relative_path_has_to_be_written() {
    let sandbox = Sandbox::new();
    let here = name("d");
    sandbox.write(PathBuf::from(&here).join("small.toml"), SMALL);
    let inside = |arguments: &[&str]| {
        let line = r#"cd d* && exec "$0" "$@""#;
        let command = sandbox.start_in_shell(line, arguments, Streams::default());
        command.wait()
    };
    ok(inside(&[
        "train",
        "small.toml",
        "--device",
        "cpu",
        "--json",
    ]))
    .json();
    let runs = sandbox.names(PathBuf::from(&here).join("runs"));
    assert!(runs.iter().any(|run| run.starts_with("small-")), "{runs:?}");

    // A corpus that is looked for from here would not be found by a later command.
    let text = "data = { kind = \"text\", corpus = \"a.txt\" }";
    sandbox.write(PathBuf::from(&here).join("text.toml"), text);
    sandbox.write(
        PathBuf::from(&here).join("a.txt"),
        "some words\n".repeat(1000),
    );
    let refusal = inside(&["train", "text.toml", "--device", "cpu", "--json"]).refusal();
    assert!(
        refusal.message.contains("is not UTF-8"),
        "{}",
        refusal.message
    );
    assert_eq!(refusal.key.as_deref(), Some("base"));
}

#[test]
fn arguments_that_have_to_be_text_are_refused_as_such() {
    let sandbox = Sandbox::new();
    for arguments in [
        vec![name("x")],
        vec!["train".into(), "--set".into(), name("x")],
        vec!["fork".into(), name("run@")],
        vec![name("--x"), "--json".into()],
    ] {
        let ended = sandbox.run(&arguments);
        assert_eq!(ended.status.code(), Some(2), "{ended}");
        assert!(!ended.stderr.contains("panicked"), "{ended}");
    }
}
