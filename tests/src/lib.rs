//! Helpers of the end-to-end tests: the real binary, in a folder of its own.
//!
//! A [`Sandbox`] is the current folder of every command that a test calls. [`Sandbox::run`] waits
//! for a command and gives what it [`Ended`] with; [`Sandbox::start`] leaves it [`Running`], to be
//! killed or interrupted at a chosen moment.
//!
//! The binary is the one beside the test's own executable (`target/<profile>/ontogeny`), or the
//! one that the environment variable `ONTOGENY_BIN` names. Cargo builds it for the tests of the
//! package `ontogeny`, so `cargo test --workspace`, or `-p ontogeny -p ontogeny-tests`, always
//! tests what the sources say.

mod ended;
pub mod full_disk;
pub mod kills;
pub mod needs;
#[cfg(unix)]
mod pty;
mod running;
mod sandbox;
mod small;
pub mod workload;

use std::path::PathBuf;

pub use ended::{Ended, Refusal};
#[cfg(unix)]
pub use pty::{OWN_TERMINAL, Pty};
pub use running::{Running, Streams};
pub use sandbox::{Sandbox, Tree};
pub use small::{SMALL, run_small};

/// The binary under test.
///
/// # Panics
/// If it was not built.
#[track_caller]
pub fn binary() -> PathBuf {
    let found = find_binary();
    assert!(found.is_ok(), "{}", found.err().unwrap_or_default());
    found.unwrap_or_default()
}

/// The binary under test.
///
/// # Errors
/// What to build, or to name, if it is not there.
pub fn find_binary() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("ONTOGENY_BIN") {
        let path = PathBuf::from(named);
        return match path.is_file() {
            true => Ok(path),
            false => Err(format!(
                "ONTOGENY_BIN names {}, which is no file",
                path.display()
            )),
        };
    }
    let own = std::env::current_exe().map_err(|error| format!("no executable: {error}"))?;
    let name = format!("ontogeny{}", std::env::consts::EXE_SUFFIX);
    // target/<profile>/<program> or target/<profile>/deps/<test>
    let beside = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(&name));
    let candidates: Vec<PathBuf> = beside.collect();
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let named: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        format!(
            "there is no {}: build it with `cargo build --release`, test with `cargo test --workspace` (or \
             `-p ontogeny -p ontogeny-tests`), which builds it first, or name one in ONTOGENY_BIN",
            named.join(" and no ")
        )
    })
}
