//! What a run's metrics lack when it is taken up again.

use std::collections::HashSet;

use ontogeny_store::{Resumed, RunFolder, Step};

use crate::run::Group;

/// What a group's metrics lack of the lines that were written before it was taken up, a sentence
/// for each kind of loss. `expected` are the steps that each replica should have a line of.
pub(crate) fn lost_metrics(
    group: &Group,
    folder: &RunFolder,
    expected: &[Step],
    found: &Resumed,
    was_there: bool,
) -> Vec<String> {
    let path = folder.metrics();
    let mut told = Vec::new();
    if !found.damaged.is_empty() {
        let numbers: Vec<String> = found.damaged.iter().map(usize::to_string).collect();
        told.push(format!(
            "{}: {} damaged in the middle ({}) and moved to {}",
            path.display(),
            counted(numbers.len(), "line was", "lines were"),
            in_few(&numbers),
            found.set_aside.display()
        ));
    }
    if let (false, [first, .., last]) = (was_there, expected) {
        told.push(format!(
            "{} is missing: the metrics from step {first} to step {last} are lost. They are not \
             written again; weights are not affected",
            path.display()
        ));
        return told;
    }
    for replica in &group.replicas {
        let name = &replica.entry.name;
        let own = found.kept.iter().filter(|line| line["replica"] == **name);
        let there: HashSet<u64> = own.filter_map(|line| line["step"].as_u64()).collect();
        let lost = expected.iter().filter(|step| !there.contains(&step.0));
        let lost: Vec<String> = lost.map(Step::to_string).collect();
        if !lost.is_empty() {
            told.push(format!(
                "{}: {} of {name} lost ({} {}), and not written again; weights are not \
                 affected",
                path.display(),
                counted(lost.len(), "line", "lines"),
                if lost.len() == 1 { "step" } else { "steps" },
                in_few(&lost)
            ));
        }
    }
    told
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A list in a few words: whole where it is short, its ends where it is not.
fn in_few(all: &[String]) -> String {
    match all {
        [first, .., last] if all.len() > 6 => format!("{first} … {last}"),
        _ => all.join(", "),
    }
}
