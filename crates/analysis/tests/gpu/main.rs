//! What a GPU is asked to do, on the first adapter there is: a software one will do. A build
//! without GPU support has nothing to test.
//!
//! One test after the other in one process: kernels are counted process-wide.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use burn::tensor::{Device, Int, Tensor, TensorData};
use ontogeny_analysis::sampler::{Chains, LossAndGradient, Mask, Rule, Settings};
use ontogeny_kernels::noise::{Distribution, Keys};
use ontogeny_model::device::{self, DeviceChoice, Launches, was_read_from};
use ontogeny_model::{Activation, Batch, Init, Network, Norm, Positions, TransformerConfig, init};
use ontogeny_store::Stream;
use ontogeny_tests::needs::{self, Equipped, Need};

fn main() -> std::process::ExitCode {
    let test = Equipped {
        name: "what_a_gpu_is_asked_to_do",
        need: Need::Gpu,
        test: what_a_gpu_is_asked_to_do,
    };
    needs::run(&[test], |_| {
        device::resolve(DeviceChoice::Gpu(None)).is_ok()
    })
}

fn what_a_gpu_is_asked_to_do() {
    let chosen = device::open(DeviceChoice::Gpu(None)).unwrap();
    println!("on {}", chosen.entry.description);
    // First, since it asks whether anything was ever read in this process.
    a_chain_reads_nothing_back_and_launches_no_more_for_more_replicas(&chosen.device);
    integers_are_those_of_the_host(&chosen.device);
    normals_are_those_of_the_host_but_for_rounding(&chosen.device);
}

fn network() -> TransformerConfig {
    TransformerConfig {
        n_layers: 1,
        n_heads: 2,
        d_model: 8,
        d_head: 4,
        d_mlp: 0,
        activation: Activation::Gelu,
        norm: Norm::Pre,
        positions: Positions::Learned,
        tied: false,
        bias: true,
        block: ontogeny_model::Block::Standard,
        vectors: None,
        n_ctx: 6,
        d_vocab: 11,
        init: Init::default(),
    }
}

/// One step of a rule that asks for no second evaluation.
fn step(chains: &mut Chains, here: LossAndGradient) {
    let again = |_: &[Tensor<3>]| Err("a second evaluation");
    chains.step(here, again).unwrap();
}

/// Steps of chains, the network's gradient included.
fn steps(chains: &mut Chains, replicas: usize, device: &Device, count: usize) {
    let config = network();
    for _ in 0..count {
        let tokens: Vec<i32> = (0..replicas * 12).map(|i| (i * 7 % 11) as i32).collect();
        let tokens = || {
            let data = TensorData::new(tokens.clone(), [replicas, 12]);
            Tensor::<2, Int>::from_data(data, device)
        };
        let at = Network::new(config.clone(), chains.weights().to_vec());
        let here = at.loss_and_gradients(&Batch::of_tokens(tokens(), tokens(), 6));
        step(chains, here);
    }
}

fn a_chain_reads_nothing_back_and_launches_no_more_for_more_replicas(device: &Device) {
    const STEPS: usize = 3;
    const WIDTHS: [usize; 3] = [1, 2, 32];
    let settings = Settings::new(1e-4, 10.0, 1.0);
    let chains_at = |start: Vec<Tensor<3>>, streams: &[Stream]| {
        let settings = vec![settings; streams.len()];
        Chains::new(start, Rule::Sgld, &settings, Mask::all(), streams)
    };
    let config = network();
    let parameters = config.parameters().len();
    let mut counts = Vec::new();
    let mut memory = Vec::new();
    for replicas in WIDTHS {
        let start = init::draw(
            config.clone(),
            &[(config.init, Stream::new(1, "w", &[]))],
            device,
        )
        .repeat(replicas)
        .into_parameters();
        let streams: Vec<Stream> = (0..replicas as u64)
            .map(|c| Stream::new(7, "noise", &[c]))
            .collect();
        let mut chains = chains_at(start, &streams);
        // The first steps choose how products are computed, and launch each way that there is.
        steps(&mut chains, replicas, device, 4);
        let launches = Launches::watch(device).unwrap();
        steps(&mut chains, replicas, device, STEPS);
        counts.push(launches.count(device).unwrap().unwrap() / STEPS);
        memory.push(device.memory_pool_usage().unwrap().bytes_in_use as f64);
    }
    println!("{parameters} parameters, launches per step {counts:?}, bytes in use {memory:?}");
    // What is launched once a replica adds at least one launch for each. The clock decides, width by
    // width, how a product is computed, and with it a few launches in either direction.
    for (width, count) in WIDTHS.into_iter().zip(&counts).skip(1) {
        assert!(*count < counts[0] + 8.max(width - 1), "{counts:?}");
    }
    // So many times the replicas, at most as many times the memory.
    assert!(memory[2] <= 32.0 * memory[0], "{memory:?}");
    // Fused, an update of a parameter is two kernels: its noise, and all of its arithmetic. Unfused
    // that arithmetic alone is nine.
    let updates = {
        let launches = Launches::watch(device).unwrap();
        let start = init::draw(
            config.clone(),
            &[(config.init, Stream::new(1, "w", &[]))],
            device,
        );
        let start = start.into_parameters();
        let streams = [Stream::new(7, "noise", &[])];
        let mut chains = chains_at(start.clone(), &streams);
        let before = launches.count(device).unwrap().unwrap();
        step(&mut chains, (Tensor::zeros([1], device), start.clone()));
        launches.count(device).unwrap().unwrap() - before
    };
    println!("{updates} launches for one update of {parameters} parameters");
    assert!(updates < 5 * parameters, "{updates} for {parameters}");

    assert_eq!(was_read_from(device), Some(false));
    let mut all = init::draw(
        config.clone(),
        &[(config.init, Stream::new(1, "w", &[]))],
        device,
    )
    .into_parameters();
    all.remove(0).try_into_vec_as::<f32>().unwrap();
    assert_eq!(was_read_from(device), Some(true), "the question has teeth");
}

/// Numbers of three replicas, from the device and from the host.
fn both(
    distribution: Distribution,
    index: u64,
    shape: [usize; 2],
    device: &Device,
) -> [Vec<f32>; 2] {
    let streams = [0, 1, 2].map(|c| Stream::new(3, "test noise", &[c]));
    let keys = streams.each_ref().map(Stream::key);
    let on_host = |replica: usize, out: &mut [f32]| match distribution {
        Distribution::Uniform => streams[replica].fill_uniform(index, out),
        Distribution::Normal => streams[replica].fill_normal(index, out),
    };
    let never = |_: usize, _: &mut [f32]| unreachable!("the device has a kernel for it");
    let device = Keys::new(&keys, device).draw(distribution, index, shape, never);
    let host = Keys::new(&keys, &Device::flex()).draw(distribution, index, shape, on_host);
    [device, host].map(|t| t.try_into_vec_as::<f32>().unwrap())
}

/// A uniform is 24 bits of a word, exactly.
fn integers_are_those_of_the_host(device: &Device) {
    for shape in [[1, 1], [3, 5], [64, 64], [1, 1001]] {
        for index in [0, 17, u64::from(u32::MAX) + 5] {
            let [device, host] = both(Distribution::Uniform, index, shape, device);
            assert_eq!(device, host, "{shape:?}, index {index}");
        }
    }
}

fn normals_are_those_of_the_host_but_for_rounding(device: &Device) {
    let [device, host] = both(Distribution::Normal, 40, [100, 1000], device);
    let largest = device
        .iter()
        .zip(&host)
        .map(|(d, h)| (d - h).abs())
        .fold(0.0, f32::max);
    println!("normals differ by at most {largest:e}");
    // A dozen operations on numbers below 7, each rounded once more or less where products and sums
    // are contracted: 12 · 7 · 2⁻²⁴ = 5e-6.
    assert!(largest <= 5e-6, "{largest}");
    assert!(host.iter().any(|x| x.abs() > 4.0), "the tails were tested");
}
