//! A GPU computes what the processor does; Mesa's software Vulkan stands in for a real one.

use ontogeny_tests::Sandbox;
use serde_json::Value;

/// What the binary can compute on, besides the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An adapter that will do.
    Adapter,
    /// No adapter.
    Nothing,
    /// The binary was built without GPU support.
    NoSupport,
}

/// What `ontogeny devices` finds.
pub fn found() -> Found {
    let found = Sandbox::new().run(&["devices", "--json"]).json();
    let reason = found["reason"].as_str().unwrap_or_default();
    if reason.contains("no GPU support") {
        return Found::NoSupport;
    }
    let devices = found["devices"].as_array().expect("a list of devices");
    match devices.iter().any(|device| device["kind"] == "gpu") {
        true => Found::Adapter,
        false => Found::Nothing,
    }
}

/// Twenty steps of the default model.
pub fn it_gives_the_losses_of_the_processor() {
    let sandbox = Sandbox::new();
    let losses = |device: &str| -> Vec<f64> {
        let set = ["--set", "training.steps=20", "--set", "checkpoints.log=2"];
        let train = ["train", "--json", "--device", device, "--out", device];
        sandbox.run(&[&train[..], &set].concat()).success();
        let metrics = sandbox.text(format!("{device}/metrics.jsonl"));
        let lines = metrics
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"));
        lines
            .filter_map(|line: Value| line["loss"].as_f64())
            .collect()
    };
    let (cpu, gpu) = (losses("cpu"), losses("gpu"));
    assert_eq!((cpu.len(), gpu.len()), (20, 20));
    for (step, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
        assert!(
            (cpu - gpu).abs() <= 1e-4 * cpu.abs(),
            "step {step}: {cpu} on the CPU, {gpu} on the GPU"
        );
    }
    assert!(cpu[19] < cpu[0] - 0.1, "nothing was learned: {cpu:?}");
}
