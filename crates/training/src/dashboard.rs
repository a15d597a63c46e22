//! Burn's terminal dashboard, driven by our loop.
//!
//! burn-train counts epochs; a run here is one epoch of one split whose items are steps.
//!
//! Training does not depend on its dashboard: when the terminal is lost, or the renderer fails,
//! the dashboard falls silent.

mod screen;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use burn::data::dataloader::Progress as Items;
use burn::tensor::{Device, Tensor};
use burn_train::Interrupter;
use burn_train::metric::{
    IterationSpeedMetric, LossInput, LossMetric, Metric, MetricAttributes, MetricDefinition,
    MetricEntry, MetricId, MetricMetadata, Numeric, SerializedEntry,
};
use burn_train::renderer::{MetricState, MetricsRenderer, tui::TuiMetricsRendererWrapper};
use ontogeny_store::Step;

use crate::observer::{Observer, Progress};

pub use screen::restore_terminal;

/// Curves beyond this many replicas would not be told apart on a terminal.
const REPLICAS_SHOWN: usize = 6;

/// Between two looks at the terminal.
const SHORT: Duration = Duration::from_millis(100);
/// For how long the end of the dashboard is waited for.
const LONGEST_END: Duration = Duration::from_secs(5);

/// The present stage, as the dashboard calls it.
const STAGE: &str = "Stage";
/// The latest boundary.
const BOUNDARY: &str = "Latest boundary";

/// The dashboard: one curve of loss for each replica, and the speed.
pub struct Dashboard {
    name: String,
    /// What training asks.
    interrupter: Interrupter,
    /// What the renderer's keys reach. It is the renderer's alone, which resets it at its end: a
    /// stop that came from elsewhere must outlast that.
    keys: Interrupter,
    renderer: Option<Box<dyn MetricsRenderer>>,
    losses: Vec<(MetricDefinition, LossMetric)>,
    speed: (MetricDefinition, IterationSpeedMetric),
    begun_at: Step,
    last: Step,
    /// When the terminal was last looked at.
    looked: Instant,
}

impl Dashboard {
    /// A dashboard for the run of this name, whose keys reach the interrupter.
    pub fn new(name: &str, interrupter: Interrupter) -> Self {
        let speed = IterationSpeedMetric::new();
        let id = MetricId::new(Arc::new("speed".to_owned()));
        Self {
            name: name.to_owned(),
            interrupter,
            keys: Interrupter::new(),
            renderer: None,
            losses: Vec::new(),
            speed: (MetricDefinition::new(id, &speed), speed),
            begun_at: Step(0),
            last: Step(0),
            looked: Instant::now(),
        }
    }

    /// Does something with the renderer, if there still is one. It panics when its user asked it
    /// to kill the training; what is asked for then is a stop, which keeps what is finished.
    fn draw(&mut self, act: impl FnOnce(&mut dyn MetricsRenderer)) {
        let Some(mut renderer) = self.renderer.take() else {
            return;
        };
        match catch_unwind(AssertUnwindSafe(|| act(renderer.as_mut()))) {
            Ok(()) => self.renderer = Some(renderer),
            Err(_) => {
                // Its end would panic as well.
                std::mem::forget(renderer);
                restore_terminal();
                self.interrupter.stop(Some("the dashboard"));
            }
        }
    }

    /// Closes the dashboard.
    fn close(&mut self) {
        self.draw(|renderer| {
            renderer.end_split();
            renderer.end();
            if let Err(error) = renderer.on_train_end(None) {
                tracing::warn!("the dashboard did not close cleanly: {error}");
            }
        });
        let Some(renderer) = self.renderer.take() else {
            return;
        };
        // Its end waits for the thread that draws, which only ends by itself while it has a
        // terminal. If the terminal takes nothing, the training does not wait for it for ever.
        let (done, wait) = mpsc::channel();
        let ending = thread::Builder::new().spawn(move || {
            drop(renderer);
            let _ = done.send(());
        });
        let begun = Instant::now();
        while ending.is_ok() && begun.elapsed() < LONGEST_END {
            match wait.recv_timeout(SHORT) {
                Err(RecvTimeoutError::Timeout) => screen::replace_lost_streams(),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return restore_terminal(),
            }
        }
    }

    /// Shows the latest text of a metric that has no number.
    fn tell(&mut self, name: &str, text: &str) {
        let text = SerializedEntry {
            formatted: text.to_owned(),
            serialized: text.to_owned(),
        };
        let entry = MetricEntry::new(MetricId::new(Arc::new(name.to_owned())), text);
        self.draw(|renderer| renderer.update_train(MetricState::Generic(entry)));
    }

    fn metadata(&self, step: Step) -> MetricMetadata {
        let done = (step.0 - self.begun_at.0) as usize;
        MetricMetadata {
            progress: Items {
                items_processed: step.0 as usize,
                items_total: self.last.0 as usize,
                unit: Some("steps".to_owned()),
            },
            iteration: Some(done),
            lr: None,
        }
    }
}

/// A metric as the renderer takes it; one that cannot be read is left out.
fn state<M: Metric + Numeric>(
    definition: &MetricDefinition,
    metric: &mut M,
    input: &M::Input,
    metadata: &MetricMetadata,
) -> Option<MetricState> {
    let entry = metric.update(input, metadata).ok()?;
    let entry = MetricEntry::new(definition.metric_id.clone(), entry);
    Some(MetricState::Numeric(entry, metric.value()))
}

impl Observer for Dashboard {
    fn begin(&mut self, replicas: &[String], step: Step, last: Step) {
        (self.begun_at, self.last) = (step, last);
        let shown = replicas.iter().take(REPLICAS_SHOWN);
        let losses = shown.map(|replica| {
            let metric = LossMetric::new();
            let id = MetricId::new(Arc::new(format!("loss {replica}")));
            let mut definition = MetricDefinition::new(id, &metric);
            definition.name = Arc::new(format!("Loss {replica}"));
            (definition, metric)
        });
        self.losses = losses.collect();
        if let Err(error) = screen::prepare() {
            tracing::warn!("the dashboard cannot be shown: {error}");
            restore_terminal();
            return;
        }
        let keys = self.keys.clone();
        let started = catch_unwind(|| TuiMetricsRendererWrapper::new(keys, None));
        self.renderer = started.ok().map(|renderer| Box::new(renderer) as _);

        let numbers = self.losses.iter().map(|(definition, _)| definition.clone());
        let numbers: Vec<MetricDefinition> = numbers.chain([self.speed.0.clone()]).collect();
        let name = self.name.clone();
        self.draw(|renderer| {
            for definition in numbers {
                renderer.register_metric(definition);
            }
            for name in [STAGE, BOUNDARY] {
                renderer.register_metric(MetricDefinition {
                    metric_id: MetricId::new(Arc::new(name.to_owned())),
                    name: Arc::new(name.to_owned()),
                    description: None,
                    attributes: MetricAttributes::None,
                });
            }
            renderer.start(1, 1, Some(last.0 as usize), Some(&name));
            renderer.start_split("train", last.0 as usize);
        });
    }

    fn step(&mut self, step: Step) {
        if self.renderer.is_none() {
            return;
        }
        if self.looked.elapsed() >= SHORT {
            self.looked = Instant::now();
            let (failed, lost) = (screen::has_failed(), screen::is_lost());
            if failed || lost {
                screen::replace_lost_streams();
                self.close();
                if !lost {
                    tracing::warn!("the dashboard has failed; training goes on without it");
                }
                return;
            }
        }
        self.draw(|renderer| renderer.update_split(step.0 as usize));
        if self.keys.should_stop() {
            self.interrupter.stop(self.keys.get_message().as_deref());
        }
    }

    fn metrics(&mut self, progress: &Progress<'_>) {
        if self.renderer.is_none() {
            return;
        }
        let metadata = self.metadata(progress.step);
        let mut states = Vec::new();
        for ((definition, metric), loss) in self.losses.iter_mut().zip(progress.losses) {
            if !loss.is_finite() {
                continue;
            }
            let input = LossInput::new(Tensor::from_floats([*loss], &Device::flex()));
            states.extend(state(definition, metric, &input, &metadata));
        }
        states.extend(state(&self.speed.0, &mut self.speed.1, &(), &metadata));
        self.draw(|renderer| states.into_iter().for_each(|s| renderer.update_train(s)));
    }

    fn stage(&mut self, present: &str) {
        self.tell(STAGE, present);
    }

    fn boundary(&mut self, sentence: &str) {
        self.tell(BOUNDARY, sentence);
    }

    fn frozen(&mut self, replica: &str, step: u64) {
        let event = format!("{replica} is no longer finite at step {step}");
        self.draw(|renderer| renderer.log_event_training(event));
    }

    fn end(&mut self, _step: Step, _interrupted: bool) {
        self.close();
    }
}
