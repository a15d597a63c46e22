//! Whoever reads what is printed may go away: work does not end with the reader.

use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

use ontogeny_tests::{Ended, OWN_TERMINAL, Pty, Sandbox, Streams, Tree};

use crate::{SMALL, run_small};

/// A pipe whose reader has left.
fn closed() -> Option<Stdio> {
    let (reader, writer) = pipe().expect("the system gives a pipe");
    drop(reader);
    Some(writer.into())
}

/// A disk without room.
fn full() -> Option<Stdio> {
    let device = File::options().write(true).open("/dev/full");
    Some(device.expect("there is a full device").into())
}

/// Neither stream has a reader.
fn nobody() -> Streams {
    Streams {
        stdout: closed(),
        stderr: closed(),
        stdin: None,
    }
}

/// What training leaves for good.
fn trained(sandbox: &Sandbox, run: &str) -> Tree {
    let mut tree = sandbox.tree(run);
    let lasting = ["checkpoints", "metrics.jsonl", "training.json"];
    tree.retain(|path, _| lasting.iter().any(|l| path.starts_with(l)));
    assert!(tree.len() > 15, "{:?}", tree.keys());
    tree
}

/// Ended as it was to, without a panic.
#[track_caller]
fn ended_with(ended: &Ended, code: i32) {
    assert_eq!(ended.status.code(), Some(code), "{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

#[test]
fn training_goes_on_when_nobody_reads() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let train = |out: &str, more: &[&str], streams: Streams| {
        let start = ["train", "small.toml", "--device", "cpu", "--out", out];
        let arguments = [&start[..], more].concat();
        sandbox.start_with(&arguments, streams).wait()
    };
    train("heard", &[], Streams::default()).success();
    let expected = trained(&sandbox, "heard");
    let unwatched = ["--plain", "--set", "stages.online=false"];
    for (i, more) in [&["--plain"][..], &["--json"], &unwatched]
        .into_iter()
        .enumerate()
    {
        for (j, streams) in [nobody(), stderr(full())].into_iter().enumerate() {
            let out = format!("unheard-{i}-{j}");
            ended_with(&train(&out, more, streams), 0);
            assert!(trained(&sandbox, &out) == expected, "{more:?}");
        }
    }
    // As after `2>&-` and `>&-`.
    let arguments = ["train", "small.toml", "--device", "cpu", "--out", "shut"];
    let line = r#"exec "$0" "$@" >&- 2>&- <&-"#;
    let ended = sandbox.start_in_shell(line, &arguments, Streams::default());
    ended_with(&ended.wait(), 0);
    assert!(trained(&sandbox, "shut") == expected);
}

fn stderr(stderr: Option<Stdio>) -> Streams {
    Streams {
        stderr,
        ..Streams::default()
    }
}

fn stdout(stdout: Option<Stdio>) -> Streams {
    Streams {
        stdout,
        ..Streams::default()
    }
}

#[test]
fn every_command_ends_its_work_without_a_reader_and_says_that_a_disk_is_full() {
    let sandbox = Sandbox::new();
    run_small(&sandbox);
    let checkpoint = "run/checkpoints/step-0000000100.safetensors";
    let llc = ["llc", checkpoint, "--replica", "seed0"];
    let commands: [&[&str]; 18] = [
        &["run", "small.toml", "--device", "cpu", "--out", "run"],
        &["train", "small.toml", "--device", "cpu", "--out", "run"],
        &["analyze", "run"],
        &["report", "run"],
        &[
            "compare",
            "run",
            "--resamples",
            "100",
            "--permutations",
            "100",
        ],
        &["densify", "run", "--around", "40..60", "--checkpoints", "2"],
        &["fork", "run@50", "--train-only", "--out", "fork"],
        &[
            "predict",
            checkpoint,
            "--replica",
            "seed0",
            "--tokens",
            "1,2",
        ],
        &["data", "small.toml"],
        &["export", checkpoint, "--replica", "seed0"],
        &llc,
        &["select", "run@50", "run@100", "--replica", "seed0"],
        &["dynamics", "run"],
        &["stages", "run"],
        &["devices"],
        &["--help"],
        &["run", "--help"],
        &["--version"],
    ];
    for command in commands {
        let silent = sandbox.start_with(command, nobody()).wait();
        ended_with(&silent, 0);
        let json = [command, &["--json"]].concat();
        ended_with(&sandbox.start_with(&json, stderr(closed())).wait(), 0);
        let unprinted = sandbox.start_with(command, stdout(full())).wait();
        ended_with(&unprinted, 1);
        let said = "cannot write the result to standard output";
        assert!(unprinted.stderr.contains(said), "{unprinted}");
    }
    // What cannot be said at all is in the exit code.
    let neither = Streams {
        stderr: full(),
        ..stdout(full())
    };
    ended_with(&sandbox.start_with(&["stages", "run"], neither).wait(), 1);
    ended_with(
        &sandbox
            .start_with(&["stages", "run"], stdout(closed()))
            .wait(),
        0,
    );
    for mistake in [&["nothing"][..], &["train", "no.toml", "--json"]] {
        let code = if mistake.len() == 1 { 2 } else { 1 };
        ended_with(&sandbox.start_with(mistake, nobody()).wait(), code);
    }
}

/// Training on a terminal, with the dashboard or with lines.
fn on_terminal(
    sandbox: &Sandbox,
    pty: &mut Pty,
    line: &str,
    more: &[&str],
) -> ontogeny_tests::Running {
    sandbox.write("small.toml", SMALL);
    let arguments = ["train", "small.toml", "--device", "cpu", "--out", "run"];
    sandbox.start_in_shell(line, &[&arguments[..], more].concat(), pty.streams())
}

/// The terminal is the dashboard's.
const DASHBOARD: &str = "\x1b[?1049h";
/// It is given back.
const GIVEN_BACK: &str = "\x1b[?1049l";

#[test]
fn training_outlives_its_terminal() {
    let reference = Sandbox::new();
    reference.write("small.toml", SMALL);
    let steps = ["--set", "training.steps=1500"];
    let arguments = ["train", "small.toml", "--device", "cpu", "--out", "run"];
    reference.run(&[&arguments[..], &steps].concat()).success();
    let expected = trained(&reference, "run");
    let ignored = format!("trap '' HUP; {OWN_TERMINAL}");
    for (seen, more) in [(DASHBOARD, &[][..]), ("training 2 replicas", &["--plain"])] {
        let sandbox = Sandbox::new();
        let mut pty = Pty::open();
        let more = [more, &steps].concat();
        let mut training = on_terminal(&sandbox, &mut pty, &ignored, &more);
        pty.read_until(seen);
        // Some way into it.
        training.wait_until("a checkpoint", || {
            sandbox.names("run/checkpoints").len() > 8
        });
        drop(pty);
        ended_with(&training.wait(), 0);
        assert!(trained(&sandbox, "run") == expected, "{more:?}");
    }
}

#[test]
fn a_terminal_that_hangs_up_stops_the_training_in_order() {
    for more in [&[][..], &["--plain"]] {
        let sandbox = Sandbox::new();
        let mut pty = Pty::open();
        let more = [more, &["--set", "training.steps=10000000"]].concat();
        let mut training = on_terminal(&sandbox, &mut pty, OWN_TERMINAL, &more);
        training.wait_until("a checkpoint", || {
            sandbox.names("run/checkpoints").len() > 5
        });
        drop(pty);
        ended_with(&training.wait(), 129);
        assert!(!sandbox.names("run/state/recent").is_empty());
    }
}

#[test]
fn ctrl_c_stops_the_dashboard_and_the_terminal_is_given_back() {
    // Ctrl-C; and q, then s: stop.
    for keys in [&[b"\x03".as_slice()][..], &[b"q".as_slice(), b"s"]] {
        let sandbox = Sandbox::new();
        let mut pty = Pty::open();
        let long = ["--set", "training.steps=10000000"];
        let mut training = on_terminal(&sandbox, &mut pty, OWN_TERMINAL, &long);
        pty.read_until(DASHBOARD);
        training.wait_until("a checkpoint", || {
            sandbox.names("run/checkpoints").len() > 5
        });
        for key in keys {
            pty.press(key);
            // A key is answered with a picture.
            if *key == b"q" {
                pty.read_until("Cancel");
            }
        }
        let screen = pty.read_to_end();
        ended_with(&training.wait(), 130);
        let (_, after) = screen.rsplit_once(GIVEN_BACK).unwrap_or_default();
        assert!(after.contains("training stopped at step"), "{after:?}");
        assert!(!sandbox.names("run/state/recent").is_empty());
    }
}

#[test]
fn a_training_that_its_user_kills_keeps_what_is_finished() {
    let sandbox = Sandbox::new();
    let mut pty = Pty::open();
    let long = ["--set", "training.steps=10000000"];
    let training = on_terminal(&sandbox, &mut pty, OWN_TERMINAL, &long);
    pty.read_until(DASHBOARD);
    pty.read_until("Loss");
    pty.press(b"q");
    pty.read_until("Cancel");
    pty.press(b"k");
    let screen = pty.read_to_end();
    ended_with(&training.wait(), 130);
    assert!(!screen.contains("panicked"), "{screen}");
    assert!(!sandbox.names("run/state/recent").is_empty());
}
