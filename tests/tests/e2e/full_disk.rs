//! A disk that fills up, and runs that are killed, in small. The whole of both is a command of
//! `crates/fuzz`; see CONTRIBUTING.md.

use ontogeny_tests::full_disk::{Disk, fill_at, numbers};
use ontogeny_tests::kills::kill_runs;
use ontogeny_tests::workload::{Workload, lasting};

/// Writes at which the disk fills up, for each run.
const WRITES: usize = 3;

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let Some(disk) = Disk::new() else {
        // The crates themselves need a C compiler, so this is another system than Linux.
        return;
    };
    for workload in Workload::ALL {
        let alone = workload.sandbox();
        let never = usize::MAX >> 1;
        let (ended, calls) = disk.run(&alone, &Workload::COMMAND, never, never);
        ended.success();
        // A run makes folders, checkpoints, results, tables and a report.
        assert!(calls.len() > 50, "{}", calls.len());
        let expected = lasting(&alone);
        // Every so many of the kinds of writes there are, so that all phases are met.
        let numbers = numbers(&calls, calls.len());
        let mut tried = 0;
        for number in numbers.iter().step_by(numbers.len().div_ceil(WRITES)) {
            let wrong = fill_at(&disk, workload, *number, &expected);
            assert_eq!(
                wrong,
                Some(Vec::new()),
                "{}, write {number}",
                workload.name()
            );
            tried += 1;
        }
        assert!(tried > 1, "{tried}");
    }
}

#[test]
fn whole_runs_that_are_killed_end_with_the_same_bytes() {
    let told = std::cell::RefCell::new(String::new());
    let say = |line: &str| told.borrow_mut().push_str(&format!("{line}\n"));
    let findings = kill_runs(4, 1, &say);
    let told = told.borrow();
    assert_eq!(findings, 0, "{told}");
    assert!(told.contains("kills: 4 "), "{told}");
}
