//! Replicas that differ in everything that may differ between replicas of one stack.

use std::ops::Range;

use burn::tensor::Device;
use ontogeny_data::{Examples, Sequences};
use ontogeny_model::{Init, Network, NetworkConfig, init};
use ontogeny_store::{NamedTensor, Stream};
use ontogeny_training::optimizer::Optimizer;
use ontogeny_training::{Dropout, Hyper, ReplicaOutcome, Stack, column};

use crate::golden::Golden;

/// Sequences in a batch.
const ROWS: usize = 3;

/// All rules, each with moments.
pub const RULES: [Optimizer; 3] = [
    Optimizer::AdamW {
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
    },
    Optimizer::Adam {
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
    },
    Optimizer::Sgd { momentum: 0.9 },
];

/// One replica, apart from any stack.
#[derive(Clone)]
pub struct Member {
    pub network: Network,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub clip: f64,
    /// Decides its batches, and what is left out of its updates.
    pub seed: u64,
}

/// One update of one replica in bits, NaN included: loss, gradient norm, the step it is frozen at.
pub type Record = (u32, u32, Option<u64>);

/// The architectures to try.
pub fn architectures() -> impl Iterator<Item = (&'static str, NetworkConfig)> {
    Golden::all().map(|g| (g.variant, g.network().config().clone()))
}

/// Three members: none decays, clips or learns like another.
pub fn three(config: &NetworkConfig) -> Vec<Member> {
    let rates = [(1e-2, 0.05, 0.5), (3e-3, 0.0, 0.0), (1e-1, 0.3, 1e-2)];
    rates
        .into_iter()
        .zip(0..)
        .map(|((learning_rate, weight_decay, clip), seed)| {
            let replica = (Init::default(), Stream::new(seed, "weights", &[]));
            Member {
                network: init::draw(config.clone(), &[replica], &Device::flex()),
                learning_rate,
                weight_decay,
                clip,
                seed,
            }
        })
        .collect()
}

/// The members in one stack, before their first update.
pub fn stack(optimizer: Optimizer, members: &[Member]) -> Stack {
    let each = |f: fn(&Member) -> f64| {
        let values: Vec<f64> = members.iter().map(f).collect();
        column(&values, &Device::flex())
    };
    let hyper = Hyper {
        optimizer,
        learning_rate: each(|m| m.learning_rate),
        weight_decay: each(|m| m.weight_decay),
        clip: each(|m| m.clip),
    };
    let networks = members.iter().map(|m| m.network.clone()).collect();
    Stack::new(Network::stack(networks), hyper)
}

/// The same, with a fifth of the residual stream left out of each update.
pub fn dropping(optimizer: Optimizer, members: &[Member]) -> Stack {
    let stream = |m: &Member| Stream::new(m.seed, "dropout", &[]);
    stack(optimizer, members).with_dropout(Some(Dropout {
        chance: 0.2,
        streams: members.iter().map(stream).collect(),
    }))
}

/// Updates the stack of these members at each step; for each step, each member's record.
pub fn advance(stack: &mut Stack, members: &[Member], steps: Range<u64>) -> Vec<Vec<Record>> {
    let config = stack.network().config().clone();
    steps
        .map(|step| {
            let batches: Vec<Examples> = members
                .iter()
                .map(|m| batch(&config, m.seed, step).into())
                .collect();
            // A factor that is no power of two, so that its rounding counts.
            let factor = 1.0 - step as f64 / 30.0;
            let outcomes = stack.update(step, factor, &batches).read().unwrap();
            outcomes.into_iter().map(record).collect()
        })
        .collect()
}

fn record(outcome: ReplicaOutcome) -> Record {
    (
        outcome.loss.to_bits(),
        outcome.gradient_norm.to_bits(),
        outcome.frozen_at,
    )
}

/// Tokens uniform over the vocabulary: a function of seed and step.
fn batch(config: &NetworkConfig, seed: u64, step: u64) -> Sequences {
    let (len, vocabulary) = (config.n_ctx() + 1, config.d_out() as u32);
    let mut uniform = vec![0.0; ROWS * len];
    Stream::new(seed, "tokens", &[]).fill_uniform(step, &mut uniform);
    let token = |u: f32| ((u * vocabulary as f32) as u32).min(vocabulary - 1);
    Sequences {
        tokens: uniform.into_iter().map(token).collect(),
        rows: ROWS,
        len,
    }
}

/// The state of one replica of a stack in bits, by name.
pub fn state_of(stack: &Stack, replica: usize) -> Vec<(String, Vec<u32>)> {
    let cut = |tensor: NamedTensor| {
        let size = tensor.data.len() / tensor.shape[0];
        let own = &tensor.data[replica * size..(replica + 1) * size];
        (tensor.name, own.iter().map(|x| x.to_bits()).collect())
    };
    stack.state().unwrap().into_iter().map(cut).collect()
}
