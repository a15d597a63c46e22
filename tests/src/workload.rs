//! Whole runs that are killed, or whose disk fills up, and what has to be the same in the end.

use std::path::Path;

use serde_json::Value;

use crate::{Sandbox, Tree};

/// Two arms of different shapes, trained one after the other, with every measure and λ̂.
const ARMS: &str = r#"
seeds = [0]

[model]
n_heads = 2
d_model = 8
n_ctx = 8

[data]
kind = "ngram_induction"
d_vocab = 16

[training]
steps = 60
batch = 8
lr = 1e-2

[checkpoints]
log = 8

[state]
every = 20
log = 3

[analysis]
held_out = 16
repeated = 4

[analysis.llc]
chains = 2
draws = 8
burn_in = 2
batch = 4

[[arms]]
name = "narrow"

[[arms]]
name = "wide"
set = { "model.d_model" = 16 }
"#;

/// A text whose tokenizer is trained and whose tokens are cached.
const TEXT: &str = r#"
seeds = [0]

[model]
n_heads = 2
d_model = 8
n_ctx = 16

[data]
kind = "text"
corpus = "corpus"
d_vocab = 300

[training]
steps = 40
batch = 8
lr = 1e-2

[checkpoints]
log = 8

[state]
every = 10
log = 3

[analysis]
held_out = 16
repeated = 4

[analysis.llc]
chains = 2
draws = 8
burn_in = 2
batch = 4
"#;

/// A whole run: sources, training, analysis, report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Two arms of a synthetic source.
    Arms,
    /// A text.
    Text,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Sources and tokens are made.
    Building,
    /// The networks are trained.
    Training,
    /// Checkpoints are measured.
    Analysis,
    /// The report is drawn.
    Report,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Building, Self::Training, Self::Analysis, Self::Report];

    /// The phase of the run in a sandbox, by what is there.
    pub fn of(sandbox: &Sandbox) -> Self {
        let there = |name: &str| sandbox.path("run").join(name).exists();
        if there("analysis/stages.json") {
            Self::Report
        } else if there("training.json") {
            Self::Analysis
        } else if there("checkpoints") {
            Self::Training
        } else {
            Self::Building
        }
    }
}

impl Workload {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Arms, Self::Text];

    /// The command, which is always the same.
    pub const COMMAND: [&'static str; 7] = [
        "run",
        "small.toml",
        "--json",
        "--device",
        "cpu",
        "--out",
        "run",
    ];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arms => "two arms",
            Self::Text => "a text",
        }
    }

    /// A folder with the configuration and what it needs, and no run.
    pub fn sandbox(self) -> Sandbox {
        let sandbox = Sandbox::new();
        match self {
            Self::Arms => sandbox.write("small.toml", ARMS),
            Self::Text => {
                sandbox.write("small.toml", TEXT);
                for document in 0..60 {
                    let sentence =
                        format!("sentence {document} of a text about {}. ", document * 7);
                    sandbox.write(format!("corpus/{document}.txt"), sentence.repeat(30));
                }
            }
        }
        sandbox
    }
}

/// Everything that a run leaves for good, without what says when it was made or how long that took.
///
/// # Panics
/// If a file cannot be read.
pub fn lasting(sandbox: &Sandbox) -> Tree {
    let mut tree = sandbox.tree("run");
    // The cache of tokens lies beside the run.
    if sandbox.path("runs/cache").exists() {
        for (path, content) in sandbox.tree("runs/cache") {
            tree.insert(Path::new("cache").join(path), content);
        }
    }
    tree.retain(|path, _| {
        // A killed process may leave one there, which goes when it is an hour old.
        if path.starts_with("analysis/") && path.to_string_lossy().contains("/.partial-") {
            return path.components().count() > 2;
        }
        let times = [
            "seconds.json",
            "run.lock",
            "report.html",
            "analysis/online.json",
        ];
        !times.iter().any(|name| path == Path::new(name))
    });
    let mut created = None;
    if let Some(manifest) = tree.get_mut(Path::new("run.json"))
        && let Ok(mut value) = serde_json::from_slice::<Value>(manifest)
    {
        created = value["created"].as_str().map(str::to_owned);
        value["created"] = Value::Null;
        *manifest = value.to_string().into_bytes();
    }
    // The folder has another name each time, and the report says when and how long.
    let folder = sandbox.path("").display().to_string();
    let folder = folder.trim_end_matches('/');
    for name in ["config.toml", "report.html"] {
        if let Some(content) = tree.get_mut(Path::new(name)) {
            let mut text = String::from_utf8_lossy(content).replace(folder, "FOLDER");
            if name == "report.html" {
                text = without_durations(&text.replace(created.as_deref().unwrap_or(" "), " "));
            }
            *content = text.into_bytes();
        }
    }
    tree
}

/// A text in which figures of time, such as `1.3 s` and `2 min`, are all the same.
fn without_durations(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        let unit = words[at].trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        let unit = unit
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        let number = words[at - 1]
            .rsplit(|c: char| !c.is_ascii_digit() && c != '.')
            .next();
        let figure = number.is_some_and(|number| number.parse::<f64>().is_ok());
        if figure && ["s", "ms", "min", "h"].contains(&unit) {
            let length = words[at - 1].len() - number.map_or(0, str::len);
            words[at - 1] = &words[at - 1][..length];
        }
    }
    words.join(" ")
}

/// In what two runs differ: paths that one of them lacks, and files of other bytes.
pub fn differences(found: &Tree, expected: &Tree) -> Vec<String> {
    let mut all = Vec::new();
    for (path, content) in expected {
        match found.get(path) {
            None => all.push(format!("{} is not there", path.display())),
            Some(other) if other != content => {
                all.push(format!("{} has other bytes", path.display()))
            }
            Some(_) => {}
        }
    }
    let more = found.keys().filter(|path| !expected.contains_key(*path));
    all.extend(more.map(|path| format!("{} should not be there", path.display())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_time_are_taken_out_and_no_others() {
        let one = "took 1.3 s (measuring 0.9 s, 12 min)<b>2 s</b> of 40 steps at 0.5 nats";
        let other = "took 11.25 s (measuring 10 s, 1 min)<b>0 s</b> of 40 steps at 0.5 nats";
        assert_eq!(without_durations(one), without_durations(other));
        assert_ne!(without_durations("40 steps"), without_durations("41 steps"));
        assert_ne!(without_durations("0.5 nats"), without_durations("0.6 nats"));
    }
}
