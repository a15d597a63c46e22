//! States to resume from: the last two, those kept for good, and what to do about damage.

use std::fs;
use std::path::Path;

use ontogeny_store::{KeyBuilder, StateFolder, Step, StoreError, TensorFile};

use crate::tensor;

fn state(step: u64) -> TensorFile {
    let mut weights = tensor("w", &[2, 2]);
    weights.data[0] = step as f32;
    TensorFile {
        tensors: vec![weights],
        ..TensorFile::default()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

fn latest_step(states: &StateFolder) -> Option<u64> {
    let (step, found) = states.latest().unwrap()?;
    assert_eq!(found.tensors, state(step.0).tensors);
    Some(step.0)
}

#[test]
fn keeps_the_last_two_and_those_for_good() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    assert_eq!(states.latest().unwrap(), None);
    for step in (0..=60).step_by(10) {
        states
            .write(Step(step), &state(step), step == 0 || step == 30)
            .unwrap();
        assert_eq!(latest_step(&states), Some(step));
    }
    let recent = ["step-0000000050.safetensors", "step-0000000060.safetensors"];
    assert_eq!(names(&run.path().join("recent")), recent);
    let kept = ["step-0000000000.safetensors", "step-0000000030.safetensors"];
    assert_eq!(names(&run.path().join("kept")), kept);
    assert_eq!(states.steps().unwrap(), [0, 30, 50, 60].map(Step));
    assert_eq!(states.at(Step(30)).unwrap().tensors, state(30).tensors);
}

#[test]
fn there_are_always_two_to_choose_from() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    for step in 0..12 {
        states
            .write(Step(step), &state(step), step % 3 == 0)
            .unwrap();
        let steps = states.steps().unwrap();
        let last_two: Vec<u64> = steps.iter().rev().take(2).map(|s| s.0).collect();
        let expected: Vec<u64> = (0..=step).rev().take(2).collect();
        assert_eq!(last_two, expected);
    }
}

#[test]
fn a_newest_state_cut_at_any_length_falls_back_to_the_one_before() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    states.write(Step(1), &state(1), false).unwrap();
    states.write(Step(2), &state(2), false).unwrap();
    let newest = run
        .path()
        .join("recent")
        .join("step-0000000002.safetensors");
    let bytes = fs::read(&newest).unwrap();
    for length in 0..bytes.len() {
        fs::write(&newest, &bytes[..length]).unwrap();
        assert_eq!(latest_step(&states), Some(1));
    }
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&newest, damaged).unwrap();
    assert_eq!(latest_step(&states), Some(1));
    // Going on from there replaces it.
    states.write(Step(2), &state(2), false).unwrap();
    assert_eq!(fs::read(&newest).unwrap(), bytes);
    assert_eq!(latest_step(&states), Some(2));
}

#[test]
fn goes_back_to_a_kept_state_if_both_recent_ones_are_damaged() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    for step in 0..4 {
        states.write(Step(step), &state(step), step == 0).unwrap();
    }
    for name in names(&run.path().join("recent")) {
        fs::write(
            run.path().join("recent").join(name),
            "garbage, and more of it",
        )
        .unwrap();
    }
    assert_eq!(latest_step(&states), Some(0));
}

#[test]
fn a_step_that_is_in_both_folders_is_read_from_the_whole_one() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    states.write(Step(5), &state(5), true).unwrap();
    states.write(Step(5), &state(5), false).unwrap();
    fs::write(
        run.path()
            .join("recent")
            .join("step-0000000005.safetensors"),
        "",
    )
    .unwrap();
    assert_eq!(latest_step(&states), Some(5));
}

#[test]
fn nothing_but_damage_is_an_error_not_a_silent_new_start() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    states.write(Step(1), &state(1), false).unwrap();
    let path = run
        .path()
        .join("recent")
        .join("step-0000000001.safetensors");
    fs::write(&path, "").unwrap();
    let error = states.latest().unwrap_err();
    assert_eq!(error.path(), Some(&*path));
}

#[test]
fn a_later_state_does_not_push_out_the_one_just_written() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    for step in [10, 20, 5, 6, 7] {
        states.write(Step(step), &state(step), false).unwrap();
        assert!(states.steps().unwrap().contains(&Step(step)));
    }
    assert_eq!(states.steps().unwrap(), [6, 7, 10, 20].map(Step));
}

#[test]
fn a_folder_that_is_not_there_has_no_states() {
    let run = tempfile::tempdir().unwrap();
    let path = run.path().join("state");
    assert_eq!(StateFolder::open(&path).latest().unwrap(), None);
    assert!(!path.exists());
}

#[test]
fn half_written_files_are_no_states_and_go_when_a_writer_comes() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    states.write(Step(1), &state(1), false).unwrap();
    let half = run.path().join("recent").join(".partial-x");
    fs::write(&half, "half").unwrap();
    assert_eq!(StateFolder::open(run.path()).steps().unwrap(), [Step(1)]);
    assert!(half.exists());
    let states = StateFolder::create(run.path()).unwrap();
    assert!(!half.exists());
    assert_eq!(latest_step(&states), Some(1));
}

#[test]
fn an_absent_step_is_an_error_that_lists_the_others() {
    let run = tempfile::tempdir().unwrap();
    let states = StateFolder::create(run.path()).unwrap();
    let message = |step| match states.at(Step(step)).unwrap_err() {
        error @ StoreError::NoStep { .. } => error.to_string(),
        other => panic!("{other}"),
    };
    assert!(message(3).contains("none at all"), "{}", message(3));
    states.write(Step(1), &state(1), true).unwrap();
    assert!(
        message(3).contains("no step 3; it holds step 1 alone"),
        "{}",
        message(3)
    );
    for step in 4..20 {
        states.write(Step(step), &state(step), true).unwrap();
    }
    assert!(
        message(3).contains("17 steps from 1 to 19"),
        "{}",
        message(3)
    );
}

#[test]
fn a_state_of_another_run_or_step_counts_as_damaged() {
    let place = tempfile::tempdir().unwrap();
    let key = |name: &str| KeyBuilder::new(name).finish();
    let own = StateFolder::create(place.path().join("own")).unwrap();
    let own = own.of_run(key("own"));
    let other = StateFolder::create(place.path().join("other")).unwrap();
    let other = other.of_run(key("other"));
    own.write(Step(1), &state(1), true).unwrap();
    other.write(Step(2), &state(2), true).unwrap();
    let path = |folder: &str, step: u64| {
        let name = format!("step-{step:010}.safetensors");
        place.path().join(folder).join("kept").join(name)
    };
    fs::copy(path("other", 2), path("own", 2)).unwrap();
    let error = own.at(Step(2)).unwrap_err();
    assert!(matches!(error, StoreError::OtherRun { .. }), "{error}");
    assert_eq!(latest_step(&own), Some(1));

    let mut named = state(3);
    named.metadata.insert("step".to_owned(), "3".to_owned());
    own.write(Step(3), &named, true).unwrap();
    fs::rename(path("own", 3), path("own", 4)).unwrap();
    let error = own.at(Step(4)).unwrap_err().to_string();
    assert!(
        error.contains("is 3, but the file's name says 4"),
        "{error}"
    );
    assert_eq!(latest_step(&own), Some(1));
}
