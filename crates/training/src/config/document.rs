//! A configuration as a tree in which every value remembers where it was written.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::ConfigError;

/// Keys of a dotted path that stand for tables in each other; configurations need four.
const DEEPEST: usize = 8;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    /// Nowhere: a default.
    Default,
    /// In the file: bytes of its key and of its value.
    File {
        key: Range<usize>,
        value: Range<usize>,
    },
    /// In the `--set` override of this index.
    Override(usize),
}

/// One value with its origin.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub origin: Origin,
    pub body: Body,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Anything that is neither of the others.
    Leaf(Value),
    /// Items in order.
    List(Vec<Node>),
    /// Entries by name.
    Table(BTreeMap<String, Node>),
}

/// The texts that origins point into.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// The file as it was named.
    pub file: String,
    /// Its content.
    pub text: String,
    /// The overrides as they were typed.
    pub overrides: Vec<String>,
}

/// Which part of an entry is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

impl Sources {
    /// An error that points at `part` of what has this origin.
    pub(super) fn error(
        &self,
        origin: &Origin,
        part: Part,
        key: &str,
        message: String,
    ) -> ConfigError {
        let error = ConfigError::new(message).with_key(key);
        match origin {
            Origin::Default => error.in_file(&self.file),
            Origin::File {
                key: key_span,
                value,
            } => error
                .in_file(&self.file)
                .at(&self.text, if part == Part::Key { key_span } else { value }),
            Origin::Override(index) => {
                error.in_override(self.overrides.get(*index).map_or("", String::as_str))
            }
        }
    }
}

impl Node {
    /// The file's tree.
    ///
    /// # Errors
    /// What is no TOML, with its place.
    pub(super) fn parse(sources: &Sources) -> Result<Self, ConfigError> {
        let at_fault = |error: &toml::de::Error| {
            ConfigError::new(format!("not valid TOML: {}", error.message()))
                .in_file(&sources.file)
                .at(&sources.text, &error.span().unwrap_or_default())
        };
        let table = DeTable::parse(&sources.text).map_err(|error| at_fault(&error))?;
        let origin = |key: Range<usize>, value: Range<usize>| Origin::File { key, value };
        Self::from_table(table.into_inner(), Origin::Default, &origin).map_err(|error| {
            ConfigError::new("this number is beyond what can be represented")
                .in_file(&sources.file)
                .at(&sources.text, &error.span().unwrap_or_default())
        })
    }

    /// A tree of defaults, or of a value that was typed elsewhere.
    pub(super) fn from_value(value: Value, origin: &Origin) -> Self {
        let body = match value {
            Value::Table(table) => Body::Table(
                table
                    .into_iter()
                    .map(|(key, value)| (key, Self::from_value(value, origin)))
                    .collect(),
            ),
            Value::Array(items) => Body::List(
                items
                    .into_iter()
                    .map(|item| Self::from_value(item, origin))
                    .collect(),
            ),
            leaf => Body::Leaf(leaf),
        };
        Self {
            origin: origin.clone(),
            body,
        }
    }

    fn from_table(
        table: DeTable<'_>,
        origin: Origin,
        place: &dyn Fn(Range<usize>, Range<usize>) -> Origin,
    ) -> Result<Self, toml::de::Error> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            let origin = place(key.span(), value.span());
            let node = Self::from_parsed(value, origin, place)?;
            entries.insert(key.into_inner().into_owned(), node);
        }
        Ok(Self {
            origin,
            body: Body::Table(entries),
        })
    }

    fn from_parsed(
        value: toml::Spanned<DeValue<'_>>,
        origin: Origin,
        place: &dyn Fn(Range<usize>, Range<usize>) -> Origin,
    ) -> Result<Self, toml::de::Error> {
        let body = match value.get_ref() {
            DeValue::Table(_) | DeValue::Array(_) => match value.into_inner() {
                DeValue::Table(table) => return Self::from_table(table, origin, place),
                DeValue::Array(items) => Body::List(
                    items
                        .into_iter()
                        .map(|item| {
                            let origin = place(item.span(), item.span());
                            Self::from_parsed(item, origin, place)
                        })
                        .collect::<Result<_, _>>()?,
                ),
                _ => Body::List(Vec::new()),
            },
            _ => Body::Leaf(Value::deserialize(ValueDeserializer::from(value))?),
        };
        Ok(Self { origin, body })
    }

    /// The value without its origins.
    pub(super) fn value(&self) -> Value {
        match &self.body {
            Body::Leaf(value) => value.clone(),
            Body::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Body::Table(entries) => Value::Table(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.value()))
                    .collect(),
            ),
        }
    }

    /// Lays `over` on this node, which is called `name`: tables entry by entry, all else whole.
    ///
    /// A source of another kind replaces the source under it: the keys of one mean nothing to the
    /// other. Of the two ways to name what a text is made of, the later layer's is what counts.
    pub(super) fn overlay(&mut self, over: Self, name: &str) {
        match (&mut self.body, over.body) {
            (Body::Table(under), Body::Table(entries))
                if name != "data" || same_kind(under, &entries) =>
            {
                if name == "data" {
                    for (one, other) in [("corpus", "corpora"), ("corpora", "corpus")] {
                        if entries.contains_key(one) && !entries.contains_key(other) {
                            under.remove(other);
                        }
                    }
                }
                for (key, node) in entries {
                    match under.get_mut(&key) {
                        Some(known) => known.overlay(node, &key),
                        None => {
                            under.insert(key, node);
                        }
                    }
                }
                if over.origin != Origin::Default {
                    self.origin = over.origin;
                }
            }
            (body, replacement) => {
                *body = replacement;
                self.origin = over.origin;
            }
        }
    }

    /// Writes dotted keys out: `{"a.b" = 1}` becomes `{a = {b = 1}}`.
    pub(super) fn expand_dotted_keys(&mut self) {
        let Body::Table(entries) = &mut self.body else {
            return;
        };
        let mut expanded = Self {
            origin: self.origin.clone(),
            body: Body::Table(BTreeMap::new()),
        };
        for (key, mut node) in std::mem::take(entries) {
            node.expand_dotted_keys();
            expanded.overlay(Self::nested(&key, node), "");
        }
        self.body = expanded.body;
    }

    /// A tree with `node` at the end of a dotted path and nothing else. What is behind the first
    /// [`DEEPEST`] keys of the path stays in the last of them, which is then unknown.
    pub(super) fn nested(path: &str, node: Self) -> Self {
        let keys: Vec<&str> = path.splitn(DEEPEST, '.').collect();
        keys.into_iter().rev().fold(node, |inner, key| Self {
            origin: inner.origin.clone(),
            body: Body::Table(BTreeMap::from([(key.to_owned(), inner)])),
        })
    }

    /// What stands at a path such as `evals[1].data`, or the last thing on the way to it that
    /// was written somewhere.
    pub(super) fn find(&self, path: &str) -> &Self {
        self.follow(path).0
    }

    /// Whether what stands at a path was written somewhere, and is no default.
    pub(super) fn writes(&self, path: &str) -> bool {
        self.follow(path).1
    }

    fn follow(&self, path: &str) -> (&Self, bool) {
        let mut written = self;
        let mut node = self;
        for step in path.split(['.', '[']) {
            let step = step.trim_end_matches(']');
            let next = match &node.body {
                Body::Table(entries) => entries.get(step),
                Body::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)),
                Body::Leaf(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return (written, false),
            }
            if node.origin != Origin::Default {
                written = node;
            }
        }
        (written, node.origin != Origin::Default)
    }

    /// The string under `kind`, if this is a table with one.
    pub(super) fn kind(&self) -> Option<&str> {
        match &self.body {
            Body::Table(entries) => kind_of(entries),
            _ => None,
        }
    }
}

fn kind_of(entries: &BTreeMap<String, Node>) -> Option<&str> {
    match &entries.get("kind")?.body {
        Body::Leaf(Value::String(kind)) => Some(kind),
        _ => None,
    }
}

fn same_kind(under: &BTreeMap<String, Node>, over: &BTreeMap<String, Node>) -> bool {
    !over.contains_key("kind") || kind_of(under) == kind_of(over)
}
