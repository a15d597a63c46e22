//! Which columns of a file are meant, and what is said where it is not the obvious one.

use std::collections::BTreeMap;

use super::error::SeriesError;
use super::lookalike;
use super::numbers::Numbers;
use super::shown::{list, short};
use super::{Found, REPLICA, Reader};

impl Reader<'_> {
    /// Says what the standard errors do not say.
    pub(super) fn check_errors(
        &mut self,
        found: &BTreeMap<String, Vec<Found<'_>>>,
        numbers: &Numbers,
    ) -> Result<(), SeriesError> {
        let Some(column) = &self.wanted.error else {
            return Ok(());
        };
        let curve = &self.wanted.values[0];
        let (mut beside, mut known, mut zero) = (0, 0, 0);
        for row in found.values().flatten() {
            let cells = row.cells;
            let Some(error) = numbers.value(row.line, column, &cells[cells.len() - 1])? else {
                beside += usize::from(matches!(
                    numbers.value(row.line, curve, &cells[0]),
                    Ok(Some(_))
                ));
                continue;
            };
            if error < 0.0 {
                let range = "a standard error, which is at least 0".to_owned();
                return Err(self.place.cell(row.line, column, &error.to_string(), range));
            }
            (known, zero) = (known + 1, zero + usize::from(error == 0.0));
        }
        let cure = "leave out --err to have the noise fitted";
        if known == 0 {
            let reason = format!("--err names it, but it has no value; {cure}");
            return Err(self.place.unfit(column, reason));
        }
        if zero == known {
            let reason = format!("--err names it, but every standard error is 0; {cure}");
            return Err(self.place.unfit(column, reason));
        }
        let column = short(column);
        if beside > 0 {
            self.notes.push(format!(
                "{beside} values of `{}` have no standard error in `{column}`; they get the mean of \
                 the others",
                short(curve)
            ));
        }
        if zero > 0 {
            self.notes.push(format!(
                "{zero} standard errors in `{column}` are 0; they are averaged with their neighbours"
            ));
        }
        let base = ["_se", "_stderr", "_sem", "_std", "_sd", "_err", "_error"]
            .iter()
            .find_map(|end| column.strip_suffix(end));
        if let Some(base) = base
            && base != curve
            && self.table.names.iter().any(|n| n == base)
        {
            self.notes.push(format!(
                "`{column}` seems to be of `{base}`, and --err is for the curve of --y, `{}`",
                short(curve)
            ));
        }
        Ok(())
    }

    /// The column that names replicas, if there is one.
    pub(super) fn replica_column(&mut self) -> Result<Option<usize>, SeriesError> {
        if let Some(name) = &self.wanted.replica_column {
            return self.column(name).map(Some);
        }
        let names = &self.table.names;
        if let Some(place) = names.iter().position(|c| c == REPLICA) {
            return Ok(Some(place));
        }
        let alike: Vec<usize> = (0..names.len())
            .filter(|&c| names[c].trim().to_lowercase() == REPLICA)
            .filter(|&c| !self.wanted.values.contains(&names[c]))
            .collect();
        let [only] = alike[..] else { return Ok(None) };
        let note = format!(
            "the column `{}` is taken for `{REPLICA}`",
            short(&names[only])
        );
        self.notes.push(note);
        Ok(Some(only))
    }

    /// Says so if the replica that was asked for is not there.
    pub(super) fn check_replica(
        &self,
        found: &BTreeMap<String, Vec<Found<'_>>>,
        named: bool,
    ) -> Result<(), SeriesError> {
        let Some(replica) = &self.wanted.replica else {
            return Ok(());
        };
        if found.contains_key(replica) {
            return Ok(());
        }
        let there: Vec<String> = found.keys().cloned().collect();
        Err(SeriesError::Replica {
            path: self.path.to_owned(),
            replica: short(replica),
            there: match named {
                true => format!("it holds {}", list(&there)),
                false => format!(
                    "it has no column `{REPLICA}`; --replica-column names one that is called \
                     otherwise"
                ),
            },
        })
    }

    /// The number of the column called `name`.
    pub(super) fn column(&mut self, name: &str) -> Result<usize, SeriesError> {
        let names = &self.table.names;
        let mut places = (0..names.len()).filter(|&c| names[c] == name);
        let exact = (places.next(), places.next());
        let mut alike = (0..names.len()).filter(|&c| lookalike::same(&names[c], name));
        match (exact, (alike.next(), alike.next())) {
            ((Some(_), Some(_)), _) | ((None, _), (Some(_), Some(_))) => {
                let reason = "two columns are called so; give them names of their own".to_owned();
                Err(self.place.unfit(name, reason))
            }
            ((Some(place), None), _) => Ok(place),
            ((None, _), (Some(place), None)) => {
                self.notes.push(format!(
                    "the column `{}` spells an accent otherwise (Unicode NFC, NFD) and is taken",
                    short(name)
                ));
                Ok(place)
            }
            ((None, _), (None, _)) => Err(SeriesError::Column {
                path: self.path.to_owned(),
                column: short(name),
                meant: lookalike::meant(name, names),
                there: match names.len() {
                    1 => format!(
                        "there is only `{}`; cells may be separated by commas, tabs, `;`, `|` or \
                         spaces",
                        short(&names[0])
                    ),
                    count if count > 10 => format!("there are {count}: {}", list(names)),
                    _ => format!("there are {}", list(names)),
                },
            }),
        }
    }
}
