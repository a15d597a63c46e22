//! Looking on while a run is trained: checkpoints are measured as they appear, and boundaries
//! between stages are announced when they have become sure.
//!
//! Nothing flows back into the training, and nothing is measured twice: what is found here lies
//! where the analysis looks for it. Where a core is idle the monitor uses it; where none is, or on
//! a GPU, it rests between measurements so that it takes `stages.online_share` of the time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::Result;
use ontogeny_analysis::stages::{
    AnnouncementKind, Announcer, Boundary, StageName, StageSettings, detect,
};
use ontogeny_analysis::table::MeasureRow;
use ontogeny_analysis::{AnalysisError, Follower, GroupPlan, Plan};
use ontogeny_model::device::Chosen;
use ontogeny_model::gradient;
use ontogeny_store::{CheckpointEntry, RunFolder, Step};
use ontogeny_training::Run;
use ontogeny_training::observer::{Observer, Progress};
use serde::Serialize;

use crate::commands::analyze;
use crate::place;

/// What was announced, in the analysis folder.
const ANNOUNCED: &str = "online.json";

/// What the monitor has to say to whoever watches the training.
enum News {
    /// The present stages.
    Stage(String),
    /// A boundary.
    Boundary(String),
}

/// A checkpoint of a group.
#[derive(Clone)]
struct Written {
    group: usize,
    entry: CheckpointEntry,
}

/// An observer that tells the monitor of checkpoints and passes on what it says.
pub struct Watched<'a> {
    inner: Box<dyn Observer>,
    groups_begun: usize,
    checkpoints: Sender<Written>,
    news: Receiver<News>,
    clock: &'a Clock,
}

/// Where training stands, for the monitor to read.
#[derive(Default)]
pub struct Clock {
    step: AtomicU64,
    last: AtomicU64,
    over: AtomicBool,
}

impl Clock {
    /// Training is over: the monitor finishes what it is at and goes.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl Watched<'_> {
    fn pass_on(&mut self) {
        loop {
            match self.news.try_recv() {
                Ok(News::Stage(present)) => self.inner.stage(&present),
                Ok(News::Boundary(sentence)) => self.inner.boundary(&sentence),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Observer for Watched<'_> {
    fn begin(&mut self, replicas: &[String], step: Step, last: Step) {
        self.groups_begun += 1;
        self.clock.step.store(step.0, Ordering::Relaxed);
        self.clock.last.store(last.0, Ordering::Relaxed);
        self.inner.begin(replicas, step, last);
    }

    fn step(&mut self, step: Step) {
        self.clock.step.store(step.0, Ordering::Relaxed);
        self.inner.step(step);
    }

    fn metrics(&mut self, progress: &Progress<'_>) {
        self.pass_on();
        self.inner.metrics(progress);
    }

    fn checkpoint(&mut self, entry: &CheckpointEntry) {
        // A monitor that has given up hears nothing more.
        let _ = self.checkpoints.send(Written {
            group: self.groups_begun.saturating_sub(1),
            entry: entry.clone(),
        });
        self.inner.checkpoint(entry);
    }

    fn frozen(&mut self, replica: &str, step: u64) {
        self.inner.frozen(replica, step);
    }

    fn end(&mut self, step: Step, interrupted: bool) {
        self.pass_on();
        self.inner.end(step, interrupted);
    }
}

/// The monitor of a run, to be run on a thread of its own.
pub struct Monitor<'a> {
    run: &'a Run,
    groups: Vec<GroupPlan>,
    folder: &'a RunFolder,
    chosen: &'a Chosen,
    clock: &'a Clock,
    checkpoints: Receiver<Written>,
    news: Sender<News>,
}

/// A monitor and the observer that feeds it.
pub fn pair<'a>(
    run: &'a Run,
    folder: &'a RunFolder,
    chosen: &'a Chosen,
    clock: &'a Clock,
    inner: Box<dyn Observer>,
) -> Result<(Monitor<'a>, Watched<'a>)> {
    // Before training begins: it sweeps these folders when it opens them.
    let groups = run
        .groups
        .iter()
        .map(|g| Ok(analyze::group_plan(run, g, g.checkpoints(run, folder)?)))
        .collect::<Result<_>>()?;
    let (tell, checkpoints) = std::sync::mpsc::channel();
    let (say, news) = std::sync::mpsc::channel();
    let monitor = Monitor {
        run,
        groups,
        folder,
        chosen,
        clock,
        checkpoints,
        news: say,
    };
    let watched = Watched {
        inner,
        groups_begun: 0,
        checkpoints: tell,
        news,
        clock,
    };
    Ok((monitor, watched))
}

impl Monitor<'_> {
    /// Measures and announces until training is over; a failure ends the monitor alone.
    pub fn watch(self) {
        let idle = self.idle_cores();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(idle.max(1))
            .build();
        let watched = match pool {
            // Work that splits itself up stays on the monitor's own threads.
            Ok(pool) => pool.install(move || self.follow(idle > 0)),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = watched {
            tracing::warn!("stages are no longer looked for during training: {error:#}");
        }
    }

    /// Cores that training leaves alone.
    fn idle_cores(&self) -> usize {
        if !self.chosen.is_cpu() {
            return 0;
        }
        let groups = self.run.groups.iter();
        let busy = groups
            .map(|g| {
                let sizes = [g.replicas.len(), g.training.batch];
                gradient::pieces(g.network.n_parameters(), sizes, g.network.n_ctx())
            })
            .max();
        rayon::current_num_threads().saturating_sub(busy.unwrap_or(1))
    }

    fn follow(&self, idle: bool) -> Result<()> {
        let groups = &self.groups;
        let settings = analyze::settings(&self.run.config.analysis);
        let every = settings.llc.as_ref().map(|l| l.every.max(1));
        let plan = Plan {
            groups,
            evals: &self.run.evals,
            settings: &settings,
            chosen: self.chosen,
            results: self.folder.analysis(),
            stop: &|| self.clock.is_over(),
            progress: &|_, _| (),
        };
        let follower = Follower::new(&plan);
        let mut waiting = Waiting::default();
        for (group, plan) in groups.iter().enumerate() {
            for entry in plan.checkpoints.list()? {
                waiting.add(Written { group, entry });
            }
        }
        let mut table = Table::new(analyze::stage_settings(&self.run.config.stages));
        let mut pace = Pace::new(idle, self.run.config.stages.online_share);
        while !self.clock.is_over() {
            waiting.extend(&self.checkpoints);
            let llc = every.filter(|_| pace.has_time_for_llc(self.clock));
            let Some((written, llc)) = waiting.next(llc) else {
                match self.checkpoints.recv_timeout(Duration::from_millis(50)) {
                    Ok(written) => waiting.add(written),
                    Err(RecvTimeoutError::Timeout) => (),
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                continue;
            };
            let begun = Instant::now();
            let rows = match follower.measure(&groups[written.group], &written.entry, llc) {
                Err(AnalysisError::Interrupted) => return Ok(()),
                rows => rows?,
            };
            table.add(rows);
            // While checkpoints wait, what is known is about to change.
            if waiting.is_up_to_date() {
                self.announce(&mut table)?;
            }
            pace.worked(begun.elapsed(), llc);
            pace.rest(self.clock);
        }
        Ok(())
    }

    /// Looks for boundaries in what is measured, and says what is new.
    fn announce(&self, table: &mut Table) -> Result<()> {
        let step = self.clock.step.load(Ordering::Relaxed);
        let before = table.announced.len();
        table.look(step);
        for said in &table.announced[before..] {
            // Whoever watched may be gone.
            let _ = self.news.send(News::Boundary(said.sentence()));
        }
        let _ = self.news.send(News::Stage(table.present()));
        if table.announced.len() > before {
            std::fs::create_dir_all(self.folder.analysis())?;
            place::write_json(
                &self.folder.analysis().join(ANNOUNCED),
                &serde_json::json!({
                    "schema": crate::commands::SCHEMA,
                    "announcements": table.announced,
                }),
            )?;
        }
        Ok(())
    }
}

/// Checkpoints that are still to be measured, each with its number in its group: they are written,
/// and listed, by rising steps.
#[derive(Default)]
struct Waiting {
    seen: BTreeSet<(usize, Step)>,
    /// Without behaviour, the newest last.
    fresh: Vec<(usize, Written)>,
    /// With behaviour but without λ̂, in the order in which they were measured.
    measured: Vec<(usize, Written)>,
}

impl Waiting {
    fn add(&mut self, written: Written) {
        let in_group = (written.group, Step(0))..(written.group + 1, Step(0));
        let number = self.seen.range(in_group).count();
        if self.seen.insert((written.group, written.entry.step)) {
            self.fresh.push((number, written));
        }
    }

    fn extend(&mut self, more: &Receiver<Written>) {
        for written in more.try_iter() {
            self.add(written);
        }
    }

    fn is_up_to_date(&self) -> bool {
        self.fresh.is_empty()
    }

    /// What is to be measured next, and whether with λ̂: behaviour first, the newest checkpoint
    /// first, since that is where a boundary may just have become visible. `every` is the stride of
    /// λ̂ where there is time for it.
    fn next(&mut self, every: Option<usize>) -> Option<(Written, bool)> {
        if let Some((number, written)) = self.fresh.pop() {
            self.measured.push((number, written.clone()));
            return Some((written, false));
        }
        let every = every?;
        let next = self.measured.iter().rposition(|(n, _)| n % every == 0)?;
        Some((self.measured.remove(next).1, true))
    }
}

/// How much the monitor may do.
struct Pace {
    idle: bool,
    share: f64,
    begun: Instant,
    spent: Duration,
    owed: Duration,
    llc_took: Option<Duration>,
}

/// What a first estimate of λ̂ is taken to cost until one was made.
const FIRST_ESTIMATE: Duration = Duration::from_secs(10);

impl Pace {
    fn new(idle: bool, share: f64) -> Self {
        Self {
            idle,
            share,
            begun: Instant::now(),
            spent: Duration::ZERO,
            owed: Duration::ZERO,
            llc_took: None,
        }
    }

    fn worked(&mut self, took: Duration, llc: bool) {
        if llc {
            self.llc_took = Some(took);
        }
        self.spent += took;
        if !self.idle {
            self.owed += took.mul_f64(1.0 / self.share - 1.0);
        }
    }

    /// Rests for as long as the work before is to weigh so little.
    fn rest(&mut self, clock: &Clock) {
        let nap = Duration::from_millis(20);
        while self.owed > Duration::ZERO && !clock.is_over() {
            let now = self.owed.min(nap);
            std::thread::sleep(now);
            self.owed -= now;
        }
    }

    /// Whether there is time for an estimate. It cannot be broken off, so it has to be likely to
    /// end before training does, and where no core is idle the time that it takes has to be saved
    /// up.
    fn has_time_for_llc(&self, clock: &Clock) -> bool {
        let (step, last) = (
            clock.step.load(Ordering::Relaxed),
            clock.last.load(Ordering::Relaxed),
        );
        let elapsed = self.begun.elapsed();
        let left = elapsed.mul_f64(last.saturating_sub(step) as f64 / step.max(1) as f64);
        let cost = self.llc_took.unwrap_or(FIRST_ESTIMATE);
        let saved = elapsed.mul_f64(self.share).saturating_sub(self.spent);
        left > cost && (self.idle || saved >= cost)
    }
}

/// What was said about a boundary.
#[derive(Serialize)]
struct Said {
    replica: String,
    kind: AnnouncementKind,
    #[serde(flatten)]
    boundary: Boundary,
    /// The newest checkpoint that was measured then.
    seen_at: u64,
    /// Where training stood.
    announced_at: u64,
    /// From the boundary to the announcement, in steps.
    delay: f64,
}

impl Said {
    fn sentence(&self) -> String {
        let Boundary { at, lo, hi, .. } = &self.boundary;
        let replica = &self.replica;
        match self.kind {
            AnnouncementKind::New => format!(
                "{replica}: a stage ended at step {at:.0} ({lo:.0}–{hi:.0}), seen {:.0} steps later",
                self.delay
            ),
            AnnouncementKind::Moved => {
                format!("{replica}: a boundary has moved to step {at:.0} ({lo:.0}–{hi:.0})")
            }
            AnnouncementKind::Withdrawn => {
                format!(
                    "{replica}: the boundary at step {at:.0} is withdrawn: it was no end of a stage"
                )
            }
        }
    }
}

/// What is measured so far.
struct Table {
    settings: StageSettings,
    rows: BTreeMap<String, BTreeMap<u64, MeasureRow>>,
    announcers: BTreeMap<String, Announcer>,
    announced: Vec<Said>,
    present: BTreeMap<String, StageName>,
}

impl Table {
    fn new(settings: StageSettings) -> Self {
        Self {
            settings,
            rows: BTreeMap::new(),
            announcers: BTreeMap::new(),
            announced: Vec::new(),
            present: BTreeMap::new(),
        }
    }

    fn add(&mut self, rows: Vec<MeasureRow>) {
        for row in rows {
            let own = self.rows.entry(row.replica.clone()).or_default();
            own.insert(row.step, row);
        }
    }

    /// Runs the detector on every replica's rows. `step` is where training stands.
    fn look(&mut self, step: u64) {
        for (replica, rows) in &self.rows {
            let seen: Vec<MeasureRow> = rows.values().cloned().collect();
            let announcer = self.announcers.entry(replica.clone()).or_default();
            // Too few checkpoints so far is no failure.
            let Ok(report) = detect(&seen, &self.settings) else {
                continue;
            };
            if let Some(stage) = report.stages.last() {
                self.present.insert(replica.clone(), stage.name);
            }
            let seen_at = seen.last().map_or(0, |r| r.step);
            let told = announcer.compare(seen_at, report.boundaries, &self.settings);
            self.announced.extend(told.into_iter().map(|told| Said {
                replica: replica.clone(),
                kind: told.kind,
                seen_at,
                announced_at: step,
                delay: step as f64 - told.boundary.at,
                boundary: told.boundary,
            }));
        }
    }

    /// The stages that the replicas are in: one name, or how many are in each.
    fn present(&self) -> String {
        let mut count: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
        for name in self.present.values() {
            *count.entry(name.spelling()).or_default() += 1;
        }
        match (count.len(), self.present.len()) {
            (1, _) => count.into_keys().collect(),
            _ => count
                .iter()
                .map(|(name, n)| format!("{name} {n}"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ontogeny_store::KeyBuilder;

    use super::*;

    fn written(step: u64) -> Written {
        Written {
            group: 0,
            entry: CheckpointEntry {
                step: Step(step),
                path: PathBuf::new(),
                hash: KeyBuilder::new("test").number("step", step).finish(),
                replicas: Vec::new(),
                run: None,
            },
        }
    }

    #[test]
    fn behaviour_comes_first_and_the_newest_before_the_others() {
        let mut waiting = Waiting::default();
        for step in [0, 1, 2] {
            waiting.add(written(step));
        }
        waiting.add(written(2));
        let mut order = Vec::new();
        while let Some((w, llc)) = waiting.next(Some(2)) {
            order.push((w.entry.step.0, llc));
            // What is measured already is not taken up again.
            waiting.add(written(2));
        }
        // λ̂ at every second checkpoint, as the analysis will ask for it.
        let expected = [(2, false), (1, false), (0, false), (0, true), (2, true)];
        assert_eq!(order, expected);
    }

    #[test]
    fn rest_is_in_proportion_to_work_only_where_no_core_is_idle() {
        let second = Duration::from_secs(1);
        let mut busy = Pace::new(false, 0.1);
        busy.worked(second, false);
        assert_eq!(busy.owed, 9 * second);
        let mut idle = Pace::new(true, 0.1);
        idle.worked(second, false);
        assert_eq!(idle.owed, Duration::ZERO);
    }

    #[test]
    fn an_estimate_waits_until_its_time_is_saved_up() {
        let clock = Clock::default();
        clock.step.store(1, Ordering::Relaxed);
        clock.last.store(1_000_000_000, Ordering::Relaxed);
        let mut pace = Pace::new(false, 0.1);
        pace.begun -= Duration::from_secs(99);
        assert!(!pace.has_time_for_llc(&clock));
        pace.begun -= Duration::from_secs(2);
        assert!(pace.has_time_for_llc(&clock));
        pace.worked(Duration::from_secs(10), true);
        assert!(!pace.has_time_for_llc(&clock));
        // Near the end there is no time left for one.
        clock.step.store(1_000_000_000, Ordering::Relaxed);
        assert!(!Pace::new(true, 0.1).has_time_for_llc(&clock));
    }
}
