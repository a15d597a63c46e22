//! The terminal beneath the dashboard: its modes, and what happens when it is lost.
//!
//! burn-train's renderer draws from a thread of its own. When the terminal goes away its drawing
//! fails, and so does its cleaning up: it panics there, and what it holds complains on standard
//! error, where the terminal is gone as well. A second panic while the first unwinds would abort
//! the process. So a panic of that thread, which is caught at the thread's end, first puts the
//! null device in the place of the streams that are lost.

use std::io;
use std::panic::{set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::DisableMouseCapture;
use crossterm::execute;
use crossterm::terminal::{LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

/// The name that burn-train gives to the thread that draws.
const RENDERER: &str = "train-renderer";

/// Whether the dashboard has the terminal.
static SHOWN: AtomicBool = AtomicBool::new(false);
/// Whether the thread that draws has panicked.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Prepares the terminal for the renderer. Ctrl-C stays what it is elsewhere, an interrupt, and
/// does not become a key.
pub(super) fn prepare() -> io::Result<()> {
    survive_the_renderer();
    FAILED.store(false, Ordering::Relaxed);
    // The renderer finds this done.
    enable_raw_mode()?;
    SHOWN.store(true, Ordering::Relaxed);
    modes::keep_interrupt()
}

/// Whether the thread that draws has ended with a panic since the terminal was prepared.
pub(super) fn has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// Gives the terminal the modes that it had before the dashboard, if a dashboard has it.
pub fn restore_terminal() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        // A terminal that is gone needs nothing.
        let _ = disable_raw_mode();
        let left = execute!(
            io::stdout(),
            DisableMouseCapture,
            LeaveAlternateScreen,
            Show
        );
        drop(left);
    }
}

/// Sees to it that a panic of the thread that draws ends that thread alone, and in silence.
fn survive_the_renderer() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(RENDERER) {
                FAILED.store(true, Ordering::Relaxed);
                modes::replace_lost_streams();
            } else {
                others(panic);
            }
        }));
    });
}

#[cfg(unix)]
mod modes {
    use std::fs::File;
    use std::io::{self, IsTerminal};

    use rustix::fd::AsFd;
    use rustix::stdio::{dup2_stderr, dup2_stdout};
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

    /// The character that turns a special function of a terminal off.
    const OFF: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

    /// In raw mode Ctrl-C is a character that nobody waits for; here it sends its signal again.
    pub(super) fn keep_interrupt() -> io::Result<()> {
        let input = io::stdin();
        if input.is_terminal() {
            return keep(input);
        }
        keep(File::open("/dev/tty")?)
    }

    fn keep(terminal: impl AsFd) -> io::Result<()> {
        let mut modes = tcgetattr(&terminal)?;
        modes.local_modes |= LocalModes::ISIG;
        // Suspended, the process would leave the dashboard's modes behind.
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            modes.special_codes[key] = OFF;
        }
        Ok(tcsetattr(&terminal, OptionalActions::Now, &modes)?)
    }

    /// Standard output and error were a terminal when the dashboard began. Where they are none any
    /// more, what is written there is dropped from now on.
    pub(super) fn replace_lost_streams() {
        let Ok(nowhere) = File::options().write(true).open("/dev/null") else {
            return;
        };
        // If this fails, the streams stay lost, as they are.
        if tcgetattr(io::stderr()).is_err() {
            let _ = dup2_stderr(&nowhere);
        }
        if tcgetattr(io::stdout()).is_err() {
            let _ = dup2_stdout(&nowhere);
        }
    }
}

#[cfg(not(unix))]
mod modes {
    pub(super) fn keep_interrupt() -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn replace_lost_streams() {}
}
