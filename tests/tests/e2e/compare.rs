//! Arms beside each other: from a run of two arms to the page, the table and the numbers.

use ontogeny_tests::Sandbox;

use crate::SMALL;

/// Two arms that differ in one number.
fn two_arms() -> String {
    let arm = |name: &str, recurrence: f64| {
        format!("\n[[arms]]\nname = \"{name}\"\nset = {{ \"data.recurrence\" = {recurrence} }}\n")
    };
    SMALL.replace("[analysis.llc]\n", "[analysis.llc]\nenabled = false\n")
        + &arm("rare", 0.1)
        + &arm("often", 0.4)
}

#[test]
fn arms_are_compared_once_they_are_analysed() {
    let sandbox = Sandbox::new();
    sandbox.write("arms.toml", two_arms());
    let on_cpu = ["--device", "cpu", "--out", "arms", "--json"];
    sandbox
        .run(&[&["train", "arms.toml"], &on_cpu[..]].concat())
        .success();

    let refusal = sandbox.run(&["compare", "arms", "--json"]).refusal();
    assert!(refusal.message.contains("ontogeny analyze"), "{refusal:?}");
    assert_eq!(refusal.file.as_deref(), Some("arms"));
    assert!(!sandbox.path("arms/compare").exists());

    sandbox.run(&["analyze", "arms", "--json"]).success();
    let compare = [
        "compare",
        "arms",
        "--resamples",
        "100",
        "--permutations",
        "100",
        "--json",
    ];
    let found = sandbox.run(&compare).json();
    assert_eq!(found["schema"], 1);
    let names: Vec<_> = found["arms"]
        .as_array()
        .expect("a list of arms")
        .iter()
        .map(|a| (a["name"].as_str().unwrap_or(""), a["dose"].as_f64()))
        .collect();
    assert_eq!(names, [("rare", Some(0.1)), ("often", Some(0.4))]);
    assert_eq!(found["differing"], serde_json::json!(["data.recurrence"]));
    assert_eq!(found["dose"]["knob"], "data.recurrence");
    // What needs no detector is in every comparison of this source: two arms, two seeds, one event.
    let events = found["events"].as_array().expect("a list of events");
    let own = events.iter().filter(|e| e["stage"] == "below_bag");
    assert_eq!(own.count(), 4);
    for event in events {
        let step = event["step"].as_f64().expect("a step");
        assert_eq!(event["tokens"].as_f64(), Some(step * 8.0 * 16.0), "{event}");
    }

    let folder = sandbox.path("arms/compare");
    for file in [
        "compare.html",
        "compare.md",
        "compare.json",
        "compare.parquet",
    ] {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }
    let parquet = std::fs::read(folder.join("compare.parquet")).expect("it can be read");
    assert_eq!(&parquet[..4], b"PAR1");

    // The same tables give the same figures; another axis gives others.
    let again = sandbox.run(&compare).json();
    assert_eq!(found["stages"], again["stages"]);
    let at = [
        &compare[..],
        &["--at", "exposures", "--out", "by-exposures"],
    ]
    .concat();
    let by_exposures = sandbox.run(&at).json();
    assert_eq!(by_exposures["axis"], "exposures");
    assert!(sandbox.path("by-exposures/compare.html").is_file());

    let refusal = sandbox
        .run(&["compare", "arms", "--knob", "data.zipf", "--json"])
        .refusal();
    assert!(refusal.message.contains("data.recurrence"), "{refusal:?}");
    let refusal = sandbox
        .run(&["compare", "arms", "--against", "never", "--json"])
        .refusal();
    assert!(refusal.message.contains("rare, often"), "{refusal:?}");
}
