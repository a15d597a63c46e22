//! Values that are well typed and still make no sense.

use ontogeny_data::SourceSpec;
use ontogeny_store::ScheduleSpec;

use super::{NetworkKind, RunConfig};

/// More than this is not a schedule but a typing error.
const MOST_CHECKPOINTS: u64 = 100_000;

/// Most seeds: each is a network of its own.
const MOST_REPLICAS: usize = 10_000;

/// Longest name of a run, an arm or an eval, in bytes: file names hold 255.
const LONGEST_NAME: usize = 64;

/// What is wrong with which keys; the place is found later.
#[derive(Debug)]
pub(super) struct Problem {
    /// The key at fault, and others that it is at odds with.
    pub keys: Vec<String>,
    pub message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            keys: vec![key.into()],
            message: message.into(),
        }
    }

    /// Names a key that may be what was typed where the first was left at its default.
    pub(super) fn or(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }
}

impl RunConfig {
    /// Refuses values that make no sense, alone or together.
    pub(super) fn validate(&self) -> Result<(), Problem> {
        run_name(&self.name)?;
        self.validate_seeds()?;
        self.model.validate()?;
        source("data", &self.data)?;
        self.training.validate()?;
        if self.training.dropout > 0.0 && self.model.kind == NetworkKind::Mlp {
            let message = "`training.dropout` is of the residual stream of a transformer, which \
                           `model.kind` = \"mlp\" has none of";
            return Err(Problem::new("training.dropout", message).or("model.kind"));
        }
        self.validate_phases()?;
        if let Some(fork) = &self.fork {
            fork.validate(self.training.steps)?;
        }
        checkpoints(&self.checkpoints, self.training.steps)?;
        self.state.validate()?;
        let evals: Vec<&str> = self.evals.iter().map(|eval| eval.name.as_str()).collect();
        names("evals", &evals, &["train", "held_out"])?;
        for (index, eval) in self.evals.iter().enumerate() {
            source(&format!("evals[{index}].data"), &eval.data)?;
        }
        self.analysis.validate(&self.evals, &self.seeds)?;
        self.stages.validate()?;
        let arms: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
        names("arms", &arms, &[])
    }

    fn validate_seeds(&self) -> Result<(), Problem> {
        if self.seeds.is_empty() {
            return Err(Problem::new(
                "seeds",
                "`seeds` is empty; give at least one, `seeds = [0]` for example",
            ));
        }
        if self.seeds.len() > MOST_REPLICAS {
            return Err(Problem::new(
                "seeds",
                format!(
                    "`seeds` lists {} seeds; the most is {MOST_REPLICAS}",
                    self.seeds.len()
                ),
            ));
        }
        match first_repeated(&self.seeds) {
            Some(at) => Err(Problem::new(
                format!("seeds[{at}]"),
                format!(
                    "seed {} is listed twice; its replicas would be the same",
                    self.seeds[at]
                ),
            )),
            None => Ok(()),
        }
    }

    fn validate_phases(&self) -> Result<(), Problem> {
        let mut previous = 0;
        for (index, phase) in self.phases.iter().enumerate() {
            let key = format!("phases[{index}].at");
            if phase.at <= previous {
                let reason = if index == 0 {
                    "the first phase is [data], from step 0 on".to_owned()
                } else {
                    format!("the phase before it begins at step {previous}")
                };
                return Err(Problem::new(
                    key,
                    format!("a phase cannot begin at step {}: {reason}", phase.at),
                ));
            }
            if phase.at >= self.training.steps {
                return Err(Problem::new(
                    key,
                    format!(
                        "a phase cannot begin at step {}: training ends at step {}",
                        phase.at, self.training.steps
                    ),
                )
                .or("training.steps"));
            }
            source(&format!("phases[{index}].data"), &phase.data)?;
            previous = phase.at;
        }
        Ok(())
    }
}

fn source(at: &str, spec: &SourceSpec) -> Result<(), Problem> {
    spec.check().map_err(|error| {
        let key = error
            .key()
            .map_or(at.to_owned(), |key| format!("{at}.{key}"));
        Problem::new(key, error.to_string())
    })
}

fn checkpoints(spec: &ScheduleSpec, steps: u64) -> Result<(), Problem> {
    at_most("checkpoints.log", spec.log as u64, MOST_CHECKPOINTS)?;
    if let Some(number) = steps.checked_div(spec.every)
        && number > MOST_CHECKPOINTS
    {
        return Err(Problem::new(
            "checkpoints.every",
            format!(
                "`checkpoints.every` = {} would write {number} checkpoints; the most is \
                 {MOST_CHECKPOINTS}",
                spec.every
            ),
        )
        .or("training.steps"));
    }
    match spec.at.iter().position(|&step| step > steps) {
        Some(index) => Err(Problem::new(
            format!("checkpoints.at[{index}]"),
            format!(
                "a checkpoint at step {} is beyond the last step, {steps}",
                spec.at[index]
            ),
        )
        .or("training.steps")),
        None => Ok(()),
    }
}

fn run_name(name: &str) -> Result<(), Problem> {
    let reason = if name.trim().is_empty() {
        "is empty"
    } else if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) {
        "begins or ends with a dot or a space"
    } else if name
        .chars()
        .any(|c| c.is_control() || r#"/\<>:"|?*"#.contains(c))
    {
        "holds a character that cannot stand in a folder's name"
    } else if name.len() > LONGEST_NAME {
        "is longer than 64 bytes"
    } else {
        return Ok(());
    };
    Err(Problem::new(
        "name",
        format!("the run's name {reason}: {name:?}; set `name` to what its folder is to be called"),
    ))
}

/// Names of list items: they become parts of measures' and replicas' names.
fn names(list: &str, names: &[&str], reserved: &[&str]) -> Result<(), Problem> {
    for (index, name) in names.iter().enumerate() {
        let valid = |c: char| c.is_ascii_alphanumeric() || "_-+=.".contains(c);
        let reason = if name.is_empty() {
            "it has none".to_owned()
        } else if !name.chars().all(valid) || name.starts_with('.') {
            format!("{name:?} is not made of letters, digits and _ - + = . alone")
        } else if name.len() > LONGEST_NAME {
            "it is longer than 64 bytes".to_owned()
        } else if reserved.contains(name) {
            format!("`{name}` has a meaning of its own")
        } else {
            continue;
        };
        return Err(Problem::new(
            format!("{list}[{index}].name"),
            format!("each of [[{list}]] needs a short `name`: {reason}"),
        ));
    }
    match first_repeated(names) {
        Some(index) => Err(Problem::new(
            format!("{list}[{index}].name"),
            format!("two of [[{list}]] are called `{}`", names[index]),
        )),
        None => Ok(()),
    }
}

/// Index of the first item that stands earlier too.
fn first_repeated<T: PartialEq>(items: &[T]) -> Option<usize> {
    (1..items.len()).find(|&at| items[..at].contains(&items[at]))
}

pub(super) fn at_least(key: &str, value: u64, least: u64) -> Result<(), Problem> {
    if value >= least {
        return Ok(());
    }
    let message = format!("`{key}` must be at least {least}, found {value}");
    Err(Problem::new(key, message))
}

pub(super) fn at_most(key: &str, value: u64, most: u64) -> Result<(), Problem> {
    if value <= most {
        return Ok(());
    }
    let message = format!("`{key}` must be at most {most}, found {value}");
    Err(Problem::new(key, message))
}

pub(super) fn positive(key: &str, value: f64) -> Result<(), Problem> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    let message = format!("`{key}` must be a positive number, found {value}");
    Err(Problem::new(key, message))
}

pub(super) fn not_negative(key: &str, value: f64) -> Result<(), Problem> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    let message = format!("`{key}` must be 0 or a positive number, found {value}");
    Err(Problem::new(key, message))
}

pub(super) fn fraction(key: &str, value: f64, each: &str) -> Result<(), Problem> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    let message = format!("{each}`{key}` must be at least 0 and less than 1, found {value}");
    Err(Problem::new(key, message))
}
