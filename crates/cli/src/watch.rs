//! Progress as a person wants it: where things stand and how long they will still take.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ontogeny_store::Step;
use ontogeny_training::Interrupter;
use ontogeny_training::dashboard::Dashboard;
use ontogeny_training::observer::{Observer, Progress};

/// Between two plain lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// Who watches the training: the dashboard on a terminal, plain lines elsewhere.
pub fn training(name: &str, plain: bool, interrupter: &Interrupter) -> Box<dyn Observer> {
    if !plain && is_person_watching() {
        Box::new(Dashboard::new(name, interrupter.clone()))
    } else {
        Box::new(Lines::default())
    }
}

/// Whether there is a terminal that a dashboard can be drawn on and that has keys.
fn is_person_watching() -> bool {
    let shown = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    shown && std::io::stdin().is_terminal()
}

/// Plain lines on standard error.
#[derive(Default)]
struct Lines {
    pace: Option<Pace>,
    done: Step,
    stage: String,
}

impl Observer for Lines {
    fn begin(&mut self, replicas: &[String], step: Step, last: Step) {
        let shown = shown(replicas);
        match step.0 {
            0 => errln!("training {shown} for {last} steps"),
            _ if step == last => errln!("training {shown}: complete at step {last}"),
            _ => errln!("training {shown}: going on from step {step} of {last}"),
        }
        self.pace = Some(Pace::new(step.0, last.0));
    }

    fn step(&mut self, step: Step) {
        self.done = step;
    }

    fn metrics(&mut self, progress: &Progress<'_>) {
        let Some(pace) = &mut self.pace else { return };
        if let Some(left) = pace.due(progress.step.0) {
            let finite: Vec<f32> = progress
                .losses
                .iter()
                .copied()
                .filter(|l| l.is_finite())
                .collect();
            let mean = finite.iter().sum::<f32>() / finite.len().max(1) as f32;
            let stage = match self.stage.as_str() {
                "" => String::new(),
                stage => format!("  stage: {stage}"),
            };
            errln!(
                "  step {:>7} of {}  loss {mean:.3}{stage}  {left}",
                progress.step,
                progress.last
            );
        }
    }

    fn stage(&mut self, present: &str) {
        present.clone_into(&mut self.stage);
    }

    fn boundary(&mut self, sentence: &str) {
        errln!("  {sentence}");
    }

    fn frozen(&mut self, replica: &str, step: u64) {
        errln!(
            "warning: {replica} is no longer finite at step {step}; it is frozen, the others go on"
        );
    }

    fn end(&mut self, step: Step, interrupted: bool) {
        if !interrupted && let Some(pace) = &self.pace {
            pace.finish(step.0, "steps");
        }
    }
}

/// Who watches a replay: plain lines, since no curve grows.
pub fn replay() -> Box<dyn Observer> {
    Box::new(Replayed::default())
}

/// Plain lines about steps that are done again.
#[derive(Default)]
struct Replayed {
    pace: Option<Pace>,
}

impl Observer for Replayed {
    fn begin(&mut self, replicas: &[String], step: Step, last: Step) {
        errln!("replaying {} from step {step} to {last}", shown(replicas));
        self.pace = Some(Pace::new(step.0, last.0));
    }

    fn step(&mut self, step: Step) {
        let Some(pace) = &mut self.pace else { return };
        if let Some(left) = pace.due(step.0) {
            errln!("  step {step:>7} of {}  {left}", pace.last);
        }
    }

    fn metrics(&mut self, _progress: &Progress<'_>) {}

    fn frozen(&mut self, _replica: &str, _step: u64) {}

    fn end(&mut self, step: Step, interrupted: bool) {
        if !interrupted && let Some(pace) = &self.pace {
            pace.finish(step.0, "steps");
        }
    }
}

/// Replicas in a few words.
fn shown(replicas: &[String]) -> String {
    match replicas {
        [first, .., end] => format!("{} replicas ({first} … {end})", replicas.len()),
        [one] => format!("replica {one}"),
        [] => String::new(),
    }
}

/// Progress of the analysis; several threads report to it.
pub struct Measurements(Mutex<Option<Pace>>);

impl Measurements {
    /// Nothing is measured yet.
    pub fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// `done` of `total` measurements are finished.
    pub fn report(&self, done: usize, total: usize) {
        // A thread that died while printing leaves nothing broken behind.
        let mut pace = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if done == 0 {
            errln!("analysing {total} checkpoints");
            *pace = Some(Pace::new(0, total as u64));
            return;
        }
        let Some(pace) = pace.as_mut() else { return };
        if done == total {
            pace.finish(done as u64, "checkpoints");
        } else if let Some(left) = pace.due(done as u64) {
            errln!("  checkpoint {done:>4} of {total}  {left}");
        }
    }
}

/// How fast something goes, and when it was last said.
struct Pace {
    first: u64,
    last: u64,
    begun: Instant,
    said: Instant,
}

impl Pace {
    fn new(first: u64, last: u64) -> Self {
        let now = Instant::now();
        Self {
            first,
            last,
            begun: now,
            said: now,
        }
    }

    /// The time left, if it is time to say something.
    fn due(&mut self, done: u64) -> Option<String> {
        if self.said.elapsed() < INTERVAL || done <= self.first {
            return None;
        }
        self.said = Instant::now();
        let rate = self.begun.elapsed().as_secs_f64() / (done - self.first) as f64;
        let left = rate * self.last.saturating_sub(done) as f64;
        Some(format!("{} left", duration(left)))
    }

    fn finish(&self, done: u64, what: &str) {
        let count = done.saturating_sub(self.first);
        if count > 0 {
            errln!(
                "  {count} {what} in {}",
                duration(self.begun.elapsed().as_secs_f64())
            );
        }
    }
}

/// Seconds as one reads them: `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..100 => format!("{whole} s"),
        100..6000 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [
            (4.21, "4.2 s"),
            (42.4, "42 s"),
            (200.0, "3 min 20 s"),
            (7500.0, "2 h 5 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
