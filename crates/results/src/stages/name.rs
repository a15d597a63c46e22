//! What a stage of development is called.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a stage is called: by what the network comes near to in it, or by what forms.
///
/// Tables and JSON spell a name as one word ([`spelling`](Self::spelling)); a word that is none of
/// these is refused. Names are ordered by their family and, within it, from simple to complex.
///
/// ```
/// use ontogeny_results::stages::StageName;
///
/// assert_eq!(StageName::PreviousToken.to_string(), "previous_token");
/// assert_eq!("rank2".parse(), Ok(StageName::Rank(2)));
/// let pentagon = StageName::Polygon { corners: 5, plus: 1 };
/// assert_eq!("5-gon+".parse(), Ok(pentagon));
/// assert!("rank02".parse::<StageName>().is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageName {
    /// The model ends nearer to the unigram oracle than to any other, and as near as it ever comes.
    Unigram,
    /// The model comes as near to the bigram oracle as it ever does.
    Bigram,
    /// The model nears the trigram oracle and no longer the bigram one.
    Ngram,
    /// A previous-token head forms, without a behaviour that has a name of its own.
    PreviousToken,
    /// The loss after repeated triggers falls below what order-free statistics of the context can
    /// give.
    Induction,
    /// The model nears the uniform distribution over the tokens.
    Uniform,
    /// The model nears the predictor that always says 0.
    Zero,
    /// The model nears the predictor that takes the task to be the mean of the training tasks.
    TaskMean,
    /// The model nears the posterior mean over the pool of training tasks (discrete minimum mean
    /// squared error).
    Dmmse,
    /// The model nears ridge regression, the posterior mean over all tasks.
    Ridge,
    /// The model nears the best linear map of this rank.
    Rank(u16),
    /// The model nears a critical point whose columns of weights are a regular polygon.
    Polygon {
        /// Corners of the polygon.
        corners: u16,
        /// Zero columns with a positive bias.
        plus: u16,
    },
    /// None of these.
    #[default]
    Unnamed,
}

impl StageName {
    /// Every name without a number in it.
    const PLAIN: [Self; 11] = [
        Self::Unigram,
        Self::Bigram,
        Self::Ngram,
        Self::PreviousToken,
        Self::Induction,
        Self::Uniform,
        Self::Zero,
        Self::TaskMean,
        Self::Dmmse,
        Self::Ridge,
        Self::Unnamed,
    ];

    /// The name as tables and JSON spell it: `previous_token`, `rank2`, `5-gon`, and `5-gon++` with
    /// a + for each of `plus`.
    pub fn spelling(self) -> Cow<'static, str> {
        let plain = match self {
            Self::Unigram => "unigram",
            Self::Bigram => "bigram",
            Self::Ngram => "ngram",
            Self::PreviousToken => "previous_token",
            Self::Induction => "induction",
            Self::Uniform => "uniform",
            Self::Zero => "zero",
            Self::TaskMean => "task_mean",
            Self::Dmmse => "dmmse",
            Self::Ridge => "ridge",
            Self::Unnamed => "unnamed",
            Self::Rank(rank) => return Cow::Owned(format!("rank{rank}")),
            Self::Polygon { corners, plus } => {
                return Cow::Owned(format!("{corners}-gon{}", "+".repeat(plus.into())));
            }
        };
        Cow::Borrowed(plain)
    }
}

impl fmt::Display for StageName {
    /// The [`spelling`](Self::spelling), padded as asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.spelling())
    }
}

impl FromStr for StageName {
    type Err = UnknownStage;

    /// Reads a [`spelling`](Self::spelling).
    ///
    /// # Errors
    /// [`UnknownStage`] if no stage is spelled so.
    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        let plain = Self::PLAIN.into_iter().find(|n| n.spelling() == text);
        plain
            .or_else(|| rank(text))
            .or_else(|| polygon(text))
            // A number has several spellings, a name has one: `rank02` is none.
            .filter(|name| name.spelling() == text)
            .ok_or_else(|| UnknownStage(text.to_owned()))
    }
}

fn rank(text: &str) -> Option<StageName> {
    let rank = text.strip_prefix("rank")?.parse().ok()?;
    Some(StageName::Rank(rank))
}

/// A polygon of as many corners as the text says, with one `plus` for each byte that follows.
fn polygon(text: &str) -> Option<StageName> {
    let (corners, plus) = text.split_once("-gon")?;
    Some(StageName::Polygon {
        corners: corners.parse().ok()?,
        plus: plus.len().try_into().ok()?,
    })
}

/// A word that is the name of no stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStage(pub String);

impl fmt::Display for UnknownStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no stage is called `{}`; there are {KNOWN}", self.0)
    }
}

impl std::error::Error for UnknownStage {}

/// All names, for messages.
const KNOWN: &str = "unigram, bigram, ngram, previous_token, induction, uniform, zero, \
                     task_mean, dmmse, ridge, unnamed, ranks such as rank2, and polygons such as \
                     5-gon and 5-gon+";

impl Serialize for StageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.spelling())
    }
}

impl<'de> Deserialize<'de> for StageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = StageName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a stage")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StageName, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_name() -> impl Strategy<Value = StageName> {
        prop_oneof![
            (0..StageName::PLAIN.len()).prop_map(|i| StageName::PLAIN[i]),
            any::<u16>().prop_map(StageName::Rank),
            (any::<u16>(), 0..40_u16)
                .prop_map(|(corners, plus)| StageName::Polygon { corners, plus }),
        ]
    }

    proptest! {
        #[test]
        fn every_name_is_read_back_from_text_and_from_json(name in any_name()) {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(&json, &format!("\"{name}\""));
            prop_assert_eq!(serde_json::from_str::<StageName>(&json).unwrap(), name);
            let value = serde_json::to_value(name).unwrap();
            prop_assert_eq!(serde_json::from_value::<StageName>(value).unwrap(), name);
        }

        #[test]
        fn what_is_read_has_that_spelling(text in "(rank|[0-9+]{0,3})(-gon)?[+0-9-]{0,3}") {
            if let Ok(name) = text.parse::<StageName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }

    #[test]
    fn names_are_spelled_as_they_were() {
        let polygon = |corners, plus| StageName::Polygon { corners, plus };
        for (name, spelling) in [
            (StageName::Unigram, "unigram"),
            (StageName::Bigram, "bigram"),
            (StageName::Ngram, "ngram"),
            (StageName::PreviousToken, "previous_token"),
            (StageName::Induction, "induction"),
            (StageName::Unnamed, "unnamed"),
            (StageName::Uniform, "uniform"),
            (StageName::Zero, "zero"),
            (StageName::TaskMean, "task_mean"),
            (StageName::Dmmse, "dmmse"),
            (StageName::Ridge, "ridge"),
            (StageName::Rank(2), "rank2"),
            (polygon(5, 0), "5-gon"),
            (polygon(5, 1), "5-gon+"),
            (polygon(5, 2), "5-gon++"),
        ] {
            assert_eq!(name.to_string(), spelling);
            assert_eq!(spelling.parse(), Ok(name));
        }
        assert_eq!(format!("{:<8}|", StageName::Zero), "zero    |");
    }

    #[test]
    fn another_word_is_refused_with_the_names_that_there_are() {
        let others = [
            "",
            "Bigram",
            "trigram",
            "bigram ",
            "rank",
            "rank+2",
            "rank02",
            "rank-1",
            "rank65536",
            "5gon",
            "05-gon",
            "-gon",
            "5-gon-",
            "5-gon+1",
            "5+-gon",
            "below_bag",
        ];
        for other in others {
            let refused = other.parse::<StageName>().unwrap_err().to_string();
            assert!(refused.contains(&format!("`{other}`")), "{refused}");
            assert!(serde_json::from_value::<StageName>(other.into()).is_err());
        }
        let refused = serde_json::from_str::<StageName>("\"trigram\"").unwrap_err();
        let refused = refused.to_string();
        for name in StageName::PLAIN {
            assert!(refused.contains(&*name.spelling()), "{name}: {refused}");
        }
        assert!(refused.contains("rank2") && refused.contains("5-gon+"));
        assert!(serde_json::from_str::<StageName>("3").is_err());
    }
}
