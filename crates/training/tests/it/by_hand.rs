//! The loop does what one would do by hand with a stack, its batches and its schedules.

use burn::tensor::Device;
use ontogeny_data::Examples;
use ontogeny_model::weights;
use ontogeny_store::Step;
use ontogeny_training::optimizer::Optimizer;
use ontogeny_training::{Hyper, Stack, batch, column, schedule};

use crate::bench::{Bench, SMALL};

#[test]
fn a_run_is_the_updates_of_a_stack_one_after_another() {
    let bench = Bench::trained(SMALL);
    let group = &bench.run.groups[0];
    let training = &group.training;
    let device = Device::flex();
    let checkpoint = |step: Step| bench.checkpoints(0).read(step).unwrap().tensors;

    let start = weights::from_named(&group.network, 2, &checkpoint(Step(0)), &device).unwrap();
    let both = |value: f64| column(&[value; 2], &device);
    let mut stack = Stack::new(
        start,
        Hyper {
            optimizer: Optimizer::AdamW {
                beta1: training.betas[0],
                beta2: training.betas[1],
                epsilon: training.eps,
            },
            learning_rate: both(training.lr),
            weight_decay: both(training.weight_decay),
            clip: both(training.clip),
        },
    );
    for step in 0..training.steps {
        let batches: Vec<Examples> = group
            .replicas
            .iter()
            .map(|replica| batch(replica, step, training.batch))
            .collect();
        let outcomes = stack.update(step, schedule::rate(training, step), &batches);
        for (replica, outcome) in group.replicas.iter().zip(outcomes.read().unwrap()) {
            let line = &bench.metrics_of(&replica.entry.name)[step as usize];
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let found = ["loss", "gradient_norm"].map(|key| line[key].as_f64().unwrap() as f32);
            assert_eq!(found, [outcome.loss, outcome.gradient_norm], "{step}");
        }
        let done = Step(step + 1);
        if bench.run.schedule.contains(done) {
            let found = weights::to_named(stack.network()).unwrap();
            assert_eq!(found, checkpoint(done), "{done}");
        }
    }
}
