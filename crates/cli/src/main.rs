//! The `ontogeny` binary: parse, build, call, print.

#![recursion_limit = "256"]

// First, so that its macros are known below.
#[macro_use]
mod terminal;

mod arguments;
mod bench;
mod commands;
mod failure;
mod online;
mod place;
mod signals;
mod spot;
mod stretch;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

/// Small networks allocate and free many buffers of a few hundred kilobytes; the system's
/// allocator costs up to half of the speed on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quiet_wayland();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error),
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("ONTOGENY_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("ontogeny=warn,ontogeny_training=warn,ontogeny_store=warn,ontogeny_analysis=warn")),
        )
        .with_target(false)
        .without_time()
        // It would complain on standard error that standard error is gone, and panic there.
        .log_internal_errors(false)
        .init();
    let json = arguments.json;
    match commands::dispatch(arguments) {
        Ok(commands::Finish::Complete) => match terminal::finish() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure::report(&failure::unprinted(error), json),
        },
        Ok(commands::Finish::Interrupted { how, code }) => failure::interrupted(how, code, json),
        Err(error) => failure::report(&error, json),
    }
}

/// Mesa's drivers look for a Wayland display when adapters are listed, and complain on standard
/// error where this variable is missing, as it is in containers and batch jobs.
fn quiet_wayland() {
    const VARIABLE: &str = "XDG_RUNTIME_DIR";
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: this is the first thing the program does; there is no other thread yet that
        // could read the environment.
        unsafe { std::env::set_var(VARIABLE, std::env::temp_dir()) };
    }
}
