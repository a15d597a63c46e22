//! What the binary prints: results on standard output, all else on standard error.
//!
//! Whoever reads may go away: a pipe is closed, a terminal is lost, a disk is full. Work must not
//! end with the reader, so nothing here panics and nothing here fails at once. What standard error
//! does not take is dropped. Once standard output does not take something, the rest is dropped too
//! and [`finish`] says why at the end, unless the reader simply left.
//!
//! The macros of the standard library panic in these cases; the lints `print_stdout` and
//! `print_stderr` keep them out of the whole workspace.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What became of standard output.
static RESULTS: Mutex<Results> = Mutex::new(Results { lost: None });

/// For how long standard error is tried again while it takes nothing for the moment.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// Prints to standard output. Use the macros `out!` and `outln!`.
pub fn print(text: Arguments<'_>) {
    let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
    results.print(&mut io::stdout().lock(), &text.to_string());
}

/// Prints to standard error what it takes. Use the macro `errln!`.
pub fn tell(text: Arguments<'_>) {
    // In one piece, so that lines of several threads do not mix; a failure has nowhere to be told.
    let text = text.to_string();
    let _ = write_all(&mut io::stderr().lock(), text.as_bytes(), Some(PATIENCE));
}

/// Brings what was printed to standard output to its reader.
///
/// # Errors
///
/// What standard output did not take, and why. A reader that left is no error: it has what it
/// wanted.
pub fn finish() -> io::Result<()> {
    let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
    results.finish(&mut io::stdout().lock())
}

/// Prints what clap says instead of a command: help and version to standard output, a mistake to
/// standard error.
///
/// # Errors
///
/// As [`finish`], for help and version.
pub fn print_clap(message: &clap::Error) -> io::Result<()> {
    let printed = message.print();
    if message.use_stderr() {
        return Ok(());
    }
    let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
    results.lost = printed.err();
    results.finish(&mut io::stdout().lock())
}

/// What was printed to standard output, as far as it got.
struct Results {
    /// Why it took no more, once it did not.
    lost: Option<io::Error>,
}

impl Results {
    fn print(&mut self, output: &mut impl Write, text: &str) {
        if self.lost.is_none() {
            self.lost = write_all(output, text.as_bytes(), None).err();
        }
    }

    fn finish(&mut self, output: &mut impl Write) -> io::Result<()> {
        let end = match self.lost.take() {
            Some(error) => Err(error),
            None => patiently(None, || output.flush()),
        };
        match end {
            Err(error) if !reader_left(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether an error of writing says that nobody reads any more: a closed pipe or connection, or a
/// terminal that is gone.
fn reader_left(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    ) || (is_failure_of_device(error) && terminal_is_gone())
}

#[cfg(unix)]
fn is_failure_of_device(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Whether standard output is a terminal that was hung up: what asks for its modes fails as
/// writing does, where a file would say that it is no terminal.
#[cfg(unix)]
fn terminal_is_gone() -> bool {
    rustix::termios::tcgetattr(io::stdout()).err() == Some(rustix::io::Errno::IO)
}

#[cfg(not(unix))]
fn is_failure_of_device(_: &io::Error) -> bool {
    false
}

#[cfg(not(unix))]
fn terminal_is_gone() -> bool {
    false
}

/// Writes all of `bytes`. Another process may have made the stream non-blocking, which is the
/// property of the pipe or terminal and not of this process: then it is tried again, for as long
/// as `patience` allows.
fn write_all(
    stream: &mut impl Write,
    mut bytes: &[u8],
    patience: Option<Duration>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match patiently(patience, || stream.write(bytes))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            n => bytes = &bytes[n..],
        }
    }
    Ok(())
}

/// Tries again while the system asks for it.
fn patiently<T>(
    patience: Option<Duration>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if patience.is_some_and(|patience| begun.elapsed() >= patience) {
                    return Err(error);
                }
                sleep(PAUSE);
            }
            result => return result,
        }
    }
}

/// Prints to standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::terminal::print(format_args!($($text)*)) };
}

/// Prints a line to standard output.
macro_rules! outln {
    () => { $crate::terminal::print(format_args!("\n")) };
    ($($text:tt)*) => {
        $crate::terminal::print(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints a line to standard error.
macro_rules! errln {
    ($($text:tt)*) => {
        $crate::terminal::tell(format_args!("{}\n", format_args!($($text)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that answers each call from a list: so many bytes taken, or an error. Afterwards
    /// it takes everything.
    struct Scripted {
        answers: Vec<Result<usize, ErrorKind>>,
        taken: Vec<u8>,
        calls: usize,
    }

    fn scripted(answers: &[Result<usize, ErrorKind>]) -> Scripted {
        Scripted {
            answers: answers.iter().rev().copied().collect(),
            taken: Vec::new(),
            calls: 0,
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            let n = self.answers.pop().unwrap_or(Ok(bytes.len()))?;
            let n = n.min(bytes.len());
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(self.answers.pop().map_or(Ok(()), |a| a.map(|_| ()))?)
        }
    }

    #[test]
    fn a_reader_that_leaves_is_no_error_and_gets_no_more() {
        let mut results = Results { lost: None };
        let mut pipe = scripted(&[Ok(1), Err(ErrorKind::BrokenPipe)]);
        for _ in 0..3 {
            results.print(&mut pipe, "line\n");
        }
        assert_eq!((pipe.taken.as_slice(), pipe.calls), (&b"l"[..], 2));
        assert!(results.finish(&mut pipe).is_ok());
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let mut results = Results { lost: None };
        let mut disk = scripted(&[Err(ErrorKind::StorageFull)]);
        results.print(&mut disk, "line\n");
        results.print(&mut disk, "line\n");
        assert!(disk.taken.is_empty());
        let told = results.finish(&mut disk).map_err(|e| e.kind());
        assert_eq!(told, Err(ErrorKind::StorageFull));
    }

    #[test]
    fn what_only_the_last_flush_finds_is_told_too() {
        let mut results = Results { lost: None };
        let mut disk = scripted(&[Ok(9), Err(ErrorKind::StorageFull)]);
        results.print(&mut disk, "a part");
        assert!(results.finish(&mut disk).is_err());
        let mut pipe = scripted(&[Ok(9), Err(ErrorKind::BrokenPipe)]);
        results.print(&mut pipe, "a part");
        assert!(results.finish(&mut pipe).is_ok());
    }

    #[test]
    fn a_stream_that_does_not_block_loses_and_repeats_nothing() {
        use ErrorKind::{Interrupted, WouldBlock};
        let answers = [Ok(2), Err(WouldBlock), Err(Interrupted), Ok(1)];
        let mut stream = scripted(&answers);
        assert!(write_all(&mut stream, b"some text", None).is_ok());
        assert_eq!(stream.taken, b"some text");
        let mut stuck = scripted(&[Err(WouldBlock); 1000]);
        let patience = Some(Duration::from_millis(20));
        let given_up = write_all(&mut stuck, b"text", patience).map_err(|e| e.kind());
        assert_eq!(given_up, Err(WouldBlock));
    }
}
