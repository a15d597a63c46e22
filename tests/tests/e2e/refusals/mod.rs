//! What must be refused, through the real binary: a clear error at the right place, never a panic,
//! and nothing left behind.

mod checkpoints;
mod configurations;
mod corpora;

use ontogeny_tests::{Refusal, Sandbox};

/// Something that must be refused.
struct Case {
    /// What is wrong, for the reader of a failure.
    what: &'static str,
    /// Content of `bad.toml`.
    config: &'static str,
    /// Other files that are there.
    files: &'static [(&'static str, &'static [u8])],
    /// What is typed, but for `--json`; split at spaces.
    command: &'static str,
    /// Part of the message.
    message: &'static str,
    /// The end of the path of the file at fault, or "" for none.
    file: &'static str,
    /// The line at fault.
    line: Option<u64>,
    /// The key at fault, or "" for none.
    key: &'static str,
}

/// A configuration that is trained with, and is itself at fault.
const CASE: Case = Case {
    what: "",
    config: "",
    files: &[],
    command: "train bad.toml --device cpu",
    message: "",
    file: "bad.toml",
    line: None,
    key: "",
};

/// Each in a folder that holds its own files and must hold nothing else afterwards.
#[track_caller]
fn refuse_all(cases: &[Case]) {
    for case in cases {
        let sandbox = Sandbox::new();
        sandbox.write("bad.toml", case.config);
        for (name, content) in case.files {
            sandbox.write(name, content);
        }
        refuse(
            &sandbox,
            case.what,
            &case.command.split(' ').collect::<Vec<_>>(),
            case,
        );
    }
}

/// One command in a folder that must stay what it is.
#[track_caller]
fn refuse(sandbox: &Sandbox, what: &str, command: &[&str], expected: &Case) {
    let files = || {
        let mut tree = sandbox.tree("");
        // Who has taken a run last; the lock itself ends with the process.
        tree.retain(|path, _| !path.ends_with("run.lock"));
        tree
    };
    let before = files();
    let ended = sandbox.run(&[command, &["--json"]].concat());
    let Refusal {
        message,
        file,
        line,
        key,
        ..
    } = ended.refusal();
    assert!(message.contains(expected.message), "{what}: {ended}");
    let file = file.unwrap_or_default();
    assert!(file.ends_with(expected.file), "{what}: {ended}");
    assert_eq!(file.is_empty(), expected.file.is_empty(), "{what}: {ended}");
    assert_eq!(
        (line, key.unwrap_or_default().as_str()),
        (expected.line, expected.key),
        "{what}: {ended}"
    );
    let after = files();
    let left: Vec<_> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    assert!(left.is_empty(), "{what}: left behind {left:?}");
    assert!(after == before, "{what}: a file is not what it was");
}
