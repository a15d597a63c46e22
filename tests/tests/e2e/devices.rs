//! Devices: what is found, what `auto` takes, and that a GPU computes what the CPU does.

use ontogeny_tests::Sandbox;
use serde_json::Value;

/// The answer of `devices --json`.
fn devices(sandbox: &Sandbox) -> Value {
    sandbox.run(&["devices", "--json"]).json()
}

#[test]
fn the_processor_is_always_there_and_auto_takes_no_imitation() {
    let sandbox = Sandbox::new();
    let found = devices(&sandbox);
    let all = found["devices"].as_array().expect("a list of devices");
    assert_eq!(
        (&all[0]["name"], &all[0]["kind"]),
        (&"cpu".into(), &"cpu".into())
    );
    assert_eq!(all[0]["software"], false);
    let auto = all.iter().find(|device| device["name"] == found["auto"]);
    let auto = auto.expect("auto is one of the devices");
    assert_eq!(auto["software"], false, "{found}");
    assert!(
        found["reason"]
            .as_str()
            .is_some_and(|reason| reason.len() > 10),
        "{found}"
    );
    let real = all
        .iter()
        .any(|device| device["kind"] == "gpu" && device["software"] == false);
    assert_eq!(auto["kind"] != "cpu", real, "{found}");

    let shown = sandbox.run(&["devices"]).success();
    for device in all {
        assert!(
            shown
                .stdout
                .contains(device["name"].as_str().expect("a name")),
            "{shown}"
        );
    }
    assert!(shown.stdout.contains("auto takes"), "{shown}");
}

/// Twenty steps of the default model; on Mesa's software Vulkan where there is no real GPU.
#[test]
fn a_gpu_gives_the_losses_of_the_processor() {
    let sandbox = Sandbox::new();
    let found = devices(&sandbox);
    if found["reason"]
        .as_str()
        .is_some_and(|reason| reason.contains("no GPU support"))
    {
        println!("not tested: the binary was built without GPU support");
        return;
    }
    let all = found["devices"].as_array().expect("a list of devices");
    // Without Vulkan an adapter of OpenGL may be listed, whose software kind gets through no step in
    // minutes: that it is there is not enough.
    let fit = |device: &Value| device["kind"] == "gpu" && device["backend"] != "Gl";
    assert!(
        all.iter().any(fit),
        "no GPU adapter is there to compare with: install the Debian package \
         `mesa-vulkan-drivers`, which has a software one\n{found}"
    );
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
