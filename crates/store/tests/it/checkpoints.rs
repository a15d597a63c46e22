//! Checkpoints: written with the replica axis, verified when read, cut out and exported.

use std::fs;
use std::path::Path;

use ontogeny_store::{Checkpoint, CheckpointFolder, Key, KeyBuilder, Step, StoreError, TensorFile};
use serde_json::{Value, json};

use crate::tensor;

fn config() -> Value {
    json!({ "n_layers": 2, "scale": 0.1, "act": "relu", "rate": 1.0 })
}

fn checkpoint(step: u64) -> Checkpoint {
    let mut tensors = vec![
        tensor("embed.W_E", &[3, 4, 2]),
        tensor("blocks.0.ln1.w", &[3, 2]),
        tensor("temperature", &[3]),
    ];
    tensors[0].data[0] = step as f32;
    // A frozen replica may hold anything.
    tensors[1].data[2] = f32::INFINITY;
    Checkpoint {
        step: Step(step),
        replicas: ["base-1", "base-2", "wide-1"].map(str::to_owned).to_vec(),
        config: config(),
        tensors,
    }
}

fn message(result: Result<impl Sized, StoreError>, expected: &str) {
    let error = result.err().expect(expected);
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn comes_back_as_it_was() {
    let run = tempfile::tempdir().unwrap();
    let path = run.path().join("checkpoints");
    let folder = CheckpointFolder::create(&path, &config()).unwrap();
    assert_eq!(folder.list().unwrap(), []);
    let entries = [100, 0, 7].map(|step| folder.write(&checkpoint(step)).unwrap());
    assert!(
        entries[0]
            .path
            .ends_with("checkpoints/step-0000000100.safetensors")
    );

    let folder = CheckpointFolder::open(&path).unwrap();
    assert_eq!(folder.config(), &config());
    let [hundred, zero, seven] = entries;
    assert_eq!(folder.list().unwrap(), [zero, seven.clone(), hundred]);
    assert_eq!(folder.read(Step(7)).unwrap(), checkpoint(7));
    let (read, key) = Checkpoint::read(&seven.path).unwrap();
    assert_eq!((read, key), (checkpoint(7), seven.hash));
}

#[test]
fn writing_again_gives_the_same_bytes_and_other_weights_another_hash() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    let first = folder.write(&checkpoint(5)).unwrap();
    let bytes = fs::read(&first.path).unwrap();
    assert_eq!(folder.write(&checkpoint(5)).unwrap(), first);
    assert_eq!(fs::read(&first.path).unwrap(), bytes);
    let mut other = checkpoint(5);
    other.tensors[2].data[1] += 1.0;
    assert_ne!(folder.write(&other).unwrap().hash, first.hash);
    assert_eq!(folder.read(Step(5)).unwrap(), other);
}

#[test]
fn a_checkpoint_cut_at_any_length_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    let entry = folder.write(&checkpoint(5)).unwrap();
    let bytes = fs::read(&entry.path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&entry.path, &bytes[..length]).unwrap();
        message(
            folder.read(Step(5)),
            "step-0000000005.safetensors` is truncated",
        );
    }
}

#[test]
fn one_replica_has_the_classic_shapes() {
    let whole = checkpoint(5);
    for (index, name) in whole.replicas.iter().enumerate() {
        let one = whole.select(name).unwrap();
        assert_eq!(one.replicas, std::slice::from_ref(name));
        assert_eq!(one.config, whole.config);
        let shapes: Vec<&[usize]> = one.tensors.iter().map(|t| &*t.shape).collect();
        assert_eq!(shapes, [&[4, 2][..], &[2], &[]]);
        for (one, whole) in one.tensors.iter().zip(&whole.tensors) {
            let size = whole.data.len() / 3;
            assert_eq!(one.data, whole.data[index * size..][..size]);
        }
    }
    message(
        whole.select("wide-2"),
        "`wide-2`; the replicas are base-1, base-2, wide-1",
    );
}

#[test]
fn export_writes_weights_and_config() {
    let run = tempfile::tempdir().unwrap();
    let target = run.path().join("a").join("b");
    let path = checkpoint(5).export("base-2", &target).unwrap();
    assert_eq!(path, target.join("model.safetensors"));
    let (file, _) = TensorFile::read(&path).unwrap();
    assert_eq!(
        file.tensors,
        checkpoint(5).select("base-2").unwrap().tensors
    );
    assert_eq!(file.metadata["replica"], "base-2");
    let written = fs::read_to_string(target.join("config.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), config());
    // Again into the same folder is fine, over something else it is not.
    checkpoint(6).export("base-1", &target).unwrap();
    fs::write(target.join("config.json"), "{}").unwrap();
    message(
        checkpoint(6).export("base-1", &target),
        "belongs to something else",
    );
    message(
        checkpoint(6).export("nobody", &run.path().join("c")),
        "`nobody`",
    );
    assert!(!run.path().join("c").exists());
    // An export is not a checkpoint of a run.
    message(Checkpoint::read(&path), "not a checkpoint of a run");
}

#[test]
fn what_does_not_fit_is_not_written() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    let check = |change: &dyn Fn(&mut Checkpoint), expected: &str| {
        let mut changed = checkpoint(5);
        change(&mut changed);
        message(folder.write(&changed), expected);
    };
    check(
        &|c| c.tensors[0].shape = vec![4, 3, 2],
        "tensor `embed.W_E` has shape [4, 3, 2]; its leading axis should be the 3 replicas",
    );
    check(
        &|c| c.tensors[0].shape = vec![3, 4, 3],
        "has shape [3, 4, 3] but 24 elements",
    );
    check(&|c| c.tensors[0].shape.clear(), "has shape []");
    check(
        &|c| c.replicas.truncate(2),
        "leading axis should be the 2 replicas",
    );
    check(&|c| c.replicas.clear(), "lists no replica");
    check(
        &|c| c.replicas[1] = "base-1".to_owned(),
        "lists `base-1` twice",
    );
    check(&|c| c.replicas[1].clear(), "without a name");
    check(
        &|c| c.config["n_layers"] = json!(3),
        "another network configuration",
    );
    assert_eq!(folder.list().unwrap(), []);
}

#[test]
fn a_folder_is_for_one_network() {
    let run = tempfile::tempdir().unwrap();
    CheckpointFolder::create(run.path(), &config()).unwrap();
    CheckpointFolder::create(run.path(), &config()).unwrap();
    let other = json!({ "n_layers": 3 });
    message(
        CheckpointFolder::create(run.path(), &other),
        "belongs to something else",
    );
    fs::write(run.path().join("config.json"), "{\n  \"n_layers\": ,\n}").unwrap();
    let error = CheckpointFolder::open(run.path()).unwrap_err();
    assert_eq!(error.position().map(|p| p.0), Some(2), "{error}");
    message(
        CheckpointFolder::open(run.path().join("absent")),
        "cannot read",
    );
}

#[test]
fn a_config_that_was_changed_is_noticed_and_a_file_alone_suffices() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    let entry = folder.write(&checkpoint(5)).unwrap();
    let beside = run.path().join("config.json");
    fs::write(&beside, "{}").unwrap();
    message(
        Checkpoint::read(&entry.path),
        "another network configuration",
    );
    fs::remove_file(&beside).unwrap();
    assert_eq!(Checkpoint::read(&entry.path).unwrap().0, checkpoint(5));
}

#[test]
fn a_renamed_file_is_noticed() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    fs::rename(
        folder.write(&checkpoint(5)).unwrap().path,
        folder.path_of(Step(6)),
    )
    .unwrap();
    message(
        folder.read(Step(6)),
        "entry `step` is 5, but the file's name says 6",
    );
    message(folder.list(), "entry `step` is 5");
    message(folder.read(Step(5)), "no step 5; it holds step 6 alone");
}

#[test]
fn files_of_another_kind_are_told_apart() {
    let run = tempfile::tempdir().unwrap();
    let path = run.path().join("x.safetensors");
    let check = |metadata: &[(&str, &str)], expected: &str| {
        let metadata = metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let file = TensorFile {
            metadata: metadata.collect(),
            tensors: vec![tensor("w", &[2])],
        };
        file.write(&path).unwrap();
        message(Checkpoint::read(&path), expected);
    };
    let schema = ("schema", "checkpoint/1");
    let step = ("step", "3");
    let replicas = ("replicas", r#"["a", "b"]"#);
    check(
        &[],
        "entry `schema` is missing: the file is not a checkpoint",
    );
    check(
        &[("schema", "checkpoint/2")],
        "is `checkpoint/2`, this version reads `checkpoint/1`",
    );
    check(&[schema], "entry `step` is missing");
    check(&[schema, ("step", "-1")], "entry `step` is not a step");
    check(
        &[schema, step, ("replicas", "[1]")],
        "entry `replicas` is not a list of names",
    );
    check(&[schema, step, ("replicas", "[]")], "lists no replica");
    check(&[schema, step, replicas], "entry `config` is missing");
    check(
        &[schema, step, replicas, ("config", "{")],
        "entry `config` is not JSON",
    );
    check(
        &[schema, step, ("replicas", r#"["a"]"#), ("config", "{}")],
        "leading axis should be the 1 replicas",
    );
}

#[test]
fn later_checkpoints_can_be_removed() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    for step in [0, 5, 10, 20] {
        folder.write(&checkpoint(step)).unwrap();
    }
    folder.remove_after(Step(5)).unwrap();
    let steps: Vec<Step> = folder
        .list()
        .unwrap()
        .iter()
        .map(|entry| entry.step)
        .collect();
    assert_eq!(steps, [0, 5].map(Step));
    assert!(Path::exists(&run.path().join("config.json")));
}

#[test]
fn half_written_files_go_when_a_writer_comes() {
    let run = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(run.path(), &config()).unwrap();
    folder.write(&checkpoint(5)).unwrap();
    let half = run.path().join(".partial-x");
    fs::write(&half, "half").unwrap();
    assert_eq!(
        CheckpointFolder::open(run.path())
            .unwrap()
            .list()
            .unwrap()
            .len(),
        1
    );
    assert!(half.exists());
    CheckpointFolder::create(run.path(), &config()).unwrap();
    assert!(!half.exists());
    assert_eq!(folder.list().unwrap().len(), 1);
}

fn run_key(name: &str) -> Key {
    KeyBuilder::new(name).finish()
}

#[test]
fn a_checkpoint_names_its_run_and_is_refused_in_anothers_folder() {
    let places = tempfile::tempdir().unwrap();
    let folder = |name: &str, run: &str| {
        let folder = CheckpointFolder::create(places.path().join(name), &config()).unwrap();
        folder.of_run(run_key(run))
    };
    let (one, other) = (folder("one", "one"), folder("other", "other"));
    let entry = one.write(&checkpoint(5)).unwrap();
    assert_eq!(entry.run, Some(run_key("one")));
    assert_eq!(one.list().unwrap(), std::slice::from_ref(&entry));
    assert_eq!(one.read(Step(5)).unwrap(), checkpoint(5));
    // The key is no part of the content: the same weights have the same hash in every run.
    let nobodys = CheckpointFolder::create(places.path().join("nobody"), &config()).unwrap();
    assert_eq!(nobodys.write(&checkpoint(5)).unwrap().hash, entry.hash);
    assert_eq!(Checkpoint::read(&entry.path).unwrap().1, entry.hash);

    fs::copy(&entry.path, other.path_of(Step(5))).unwrap();
    message(other.list(), "was written by another run");
    message(other.read(Step(5)), "was written by another run");
    let place = other.path_of(Step(5));
    message(
        Checkpoint::check_place(&place, &run_key("other")),
        "another run",
    );
    // Under another step's name it is told from the name.
    fs::rename(&place, other.path_of(Step(6))).unwrap();
    let told = "is 5, but the file's name says 6";
    let place = other.path_of(Step(6));
    message(Checkpoint::check_place(&place, &run_key("one")), told);
    fs::remove_file(place).unwrap();

    // One that does not say whose it is, as the first version wrote them.
    fs::copy(nobodys.path_of(Step(5)), other.path_of(Step(5))).unwrap();
    let listed = other.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].run, None);
    assert_eq!(other.read(Step(5)).unwrap(), checkpoint(5));
}

#[test]
fn a_runs_folder_does_without_the_configuration_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let written = CheckpointFolder::create(place.path(), &config()).unwrap();
    written
        .of_run(run_key("one"))
        .write(&checkpoint(5))
        .unwrap();
    let open = || CheckpointFolder::open_for(place.path(), &config(), run_key("one"));
    let beside = place.path().join("config.json");
    fs::remove_file(&beside).unwrap();
    assert_eq!(open().unwrap().read(Step(5)).unwrap(), checkpoint(5));
    for wrong in ["{}", "{"] {
        fs::write(&beside, wrong).unwrap();
        message(open(), "delete it, and it is made again");
    }
}
