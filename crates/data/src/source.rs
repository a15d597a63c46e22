//! The one interface of all sources: examples, and what can be said of them exactly.

use std::ops::ControlFlow;
use std::path::Path;

use ontogeny_store::{Key, Stream};
use serde::{Deserialize, Serialize};

use crate::progress::BuildWatch;
use crate::{
    DataError, Features, Hierarchy, InContextRegression, Language, MarkovChains, NgramInduction,
    Sequences, SourceSpec, Superposition, Text, TokenCache, Values,
};

/// A source of examples, ready to be drawn from.
#[derive(Debug)]
pub enum Source {
    /// Sequences of tokens, each to be predicted from those before it.
    Language(Box<Language>),
    /// Vectors, each with the vector that it should become.
    Features(Features),
    /// Sequences of vectors: pairs x, y of a linear task, each y to be predicted from its x and the
    /// pairs before it.
    Regression(InContextRegression),
}

/// Examples of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Examples {
    /// Sequences of tokens.
    Sequences(Sequences),
    /// Vectors, one or a sequence of them for each example, with their targets.
    Values(Values),
}

impl From<Sequences> for Examples {
    fn from(sequences: Sequences) -> Self {
        Self::Sequences(sequences)
    }
}

impl From<Values> for Examples {
    fn from(values: Values) -> Self {
        Self::Values(values)
    }
}

impl Examples {
    /// Number of examples.
    pub fn rows(&self) -> usize {
        match self {
            Self::Sequences(sequences) => sequences.rows,
            Self::Values(values) => values.rows,
        }
    }

    /// Positions of an example at which a network gives an output, of which [`Values::weights`] may
    /// leave some out of the loss.
    pub fn positions(&self) -> usize {
        match self {
            Self::Sequences(sequences) => sequences.len - 1,
            Self::Values(values) => values.positions,
        }
    }
}

/// Which part of a source.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What a network is trained on.
    Train,
    /// What it is measured on: other draws of a synthetic source, other documents of a corpus.
    HeldOut,
}

impl Split {
    /// `train` or `held_out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HeldOut => "held_out",
        }
    }
}

impl Source {
    /// Builds the source, for sequences of `n_ctx + 1` tokens if it is one of sequences.
    ///
    /// `base` is the folder that relative paths in the specification start from; `cache` tells
    /// where tokenized corpora are kept: a path is the folder for them.
    ///
    /// # Errors
    ///
    /// [`DataError`]: a senseless setting, or a corpus or tokenizer that cannot be used.
    pub fn build(
        spec: &SourceSpec,
        n_ctx: usize,
        base: &Path,
        cache: impl Into<TokenCache>,
    ) -> Result<Self, DataError> {
        Self::build_watched(spec, n_ctx, base, cache, &|_| ControlFlow::Continue(()))
    }

    /// As [`Source::build`], telling `watch` how far it is. What takes long is reading a corpus,
    /// training a tokenizer and tokenizing.
    ///
    /// # Errors
    ///
    /// As [`Source::build`], and [`DataError::Stopped`] if `watch` answers with a break: then
    /// nothing was written.
    pub fn build_watched(
        spec: &SourceSpec,
        n_ctx: usize,
        base: &Path,
        cache: impl Into<TokenCache>,
        watch: BuildWatch<'_>,
    ) -> Result<Self, DataError> {
        if n_ctx == 0 {
            return Err(DataError::setting(
                "n_ctx",
                "is 0; a sequence has at least one position",
            ));
        }
        spec.check()?;
        let language = |language| Self::Language(Box::new(language));
        Ok(match spec {
            SourceSpec::NgramInduction(spec) => language(Language::NgramInduction(
                NgramInduction::build(spec, n_ctx)?,
            )),
            SourceSpec::Text(spec) => {
                let text = Text::build(spec, n_ctx, base, &cache.into(), watch)?;
                language(Language::Text(text))
            }
            SourceSpec::MarkovChains(spec) => language(Language::MarkovChains(MarkovChains::new(
                spec.clone(),
                n_ctx,
            ))),
            SourceSpec::Superposition(spec) => {
                Self::Features(Features::Superposition(Superposition::new(spec.clone())))
            }
            SourceSpec::Hierarchy(spec) => {
                Self::Features(Features::Hierarchy(Hierarchy::new(spec.clone())))
            }
            SourceSpec::InContextRegression(spec) => {
                Self::Regression(InContextRegression::new(spec.clone()))
            }
        })
    }

    /// Names the content: what the examples depend on. Where a corpus lies does not count.
    pub fn key(&self) -> Key {
        match self {
            Self::Language(language) => language.key(),
            Self::Features(features) => features.key(),
            Self::Regression(regression) => regression.key(),
        }
    }

    /// What was noticed while the source was built and does not keep it from being used, each a
    /// sentence for a person.
    pub fn notices(&self) -> &[String] {
        match self {
            Self::Language(language) => language.notices(),
            Self::Features(_) | Self::Regression(_) => &[],
        }
    }

    /// Positions of an example at which a network gives an output. Those of a regression are
    /// two for each pair, whatever `n_ctx` is.
    pub fn positions(&self) -> usize {
        match self {
            Self::Language(language) => language.n_ctx(),
            Self::Features(_) => 1,
            Self::Regression(regression) => regression.positions(),
        }
    }

    /// Components of an input vector; `None` for a source of tokens.
    pub fn d_in(&self) -> Option<usize> {
        match self {
            Self::Language(_) => None,
            Self::Features(features) => Some(features.d_in()),
            Self::Regression(regression) => Some(regression.d_in()),
        }
    }

    /// Components of an output: the size of the vocabulary of a source of tokens.
    pub fn d_out(&self) -> usize {
        match self {
            Self::Language(language) => language.d_vocab(),
            Self::Features(features) => features.d_out(),
            Self::Regression(regression) => regression.d_out(),
        }
    }

    /// Variance σ² of the noise of a target's component, in whose terms the squared error
    /// ‖y − ŷ‖²/2σ² is minus a log-likelihood; `None` for a source of tokens.
    pub fn variance(&self) -> Option<f64> {
        match self {
            Self::Language(_) => None,
            Self::Features(features) => Some(features.variance()),
            Self::Regression(regression) => Some(regression.variance()),
        }
    }

    /// Batch `index` of a stream: `rows` examples.
    ///
    /// A pure function of its arguments, whatever was drawn before. Row `i` does not depend on
    /// `rows`: a smaller batch is the beginning of a larger one.
    pub fn examples(&self, split: Split, stream: &Stream, index: u64, rows: usize) -> Examples {
        match self {
            Self::Language(language) => {
                Examples::Sequences(language.sequences(split, stream, index, rows))
            }
            Self::Features(features) => {
                Examples::Values(features.values(split, stream, index, rows))
            }
            Self::Regression(regression) => {
                Examples::Values(regression.values(split, stream, index, rows))
            }
        }
    }

    /// The source of sequences, if it is one.
    pub fn language(&self) -> Option<&Language> {
        match self {
            Self::Language(language) => Some(language),
            Self::Features(_) | Self::Regression(_) => None,
        }
    }

    /// The same by value.
    pub fn into_language(self) -> Option<Language> {
        match self {
            Self::Language(language) => Some(*language),
            Self::Features(_) | Self::Regression(_) => None,
        }
    }

    /// The source of single vectors, if it is one.
    pub fn features(&self) -> Option<&Features> {
        match self {
            Self::Language(_) | Self::Regression(_) => None,
            Self::Features(features) => Some(features),
        }
    }

    /// The source of in-context regression, if it is one.
    pub fn regression(&self) -> Option<&InContextRegression> {
        match self {
            Self::Language(_) | Self::Features(_) => None,
            Self::Regression(regression) => Some(regression),
        }
    }
}
