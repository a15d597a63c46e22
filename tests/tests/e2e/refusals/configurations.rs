//! Configurations, overrides and arguments.

use ontogeny_tests::Sandbox;

use super::{CASE, Case, refuse_all};

#[test]
fn configurations_that_make_no_sense() {
    refuse_all(&[
        Case {
            what: "syntax",
            config: "seeds = [0]\nname =\n",
            message: "not valid TOML",
            line: Some(2),
            ..CASE
        },
        Case {
            what: "unknown key",
            config: "[model]\nn_layer = 2\n",
            message: "did you mean `n_layers`?",
            line: Some(2),
            key: "model.n_layer",
            ..CASE
        },
        Case {
            what: "unknown section",
            config: "seeds = [0]\n\n[trainning]\nsteps = 3\n",
            message: "did you mean `training`?",
            line: Some(3),
            key: "trainning",
            ..CASE
        },
        Case {
            what: "ill-typed value",
            config: "[training]\n# how long\nsteps = \"many\"\n",
            message: "must be a whole number of 0 or more, found the string \"many\"",
            line: Some(3),
            key: "training.steps",
            ..CASE
        },
        Case {
            what: "no heads",
            config: "[model]\nn_heads = 0\n",
            message: "must be at least 1, found 0",
            line: Some(2),
            key: "model.n_heads",
            ..CASE
        },
        Case {
            what: "heads that do not divide the width",
            config: "[model]\nn_heads = 4\nd_model = 18\n",
            message: "cannot be divided among `model.n_heads` = 4",
            line: Some(3),
            key: "model.d_model",
            ..CASE
        },
        Case {
            what: "a head that the network does not have",
            config: "[analysis.llc]\ncomponents = [\"all\", \"head:0.9\"]\n",
            message: "there is no head 9; the last is 3",
            line: Some(2),
            key: "analysis.llc.components",
            ..CASE
        },
        Case {
            what: "a component in no language",
            config: "[analysis.llc]\nchains = 2\ncomponents = [\"brain\"]\n",
            message: "is none of all, embed",
            line: Some(3),
            key: "analysis.llc.components",
            ..CASE
        },
        Case {
            what: "a number of draws in words",
            config: "[analysis.llc]\ndraws = \"many\"\n",
            message: "auto",
            line: Some(2),
            key: "analysis.llc.draws",
            ..CASE
        },
        Case {
            what: "data to evaluate that there is none of",
            config: "[analysis.llc]\nevaluate = \"other\"\n",
            message: "it can be",
            line: Some(2),
            key: "analysis.llc.evaluate",
            ..CASE
        },
        Case {
            what: "a box without width",
            config: "[analysis.llc]\nbox = 0.0\n",
            message: "must be",
            line: Some(2),
            key: "analysis.llc.box",
            ..CASE
        },
        Case {
            what: "no seeds",
            config: "seeds = []\n",
            message: "empty",
            line: Some(1),
            key: "seeds",
            ..CASE
        },
        Case {
            what: "a seed twice",
            config: "seeds = [\n  4,\n  7,\n  4,\n]\n",
            message: "seed 4 is listed twice",
            line: Some(4),
            key: "seeds[2]",
            ..CASE
        },
        Case {
            what: "a step that is none",
            config: "[training]\nlr = nan\n",
            message: "must be finite",
            line: Some(2),
            key: "training.lr",
            ..CASE
        },
        Case {
            what: "unknown kind of source",
            config: "[data]\nkind = \"txet\"\n",
            message: "did you mean `text`?",
            line: Some(2),
            key: "data.kind",
            ..CASE
        },
        Case {
            what: "a phase beyond the end",
            config: "[training]\nsteps = 50\n[[phases]]\nat = 50\ndata = { kind = \"text\" }\n",
            message: "training ends at step 50",
            line: Some(4),
            key: "phases[0].at",
            ..CASE
        },
        Case {
            what: "more triggers than tokens",
            config: "[data]\nkind = \"ngram_induction\"\nn_triggers = 64\n",
            message: "must be left to be successors",
            line: Some(3),
            key: "data.n_triggers",
            ..CASE
        },
        Case {
            what: "a vocabulary smaller than the source's",
            config: "[model]\nd_vocab = 10\n",
            message: "at least the 64 tokens of the source",
            line: Some(2),
            key: "model.d_vocab",
            ..CASE
        },
        Case {
            what: "an eval of more tokens than the network",
            config: "[[evals]]\nname = \"big\"\ndata = { kind = \"ngram_induction\", d_vocab = 99 }\n",
            message: "`model.d_vocab` = 99",
            line: Some(3),
            key: "evals[0].data",
            ..CASE
        },
        Case {
            what: "burn-in that leaves no draw",
            config: "[analysis.llc]\ndraws = 20\n",
            message: "leaves nothing",
            line: Some(2),
            key: "analysis.llc.draws",
            ..CASE
        },
        Case {
            what: "an arm that changes what arms share",
            config: "[[arms]]\nname = \"a\"\nset = { seeds = [1] }\n",
            message: "an arm cannot change `seeds`",
            line: Some(3),
            key: "arms[0].set.seeds",
            ..CASE
        },
    ]);
}

#[test]
fn files_that_are_no_configuration() {
    refuse_all(&[
        Case {
            what: "missing",
            command: "run nowhere.toml",
            message: "no such file",
            file: "nowhere.toml",
            ..CASE
        },
        Case {
            what: "a folder",
            command: "run configs",
            files: &[("configs/good.toml", b"seeds = [0]\n")],
            message: "is a folder",
            file: "configs",
            ..CASE
        },
        Case {
            what: "not UTF-8",
            command: "data latin.toml",
            files: &[("latin.toml", b"seeds = [0]\nname = \"na\xefve\"\n")],
            message: "not UTF-8",
            file: "latin.toml",
            line: Some(2),
            ..CASE
        },
        Case {
            what: "a checkpoint instead",
            command: "train step.safetensors",
            files: &[(
                "step.safetensors",
                b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{}}",
            )],
            message: "not valid TOML",
            file: "step.safetensors",
            line: Some(1),
            ..CASE
        },
    ]);
}

#[test]
fn arguments_that_name_nothing() {
    const ARGUMENT: Case = Case { file: "", ..CASE };
    refuse_all(&[
        Case {
            what: "unknown key of --set",
            command: "train bad.toml --set training.step=3",
            message: "did you mean `steps`?",
            file: "--set",
            key: "training.step",
            ..CASE
        },
        Case {
            what: "ill-typed value of --set",
            command: "run bad.toml --set model.tied=perhaps",
            message: "must be true or false, found the string \"perhaps\"",
            file: "--set",
            key: "model.tied",
            ..CASE
        },
        Case {
            what: "--set without a value",
            command: "train --set training.steps",
            message: "written key=value",
            file: "--set",
            key: "training.steps",
            ..CASE
        },
        Case {
            what: "unknown device",
            command: "train bad.toml --device tpu",
            message: "unknown device `tpu`",
            ..ARGUMENT
        },
        Case {
            what: "a device of no number",
            command: "train bad.toml --device gpu:first",
            message: "`first` is not a number",
            ..ARGUMENT
        },
        Case {
            what: "a device that is not there",
            command: "train bad.toml --device gpu:99",
            message: "GPU",
            ..ARGUMENT
        },
        Case {
            what: "unknown argument",
            command: "train bad.toml --step 3",
            message: "unexpected argument '--step'",
            ..ARGUMENT
        },
        Case {
            what: "unknown command",
            command: "trian bad.toml",
            message: "unrecognized subcommand 'trian'",
            ..ARGUMENT
        },
        Case {
            what: "no argument at all",
            command: "predict",
            message: "required arguments",
            ..ARGUMENT
        },
        Case {
            what: "a folder that is no run",
            command: "analyze notes",
            files: &[("notes/today.txt", b"dear diary")],
            message: "not the folder of a run",
            file: "notes",
            ..CASE
        },
        Case {
            what: "a folder that is not there",
            command: "report nowhere",
            message: "not the folder of a run",
            file: "nowhere",
            ..CASE
        },
        Case {
            what: "a folder that holds something else",
            command: "train bad.toml --device cpu --out notes",
            files: &[("notes/today.txt", b"dear diary")],
            message: "already holds `today.txt`",
            file: "notes",
            ..CASE
        },
        Case {
            what: "a file where the folder should be",
            command: "train bad.toml --device cpu --out notes",
            files: &[("notes", b"dear diary")],
            message: "cannot create folder",
            file: "notes",
            ..CASE
        },
    ]);
}

#[test]
fn a_person_is_shown_the_line() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", "[model]\nn_layers = 2\n  n_head = 2\n");
    let ended = sandbox.run(&["train", "bad.toml"]);
    assert_eq!(
        (ended.status.code(), ended.stdout.as_str()),
        (Some(1), ""),
        "{ended}"
    );
    let expected = "error: bad.toml:3:3: unknown key `n_head` in [model]; did you mean `n_heads`?\n  \
                    3 |   n_head = 2\n    |   ^^^^^^\n";
    assert_eq!(ended.stderr, expected);
}
