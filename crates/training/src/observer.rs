//! What the training loop tells whoever watches. Nothing flows back.

use ontogeny_store::{CheckpointEntry, Step};

/// Where training stands.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Updates done before the batch whose losses these are.
    pub step: Step,
    /// The last step.
    pub last: Step,
    /// Tokens each replica has seen.
    pub tokens: u64,
    /// Loss of each replica of the group, in nats; not finite for a frozen one.
    pub losses: &'a [f32],
}

/// Somebody who watches a group being trained.
pub trait Observer {
    /// A group begins, or goes on, at `step`.
    fn begin(&mut self, replicas: &[String], step: Step, last: Step);
    /// An update was done; `step` are done now.
    fn step(&mut self, step: Step);
    /// A line of metrics was written.
    fn metrics(&mut self, progress: &Progress<'_>);
    /// A checkpoint was written.
    fn checkpoint(&mut self, _entry: &CheckpointEntry) {}
    /// The stages that the replicas are in, in a few words, as far as can be told.
    fn stage(&mut self, _present: &str) {}
    /// A boundary between stages has become sure; a sentence.
    fn boundary(&mut self, _sentence: &str) {}
    /// A replica stopped being finite at the update after `step`.
    fn frozen(&mut self, replica: &str, step: u64);
    /// The group is complete, or was interrupted.
    fn end(&mut self, step: Step, interrupted: bool);
}
