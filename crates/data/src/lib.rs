//! Where sequences come from: sources, and each source's exact oracle predictors.
//!
//! A [`SourceSpec`] is what a configuration says; [`Source::build`] makes a [`Source`] of it, from
//! which batches are drawn as a pure function of (seed, stream, index), and whose [`Oracle`]s give
//! the probabilities at every position against which a network is measured. There are two
//! sources: [`NgramInduction`], a synthetic language whose Bayes filter is known, and [`Text`],
//! documents from files.
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
//! let batch = source.sequences(Split::Train, &Stream::new(1, "batches", &[]), 17, 2);
//! assert_eq!((batch.rows, batch.len), (2, 65));
//! let log_probs = source.predict(Oracle::InContext, batch.row(0));
//! assert_eq!(log_probs.len(), 64 * source.d_vocab());
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows of networks, of training, or of where results are kept.

mod describe;
mod draw;
mod error;
mod ngram_induction;
mod progress;
mod source;
mod spec;
mod text;
mod training_set;

pub use describe::{
    CorpusDescription, Description, OracleDescription, TriggerDescription, ZipfFit, zipf_fit,
};
pub use error::DataError;
pub use ngram_induction::{NgramInduction, NgramInductionSpec, TriggerRank};
pub use progress::{BuildPhase, BuildProgress, BuildWatch};
pub use source::{LEAST_LOG_PROB, Oracle, Recurrence, Sequences, Source, Split, TriggerPositions};
pub use spec::SourceSpec;
pub use text::{BagFit, CorpusSpec, EncodedText, KeptSources, Part, Text, TextSpec, TokenCache};
