//! Configurations, overrides and files that must be refused, with where and in which words.

use std::path::Path;

use super::{ConfigError, RunConfig};

fn refusal(text: &str, overrides: &[&str]) -> ConfigError {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    match RunConfig::parse(text, "bad.toml", "bad", Path::new(""), &overrides) {
        Ok(loaded) => panic!("accepted: {text}\n{overrides:?}\n{}", loaded.resolved_toml),
        Err(error) => error,
    }
}

/// `bad_configs.txt` explains itself.
#[test]
fn bad_configurations_are_refused_at_their_place_in_these_words() {
    let mut text = Vec::new();
    let mut cases = 0;
    let table = include_str!("bad_configs.txt").lines();
    for line in table.filter(|line| !line.starts_with("##")) {
        let Some(expected) = line.strip_prefix("=> ") else {
            // Blank lines stand between cases.
            if !(text.is_empty() && line.is_empty()) {
                text.push(line);
            }
            continue;
        };
        let error = refusal(&text.join("\n"), &[]);
        let found = format!(
            "{}:{} {}: {}",
            error.line.unwrap_or(0),
            error.column.unwrap_or(0),
            error.key.as_deref().unwrap_or("-"),
            error.message
        );
        match expected.strip_suffix('…') {
            Some(start) => assert!(found.starts_with(start), "{found}\n{text:#?}"),
            None => assert_eq!(found, expected, "{text:#?}"),
        }
        assert_eq!(error.file.as_deref(), Some("bad.toml"));
        text.clear();
        cases += 1;
    }
    assert_eq!(text, [""; 0], "a case without an expectation");
    assert!(cases > 90, "{cases}");
}

#[test]
fn overrides_that_do_not_fit() {
    for (text, key, message) in [
        (
            "model.n_layer=3",
            "model.n_layer",
            "unknown key `n_layer` in [model]; did you mean `n_layers`?",
        ),
        ("modle.n_layers=3", "modle", "did you mean `model`?"),
        (
            "model.n_layers=three",
            "model.n_layers",
            "must be a whole number of 0 or more, found the string \"three\"",
        ),
        ("model.n_layers=0", "model.n_layers", "at least 1, found 0"),
        ("model.n_heads=7", "model.n_heads", "cannot be divided"),
        ("model.n_layers", "model.n_layers", "written key=value"),
        ("model.n_layers=", "model.n_layers", "no value"),
        ("=3", "", "not a dotted path"),
        ("model..n_layers=3", "model..n_layers", "not a dotted path"),
        ("seeds=[0,1", "seeds", "not valid TOML"),
        (
            "seeds=0,1",
            "seeds",
            "`seeds` must be a list, found the string \"0,1\"",
        ),
        ("model=3", "model", "`model` must be a table"),
        (
            "training.lr.x=3",
            "training.lr",
            "`training.lr` must be a number, found a table",
        ),
        ("data.kind=txt", "data.kind", "did you mean `text`?"),
    ] {
        let error = refusal("", &[text]);
        assert_eq!(error.file.as_deref(), Some("--set"), "{error}");
        assert_eq!(error.key.as_deref(), Some(key), "{error}");
        assert_eq!((error.line, error.column), (None, None));
        assert!(error.message.contains(message), "{error}");
        assert!(error.to_string().starts_with(&format!("--set {text}: ")));
    }
}

#[test]
fn a_key_of_many_thousand_dots_is_an_unknown_key() {
    let key = format!("training{}", ".a".repeat(50_000));
    let arms = format!("[[arms]]\nname = \"wide\"\nset = {{ \"{key}\" = 64 }}\n");
    for error in [
        refusal("", &[&format!("{key}=64")]),
        refusal(&arms, &[]),
        refusal(&arms.replace(".a", "."), &[]),
    ] {
        assert!(error.message.contains("unknown key `"), "{error}");
        assert!(error.message.len() < 1000, "{}", error.message.len());
    }
}

#[test]
fn files_that_are_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: Option<&[u8]>, line: Option<usize>, message: &str| {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = RunConfig::load(&path, &[]).unwrap_err();
        assert_eq!(error.file, Some(path.display().to_string()));
        assert_eq!(error.line, line, "{error}");
        assert!(error.message.contains(message), "{error}");
    };
    check("missing.toml", None, None, "no such file");
    check("", None, None, "is a folder");
    check(
        "latin.toml",
        Some(b"seeds = [0]\nname = \"na\xefve\""),
        Some(2),
        "not UTF-8",
    );
    check(
        "large.toml",
        Some(&vec![b'#'; 2 << 20]),
        None,
        "larger than 1 MiB",
    );
    check(
        "nul.toml",
        Some(b"name = \"a\0b\""),
        Some(1),
        "not valid TOML",
    );
    check(" .toml", Some(b""), None, "the run's name is empty");
    // Nothing appears beside what was there.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn an_error_shows_the_line_as_compilers_do() {
    let error = refusal("[model]\n\tn_layer = 2 # größer\n", &[]);
    assert_eq!(
        error.to_string(),
        "bad.toml:2:2: unknown key `n_layer` in [model]; did you mean `n_layers`?\n  \
         2 |  n_layer = 2 # größer\n    |  ^^^^^^^"
    );
}

#[test]
fn no_cut_of_a_file_panics() {
    let text = "name = \"größe\"\nseeds = [0, 1]\n[model]\nn_heads = 4\n[model.init]\nscale = 1.0\n\
                [[evals]]\nname = \"a\"\n[evals.data]\nkind = \"text\"\n\
                [[arms]]\nname = \"b\"\nset = { \"training.lr\" = 1e-4 }\n";
    let mut accepted = 0;
    for (cut, _) in text.char_indices() {
        for text in [&text[..cut], &text[cut..]] {
            match RunConfig::parse(text, "cut.toml", "cut", Path::new(""), &[]) {
                Ok(_) => accepted += 1,
                Err(error) => assert!(error.to_string().starts_with("cut.toml"), "{error}"),
            }
        }
    }
    assert!(accepted > 10);
}

#[test]
fn ends_of_lines_and_marks_of_other_systems_shift_nothing() {
    let error = refusal("seeds = [0]\r\n[model]\r\nn_layer = 2\r\n", &[]);
    assert_eq!((error.line, error.column), (Some(3), Some(1)));
    assert!(
        error
            .to_string()
            .ends_with("  3 | n_layer = 2\n    | ^^^^^^^")
    );
    let error = refusal("\u{feff}seed = 0", &[]);
    assert_eq!((error.line, error.key.as_deref()), (Some(1), Some("seed")));
}
