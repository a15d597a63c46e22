//! A refusal that shows where.

use std::fmt;
use std::ops::Range;

use ontogeny_store::excerpt;

/// Why a configuration was refused: what is wrong, where it is written, what would be right.
///
/// Displayed as compilers do:
/// ```text
/// configs/mine.toml:7:1: unknown key `n_layer` in [model]; did you mean `n_layers`?
///   7 | n_layer = 2
///     | ^^^^^^^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong and what would be right, in one sentence.
    pub message: String,
    /// The file as it was named, or `--set`.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// Dotted path of the key, as in `evals[1].data.kind`.
    pub key: Option<String>,
    /// The line itself, to point at.
    snippet: Option<Box<Snippet>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Snippet {
    line: String,
    width: usize,
}

/// Longer lines are not worth showing: the caret would be off the screen.
const LONGEST_LINE: usize = 160;
/// Bytes of a message that are said on one line.
const LONGEST_MESSAGE: usize = 1000;
/// Lines of a message; the place and the line that is pointed at come on top.
const MOST_LINES: usize = 6;

impl ConfigError {
    /// A refusal without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: shortened(message.into()),
            file: None,
            line: None,
            column: None,
            key: None,
            snippet: None,
        }
    }

    pub(super) fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(super) fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Points at bytes `span` of `text`; a span beyond the end points at the end.
    pub(super) fn at(mut self, text: &str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.floor_char_boundary(span.end.clamp(start, text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let within = start - line_start;
        let column = text[line_start..start].chars().count();
        let line_end = (line_start + line.len()).max(start);
        self.line = Some(text[..line_start].matches('\n').count() + 1);
        self.column = Some(column + 1);
        if line.chars().count() <= LONGEST_LINE && within <= line.len() {
            let width = text[start..end.min(line_end)].chars().count().max(1);
            self.snippet = Some(Box::new(Snippet {
                line: line.replace('\t', " "),
                width,
            }));
        }
        self
    }

    /// Points at a `--set` override as it was typed.
    pub(super) fn in_override(mut self, text: &str) -> Self {
        self.file = Some("--set".to_owned());
        self.snippet = Some(Box::new(Snippet {
            line: excerpt(text),
            width: 0,
        }));
        self
    }
}

/// A message quotes what was typed, which may be of any length.
fn shortened(message: String) -> String {
    if message.len() <= LONGEST_MESSAGE && message.lines().count() <= MOST_LINES {
        return message;
    }
    let lines = message
        .lines()
        .map(|line| match line.len() > LONGEST_MESSAGE {
            true => {
                let half = LONGEST_MESSAGE / 2;
                let (from, to) = (
                    line.floor_char_boundary(half),
                    line.ceil_char_boundary(line.len() - half),
                );
                format!("{}…{}", &line[..from], &line[to..])
            }
            false => line.to_owned(),
        });
    let lines: Vec<String> = lines.take(MOST_LINES).collect();
    lines.join("\n")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line, self.column, &self.snippet) {
            (Some(file), Some(line), Some(column), _) => write!(f, "{file}:{line}:{column}: ")?,
            (Some(file), Some(line), None, _) => write!(f, "{file}:{line}: ")?,
            (Some(file), None, None, Some(typed)) => write!(f, "{file} {}: ", typed.line)?,
            (Some(file), ..) => write!(f, "{file}: ")?,
            (None, ..) => {}
        }
        f.write_str(&self.message)?;
        if let (Some(line), Some(column), Some(snippet)) = (self.line, self.column, &self.snippet) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let indent = " ".repeat(column - 1);
            let carets = "^".repeat(snippet.width);
            write!(
                f,
                "\n  {number} | {}\n  {margin} | {indent}{carets}",
                snippet.line
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
