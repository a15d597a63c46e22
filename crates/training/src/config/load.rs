//! From a file, overrides and defaults to a checked configuration.

use std::io::Read;
use std::path::{Path, PathBuf};

use ontogeny_data::DataError;
use toml::Value;

use super::base::writable_base;
use super::document::{Body, Node, Origin, Part, Sources};
use super::suggest::any_of;
use super::validate::Problem;
use super::{ConfigError, ONLY_ARM, RunConfig, check, overrides};

/// A file beyond this is something else than a configuration.
const GREATEST_SIZE: u64 = 1 << 20;

/// The configurations that come with the program.
const PRESETS: [(&str, &str); 4] = [
    (
        "induction",
        include_str!("../../../../configs/induction.toml"),
    ),
    ("text", include_str!("../../../../configs/text.toml")),
    (
        "superposition",
        include_str!("../../../../configs/superposition.toml"),
    ),
    (
        "hierarchy",
        include_str!("../../../../configs/hierarchy.toml"),
    ),
];

/// A configuration that was read, completed and found sound.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The configuration, with every default filled in.
    pub config: RunConfig,
    /// Its complete text: reading that gives this configuration again.
    pub resolved_toml: String,
    /// Folder that relative paths start from.
    pub base_dir: PathBuf,
    /// Its arms in order, at least one.
    pub arms: Vec<ArmConfig>,
    root: Node,
    sources: Sources,
}

/// One arm, with what it changes applied.
#[derive(Debug, Clone)]
pub struct ArmConfig {
    /// Name of the arm; [`ONLY_ARM`] where the configuration lists none.
    pub name: String,
    /// The configuration of its replicas. It lists no arms itself.
    pub config: RunConfig,
}

impl RunConfig {
    /// Reads a configuration file, lays `overrides` (`key=value`) over it and checks everything.
    ///
    /// # Errors
    /// A file that cannot be read or is no configuration; unknown keys; values that are ill typed
    /// or make no sense.
    pub fn load(path: &Path, overrides: &[String]) -> Result<LoadedConfig, ConfigError> {
        let file = path.display().to_string();
        let text = read_text(path).map_err(|error| error.in_file(&file))?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &file, &stem.unwrap_or_default(), base, overrides)
    }

    /// Reads a configuration that comes with the program: `induction` or `text`. Relative paths
    /// in overrides start from the current folder.
    ///
    /// # Errors
    /// An unknown name; overrides that do not fit.
    pub fn preset(name: &str, overrides: &[String]) -> Result<LoadedConfig, ConfigError> {
        match PRESETS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => {
                let file = format!("configs/{name}.toml");
                Self::parse(text, &file, name, Path::new(""), overrides)
            }
            None => Err(ConfigError::new(format!(
                "there is no preset `{name}`; there is {}",
                any_of(&PRESETS.map(|(known, _)| known)).replace(" or ", " and ")
            ))),
        }
    }

    /// Reads the text of a configuration.
    ///
    /// `file` is how errors call it, `name` the run's name unless the text sets one, `base` the
    /// folder that relative paths start from unless the text sets one.
    ///
    /// # Errors
    /// As [`RunConfig::load`].
    pub fn parse(
        text: &str,
        file: &str,
        name: &str,
        base: &Path,
        overrides: &[String],
    ) -> Result<LoadedConfig, ConfigError> {
        let sources = Sources {
            file: file.to_owned(),
            text: text.to_owned(),
            overrides: overrides.to_vec(),
        };
        let mut root = defaults(name)?;
        root.overlay(Node::parse(&sources)?, "");
        for (index, text) in overrides.iter().enumerate() {
            root.overlay(overrides::parse(text, index)?, "");
        }
        expand_arms(&mut root);
        let config = check::read(&root, &sources)?;
        config
            .validate()
            .map_err(|problem| place(problem, &root, &sources))?;
        let arms = build_arms(&config, &root, &sources)?;
        finish(config, arms, root, sources, base)
    }
}

impl LoadedConfig {
    /// An error about a key that only showed later, pointing at where that key is written.
    pub fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        place(Problem::new(key, message), &self.root, &self.sources)
    }

    /// What is wrong with the source at `at` (`data`, `phases[0].data`, `evals[1].data`), pointing
    /// at the key that is to be changed, or into the corpus where that is at fault.
    pub fn source_error(&self, at: &str, error: &DataError) -> ConfigError {
        let key = match error.key() {
            // The one key of the message that is none of the source's own.
            Some("n_ctx") => "model.n_ctx".to_owned(),
            Some(key) => format!("{at}.{key}"),
            None => at.to_owned(),
        };
        match error.file() {
            Some(file) if error.key().is_none() => {
                let several = self.root.writes(&format!("{at}.corpora"));
                let named = if several { "corpora" } else { "corpus" };
                let (file, message) = (file.display().to_string(), error.to_string());
                // The refusal begins with the file and the line: they need not be named twice.
                let message = match message.strip_prefix(&file) {
                    Some(rest) => {
                        let line = error.line().map(|line| format!(", line {line}"));
                        let rest = line
                            .and_then(|line| rest.strip_prefix(&line))
                            .unwrap_or(rest);
                        rest.trim_start_matches([':', ',', ' ']).to_owned()
                    }
                    None => message,
                };
                let mut refusal = ConfigError::new(message)
                    .in_file(file)
                    .with_key(format!("{at}.{named}"));
                refusal.line = error.line().and_then(|line| usize::try_from(line).ok());
                refusal
            }
            _ => self.error(&key, error.to_string()),
        }
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let fault = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => ConfigError::new("there is no such file"),
        _ => ConfigError::new(format!("cannot be read: {error}")),
    };
    if path.is_dir() {
        return Err(ConfigError::new(
            "is a folder; a configuration is a TOML file",
        ));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(GREATEST_SIZE + 1).read_to_end(&mut bytes))
        .map_err(fault)?;
    if bytes.len() as u64 > GREATEST_SIZE {
        return Err(ConfigError::new(
            "is larger than 1 MiB; a configuration is a short TOML file",
        ));
    }
    super::encoding::decode(bytes)
}

/// The tree that lies under every configuration.
fn defaults(name: &str) -> Result<Node, ConfigError> {
    let config = RunConfig {
        name: name.to_owned(),
        ..RunConfig::default()
    };
    let value = Value::try_from(config)
        .map_err(|error| ConfigError::new(format!("the defaults cannot be written: {error}")))?;
    Ok(Node::from_value(value, &Origin::Default))
}

fn expand_arms(root: &mut Node) {
    let Body::Table(entries) = &mut root.body else {
        return;
    };
    if let Some(Body::List(arms)) = entries.get_mut("arms").map(|arms| &mut arms.body) {
        for arm in arms {
            if let Body::Table(arm) = &mut arm.body
                && let Some(set) = arm.get_mut("set")
            {
                set.expand_dotted_keys();
            }
        }
    }
}

fn build_arms(
    config: &RunConfig,
    root: &Node,
    sources: &Sources,
) -> Result<Vec<ArmConfig>, ConfigError> {
    let base = RunConfig {
        arms: Vec::new(),
        ..config.clone()
    };
    if config.arms.is_empty() {
        return Ok(vec![ArmConfig {
            name: ONLY_ARM.to_owned(),
            config: base,
        }]);
    }
    let build = |index: usize| {
        let name = config.arms[index].name.clone();
        let prefix = format!("arms[{index}].set");
        let set = root.writes(&prefix).then(|| root.find(&prefix));
        let mut merged = root.clone();
        if let Body::Table(entries) = &mut merged.body {
            entries.remove("arms");
        }
        if let Some(set) = set {
            merged.overlay(set.clone(), "");
        }
        let of_arm = |mut error: ConfigError| {
            error.message.push_str(&format!(" (in arm `{name}`)"));
            if let Some(key) = error.key.take() {
                let set_here = set.is_some_and(|set| set.writes(&key));
                error.key = Some(if set_here {
                    format!("{prefix}.{key}")
                } else {
                    key
                });
            }
            error
        };
        let config = check::read(&merged, sources).map_err(of_arm)?;
        config
            .validate()
            .map_err(|problem| of_arm(place(problem, &merged, sources)))?;
        Ok(ArmConfig { name, config })
    };
    (0..config.arms.len()).map(build).collect()
}

/// Fills in what defaults depend on, so that the text says all there is.
fn finish(
    mut config: RunConfig,
    mut arms: Vec<ArmConfig>,
    root: Node,
    sources: Sources,
    base: &Path,
) -> Result<LoadedConfig, ConfigError> {
    let own = std::path::absolute(if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        base
    })
    .map_err(|error| ConfigError::new(format!("the current folder cannot be read: {error}")))?;
    let base_dir = match &config.base {
        Some(base) => own.join(base),
        None => own,
    };
    let written = writable_base(&config, &arms, &base_dir)
        .map_err(|problem| place(problem, &root, &sources))?;
    config.base.clone_from(&written);
    config.model.d_head = Some(config.model.d_head());
    for arm in &mut arms {
        arm.config.base.clone_from(&written);
        arm.config.model.d_head = Some(arm.config.model.d_head());
    }
    // An arm of another width must not take over the base's heads when the text is read again.
    for (section, arm) in config.arms.iter_mut().zip(&arms) {
        if arm.config.model.d_head != config.model.d_head {
            let model = section
                .set
                .entry("model")
                .or_insert_with(|| Value::Table(toml::Table::new()));
            if let (Value::Table(model), Some(d_head)) = (model, arm.config.model.d_head) {
                model.insert("d_head".to_owned(), Value::Integer(d_head as i64));
            }
        }
    }
    let resolved_toml = toml::to_string(&config).map_err(|error| {
        ConfigError::new(format!("cannot be written out: {error}")).in_file(&sources.file)
    })?;
    Ok(LoadedConfig {
        config,
        resolved_toml,
        base_dir,
        arms,
        root,
        sources,
    })
}

/// Finds where a problem is written: the first of its keys that is, or else the section that
/// lacks it.
fn place(problem: Problem, root: &Node, sources: &Sources) -> ConfigError {
    let written = problem.keys.iter().find(|key| root.writes(key));
    let key = written.or(problem.keys.first()).map_or("", String::as_str);
    let node = root.find(key);
    sources.error(&node.origin, Part::Value, key, problem.message)
}
