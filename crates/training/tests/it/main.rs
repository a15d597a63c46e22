//! Training: updates against values computed elsewhere, replicas beside each other, and runs that
//! were interrupted against runs that were not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; the lints know only functions marked as tests"
)]

mod arms;
mod bench;
mod by_hand;
mod forks;
mod freezing;
#[path = "../../../model/tests/it/golden.rs"]
mod golden;
mod golden_runs;
mod members;
mod phases;
mod properties;
mod replays;
mod resuming;
mod stacks;
mod states;
