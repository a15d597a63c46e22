//! A terminal for a command, with the test at its keys.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Stdio;

use nix::fcntl::{OFlag, open};
use nix::libc::{TIOCSWINSZ, ioctl};
use nix::pty::{Winsize, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

use crate::Streams;

/// A terminal of 40 lines and 120 columns. To drop it is to close the window.
#[derive(Debug)]
pub struct Pty {
    /// The side of keys and screen.
    master: File,
    /// The side of the command, until it has it.
    slave: Option<OwnedFd>,
    /// What was read from the screen.
    seen: Vec<u8>,
}

/// The line of shell that makes the terminal on standard input the command's own, so that its keys
/// send signals and its end a SIGHUP.
pub const OWN_TERMINAL: &str = r#"exec setsid --ctty "$0" "$@""#;

impl Default for Pty {
    fn default() -> Self {
        Self::open()
    }
}

impl Pty {
    /// A new one.
    ///
    /// # Panics
    /// If the system gives none.
    pub fn open() -> Self {
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // Not one of the commands that other tests start at this moment may get a side of it: a
        // window that one of them holds open is not closed. `openpty` cannot promise that.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("the system gives a terminal");
        grantpt(&master).expect("its other side can be had");
        unlockpt(&master).expect("its other side can be opened");
        let name = ptsname_r(&master).expect("its other side has a name");
        let slave = open(name.as_str(), flags, Mode::empty()).expect("it can be opened");
        // SAFETY: the call reads one `Winsize`, which lives for as long as the call.
        let sized = unsafe { ioctl(master.as_raw_fd(), TIOCSWINSZ, &raw const size) };
        assert_eq!(sized, 0, "a terminal has a size");
        Self {
            master: File::from(OwnedFd::from(master)),
            slave: Some(slave),
            seen: Vec::new(),
        }
    }

    /// The terminal as the streams of the one command that is started on it.
    ///
    /// # Panics
    /// If a command has it already.
    pub fn streams(&mut self) -> Streams {
        // Only the command holds this side, so that reading ends when it does.
        let slave = self.slave.take().expect("one command has a terminal");
        let share = || Some(Stdio::from(slave.try_clone().expect("it can be shared")));
        Streams {
            stdin: share(),
            stdout: share(),
            stderr: share(),
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// If the terminal takes none.
    pub fn press(&mut self, keys: &[u8]) {
        self.master
            .write_all(keys)
            .expect("the terminal takes keys");
    }

    /// Reads the screen until `text` was on it, control characters and all.
    ///
    /// # Panics
    /// If the command ends before that.
    #[track_caller]
    pub fn read_until(&mut self, text: &str) {
        let there = |seen: &[u8]| {
            let mut windows = seen.windows(text.len());
            windows.any(|w| w == text.as_bytes())
        };
        while !there(&self.seen) {
            assert!(
                self.read(),
                "{text:?} was waited for in vain; the screen:\n{}",
                String::from_utf8_lossy(&self.seen)
            );
        }
    }

    /// Reads all until the command ends and returns everything that was on the screen.
    pub fn read_to_end(&mut self) -> String {
        while self.read() {}
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Reads once; whether there was something. Reading fails when no command has the terminal.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let n = self.master.read(&mut bytes).unwrap_or(0);
        self.seen.extend_from_slice(&bytes[..n]);
        n > 0
    }
}
