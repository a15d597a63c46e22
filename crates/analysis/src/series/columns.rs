//! Which columns of a file are meant, and what is said where it is not the obvious one.

use std::collections::BTreeMap;

use super::error::SeriesError;
use super::lookalike;
use super::numbers::Numbers;
use super::shown::list;
use super::{Found, REPLICA, Reader};
use ontogeny_store::excerpt;

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
        let (mut beside, mut known, mut zero, mut wrong) = (0, 0, 0, None);
        for rows in found.values() {
            let (mut without, mut with) = (0, 0);
            for row in rows {
                let cells = row.cells;
                match numbers.value(row.line, column, &cells[cells.len() - 1]) {
                    Ok(Some(error)) => (with, zero) = (with + 1, zero + usize::from(error == 0.0)),
                    Ok(None) => {
                        let value = numbers.value(row.line, curve, &cells[0]);
                        without += usize::from(matches!(value, Ok(Some(_))));
                    }
                    // Told with the replica's rows: others may be fine.
                    Err(error) => wrong = wrong.or(Some(error)),
                }
            }
            known += with;
            // Where a replica has no errors at all its noise is fitted.
            beside += if with > 0 { without } else { 0 };
        }
        let cure = "leave out --err to have the noise fitted";
        if known == 0 {
            let reason = format!("--err names it, but it has no value; {cure}");
            return Err(wrong.unwrap_or_else(|| self.place.unfit(column, reason)));
        }
        if zero == known {
            let reason = format!("--err names it, but every standard error is 0; {cure}");
            return Err(self.place.unfit(column, reason));
        }
        let column = excerpt(column);
        if beside > 0 {
            self.notes.push(format!(
                "{beside} values of `{}` have no standard error in `{column}`; they get the mean of \
                 the others",
                excerpt(curve)
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
                excerpt(curve)
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
        if names.iter().any(|name| name == REPLICA) {
            return self.column(REPLICA).map(Some);
        }
        let alike: Vec<usize> = (0..names.len())
            .filter(|&c| names[c].trim().to_lowercase() == REPLICA)
            .filter(|&c| !self.wanted.values.contains(&names[c]))
            .collect();
        let [only] = alike[..] else { return Ok(None) };
        let note = format!(
            "the column `{}` is taken for `{REPLICA}`",
            excerpt(&names[only])
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
            replica: excerpt(replica),
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
                    excerpt(name)
                ));
                Ok(place)
            }
            ((None, _), (None, _)) => Err(SeriesError::Column {
                path: self.path.to_owned(),
                column: excerpt(name),
                meant: lookalike::meant(name, names),
                there: match names.len() {
                    1 => format!(
                        "there is only `{}`; cells may be separated by commas, tabs, `;`, `|` or \
                         spaces",
                        excerpt(&names[0])
                    ),
                    count if count > 10 => format!("there are {count}: {}", list(names)),
                    _ => format!("there are {}", list(names)),
                },
            }),
        }
    }
}
