//! A command that has not come to its end yet.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Ended, binary};

/// No command of a test takes nearly as long; on a software GPU one takes minutes.
const LIMIT: Duration = Duration::from_secs(600);
/// Between two looks at a command.
const PAUSE: Duration = Duration::from_millis(1);

/// The streams of a command, where they are to be others: by default it reads nothing, and what it
/// prints is kept for the test.
#[derive(Debug, Default)]
pub struct Streams {
    /// Standard input.
    pub stdin: Option<Stdio>,
    /// Standard output.
    pub stdout: Option<Stdio>,
    /// Standard error.
    pub stderr: Option<Stdio>,
}

/// A command of the binary, ended with the value if it has not been before.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Starts the binary in a folder. What it prints goes to files, so that it never has to wait
    /// for a reader.
    #[track_caller]
    pub(crate) fn start(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new(binary());
        command.args(arguments);
        Self::start_as(folder, command, Streams::default())
    }

    /// Starts what `command` calls in a folder, with these streams.
    #[track_caller]
    pub(crate) fn start_as(folder: &Path, mut command: Command, streams: Streams) -> Self {
        let shown = format!("{command:?}");
        let file = || tempfile::tempfile().expect("a temporary file can be made");
        let (stdout, stderr) = (file(), file());
        let share = |file: &File| Stdio::from(file.try_clone().expect("a file can be shared"));
        let child = command
            .current_dir(folder)
            .env_remove("ONTOGENY_LOG")
            // On a machine of many cores there would be no moment between two results.
            .env("RAYON_NUM_THREADS", "2")
            .stdin(streams.stdin.unwrap_or_else(Stdio::null))
            .stdout(streams.stdout.unwrap_or_else(|| share(&stdout)))
            .stderr(streams.stderr.unwrap_or_else(|| share(&stderr)))
            .spawn()
            .expect("the binary can be started");
        Self {
            child,
            command: shown,
            stdout,
            stderr,
        }
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.status() {
                return self.ended(status);
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{} did not end\n{}",
                self.command,
                contents(&mut self.stderr)
            );
            sleep(PAUSE);
        }
    }

    /// Waits until `ready` says so, while the command runs.
    ///
    /// # Panics
    /// If the command ends before, or it takes too long.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, ready: impl Fn() -> bool) {
        let begun = Instant::now();
        while !ready() {
            let status = self.status();
            assert!(
                status.is_none() && begun.elapsed() < LIMIT,
                "{}: {what} was waited for in vain ({status:?})\n{}",
                self.command,
                contents(&mut self.stderr)
            );
            sleep(PAUSE);
        }
    }

    /// Kills it (SIGKILL where there are signals).
    ///
    /// # Panics
    /// If it had come to its end by itself: then nothing was tested.
    #[track_caller]
    pub fn kill(mut self) -> Ended {
        assert!(
            self.status().is_none(),
            "{} ended before it was killed",
            self.command
        );
        self.child.kill().expect("a child can be killed");
        let status = self.child.wait().expect("a child can be waited for");
        self.ended(status)
    }

    /// Whether a text stands on its standard error so far.
    ///
    /// # Panics
    /// If that cannot be read.
    #[cfg(unix)]
    pub fn has_told(&self, text: &str) -> bool {
        use std::os::unix::fs::FileExt;

        // The command writes where its file stands, so the place may not be moved to read.
        let length = self.stderr.metadata().map_or(0, |m| m.len() as usize);
        let mut told = vec![0; length];
        let read = self.stderr.read_exact_at(&mut told, 0);
        read.expect("a temporary file can be read");
        String::from_utf8_lossy(&told).contains(text)
    }

    /// Does what Ctrl-C does (SIGINT).
    ///
    /// # Panics
    /// If the signal cannot be sent.
    #[track_caller]
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends a signal: `INT`, `TERM`, `HUP`.
    ///
    /// # Panics
    /// If it cannot be sent.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        // `kill` is part of every shell; a program of that name is not everywhere.
        let kill = format!("kill -{name} \"$0\"");
        let sent = Command::new("sh")
            .args(["-c", &kill, &self.child.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|s| s.success()),
            "no signal could be sent to {}",
            self.command
        );
    }

    /// Sends a signal if the command has not ended yet.
    ///
    /// # Panics
    /// If it cannot be sent.
    #[track_caller]
    pub fn signal_if_running(&mut self, name: &str) {
        // Until its status was asked for, the process has its number, so none other gets the
        // signal.
        if self.is_running() {
            self.signal(name);
        }
    }

    /// Whether the command has not come to its end.
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("a child can be asked for its status")
    }

    fn ended(mut self, status: ExitStatus) -> Ended {
        Ended {
            command: self.command.clone(),
            status,
            stdout: contents(&mut self.stdout),
            stderr: contents(&mut self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails leaves no process behind; one that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that was written to a file so far.
fn contents(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.expect("a temporary file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}
