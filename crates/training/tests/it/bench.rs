//! A run in a folder of its own that can be stopped, killed and looked at.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use ontogeny_model::device::{self, Chosen, DeviceChoice};
use ontogeny_store::{CheckpointFolder, RUN_SCHEMA, RunFolder, RunManifest, StateFolder, Step};
use ontogeny_training::config::RunConfig;
use ontogeny_training::observer::{Observer, Progress};
use ontogeny_training::{
    Densified, Interrupter, Run, TrainingError, TrainingOutcome, densify, fork_states, train,
};
use tempfile::TempDir;

/// A configuration that is trained in a blink and still makes use of a learning-rate schedule,
/// clipping, decay and a change of source. More may be put behind it.
pub const SMALL: &str = r#"
seeds = [3, 5]

[model]
n_layers = 1
n_heads = 2
d_model = 8
n_ctx = 12

[data]
kind = "ngram_induction"
d_vocab = 12
n_triggers = 2

[training]
steps = 24
batch = 4
lr = 1e-2
weight_decay = 0.1
clip = 1.0
schedule = "cosine"
warmup = 4

[checkpoints]
log = 5
every = 6

[state]
seconds = 0
every = 7
log = 4

[[phases]]
at = 10
data = { kind = "ngram_induction", d_vocab = 12, n_triggers = 0, seed = 1 }
"#;

/// The bytes of files, by their path in a run's folder.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A run and where it lies.
pub struct Bench {
    /// Removed with what lies in it when this is dropped.
    _place: TempDir,
    pub run: Run,
    pub folder: RunFolder,
}

/// When a call of `train` is to end.
#[derive(Clone, Copy)]
pub enum Until {
    /// By itself.
    Complete,
    /// By an interruption once the group of this number has done so many updates.
    Stopped { group: usize, after: u64 },
    /// There too, but as by `kill -9`: what is on disk at that moment is all that is left.
    Killed { group: usize, after: u64 },
}

/// What an observer was told.
#[derive(Default)]
pub struct Heard {
    /// Replicas, first step and last step of each group.
    pub begun: Vec<(Vec<String>, u64, u64)>,
    /// Steps of which metrics were written, of all groups.
    pub metrics: Vec<u64>,
    /// Replicas that were frozen, and where.
    pub frozen: Vec<(String, u64)>,
    /// Step at which each group ended, and whether it was interrupted.
    pub ended: Vec<(u64, bool)>,
}

struct Watcher<'a> {
    until: Until,
    folder: &'a RunFolder,
    /// What was on disk when the run was killed.
    left: Files,
    interrupter: &'a Interrupter,
    heard: Heard,
}

impl<'a> Watcher<'a> {
    fn new(until: Until, folder: &'a RunFolder, interrupter: &'a Interrupter) -> Self {
        Self {
            until,
            folder,
            left: Files::new(),
            interrupter,
            heard: Heard::default(),
        }
    }
}

impl Observer for Watcher<'_> {
    fn begin(&mut self, replicas: &[String], step: Step, last: Step) {
        self.heard.begun.push((replicas.to_vec(), step.0, last.0));
    }

    fn step(&mut self, step: Step) {
        let here = (self.heard.begun.len() - 1, step.0);
        match self.until {
            Until::Stopped { group, after } if here == (group, after) => {
                self.interrupter.stop(Some("a test"));
            }
            Until::Killed { group, after } if here == (group, after) => {
                self.left = files(self.folder.root());
                // Unwinds without the message of a panic.
                resume_unwind(Box::new(()));
            }
            _ => {}
        }
    }

    fn metrics(&mut self, progress: &Progress<'_>) {
        self.heard.metrics.push(progress.step.0);
    }

    fn frozen(&mut self, replica: &str, step: u64) {
        self.heard.frozen.push((replica.to_owned(), step));
    }

    fn end(&mut self, step: Step, interrupted: bool) {
        self.heard.ended.push((step.0, interrupted));
    }
}

impl Bench {
    /// Builds the run that a text describes, in a folder of its own.
    pub fn new(text: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let loaded = RunConfig::parse(text, "config.toml", "bench", place.path(), &[])
            .unwrap_or_else(|error| panic!("{text}\n{error}"));
        let run = Run::build(&loaded, &place.path().join("cache")).unwrap();
        let folder = create(&run, &place);
        Self {
            _place: place,
            run,
            folder,
        }
    }

    /// Builds the run that goes on from step `at` of this one with some keys changed, in a folder
    /// of its own, with the state to begin with.
    pub fn fork(&self, at: u64, set: &[&str]) -> Result<Self, TrainingError> {
        let place = tempfile::tempdir().unwrap();
        let origin = format!(
            "fork={{ run = \"parent\", at = {at}, key = \"{}\" }}",
            self.run.key
        );
        let mut overrides: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        overrides.push(origin);
        let loaded = RunConfig::load(&self.folder.config_toml(), &overrides)?;
        let run = Run::build(&loaded, &place.path().join("cache"))?;
        let (chosen, interrupter) = (cpu(), Interrupter::new());
        let mut watcher = Watcher::new(Until::Complete, &self.folder, &interrupter);
        let parent = (&self.run, &self.folder);
        let states = fork_states(
            parent,
            (&run, &loaded),
            Step(at),
            &chosen,
            &interrupter,
            &mut watcher,
        )?
        .unwrap();
        let folder = create(&run, &place);
        for (group, state) in run.groups.iter().zip(states) {
            let states = StateFolder::create(group.place(folder.state())).unwrap();
            states.write(Step(at), &state, true).unwrap();
        }
        Ok(Self {
            _place: place,
            run,
            folder,
        })
    }

    /// Replays, to add checkpoints at the given steps of every group; `None` if it was killed.
    pub fn densify(
        &self,
        wanted: &[u64],
        until: Until,
    ) -> (Option<Result<Vec<Densified>, TrainingError>>, Heard) {
        let wanted: Vec<Step> = wanted.iter().copied().map(Step).collect();
        let wanted = vec![wanted; self.run.groups.len()];
        self.watched(until, |chosen, interrupter, watcher| {
            densify(
                &self.run,
                &self.folder,
                &wanted,
                chosen,
                interrupter,
                watcher,
            )
        })
    }

    /// A run that was trained to its end in one go.
    pub fn trained(text: &str) -> Self {
        let bench = Self::new(text);
        let (outcome, _) = bench.train(Until::Complete);
        assert_eq!(outcome.unwrap().interrupted_at, None);
        bench
    }

    /// Trains, or goes on training; the outcome is `None` if it was killed.
    pub fn train(&self, until: Until) -> (Option<TrainingOutcome>, Heard) {
        let (outcome, heard) = self.watched(until, |chosen, interrupter, watcher| {
            train(&self.run, &self.folder, chosen, interrupter, watcher).unwrap()
        });
        (outcome, heard)
    }

    /// Does something while it is watched.
    fn watched<T>(
        &self,
        until: Until,
        what: impl FnOnce(&Chosen, &Interrupter, &mut Watcher<'_>) -> T,
    ) -> (Option<T>, Heard) {
        let (chosen, interrupter) = (cpu(), Interrupter::new());
        let mut watcher = Watcher::new(until, &self.folder, &interrupter);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            what(&chosen, &interrupter, &mut watcher)
        }));
        let Watcher { heard, left, .. } = watcher;
        match outcome {
            Ok(outcome) => (Some(outcome), heard),
            Err(_) if !left.is_empty() => {
                // Unwinding has written buffers that a killed process would have lost.
                std::fs::remove_dir_all(self.folder.root()).unwrap();
                for (path, bytes) in left {
                    let path = self.folder.root().join(path);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, bytes).unwrap();
                }
                (None, heard)
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Trains a run that may be refused.
    pub fn attempt(&self) -> Result<TrainingOutcome, TrainingError> {
        let interrupter = Interrupter::new();
        let mut watcher = Watcher::new(Until::Complete, &self.folder, &interrupter);
        train(&self.run, &self.folder, &cpu(), &interrupter, &mut watcher)
    }

    /// Everything that does not depend on how often the run was interrupted: checkpoints, metrics
    /// and states that are kept for good, as bytes by path.
    fn results(&self) -> Files {
        let mut files = files(self.folder.root());
        files.retain(|path, _| {
            let part = |name: &str| path.components().any(|c| c.as_os_str() == name);
            part("checkpoints") || part("metrics.jsonl") || part("kept")
        });
        files
    }

    /// The checkpoints of a group, or of the only one.
    pub fn checkpoints(&self, group: usize) -> CheckpointFolder {
        let place = self.run.groups[group].place(self.folder.checkpoints());
        CheckpointFolder::open(place).unwrap()
    }

    /// The states of a group, or of the only one.
    pub fn states(&self, group: usize) -> StateFolder {
        StateFolder::open(self.run.groups[group].place(self.folder.state()))
    }

    /// Lines of metrics as they are written, those of the given replica.
    pub fn metrics_of(&self, replica: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.metrics()).unwrap();
        let own = format!("\"replica\":\"{replica}\"");
        text.lines()
            .filter(|line| line.contains(&own))
            .map(str::to_owned)
            .collect()
    }

    /// Compares all results with those of another run, and the newest states.
    pub fn assert_same(&self, other: &Self, place: &str) {
        let (found, expected) = (self.results(), other.results());
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{place}");
        for (path, bytes) in &found {
            assert!(
                *bytes == expected[path],
                "{place}: {} differs",
                path.display()
            );
        }
        for group in 0..self.run.groups.len() {
            let newest = |bench: &Self| bench.states(group).latest().unwrap().unwrap();
            let ((step, state), (other_step, other_state)) = (newest(self), newest(other));
            assert_eq!(step, other_step, "{place}");
            assert_eq!(
                state.key(),
                other_state.key(),
                "{place}: the last states differ"
            );
        }
    }
}

fn cpu() -> Chosen {
    device::open(DeviceChoice::Cpu).unwrap()
}

/// The folder of a new run.
fn create(run: &Run, place: &TempDir) -> RunFolder {
    let manifest = RunManifest {
        schema: RUN_SCHEMA,
        name: run.config.name.clone(),
        config_key: run.key,
        device_kind: "cpu".to_owned(),
        version: "0.0.0".to_owned(),
        created: "2000-01-01T00:00:00Z".to_owned(),
        replicas: run.replicas().map(|r| r.entry.clone()).collect(),
    };
    RunFolder::create(place.path().join("run"), &run.resolved_toml, &manifest).unwrap()
}

/// Every file below a folder.
pub fn files(root: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
