//! What holds for every text that is read as a configuration.

use std::path::Path;

use ontogeny_store::{Schedule, Step};
use ontogeny_training::config::{ConfigError, LoadedConfig, RunConfig};
use proptest::collection::vec;
use proptest::prelude::*;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn parse(text: &str) -> Result<LoadedConfig, ConfigError> {
    RunConfig::parse(text, "fuzz.toml", "fuzz", Path::new(""), &[])
}

/// A complete configuration of the presets and of one with arms, phases and evals.
fn complete() -> Vec<String> {
    let several = "[[phases]]\nat = 20\ndata = { kind = \"ngram_induction\", n_triggers = 0 }\n\
                   [[evals]]\nname = \"flat\"\ndata = { kind = \"ngram_induction\", zipf = 0.0 }\n\
                   [[arms]]\nname = \"wide\"\nset = { \"model.d_model\" = 64 }\n";
    let presets = ["induction", "text"].map(|name| RunConfig::preset(name, &[]).unwrap());
    let texts = presets.map(|loaded| loaded.resolved_toml);
    texts
        .into_iter()
        .chain([parse(several).unwrap().resolved_toml])
        .collect()
}

/// A TOML value, well formed or nearly.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0_i64..100).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|x| format!("{x:e}")),
        Just("nan".to_owned()),
        Just("-inf".to_owned()),
        Just("[[], {}]".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        "\"[ -!#-\\[\\]-~é]{0,10}\"",
        "[a-z_.\\[\\]{}=\"']{0,10}",
    ]
}

/// Where there is an error about a file, it says which and, for text that was typed, where.
fn located(error: &ConfigError, text: &str) -> Result<(), TestCaseError> {
    let said = error.to_string();
    prop_assert!(
        !error.message.is_empty() && said.contains("fuzz.toml"),
        "{}",
        said
    );
    prop_assert!(said.lines().count() <= 10, "{}", said);
    if let Some(line) = error.line {
        prop_assert!(
            (1..=text.split('\n').count()).contains(&line),
            "line {}: {}",
            line,
            said
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\PC\\n]{0,120}") {
        if let Err(error) = parse(&text) {
            located(&error, &text)?;
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..120)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fuzz.toml");
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = RunConfig::load(&path, &[]) {
            prop_assert!(error.to_string().contains("fuzz.toml"), "{}", error);
        }
    }

    /// A complete configuration in which some lines say something else: it is refused with its
    /// place, or it is read and its complete text is the same configuration.
    #[test]
    fn what_is_written_out_is_read_as_the_same(
        which in 0_usize..3,
        edits in vec((any::<prop::sample::Index>(), value()), 0..4),
    ) {
        let text = &complete()[which];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (at, value) in &edits {
            let line = at.get(&lines).clone();
            if let Some((key, _)) = line.split_once(" = ") {
                let place = lines.iter().position(|l| *l == line).unwrap_or(0);
                lines[place] = format!("{key} = {value}");
            }
        }
        let text = lines.join("\n");
        match parse(&text) {
            Ok(loaded) => {
                let again = parse(&loaded.resolved_toml);
                prop_assert!(again.is_ok(), "{}", again.unwrap_err());
                prop_assert_eq!(again.unwrap().config, loaded.config);
            }
            Err(error) => located(&error, &text)?,
        }
    }

    #[test]
    fn no_override_makes_the_reader_panic(
        key in prop_oneof!["[a-z.\\[\\]0-9 ]{0,16}", Just("training.lr".to_owned()), Just("arms".to_owned())],
        value in value(),
        joined in prop_oneof![Just("="), Just(""), Just(" = ")],
    ) {
        let text = format!("{key}{joined}{value}");
        if let Err(error) = RunConfig::preset("induction", &[text]) {
            prop_assert!(!error.message.is_empty());
            prop_assert!(error.to_string().lines().count() <= 10, "{}", error);
        }
    }

    #[test]
    fn a_schedule_that_is_accepted_can_be_built(
        steps in prop_oneof![any::<u64>(), 0_u64..5000],
        log in prop_oneof![any::<u64>(), 0_u64..200],
        every in any::<u64>().prop_flat_map(|n| 0..=n),
        at in vec(0_u64..6000, 0..4),
        kept in prop_oneof![any::<u64>(), 0_u64..50],
    ) {
        let text = format!(
            "[training]\nsteps = {steps}\n[checkpoints]\nlog = {log}\nevery = {every}\n\
             at = {at:?}\n[state]\nlog = {kept}\n"
        );
        match parse(&text) {
            Ok(loaded) => {
                let config = loaded.config;
                let schedule = Schedule::build(&config.checkpoints, Step(config.training.steps));
                prop_assert!(at.iter().all(|&step| schedule.contains(Step(step))));
                prop_assert!(schedule.steps().len() < 400_000 && config.state.log < 200_000);
            }
            Err(error) => located(&error, &text)?,
        }
    }
}
