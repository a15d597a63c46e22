//! `stages` on files as people have them: what is read, what is refused by name, and what an answer
//! says of its data.

use std::fmt::Write;

use ontogeny_tests::{Ended, Sandbox};
use serde_json::Value;

use crate::SMALL;

/// λ̂ and the loss at a step of a run with two episodes, about steps 20 and 1000.
fn curves(step: f64) -> (f64, f64) {
    let sigmoid = |centre: f64| 1.0 / (1.0 + (-(step.ln_1p() - centre) / 0.3).exp());
    let done = sigmoid(3.0) + sigmoid(7.0);
    // A ripple that is no noise of any generator: the same on every machine.
    (
        10.0 + 30.0 * (done + 0.004 * (7.0 * step).sin()),
        4.0 - done,
    )
}

/// 45 log-spaced steps to 4000.
fn steps() -> Vec<u64> {
    let step = |i: u32| (0.185 * f64::from(i)).exp_m1().round() as u64 + u64::from(i);
    (0..45).map(step).collect()
}

/// A table with a line for each step, made by `line`.
fn table(header: &str, line: impl Fn(u64, f64, f64) -> String) -> String {
    let mut text = format!("{header}\n");
    for step in steps() {
        let (llc, loss) = curves(step as f64);
        let _ = writeln!(text, "{}", line(step, llc, loss));
    }
    text
}

fn plain() -> String {
    table("step,llc,loss", |step, llc, loss| {
        format!("{step},{llc:.4},{loss:.4}")
    })
}

/// The columns `step` and `llc`, and more options.
fn stages(sandbox: &Sandbox, file: &str, more: &[&str]) -> Ended {
    let columns = ["stages", file, "--x", "step", "--y", "llc"];
    sandbox.run(&[&columns[..], more].concat())
}

fn answer(sandbox: &Sandbox, file: &str, more: &[&str]) -> Value {
    stages(sandbox, file, &[more, &["--json"]].concat()).json()
}

/// What is said of a file without an answer: at most ten lines that name it.
fn refused(sandbox: &Sandbox, file: &str, more: &[&str]) -> String {
    let message = stages(sandbox, file, &[more, &["--json"]].concat())
        .refusal()
        .message;
    assert!(
        message.lines().count() <= 10 && message.len() < 1500,
        "{message}"
    );
    assert!(message.contains(file), "{file}: {message}");
    message
}

#[test]
fn the_same_table_is_read_whatever_its_dress() {
    let sandbox = Sandbox::new();
    let text = plain();
    sandbox.write("plain.csv", &text);
    let expected = answer(&sandbox, "plain.csv", &[])["boundaries"].clone();
    assert_eq!(expected.as_array().map(Vec::len), Some(1));
    let decimal_commas = text.replace(',', ";").replace('.', ",");
    let units = |bytes: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        let units = text.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(units).collect::<Vec<u8>>()
    };
    let dresses: [(&str, Vec<u8>); 11] = [
        ("semicolons.csv", text.replace(',', ";").into()),
        ("commas.csv", decimal_commas.into()),
        ("bars.txt", text.replace(',', " | ").into()),
        ("spaces.dat", text.replace(',', "   ").into()),
        ("tabs.csv", text.replace(',', "\t").into()),
        ("cr.csv", text.replace('\n', "\r").into()),
        ("crlf.csv", text.replace('\n', "\r\n").into()),
        ("marked.csv", ["\u{feff}", &text].concat().into()),
        ("little.csv", units(u16::to_le_bytes, [0xff, 0xfe])),
        ("big.csv", units(u16::to_be_bytes, [0xfe, 0xff])),
        (
            "comments.csv",
            ["# run 7, lr=1e-3, batch 32\n", &text].concat().into(),
        ),
    ];
    for (name, bytes) in dresses {
        sandbox.write(name, bytes);
        let found = answer(&sandbox, name, &[]);
        assert_eq!(found["boundaries"], expected, "{name}");
    }
}

#[test]
fn other_kinds_and_encodings_are_refused_by_name() {
    let sandbox = Sandbox::new();
    let latin: Vec<u8> = table("step,llc,note", |step, llc, _| {
        format!("{step},{llc:.4},größe")
    })
    .chars()
    .map(|letter| letter as u8)
    .collect();
    for (name, bytes, words) in [
        ("a.csv.gz", &b"\x1f\x8b\x08\0\0\0\0\0"[..], "gzip"),
        ("a.csv", b"\x28\xb5\x2f\xfd\0\0", "zstd"),
        ("a.xlsx", b"PK\x03\x04 xl/workbook.xml", "Excel"),
        ("latin1.csv", &latin, "line 2"),
        ("empty.csv", b"", "empty"),
        ("header.csv", b"step,llc\n", "no rows"),
        ("numbers.csv", b"0,1.5\n10,2.5\n", "header"),
        ("rows.jsonl", b"{\"step\": 0, \"llc\": 1.5}\n", "JSON"),
    ] {
        sandbox.write(name, bytes);
        let told = refused(&sandbox, name, &[]);
        assert!(told.contains(words), "{name}: {told}");
    }
}

#[test]
fn steps_that_may_be_thousands_are_not_guessed() {
    let sandbox = Sandbox::new();
    let dotted = |step: u64| match step {
        0..1000 => step.to_string(),
        _ => format!("{}.{:03}", step / 1000, step % 1000),
    };
    sandbox.write(
        "dots.tsv",
        table("step\tllc", |step, llc, _| {
            format!("{}\t{llc:.4}", dotted(step))
        }),
    );
    let told = refused(&sandbox, "dots.tsv", &[]);
    assert!(told.contains("line") && told.contains("`step`"), "{told}");
    assert!(
        told.contains("step 1.") && told.contains("or step 1"),
        "{told}"
    );
    let large = table("step,llc", |step, llc, _| {
        format!("{},{llc}", 1_700_000_000_000_000_000 + step)
    });
    sandbox.write("time.csv", large);
    assert!(refused(&sandbox, "time.csv", &[]).contains("2^53"));
    let tokens = table("step,llc", |step, llc, _| {
        format!("{},{llc}", 10_000_000_000 + 1000 * step)
    });
    sandbox.write("tokens.csv", tokens);
    let told = refused(&sandbox, "tokens.csv", &[]);
    assert!(
        told.contains("subtract") && told.contains("10000000000"),
        "{told}"
    );
}

#[test]
fn an_answer_says_how_much_of_each_curve_there_is() {
    let sandbox = Sandbox::new();
    let some = table("step,llc,loss,few", |step, llc, loss| {
        let llc = match step {
            65..3000 => "NaN".to_owned(),
            _ => format!("{llc:.4}"),
        };
        let loss = if step > 300 {
            String::new()
        } else {
            format!("{loss:.4}")
        };
        format!("{step},{llc},{loss},{}", if step < 3 { "1" } else { "" })
    });
    sandbox.write("a.csv", some);
    let all = ["--y2", "loss", "--y2", "few"];
    let found = answer(&sandbox, "a.csv", &all);
    let coverage = found["coverage"].as_array().expect("coverage");
    let [llc, loss, few] = coverage.as_slice() else {
        panic!("{found}")
    };
    let all_steps = steps();
    let missing = all_steps.iter().filter(|s| (65..3000).contains(*s)).count();
    assert_eq!(llc["missing"], missing);
    assert_eq!(llc["values"], 45 - missing);
    assert_eq!(llc["first"], 0);
    assert_eq!(llc["holes"].as_array().map(Vec::len), Some(1));
    let before = all_steps.iter().filter(|s| **s < 65).max();
    assert_eq!(llc["holes"][0]["from"], *before.expect("steps"));
    let last = all_steps.iter().filter(|s| **s <= 300).max();
    assert_eq!(loss["last"], *last.expect("steps"));
    assert_eq!(
        (&few["used"], &few["values"]),
        (&false.into(), &few["values"])
    );
    let text = stages(&sandbox, "a.csv", &all).success().stdout;
    for words in [
        "llc: ".to_owned(),
        format!("{missing} missing"),
        "no value between steps".to_owned(),
        "ends at step".to_owned(),
        "too few values".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    // The loss ended long before; what it did up to then is not its change to the end.
    let last_stage = text.lines().rfind(|line| line.contains("to the end"));
    let last_stage = last_stage.expect("a last stage");
    assert!(
        last_stage.contains("loss not measured") || last_stage.contains("(to "),
        "{text}"
    );
    // A curve with too few values alone is no answer.
    let told = sandbox.run(&["stages", "a.csv", "--x", "step", "--y", "few", "--json"]);
    assert!(told.refusal().message.contains("`few` has"), "{told}");
}

#[test]
fn a_boundary_in_a_hole_is_told() {
    let sandbox = Sandbox::new();
    // Values to step 50 and from 400 on; the speed is least about step 147.
    let holed = table("step,llc", |step, llc, _| match step {
        51..400 => format!("{step},"),
        _ => format!("{step},{llc:.4}"),
    });
    sandbox.write("a.csv", holed);
    let found = answer(&sandbox, "a.csv", &[]);
    let boundaries = found["boundaries"].as_array().expect("boundaries");
    let text = stages(&sandbox, "a.csv", &[]).success().stdout;
    assert!(text.contains("no value between steps"), "{text}");
    assert_eq!(boundaries.len(), 1, "{found}");
    assert_eq!(boundaries[0]["in_hole"]["curve"], "llc", "{found}");
    assert!(text.contains("in a hole"), "{text}");
}

#[test]
fn a_value_far_outside_is_told() {
    let sandbox = Sandbox::new();
    let text = plain();
    let mut lines: Vec<&str> = text.lines().collect();
    let wild = "1.0e9,";
    let cells: Vec<&str> = lines[20].split(',').collect();
    let line = format!("{},{wild}{}", cells[0], cells[2]);
    lines[20] = &line;
    sandbox.write("a.csv", lines.join("\n"));
    let found = answer(&sandbox, "a.csv", &[]);
    assert_eq!(found["coverage"][0]["outliers"][0]["value"], 1.0e9);
    let text = stages(&sandbox, "a.csv", &[]).success().stdout;
    assert!(text.contains("far outside"), "{text}");
}

#[test]
fn standard_errors_are_those_that_are_named() {
    let sandbox = Sandbox::new();
    let text = table("step,llc,llc_se,none", |step, llc, loss| {
        format!("{step},{llc:.4},{:.4},", 5.0 + loss)
    });
    sandbox.write("a.csv", text);
    let alone = answer(&sandbox, "a.csv", &[]);
    let beside = answer(&sandbox, "a.csv", &["--y2", "llc_se"]);
    let places = |found: &Value| {
        let of_llc = found["boundaries"].as_array().into_iter().flatten();
        let places = of_llc.flat_map(|b| b["places"].as_array().cloned().unwrap_or_default());
        places.filter(|p| p["view"] == "llc").collect::<Vec<_>>()
    };
    assert_eq!(
        places(&beside),
        places(&alone),
        "a second curve is no error of the first"
    );
    let with = answer(&sandbox, "a.csv", &["--err", "llc_se"]);
    assert_ne!(places(&with), places(&alone));
    assert!(refused(&sandbox, "a.csv", &["--err", "none"]).contains("no value"));
}

/// Rows of two seeds, the second a little different.
fn two_seeds(column: &str) -> String {
    let seed = |seed: u64| {
        let rows = table("", |step, llc, _| {
            format!("{step},{seed},{:.4}", llc + 0.1 * seed as f64)
        });
        rows.trim_start().to_owned()
    };
    format!("step,{column},llc\n{}{}", seed(0), seed(1))
}

#[test]
fn seeds_in_one_file_are_told_apart_or_hinted_at() {
    let sandbox = Sandbox::new();
    for (file, column) in [("seed.csv", "seed"), ("run.csv", "run_id")] {
        sandbox.write(file, two_seeds(column));
        let told = refused(&sandbox, file, &[]);
        assert!(
            told.contains(&format!("--replica-column '{column}'")),
            "{told}"
        );
        assert!(
            told.contains("`replica`") && told.contains("lines 2 and 47"),
            "{told}"
        );
        let found = answer(&sandbox, file, &["--replica-column", column]);
        assert_eq!(found["replicas"].as_array().map(Vec::len), Some(2));
    }
    sandbox.write("capitals.csv", two_seeds("Replica"));
    let found = answer(&sandbox, "capitals.csv", &["--replica", "1"]);
    assert_eq!(found["replicas"][0]["name"], "1");
    assert!(found["notes"].to_string().contains("Replica"), "{found}");
    let named = two_seeds("replica").replace(",1,", ",none,");
    sandbox.write("none.csv", named);
    let found = answer(&sandbox, "none.csv", &["--replica", "none"]);
    assert_eq!(found["replicas"][0]["name"], "none");
    // A restart writes steps again.
    let text = plain();
    let lines: Vec<&str> = text.lines().collect();
    let restarted = [&lines[..30], &lines[25..]].concat().join("\n");
    sandbox.write("restart.csv", restarted);
    let told = refused(&sandbox, "restart.csv", &[]);
    assert!(
        told.contains("restart") && told.contains("lines 26 and 31"),
        "{told}"
    );
}

#[test]
fn healthy_replicas_are_answered_beside_bad_ones() {
    let sandbox = Sandbox::new();
    let short = "0,short,1\n1,short,2\n";
    let broken = "0,broken,1\n1,broken,inf\n";
    sandbox.write("a.csv", two_seeds("replica") + short + broken);
    let found = answer(&sandbox, "a.csv", &[]);
    assert_eq!(found["replicas"].as_array().map(Vec::len), Some(2));
    let failed = found["failed"].as_array().expect("failed");
    let names: Vec<&str> = failed.iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(names, ["broken", "short"]);
    assert!(
        failed[1]["message"].to_string().contains("2 rows"),
        "{found}"
    );
    let text = stages(&sandbox, "a.csv", &[]).success();
    assert!(
        text.stderr.contains("replica broken") && text.stderr.contains("line 95"),
        "{text}"
    );
    sandbox.write("bad.csv", format!("step,replica,llc\n{short}{broken}"));
    let told = refused(&sandbox, "bad.csv", &[]);
    assert!(
        told.contains("replica short") && told.contains("replica broken"),
        "{told}"
    );
}

#[test]
fn a_frozen_replica_of_a_run_is_told_and_the_other_is_answered() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let hot = "{name=\"hot\",set={\"training.lr\"=1e5,\"training.optimizer\"=\"sgd\"}}";
    let arms = format!("arms=[{{name=\"ok\"}},{hot}]");
    let run = [
        "run",
        "small.toml",
        "--device",
        "cpu",
        "--out",
        "run",
        "--set",
        "seeds=[0]",
    ];
    sandbox
        .run(&[&run[..], &["--set", &arms]].concat())
        .success();
    let ended = sandbox.run(&["stages", "run", "--json"]);
    assert!(
        ended.stderr.contains("hot.seed0: it was frozen at step"),
        "{ended}"
    );
    let found = ended.json();
    assert_eq!(found["replicas"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["replicas"][0]["name"], "ok.seed0");
    assert_eq!(found["failed"][0]["name"], "hot.seed0");
    let alone = sandbox.run(&["stages", "run", "--replica", "hot.seed0", "--json"]);
    assert!(alone.refusal().message.contains("stages need 8"), "{alone}");
}

#[test]
fn columns_that_look_alike_are_told_apart_and_thousands_are_not_listed() {
    let sandbox = Sandbox::new();
    sandbox.write("nfd.csv", plain().replace("loss", "perte valide\u{301}e"));
    let columns = ["stages", "nfd.csv", "--x", "step", "--y", "perte validée"];
    assert!(
        sandbox
            .run(&columns)
            .success()
            .stdout
            .contains("perte validée")
    );
    sandbox.write("space.csv", plain().replace("loss", "val\u{a0}loss"));
    let columns = [
        "stages",
        "space.csv",
        "--x",
        "step",
        "--y",
        "val loss",
        "--json",
    ];
    let told = sandbox.run(&columns).refusal().message;
    assert!(told.contains("kind of space: U+00A0"), "{told}");
    let more: Vec<String> = (0..3000).map(|i| format!("head.{i}")).collect();
    let wide = plain().replace("loss", &more.join(","));
    sandbox.write("wide.csv", wide);
    let columns = ["stages", "wide.csv", "--x", "step", "--y", "lllc", "--json"];
    let told = sandbox.run(&columns).refusal().message;
    assert!(
        told.len() < 500 && told.contains("did you mean `llc`"),
        "{told}"
    );
}

#[test]
fn very_many_rows_are_answered_and_replayed_at_some_of_them() {
    let sandbox = Sandbox::new();
    let mut text = "step,llc,flat\n".to_owned();
    for step in 0..20_000 {
        let _ = writeln!(text, "{step},{:.4},1.5", curves(f64::from(step)).0);
    }
    sandbox.write("many.csv", text);
    let found = answer(&sandbox, "many.csv", &[]);
    assert_eq!(found["coverage"][0]["values"], 20_000);
    let boundaries = found["boundaries"].as_array().expect("boundaries");
    assert_eq!(boundaries.len(), 1, "{found}");
    // The middle of the valley by symmetry.
    let of = |key: &str| boundaries[0][key].as_f64().expect("a step");
    assert!(of("lo") <= 147.4 && 147.4 <= of("hi"), "{found}");
    // A curve that never changes costs no fit, so that this is about the looks alone.
    let replay = [
        "stages", "many.csv", "--x", "step", "--y", "flat", "--online",
    ];
    let found = sandbox.run(&[&replay[..], &["--json"]].concat()).json();
    let online = &found["online"];
    assert_eq!(online["rows"], 20_000 - 7);
    let looks = online["looks"].as_u64().expect("a count");
    assert!((50..200).contains(&looks), "{online}");
    let text = sandbox.run(&replay).success().stdout;
    assert!(
        text.contains(&format!("looked at {looks} of 19993 rows")),
        "{text}"
    );
    assert!(text.contains("all values are the same"), "{text}");
}
