//! What the binary prints: results on standard output, all else on standard error.
//!
//! Whoever reads may go away: a pipe is closed, a terminal is lost, a disk is full. Work must not
//! end with the reader, so nothing here panics and nothing here fails at once. What standard error
//! does not take is dropped. Once standard output does not take something, the rest is dropped too
//! and [`finish`] says why at the end, unless the reader simply left ([`ErrorKind::BrokenPipe`]).
//!
//! The macros of the standard library panic in these cases; the lints `print_stdout` and
//! `print_stderr` keep them out of the whole workspace.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// What standard output did not take, once something failed.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints to standard output. Use the macros `out!` and `outln!`.
pub fn print(text: Arguments<'_>) {
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.is_none()
        && let Err(error) = io::stdout().lock().write_fmt(text)
    {
        *lost = Some(error);
    }
}

/// Prints to standard error what it takes. Use the macro `errln!`.
pub fn tell(text: Arguments<'_>) {
    // In one piece, so that lines of several threads do not mix; a failure has nowhere to be told.
    let _ = io::stderr().lock().write_all(text.to_string().as_bytes());
}

/// Brings what was printed to standard output.
///
/// # Errors
///
/// What standard output did not take, and why. A reader that left is no error: it has what it
/// wanted.
pub fn finish() -> io::Result<()> {
    let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
    match lost.take().map_or_else(|| io::stdout().lock().flush(), Err) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
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
