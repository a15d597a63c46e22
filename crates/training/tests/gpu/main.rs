//! What a GPU is asked to do in training, on the first adapter there is: a software one will do. A
//! build without GPU support has nothing to test.
//!
//! One test in a process of its own: kernels are counted process-wide, and so is memory for
//! reading.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use ontogeny_data::Sequences;
use ontogeny_model::device::{self, DeviceChoice, Launches, was_read_from};
use ontogeny_model::{Activation, Init, Norm, Positions, TransformerConfig, init};
use ontogeny_store::Stream;
use ontogeny_tests::needs::{self, Equipped, Need};
use ontogeny_training::optimizer::Optimizer;
use ontogeny_training::{Hyper, Stack, column};

const CONFIG: TransformerConfig = TransformerConfig {
    n_layers: 1,
    n_heads: 2,
    d_model: 8,
    d_head: 4,
    d_mlp: 0,
    activation: Activation::Gelu,
    norm: Norm::Pre,
    positions: Positions::Shortformer,
    tied: false,
    bias: true,
    block: ontogeny_model::Block::Standard,
    vectors: None,
    n_ctx: 6,
    d_vocab: 11,
    init: Init {
        kind: ontogeny_model::InitKind::Normal,
        scale: 1.0,
        unembed_scale: None,
    },
};

fn batch(step: u64) -> Sequences {
    let (rows, len) = (2, CONFIG.n_ctx + 1);
    Sequences {
        tokens: (0..(rows * len) as u32)
            .map(|i| (i * 7 + step as u32) % 11)
            .collect(),
        rows,
        len,
    }
}

fn main() -> std::process::ExitCode {
    let test = Equipped {
        name: "a_step_launches_no_more_for_more_replicas_and_reads_nothing_back",
        need: Need::Gpu,
        test: a_step_launches_no_more_for_more_replicas_and_reads_nothing_back,
    };
    needs::run(&[test], |_| {
        device::resolve(DeviceChoice::Gpu(None)).is_ok()
    })
}

fn a_step_launches_no_more_for_more_replicas_and_reads_nothing_back() {
    const STEPS: u64 = 3;
    const WIDTHS: [usize; 3] = [1, 2, 32];
    let device = device::open(DeviceChoice::Gpu(None)).unwrap().device;
    let mut counts = Vec::new();
    let mut outcome = None;
    for replicas in WIDTHS {
        let each: Vec<_> = (0..replicas as u64)
            .map(|seed| (CONFIG.init, Stream::new(seed, "weights", &[])))
            .collect();
        let column = |value: f64| column(&vec![value; replicas], &device);
        let hyper = Hyper {
            optimizer: Optimizer::AdamW {
                beta1: 0.9,
                beta2: 0.99,
                epsilon: 1e-8,
            },
            learning_rate: column(1e-3),
            weight_decay: column(0.1),
            clip: column(1.0),
        };
        let mut stack = Stack::new(init::draw(CONFIG, &each, &device), hyper);
        let mut advance = |from: u64| {
            for step in from..from + STEPS {
                let batches = vec![batch(step).into(); replicas];
                outcome = Some(stack.update(step, 1.0, &batches));
            }
        };
        // The first steps choose how products are computed, and launch each way that there is.
        advance(0);
        let launches = Launches::watch(&device).unwrap();
        advance(STEPS);
        counts.push(launches.count(&device).unwrap().unwrap() / STEPS as usize);
    }
    let parameters = CONFIG.parameters().len();
    println!("{parameters} parameters, launches per step {counts:?}");
    // What is launched once a replica adds at least one launch for each. The clock decides, width
    // by width, how a product is computed, and with it a few launches in either direction.
    for (width, count) in WIDTHS.into_iter().zip(&counts).skip(1) {
        assert!(*count < counts[0] + 8.max(width - 1), "{counts:?}");
    }
    assert_eq!(was_read_from(&device), Some(false));
    outcome.unwrap().read().unwrap();
    assert_eq!(was_read_from(&device), Some(true), "the question has teeth");
}
