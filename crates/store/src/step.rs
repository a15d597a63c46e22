//! The unit in which a run is counted.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many optimizer updates have been done. Step 0 is the untouched start.
#[derive(
    Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Step(pub u64);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` semantics of the integer, so that `{step:>8}` lines up in tables.
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u64> for Step {
    fn from(updates: u64) -> Self {
        Self(updates)
    }
}

impl FromStr for Step {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";

impl Step {
    /// The name of the file that holds this step: ten digits, so that names sort as steps do.
    pub(crate) fn file_name(self) -> String {
        format!("{PREFIX}{:010}{SUFFIX}", self.0)
    }

    /// The step whose [`Step::file_name`] is `name`; `None` for any other name, a temporary
    /// file's or one with fewer digits included.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        let step: Self = digits.parse().ok()?;
        (step.file_name() == name).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_go_there_and_back_and_sort_as_steps_do() {
        let steps = [0, 1, 9, 10, 123, 9_999_999_999].map(Step);
        let names = steps.map(Step::file_name);
        assert_eq!(names[4], "step-0000000123.safetensors");
        assert!(names.is_sorted());
        for (step, name) in steps.iter().zip(&names) {
            assert_eq!(Step::from_file_name(name), Some(*step));
        }
        let beyond_ten_digits = Step(u64::MAX);
        assert_eq!(
            Step::from_file_name(&beyond_ten_digits.file_name()),
            Some(beyond_ten_digits)
        );
    }

    #[test]
    fn foreign_file_names_are_no_steps() {
        for name in [
            "step-123.safetensors",
            "step-+000000123.safetensors",
            "step-0000000123.safetensors.tmp",
            ".partial-step-0000000123.safetensors",
            "step-.safetensors",
            "config.json",
            "",
        ] {
            assert_eq!(Step::from_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn is_a_plain_number_in_json_and_text() {
        assert_eq!(serde_json::to_string(&Step(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<Step>("7").unwrap(), Step(7));
        assert_eq!("7".parse::<Step>().unwrap(), Step(7));
        assert_eq!(format!("{:>4}", Step(7)), "   7");
    }
}
