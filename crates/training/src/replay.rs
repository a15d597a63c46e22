//! A stretch of a run again, from a state that was kept, bit for bit.
//!
//! A replay begins at the last whole state before the stretch. Wherever it comes by a checkpoint
//! that the run wrote, the weights must have the same bits. What a replay adds is written aside,
//! and takes its name when the next of these has been met.

use ontogeny_model::device::Chosen;
use ontogeny_store::{Checkpoint, CheckpointFolder, NamedTensor, RunFolder, StateFolder, Step};

use crate::Interrupter;
use crate::course::Course;
use crate::error::TrainingError;
use crate::observer::Observer;
use crate::run::{Group, Run};
use crate::train::{checkpoint, misfit};

/// What a replay added to a group's checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Densified {
    /// Steps that have a checkpoint now and had none.
    pub added: Vec<Step>,
    /// Steps that were asked for and had one.
    pub present: Vec<Step>,
    /// Checkpoints of the run that the replay met, bit for bit.
    pub met: Vec<Step>,
    /// Updates that were done again.
    pub replayed: u64,
    /// Where it was interrupted, if it was.
    pub interrupted_at: Option<Step>,
}

/// The last step of a group that is sure to stay: its last, or that of the state from which it will
/// go on.
///
/// # Errors
/// A folder that cannot be listed.
pub fn reached(group: &Group, folder: &RunFolder) -> Result<Step, TrainingError> {
    let last = Step(group.training.steps);
    if steps_of(group, folder)?.contains(&last) {
        return Ok(last);
    }
    let states = StateFolder::open(group.place(folder.state())).steps()?;
    Ok(states.last().copied().unwrap_or_default())
}

/// Steps at which a group should have a checkpoint by the run's schedule and has none, so far as
/// it was trained: its files were deleted. A group whose turn has not come lacks nothing.
///
/// # Errors
/// A folder that cannot be listed.
pub fn missing(run: &Run, group: &Group, folder: &RunFolder) -> Result<Vec<Step>, TrainingError> {
    // What a training beside writes meanwhile is then there, and not taken for missing.
    let reached = reached(group, folder)?;
    let states = StateFolder::open(group.place(folder.state())).steps()?;
    let there = steps_of(group, folder)?;
    if there.is_empty() && states.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = run.schedule.steps().iter().copied();
    Ok(wanted
        .filter(|step| *step <= reached && there.binary_search(step).is_err())
        .collect())
}

/// Steps of which a group has a checkpoint, ascending, by the files' names.
fn steps_of(group: &Group, folder: &RunFolder) -> Result<Vec<Step>, TrainingError> {
    let place = group.place(folder.checkpoints());
    Ok(CheckpointFolder::steps_at(&place)?)
}

/// Adds checkpoints at the steps of `wanted`, a list for each group of the run; what is there
/// already stays. The caller holds the run's lock. States, metrics and the manifest are left alone.
///
/// # Errors
/// [`TrainingError::Unreached`] for steps that the run has not come to; [`TrainingError::Replay`]
/// if the weights do not come out as the run's own, in which case all that this call added is
/// removed again; a fork that has no state so early; anything that keeps the folder from being read
/// or written.
pub fn densify(
    run: &Run,
    folder: &RunFolder,
    wanted: &[Vec<Step>],
    chosen: &Chosen,
    interrupter: &Interrupter,
    observer: &mut dyn Observer,
) -> Result<Vec<Densified>, TrainingError> {
    let mut all: Vec<(CheckpointFolder, Densified)> = Vec::new();
    for (group, wanted) in run.groups.iter().zip(wanted) {
        let mut replay = Replay::open(run, group, folder, chosen)?;
        let ended = replay.add(wanted, interrupter, observer);
        let stopped = replay.done.interrupted_at.is_some();
        all.push((replay.checkpoints, replay.done));
        if let Err(error) = ended {
            if matches!(error, TrainingError::Replay { .. }) {
                for (checkpoints, done) in &all {
                    for step in &done.added {
                        checkpoints.remove(*step)?;
                    }
                }
            }
            return Err(error);
        }
        if stopped {
            break;
        }
    }
    Ok(all.into_iter().map(|(_, done)| done).collect())
}

/// A group that is moved again.
pub(crate) struct Replay<'a> {
    run: &'a Run,
    group: &'a Group,
    folder: &'a RunFolder,
    chosen: &'a Chosen,
    checkpoints: CheckpointFolder,
    states: StateFolder,
    /// Steps of the checkpoints that the run wrote, so far as they are sure to stay.
    landmarks: Vec<Step>,
    reached: Step,
    course: Option<Course<'a>>,
    /// Where the course was taken up.
    from: Step,
    /// Checkpoints that no later one has confirmed yet.
    aside: Vec<Step>,
    done: Densified,
}

impl<'a> Replay<'a> {
    /// Opens a group's folders to write into.
    fn open(
        run: &'a Run,
        group: &'a Group,
        folder: &'a RunFolder,
        chosen: &'a Chosen,
    ) -> Result<Self, TrainingError> {
        let reached = reached(group, folder)?;
        let checkpoints = group.checkpoints(run, folder)?;
        Self::over(run, group, folder, chosen, checkpoints, reached)
    }

    /// Opens a group's folders to read from.
    pub(crate) fn read_only(
        run: &'a Run,
        group: &'a Group,
        folder: &'a RunFolder,
        chosen: &'a Chosen,
    ) -> Result<Self, TrainingError> {
        let reached = reached(group, folder)?;
        let checkpoints = group.written_checkpoints(run, folder)?;
        Self::over(run, group, folder, chosen, checkpoints, reached)
    }

    fn over(
        run: &'a Run,
        group: &'a Group,
        folder: &'a RunFolder,
        chosen: &'a Chosen,
        checkpoints: CheckpointFolder,
        reached: Step,
    ) -> Result<Self, TrainingError> {
        let mut landmarks = checkpoints.steps()?;
        landmarks.retain(|&step| step <= reached);
        Ok(Self {
            run,
            group,
            folder,
            chosen,
            checkpoints,
            states: StateFolder::open(group.place(folder.state())).of_run(run.key),
            landmarks,
            reached,
            course: None,
            from: Step(0),
            aside: Vec::new(),
            done: Densified::default(),
        })
    }

    /// Puts the course at the last whole state that is not after `by`, unless it is already between
    /// the two.
    pub(crate) fn take_up(&mut self, by: Step) -> Result<&mut Course<'a>, TrainingError> {
        let here = self.course.as_ref().map(|course| course.step);
        let here = here.filter(|&step| step <= by);
        let states = self.states.steps()?;
        for &at in states.iter().rev().filter(|&&at| at <= by) {
            if here.is_some_and(|here| at <= here) {
                break;
            }
            let state = match self.states.at(at) {
                Ok(state) => state,
                Err(damage) => {
                    tracing::warn!("passing over a damaged state: {damage}");
                    continue;
                }
            };
            let mut course = Course::start(self.group, self.chosen)?;
            course.take_up(at, &state).map_err(misfit(self.folder))?;
            self.from = at;
            return Ok(self.course.insert(course));
        }
        match (here, self.course.take()) {
            (Some(_), Some(course)) => Ok(self.course.insert(course)),
            _ => {
                if let Some(fork) = &self.run.config.fork {
                    return Err(misfit(self.folder)(format!(
                        "there is none at or before step {by}; the run goes on from step {} of {}",
                        fork.at,
                        fork.run.display()
                    )));
                }
                self.from = Step(0);
                let course = Course::start(self.group, self.chosen)?;
                Ok(self.course.insert(course))
            }
        }
    }

    /// Adds checkpoints at steps that have none.
    fn add(
        &mut self,
        wanted: &[Step],
        interrupter: &Interrupter,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainingError> {
        let there = |step: &Step| self.landmarks.binary_search(step).is_ok();
        let (present, mut missing): (Vec<Step>, Vec<Step>) = wanted.iter().partition(|s| there(s));
        self.done.present = present;
        missing.sort_unstable();
        missing.dedup();
        // Gaps between landmarks that something is missing in, each with the landmark at its end.
        let mut gaps: Vec<(Step, Vec<Step>)> = Vec::new();
        for step in missing {
            let after = self.landmarks.partition_point(|&l| l < step);
            let Some(&end) = self.landmarks.get(after) else {
                return Err(TrainingError::Unreached {
                    path: self.folder.root().to_owned(),
                    step,
                    reached: self.landmarks.last().copied().unwrap_or_default(),
                });
            };
            match gaps.last_mut() {
                Some((last, steps)) if *last == end => steps.push(step),
                _ => gaps.push((end, vec![step])),
            }
        }
        let Some(&(last, _)) = gaps.last() else {
            return Ok(());
        };
        let mut watched_from = None;
        for (end, steps) in gaps {
            let at = self.take_up(steps[0])?.step;
            if watched_from != Some(self.from) {
                observer.begin(&self.group.names(), at, last);
                watched_from = Some(self.from);
            }
            if !self.go(end, &steps, interrupter, observer)? {
                break;
            }
        }
        let step = self.course.as_ref().map_or(last, |course| course.step);
        observer.end(step, self.done.interrupted_at.is_some());
        Ok(())
    }

    /// Moves the course to `to`, writing `add` aside and comparing at every landmark; at each, what
    /// lies aside is taken in. Whether it came there.
    pub(crate) fn go(
        &mut self,
        to: Step,
        add: &[Step],
        interrupter: &Interrupter,
        observer: &mut dyn Observer,
    ) -> Result<bool, TrainingError> {
        let ended = self.moved(to, add, interrupter, observer);
        for step in self.aside.drain(..) {
            self.checkpoints.discard(step);
        }
        ended
    }

    fn moved(
        &mut self,
        to: Step,
        add: &[Step],
        interrupter: &Interrupter,
        observer: &mut dyn Observer,
    ) -> Result<bool, TrainingError> {
        let Some(course) = &mut self.course else {
            return Ok(false);
        };
        loop {
            let step = course.step;
            let landmark = self.landmarks.binary_search(&step).is_ok();
            if landmark && self.done.met.last() != Some(&step) {
                let kept = self.checkpoints.read(step)?;
                if let Some((replica, tensor)) = difference(&kept, &course.weights()?) {
                    return Err(TrainingError::Replay {
                        path: self.checkpoints.path_of(step),
                        from: self.from,
                        step,
                        replica,
                        tensor,
                    });
                }
                self.done.met.push(step);
                for step in self.aside.drain(..) {
                    self.checkpoints.take_in(step)?;
                    self.done.added.push(step);
                }
            }
            if !landmark && add.contains(&step) {
                self.checkpoints
                    .write_aside(&checkpoint(course, &self.checkpoints)?)?;
                self.aside.push(step);
            }
            if step >= to {
                return Ok(true);
            }
            if interrupter.should_stop() {
                self.done.interrupted_at = Some(step);
                return Ok(false);
            }
            course.update();
            self.done.replayed += 1;
            observer.step(course.step);
        }
    }

    /// The last step that is sure to stay.
    pub(crate) fn reached(&self) -> Step {
        self.reached
    }

    /// Where the course stands, if it was taken up.
    pub(crate) fn into_course(self) -> Option<Course<'a>> {
        self.course
    }
}

/// The first replica and tensor whose bits are not those of the checkpoint.
fn difference(kept: &Checkpoint, found: &[NamedTensor]) -> Option<(String, String)> {
    for tensor in found {
        let other = kept.tensors.iter().find(|t| t.name == tensor.name);
        let other = other.filter(|t| t.shape == tensor.shape);
        let size = (tensor.data.len() / kept.replicas.len().max(1)).max(1);
        let same = |i: usize| {
            other.is_some_and(|o| {
                let bits = |data: &[f32]| -> Vec<u32> {
                    let own = data.chunks(size).nth(i).unwrap_or_default();
                    own.iter().map(|x| x.to_bits()).collect()
                };
                bits(&o.data) == bits(&tensor.data)
            })
        };
        if let Some(i) = (0..kept.replicas.len()).find(|&i| !same(i)) {
            return Some((kept.replicas[i].clone(), tensor.name.clone()));
        }
    }
    None
}
