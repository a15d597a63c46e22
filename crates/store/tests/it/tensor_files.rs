//! Tensor files: what is written comes back, and whatever is damaged is noticed and named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ontogeny_store::{KeyBuilder, NamedTensor, StoreError, Stream, TensorFile};
use tempfile::TempDir;

use crate::tensor;

fn small() -> TensorFile {
    TensorFile {
        metadata: BTreeMap::from([("note".to_owned(), "a \"b\" ä\n".to_owned())]),
        tensors: vec![
            tensor("z", &[2, 3]),
            tensor("a.b", &[1]),
            tensor("empty", &[0, 4]),
            tensor("scalar", &[]),
        ],
    }
}

fn written(file: &TensorFile) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    file.write(&path).unwrap();
    (folder, path)
}

fn error_of(path: &Path) -> StoreError {
    let error = TensorFile::read(path).unwrap_err();
    assert_eq!(error.path(), Some(path));
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    error
}

#[test]
fn comes_back_as_it_was() {
    let file = small();
    let (_folder, path) = written(&file);
    let (back, key) = TensorFile::read(&path).unwrap();
    assert_eq!(back.tensors, file.tensors);
    assert_eq!(back.metadata["note"], file.metadata["note"]);
    assert_eq!(back.metadata["format"], "pt");
    assert_eq!(back.metadata["hash"], key.to_string());
    assert_eq!(key, file.key());
    assert_eq!(
        TensorFile::read_metadata(&path).unwrap(),
        (back.metadata.clone(), key)
    );
    // What was read is written again as the same bytes.
    let bytes = fs::read(&path).unwrap();
    assert_eq!(back.write(&path).unwrap(), key);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn keeps_every_bit_of_every_number() {
    let bits = [0x7fc0_1234, 0xff80_0001, 0x8000_0000, 0x7f80_0000, 1];
    let data = bits.map(f32::from_bits).to_vec();
    let file = TensorFile {
        tensors: vec![NamedTensor {
            name: "odd".to_owned(),
            shape: vec![5],
            data,
        }],
        ..TensorFile::default()
    };
    let (_folder, path) = written(&file);
    let (back, _) = TensorFile::read(&path).unwrap();
    let found: Vec<u32> = back.tensors[0].data.iter().map(|x| x.to_bits()).collect();
    assert_eq!(found, bits);
}

#[test]
fn is_read_by_the_safetensors_library() {
    let (_folder, path) = written(&small());
    let bytes = fs::read(&path).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let z = read.tensor("z").unwrap();
    assert_eq!(
        (z.dtype(), z.shape()),
        (safetensors::Dtype::F32, &[2, 3][..])
    );
    assert_eq!(z.data()[..4], (-1.5f32).to_le_bytes());
}

#[test]
fn the_key_depends_on_everything_but_the_order() {
    let base = small();
    let mut reordered = base.clone();
    reordered.tensors.reverse();
    assert_eq!(reordered.key(), base.key());
    let check = |change: &dyn Fn(&mut TensorFile)| {
        let mut changed = base.clone();
        change(&mut changed);
        assert_ne!(changed.key(), base.key());
    };
    check(&|file| file.tensors[0].data[5] += 1.0);
    check(&|file| file.tensors[0].shape = vec![3, 2]);
    check(&|file| file.tensors[0].name = "y".to_owned());
    check(&|file| file.tensors.truncate(3));
    check(&|file| file.metadata.clear());
    check(&|file| {
        file.metadata
            .insert("more".to_owned(), String::new())
            .map_or((), drop)
    });
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    let (folder, path) = written(&small());
    let bytes = fs::read(&path).unwrap();
    let cut = folder.path().join("cut");
    for length in 0..bytes.len() {
        fs::write(&cut, &bytes[..length]).unwrap();
        let error = error_of(&cut);
        assert!(
            matches!(error, StoreError::Truncated { .. }),
            "{length}: {error}"
        );
        assert!(error.to_string().contains("truncated"));
        assert!(TensorFile::read_metadata(&cut).is_err());
    }
}

#[test]
fn a_flipped_bit_in_any_byte_is_noticed() {
    let (folder, path) = written(&small());
    let bytes = fs::read(&path).unwrap();
    let (whole, key) = TensorFile::read(&path).unwrap();
    let flipped = folder.path().join("flipped");
    let mut refused = 0;
    for at in 0..bytes.len() {
        for bit in [0, at % 8] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&flipped, &bytes).unwrap();
            match TensorFile::read(&flipped) {
                Err(error) => {
                    assert_eq!(error.path(), Some(&*flipped));
                    refused += 1;
                }
                // The hash in capitals is the same hash.
                Ok((back, back_key)) => {
                    assert_eq!((back.tensors, back_key), (whole.tensors.clone(), key));
                    assert_eq!(bit, 5, "byte {at}");
                }
            }
        }
    }
    assert!(refused > 2 * bytes.len() - 64, "{refused}");
}

#[test]
fn garbage_is_refused_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("garbage");
    let garbage = Stream::new(0, "garbage", &[]);
    for index in 0..300 {
        let mut bytes = vec![0; index as usize];
        rand::Rng::fill_bytes(&mut garbage.at(index), &mut bytes);
        if index % 3 == 0 && bytes.len() > 8 {
            // A plausible header's length, so that its parser sees garbage too.
            bytes[..8].copy_from_slice(&(index / 2).to_le_bytes());
        }
        fs::write(&path, &bytes).unwrap();
        error_of(&path);
    }
}

/// Writes a file with the given header and so many bytes of tensors.
fn with_header(header: &str, data: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn each_kind_of_wrong_file_is_told_apart() {
    let check = |header: &str, data: usize, expected: &str| {
        let (_folder, path) = with_header(header, data);
        let message = error_of(&path).to_string();
        assert!(message.contains(expected), "{message}");
    };
    let hash = KeyBuilder::new("other").finish();
    let meta = format!(r#""__metadata__":{{"format":"pt","hash":"{hash}"}}"#);
    let x = r#""x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let good = format!("{{{meta},{x}}}");
    check(&good, 8, "wrong hash");
    check(&good, 7, "truncated: its tensors have 7 bytes of 8");
    check(&good, 9, "1 bytes follow the last tensor");
    check(&format!("{{{x}}}"), 8, "entry `hash` is missing");
    check(
        &good.replace(&hash.to_string(), "12"),
        8,
        "entry `hash` is no hash",
    );
    check(
        &good.replace("\"pt\"", "\"np\""),
        8,
        "entry `format` is not `pt`",
    );
    check(
        &good.replace("F32", "F64").replace("[2]", "[1]"),
        8,
        "tensor `x` has elements of type F64, not F32",
    );
    check(
        &good.replace("[2]", "[3]"),
        8,
        "invalid shape, data type, or offset",
    );
    check(
        &good.replace("[0,8]", "[8,16]"),
        16,
        "not a valid safetensors file",
    );
    check("{", 0, "not a valid safetensors file: its header");
    check("", 0, "not a valid safetensors file: its header");
    // Two tensors whose sizes overflow when they are added up.
    let huge = r#""x":{"dtype":"F32","shape":[4611686018427387903],"data_offsets":[0,18446744073709551612]}"#;
    check(
        &format!("{{{meta},{huge}}}"),
        8,
        "not a valid safetensors file",
    );
    // Each as large as the library's check allows; together just short of 2⁶⁴ bytes, so that
    // adding the header's length would overflow.
    let largest = (1u64 << 61) - 4;
    let tensors: Vec<String> = (0..9u64)
        .map(|i| {
            let (from, size) = (i * largest, if i < 8 { largest } else { 28 });
            let (elements, to) = (size / 4, from + size);
            format!(r#""t{i}":{{"dtype":"F32","shape":[{elements}],"data_offsets":[{from},{to}]}}"#)
        })
        .collect();
    check(&format!("{{{meta},{}}}", tensors.join(",")), 8, "truncated");
}

#[test]
fn absent_files_and_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = error_of(&folder.path().join("absent")).to_string();
    assert!(message.contains("cannot read"), "{message}");
    assert!(matches!(error_of(folder.path()), StoreError::Io { .. }));
}

#[test]
fn what_cannot_be_right_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let check = |tensors: Vec<NamedTensor>, expected: &str| {
        let file = TensorFile {
            tensors,
            ..TensorFile::default()
        };
        let message = file.write(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    check(
        vec![tensor("a", &[1]), tensor("a", &[2])],
        "two tensors are named `a`",
    );
    check(vec![tensor("", &[1])], "no name");
    check(vec![tensor("__metadata__", &[1])], "reserved");
    let mut short = tensor("a", &[2, 2]);
    short.data.pop();
    check(vec![short], "tensor `a` has shape [2, 2] but 3 elements");
    let mut overflowing = tensor("a", &[1]);
    overflowing.shape = vec![usize::MAX, 2];
    check(vec![overflowing], "wrong shape");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let (folder, path) = written(&small());
    let blocked = folder.path().join("blocked");
    fs::create_dir(&blocked).unwrap();
    fs::write(blocked.join("in the way"), "").unwrap();
    // A folder that is not empty cannot be replaced by a file.
    let error = small().write(&blocked).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(TensorFile::read(&path).is_ok());
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_whom_the_umask_allows() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = written(&small());
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}
