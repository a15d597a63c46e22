//! In which keys two configurations differ.

use std::fmt;

use ontogeny_training::config::RunConfig;

/// Parts of a configuration that decide a run's weights and at which steps they are kept.
const DECISIVE: [&str; 8] = [
    "model",
    "data",
    "phases",
    "training",
    "seeds",
    "arms",
    "checkpoints",
    "fork",
];
/// Where the parent of a fork lies decides nothing.
const NOT_DECISIVE: [&str; 1] = ["fork.run"];
/// Most differences that a message lists.
const LISTED: usize = 5;

/// One key, with the value that each configuration has for it, if it has one.
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// The first configuration's value.
    pub old: Option<toml::Value>,
    /// The second's.
    pub new: Option<toml::Value>,
}

/// The keys of `parts` in which two configurations differ, by name.
pub fn between(old: &RunConfig, new: &RunConfig) -> Vec<Difference> {
    let [old, new] = [old, new].map(|config| keys(config, &DECISIVE));
    let of = |all: &[(String, toml::Value)], key: &str| -> Option<toml::Value> {
        let found = all.iter().find(|(k, _)| k == key);
        found.map(|(_, value)| value.clone())
    };
    let mut all: Vec<&String> = old.iter().chain(&new).map(|(key, _)| key).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
        .filter(|key| !NOT_DECISIVE.contains(&key.as_str()))
        .map(|key| Difference {
            key: key.clone(),
            old: of(&old, key),
            new: of(&new, key),
        })
        .filter(|difference| difference.old != difference.new)
        .collect()
}

/// Differences as lines of a message, the first few of them.
pub fn lines(differences: &[Difference]) -> String {
    let mut text = String::new();
    for difference in differences.iter().take(LISTED) {
        text.push_str(&format!("\n  {difference}"));
    }
    match differences.len().saturating_sub(LISTED) {
        0 => {}
        more => text.push_str(&format!("\n  and {more} more")),
    }
    text
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<toml::Value>| match value {
            Some(value) => value.to_string(),
            None => "not set".to_owned(),
        };
        let (old, new) = (value(&self.old), value(&self.new));
        write!(f, "{}: {old} there, {new} here", self.key)
    }
}

/// Parts of a configuration as dotted keys with their values.
pub fn keys(config: &RunConfig, parts: &[&str]) -> Vec<(String, toml::Value)> {
    let mut keys = Vec::new();
    // What cannot be written as TOML was not read from it either.
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(config) {
        for part in parts {
            if let Some(value) = table.get(*part) {
                flatten(part, value, &mut keys);
            }
        }
    }
    keys
}

fn flatten(key: &str, value: &toml::Value, into: &mut Vec<(String, toml::Value)>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                flatten(&format!("{key}.{name}"), value, into);
            }
        }
        other => into.push((key.to_owned(), other.clone())),
    }
}
