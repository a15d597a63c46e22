//! Networks that read vectors: the presets, against what is known in closed form.

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::systems::run;

/// The rows of a run's table.
fn rows(sandbox: &Sandbox) -> Vec<Value> {
    let table = sandbox.text("run/analysis/table.jsonl");
    let row = |line: &str| serde_json::from_str(line).unwrap_or_default();
    table.lines().map(row).collect()
}

/// Saxe et al. 2014: with the items as one-hot inputs, a mode of strength 4s rises to its half at
/// (τ/2s)·ln(4s/a₀ − 1). Steps of the size 1/τ follow the flow to the order of their size.
#[test]
fn modes_of_a_hierarchy_are_learned_when_the_closed_form_says() {
    let sandbox = Sandbox::new();
    let said = run(&sandbox, "hierarchy", "run", &[]);
    let (tau, start) = (1.0 / (2.0 * 0.01), 1e-3);
    let rows = rows(&sandbox);
    for (mode, strength) in [
        ("all", 7.0_f64.sqrt()),
        ("pair", 3.0_f64.sqrt()),
        ("item1", 1.0),
    ] {
        let at = |row: &Value| row["values"][format!("amplitude.{mode}")].as_f64().unwrap();
        let later = rows
            .iter()
            .position(|row| at(row) >= strength / 2.0)
            .unwrap();
        let step = |row: &Value| row["step"].as_f64().unwrap();
        let (before, after) = (&rows[later - 1], &rows[later]);
        let share = (strength / 2.0 - at(before)) / (at(after) - at(before));
        let found = step(before) + share * (step(after) - step(before));
        let s = strength / 4.0;
        let expected = tau / (2.0 * s) * (strength / start - 1.0).ln();
        assert!(
            (found / expected - 1.0).abs() < 0.05,
            "{mode}: {found}, not {expected}"
        );
        let last = said["replicas"][0]["final"][format!("amplitude.{mode}")].as_f64();
        assert!((last.unwrap() - strength).abs() < 1e-3, "{mode}: {last:?}");
    }
    let llc = said["replicas"][0]["final"]["llc"].as_f64();
    assert!(llc.is_some_and(|llc| llc > 0.0), "{llc:?}");
}

/// Chen et al. 2023: training comes to rest at regular polygons.
#[test]
fn superposition_ends_at_a_critical_polygon() {
    let sandbox = Sandbox::new();
    let settings = [
        "analysis.llc.every=100000",
        "analysis.llc.draws=20",
        "analysis.llc.burn_in=5",
    ];
    let said = run(&sandbox, "superposition", "run", &settings);
    let critical = [
        (4.0, 0.0, 0.11111),
        (4.0, 1.0, 0.10417),
        (4.0, 2.0, 0.09722),
        (5.0, 0.0, 0.06874),
        (5.0, 1.0, 0.06180),
        (6.0, 0.0, 0.04819),
    ];
    let rows = rows(&sandbox);
    let mut ends = Vec::new();
    let mut late = 0;
    for replica in said["replicas"].as_array().unwrap() {
        let of = |name: &str| replica["final"][name].as_f64().unwrap();
        let (loss, shape) = (of("loss"), (of("polygon"), of("polygon_plus")));
        let known = critical
            .iter()
            .find(|(_, _, at)| (loss / at - 1.0).abs() < 0.03);
        let (corners, plus, at) = *known.unwrap();
        assert_eq!(shape, (corners, plus), "{loss}");
        ends.push((at * 1e5) as u64);
        let own = rows.iter().filter(|row| row["replica"] == replica["name"]);
        let mut early = own.filter(|row| row["step"].as_u64() >= Some(1000));
        let then = early.next().unwrap()["values"]["loss"].as_f64().unwrap();
        late += u32::from((then / at - 1.0).abs() > 0.03);
    }
    assert!(late >= 4, "{late} changed after step 1000");
    ends.sort_unstable();
    ends.dedup();
    assert!(ends.len() >= 3, "{ends:?}");
}

#[test]
fn a_network_that_cannot_read_its_source_is_refused_at_its_key() {
    let sandbox = Sandbox::new();
    for (config, key, part) in [
        (
            "[data]\nkind = \"hierarchy\"\n",
            "model.kind",
            "`mlp` reads them",
        ),
        (
            "[model]\nkind = \"mlp\"\nhidden = [3]\n",
            "model.kind",
            "`transformer` reads them",
        ),
        ("[model]\nhidden = [3]\n", "model.hidden", "model.d_mlp"),
        (
            "[data]\nkind = \"superposition\"\n[model]\nkind = \"mlp\"\nhidden = [2]\n\
             init = { kind = \"aligned\" }\n",
            "model.init.kind",
            "needs a hierarchy",
        ),
        (
            "[data]\nkind = \"superposition\"\nfeatures = 0\n",
            "data.features",
            "goes from 1",
        ),
    ] {
        sandbox.write("bad.toml", config);
        let refusal = sandbox.run(&["run", "bad.toml", "--json"]).refusal();
        assert_eq!(refusal.key.as_deref(), Some(key), "{refusal:?}");
        assert!(refusal.message.contains(part), "{refusal:?}");
    }
}

#[test]
fn sources_of_vectors_say_what_is_known_of_them() {
    let sandbox = Sandbox::new();
    let config = format!(
        "{}/../configs/superposition.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let said = sandbox.run(&["data", &config, "--json"]).json();
    let known = &said["sources"][0]["known"];
    let loss = known["loss of the 5-gon"].as_f64().unwrap();
    assert!((loss - 0.06874).abs() < 1e-5, "{known}");
}
