//! Burn's terminal dashboard, driven by our loop.
//!
//! burn-train counts epochs; a run here is one epoch of one split whose items are steps.

use std::sync::Arc;

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

/// Curves beyond this many replicas would not be told apart on a terminal.
const REPLICAS_SHOWN: usize = 6;

/// The present stage, as the dashboard calls it.
const STAGE: &str = "Stage";
/// The latest boundary.
const BOUNDARY: &str = "Latest boundary";

/// The dashboard: one curve of loss for each replica, and the speed.
pub struct Dashboard {
    name: String,
    interrupter: Interrupter,
    renderer: Option<Box<dyn MetricsRenderer>>,
    losses: Vec<(MetricDefinition, LossMetric)>,
    speed: (MetricDefinition, IterationSpeedMetric),
    begun_at: Step,
    last: Step,
}

impl Dashboard {
    /// A dashboard for the run of this name, whose keys reach the interrupter.
    pub fn new(name: &str, interrupter: Interrupter) -> Self {
        let speed = IterationSpeedMetric::new();
        let id = MetricId::new(Arc::new("speed".to_owned()));
        Self {
            name: name.to_owned(),
            interrupter,
            renderer: None,
            losses: Vec::new(),
            speed: (MetricDefinition::new(id, &speed), speed),
            begun_at: Step(0),
            last: Step(0),
        }
    }

    /// Shows the latest text of a metric that has no number.
    fn tell(&mut self, name: &str, text: &str) {
        let Some(renderer) = &mut self.renderer else {
            return;
        };
        let text = SerializedEntry {
            formatted: text.to_owned(),
            serialized: text.to_owned(),
        };
        let entry = MetricEntry::new(MetricId::new(Arc::new(name.to_owned())), text);
        renderer.update_train(MetricState::Generic(entry));
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
        let mut renderer: Box<dyn MetricsRenderer> = Box::new(TuiMetricsRendererWrapper::new(
            self.interrupter.clone(),
            None,
        ));
        self.losses = replicas
            .iter()
            .take(REPLICAS_SHOWN)
            .map(|replica| {
                let metric = LossMetric::new();
                let id = MetricId::new(Arc::new(format!("loss {replica}")));
                let mut definition = MetricDefinition::new(id, &metric);
                definition.name = Arc::new(format!("Loss {replica}"));
                renderer.register_metric(definition.clone());
                (definition, metric)
            })
            .collect();
        renderer.register_metric(self.speed.0.clone());
        for name in [STAGE, BOUNDARY] {
            renderer.register_metric(MetricDefinition {
                metric_id: MetricId::new(Arc::new(name.to_owned())),
                name: Arc::new(name.to_owned()),
                description: None,
                attributes: MetricAttributes::None,
            });
        }
        renderer.start(1, 1, Some(last.0 as usize), Some(&self.name));
        renderer.start_split("train", last.0 as usize);
        (self.renderer, self.begun_at, self.last) = (Some(renderer), step, last);
    }

    fn step(&mut self, step: Step) {
        if let Some(renderer) = &mut self.renderer {
            renderer.update_split(step.0 as usize);
        }
    }

    fn metrics(&mut self, progress: &Progress<'_>) {
        let metadata = self.metadata(progress.step);
        let Some(renderer) = &mut self.renderer else {
            return;
        };
        for ((definition, metric), loss) in self.losses.iter_mut().zip(progress.losses) {
            if !loss.is_finite() {
                continue;
            }
            let input = LossInput::new(Tensor::from_floats([*loss], &Device::flex()));
            if let Some(state) = state(definition, metric, &input, &metadata) {
                renderer.update_train(state);
            }
        }
        if let Some(state) = state(&self.speed.0, &mut self.speed.1, &(), &metadata) {
            renderer.update_train(state);
        }
    }

    fn stage(&mut self, present: &str) {
        self.tell(STAGE, present);
    }

    fn boundary(&mut self, sentence: &str) {
        self.tell(BOUNDARY, sentence);
    }

    fn frozen(&mut self, replica: &str, step: u64) {
        if let Some(renderer) = &mut self.renderer {
            renderer.log_event_training(format!("{replica} is no longer finite at step {step}"));
        }
    }

    /// Closes the dashboard. The renderer's own end resets the interrupter, so its outcome was read
    /// before this is called.
    fn end(&mut self, _step: Step, _interrupted: bool) {
        if let Some(mut renderer) = self.renderer.take() {
            renderer.end_split();
            renderer.end();
            if let Err(error) = renderer.on_train_end(None) {
                tracing::warn!("the dashboard did not close cleanly: {error}");
            }
        }
    }
}
