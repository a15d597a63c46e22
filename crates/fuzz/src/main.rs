//! Random input for every parser, kills at random moments, and disks that fill up.
//!
//! `ontogeny-fuzz PARSER --inputs N` makes N inputs from a seed, most of them valid ones that were
//! damaged, and has the library read each. A panic, a message of more than ten lines or too much
//! memory is a finding, told with the seed and the input's number; `--only NUMBER` tries that input
//! alone and `--dump FILE` writes it down. `all` takes one parser after the other.
//!
//! `kills` and `full-disk` run the real binary instead; see [`ontogeny_tests::kills`] and
//! [`ontogeny_tests::full_disk`].

#![recursion_limit = "256"]

mod dice;
mod driver;
mod memory;
mod mutate;
mod parsers;
mod supervise;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::Parser as _;
use parsers::{Parser, Verdict};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Prints a line; a reader that has gone is no reason to stop.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout().lock(), $($text)*);
    }};
}
pub(crate) use say;

/// Random input for every parser, kills at random moments, and disks that fill up.
#[derive(clap::Parser)]
struct Arguments {
    /// A parser, `all` of them, `kills` or `full-disk`.
    job: Job,
    /// Inputs to try.
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u64,
    /// Decides every input, and every moment of a kill.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tries this input alone and says what came of it.
    #[arg(long)]
    only: Option<u64>,
    /// Writes the input of --only to a file.
    #[arg(long, requires = "only")]
    dump: Option<PathBuf>,
    /// Kills in all, of `kills`.
    #[arg(long, default_value_t = 100)]
    runs: usize,
    /// Tries every so many-th write, of `full-disk`, and the first and last of each kind.
    #[arg(long, default_value_t = 1)]
    step: usize,
    /// First input, for the process that tries them.
    #[arg(long, default_value_t = 0, hide = true)]
    from: u64,
    /// Where that process keeps count.
    #[arg(long, hide = true)]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Job {
    One(Parser),
    All,
    Kills,
    FullDisk,
}

impl FromStr for Job {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "all" => return Ok(Self::All),
            "kills" => return Ok(Self::Kills),
            "full-disk" => return Ok(Self::FullDisk),
            _ => {}
        }
        let known = Parser::ALL.into_iter().find(|parser| parser.name() == name);
        known.map(Self::One).ok_or_else(|| {
            let names = Parser::ALL.map(Parser::name).join(", ");
            format!("there are {names}, all, kills and full-disk")
        })
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The number of findings.
fn run(a: &Arguments) -> Result<u64> {
    if matches!(a.job, Job::Kills | Job::FullDisk) {
        ontogeny_tests::find_binary().map_err(anyhow::Error::msg)?;
    }
    match (a.job, a.only, &a.record) {
        (Job::One(parser), Some(index), _) => only(parser, a.seed, index, a.dump.as_deref()),
        (Job::One(parser), None, Some(record)) => {
            driver::drive(parser, a.seed, a.from, a.inputs, record).map(|()| 0)
        }
        (Job::One(parser), None, None) => supervise::run(parser, a.seed, a.inputs),
        (Job::All, ..) => {
            let mut findings = 0;
            for parser in Parser::ALL {
                findings += supervise::run(parser, a.seed, a.inputs)?;
            }
            Ok(findings)
        }
        (Job::Kills, ..) => Ok(ontogeny_tests::kills::kill_runs(a.runs, a.seed, &|line| {
            say!("{line}")
        })),
        (Job::FullDisk, ..) => Ok(ontogeny_tests::full_disk::fill_at_writes(a.step, &|line| {
            say!("{line}")
        })),
    }
}

fn only(parser: Parser, seed: u64, index: u64, dump: Option<&std::path::Path>) -> Result<u64> {
    let mut adapter = parser.adapter()?;
    let input = parsers::input(parser, adapter.as_ref(), seed, index);
    if let Some(path) = dump {
        std::fs::write(path, &input).with_context(|| format!("cannot write {}", path.display()))?;
    }
    driver::catch_panics();
    let outcome = driver::try_input(adapter.as_mut(), &input);
    say!(
        "{} bytes, {:.1} MiB of memory, {:.1} ms",
        input.len(),
        outcome.peak as f64 / f64::from(1 << 20),
        outcome.micros as f64 / 1000.0
    );
    match &outcome.verdict {
        Some(Verdict::Accepted) => say!("accepted"),
        Some(Verdict::Refused(message)) => say!("refused: {message}"),
        Some(Verdict::Wrong(_)) | None => {}
    }
    match outcome.finding {
        Some(finding) => {
            say!("finding: {finding}");
            Ok(1)
        }
        None => Ok(0),
    }
}
