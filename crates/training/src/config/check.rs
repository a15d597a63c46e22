//! Keys that do not exist and values of the wrong type.
//!
//! A value of the wrong type is found by trying each one alone in an otherwise default
//! configuration: serde then says what it expected there.

use serde_json::Value as Shape;
use toml::Value;

use super::document::{Body, Node, Origin, Part, Sources};
use super::keys::{elsewhere, example, source_keys, source_kinds};
use super::suggest::{any_of, nearest};
use super::{ConfigError, RunConfig, wording};

/// Sections that an arm may change.
pub(super) const ARM_SECTIONS: [&str; 4] = ["model", "data", "phases", "training"];

/// Reads the typed configuration off a tree.
///
/// # Errors
/// The first unknown key, or else the first ill-typed value, in the order of the file.
pub(super) fn read(root: &Node, sources: &Sources) -> Result<RunConfig, ConfigError> {
    let example = example()?;
    let mut walk = Walk {
        example: &example,
        sources,
        errors: Vec::new(),
        leaves: Vec::new(),
    };
    walk.visit(root, &example, &mut Vec::new());
    let first = |errors: Vec<ConfigError>| errors.into_iter().min_by_key(|e| (e.line, e.column));
    if let Some(error) = first(walk.errors) {
        return Err(error);
    }
    let failure = match RunConfig::deserialize_value(root.value()) {
        Ok(config) => return Ok(config),
        Err(failure) => failure,
    };
    let errors = walk.leaves.iter().filter_map(|leaf| leaf.fault(sources));
    Err(first(errors.collect()).unwrap_or_else(|| {
        ConfigError::new(failure.message().trim().to_owned()).in_file(&sources.file)
    }))
}

impl RunConfig {
    fn deserialize_value(value: Value) -> Result<Self, toml::de::Error> {
        value.try_into()
    }
}

/// One step from a table or list to what it holds.
#[derive(Debug, Clone)]
enum Step {
    /// An entry, with the `kind` beside it if its table has one.
    Key(String, Option<String>),
    Item(usize),
}

struct Leaf<'a> {
    path: Vec<Step>,
    node: &'a Node,
}

struct Walk<'a> {
    example: &'a Shape,
    sources: &'a Sources,
    errors: Vec<ConfigError>,
    leaves: Vec<Leaf<'a>>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a Node, shape: &Shape, path: &mut Vec<Step>) {
        match (&node.body, shape) {
            // What an arm sets is checked once it is laid over the rest.
            _ if is_arm_set(path) => self.visit_arm_set(node, path),
            (Body::Table(entries), Shape::Object(keys)) => {
                let source = is_source(path).then(|| self.source_shape(node, path));
                let keys = match source {
                    Some(None) => return,
                    Some(Some(ref keys)) => keys,
                    None => keys,
                };
                let kind = node.kind().map(str::to_owned);
                for (key, entry) in entries {
                    path.push(Step::Key(key.clone(), kind.clone()));
                    match keys.get(key) {
                        Some(shape) => self.visit(entry, shape, path),
                        None => self.unknown_key(key, entry, keys, path),
                    }
                    path.pop();
                }
                self.require_source(node, keys, path);
            }
            (Body::List(items), Shape::Array(shapes)) if shapes.iter().any(Shape::is_object) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Item(index));
                    self.visit(item, &shapes[0], path);
                    path.pop();
                }
            }
            (Body::Table(_), Shape::Array(shapes)) if shapes.iter().any(Shape::is_object) => {
                let key = dotted(path);
                let message = format!(
                    "`{key}` is a list of tables: [[{key}]] in a file, {key}=[{{…}}] in an override"
                );
                self.error(node, Part::Key, &key, message);
            }
            // Serde would fill a struct from a list in the order of its fields.
            (Body::List(_), Shape::Object(_)) => {
                let key = dotted(path);
                let message = format!("`{key}` must be a table, found a list");
                self.error(node, Part::Value, &key, message);
            }
            (Body::Leaf(Value::Float(number)), _) if !number.is_finite() => {
                let key = dotted(path);
                let message = format!(
                    "`{key}` must be finite, found {}",
                    number.to_string().to_lowercase()
                );
                self.error(node, Part::Value, &key, message);
            }
            _ => {
                self.leaves.push(Leaf {
                    path: path.clone(),
                    node,
                });
                if let Body::List(items) = &node.body {
                    for (index, item) in items.iter().enumerate() {
                        let path = [&path[..], &[Step::Item(index)]].concat();
                        self.leaves.push(Leaf { path, node: item });
                    }
                }
            }
        }
    }

    /// The keys of a source of the kind that was typed; `None` leaves an unknown kind, or one that
    /// is missing, as an error.
    fn source_shape(
        &mut self,
        node: &'a Node,
        path: &[Step],
    ) -> Option<serde_json::Map<String, Shape>> {
        let Body::Table(entries) = &node.body else {
            return None;
        };
        let key = dotted(path);
        let Some(kind_node) = entries.get("kind") else {
            let message = format!("[{}] needs a `kind`: {}", section(path), source_kinds());
            self.error(node, Part::Value, &key, message);
            return None;
        };
        let kind = match node.kind() {
            Some(kind) => serde_json::json!({ "kind": kind }),
            None => serde_json::json!({ "kind": "" }),
        };
        match source_keys(kind) {
            Ok(keys) => Some(keys),
            Err(error) => {
                let key = format!("{key}.kind");
                let message = match node.kind() {
                    Some(_) => wording::explain(&key, &error.to_string()),
                    None => format!("`{key}` must be a string, {}", source_kinds()),
                };
                self.error(kind_node, Part::Value, &key, message);
                None
            }
        }
    }

    /// Phases and evals are about a source: without one they mean nothing.
    fn require_source(
        &mut self,
        node: &'a Node,
        keys: &serde_json::Map<String, Shape>,
        path: &[Step],
    ) {
        let Body::Table(entries) = &node.body else {
            return;
        };
        if keys.contains_key("data") && !entries.contains_key("data") {
            let section = section(path);
            let message = format!(
                "[[{section}]] needs a source: [{section}.data] with a `kind`, {}",
                source_kinds()
            );
            self.error(node, Part::Value, &dotted(path), message);
        }
    }

    fn visit_arm_set(&mut self, node: &'a Node, path: &[Step]) {
        let Body::Table(entries) = &node.body else {
            self.leaves.push(Leaf {
                path: path.to_vec(),
                node,
            });
            return;
        };
        let prefix = dotted(path);
        let changes = any_of(&ARM_SECTIONS).replace(" or ", " and ");
        for (name, entry) in entries {
            let key = format!("{prefix}.{name}");
            if !ARM_SECTIONS.contains(&name.as_str()) {
                let message = if self.example.get(name).is_some() {
                    format!("an arm cannot change `{name}`, only {changes}")
                } else {
                    let known = ARM_SECTIONS.iter().copied();
                    let hint = self.hint(name, known, &format!("an arm can change {changes}"));
                    format!("unknown key `{name}` in [arms.set]; {hint}")
                };
                self.error(entry, Part::Key, &key, message);
            }
            if name == "training" && entry.writes("steps") {
                let message = "an arm cannot change `training.steps`: arms share the axis of steps"
                    .to_owned();
                self.error(
                    entry.find("steps"),
                    Part::Key,
                    &format!("{key}.steps"),
                    message,
                );
            }
        }
    }

    fn unknown_key(
        &mut self,
        name: &str,
        entry: &'a Node,
        keys: &serde_json::Map<String, Shape>,
        path: &[Step],
    ) {
        let place = match path {
            [_] => "at the top level".to_owned(),
            [.., Step::Item(_), _] => format!("in [[{}]]", section(&path[..path.len() - 1])),
            [.., Step::Key(data, _), Step::Key(_, Some(kind))] if data == "data" => {
                format!("in [{}] of kind `{kind}`", section(&path[..path.len() - 1]))
            }
            _ => format!("in [{}]", section(&path[..path.len() - 1])),
        };
        let mut known: Vec<&str> = keys.keys().map(String::as_str).collect();
        known.sort_unstable();
        let all = format!("the keys there are {}", known.join(", "));
        let hint = self.hint(name, known.iter().copied(), &all);
        let message = format!("unknown key `{name}` {place}; {hint}");
        self.error(entry, Part::Key, &dotted(path), message);
    }

    /// What was probably meant: a key nearby, a key of that very name elsewhere, or else `all`.
    fn hint<'k>(&self, name: &str, known: impl Iterator<Item = &'k str>, all: &str) -> String {
        let meant = nearest(name, known).map(str::to_owned);
        match meant.or_else(|| elsewhere(self.example, name)) {
            Some(key) => format!("did you mean `{key}`?"),
            None => all.to_owned(),
        }
    }

    fn error(&mut self, node: &Node, part: Part, key: &str, message: String) {
        let error = self.sources.error(&node.origin, part, key, message);
        self.errors.push(error);
    }
}

impl Leaf<'_> {
    /// What serde has against this value alone.
    fn fault(&self, sources: &Sources) -> Option<ConfigError> {
        if self.node.origin == Origin::Default {
            return None;
        }
        let alone = self
            .path
            .iter()
            .rev()
            .fold(self.node.value(), |inner, step| match step {
                Step::Item(_) => Value::Array(vec![inner]),
                Step::Key(key, kind) => {
                    let mut table = toml::Table::new();
                    if let Some(kind) = kind {
                        table.insert("kind".to_owned(), Value::String(kind.clone()));
                    }
                    table.insert(key.clone(), inner);
                    Value::Table(table)
                }
            });
        let failure = RunConfig::deserialize_value(alone).err()?;
        let about = |start: &str| failure.message().starts_with(start);
        let length = about("invalid length");
        let elsewhere = match (&self.node.body, self.path.last()) {
            // The items of a list are tried one by one.
            (Body::List(_), _) => !length && !about("invalid type: sequence"),
            // One item is not all that its list needs.
            (_, Some(Step::Item(_))) => length,
            _ => false,
        };
        // A value alone lacks what its table has beside it.
        if elsewhere || about("missing field") {
            return None;
        }
        let key = dotted(&self.path);
        let message = wording::explain(&key, failure.message());
        Some(sources.error(&self.node.origin, Part::Value, &key, message))
    }
}

fn is_source(path: &[Step]) -> bool {
    matches!(path, [.., Step::Key(key, _)] if key == "data")
}

fn is_arm_set(path: &[Step]) -> bool {
    matches!(path, [Step::Key(arms, _), Step::Item(_), Step::Key(set, _)]
        if arms == "arms" && set == "set")
}

/// `evals[1].data.kind`
fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key, _) if text.is_empty() => text.push_str(key),
            Step::Key(key, _) => text.extend([".", key]),
            Step::Item(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// `evals.data`, as in the header of the section.
fn section(path: &[Step]) -> String {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|step| match step {
            Step::Key(key, _) => Some(key.as_str()),
            Step::Item(_) => None,
        })
        .collect();
    keys.join(".")
}
