//! Series: whatever moment a process is killed at, what was flushed is there and goes on.

use std::fs;
use std::path::Path;

use ontogeny_store::{Series, read_series, read_whole_lines};
use serde_json::{Value, json};

fn line(step: u64) -> Value {
    json!({ "step": step, "loss": 0.1 * step as f64, "replica": "a-1" })
}

fn up_to(last: u64) -> impl Fn(&Value) -> bool {
    move |line| line["step"].as_u64().is_some_and(|step| step <= last)
}

fn append_and_flush(path: &Path, kept: u64, steps: std::ops::RangeInclusive<u64>) {
    let mut series = Series::resume(path, up_to(kept)).unwrap().series;
    for step in steps {
        series.append(&line(step)).unwrap();
    }
    series.flush().unwrap();
}

#[test]
fn lines_come_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    append_and_flush(&path, 0, 1..=3);
    assert_eq!(read_series(&path).unwrap(), [line(1), line(2), line(3)]);
    append_and_flush(&path, 3, 4..=4);
    assert_eq!(read_series(&path).unwrap().len(), 4);
    append_and_flush(&path, 1, 2..=2);
    assert_eq!(read_series(&path).unwrap(), [line(1), line(2)]);
}

#[test]
fn a_new_series_is_there_and_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    drop(Series::resume(&path, |_| true).unwrap());
    assert_eq!(read_series(&path).unwrap(), Vec::<Value>::new());
}

#[test]
fn cut_at_any_length_it_reads_and_a_resumed_run_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let whole_path = folder.path().join("whole");
    append_and_flush(&whole_path, 0, 1..=4);
    let whole = fs::read(&whole_path).unwrap();
    let path = folder.path().join("cut");
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let lines = read_series(&path).unwrap();
        let terminated = whole[..length].iter().filter(|b| **b == b'\n').count();
        assert!(lines.len() == terminated || lines.len() == terminated + 1);
        let expected: Vec<Value> = (1..).map(line).take(lines.len()).collect();
        assert_eq!(lines, expected);
        // The state to resume from was written when the lines up to its step had been flushed.
        let state = (lines.len() as u64).min(2);
        append_and_flush(&path, state, state + 1..=4);
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
    }
}

#[test]
fn zeros_after_a_loss_of_power_are_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    append_and_flush(&path, 0, 1..=2);
    let mut bytes = fs::read(&path).unwrap();
    let whole = bytes.clone();
    bytes.extend([0; 100]);
    bytes.push(0xff);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read_series(&path).unwrap().len(), 2);
    drop(Series::resume(&path, up_to(2)).unwrap());
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_torn_number_is_not_taken_for_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers");
    fs::write(&path, "1\n2\n12").unwrap();
    assert_eq!(read_series(&path).unwrap(), [json!(1), json!(2)]);
    fs::write(&path, "1\n2\n12\n").unwrap();
    assert_eq!(read_series(&path).unwrap(), [json!(1), json!(2), json!(12)]);
}

#[test]
fn damage_before_a_whole_line_is_told_with_its_place_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let text = format!("{}\n{{\"step\": oops}}\n{}\n", line(1), line(2));
    fs::write(&path, &text).unwrap();
    let error = read_series(&path).unwrap_err();
    assert_eq!(error.path(), Some(&*path));
    assert_eq!(error.position(), Some((2, 10)));
    assert!(error.to_string().contains("line 2, column 10"), "{error}");
    let (whole, damaged) = read_whole_lines(&path).unwrap();
    assert_eq!(whole, [line(1), line(2)]);
    assert_eq!(damaged.len(), 1);

    let resumed = Series::resume(&path, up_to(2)).unwrap();
    assert_eq!(resumed.damaged, [2]);
    assert_eq!(resumed.kept, [line(1), line(2)]);
    assert_eq!(
        fs::read_to_string(&resumed.set_aside).unwrap(),
        "{\"step\": oops}\n"
    );
    assert_eq!(read_series(&path).unwrap(), [line(1), line(2)]);
    // A second damage goes behind the first.
    fs::write(&path, &text).unwrap();
    let again = Series::resume(&path, up_to(2)).unwrap();
    assert_eq!(again.damaged, [2]);
    let aside = fs::read_to_string(&again.set_aside).unwrap();
    assert_eq!(aside, "{\"step\": oops}\n".repeat(2));

    // It may be another line of step 1.
    fs::write(&path, &text).unwrap();
    let resumed = Series::resume(&path, up_to(1)).unwrap();
    assert_eq!(resumed.damaged, [2]);
    // Between two lines that are written again, so is it.
    fs::write(&path, &text).unwrap();
    let resumed = Series::resume(&path, up_to(0)).unwrap();
    assert_eq!(resumed.damaged, Vec::<usize>::new());
    drop(resumed);
    append_and_flush(&path, 0, 1..=2);
    assert_eq!(read_series(&path).unwrap(), [line(1), line(2)]);
}

#[test]
fn damage_up_to_the_end_is_set_aside_but_for_a_line_without_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let text = format!("{}\n{{2\n{{3\n{{4", line(1));
    fs::write(&path, &text).unwrap();
    let resumed = Series::resume(&path, up_to(4)).unwrap();
    assert_eq!(resumed.damaged, [2, 3]);
    assert_eq!(resumed.kept, [line(1)]);
    let aside = fs::read_to_string(&resumed.set_aside).unwrap();
    assert_eq!(aside, "{2\n{3\n");
    fs::write(&path, format!("{}\n{{2\n", line(1))).unwrap();
    assert_eq!(Series::resume(&path, up_to(4)).unwrap().damaged, [2]);
}

#[test]
fn ends_of_lines_of_another_system_become_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    append_and_flush(&path, 0, 1..=3);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.replace('\n', "\r\n")).unwrap();
    let resumed = Series::resume(&path, |_| true).unwrap();
    assert_eq!(resumed.damaged, Vec::<usize>::new());
    drop(resumed);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
}

#[test]
fn a_number_that_json_does_not_have_is_null() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut series = Series::resume(&path, |_| true).unwrap().series;
    series.append(&[f64::NAN, 1.0]).unwrap();
    series.flush().unwrap();
    assert_eq!(read_series(&path).unwrap(), [json!([null, 1.0])]);
}

#[test]
fn an_absent_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent").join("metrics.jsonl");
    let error = Series::resume(&path, |_| true).unwrap_err();
    assert_eq!(error.path(), Some(&*path));
    assert!(read_series(&path).is_err());
}
