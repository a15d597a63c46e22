//! Real text: a folder of files in, words out.

use ontogeny_tests::Sandbox;
use serde_json::Value;

const CONFIG: &str = r#"
seeds = [0]

[data]
kind = "text"
corpus = "letters"
d_vocab = 300

[model]
n_heads = 2
d_model = 16
n_ctx = 16
positions = "rotary"

[training]
steps = 60
batch = 8
lr = 1e-2

[checkpoints]
log = 10

[analysis]
held_out = 16
llc = { chains = 2, draws = 6, burn_in = 2, batch = 4 }
"#;

/// A folder of letters in a language of a few words, twelve documents of some 2000 bytes.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("text.toml", CONFIG);
    let nouns = ["river", "miller", "harvest", "lantern", "café", "winter"];
    let verbs = ["follows", "remembers", "carries", "mends"];
    for letter in 0..12 {
        let sentence = |i: usize| {
            let (a, b) = (letter * 7 + i, letter + i * i);
            format!(
                "The {} {} the {}. ",
                nouns[a % 6],
                verbs[b % 4],
                nouns[(a + b) % 6]
            )
        };
        let text: String = (0..60).map(sentence).collect();
        sandbox.write(format!("letters/{letter:02}.txt"), text);
    }
    sandbox
}

#[test]
fn a_folder_of_texts_is_learned_and_read_back() {
    let sandbox = sandbox();
    let run = [
        "run",
        "text.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];
    let result = sandbox.run(&run).json();
    let checkpoints = result["checkpoints"]
        .as_array()
        .expect("a list of checkpoints");
    let loss = |row: &str| -> f64 {
        let row: Value = serde_json::from_str(row).expect("a row is JSON");
        assert!(row["values"]["divergence.bigram"].is_number(), "{row}");
        row["values"]["loss"].as_f64().expect("a loss")
    };
    let table = sandbox.text("run/analysis/table.jsonl");
    let losses: Vec<f64> = table.lines().map(loss).collect();
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(
        last < first - 1.0,
        "words of so few sentences are soon learned: {losses:?}"
    );

    // The tokens were cached with the run, and with them a list of the sources.
    let cache = sandbox.times("run/cache");
    assert_eq!(cache.len(), 2);
    assert!(sandbox.names("runs").is_empty(), "the run lies elsewhere");

    let last = checkpoints[checkpoints.len() - 1]["path"]
        .as_str()
        .expect("a path");
    let text = "The miller remembers";
    let predicted = sandbox
        .run(&["predict", last, "--text", text, "--json"])
        .json();
    let tokens = predicted["tokens"].as_array().expect("tokens");
    assert!((3..=16).contains(&tokens.len()), "{tokens:?}");
    let rows = predicted["log_probs"]
        .as_array()
        .expect("a row for each position");
    assert_eq!(rows.len(), tokens.len());
    assert!(
        rows.iter()
            .all(|row| row.as_array().map(Vec::len) == Some(300))
    );
    // To a person, in words.
    let shown = sandbox.run(&["predict", last, "--text", text]).success();
    assert_eq!(shown.stdout.lines().count(), tokens.len(), "{shown}");
    assert!(
        shown.stdout.contains("→") && shown.stdout.contains("\"The\""),
        "{shown}"
    );

    sandbox.run(&run).success();
    assert_eq!(
        sandbox.times("run/cache"),
        cache,
        "the corpus was tokenized again"
    );
}

#[test]
fn a_source_is_shown_before_anything_is_trained() {
    let sandbox = sandbox();
    let shown = sandbox
        .run(&["data", "text.toml", "--samples", "2"])
        .success();
    for said in [
        "300 tokens, sequences of 16 positions",
        "uniform",
        "bigram",
        "Zipf exponent",
        "repeats per sequence, in training: ",
        "corpus letters: 100.0 % of the sequences",
    ] {
        assert!(shown.stdout.contains(said), "{said}: {shown}");
    }
    let samples: Vec<&str> = shown
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sample: "))
        .collect();
    assert_eq!(samples.len(), 2, "{shown}");
    assert!(
        samples.iter().all(|sample| sample.contains(" the ")),
        "{shown}"
    );

    let described = sandbox.run(&["data", "text.toml", "--json"]).json();
    let source = &described["sources"][0];
    let frequencies = source["frequencies"].as_array().expect("frequencies");
    let sum: f64 = frequencies.iter().filter_map(Value::as_f64).sum();
    assert_eq!(frequencies.len(), 300);
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    let oracles = source["description"]["oracles"]
        .as_array()
        .expect("oracles");
    let losses: Vec<f64> = oracles
        .iter()
        .filter_map(|oracle| oracle["loss"].as_f64())
        .collect();
    let uniform = source["description"]["uniform_loss"]
        .as_f64()
        .expect("a loss");
    assert!((uniform - 300f64.ln()).abs() < 1e-9, "{uniform}");
    let repeats = source["description"]["repeats_per_sequence"].as_f64();
    assert!(repeats.is_some_and(|mean| mean >= 0.0), "{repeats:?}");
    let corpus = &source["description"]["corpora"][0];
    assert_eq!(corpus["train"], source["description"]["train"]);
    assert_eq!(losses.len(), 4);
    assert!(losses[1] < losses[0] && losses[0] < uniform, "{losses:?}");
    assert!(
        !sandbox.names("runs").iter().any(|name| name != "cache"),
        "nothing was trained"
    );
}

#[test]
fn the_shipped_corpus_is_there() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "shipped.toml",
        "[data]\nkind = \"text\"\n[model]\nn_ctx = 64\n",
    );
    let described = sandbox.run(&["data", "shipped.toml", "--json"]).json();
    let description = &described["sources"][0]["description"];
    assert_eq!(description["d_vocab"], 1000);
    let documents = ["train", "held_out"].map(|part| description[part]["documents"].as_u64());
    assert!(
        documents.into_iter().flatten().sum::<u64>() > 200,
        "{documents:?}"
    );
}
