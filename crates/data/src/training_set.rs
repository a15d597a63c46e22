//! A finite set of sequences to train on, never held in memory.

use ontogeny_store::{Stream, StreamRng};
use rand::Rng;

use crate::draw::below;

/// Sequence `k` of the set is what the source makes of the random numbers number `k` of a stream
/// of the set's own: a function of the source's seed and `k`.
#[derive(Clone, Debug)]
pub(crate) struct TrainingSet {
    size: u64,
    stream: Stream,
}

impl TrainingSet {
    pub(crate) fn new(seed: u64, size: u64) -> Self {
        Self {
            size,
            stream: Stream::new(seed, "training set", &[]),
        }
    }

    /// The random numbers of a sequence of the set, all equally likely.
    pub(crate) fn choose(&self, rng: &mut impl Rng) -> StreamRng {
        self.stream.at(self.number(rng))
    }

    /// The number of a sequence of the set, all equally likely.
    pub(crate) fn number(&self, rng: &mut impl Rng) -> u64 {
        below(rng, self.size)
    }

    /// The stream whose random numbers number `k` make sequence `k`.
    pub(crate) fn stream(&self) -> Stream {
        self.stream
    }
}
