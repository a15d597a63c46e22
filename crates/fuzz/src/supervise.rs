//! A driver in a process of its own, so that nothing it runs into ends the whole: not an abort, not
//! a stack that overflows, not an input without end.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::driver::Progress;
use crate::parsers::Parser;
use crate::say;

/// An input that takes longer than this has no end.
const LONGEST: Duration = Duration::from_secs(60);
/// After so many processes that died the rest is not worth trying.
const MOST_DEATHS: u64 = 20;

/// Tries `inputs` inputs of a parser and says what became of them. Returns the number of findings.
pub fn run(parser: Parser, seed: u64, inputs: u64) -> Result<u64> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let record = folder.path().join("progress");
    let begun = Instant::now();
    let (mut total, mut deaths, mut from) = (Progress::default(), 0, 0);
    while from < inputs && deaths < MOST_DEATHS {
        let _ = std::fs::remove_file(&record);
        let ended = wait(start(parser, seed, from, inputs, &record)?, &record)?;
        let seen = Progress::read(&record);
        total.accepted += seen.accepted;
        total.refused += seen.refused;
        total.findings += seen.findings;
        total.peak = total.peak.max(seen.peak);
        if seen.slowest > total.slowest {
            (total.slowest, total.slowest_index) = (seen.slowest, seen.slowest_index);
        }
        from = match ended {
            Ended::Done => inputs,
            Ended::Died(how) => {
                anyhow::ensure!(
                    record.exists(),
                    "the driver of {} does not begin: {how}",
                    parser.name()
                );
                deaths += 1;
                say!(
                    "finding: {} --seed {seed} --only {}: {how}",
                    parser.name(),
                    seen.index
                );
                seen.index + 1
            }
        };
    }
    let seconds = begun.elapsed().as_secs_f64();
    let tried = from.min(inputs);
    say!(
        "{}: {tried} inputs (seed {seed}), {} accepted, {} refused, {} findings, {:.0} inputs/s, \
         peak {:.1} MiB, slowest {:.1} ms (--only {})",
        parser.name(),
        total.accepted,
        total.refused,
        total.findings + deaths,
        tried as f64 / seconds,
        total.peak as f64 / f64::from(1 << 20),
        total.slowest as f64 / 1000.0,
        total.slowest_index
    );
    Ok(total.findings + deaths)
}

enum Ended {
    Done,
    Died(String),
}

fn start(parser: Parser, seed: u64, from: u64, to: u64, record: &Path) -> Result<Child> {
    let own = std::env::current_exe().context("the driver's own executable is not known")?;
    Command::new(own)
        .arg(parser.name())
        .args(["--seed", &seed.to_string()])
        .args(["--inputs", &to.to_string()])
        .args(["--from", &from.to_string()])
        .arg("--record")
        .arg(record)
        // Input by input, so that the memory counted is one input's.
        .env("RAYON_NUM_THREADS", "1")
        .spawn()
        .context("the driver cannot be started")
}

fn wait(mut driver: Child, record: &Path) -> Result<Ended> {
    let (mut at, mut since) = (u64::MAX, Instant::now());
    loop {
        if let Some(status) = driver.try_wait().context("the driver is lost")? {
            return Ok(match status.success() {
                true => Ended::Done,
                false => Ended::Died(format!("the process died: {}", death(status))),
            });
        }
        let now = Progress::read(record).index;
        if now != at {
            (at, since) = (now, Instant::now());
        } else if since.elapsed() > LONGEST {
            let _ = driver.kill();
            let _ = driver.wait();
            return Ok(Ended::Died(format!("no end after {} s", LONGEST.as_secs())));
        }
        sleep(Duration::from_millis(50));
    }
}

fn death(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match signal {
            6 => "aborted (too much memory, or a panic in a panic)".to_owned(),
            11 => "signal 11 (the stack overflows?)".to_owned(),
            other => format!("signal {other}"),
        };
    }
    status.to_string()
}
