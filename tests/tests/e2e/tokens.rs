//! Tokenizers that lose something: what is told, what is refused.

use ontogeny_tests::Sandbox;
use serde_json::{Value, json};

const CONFIG: &str = r#"
seeds = [0]

[data]
kind = "text"
corpus = "corpus.jsonl"
tokenizer = "tokenizer.json"
end_of_text = "<eos>"

[model]
n_heads = 2
d_model = 16
n_ctx = 8

[training]
steps = 4
batch = 2

[checkpoints]
log = 2
"#;

/// Letters without merges. What is none of them has no token, or the unknown one.
fn letters(unknown: Option<&str>, dropout: Value) -> Value {
    let letters = ('a'..='z').chain("<>".chars()).map(String::from);
    let tokens = ["<eos>".to_owned()].into_iter();
    let tokens = tokens.chain(unknown.map(str::to_owned)).chain(letters);
    let vocabulary: Value = tokens.zip(0..).map(|(t, id)| (t, json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{ "id": 0, "content": "<eos>", "single_word": false, "lstrip": false,
                           "rstrip": false, "normalized": false, "special": true }],
        "normalizer": null, "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null,
        "decoder": null,
        "model": { "type": "BPE", "dropout": dropout, "unk_token": unknown, "vocab": vocabulary,
                   "continuing_subword_prefix": null, "end_of_word_suffix": null,
                   "fuse_unk": false, "byte_fallback": false, "merges": [] }
    })
}

/// Twelve documents of lower case letters, the third with something else at its end.
fn sandbox(third: &str, tokenizer: &Value) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("config.toml", CONFIG);
    let text = |i: usize| "the miller mends a lantern ".repeat(9 + i);
    let line = |i: usize| {
        let third = if i == 2 { third } else { "" };
        json!({ "text": text(i) + third }).to_string()
    };
    let lines: Vec<String> = (0..12).map(line).collect();
    sandbox.write("corpus.jsonl", lines.join("\n"));
    sandbox.write("tokenizer.json", tokenizer.to_string());
    sandbox
}

#[test]
fn what_tokens_lose_is_printed_and_given_to_scripts() {
    let sandbox = sandbox("é <eos>", &letters(None, json!(0.5)));
    // From the corpus, then from the cache.
    for _ in 0..2 {
        let ended = sandbox.run(&["data", "config.toml", "--json"]).success();
        for said in [
            "note: the tokenizer's dropout of 0.5 is switched off",
            "note: 1 of 12 documents spell a control token (`<eos>`), first document 3",
            "note: 1 of ",
            "would vanish: `é` (1), first in document 3",
        ] {
            assert!(ended.stderr.contains(said), "{said}: {ended}");
        }
        let notices = ended.json()["sources"][0]["notices"].clone();
        assert_eq!(notices.as_array().map(Vec::len), Some(3), "{notices}");
    }
}

#[test]
fn a_corpus_that_would_vanish_is_refused_and_leaves_nothing() {
    let sandbox = sandbox(&"ЖЗ".repeat(300), &letters(None, Value::Null));
    let refusal = sandbox.run(&["data", "config.toml", "--json"]).refusal();
    let message = &refusal.message;
    assert!(
        message.contains("600 of ") && message.contains("`Ж` (300)"),
        "{message}"
    );
    assert!(sandbox.names("").iter().all(|name| name != "runs"));
}

#[test]
fn a_prompt_is_read_as_a_document_is() {
    let sandbox = sandbox("", &letters(None, Value::Null));
    let train = [
        "train",
        "config.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];
    let trained = sandbox.run(&train).json();
    let last = trained["checkpoints"].as_array().and_then(|c| c.last());
    let last = last.and_then(|c| c["path"].as_str()).expect("a checkpoint");
    let ask = |arguments: &[&str]| {
        let predict = ["predict", last, "--json"];
        sandbox.run(&[&predict[..], arguments].concat())
    };
    let spelled = ask(&["--text", "a<eos>b"]).success();
    assert!(
        spelled
            .stderr
            .contains("note: the text spells a control token"),
        "{spelled}"
    );
    let tokens = spelled.json()["tokens"].clone();
    assert_eq!(tokens, json!([1, 27, 5, 15, 19, 28, 2]));
    for (arguments, said) in [
        (&["--text", "abé"][..], "`é`"),
        (
            &["--text", "a b c d e f g h i"],
            "9 tokens are more than the 8 positions",
        ),
        (&["--text", ""], "no token to predict from"),
        (&["--tokens", "99999"], "tokens go from 0 to 28"),
    ] {
        let message = ask(arguments).refusal().message;
        assert!(message.contains(said), "{said}: {message}");
    }
    for tokens in ["1,,2", "-1", "1 2", "4294967296", ""] {
        let ended = ask(&["--tokens", tokens]);
        assert_eq!(ended.status.code(), Some(2), "{ended}");
        assert!(
            ended.stderr.contains("separated by commas: 3,17,4"),
            "{tokens}: {ended}"
        );
    }
}

#[test]
fn other_files_than_a_tokenizer_are_named() {
    let sandbox = sandbox("", &letters(None, Value::Null));
    let with = |name: &str| {
        let set = format!("data.tokenizer=\"{name}\"");
        sandbox.run(&["data", "config.toml", "--json", "--set", &set])
    };
    sandbox.write(
        "folder/tokenizer.json",
        format!("\u{feff}{}", letters(None, Value::Null)),
    );
    with("folder").success();
    sandbox.write("slow/merges.txt", "#version: 0.2\n");
    sandbox.write("t.model", b"\x0a\x0e\x0a\x05<unk>\xff");
    for (name, said) in [
        ("slow", "folder with merges.txt"),
        ("slow/merges.txt", "merges.txt of a BPE"),
        ("t.model", "SentencePiece"),
        ("corpus.jsonl", "not a tokenizer.json"),
    ] {
        let refusal = with(name).refusal();
        assert!(
            refusal.message.contains(said),
            "{name}: {}",
            refusal.message
        );
        assert_eq!(refusal.key.as_deref(), Some("data.tokenizer"), "{name}");
    }
}

/// One word of two million letters: the time of a test is not asserted, but without linked symbols
/// this one takes hours.
#[test]
fn a_text_without_spaces_is_tokenized() {
    let sandbox = Sandbox::new();
    let mut state = 1u32;
    let word: String = (0..2_000_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 28) as u8)
        })
        .collect();
    sandbox.write("word.txt", word);
    let config = CONFIG
        .replace("corpus.jsonl", "word.txt")
        .replace("tokenizer = \"tokenizer.json\"", "d_vocab = 400");
    sandbox.write("config.toml", config);
    let described = sandbox.run(&["data", "config.toml", "--json"]).json();
    let part = |part: &str| described["sources"][0]["description"][part]["tokens"].as_u64();
    let tokens = part("train").zip(part("held_out")).map(|(a, b)| a + b);
    assert!(
        tokens.is_some_and(|n| (900_000..1_300_000).contains(&n)),
        "{tokens:?}"
    );
}
