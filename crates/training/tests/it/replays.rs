//! Checkpoints that are added to a run afterwards are those that it would have written itself.

use std::path::Path;

use ontogeny_store::{Checkpoint, Step, TensorFile};
use ontogeny_training::TrainingError;

use crate::bench::{Bench, Files, SMALL, Until, files};

/// All steps of [`SMALL`] that have a checkpoint.
const OWN: [u64; 9] = [0, 1, 2, 4, 6, 10, 12, 18, 24];

/// Arms of two shapes behind [`SMALL`].
const ARMS: &str = r#"
[[arms]]
name = "narrow"

[[arms]]
name = "wide"
set = { "model.d_model" = 12 }
"#;

/// [`SMALL`] with no states but those that are kept for good, at 0, 1, 2, 8 and 24.
fn small() -> String {
    SMALL.replace("every = 7", "every = 0")
}

/// The same with a checkpoint at every step.
fn dense() -> Bench {
    Bench::trained(&small().replace("every = 6", "every = 1"))
}

fn steps(bench: &Bench, group: usize) -> Vec<u64> {
    let steps = bench.checkpoints(group).steps().unwrap();
    steps.iter().map(|s| s.0).collect()
}

fn numbers(steps: &[Step]) -> Vec<u64> {
    steps.iter().map(|s| s.0).collect()
}

/// What a replay must leave alone: all but checkpoints.
fn rest(bench: &Bench) -> Files {
    let mut files = files(bench.folder.root());
    files.retain(|path, _| !path.starts_with("checkpoints"));
    files
}

/// Compares the checkpoints of two runs at one step, bit for bit. Their files also name the run
/// that each belongs to, which the hash leaves out.
#[track_caller]
fn same(bench: &Bench, other: &Bench, group: usize, step: u64) {
    let hash = |bench: &Bench| {
        let path = bench.checkpoints(group).path_of(Step(step));
        TensorFile::read(&path).unwrap().1
    };
    assert_eq!(hash(bench), hash(other), "group {group}, step {step}");
}

#[test]
fn added_checkpoints_are_those_of_a_run_that_had_them_on_its_schedule() {
    for text in [small(), small() + ARMS] {
        let dense = Bench::trained(&text.replace("every = 6", "every = 1"));
        let bench = Bench::trained(&text);
        let before = rest(&bench);
        let (done, heard) = bench.densify(&[3, 9, 11, 12, 17, 20], Until::Complete);
        let done = done.unwrap().unwrap();
        assert_eq!(done.len(), bench.run.groups.len());
        for (group, done) in done.iter().enumerate() {
            assert_eq!(numbers(&done.added), [3, 9, 11, 17, 20]);
            assert_eq!(numbers(&done.present), [12]);
            // Between 4 and 8 nothing is missing, so the replay leaps to the state at 8.
            assert_eq!(numbers(&done.met), [2, 4, 10, 12, 18, 24]);
            assert_eq!(done.replayed, 2 + 16);
            assert_eq!(done.interrupted_at, None);
            let mut expected = [&OWN[..], &[3, 9, 11, 17, 20]].concat();
            expected.sort_unstable();
            assert_eq!(steps(&bench, group), expected);
            for step in expected {
                same(&bench, &dense, group, step);
            }
        }
        let leaps: Vec<(u64, u64)> = heard.begun.iter().map(|(_, at, to)| (*at, *to)).collect();
        assert_eq!(leaps, [(2, 24), (8, 24)].repeat(done.len()));
        assert!(heard.metrics.is_empty());
        assert!(rest(&bench) == before, "only checkpoints may change");

        // Again: all of it is there, and training finds its run complete.
        let (again, heard) = bench.densify(&[3, 9, 11, 12, 17, 20], Until::Complete);
        let again = again.unwrap().unwrap();
        assert!(again.iter().all(|d| d.added.is_empty() && d.replayed == 0));
        assert!(heard.begun.is_empty());
        let before = files(bench.folder.root());
        bench.train(Until::Complete);
        assert!(files(bench.folder.root()) == before);
    }
}

#[test]
fn a_replay_that_is_killed_or_stopped_leaves_a_sound_folder() {
    let dense = dense();
    for after in [9, 11, 13, 15, 17] {
        for stopped in [false, true] {
            let bench = Bench::trained(&small());
            let until = match stopped {
                true => Until::Stopped { group: 0, after },
                false => Until::Killed { group: 0, after },
            };
            let (done, _) = bench.densify(&[9, 11, 14, 16], until);
            // What the next landmark confirmed, and nothing else.
            let confirmed: &[u64] = match after {
                9 => &[],
                11 => &[9],
                _ => &[9, 11],
            };
            let mut expected = [&OWN[..], confirmed].concat();
            expected.sort_unstable();
            assert_eq!(steps(&bench, 0), expected, "after {after}");
            if let Some(done) = done {
                assert_eq!(done.unwrap()[0].interrupted_at, Some(Step(after)));
                let partial = |path: &Path| path.to_string_lossy().contains(".partial-");
                assert!(!files(bench.folder.root()).keys().any(|p| partial(p)));
            }
            let (done, _) = bench.densify(&[9, 11, 14, 16], Until::Complete);
            let done = &done.unwrap().unwrap()[0];
            assert_eq!(numbers(&done.present), confirmed);
            for step in [9, 11, 14, 16] {
                same(&bench, &dense, 0, step);
            }
            let folder = files(&bench.folder.checkpoints());
            // config.json beside the checkpoints, and nothing half written.
            assert_eq!(folder.len(), OWN.len() + 4 + 1);
        }
    }
}

#[test]
fn other_bits_are_refused_and_nothing_is_kept() {
    let bench = Bench::trained(&small());
    let checkpoints = bench.checkpoints(0);
    let mut changed = checkpoints.read(Step(18)).unwrap();
    let tensor = changed
        .tensors
        .iter_mut()
        .find(|t| t.name == "embed.W_E")
        .unwrap();
    // The second replica's first weight by the last bit of its mantissa.
    let at = tensor.data.len() / 2;
    tensor.data[at] = f32::from_bits(tensor.data[at].to_bits() ^ 1);
    checkpoints.write(&changed).unwrap();
    let before = files(bench.folder.root());
    let (done, _) = bench.densify(&[9, 11, 14], Until::Complete);
    let error = done.unwrap().unwrap_err();
    assert!(
        matches!(&error, TrainingError::Replay { from: Step(8), step: Step(18), replica, tensor, .. }
            if replica == "seed5" && tensor == "embed.W_E"),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains("step 18") && text.contains("seed5") && text.contains("embed.W_E"));
    // Steps 9 and 11 had been confirmed at 10 and 12.
    assert!(files(bench.folder.root()) == before);
}

#[test]
fn damaged_and_missing_states_are_passed_over() {
    let dense = dense();
    let bench = Bench::trained(&small());
    let state = bench
        .folder
        .state()
        .join("kept/step-0000000008.safetensors");
    let bytes = std::fs::read(&state).unwrap();
    std::fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    let (done, heard) = bench.densify(&[9], Until::Complete);
    assert_eq!(numbers(&done.unwrap().unwrap()[0].added), [9]);
    assert_eq!(heard.begun[0].1, 2);
    same(&bench, &dense, 0, 9);
    // Without any, from the drawn weights.
    std::fs::remove_dir_all(bench.folder.state()).unwrap();
    let (done, heard) = bench.densify(&[3], Until::Complete);
    assert_eq!(numbers(&done.unwrap().unwrap()[0].met), [0, 1, 2, 4]);
    assert_eq!(heard.begun[0].1, 0);
    same(&bench, &dense, 0, 3);
}

#[test]
fn steps_that_a_run_has_not_come_to_are_refused() {
    let bench = Bench::new(&small());
    bench.train(Until::Stopped {
        group: 0,
        after: 15,
    });
    let (done, _) = bench.densify(&[9, 14], Until::Complete);
    let error = done.unwrap().unwrap_err();
    // The state of 15 is there, but no checkpoint that would confirm step 14.
    assert!(
        matches!(
            error,
            TrainingError::Unreached {
                step: Step(14),
                reached: Step(12),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(steps(&bench, 0), [0, 1, 2, 4, 6, 10, 12]);
    // What can be confirmed is added, and training goes on beside it.
    let (done, _) = bench.densify(&[9], Until::Complete);
    assert_eq!(numbers(&done.unwrap().unwrap()[0].added), [9]);
    bench.train(Until::Complete);
    assert_eq!(steps(&bench, 0), [0, 1, 2, 4, 6, 9, 10, 12, 18, 24]);
    let straight = Bench::trained(&small());
    for step in OWN {
        same(&bench, &straight, 0, step);
    }
    let (checkpoint, _) = Checkpoint::read(&bench.checkpoints(0).path_of(Step(9))).unwrap();
    assert_eq!(checkpoint.replicas, ["seed3", "seed5"]);
}
