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
#[cfg(unix)]
mod pty;
mod running;
mod sandbox;

use std::path::{Path, PathBuf};

pub use ended::{Ended, Refusal};
#[cfg(unix)]
pub use pty::{OWN_TERMINAL, Pty};
pub use running::{Running, Streams};
pub use sandbox::{Sandbox, Tree};

/// The binary under test.
///
/// # Panics
/// If it was not built.
#[track_caller]
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("ONTOGENY_BIN") {
        let path = PathBuf::from(named);
        assert!(
            path.is_file(),
            "ONTOGENY_BIN names {}, which is no file",
            path.display()
        );
        return path;
    }
    let own = std::env::current_exe().expect("a running test has an executable");
    // target/<profile>/deps/<test>
    let profile = own.ancestors().nth(2).unwrap_or(Path::new("."));
    let path = profile.join(format!("ontogeny{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is not there: test with `cargo test --workspace` (or `-p ontogeny -p ontogeny-tests`), \
         which builds the binary first, or name one in ONTOGENY_BIN",
        path.display()
    );
    path
}
