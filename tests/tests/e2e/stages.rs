//! `stages` and `validate --detector`: the detector on tables of any origin, and on curves whose
//! answer is known.

use ontogeny_tests::Sandbox;
use serde_json::Value;

use crate::run_small;

/// Two episodes, about steps 20 and 1000, at log-spaced steps to 4000: λ̂ rises, the loss falls.
fn two_episodes(separator: char) -> String {
    let sigmoid = |x: f64, centre: f64| 1.0 / (1.0 + (-(x - centre) / 0.3).exp());
    let mut text = ["step", "llc", "loss", "seed"].join(&separator.to_string()) + "\n";
    for i in 0..45 {
        let step = (0.185 * f64::from(i)).exp_m1().round() + f64::from(i);
        let done = sigmoid(step.ln_1p(), 3.0) + sigmoid(step.ln_1p(), 7.0);
        // A ripple of .2 % that is no noise of any generator: the same on every machine.
        let ripple = 0.004 * (7.0 * f64::from(i * i)).sin();
        let (llc, loss) = (10.0 + 30.0 * (done + ripple), 4.0 - done);
        let cells = [
            format!("{step}"),
            format!("{llc:.4}"),
            format!("{loss:.4}"),
            "a".to_owned(),
        ];
        text += &(cells.join(&separator.to_string()) + "\n");
    }
    text
}

fn figure(of: &Value) -> f64 {
    of.as_f64().expect("a figure")
}

#[test]
fn a_table_of_ones_own_gives_boundaries_and_stages() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.csv", two_episodes(','));
    sandbox.write("mine.tsv", two_episodes('\t'));
    let columns = ["--x", "step", "--y", "llc", "--y2", "loss", "--json"];
    let of = |file: &str| {
        let arguments: Vec<&str> = ["stages", file].into_iter().chain(columns).collect();
        sandbox.run(&arguments).json()
    };
    let found = of("mine.csv");
    assert_eq!(found, of("mine.tsv"), "tabs or commas");
    assert!(found["schema"].is_string() || found["schema"].is_number());
    let boundaries = found["boundaries"].as_array().expect("boundaries");
    assert_eq!(boundaries.len(), 1, "{found}");
    let boundary = &boundaries[0];
    let [at, lo, hi, evidence] = ["at", "lo", "hi", "evidence"].map(|k| figure(&boundary[k]));
    // By symmetry the middle of the valley is at x = 5: step 147.
    assert!(
        lo <= 147.4 && 147.4 <= hi && hi < 1.5 * lo,
        "{lo} {at} {hi}"
    );
    assert!(lo < at && at < hi && evidence >= 0.9);
    let stages = found["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), 2);
    assert_eq!(stages[0]["end"], stages[1]["start"]);
    for stage in stages {
        assert!(stage["name"].is_string() && stage["delta"].is_object());
    }
    let whole: f64 = stages.iter().map(|s| figure(&s["delta"]["loss"])).sum();
    assert!((whole + 2.0).abs() < 0.05, "{whole}");

    let plain = sandbox.run(&[
        "stages", "mine.csv", "--x", "step", "--y", "llc", "--online",
    ]);
    let text = plain.success().stdout;
    assert!(
        text.contains("90 % interval") && text.contains("as the run went on"),
        "{text}"
    );
}

#[test]
fn a_run_and_its_table_as_parquet_are_read() {
    let sandbox = Sandbox::new();
    run_small(&sandbox);
    let folder = sandbox.run(&["stages", "run", "--json"]).json();
    let replicas = folder["replicas"].as_array().expect("replicas");
    assert_eq!(replicas.len(), 2);
    // What the analysis has written, found again from its table.
    let written: Value =
        serde_json::from_slice(&sandbox.read("run/analysis/stages.json")).expect("JSON");
    let text = written.to_string();
    for replica in replicas {
        for boundary in replica["boundaries"].as_array().expect("boundaries") {
            assert!(
                text.contains(&boundary["at"].to_string()),
                "{boundary} in {text}"
            );
        }
    }
    let table = sandbox.run(&[
        "stages",
        "run/analysis/table.parquet",
        "--x",
        "step",
        "--y",
        "loss",
        "--replica",
        "seed1",
        "--json",
    ]);
    let found = table.json();
    assert!(!found["stages"].as_array().expect("stages").is_empty());
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    let good = two_episodes(',');
    sandbox.write("mine.csv", &good);
    let lines: Vec<&str> = good.lines().collect();
    let mut broken = lines.clone();
    let cut = lines[20].replace(',', ",x");
    broken[20] = &cut;
    sandbox.write("broken.csv", broken.join("\n"));
    let mut twice = lines.clone();
    twice.insert(5, lines[4]);
    sandbox.write("twice.csv", twice.join("\n"));
    sandbox.write("short.csv", lines[..5].join("\n"));
    sandbox.write("empty.csv", "");
    let refused = |file: &str, columns: &[&str]| {
        let arguments: Vec<&str> = ["stages", file, "--json"]
            .into_iter()
            .chain(columns.iter().copied())
            .collect();
        sandbox.run(&arguments).refusal().message
    };
    let columns = ["--x", "step", "--y", "llc"];
    for (file, columns, words) in [
        (
            "mine.csv",
            &["--x", "step", "--y", "lcc"][..],
            &["mine.csv", "`lcc`", "llc"][..],
        ),
        ("mine.csv", &["--y", "llc"], &["mine.csv", "--x"]),
        (
            "mine.csv",
            &["--x", "step", "--y", "step"],
            &["`step`", "twice"],
        ),
        ("broken.csv", &columns, &["broken.csv", "line 21", "`llc`"]),
        ("twice.csv", &columns, &["twice.csv", "lines 5 and 6"]),
        ("short.csv", &columns, &["short.csv", "8"]),
        ("empty.csv", &columns, &["empty.csv"]),
        ("none.csv", &columns, &["none.csv"]),
        (".", &["--x", "step"], &["."]),
    ] {
        let message = refused(file, columns);
        for word in words {
            assert!(message.contains(word), "{file} {columns:?}: {message}");
        }
    }
}

#[test]
fn the_detector_is_scored_on_curves_whose_answer_is_known() {
    let sandbox = Sandbox::new();
    let score = sandbox.run(&["validate", "--detector", "--seeds", "3", "--json"]);
    let found = score.json();
    assert_eq!(found["seeds"], 3);
    let families = found["families"].as_array().expect("families");
    let count = |of: &Value, key: &str| of[key].as_u64().expect("a count");
    let (mut hits, mut of, mut alarms, mut quiet) = (0, 0, 0, 0);
    for family in families {
        assert_eq!(count(&family["more"], "of"), 3, "{family}");
        if count(family, "boundaries") == 0 {
            alarms += count(&family["more"], "hits");
            quiet += 3;
        } else {
            hits += count(&family["held"], "hits");
            of += count(&family["held"], "of");
        }
    }
    let total = |key: &str| {
        (
            count(&found[key]["rate"], "hits"),
            count(&found[key]["rate"], "of"),
        )
    };
    assert_eq!(total("coverage"), (hits, of));
    assert_eq!(total("false_alarms"), (alarms, quiet));
    // Of about a hundred intervals of 90 %; fewer than 75 held is a chance of less than 1 in 10⁵.
    assert!(4 * hits >= 3 * of && of > 90, "{hits} of {of}");
    assert_eq!(found, {
        let mut again = sandbox
            .run(&["validate", "--detector", "--seeds", "3", "--json"])
            .json();
        again["seconds"] = found["seconds"].clone();
        again
    });
    let error = sandbox.run(&["validate", "--detector", "--seeds", "0", "--json"]);
    assert!(error.refusal().message.contains("--seeds"));
}
