//! Anyone's numbers as rows for the detector: a CSV or Parquet file with a column of steps and columns of values.

mod csv;
mod error;
mod nearest;
mod parquet;

pub use error::SeriesError;

use std::collections::BTreeMap;
use std::path::Path;

use crate::table::MeasureRow;

/// The column that tells replicas apart, where a file has one.
const REPLICA: &str = "replica";

/// Which columns to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The column of steps: whole numbers of at least 0.
    pub step: String,
    /// Columns of values, at least one; each becomes a measure of the same name.
    pub values: Vec<String>,
    /// A column with standard errors of the first of them.
    pub error: Option<String>,
    /// Which replica, where the file has a column `replica`; all without it.
    pub replica: Option<String>,
}

/// A file's columns and cells.
struct Table {
    columns: Vec<String>,
    /// Each row with the number that messages call it by.
    rows: Vec<(usize, Vec<Cell>)>,
    /// What that number counts: `line` or `row`.
    unit: &'static str,
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Absent,
    Number(f64),
    Text(String),
}

/// Rows of a file by replica, each replica's sorted by step. The file is Parquet if its name ends in `.parquet`, separated by
/// tabs if in `.tsv`, and else by commas. Cells that are empty, null or not a number (`NaN`, `NA`) are values that were not
/// measured.
///
/// # Errors
/// [`SeriesError`] with file, line and column: if the file cannot be read, a column is missing, a cell is neither empty nor a
/// number, a step is not a whole number of at least 0 or comes twice, or the replica is not there.
pub fn read(path: &Path, wanted: &Wanted) -> Result<Vec<Vec<MeasureRow>>, SeriesError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let table = match extension.to_ascii_lowercase().as_str() {
        "parquet" => parquet::table(path)?,
        "tsv" => csv::table(path, '\t')?,
        _ => csv::table(path, ',')?,
    };
    Reader {
        path,
        table: &table,
    }
    .rows(wanted)
}

struct Reader<'a> {
    path: &'a Path,
    table: &'a Table,
}

impl Reader<'_> {
    fn rows(&self, wanted: &Wanted) -> Result<Vec<Vec<MeasureRow>>, SeriesError> {
        let step = self.column(&wanted.step)?;
        let values = wanted
            .values
            .iter()
            .map(|name| self.column(name))
            .collect::<Result<Vec<_>, _>>()?;
        let error = wanted
            .error
            .as_ref()
            .map(|name| self.column(name))
            .transpose()?;
        let replica = self.table.columns.iter().position(|c| c == REPLICA);
        let mut found: BTreeMap<String, BTreeMap<u64, (usize, MeasureRow)>> = BTreeMap::new();
        for (line, cells) in &self.table.rows {
            let name = match replica.map(|c| &cells[c]) {
                Some(Cell::Text(name)) => name.clone(),
                Some(Cell::Number(number)) => number.to_string(),
                Some(Cell::Absent) | None => String::new(),
            };
            let at = self.step(*line, &cells[step], &wanted.step)?;
            let mut measured = BTreeMap::new();
            for (name, &column) in wanted.values.iter().zip(&values) {
                if let Some(value) = self.number(*line, &cells[column], name)? {
                    measured.insert(name.clone(), value);
                }
            }
            if let (Some(column), Some(name)) = (error, &wanted.error)
                && let Some(value) = self.number(*line, &cells[column], name)?
            {
                if value < 0.0 {
                    return Err(self.refuse(
                        *line,
                        name,
                        value.to_string(),
                        "a standard error of at least 0",
                    ));
                }
                measured.insert(format!("{}_se", wanted.values[0]), value);
            }
            let row = MeasureRow {
                step: at,
                tokens: 0,
                replica: name.clone(),
                values: measured,
                vectors: BTreeMap::new(),
                words: BTreeMap::new(),
            };
            if let Some((first, _)) = found.entry(name).or_default().insert(at, (*line, row)) {
                return Err(SeriesError::Twice {
                    path: self.path.to_owned(),
                    unit: self.table.unit,
                    first,
                    second: *line,
                    step: at,
                });
            }
        }
        self.chosen(found, wanted.replica.as_deref(), replica.is_some())
    }

    fn chosen(
        &self,
        found: BTreeMap<String, BTreeMap<u64, (usize, MeasureRow)>>,
        replica: Option<&str>,
        named: bool,
    ) -> Result<Vec<Vec<MeasureRow>>, SeriesError> {
        let there: Vec<String> = found.keys().cloned().collect();
        if let Some(replica) = replica
            && !there.iter().any(|name| name == replica)
        {
            return Err(SeriesError::Replica {
                path: self.path.to_owned(),
                replica: replica.to_owned(),
                there: match named {
                    true => format!("it holds {}", there.join(", ")),
                    false => format!("it has no column `{REPLICA}`"),
                },
            });
        }
        if found.is_empty() {
            return Err(SeriesError::Empty {
                path: self.path.to_owned(),
            });
        }
        let kept = found
            .into_iter()
            .filter(|(name, _)| replica.is_none_or(|r| r == name));
        Ok(kept
            .map(|(_, rows)| rows.into_values().map(|(_, row)| row).collect())
            .collect())
    }

    fn column(&self, name: &str) -> Result<usize, SeriesError> {
        let columns = &self.table.columns;
        let place = columns.iter().position(|c| c == name);
        place.ok_or_else(|| SeriesError::Column {
            path: self.path.to_owned(),
            column: name.to_owned(),
            meant: nearest::nearest(name, columns)
                .map_or(String::new(), |c| format!(" (did you mean `{c}`?)")),
            there: columns.join(", "),
        })
    }

    fn number(&self, line: usize, cell: &Cell, column: &str) -> Result<Option<f64>, SeriesError> {
        let number = match cell {
            Cell::Absent => return Ok(None),
            Cell::Number(number) => *number,
            Cell::Text(text) => match text.parse::<f64>() {
                Ok(number) => number,
                Err(_) => {
                    return Err(self.refuse(
                        line,
                        column,
                        text.clone(),
                        "a number, or empty where nothing was measured",
                    ));
                }
            },
        };
        if number.is_infinite() {
            return Err(self.refuse(
                line,
                column,
                number.to_string(),
                "finite, or empty where nothing was measured",
            ));
        }
        Ok((!number.is_nan()).then_some(number))
    }

    fn step(&self, line: usize, cell: &Cell, column: &str) -> Result<u64, SeriesError> {
        let range = "a whole number of at least 0";
        let number = self.number(line, cell, column)?;
        let number = number.ok_or_else(|| self.refuse(line, column, "empty".to_owned(), range))?;
        // Up to 2⁵³ every whole number is a double of its own.
        if number < 0.0 || number.fract() != 0.0 || number > 9_007_199_254_740_992.0 {
            return Err(self.refuse(line, column, number.to_string(), range));
        }
        Ok(number as u64)
    }

    fn refuse(&self, line: usize, column: &str, found: String, range: &'static str) -> SeriesError {
        SeriesError::Cell {
            path: self.path.to_owned(),
            unit: self.table.unit,
            line,
            column: column.to_owned(),
            found,
            range,
        }
    }
}

/// What stands in a cell for a value that was not measured.
fn is_absent(text: &str) -> bool {
    let plain = text.trim().to_ascii_lowercase();
    ["", "nan", "na", "n/a", "null", "none"].contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::write_parquet;

    fn wanted(step: &str, values: &[&str]) -> Wanted {
        Wanted {
            step: step.to_owned(),
            values: values.iter().map(|&v| v.to_owned()).collect(),
            error: None,
            replica: None,
        }
    }

    fn of(name: &str, text: &str, wanted: &Wanted) -> Result<Vec<Vec<MeasureRow>>, SeriesError> {
        let folder = tempfile::tempdir().map_err(|e| SeriesError::Read {
            path: name.into(),
            reason: e.to_string(),
        })?;
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(|e| SeriesError::Read {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        read(&path, wanted)
    }

    fn refusal(text: &str, wanted: &Wanted) -> String {
        of("a.csv", text, wanted).unwrap_err().to_string()
    }

    #[test]
    fn rows_are_sorted_and_missing_cells_are_absent() {
        let text = "step,loss,\"llc, mean\"\r\n100, 2.5,7\r\n0,4,NaN\n1e3,,\"8.5\"\n\n";
        let rows = of("a.csv", text, &wanted("step", &["loss", "llc, mean"])).unwrap();
        let rows = &rows[0];
        assert_eq!(
            rows.iter().map(|r| r.step).collect::<Vec<_>>(),
            [0, 100, 1000]
        );
        assert_eq!(rows[0].values, [("loss".to_owned(), 4.0)].into());
        assert_eq!(
            rows[1].values,
            [("llc, mean".to_owned(), 7.0), ("loss".to_owned(), 2.5)].into()
        );
        assert_eq!(rows[2].values, [("llc, mean".to_owned(), 8.5)].into());
        assert_eq!(
            of("a.tsv", "t\ty\n3\t1\n", &wanted("t", &["y"])).unwrap()[0][0].values["y"],
            1.0
        );
    }

    #[test]
    fn errors_stand_beside_the_first_curve() {
        let with = Wanted {
            error: Some("e".into()),
            ..wanted("t", &["y", "z"])
        };
        let rows = of("a.csv", "t,y,z,e\n1,2,3,.5\n", &with).unwrap();
        assert_eq!(rows[0][0].values["y_se"], 0.5);
        assert!(refusal("t,y,z,e\n1,2,3,-1\n", &with).contains("standard error"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let y = wanted("step", &["y"]);
        for (text, parts) in [
            (
                "step,y\n0,1\n1,high\n",
                vec!["a.csv", "line 3", "`y`", "high"],
            ),
            (
                "step,y\n0,1\n1.5,2\n",
                vec!["line 3", "`step`", "1.5", "whole"],
            ),
            ("step,y\n-1,1\n", vec!["line 2", "`step`", "-1"]),
            ("step,y\n,1\n", vec!["line 2", "`step`", "empty"]),
            ("step,y\n0,inf\n", vec!["line 2", "`y`", "finite"]),
            ("step,y\n4,1\n7,1\n4,2\n", vec!["lines 2 and 4", "step 4"]),
            (
                "step,yy\n0,1\n",
                vec!["`y`", "step, yy", "did you mean `yy`"],
            ),
            ("steps,y\n0,1\n", vec!["`step`", "did you mean `steps`"]),
            ("step,y\n0,1,2\n", vec!["line 2", "3 cells", "2 columns"]),
            ("step,y\n0,\"1\n", vec!["line 2", "quote"]),
            ("step,y\n", vec!["no rows"]),
            ("", vec!["no header"]),
            ("step,y,y\n0,1,2\n", vec!["two columns", "`y`"]),
        ] {
            let told = refusal(text, &y);
            assert!(parts.iter().all(|p| told.contains(p)), "{parts:?}: {told}");
        }
        let told = read(Path::new("/nowhere/a.csv"), &y)
            .unwrap_err()
            .to_string();
        assert!(told.contains("/nowhere/a.csv"), "{told}");
    }

    #[test]
    fn replicas_are_told_apart() {
        let text = "replica,step,y\nb,1,3\na,1,2\na,0,1\n";
        let all = of("a.csv", text, &wanted("step", &["y"])).unwrap();
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let only = Wanted {
            replica: Some("b".into()),
            ..wanted("step", &["y"])
        };
        assert_eq!(of("a.csv", text, &only).unwrap()[0][0].values["y"], 3.0);
        let none = Wanted {
            replica: Some("c".into()),
            ..wanted("step", &["y"])
        };
        assert!(refusal(text, &none).contains("it holds a, b"));
        assert!(refusal("step,y\n1,2\n", &none).contains("no column `replica`"));
    }

    #[test]
    fn parquet_gives_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let row = |step: u64, llc: Option<f64>| MeasureRow {
            step,
            tokens: 0,
            replica: "seed-0".into(),
            values: llc.map(|v| ("llc".to_owned(), v)).into_iter().collect(),
            vectors: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        let rows = vec![row(0, Some(1.5)), row(10, None), row(20, Some(-2.0))];
        write_parquet(&path, &rows).unwrap();
        assert_eq!(read(&path, &wanted("step", &["llc"])).unwrap(), vec![rows]);
        let told = read(&path, &wanted("step", &["lllc"]))
            .unwrap_err()
            .to_string();
        assert!(told.contains("did you mean `llc`"), "{told}");
        std::fs::write(&path, "step,y\n").unwrap();
        let told = read(&path, &wanted("step", &["llc"]))
            .unwrap_err()
            .to_string();
        assert!(told.contains("table.parquet"), "{told}");
    }
}
