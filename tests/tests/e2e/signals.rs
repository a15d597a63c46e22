//! Requests to stop: an orderly end, whoever asks and however often.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::thread::{sleep, spawn};
use std::time::Duration;

use nix::sys::stat::Mode;
use ontogeny_tests::{Sandbox, Streams, Tree};

use crate::{SMALL, run_small};

/// The arguments of a training; a state is written every twentieth step.
fn train(steps: &str) -> Vec<&str> {
    let start = ["train", "small.toml", "--device", "cpu", "--out", "run"];
    let set = ["--set", "state.every=20", "--set", steps];
    [&start[..], &set].concat()
}

const LONG: &str = "training.steps=10000000";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    sandbox
}

fn has_state(sandbox: &Sandbox) -> bool {
    !sandbox.names("run/state/recent").is_empty()
}

fn checkpoints(sandbox: &Sandbox) -> Tree {
    let tree = sandbox.tree("run/checkpoints");
    assert!(tree.len() > 10, "{:?}", tree.keys());
    tree
}

#[test]
fn terminating_and_hanging_up_stop_as_ctrl_c_does_however_often() {
    let steps = "training.steps=1500";
    let expected = sandbox();
    expected.run(&train(steps)).success();
    let expected = checkpoints(&expected);
    let sandbox = sandbox();
    let mut before = 0;
    for (signals, code, name) in [
        (&["TERM", "TERM", "HUP", "TERM"][..], 143, "SIGTERM"),
        (&["HUP", "HUP", "TERM", "HUP"], 129, "SIGHUP"),
    ] {
        let arguments = [&train(steps)[..], &["--json"]].concat();
        let mut training = sandbox.start(&arguments);
        let newest = || sandbox.names("run/state/recent").pop();
        let started = newest();
        training.wait_until("a state", || newest().is_some() && newest() != started);
        for signal in signals {
            // It may be over by the later ones.
            training.signal_if_running(signal);
            // Of two signals on their way, the system may deliver the second first.
            let received = format!("{name} received");
            while training.is_running() && !training.has_told(&received) {
                sleep(Duration::from_millis(1));
            }
        }
        let ended = training.wait();
        assert_eq!(ended.status.code(), Some(code), "{ended}");
        assert!(
            ended.stderr.contains(&format!("{name} received")),
            "{ended}"
        );
        let message = ended.refusal().message;
        let stopped = message.strip_prefix("training stopped at step ");
        let stopped = stopped.and_then(|rest| {
            rest.strip_suffix(&format!(" by {name}; the same command goes on from there"))
        });
        let step: u64 = stopped.and_then(|s| s.parse().ok()).unwrap_or_default();
        assert!(step > before, "{message}");
        let state = format!("step-{step:010}.safetensors");
        assert_eq!(newest(), Some(state), "{ended}");
        before = step;
    }
    sandbox.run(&train(steps)).success();
    assert!(checkpoints(&sandbox) == expected);
}

#[test]
fn a_hang_up_that_is_ignored_at_the_start_stays_ignored() {
    let sandbox = sandbox();
    let line = r#"trap '' HUP; exec "$0" "$@""#;
    let arguments = train("training.steps=800");
    let mut training = sandbox.start_in_shell(line, &arguments, Streams::default());
    training.wait_until("a state", || has_state(&sandbox));
    training.signal("HUP");
    let ended = training.wait().success();
    assert!(!ended.stderr.contains("SIGHUP"), "{ended}");
    assert!(ended.stdout.contains("trained in"), "{ended}");
}

#[test]
fn a_second_ctrl_c_ends_at_once_even_where_nobody_takes_the_messages() {
    let sandbox = sandbox();
    let (mut reader, writer) = pipe().expect("the system gives a pipe");
    let mut filler = writer.try_clone().expect("a pipe can be shared");
    let streams = Streams {
        stderr: Some(writer.into()),
        ..Streams::default()
    };
    let mut training = sandbox.start_with(&train(LONG), streams);
    // The first lines are read, so that training begins; then nobody reads and the pipe fills up.
    let mut said = Vec::new();
    while !said.windows(8).any(|w| w == b"training") {
        let mut some = [0; 64];
        let n = reader.read(&mut some).expect("the command talks");
        assert!(n > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&some[..n]);
    }
    let full = spawn(move || {
        // Blocks when there is no more room, until the reader is gone.
        while filler.write_all(&[b'.'; 4096]).is_ok() {}
    });
    training.wait_until("a state", || has_state(&sandbox));
    sleep(Duration::from_millis(200));
    training.interrupt();
    sleep(Duration::from_millis(1500));
    assert!(training.is_running(), "the last message is taken by nobody");
    training.interrupt();
    let ended = training.wait();
    assert_eq!(ended.status.code(), Some(130), "{ended}");
    drop(reader);
    full.join().expect("the filler ends with its reader");
}

#[test]
fn a_command_that_still_prepares_its_work_ends_at_once() {
    for (signal, code, name) in [
        ("INT", 130, "Ctrl-C"),
        ("TERM", 143, "SIGTERM"),
        ("HUP", 129, "SIGHUP"),
    ] {
        let sandbox = sandbox();
        // Reading a configuration from here takes until somebody writes one.
        let path = sandbox.path("slow.toml");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe with a name");
        let command = sandbox.start(&["train", "slow.toml", "--device", "cpu", "--json"]);
        // There is somebody to write to when the command has come to its configuration.
        let slow = File::options().write(true).open(&path).expect("it is read");
        command.signal(signal);
        let ended = command.wait();
        assert_eq!(ended.status.code(), Some(code), "{ended}");
        let said = format!("stopped by {name} before the work began; nothing is lost");
        assert_eq!(ended.refusal().message, said);
        assert!(!sandbox.path("runs").exists());
        drop(slow);
    }
}

#[test]
fn an_analysis_stops_within_an_estimate() {
    let sandbox = sandbox();
    run_small(&sandbox);
    let results = || sandbox.names("run/analysis/llc").len();
    let before = results();
    // An estimate of these would take long.
    let more = "analysis.llc.draws=1000000";
    let settings = ["--set", more, "--set", "analysis.held_out=33"];
    let arguments = [&["analyze", "run"][..], &settings].concat();
    let measured = sandbox.names("run/analysis/behaviour").len();
    let mut analysis = sandbox.start(&arguments);
    analysis.wait_until("a measurement", || {
        sandbox.names("run/analysis/behaviour").len() > measured
    });
    analysis.signal("TERM");
    let ended = analysis.wait();
    assert_eq!(ended.status.code(), Some(143), "{ended}");
    let said = "analysis stopped by SIGTERM; the same command goes on from there";
    assert!(ended.stderr.contains(said), "{ended}");
    assert_eq!(results(), before, "nothing is kept of half an estimate");
}

#[test]
fn a_fork_and_a_replay_stop_in_order() {
    let sandbox = sandbox();
    run_small(&sandbox);
    let fork = [
        "fork",
        "run@100",
        "--train-only",
        "--out",
        "fork",
        "--steps",
    ];
    let mut fork = sandbox.start(&[&fork[..], &["10000000"]].concat());
    let begun = || sandbox.names("fork/checkpoints").len() > 3;
    fork.wait_until("a checkpoint", begun);
    fork.signal("TERM");
    let ended = fork.wait();
    assert_eq!(ended.status.code(), Some(143), "{ended}");
    assert!(ended.stderr.contains("training stopped at step"), "{ended}");
    assert!(!sandbox.names("fork/state/recent").is_empty());
}
