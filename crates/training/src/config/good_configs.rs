//! Configurations that must be accepted, and what comes out of them.

use std::path::Path;

use ontogeny_data::SourceSpec;
use ontogeny_model::{InitKind, Positions};
use ontogeny_store::{Schedule, Step};

use super::{LlcData, LoadedConfig, LrSchedule, ONLY_ARM, Optimizer, RunConfig};

fn load(text: &str, overrides: &[&str]) -> LoadedConfig {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    RunConfig::parse(text, "good.toml", "good", Path::new(""), &overrides)
        .unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// A configuration that uses everything.
const FULL: &str = r#"
name = "everything"
seeds = [3, 5]

[model]
n_layers = 3
n_heads = 2
d_model = 32
d_mlp = 64
positions = "rotary"
tied = true
n_ctx = 32
init = { kind = "normal", scale = 0.5 }

[data]
kind = "ngram_induction"
zipf = 1
active = 2

[training]
steps = 100
optimizer = "sgd"
momentum = 0.9
lr = 0.1
schedule = "one_cycle"
warmup = 50
start_from = "elsewhere/step-0000000010.safetensors"
start_replica = "seed0"

[checkpoints]
log = 0
every = 10
at = [1, 2, 3]

[analysis]
icl_positions = [0, 1]
llc = { chains = 2, data = "flat" }

[[phases]]
at = 20
data = { kind = "ngram_induction", n_triggers = 0 }

[[phases]]
at = 60
[phases.data]
kind = "text"

[[evals]]
name = "flat"
data.kind = "ngram_induction"
data.zipf = 0.0

[[arms]]
name = "plain"

[[arms]]
name = "wide"
set = { "model.d_model" = 64, "training.lr" = 0.2, "data.seed" = 1 }

[[arms]]
name = "words"
[arms.set]
phases = []
model.d_head = 8
[arms.set.data]
kind = "text"
d_vocab = 300
"#;

#[test]
fn nothing_at_all_is_the_default() {
    let loaded = load("", &[]);
    let mut expected = RunConfig {
        name: "good".to_owned(),
        base: Some(std::env::current_dir().unwrap()),
        ..RunConfig::default()
    };
    expected.model.d_head = Some(16);
    assert_eq!(loaded.config, expected);
    assert_eq!(loaded.arms.len(), 1);
    assert_eq!(loaded.arms[0].name, ONLY_ARM);
    assert_eq!(loaded.arms[0].config, expected);
    let names: Vec<String> = expected.replicas().into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["seed0"]);
}

#[test]
fn the_default_run_has_at_least_forty_checkpoints() {
    let config = RunConfig::default();
    let schedule = Schedule::build(&config.checkpoints, Step(config.training.steps));
    assert!(schedule.steps().len() >= 40, "{}", schedule.steps().len());
}

#[test]
fn everything_can_be_set() {
    let loaded = load(FULL, &[]);
    let config = &loaded.config;
    assert_eq!(config.name, "everything");
    assert_eq!(config.model.positions, Positions::Rotary);
    assert_eq!(config.model.init.kind, InitKind::Normal);
    assert_eq!(config.training.optimizer, Optimizer::Sgd);
    assert_eq!(config.training.schedule, LrSchedule::OneCycle);
    assert_eq!(config.training.batch, 32);
    assert_eq!(config.analysis.llc.data(), LlcData::Eval("flat".to_owned()));
    assert_eq!(config.analysis.llc.draws, super::DrawCount::Fixed(120));
    let SourceSpec::NgramInduction(data) = &config.data else {
        panic!("{:?}", config.data)
    };
    assert_eq!((data.zipf, data.active, data.n_triggers), (1.0, Some(2), 4));
    let begins: Vec<u64> = config.sources().iter().map(|(at, _)| *at).collect();
    assert_eq!(begins, [0, 20, 60]);
    let names: Vec<String> = config.replicas().into_iter().map(|r| r.name).collect();
    let expected = ["plain.seed3", "plain.seed5", "wide.seed3", "wide.seed5"];
    assert_eq!(names[..4], expected);
    assert_eq!(names.len(), 6);
}

#[test]
fn an_arm_changes_what_it_sets_and_nothing_else() {
    let loaded = load(FULL, &[]);
    let [plain, wide, words] = &loaded.arms[..] else {
        panic!("{} arms", loaded.arms.len())
    };
    let without_arms = RunConfig {
        arms: Vec::new(),
        ..loaded.config.clone()
    };
    assert_eq!(plain.config, without_arms);

    let mut expected = without_arms.clone();
    expected.model.d_model = 64;
    expected.model.d_head = Some(32);
    expected.training.lr = 0.2;
    if let SourceSpec::NgramInduction(data) = &mut expected.data {
        data.seed = 1;
    }
    assert_eq!(wide.config, expected);

    // A source of another kind starts from the defaults of that kind.
    let SourceSpec::Text(text) = &words.config.data else {
        panic!("{:?}", words.config.data)
    };
    assert_eq!(
        (text.d_vocab, text.corpus.as_deref()),
        (Some(300), Some("sotu"))
    );
    assert_eq!(words.config.model.d_head(), 8);
    assert_eq!(words.config.phases, []);
}

#[test]
fn the_resolved_text_says_everything_and_gives_the_same_again() {
    for text in ["", FULL] {
        let first = load(text, &["analysis.held_out=7"]);
        let again = RunConfig::parse(
            &first.resolved_toml,
            "config.toml",
            "config",
            Path::new("/somewhere/else"),
            &[],
        )
        .unwrap();
        assert_eq!(again.config, first.config);
        assert_eq!(again.resolved_toml, first.resolved_toml);
        assert_eq!(again.base_dir, first.base_dir);
        assert_eq!(again.config.training_key(), first.config.training_key());
        for (again, first) in again.arms.iter().zip(&first.arms) {
            assert_eq!(again.config, first.config);
        }
        for line in [
            "held_out = 7",
            "epsilon = 0.0003",
            "eps = 0.00000001",
            "lr_end = 0.0",
            "head_rise = 0.1",
            "axis = \"step\"",
            "d_head = 16",
            "trigram_strength = 0.8",
        ] {
            let mut lines = first.resolved_toml.lines();
            assert!(lines.any(|l| l == line), "{line}\n{}", first.resolved_toml);
        }
    }
}

/// Each value of the complete text, replaced by one of another type, is refused by its name and at
/// its line: no key is left out of the checks.
#[test]
fn every_value_is_checked_and_found_again() {
    let text = load(
        "seeds = [1]\n[[evals]]\nname = \"e\"\ndata.kind = \"text\"",
        &[],
    )
    .resolved_toml;
    let mut section = String::new();
    let mut checked = 0;
    for (number, line) in text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned() + ".";
        }
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let other = if value.starts_with(['"', '[']) {
            "1"
        } else {
            "\"x\""
        };
        let changed: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(at, line)| {
                if at == number {
                    format!("{key} = {other}")
                } else {
                    line.to_owned()
                }
            })
            .collect();
        let path = format!("{section}{key}").replace("evals.", "evals[0].");
        let error =
            RunConfig::parse(&changed.join("\n"), "f", "f", Path::new(""), &[]).expect_err(&path);
        assert_eq!(error.line, Some(number + 1), "{error}");
        assert_eq!(error.key.as_deref(), Some(&*path), "{error}");
        checked += 1;
    }
    assert!(checked > 60, "{checked}\n{text}");
}

#[test]
fn overrides_win_in_their_order() {
    let loaded = load(
        FULL,
        &[
            "training.lr=3e-4",
            "training.lr = 5e-4",
            "name=other",
            "seeds=[7]",
            "arms=[]",
            "model.init.kind=standard",
            "data.kind=text",
            "data.corpus=a=b",
            "evals=[{ name = \"flat\", data = { kind = \"text\" } }]",
        ],
    );
    assert_eq!(loaded.config.training.lr, 5e-4);
    assert_eq!(loaded.config.name, "other");
    assert_eq!(loaded.config.seeds, [7]);
    assert_eq!(loaded.arms.len(), 1);
    assert_eq!(loaded.config.model.init.kind, InitKind::Standard);
    // Only sources forget what another kind was set to.
    assert_eq!(loaded.config.model.init.scale, 0.5);
    let SourceSpec::Text(text) = &loaded.config.data else {
        panic!("{:?}", loaded.config.data)
    };
    assert_eq!(text.corpus.as_deref(), Some("a=b"));
}

#[test]
fn the_key_covers_what_decides_the_weights_and_only_that() {
    let key = |overrides: &[&str]| load(FULL, overrides).config.training_key();
    let original = key(&[]);
    for same in [
        "name=\"other\"",
        "base=\"elsewhere\"",
        "analysis.llc.epsilon=1e-5",
        "stages.level=0.8",
        "report.axis=tokens",
        "checkpoints.every=7",
        "state.seconds=1",
    ] {
        assert_eq!(key(&[same]), original, "{same}");
    }
    let mut keys = vec![original];
    for other in [
        "seeds=[3]",
        "seeds=[5, 3]",
        "model.bias=false",
        "model.init.scale=0.25",
        "data.zipf=0.5",
        "training.lr=0.01",
        "training.steps=101",
        "phases=[]",
        "arms=[]",
    ] {
        let key = key(&[other]);
        assert!(!keys.contains(&key), "{other}");
        keys.push(key);
    }
}

#[test]
fn relative_paths_start_from_the_files_folder_unless_it_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.study.toml");
    std::fs::write(&path, "").unwrap();
    let loaded = RunConfig::load(&path, &[]).unwrap();
    assert_eq!(loaded.config.name, "my.study");
    assert_eq!(loaded.base_dir, folder.path());
    assert_eq!(loaded.config.base_dir(), folder.path());
    let loaded = RunConfig::load(&path, &["base=data".to_owned()]).unwrap();
    assert_eq!(loaded.base_dir, folder.path().join("data"));
}

#[test]
fn presets_load_and_say_what_there_is() {
    for name in ["induction", "text"] {
        let loaded = RunConfig::preset(name, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.config.name, name);
        let steps = Step(loaded.config.training.steps);
        let schedule = Schedule::build(&loaded.config.checkpoints, steps);
        assert!(schedule.steps().len() >= 40, "{name}");
    }
    let text = RunConfig::preset("text", &[]).unwrap().config;
    assert!(text.model.n_ctx >= 128 && text.model.n_layers == 2 && text.model.d_mlp == 0);
    let error = RunConfig::preset("txet", &[]).unwrap_err();
    let known = "`induction`, `text`, `superposition` and `hierarchy`";
    assert!(error.message.contains(known), "{error}");
}

#[test]
fn a_network_takes_its_vocabulary_from_the_source() {
    let config = load("", &[]).config.model;
    assert_eq!(config.of_tokens(64).unwrap().d_out(), 64);
    let config = load("model.d_vocab = 100", &[]).config.model;
    assert_eq!(config.of_tokens(64).unwrap().d_out(), 100);
    let error = config.of_tokens(101).unwrap_err();
    assert_eq!(
        error.to_string(),
        "model.d_vocab must be at least the 101 tokens of the source, found 100"
    );
}

#[test]
fn a_later_error_still_finds_its_place() {
    let text = "[model]\nn_ctx = 32\n[data]\nkind = \"text\"\ncorpus = \"nowhere\"\n";
    let loaded = load(text, &[]);
    let error = loaded.error("data.corpus", "is empty");
    assert_eq!((error.line, error.column), (Some(5), Some(10)));
    // The key is not written: its section is shown.
    let error = loaded.error("data.tokenizer", "does not fit");
    assert_eq!((error.line, error.column), (Some(3), Some(1)));
    let too_short = ontogeny_data::DataError::TooShort {
        corpus: "the corpus".to_owned(),
        split: "held-out",
        available: 9,
        needed: 33,
    };
    let error = loaded.source_error("data", &too_short);
    assert_eq!(error.key.as_deref(), Some("model.n_ctx"));
    assert_eq!(error.line, Some(2));
}

#[test]
fn icl_positions_scale_with_the_context_and_never_meet() {
    let analysis = RunConfig::default().analysis;
    assert_eq!(analysis.icl_positions(1000), (50, 500));
    assert_eq!(analysis.icl_positions(64), (3, 32));
    for n_ctx in 2..200 {
        let (early, late) = analysis.icl_positions(n_ctx);
        assert!(early < late && late < n_ctx, "{n_ctx}");
    }
    let close = load("analysis.icl_positions = [0.999, 1.0]", &[])
        .config
        .analysis;
    for n_ctx in 2..200 {
        let (early, late) = close.icl_positions(n_ctx);
        assert!(early < late && late < n_ctx, "{n_ctx}");
    }
}

/// Each knob of the data, and the two ways to name what a text is made of.
#[test]
fn sources_can_be_set_whole() {
    let synthetic = "[data]\nkind = \"ngram_induction\"\nburstiness = 0.5\nrepeat = 0.25\n\
                     segment = 20\ntraining_set = 1000\n";
    let SourceSpec::NgramInduction(data) = load(synthetic, &[]).config.data else {
        panic!("another kind")
    };
    assert_eq!((data.burstiness, data.repeat), (0.5, 0.25));
    assert_eq!((data.segment, data.training_set), (Some(20), Some(1000)));

    let mixture = "[data]\nkind = \"text\"\n[[data.corpora]]\npath = \"sotu\"\nweight = 3\n\
                   [[data.corpora]]\npath = \"novels\"\n";
    let mixed = load(mixture, &["data.training_set=5"]);
    let SourceSpec::Text(data) = &mixed.config.data else {
        panic!("another kind")
    };
    assert_eq!((&data.corpus, data.training_set), (&None, Some(5)));
    let corpora: Vec<_> = data.corpora.iter().flatten().collect();
    assert_eq!((&*corpora[0].path, corpora[0].weight), ("sotu", 3.0));
    assert_eq!((&*corpora[1].path, corpora[1].weight), ("novels", 1.0));
    let again =
        RunConfig::parse(&mixed.resolved_toml, "f", "f", Path::new(""), &[]).expect("as it was");
    assert_eq!(again.config.data, mixed.config.data);
}

#[test]
fn a_layer_names_its_corpora_in_place_of_those_below() {
    let text = "[data]\nkind = \"text\"\n[[arms]]\nname = \"one\"\n[[arms]]\nname = \"two\"\n\
                set = { \"data.corpora\" = [{ path = \"a\" }, { path = \"b\" }] }\n";
    let first = load(text, &[]);
    let again =
        RunConfig::parse(&first.resolved_toml, "f", "f", Path::new(""), &[]).expect("as it was");
    for loaded in [first, again] {
        let specs: Vec<_> = loaded
            .arms
            .iter()
            .map(|arm| match &arm.config.data {
                SourceSpec::Text(text) => (text.corpus.clone(), text.corpora.is_some()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(specs, [(Some("sotu".to_owned()), false), (None, true)]);
    }
    let over = load(
        "[data]\nkind = \"text\"\ncorpora = [{ path = \"a\" }]\n",
        &["data.corpus=b"],
    );
    let SourceSpec::Text(data) = &over.config.data else {
        panic!("another kind")
    };
    assert_eq!((data.corpus.as_deref(), &data.corpora), (Some("b"), &None));
}
