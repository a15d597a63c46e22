//! How a command ended, and what has to be true of each way.

use std::process::ExitStatus;

use serde_json::Value;

/// A command that came to its end.
#[derive(Debug)]
pub struct Ended {
    /// What was typed.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// What a command that failed said of it, for scripts.
#[derive(Debug)]
pub struct Refusal {
    /// The sentence.
    pub message: String,
    /// The file at fault.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<u64>,
    /// Its column, from 1.
    pub column: Option<u64>,
    /// The key of the configuration.
    pub key: Option<String>,
}

impl Ended {
    /// The same, if it succeeded.
    ///
    /// # Panics
    /// If it did not, showing what it said.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// The one JSON object on standard output.
    ///
    /// # Panics
    /// If the command failed, or printed anything else there.
    #[track_caller]
    pub fn json(self) -> Value {
        let ended = self.success();
        let object = serde_json::from_str::<Value>(&ended.stdout);
        assert!(
            object.as_ref().is_ok_and(Value::is_object)
                && ended.stdout.trim_end().lines().count() == 1,
            "not one JSON object on one line: {ended}"
        );
        object.unwrap_or_default()
    }

    /// What a command with `--json` said of its failure.
    ///
    /// # Panics
    /// If it succeeded, crashed, printed something, or did not end with the error as JSON.
    #[track_caller]
    pub fn refusal(&self) -> Refusal {
        // Ended by a signal there is no code; Rust's panics exit with 101.
        let refused = matches!(self.status.code(), Some(code) if code != 0 && code != 101);
        assert!(
            refused && !self.stderr.contains("panicked"),
            "no clean failure: {self}"
        );
        assert_eq!(self.stdout, "", "a failure prints nothing: {self}");
        let last = self.stderr.lines().next_back().unwrap_or_default();
        let object: Value = serde_json::from_str(last).unwrap_or_default();
        let error = &object["error"];
        let mut found: Vec<&String> = error
            .as_object()
            .into_iter()
            .flat_map(|o| o.keys())
            .collect();
        found.sort();
        let keys = ["column", "file", "key", "line", "message"];
        assert_eq!(found, keys, "the last line is no error: {self}");
        let text = |key: &str| error[key].as_str().map(str::to_owned);
        let message = text("message").unwrap_or_default();
        assert!(!message.is_empty(), "an error says nothing: {self}");
        Refusal {
            message,
            file: text("file"),
            line: error["line"].as_u64(),
            column: error["column"].as_u64(),
            key: text("key"),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{command}` ended with {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}
