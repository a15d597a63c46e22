//! `--set a.b=c`.

use toml::Value;
use toml::de::{DeValue, ValueDeserializer};

use serde::Deserialize;

use super::ConfigError;
use super::document::{Node, Origin};

/// The tree of one override, `index` being its place among them.
///
/// The value is read as TOML; a bare word that is none is taken as a string.
///
/// # Errors
/// An override without `=`, without a key, without a value, or with a broken value.
pub(super) fn parse(text: &str, index: usize) -> Result<Node, ConfigError> {
    let refuse = |message: String| ConfigError::new(message).in_override(text);
    let Some((key, typed)) = text.split_once('=') else {
        return Err(
            refuse("an override is written key=value, as in training.lr=3e-4".to_owned())
                .with_key(text.trim()),
        );
    };
    let steps: Vec<&str> = key.split('.').map(str::trim).collect();
    let path = steps.join(".");
    if steps.iter().any(|step| step.is_empty()) {
        return Err(refuse(
            "the key before `=` is not a dotted path such as training.lr".to_owned(),
        )
        .with_key(path));
    }
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(refuse(format!("no value after `{path}=`")).with_key(path));
    }
    let value = match DeValue::parse(typed)
        .and_then(|value| Value::deserialize(ValueDeserializer::from(value)))
    {
        Ok(value) => value,
        Err(error) if typed.starts_with(['[', '{', '"', '\'']) => {
            let message = format!(
                "the value of `{path}` is not valid TOML: {}",
                error.message()
            );
            return Err(refuse(message).with_key(path));
        }
        Err(_) => Value::String(typed.to_owned()),
    };
    let origin = Origin::Override(index);
    Ok(Node::nested(&path, Node::from_value(value, &origin)))
}
