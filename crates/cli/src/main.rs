//! The `ontogeny` binary: parse, build, call, print.

#![recursion_limit = "256"]

mod arguments;
mod commands;
mod failure;
mod place;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

/// Small networks allocate and free many buffers of a few hundred kilobytes; the system's
/// allocator costs up to half of the speed on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of a run that was interrupted, as shells have it for Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
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
        .init();
    let json = arguments.json;
    match commands::dispatch(arguments) {
        Ok(commands::Finish::Complete) => ExitCode::SUCCESS,
        Ok(commands::Finish::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => failure::report(&error, json),
    }
}
