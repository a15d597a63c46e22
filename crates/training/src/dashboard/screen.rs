//! The terminal beneath the dashboard: its modes, and what happens when it is lost.
//!
//! burn-train's renderer draws from a thread of its own. When the terminal goes away one of two
//! things happens there. Drawing fails, and so does cleaning up: the thread panics, and while it
//! unwinds it complains on standard error, where the terminal is gone as well; this second panic
//! would abort the process. Or it waits for keys, and reads the end of the terminal for ever
//! without a rest.
//!
//! Both end when others take the place of the streams that are lost: one that takes all for
//! output, and one that has nothing yet for input. This is done when the loss is noticed, and at
//! the latest when that thread panics, before it unwinds.

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
    // First, so that a stop in between restores the terminal too.
    SHOWN.store(true, Ordering::Relaxed);
    // The renderer finds this done.
    enable_raw_mode()?;
    modes::keep_interrupt()
}

/// Whether the thread that draws has ended with a panic since the terminal was prepared.
pub(super) fn has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// Whether the terminal is gone.
pub(super) fn is_lost() -> bool {
    modes::is_lost()
}

/// What is written to a terminal that is gone is dropped from now on, and nothing comes from it.
pub(super) fn replace_lost_streams() {
    modes::replace_lost_streams();
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
    use std::io;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

    /// The character that turns a special function of a terminal off.
    const OFF: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

    /// In raw mode Ctrl-C is a character that nobody waits for; here it sends its signal again.
    pub(super) fn keep_interrupt() -> io::Result<()> {
        let terminal = io::stdin();
        let mut modes = tcgetattr(&terminal)?;
        modes.local_modes |= LocalModes::ISIG;
        // Suspended, the process would leave the dashboard's modes behind.
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            modes.special_codes[key] = OFF;
        }
        Ok(tcsetattr(&terminal, OptionalActions::Now, &modes)?)
    }

    /// All three streams were the terminal when the dashboard began.
    pub(super) fn is_lost() -> bool {
        tcgetattr(io::stdin()).is_err()
    }

    pub(super) fn replace_lost_streams() {
        // If something fails, that stream stays lost, as it is.
        if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
            if tcgetattr(io::stderr()).is_err() {
                let _ = dup2_stderr(&nowhere);
            }
            if tcgetattr(io::stdout()).is_err() {
                let _ = dup2_stdout(&nowhere);
            }
        }
        // Once: what took its place is no terminal either.
        static INPUT: AtomicBool = AtomicBool::new(false);
        if is_lost()
            && !INPUT.swap(true, Ordering::Relaxed)
            && let Ok((input, other)) = UnixStream::pair()
            && input.set_nonblocking(true).is_ok()
            && dup2_stdin(&input).is_ok()
        {
            // Were it closed, the input would have an end, to be read for ever.
            std::mem::forget(other);
        }
    }
}

#[cfg(not(unix))]
mod modes {
    pub(super) fn keep_interrupt() -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn is_lost() -> bool {
        false
    }

    pub(super) fn replace_lost_streams() {}
}
