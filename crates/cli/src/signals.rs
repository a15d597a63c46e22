//! Requests to stop: Ctrl-C, SIGTERM and SIGHUP.
//!
//! While a command prepares its work there is nothing to keep, and the first request ends it.
//! Afterwards the first request asks for an orderly stop, and what is finished by then is kept.
//! Whoever sends SIGTERM or SIGHUP may send it again without harm; only a second Ctrl-C ends the
//! process at once. A SIGHUP that was ignored when the process began, as under `nohup`, stays
//! ignored.
//!
//! Requests are received by a thread of their own. It waits for nobody for long: messages are
//! printed by another thread, since a terminal that is held takes none.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use ontogeny_training::{Interrupter, dashboard};

use crate::commands::Finish;
use crate::failure;

/// For how long a message is waited for.
const MESSAGE: Duration = Duration::from_secs(1);
/// For how long a terminal is waited for that is to have its modes back.
const TERMINAL: Duration = Duration::from_millis(200);

/// A request to stop, by where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Ctrl-C (SIGINT).
    Interrupt,
    /// SIGTERM: a scheduler, or a machine that shuts down.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl Request {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        }
    }

    /// The exit code of a command that stopped for it: 128 and the number of the signal, as shells
    /// have it.
    fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::HangUp => 129,
        }
    }
}

/// What asks a command to stop in order.
pub struct Stop {
    shared: Arc<Shared>,
}

/// What the receiving thread and the command have in common.
struct Shared {
    interrupter: Interrupter,
    /// The request that came first.
    received: OnceLock<Request>,
    /// Whether there is work to be kept.
    working: AtomicBool,
    json: bool,
}

impl Stop {
    /// Receives requests from now on. With `json`, failures are also told to scripts.
    ///
    /// # Errors
    /// If the system gives no thread, or no handler can be installed.
    pub fn on_request(json: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            interrupter: Interrupter::new(),
            received: OnceLock::new(),
            working: AtomicBool::new(false),
            json,
        });
        receive(shared.clone())?;
        Ok(Self { shared })
    }

    /// Preparations are over: from now on a request lets the command finish what it is at.
    pub fn begin_work(&self) {
        self.shared.working.store(true, Ordering::Relaxed);
    }

    /// What training asks.
    pub fn interrupter(&self) -> &Interrupter {
        &self.shared.interrupter
    }

    /// Whether a request came.
    pub fn asked(&self) -> bool {
        self.shared.received.get().is_some()
    }

    /// The end of a command that was stopped at `what`. A stop without a request was asked for with
    /// a key of the dashboard.
    pub fn finish(&self, what: &str) -> Finish {
        let request = self.shared.received.get().copied();
        let by = match request {
            Some(request @ (Request::Terminate | Request::HangUp)) => {
                format!(" by {}", request.name())
            }
            Some(Request::Interrupt) | None => String::new(),
        };
        Finish::Interrupted {
            how: format!("{what}{by}; the same command goes on from there"),
            code: request.unwrap_or(Request::Interrupt).exit_code(),
        }
    }
}

impl Shared {
    /// Does what a request asks for. `again` says whether it is the second Ctrl-C.
    fn answer(&self, request: Request, again: bool) {
        let code = request.exit_code();
        if again {
            end_at_once(code);
        }
        if self.received.get().is_some() {
            return;
        }
        let name = request.name();
        if !self.working.load(Ordering::Relaxed) {
            let json = self.json;
            within(MESSAGE, move || {
                let how = format!("stopped by {name} before the work began; nothing is lost");
                failure::interrupted(how, code, json);
            });
            end_at_once(code);
        }
        // Told first: afterwards the process may be over sooner than the message is printed.
        within(MESSAGE, move || match request {
            Request::Interrupt => {
                errln!("\nstopping; what is finished is kept (Ctrl-C again stops at once)");
            }
            Request::Terminate | Request::HangUp => {
                errln!("\n{name} received: stopping; what is finished is kept");
            }
        });
        let _ = self.received.set(request);
        self.interrupter.stop(Some(name));
    }
}

/// Does something on a thread of its own and waits for its end, but not for long.
fn within(limit: Duration, act: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let spawned = thread::Builder::new().spawn(move || {
        act();
        // Nobody may be waiting any more.
        let _ = done.send(());
    });
    if spawned.is_ok() {
        let _ = wait.recv_timeout(limit);
    }
}

/// Ends the process as it stands, with the terminal as it was found.
fn end_at_once(code: u8) -> ! {
    within(TERMINAL, dashboard::restore_terminal);
    exit(i32::from(code))
}

#[cfg(unix)]
use signal_hook::low_level::exit;

#[cfg(not(unix))]
use std::process::exit;

/// Starts the thread that receives requests.
#[cfg(unix)]
fn receive(shared: Arc<Shared>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    let listen = move || {
        let mut interrupted = false;
        for signal in signals.forever() {
            let request = match signal {
                SIGTERM => Request::Terminate,
                SIGHUP => Request::HangUp,
                _ => Request::Interrupt,
            };
            let is_interrupt = request == Request::Interrupt;
            shared.answer(request, is_interrupt && interrupted);
            interrupted |= is_interrupt;
        }
    };
    let named = thread::Builder::new().name("signals".to_owned());
    named.spawn(listen).map(|_| ())
}

/// Whether whoever started the process had it ignore a signal.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: without a new action the call only fills in `action`, for which zeros are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Where there are no signals there is Ctrl-C.
#[cfg(not(unix))]
fn receive(shared: Arc<Shared>) -> io::Result<()> {
    let mut interrupted = false;
    ctrlc::set_handler(move || {
        shared.answer(Request::Interrupt, interrupted);
        interrupted = true;
    })
    .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working() -> Stop {
        let shared = Shared {
            interrupter: Interrupter::new(),
            received: OnceLock::new(),
            working: AtomicBool::new(true),
            json: false,
        };
        Stop {
            shared: Arc::new(shared),
        }
    }

    #[test]
    fn the_first_request_decides_how_the_command_ends() {
        for (request, code, said) in [
            (Request::Interrupt, 130, "stopped; the same"),
            (Request::Terminate, 143, "stopped by SIGTERM; the same"),
            (Request::HangUp, 129, "stopped by SIGHUP; the same"),
        ] {
            let stop = working();
            assert!(!stop.asked() && !stop.interrupter().should_stop());
            for later in [request, Request::HangUp, Request::Terminate] {
                stop.shared.answer(later, false);
            }
            assert!(stop.asked() && stop.interrupter().should_stop());
            match stop.finish("stopped") {
                Finish::Interrupted { how, code: found } => {
                    assert!(how.starts_with(said), "{how}");
                    assert_eq!(found, code);
                }
                Finish::Complete | Finish::AllFrozen => unreachable!("a stop is no end"),
            }
        }
    }

    #[test]
    fn nobody_waits_for_a_message_that_is_not_taken() {
        let begun = std::time::Instant::now();
        let (held, hold) = mpsc::channel::<()>();
        within(Duration::from_millis(10), move || {
            let _ = hold.recv();
        });
        assert!(begun.elapsed() < Duration::from_secs(60));
        drop(held);
    }
}
