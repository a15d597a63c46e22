//! One parser, one input after the other.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::memory::peak_of;
use crate::parsers::{self, Adapter, Parser, Verdict};
use crate::say;

/// A message has at most so many lines.
const LINES: usize = 10;
/// And at most so many bytes: an excerpt shows what is wrong, not all of it.
const MESSAGE: usize = 4096;
/// Findings that are shown; the others are counted.
const SHOWN: u64 = 20;

/// Where the last panic was, and what it said.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// What a driver has seen so far, kept in a file, so that it outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The input at hand.
    pub index: u64,
    /// Inputs that were read.
    pub accepted: u64,
    /// Inputs that were refused.
    pub refused: u64,
    /// Inputs that something was wrong with.
    pub findings: u64,
    /// The most memory that an input took, in bytes.
    pub peak: u64,
    /// The longest that an input took, in microseconds.
    pub slowest: u64,
    /// That input.
    pub slowest_index: u64,
}

impl Progress {
    const SIZE: usize = 56;

    fn bytes(&self) -> [u8; Self::SIZE] {
        let Self {
            index,
            accepted,
            refused,
            findings,
            peak,
            slowest,
            slowest_index,
        } = *self;
        let numbers = [
            index,
            accepted,
            refused,
            findings,
            peak,
            slowest,
            slowest_index,
        ];
        let mut bytes = [0; Self::SIZE];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// What a driver last wrote; nothing if it has not begun.
    pub fn read(path: &Path) -> Self {
        let mut bytes = [0; Self::SIZE];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
        if read.is_err() {
            return Self::default();
        }
        let mut numbers = bytes.chunks_exact(8).map(|bytes| {
            bytes
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
        });
        let mut next = || numbers.next().unwrap_or(0);
        Self {
            index: next(),
            accepted: next(),
            refused: next(),
            findings: next(),
            peak: next(),
            slowest: next(),
            slowest_index: next(),
        }
    }

    fn write(&self, file: &mut File) -> Result<()> {
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&self.bytes()))
            .context("the progress cannot be written")
    }
}

/// What reading one input came to.
pub struct Outcome {
    /// Whether it was read, and what was said if not.
    pub verdict: Option<Verdict>,
    /// What is wrong, if something is.
    pub finding: Option<String>,
    /// The most bytes in use at once.
    pub peak: usize,
    /// In microseconds.
    pub micros: u64,
}

/// Keeps panics from being printed; they are told as findings.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        if let Ok(mut panic) = PANIC.lock() {
            *panic = info.to_string().replace('\n', " ");
        }
    }));
}

/// Has one input read.
pub fn try_input(adapter: &mut dyn Adapter, input: &[u8]) -> Outcome {
    let begun = Instant::now();
    let (read, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| adapter.read(input))));
    let micros = begun.elapsed().as_micros() as u64;
    let allowed = adapter.allowance(input.len());
    let finding = match &read {
        Err(_) => Some(PANIC.lock().map(|panic| panic.clone()).unwrap_or_default()),
        Ok(Verdict::Wrong(what)) => Some(format!("wrong: {what}")),
        Ok(Verdict::Refused(message)) if message.trim().is_empty() => {
            Some("refused without a word".to_owned())
        }
        Ok(Verdict::Refused(message)) if message.lines().count() > LINES => Some(format!(
            "a message of {} lines: {}",
            message.lines().count(),
            excerpt(message)
        )),
        Ok(Verdict::Refused(message)) if message.len() > MESSAGE => Some(format!(
            "a message of {} bytes: {}",
            message.len(),
            excerpt(message)
        )),
        Ok(_) if peak > allowed => Some(format!("{peak} bytes of memory, {allowed} are allowed")),
        Ok(_) => None,
    };
    Outcome {
        verdict: read.ok(),
        finding,
        peak,
        micros,
    }
}

/// The first letters of a message.
pub fn excerpt(message: &str) -> String {
    message
        .chars()
        .take(120)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

/// Tries the inputs `from..to` and keeps count in the file `record`.
pub fn drive(parser: Parser, seed: u64, from: u64, to: u64, record: &Path) -> Result<()> {
    catch_panics();
    let mut adapter = parser.adapter()?;
    let mut file = File::create(record).context("the progress cannot be kept")?;
    let mut progress = Progress::default();
    for index in from..to {
        progress.index = index;
        progress.write(&mut file)?;
        let input = parsers::input(parser, adapter.as_ref(), seed, index);
        let outcome = try_input(adapter.as_mut(), &input);
        match outcome.verdict {
            Some(Verdict::Accepted) => progress.accepted += 1,
            Some(Verdict::Refused(_)) => progress.refused += 1,
            Some(Verdict::Wrong(_)) => {}
            // Whatever it was at is unfinished.
            None => adapter = parser.adapter()?,
        }
        if let Some(finding) = outcome.finding {
            progress.findings += 1;
            if progress.findings > SHOWN {
                continue;
            }
            say!(
                "finding: {} --seed {seed} --only {index}: {finding}",
                parser.name()
            );
        }
        progress.peak = progress.peak.max(outcome.peak as u64);
        if outcome.micros > progress.slowest {
            (progress.slowest, progress.slowest_index) = (outcome.micros, index);
        }
    }
    progress.index = to;
    progress.write(&mut file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_outlives_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress");
        assert_eq!(Progress::read(&path), Progress::default());
        let progress = Progress {
            index: 1,
            accepted: 2,
            refused: 3,
            findings: 4,
            peak: 5,
            slowest: u64::MAX,
            slowest_index: 7,
        };
        let mut file = File::create(&path).unwrap();
        progress.write(&mut file).unwrap();
        assert_eq!(Progress::read(&path), progress);
    }

    /// A parser that does what its input says.
    struct Faulty;

    impl Adapter for Faulty {
        fn generate(&self, _: &mut crate::dice::Dice) -> Vec<u8> {
            Vec::new()
        }

        fn words(&self) -> &[&'static str] {
            &[]
        }

        fn read(&mut self, input: &[u8]) -> Verdict {
            match input {
                b"panics" => panic!("on purpose"),
                b"needs much" => {
                    std::hint::black_box(vec![1_u8; 100 << 20]);
                    Verdict::Accepted
                }
                b"says nothing" => Verdict::Refused(" ".to_owned()),
                b"says much" => Verdict::Refused("word\n".repeat(11)),
                b"is wrong" => Verdict::Wrong("2".to_owned()),
                b"is refused" => Verdict::Refused("line 3: no".to_owned()),
                _ => Verdict::Accepted,
            }
        }
    }

    #[test]
    fn every_fault_is_found() {
        for (input, found) in [
            ("panics", Some("on purpose")),
            ("says nothing", Some("without a word")),
            ("says much", Some("11 lines")),
            ("is wrong", Some("wrong: 2")),
            ("is refused", None),
            ("is fine", None),
        ] {
            catch_panics();
            let outcome = try_input(&mut Faulty, input.as_bytes());
            let _ = std::panic::take_hook();
            match (outcome.finding, found) {
                (None, None) => {}
                (Some(told), Some(part)) => assert!(told.contains(part), "{input}: {told}"),
                (told, _) => panic!("{input}: {told:?}"),
            }
        }
    }
}
