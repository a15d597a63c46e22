//! End to end: the real binary on real input, each test in a folder of its own.
//!
//! One module for each promise of the command line. Networks are tiny and runs short: what is
//! tested is that everything fits together, not what networks learn.

mod again;
mod bench;
mod compare;
mod corpora;
mod devices;
mod dynamics;
mod estimator;
mod features;
mod folders;
mod full_disk;
mod golden;
mod kills;
mod mixed;
mod online;
#[cfg(unix)]
mod path_bytes;
mod predict;
mod refusals;
mod replicas;
mod run;
mod select;
#[cfg(unix)]
mod signals;
mod stages;
#[cfg(unix)]
mod streams;
mod systems;
mod tables;
mod text;
mod time_travel;
mod tokens;
mod validate_stages;

use ontogeny_tests::{SMALL, run_small};
