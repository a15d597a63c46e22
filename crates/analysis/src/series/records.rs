//! Text cut into records and cells (RFC 4180), with the separators and line ends that people use.

/// What stands between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// One character, `,` `;` `|` or a tab.
    One(char),
    /// Any number of spaces or tabs.
    Spaces,
}

impl Separator {
    /// As messages call it.
    pub fn name(self) -> String {
        match self {
            Separator::One('\t') => "tabs".to_owned(),
            Separator::One(letter) => format!("`{letter}`"),
            Separator::Spaces => "spaces".to_owned(),
        }
    }

    fn splits(self, letter: char) -> bool {
        match self {
            Separator::One(own) => letter == own,
            Separator::Spaces => letter == ' ' || letter == '\t',
        }
    }
}

/// One record, or a line that is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record<'a> {
    /// Cells without their quotes and without spaces at their ends.
    Cells(Vec<String>),
    /// A line that begins with `#`, without it.
    Comment(&'a str),
}

/// Walks through the records of a text. Empty lines are passed over. Lines end in LF, CR LF or CR.
pub(super) struct Records<'a> {
    rest: &'a str,
    line: usize,
    separator: Separator,
}

impl<'a> Records<'a> {
    /// Of `text`, whose first line is number `line`.
    pub fn new(text: &'a str, line: usize, separator: Separator) -> Records<'a> {
        Records {
            rest: text,
            line,
            separator,
        }
    }

    /// What was not walked through yet, and the number of its first line.
    pub fn rest(&self) -> (&'a str, usize) {
        (self.rest, self.line)
    }

    /// The present line, without its end.
    fn take_line(&mut self) -> &'a str {
        let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let (line, after) = self.rest.split_at(end);
        self.rest = after
            .strip_prefix("\r\n")
            .or_else(|| after.strip_prefix(['\n', '\r']))
            .unwrap_or(after);
        self.line += 1;
        line
    }

    /// The cells of the record that begins here, and what is after it; `None` if a quote is never
    /// closed.
    fn take_cells(&mut self) -> Option<Vec<String>> {
        let mut cells = Vec::new();
        let mut cell = String::new();
        let mut quoted = false;
        let mut was_quoted = false;
        let mut letters = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, letter)) = letters.next() {
            let next = letters.peek().map(|(_, next)| *next);
            if letter == '\n' || (letter == '\r' && next != Some('\n')) {
                self.line += 1;
            }
            match letter {
                '"' if quoted && next == Some('"') => {
                    letters.next();
                    cell.push('"');
                }
                '"' if quoted => quoted = false,
                '"' if cell.trim().is_empty() => {
                    cell.clear();
                    (quoted, was_quoted) = (true, true);
                }
                '\r' if !quoted && next == Some('\n') => {}
                '\n' | '\r' if !quoted => {
                    end = at + 1;
                    break;
                }
                letter if !quoted && self.separator.splits(letter) => {
                    let spaces = self.separator == Separator::Spaces;
                    if !spaces || was_quoted || !cell.trim().is_empty() {
                        cells.push(cell.trim().to_owned());
                    }
                    cell.clear();
                    was_quoted = false;
                }
                letter => cell.push(letter),
            }
        }
        if quoted {
            return None;
        }
        let spaces = self.separator == Separator::Spaces;
        if !spaces || was_quoted || !cell.trim().is_empty() {
            cells.push(cell.trim().to_owned());
        }
        self.rest = &self.rest[end..];
        Some(cells)
    }
}

impl<'a> Iterator for Records<'a> {
    /// The line on which a record begins, and the record; the line of a quote that is never closed
    /// otherwise.
    type Item = Result<(usize, Record<'a>), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let line = self.line;
            let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
            let first = &self.rest[..end];
            if first.trim().is_empty() {
                self.take_line();
                continue;
            }
            // A tab before the mark may be an empty cell.
            let first = match self.separator {
                Separator::One('\t') => first.trim_end().trim_start_matches(' '),
                _ => first.trim(),
            };
            if let Some(comment) = first.strip_prefix('#') {
                self.take_line();
                return Some(Ok((line, Record::Comment(comment))));
            }
            return Some(match self.take_cells() {
                Some(cells) => Ok((line, Record::Cells(cells))),
                None => {
                    self.rest = "";
                    Err(line)
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str, separator: Separator) -> Vec<(usize, Vec<String>)> {
        let all = Records::new(text, 1, separator).map(|r| r.unwrap());
        all.filter_map(|(line, record)| match record {
            Record::Cells(cells) => Some((line, cells)),
            Record::Comment(_) => None,
        })
        .collect()
    }

    fn of(lines: &[(usize, &[&str])]) -> Vec<(usize, Vec<String>)> {
        let own = |(line, cells): &(usize, &[&str])| {
            (*line, cells.iter().map(|c| (*c).to_owned()).collect())
        };
        lines.iter().map(own).collect()
    }

    const COMMA: Separator = Separator::One(',');

    #[test]
    fn quotes_hold_separators_line_ends_and_quotes() {
        let text = "a,\"b, c\"\r\n\n\"x\n\"\"y\"\"\", 2 \n3,\n";
        assert_eq!(
            cells(text, COMMA),
            of(&[
                (1, &["a", "b, c"]),
                (3, &["x\n\"y\"", "2"]),
                (5, &["3", ""])
            ])
        );
        let open: Vec<_> = Records::new("a,b\n1,\"2\n3,4\n", 1, COMMA).collect();
        assert_eq!(open[1], Err(2));
        assert_eq!(open.len(), 2);
    }

    #[test]
    fn every_kind_of_line_end_counts_one_line() {
        let expected = of(&[(1, &["a", "b"]), (2, &["1", "2"]), (4, &["3", "4"])]);
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "1,2", "", "3,4", ""].join(end);
            assert_eq!(cells(&text, COMMA), expected, "{end:?}");
        }
    }

    #[test]
    fn spaces_may_be_many_and_comments_are_none() {
        let text = "  step   llc\n# of a run\n 1\t2 \n";
        let expected = of(&[(1, &["step", "llc"]), (3, &["1", "2"])]);
        assert_eq!(cells(text, Separator::Spaces), expected);
        let tabs = Separator::One('\t');
        assert_eq!(
            cells("\t#7\t1.5\n# no\n", tabs),
            of(&[(1, &["", "#7", "1.5"])])
        );
        let comment = Records::new(text, 1, Separator::Spaces).nth(1).unwrap();
        assert_eq!(comment, Ok((2, Record::Comment(" of a run"))));
    }
}
