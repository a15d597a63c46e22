//! The help teaches the commands. That it is asked of the real binary also makes Cargo build it for
//! the end-to-end tests of the workspace.

use std::process::Command;

/// What the binary prints of itself.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ontogeny"))
        .args(arguments)
        .output()
        .expect("the binary can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    assert!(output.stderr.is_empty(), "{arguments:?}: help is no error");
    text
}

#[test]
fn the_help_names_every_command_and_where_to_begin() {
    let text = help(&["--help"]);
    for command in [
        "run", "train", "analyze", "report", "densify", "fork", "predict", "data", "export",
        "devices",
    ] {
        let named = text
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(named, "`{command}` is not in the list:\n{text}");
    }
    assert!(text.contains("Begin with `ontogeny run`"), "{text}");
    assert!(text.contains("--json"), "{text}");
}

#[test]
fn every_command_explains_its_arguments() {
    for (command, explained) in [
        (
            "run",
            [
                "[CONFIG]",
                "--set <KEY=VALUE>",
                "--device",
                "The same command goes on",
            ],
        ),
        (
            "train",
            ["[CONFIG]", "--out <FOLDER>", "--device", "checkpoints"],
        ),
        (
            "analyze",
            [
                "<RUN>",
                "--set <KEY=VALUE>",
                "--device",
                "not measured again",
            ],
        ),
        ("report", ["<RUN>", "--set <KEY=VALUE>", "offline", "HTML"]),
        (
            "predict",
            ["<CHECKPOINT>", "--tokens", "--text", "--replica"],
        ),
        (
            "data",
            ["[CONFIG]", "--samples", "entropies", "frequencies"],
        ),
        (
            "export",
            [
                "<CHECKPOINT>",
                "--replica",
                "--out <FOLDER>",
                "classic shapes",
            ],
        ),
        ("devices", ["auto", "--json", "devices", "machine"]),
    ] {
        let text = help(&[command, "--help"]);
        for part in explained {
            assert!(
                text.contains(part),
                "`{command} --help` does not say {part}:\n{text}"
            );
        }
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(
        help(&["--version"]),
        format!("ontogeny {}\n", env!("CARGO_PKG_VERSION"))
    );
}
