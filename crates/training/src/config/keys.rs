//! The keys that there are.
//!
//! They are read off a complete example of the configuration, so that the list cannot fall behind
//! the types.

use ontogeny_data::{CorpusSpec, SourceSpec};
use ontogeny_model::{Activation, Biases, Block};
use serde_json::{Map, Value as Shape};

use super::suggest::any_of;
use super::{
    ArmSection, ConfigError, EvalSection, ForkSection, NetworkKind, PhaseSection, RunConfig,
    wording,
};

/// A configuration in which every list has an item and every option is set, as a tree of its keys.
pub(super) fn example() -> Result<Shape, ConfigError> {
    let data = SourceSpec::default();
    let mut example = RunConfig {
        base: Some(".".into()),
        fork: Some(ForkSection::example()),
        phases: vec![PhaseSection {
            at: 1,
            data: data.clone(),
        }],
        evals: vec![EvalSection {
            name: String::new(),
            data,
        }],
        arms: vec![ArmSection::default()],
        ..RunConfig::default()
    };
    example.model.kind = NetworkKind::Mlp;
    example.model.hidden = vec![1];
    example.model.output_activation = Activation::Relu;
    example.model.biases = Biases::None;
    example.model.block = Block::Doubled;
    example.model.init.unembed_scale = Some(1.0);
    example.training.period = 1;
    example.training.dropout = 0.5;
    example.model.d_head = Some(1);
    example.model.d_vocab = Some(1);
    example.training.start_from = Some(".".into());
    example.training.start_replica = Some(String::new());
    example.analysis.dynamics = false;
    example.analysis.llc.half_width = Some(1.0);
    example.analysis.llc.evaluate = Some(String::new());
    example.analysis.llc.seeds = Some(vec![0]);
    serde_json::to_value(example)
        .map_err(|error| ConfigError::new(format!("the defaults cannot be written: {error}")))
}

/// Where in the example a key of this name stands, other than in lists and in sources, whose keys
/// depend on their kind.
pub(super) fn elsewhere(example: &Shape, name: &str) -> Option<String> {
    let sections = example.as_object()?.iter();
    sections
        .filter(|(section, _)| *section != "data")
        .find_map(|(section, inner)| {
            let inside = inner.as_object()?;
            if inside.contains_key(name) && name != "kind" {
                return Some(format!("{section}.{name}"));
            }
            elsewhere(inner, name).map(|path| format!("{section}.{path}"))
        })
}

/// The keys of a source, of which `spec` gives the kind.
pub(super) fn source_keys(mut spec: Shape) -> Result<Map<String, Shape>, serde_json::Error> {
    let mut source: SourceSpec = serde_json::from_value(spec.clone())?;
    if let SourceSpec::Text(text) = &mut source {
        text.corpora = Some(vec![CorpusSpec::default()]);
    }
    let mut keys = match serde_json::to_value(source)? {
        Shape::Object(keys) => keys,
        _ => Map::new(),
    };
    // An option that is not set is not written; serde lists it when it refuses a key.
    spec["?"] = Shape::Null;
    if let Err(refusal) = serde_json::from_value::<SourceSpec>(spec) {
        for key in wording::choices(&refusal.to_string()) {
            keys.entry(key).or_insert(Shape::Null);
        }
    }
    Ok(keys)
}

/// The kinds of sources, as words to choose from.
pub(super) fn source_kinds() -> String {
    let refusal = serde_json::from_value::<SourceSpec>(serde_json::json!({ "kind": "" }));
    match refusal {
        Ok(_) => String::new(),
        Err(error) => any_of(&wording::choices(&error.to_string())),
    }
}
