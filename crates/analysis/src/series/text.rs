//! Tables of text: what separates their cells, where their header is, and their rows.

use std::path::Path;

use super::error::SeriesError;
use super::lookalike::same;
use super::records::{Record, Records, Separator};
use super::table::{Cell, Cells};
use ontogeny_store::excerpt;

/// What may stand between cells, the usual first.
const SEPARATORS: [Separator; 5] = [
    Separator::One(','),
    Separator::One('\t'),
    Separator::One(';'),
    Separator::One('|'),
    Separator::Spaces,
];

/// A table of text whose header is known.
pub(super) struct Sheet {
    /// Names of the columns.
    pub names: Vec<String>,
    text: String,
    separator: Separator,
    /// Where the rows begin: the byte and the line.
    body: (usize, usize),
}

/// A header as one separator reads it.
struct Header {
    names: Vec<String>,
    line: usize,
    /// What is left below it, and the number of the first line there.
    left: usize,
    next: usize,
    /// Whether it stands in a comment.
    commented: bool,
}

impl Header {
    fn has(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| same(name, wanted))
    }
}

impl Sheet {
    /// Of a `text`, in whose header columns called `wanted` are looked for; `tabs`: its name says
    /// that tabs stand between cells. Gives what was noticed as well.
    ///
    /// # Errors
    /// [`SeriesError::Format`] if there is no header.
    pub fn open(
        path: &Path,
        text: String,
        tabs: bool,
        wanted: &[&str],
    ) -> Result<(Sheet, Vec<String>), SeriesError> {
        let format = |line: usize, reason: &str| SeriesError::Format {
            path: path.to_owned(),
            line,
            reason: reason.to_owned(),
        };
        let mut separators = SEPARATORS.to_vec();
        if tabs {
            separators.swap(0, 1);
        }
        let expected = separators[0];
        let (begin, named) = named_separator(&text);
        if let Some(named) = named {
            separators = vec![named];
        }
        let line = 1 + usize::from(named.is_some());
        let mut read: Vec<(Separator, Header)> = Vec::new();
        let mut broken = None;
        for separator in separators {
            match header(&text[begin..], line, separator, wanted) {
                Ok(found) => read.extend(found.map(|h| (separator, h))),
                Err(line) => broken = broken.or(Some(line)),
            }
        }
        if read.is_empty() {
            return Err(match broken {
                Some(line) => format(line, "a quote is opened here and never closed"),
                None => format(1, "there is no header with the names of the columns"),
            });
        }
        // The first that has all columns, else most of them; else the first with several cells.
        let score = |(_, h): &(Separator, Header)| {
            let held = wanted.iter().filter(|w| h.has(w)).count();
            (held, usize::from(h.names.len() > 1))
        };
        let best = read.iter().map(score).max().unwrap_or_default();
        let at = read.iter().position(|r| score(r) == best).unwrap_or(0);
        let (separator, header) = read.swap_remove(at);
        if best.0 == 0 && header.names.iter().all(|n| n.parse::<f64>().is_ok()) {
            let reason = "numbers where the names of the columns should be; put a header above the \
                          rows, such as `step,loss`";
            return Err(format(header.line, reason));
        }
        let mut notes = Vec::new();
        if separator != expected && named.is_none() {
            notes.push(format!("cells are separated by {}", separator.name()));
        }
        if header.commented {
            notes.push(format!(
                "line {} is taken for the header, though it begins with `#`",
                header.line
            ));
        }
        let sheet = Sheet {
            names: header.names,
            separator,
            body: (text.len() - header.left, header.next),
            text,
        };
        let comments = sheet.comments();
        if let Some(first) = comments.first() {
            notes.push(match comments.len() {
                1 => format!("line {first} begins with `#` and is skipped"),
                count => {
                    format!("{count} lines that begin with `#` are skipped, line {first} first")
                }
            });
        }
        Ok((sheet, notes))
    }

    fn records(&self) -> Records<'_> {
        Records::new(&self.text[self.body.0..], self.body.1, self.separator)
    }

    /// Lines of comments above and between the rows.
    fn comments(&self) -> Vec<usize> {
        let above = &self.text[..self.body.0];
        let all = Records::new(above, 1, self.separator).chain(self.records());
        let mut lines: Vec<usize> = all
            .filter_map(|record| match record {
                Ok((line, Record::Comment(_))) => Some(line),
                _ => None,
            })
            .collect();
        // The header itself is none.
        lines.retain(|line| line + 1 != self.body.1);
        lines
    }

    /// The cells of the columns with these numbers. A row whose cells are all empty is none.
    ///
    /// # Errors
    /// [`SeriesError::Format`] where a row has another number of cells than the header, or a quote
    /// is never closed.
    pub fn cells(&self, path: &Path, columns: &[usize]) -> Result<Cells, SeriesError> {
        let format = |line: usize, reason: String| SeriesError::Format {
            path: path.to_owned(),
            line,
            reason,
        };
        let mut rows = Vec::new();
        let mut records = self.records();
        while let Some(record) = records.next() {
            let (line, record) = record
                .map_err(|line| format(line, "a quote is opened here and never closed".into()))?;
            let Record::Cells(cells) = record else {
                continue;
            };
            if cells.iter().all(String::is_empty) {
                continue;
            }
            if cells.len() != self.names.len() {
                let last = records.rest().0.trim().is_empty();
                return Err(format(line, self.ragged(&cells, last)));
            }
            let cell = |&column: &usize| Cell::Text(cells[column].clone());
            rows.push((line, columns.iter().map(cell).collect()));
        }
        Ok(rows)
    }

    /// Why a row has another number of cells than the header.
    fn ragged(&self, cells: &[String], last: bool) -> String {
        let (have, need) = (cells.len(), self.names.len());
        let why = if have < need && last {
            "; the file may be cut off there"
        } else if have > need && self.separator == Separator::One(',') {
            "; a number with a decimal comma or with commas between thousands needs quotes, or \
             cells separated by `;`"
        } else if have > need && self.separator == Separator::Spaces {
            "; a text with spaces needs quotes"
        } else {
            ""
        };
        let noun = if have == 1 { "cell" } else { "cells" };
        format!(
            "{have} {noun} ({}), where the header names {need} columns{why}",
            excerpt(&cells.join(" "))
        )
    }
}

/// The header of `text`, whose first line is number `line`, as `separator` reads it; the line of a
/// quote that is never closed otherwise.
fn header(
    text: &str,
    line: usize,
    separator: Separator,
    wanted: &[&str],
) -> Result<Option<Header>, usize> {
    let mut records = Records::new(text, line, separator);
    // The header in a comment that has most of the columns, and how many.
    let (mut commented, mut most): (Option<Header>, usize) = (None, 0);
    while let Some(record) = records.next() {
        let (line, record) = record?;
        let (left, next) = (records.rest().0.len(), records.rest().1);
        match record {
            Record::Cells(names) => {
                let own = Header {
                    names,
                    line,
                    left,
                    next,
                    commented: false,
                };
                // `# step llc` above numbers, as NumPy writes it.
                let missing = wanted.iter().all(|w| !own.has(w));
                let better = |header: &Header| missing && header.names.len() == own.names.len();
                return Ok(Some(match commented {
                    Some(header) if better(&header) => header,
                    _ => own,
                }));
            }
            Record::Comment(comment) => {
                // The name of the first column may itself begin with the mark.
                for text in [comment.trim().to_owned(), ["#", comment].concat()] {
                    let text = text.replace('#', "\u{1}");
                    let names = Records::new(&text, 1, separator).next();
                    let Some(Ok((_, Record::Cells(names)))) = names else {
                        continue;
                    };
                    let names = names.iter().map(|n| n.replace('\u{1}', "#"));
                    let header = Header {
                        names: names.collect(),
                        line,
                        left,
                        next,
                        commented: true,
                    };
                    let held = wanted.iter().filter(|w| header.has(w)).count();
                    if held > most {
                        (commented, most) = (Some(header), held);
                    }
                }
            }
        }
    }
    Ok(commented)
}

/// The separator that a first line `sep=;` names, as spreadsheets write it, and where the text goes
/// on.
fn named_separator(text: &str) -> (usize, Option<Separator>) {
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    let line = text[..end].trim_matches([' ', '"']);
    let mut letters = line.strip_prefix("sep=").unwrap_or("").chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => {
            let after = &text[end..];
            let end = if after.starts_with("\r\n") {
                end + 2
            } else {
                end + 1
            };
            (end.min(text.len()), Some(Separator::One(letter)))
        }
        _ => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str, wanted: &[&str]) -> Result<(Sheet, Vec<String>), String> {
        Sheet::open(Path::new("a.csv"), text.to_owned(), false, wanted).map_err(|e| e.to_string())
    }

    /// The cells of the columns `step` and `llc`, joined.
    fn cells(text: &str) -> Vec<String> {
        let (sheet, _) = open(text, &["step", "llc"]).unwrap();
        let at = |name: &str| sheet.names.iter().position(|n| n == name).unwrap();
        let rows = sheet.cells(Path::new("a.csv"), &[at("step"), at("llc")]);
        let join = |(_, cells): (usize, Vec<Cell>)| {
            let text = |cell: &Cell| match cell {
                Cell::Text(text) => text.clone(),
                other => panic!("{other:?}"),
            };
            cells.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        rows.unwrap().into_iter().map(join).collect()
    }

    #[test]
    fn separators_are_recognised_by_the_header() {
        for text in [
            "step,llc,note\n0,1.5,a b\n10,2.5,\n",
            "step;llc;note\n0;1.5;a, b\n10;2.5;\n",
            "step\tllc\tnote\n0\t1.5\ta, b\n10\t2.5\t\n",
            "step|llc|note\n0|1.5|a, b\n10|2.5|\n",
            "  step  llc\n   0   1.5\n  10   2.5\n",
            "sep=;\nstep;llc;note\n0;1.5;a, b\n10;2.5;\n",
            "# run 7, lr 1e-3\nstep,llc\n0,1.5\n# restarted\n10,2.5\n,\n",
            "# step llc\n0 1.5\n10 2.5\n",
            "step,llc\r0,1.5\r10,2.5",
        ] {
            assert_eq!(cells(text), ["0 1.5", "10 2.5"], "{text}");
        }
    }

    #[test]
    fn what_was_noticed_is_told() {
        let notes = |text: &str| open(text, &["step", "llc"]).unwrap().1.join("; ");
        assert_eq!(notes("step,llc\n0,1\n"), "");
        assert!(notes("step;llc\n0;1\n").contains("`;`"));
        assert!(notes("#a\nstep,llc\n0,1\n#b\n").contains("2 lines"));
        assert!(notes("#a\nstep,llc\n0,1\n").contains("line 1"));
        let numpy = notes("# step llc\n0 1\n");
        assert!(
            numpy.contains("header") && !numpy.contains("skipped"),
            "{numpy}"
        );
    }

    #[test]
    fn a_name_may_begin_with_the_mark_of_comments() {
        let (sheet, _) = open("#step,llc\n0,1\n", &["#step", "llc"]).unwrap();
        assert_eq!(sheet.names, ["#step", "llc"]);
        let (sheet, _) = open("#step,llc\n0,1\n", &["step", "llc"]).unwrap();
        assert_eq!(sheet.names, ["step", "llc"]);
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        for (text, words) in [
            ("0,1\n1,2\n", "numbers where the names"),
            ("\n\n", "no header"),
            ("# only\n", "no header"),
            ("\"step,llc\n0,1\n", "line 1: a quote"),
        ] {
            let told = open(text, &["step", "llc"]).err().unwrap();
            assert!(told.contains(words), "{told}");
        }
        let told = |text: &str| {
            let (sheet, _) = open(text, &["step", "llc"]).unwrap();
            let rows = sheet.cells(Path::new("a.csv"), &[0, 1]);
            rows.unwrap_err().to_string()
        };
        assert!(told("step,llc\n0,1,5\n2,3\n").contains("line 2: 3 cells (0 1 5)"));
        assert!(told("step,llc\n0,1,5\n2,3\n").contains("decimal comma"));
        assert!(told("step,llc\n0,1\n2\n").contains("line 3: 1 cell (2)"));
        assert!(told("step,llc\n0,1\n2\n").contains("cut off"));
        assert!(!told("step,llc\n0,1\n2\n3,4\n").contains("cut off"));
        assert!(told("step,llc\n0,\"1\n2,3\n").contains("line 2: a quote"));
    }
}
