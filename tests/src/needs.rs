//! Tests that need something of the machine: a browser, or a driver of Vulkan.
//!
//! A machine without it cannot run them, which is no failure of the program: they are listed as
//! ignored, with what is missing, and named again at the end. With the environment variable
//! [`ALL`] they run whatever is missing, and fail; continuous integration sets it.
//!
//! The built-in harness knows no tests that are ignored at run time, so targets with such tests
//! have `harness = false` and call [`run`].

use std::io::Write;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// Set (to anything) where no test may be left out.
pub const ALL: &str = "ONTOGENY_TEST_ALL";

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A browser to open pages with.
    Browser,
    /// A GPU, or a driver that stands in for one.
    Gpu,
}

impl Need {
    /// What is missing, and the Debian package that brings it.
    pub fn missing(self) -> &'static str {
        match self {
            Self::Browser => "no browser (Debian package `chromium`)",
            Self::Gpu => "no GPU adapter (Debian package `mesa-vulkan-drivers` has a software one)",
        }
    }
}

/// A test that needs something of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Equipped {
    /// Its name.
    pub name: &'static str,
    /// What it needs.
    pub need: Need,
    /// What it does; it panics if something is wrong.
    pub test: fn(),
}

/// Runs tests as the command line asks, those whose need is not met only with [`ALL`]. The main
/// function of a target with `harness = false`.
pub fn run(tests: &[Equipped], is_met: impl Fn(Need) -> bool) -> ExitCode {
    let arguments = Arguments::from_args();
    let all = std::env::var_os(ALL).is_some();
    let mut left_out = Vec::new();
    let trials = tests
        .iter()
        .map(|&Equipped { name, need, test }| {
            let met = is_met(need);
            if !met && !all {
                left_out.push(format!("{name}: {}", need.missing()));
            }
            let trial = Trial::test(name, move || match met {
                true => {
                    test();
                    Ok(())
                }
                false => Err(Failed::from(need.missing())),
            });
            trial.with_ignored_flag(!met && !all)
        })
        .collect();
    let listed = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !left_out.is_empty() && !listed {
        say(&left_out);
    }
    conclusion.exit_code()
}

/// Names what was left out and how to have it run.
fn say(left_out: &[String]) {
    let mut text = "left out, since this machine lacks what they need:\n".to_owned();
    for one in left_out {
        text += &format!("    {one}\n");
    }
    text += "`./tests/run.sh` installs it and runs every test\n\n";
    // Whoever does not listen is told nothing.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
