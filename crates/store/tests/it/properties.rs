//! What holds for every file that is read, whatever is in it.

use std::path::Path;

use ontogeny_store::{
    Checkpoint, NamedTensor, RunFolder, Schedule, ScheduleSpec, Series, Step, TensorFile,
    fill_gaps, read_series,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Up to three tensors of different names, with any elements, NaN of any payload included.
fn tensors() -> impl Strategy<Value = Vec<NamedTensor>> {
    let tensor = vec(0_usize..4, 0..4).prop_flat_map(|shape| {
        let size = shape.iter().product::<usize>();
        (
            Just(shape),
            vec(any::<u32>().prop_map(f32::from_bits), size),
        )
    });
    btree_map("[a-zé. ]{1,12}", tensor, 0..4).prop_map(|named| {
        let tensors = named.into_iter();
        tensors
            .map(|(name, (shape, data))| NamedTensor { name, shape, data })
            .collect()
    })
}

fn bits(file: &TensorFile) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let tensors = file.tensors.iter();
    tensors
        .map(|t| {
            (
                t.name.clone(),
                t.shape.clone(),
                t.data.iter().map(|x| x.to_bits()).collect(),
            )
        })
        .collect()
}

/// Some bytes of a file changed, removed or doubled.
fn damaged(mut bytes: Vec<u8>, edits: &[(usize, u8, u8)]) -> Vec<u8> {
    for &(at, kind, byte) in edits {
        let at = at % (bytes.len() + 1);
        match kind % 4 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, byte),
            2 => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
            _ => {
                if let Some(there) = bytes.get_mut(at) {
                    *there ^= byte;
                }
            }
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    vec((0_usize..4096, any::<u8>(), any::<u8>()), 1..5)
}

/// A JSON value of a few levels.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(".{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn tensors_come_back_bit_for_bit(
        tensors in tensors(),
        metadata in btree_map("[a-z]{1,6}", ".{0,10}", 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let file = TensorFile { metadata, tensors };
        let key = file.write(&path).unwrap();
        let (read, same) = TensorFile::read(&path).unwrap();
        prop_assert_eq!(key, same);
        prop_assert_eq!(bits(&read), bits(&file));
        let (head, named) = TensorFile::read_metadata(&path).unwrap();
        prop_assert_eq!((head, named), (read.metadata, key));
    }

    #[test]
    fn a_damaged_tensor_file_is_refused_by_name(tensors in tensors(), edits in edits()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let file = TensorFile { metadata: [("note".to_owned(), "x".to_owned())].into(), tensors };
        file.write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let other = damaged(whole.clone(), &edits);
        put(folder.path(), "a.safetensors", &other);
        match TensorFile::read(&path) {
            // The content is what the hash says: only the way it is written may differ.
            Ok((read, key)) => prop_assert_eq!((read.key(), key), (key, file_key(&whole, folder.path()))),
            Err(error) => prop_assert!(error.to_string().contains("a.safetensors"), "{}", error),
        }
    }
}

fn file_key(whole: &[u8], folder: &Path) -> ontogeny_store::Key {
    TensorFile::read(&put(folder, "whole.safetensors", whole))
        .unwrap()
        .1
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes in vec(any::<u8>(), 0..200),
        length in prop_oneof![any::<u64>(), 0_u64..200],
    ) {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [bytes.clone(), [&length.to_le_bytes()[..], &bytes].concat()] {
            let path = put(folder.path(), "a.safetensors", &bytes);
            for told in [
                TensorFile::read(&path).map(|_| ()),
                TensorFile::read_metadata(&path).map(|_| ()),
                Checkpoint::read(&path).map(|_| ()),
            ] {
                let error = told.expect_err("no such file has a hash");
                prop_assert!(error.to_string().contains("a.safetensors"), "{}", error);
            }
            put(folder.path(), "run.json", &bytes);
            let error = RunFolder::open(folder.path()).expect_err("no manifest");
            prop_assert!(error.to_string().contains("run.json"), "{}", error);
            let path = put(folder.path(), "metrics.jsonl", &bytes);
            if let Err(error) = read_series(&path) {
                prop_assert!(error.to_string().contains("metrics.jsonl"), "{}", error);
                prop_assert!(error.position().is_some_and(|(line, column)| line > 0 && column > 0));
            }
        }
    }

    #[test]
    fn schedules_hold_their_ends_and_nothing_beyond(
        log in 0_usize..300,
        every in 0_u64..2000,
        at in vec(any::<u64>(), 0..5),
        last in prop_oneof![0_u64..50, 0_u64..100_000],
        first in 0_u64..100_000,
        count in 0_usize..40,
    ) {
        let spec = ScheduleSpec { log, every, at };
        let text = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ScheduleSpec>(&text).unwrap(), &spec);
        let schedule = Schedule::build(&spec, Step(last));
        let steps = schedule.steps();
        prop_assert_eq!(steps.first(), Some(&Step(0)));
        prop_assert_eq!(steps.last(), Some(&Step(last)));
        prop_assert!(steps.is_sorted_by(|a, b| a < b));
        let listed = spec.at.iter().filter(|&&step| step <= last);
        prop_assert!(listed.clone().all(|&step| schedule.contains(Step(step))));
        for pair in steps.windows(2) {
            prop_assert_eq!(schedule.next_after(pair[0]), Some(pair[1]));
        }
        let first = Step(first.min(last));
        let filled = fill_gaps(steps, first, Step(last), count);
        prop_assert!(filled.is_sorted_by(|a, b| a < b) && filled.len() <= count);
        prop_assert!(filled.iter().all(|s| !schedule.contains(*s) && *s > first && *s < Step(last)));
        let later = schedule.beginning_at(first);
        prop_assert_eq!(later.steps().first(), Some(&first));
        prop_assert!(later.steps().is_sorted_by(|a, b| a < b));
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn lines_come_back_and_a_torn_end_costs_one_line_at_most(
        values in vec(btree_map(".{0,4}", json_value(), 0..4), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let values: Vec<Value> = values.into_iter().map(|map| map.into_iter().collect()).collect();
        let mut series = Series::resume(&path, |_| true).unwrap().series;
        for value in &values {
            series.append(value).unwrap();
        }
        series.flush().unwrap();
        prop_assert_eq!(read_series(&path).unwrap(), values.clone());

        let bytes = std::fs::read(&path).unwrap();
        let cut = cut.index(bytes.len() + 1);
        put(folder.path(), "a.jsonl", &bytes[..cut]);
        let whole = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        let read = read_series(&path).unwrap();
        prop_assert!(read.len() == whole || read.len() == whole + 1);
        prop_assert_eq!(&read[..], &values[..read.len()]);
        // Going on with it keeps what was whole, and what is appended stands behind it.
        let mut series = Series::resume(&path, |_| true).unwrap().series;
        series.append(&json!({ "last": true })).unwrap();
        series.flush().unwrap();
        let mut expected = read;
        expected.push(json!({ "last": true }));
        prop_assert_eq!(read_series(&path).unwrap(), expected);
    }

    #[test]
    fn a_damaged_line_is_named_by_its_number(
        before in 0_usize..20,
        damage in "[a-z{}\\[\\]:,\"]{1,12}",
    ) {
        prop_assume!(serde_json::from_str::<Value>(&damage).is_err());
        let folder = tempfile::tempdir().unwrap();
        let good = "{\"step\": 1}\n";
        let text = format!("{}{damage}\n{good}", good.repeat(before));
        let path = put(folder.path(), "a.jsonl", text.as_bytes());
        let error = read_series(&path).expect_err("damaged");
        prop_assert_eq!(error.position().map(|(line, _)| line), Some(before + 1));
        // Going on with it, the line is moved aside and named.
        let resumed = Series::resume(&path, |_| true).unwrap();
        prop_assert_eq!(resumed.damaged, [before + 1]);
        prop_assert_eq!(std::fs::read_to_string(&path).unwrap(), good.repeat(before + 1));
        let aside = std::fs::read_to_string(&resumed.set_aside).unwrap();
        prop_assert!(aside.contains(&damage), "{}", aside);
    }
}
