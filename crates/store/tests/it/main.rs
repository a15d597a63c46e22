//! The crate from outside: golden values, and files that are cut, damaged or fought over.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, helpers outside test functions too"
)]

mod checkpoints;
mod golden;
mod parquet;
mod properties;
mod random;
mod run_folder;
mod series;
mod states;
mod tensor_files;

use ontogeny_store::NamedTensor;

/// A tensor of distinct elements.
fn tensor(name: &str, shape: &[usize]) -> NamedTensor {
    let size = shape.iter().product::<usize>();
    NamedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: (0..size).map(|i| i as f32 - 1.5).collect(),
    }
}
