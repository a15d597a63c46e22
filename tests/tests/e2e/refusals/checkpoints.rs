//! Checkpoints and runs that are not what they should be.

use ontogeny_tests::Sandbox;

use super::{CASE, Case, refuse};
use crate::SMALL;

/// The checkpoint that is damaged.
const LAST: &str = "run/checkpoints/step-0000000020.safetensors";

/// Two short runs of two replicas, the second of a wider network.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let set = ["--set", "training.steps=20", "--set", "checkpoints.log=3"];
    let train = ["train", "small.toml", "--json", "--device", "cpu", "--out"];
    sandbox
        .run(&[&train[..], &["run"], &set].concat())
        .success();
    sandbox
        .run(&[&train[..], &["wide"], &set, &["--set", "model.d_model=24"]].concat())
        .success();
    sandbox
}

#[test]
fn checkpoints_that_cannot_be_used() {
    let sandbox = sandbox();
    let whole = sandbox.read(LAST);
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let half = whole.len() / 2;
    // Without the config.json beside it, which is not what is tested.
    let damaged: [(&str, Vec<u8>, &str); 7] = [
        ("truncated", whole[..half].to_vec(), "truncated"),
        (
            "without its last byte",
            whole[..whole.len() - 1].to_vec(),
            "truncated",
        ),
        ("empty", Vec::new(), ""),
        (
            "garbage",
            b"These are no weights at all, but words.".to_vec(),
            "safetensors",
        ),
        (
            "a flipped bit in a weight",
            flipped(whole.len() - 100),
            "wrong hash",
        ),
        ("a flipped bit in the header", flipped(100), ""),
        ("a header of impossible length", flipped(6), ""),
    ];
    sandbox.write(
        "start.toml",
        "[training]\nsteps = 9\nstart_from = \"bad.safetensors\"\n",
    );
    for (what, bytes, message) in damaged {
        sandbox.write("bad.safetensors", bytes);
        let expected = Case {
            file: "bad.safetensors",
            message,
            ..CASE
        };
        let predict = [
            "predict",
            "bad.safetensors",
            "--replica",
            "seed0",
            "--tokens",
            "3,1",
        ];
        refuse(&sandbox, what, &predict, &expected);
        refuse(
            &sandbox,
            what,
            &["export", "bad.safetensors", "--replica", "seed0"],
            &expected,
        );
        refuse(
            &sandbox,
            what,
            &["train", "start.toml", "--device", "cpu"],
            &Case {
                file: "start.toml",
                line: Some(3),
                key: "training.start_from",
                ..expected
            },
        );
    }
    sandbox.write("wide/checkpoints/stray.safetensors", &whole);
    let stray = [
        "predict",
        "wide/checkpoints/stray.safetensors",
        "--tokens",
        "3",
    ];
    let message = "another network configuration";
    refuse(
        &sandbox,
        "in another run's folder",
        &stray,
        &Case {
            file: "stray.safetensors",
            message,
            ..CASE
        },
    );
}

#[test]
fn questions_that_a_checkpoint_cannot_answer() {
    let sandbox = sandbox();
    const ABOUT: Case = Case { file: LAST, ..CASE };
    const NOWHERE: Case = Case { file: "", ..CASE };
    let long = ["1"; 17].join(",");
    for (what, command, expected) in [
        (
            "unknown replica",
            "predict LAST --replica seed9 --tokens 3",
            Case {
                message: "no replica `seed9`; it holds seed0, seed1",
                ..ABOUT
            },
        ),
        (
            "unknown replica",
            "export LAST --replica seed9",
            Case {
                message: "no replica `seed9`",
                ..ABOUT
            },
        ),
        (
            "no replica named",
            "export LAST",
            Case {
                message: "choose one with --replica: seed0, seed1",
                ..ABOUT
            },
        ),
        (
            "a token beyond the vocabulary",
            "predict LAST --replica seed0 --tokens 3,16",
            Case {
                message: "token 16 is not in the vocabulary; tokens go from 0 to 15",
                ..NOWHERE
            },
        ),
        (
            "too many tokens",
            &format!("predict LAST --replica seed0 --tokens {long}"),
            Case {
                message: "17 tokens are more than the 16 positions",
                ..NOWHERE
            },
        ),
        (
            "tokens that are no numbers",
            "predict LAST --replica seed0 --tokens 3,x",
            Case {
                message: "invalid value 'x'",
                ..NOWHERE
            },
        ),
        (
            "words for a source of numbers",
            "predict LAST --replica seed0 --text hello",
            Case {
                message: "give token numbers instead of text",
                ..NOWHERE
            },
        ),
        (
            "no checkpoint there",
            "predict gone.safetensors --tokens 3",
            Case {
                message: "cannot",
                file: "gone.safetensors",
                ..CASE
            },
        ),
        (
            "a folder",
            "predict run/checkpoints --tokens 3",
            Case {
                message: "cannot",
                file: "run/checkpoints",
                ..CASE
            },
        ),
        (
            "an export onto another network",
            "export LAST --replica seed0 --out wide/checkpoints",
            Case {
                message: "choose another folder",
                file: "wide/checkpoints/config.json",
                ..CASE
            },
        ),
    ] {
        let command = command.replace("LAST", LAST);
        refuse(
            &sandbox,
            what,
            &command.split(' ').collect::<Vec<_>>(),
            &expected,
        );
    }
}

#[test]
fn runs_that_are_not_what_is_asked_of_them() {
    let sandbox = sandbox();
    let other = SMALL.replace("d_model = 16", "d_model = 24");
    let start = |replica: &str| {
        let start = format!("steps = 5\nstart_from = \"{LAST}\"\n{replica}");
        other.replace("steps = 100\n", &start)
    };
    sandbox.write("shape.toml", start("start_replica = \"seed1\"\n"));
    sandbox.write("several.toml", start(""));
    sandbox.write("stranger.toml", start("start_replica = \"seed9\"\n"));
    for (what, command, expected) in [
        (
            "no analysis yet",
            "report run",
            Case {
                message: "was not analysed yet; run `ontogeny analyze`",
                file: "run",
                ..CASE
            },
        ),
        (
            "another configuration",
            "train small.toml --device cpu --out run",
            Case {
                message: "of another configuration",
                file: "run",
                ..CASE
            },
        ),
        (
            "weights that would be others",
            "analyze run --set training.steps=30",
            Case {
                message: "only `analysis`, `stages` and `report`",
                file: "run",
                ..CASE
            },
        ),
        (
            "unknown key",
            "analyze run --set analysis.lcc.draws=30",
            Case {
                message: "did you mean `llc`?",
                file: "--set",
                key: "analysis.lcc",
                ..CASE
            },
        ),
        (
            "data that is not there",
            "analyze run --set analysis.llc.data=news",
            Case {
                message: "names no data",
                file: "--set",
                key: "analysis.llc.data",
                ..CASE
            },
        ),
        (
            "a start of another shape",
            "train shape.toml --device cpu",
            Case {
                message: "tensor `embed.W_E` has shape [1, 16, 16]",
                file: "shape.toml",
                line: Some(15),
                key: "training.start_from",
                ..CASE
            },
        ),
        (
            "a start of several replicas",
            "train several.toml --device cpu",
            Case {
                message: "set `training.start_replica` to one of seed0, seed1",
                file: "several.toml",
                line: Some(15),
                key: "training.start_from",
                ..CASE
            },
        ),
        (
            "a start of a replica that is not there",
            "train stranger.toml --device cpu",
            Case {
                message: "no replica is named `seed9`",
                file: "stranger.toml",
                line: Some(15),
                key: "training.start_from",
                ..CASE
            },
        ),
    ] {
        refuse(
            &sandbox,
            what,
            &command.split(' ').collect::<Vec<_>>(),
            &expected,
        );
    }
    // A checkpoint that was damaged since: found when it is read, whatever was measured before.
    let mut bytes = sandbox.read(LAST);
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    sandbox.write(LAST, bytes);
    let refusal = sandbox.run(&["analyze", "run", "--json"]).refusal();
    assert!(
        refusal.message.contains("wrong hash"),
        "{}",
        refusal.message
    );
    assert_eq!(refusal.file.as_deref(), Some(LAST));
}
