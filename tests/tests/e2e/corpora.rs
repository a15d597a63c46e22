//! Corpora as they come: odd files, odd folders, and what becomes of a run whose corpus moves.

use std::fs;
use std::time::{Duration, Instant};

use ontogeny_tests::Sandbox;
use serde_json::Value;

const CONFIG: &str = r#"
seeds = [0]

[data]
kind = "text"
corpus = "letters.jsonl"
d_vocab = 300

[model]
n_heads = 2
d_model = 16
n_ctx = 16

[training]
steps = 20
batch = 4
lr = 1e-2

[checkpoints]
log = 4

[stages]
online = false

[analysis]
held_out = 8
llc = { chains = 2, draws = 4, burn_in = 1, batch = 2 }
"#;

const TRAIN: [&str; 6] = ["train", "text.toml", "--device", "cpu", "--out", "run"];

/// Twelve letters of some 1500 bytes, one a line.
fn letters() -> Vec<String> {
    let nouns = ["river", "miller", "harvest", "lantern", "café", "winter"];
    let verbs = ["follows", "remembers", "carries", "mends"];
    let letter = |letter: usize| {
        let sentence = |i: usize| {
            let (a, b) = (letter * 7 + i, letter + i * i);
            format!(
                "The {} {} the {}. ",
                nouns[a % 6],
                verbs[b % 4],
                nouns[(a + b) % 6]
            )
        };
        (0..50).map(sentence).collect::<String>()
    };
    (0..12).map(letter).collect()
}

fn lines(letters: &[String]) -> String {
    let line = |text: &String| format!("{}\n", serde_json::json!({ "text": text }));
    letters.iter().map(line).collect()
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("text.toml", CONFIG);
    sandbox.write("letters.jsonl", lines(&letters()));
    sandbox
}

fn notices(described: &Value) -> Vec<&str> {
    let notices = described["sources"][0]["notices"].as_array();
    notices
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn what_is_left_out_is_told_people_and_scripts() {
    let sandbox = sandbox();
    let mut text = lines(&letters());
    text += "{\"text\": null}\n\n{\"text\": \"  \"}\n{\"text\": \"\\ufeffthe river\"}\n";
    sandbox.write("letters.jsonl", format!("\u{feff}{text}"));
    let told = [
        "`corpus`: 2 of 15 documents left out: .jsonl lines: 1 whose `text` is null, 1 without a \
         visible character",
        "`corpus`: 1 line is blank",
        "`corpus`: 1 document holds a byte order mark (U+FEFF) within its text, where it is a \
         character",
    ];
    let described = sandbox.run(&["data", "text.toml", "--json"]).json();
    assert_eq!(notices(&described), told);
    let shown = sandbox.run(&["data", "text.toml"]).success();
    for told in told {
        let line = format!("note: {told}");
        assert!(shown.stderr.lines().any(|l| l == line), "{line}: {shown}");
    }
}

/// A folder with a link to itself, a pipe that nobody writes to, and a device.
#[cfg(unix)]
#[test]
fn odd_folders_are_read_once_or_refused_at_once() {
    use std::os::unix::fs::symlink;
    let sandbox = sandbox();
    for (i, letter) in letters().iter().enumerate() {
        sandbox.write(format!("folder/{i:02}.txt"), letter);
    }
    symlink(".", sandbox.path("folder/again")).unwrap();
    symlink("03.txt", sandbox.path("folder/other.txt")).unwrap();
    let data = |corpus: &str| {
        let set = format!("data.corpus=\"{corpus}\"");
        let begun = Instant::now();
        let ended = sandbox.run(&["data", "text.toml", "--json", "--set", &set]);
        assert!(begun.elapsed() < Duration::from_secs(60), "{ended}");
        ended
    };
    let described = data("folder").json();
    let parts = &described["sources"][0]["description"];
    let documents = ["train", "held_out"].map(|part| parts[part]["documents"].as_u64());
    assert_eq!(documents.into_iter().flatten().sum::<u64>(), 12);
    assert_eq!(
        notices(&described),
        ["`corpus`: 2 links lead to what is there already and are passed over"]
    );
    let pipe = sandbox.path("folder/pipe.txt");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let refusal = data("folder").refusal();
    assert!(
        refusal.message.contains("is a pipe and not a file"),
        "{refusal:?}"
    );
    assert!(refusal.file.unwrap().ends_with("pipe.txt"));
    let refusal = data("/dev/null").refusal();
    assert!(refusal.message.contains("is a device"), "{refusal:?}");
    assert_eq!(refusal.key.as_deref(), Some("data.corpus"));
}

/// With `--out`, nothing is needed of the current folder: here even `runs` cannot be made.
#[test]
fn a_run_elsewhere_leaves_the_current_folder_alone() {
    let sandbox = sandbox();
    sandbox.write("runs", "a file where the folder would be");
    let before = sandbox.names("");
    sandbox.run(&TRAIN).success();
    let mut after = sandbox.names("");
    after.retain(|name| name != "run");
    assert_eq!(after, before);
    assert_eq!(sandbox.names("run/cache").len(), 2);
    // A command without a folder of its own says that it keeps its tokens in memory.
    let shown = sandbox.run(&["data", "text.toml"]).success();
    assert!(shown.stderr.contains("kept in memory alone"), "{shown}");
}

#[test]
fn tokens_in_the_folder_of_all_runs_are_shared() {
    let sandbox = sandbox();
    sandbox.run(&["data", "text.toml"]).success();
    let cached = sandbox.times("runs/cache");
    assert_eq!(cached.len(), 1);
    sandbox.run(&TRAIN).success();
    let shared = sandbox.names("runs/cache");
    assert!(sandbox.names("run/cache").contains(&shared[0]));
    sandbox.run(&TRAIN[..4]).success();
    assert_eq!(sandbox.times("runs/cache"), cached, "tokenized again");
}

/// The run and its corpus part: the run is measured with the tokens that it kept.
#[test]
fn a_run_that_moved_is_read_without_its_corpus() {
    let sandbox = sandbox();
    let run = [&["run"], &TRAIN[1..], &["--json"]].concat();
    sandbox.run(&run).json();
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    fs::rename(sandbox.path("run"), sandbox.path("elsewhere/run")).unwrap();
    fs::remove_file(sandbox.path("letters.jsonl")).unwrap();
    let checkpoint = "elsewhere/run/checkpoints/step-0000000020.safetensors";
    let set = "training.lr=2e-3";
    for command in [
        &["report", "elsewhere/run"][..],
        &["analyze", "elsewhere/run"],
        &["predict", checkpoint, "--text", "The river"],
        &["compare", "elsewhere/run"],
        &[
            "fork",
            "elsewhere/run@20",
            "--steps",
            "24",
            "--set",
            set,
            "--train-only",
            "--out",
            "f",
        ],
    ] {
        let ended = sandbox.run(&[command, &["--json"]].concat());
        let told = "letters.jsonl, which does not exist; the tokens that are kept with the run";
        assert!(ended.stderr.contains(told), "{ended}");
        ended.json();
    }
    // The fork has tokens of its own.
    fs::remove_dir_all(sandbox.path("elsewhere")).unwrap();
    sandbox.run(&["analyze", "f", "--json"]).json();
    // Without tokens it is told where the corpus was sought, and found where it is.
    fs::remove_dir_all(sandbox.path("f/cache")).unwrap();
    let refusal = sandbox.run(&["analyze", "f", "--json"]).refusal();
    assert_eq!(refusal.key.as_deref(), Some("data.corpus"));
    for part in ["letters.jsonl, which does not exist", "--set base=FOLDER"] {
        assert!(refusal.message.contains(part), "{refusal:?}");
    }
    sandbox.write("far/letters.jsonl", lines(&letters()));
    let base = format!("base=\"{}\"", sandbox.path("far").display());
    sandbox
        .run(&["analyze", "f", "--json", "--set", &base])
        .json();
    fs::remove_dir_all(sandbox.path("f/cache")).unwrap();
    sandbox.run(&["report", "f", "--json"]).json();
}

#[test]
fn a_corpus_that_changed_is_named() {
    let sandbox = sandbox();
    sandbox.run(&TRAIN).success();
    let mut letters = letters();
    letters[3] = letters[3].replace("river", "brook");
    sandbox.write("letters.jsonl", lines(&letters));
    let tree = sandbox.tree("run");
    let refusal = sandbox.run(&[&TRAIN[..], &["--json"]].concat()).refusal();
    for part in [
        "letters.jsonl (`data`) has changed since the run was made",
        "the content of the corpus",
        "another --out",
    ] {
        assert!(refusal.message.contains(part), "{part}: {refusal:?}");
    }
    assert!(sandbox.tree("run") == tree, "something was left behind");
}

#[test]
fn a_refused_run_leaves_no_folder_behind() {
    let sandbox = sandbox();
    let before = sandbox.names("");
    let refused = [
        &TRAIN[..],
        &["--set", "analysis.llc.components=[\"nonsense\"]", "--json"],
    ];
    sandbox.run(&refused.concat()).refusal();
    assert_eq!(sandbox.names(""), before);
    // Nor in a folder that holds something else.
    sandbox.write("run/notes.txt", "mine");
    sandbox.run(&[&TRAIN[..], &["--json"]].concat()).refusal();
    assert_eq!(sandbox.names("run"), ["notes.txt"]);
}
