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
