//! Where sequences come from: sources, and each source's exact oracle predictors.
//!
//! A [`SourceSpec`] is what a configuration says; [`Source::build`] makes a [`Source`] of it, from
//! which batches of examples are drawn as a pure function of (seed, stream, index). Sources come in
//! families. A [`Language`] gives sequences of tokens, and its [`Oracle`]s the probabilities at
//! every position against which a network is measured: [`NgramInduction`] is a synthetic language
//! whose Bayes filter is known, [`MarkovChains`] give each sequence a chain of its own, [`Text`] is
//! documents from files. [`Features`] are vectors with the vectors that they should become, whose
//! losses and critical points are known in closed form: [`Superposition`] and [`Hierarchy`].
//! [`InContextRegression`] gives sequences of vectors, and its [`RegressionPredictor`]s what an
//! exact estimator says at every position.
//!
//! ```
//! use std::path::Path;
//!
//! use ontogeny_data::{Oracle, Source, SourceSpec, Split};
//! use ontogeny_store::Stream;
//!
//! # fn main() -> Result<(), ontogeny_data::DataError> {
//! let nowhere = Path::new(".");
//! let source = Source::build(&SourceSpec::default(), 64, nowhere, nowhere)?;
//! let language = source.language().expect("sequences");
//! let batch = language.sequences(Split::Train, &Stream::new(1, "batches", &[]), 17, 2);
//! assert_eq!((batch.rows, batch.len), (2, 65));
//! let log_probs = language.predict(Oracle::InContext, batch.row(0));
//! assert_eq!(log_probs.len(), 64 * language.d_vocab());
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows of networks, of training, or of where results are kept.

mod describe;
mod draw;
mod error;
mod features;
mod language;
mod markov_chains;
mod ngram_induction;
mod progress;
mod regression;
mod source;
mod spec;
mod text;
mod training_set;

pub use describe::{
    CorpusDescription, Description, OracleDescription, TriggerDescription, ZipfFit, zipf_fit,
};
pub use error::DataError;
pub use features::{
    Features, Hierarchy, HierarchySpec, Mode, Polygon, Superposition, SuperpositionSpec, Values,
};
pub use language::{LEAST_LOG_PROB, Language, Oracle, Recurrence, Sequences, TriggerPositions};
pub use markov_chains::{MarkovChains, MarkovChainsSpec, RowPrior};
pub use ngram_induction::{NgramInduction, NgramInductionSpec, TriggerRank};
pub use progress::{BuildPhase, BuildProgress, BuildWatch};
pub use regression::{
    Estimate, InContextRegression, InContextRegressionSpec, PredictorDescription,
    RegressionDescription, RegressionPredictor, RegressionSequence, RegressionSequences,
    RegressionShift,
};
pub use source::{Examples, Source, Split};
pub use spec::SourceSpec;
pub use text::{BagFit, CorpusSpec, EncodedText, KeptSources, Part, Text, TextSpec, TokenCache};
