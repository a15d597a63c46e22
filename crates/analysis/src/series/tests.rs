//! Reading as a whole: what comes out of a file, and what is said where nothing can.

use super::*;
use crate::columns::{Column as Written, to_parquet};
use crate::table::write_parquet;

fn wanted(step: &str, values: &[&str]) -> Wanted {
    Wanted {
        step: step.to_owned(),
        values: values.iter().map(|&v| v.to_owned()).collect(),
        error: None,
        replica_column: None,
        replica: None,
    }
}

fn series(name: &str, content: impl AsRef<[u8]>, wanted: &Wanted) -> Result<Series, SeriesError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    read(&path, wanted)
}

/// The rows of each replica; the first of their failures otherwise.
fn of(name: &str, text: &str, wanted: &Wanted) -> Result<Vec<Vec<MeasureRow>>, SeriesError> {
    let replicas = series(name, text, wanted)?.replicas;
    replicas.into_iter().map(|r| r.rows).collect()
}

fn refusal(text: &str, wanted: &Wanted) -> String {
    of("a.csv", text, wanted).unwrap_err().to_string()
}

/// Steps and values of `y` in a file with the only replica.
fn points(text: &str) -> Vec<(u64, f64)> {
    let rows = of("a.csv", text, &wanted("step", &["y"])).unwrap();
    let point = |r: &MeasureRow| Some((r.step, *r.values.get("y")?));
    rows[0].iter().filter_map(point).collect()
}

#[test]
fn rows_are_sorted_and_missing_cells_are_absent() {
    let text = "step,loss,\"llc, mean\"\r\n100, 2.5,7\r\n0,4,NaN\n1e3,,\"8.5\"\n\n";
    let rows = of("a.csv", text, &wanted("step", &["loss", "llc, mean"])).unwrap();
    let rows = &rows[0];
    assert_eq!(
        rows.iter().map(|r| r.step).collect::<Vec<_>>(),
        [0, 100, 1000]
    );
    assert_eq!(rows[0].values, [("loss".to_owned(), 4.0)].into());
    assert_eq!(
        rows[1].values,
        [("llc, mean".to_owned(), 7.0), ("loss".to_owned(), 2.5)].into()
    );
    assert_eq!(rows[2].values, [("llc, mean".to_owned(), 8.5)].into());
    assert_eq!(
        of("a.tsv", "t\ty\n3\t1\n", &wanted("t", &["y"])).unwrap()[0][0].values["y"],
        1.0
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let y = wanted("step", &["y"]);
    for (text, parts) in [
        (
            "step,y\n0,1\n1,high\n",
            vec!["a.csv", "line 3", "`y`", "high"],
        ),
        (
            "step,y\n0,1\n1.5,2\n",
            vec!["line 3", "`step`", "1.5", "whole"],
        ),
        ("step,y\n-1,1\n", vec!["line 2", "`step`", "-1"]),
        ("step,y\n,1\n", vec!["line 2", "`step`", "nothing"]),
        ("step,y\n0,inf\n", vec!["line 2", "`y`", "finite"]),
        ("step,y\n4,1\n7,1\n4,2\n", vec!["lines 2 and 4", "step 4"]),
        (
            "step,yy\n0,1\n",
            vec!["`y`", "step, yy", "did you mean `yy`"],
        ),
        ("steps,y\n0,1\n", vec!["`step`", "did you mean `steps`"]),
        ("step,y\n0,1,2\n", vec!["line 2", "3 cells", "2 columns"]),
        ("step,y\n0,\"1\n", vec!["line 2", "quote"]),
        ("step,y\n", vec!["no rows"]),
        ("", vec!["no header"]),
        ("step,y,y\n0,1,2\n", vec!["two columns", "`y`"]),
        ("step,y\n0,12:30\n", vec!["line 2", "`y`", "12:30"]),
        ("step,y\n2024-01-01,1\n", vec!["line 2", "date"]),
        ("step,y\n1k,1\n", vec!["line 2", "without units"]),
    ] {
        let told = refusal(text, &y);
        assert!(parts.iter().all(|p| told.contains(p)), "{parts:?}: {told}");
    }
    let told = read(Path::new("/nowhere/a.csv"), &y)
        .unwrap_err()
        .to_string();
    assert!(told.contains("/nowhere/a.csv"), "{told}");
}

#[test]
fn columns_that_are_not_asked_for_may_be_anything() {
    let text = "step,y,x,x,,\n0,1,a,b,,\n1,2,c,,d,\n";
    assert_eq!(points(text), [(0, 1.0), (1, 2.0)]);
}

#[test]
fn long_names_and_cells_are_cut_and_many_names_are_counted() {
    let names: Vec<String> = (0..3000).map(|i| format!("column {i}")).collect();
    let text = format!("step,{}\n", names.join(","));
    let told = refusal(&text, &wanted("step", &["y"]));
    assert!(told.len() < 400 && told.contains("3001"), "{told}");
    let told = refusal(
        &format!("step,y\n0,{}\n", "x".repeat(5000)),
        &wanted("step", &["y"]),
    );
    assert!(told.len() < 300 && told.contains("xxx…"), "{told}");
}

#[test]
fn an_accent_may_be_a_character_of_its_own() {
    let text = "step,perte valide\u{301}e\n0,1\n";
    let read = series("a.csv", text, &wanted("step", &["perte validée"])).unwrap();
    let rows = read.replicas[0].rows.as_ref().unwrap();
    assert_eq!(rows[0].values["perte validée"], 1.0);
    assert!(read.notes.join(" ").contains("NFC"), "{:?}", read.notes);
    // Where a file has both, the one that was typed counts.
    let both = "step,é,e\u{301}\n0,1,2\n";
    for (typed, value) in [("é", 1.0), ("e\u{301}", 2.0)] {
        let rows = of("a.csv", both, &wanted("step", &[typed])).unwrap();
        assert_eq!(rows[0][0].values[typed], value);
    }
}

#[test]
fn steps_that_may_be_thousands_are_refused_unless_the_file_tells() {
    for text in [
        "step,y\n0,0.5\n1.000,1.5\n2.000,2.5\n",
        "step,y\n1.000,1\n2.000,2\n",
        "step;y\n1.000;0.25\n12.000;0.5\n",
        "step,y\n\"1,000\",1\n\"2,000\",2\n",
        "step;y\n1,000;0,25\n2,000;0,5\n",
    ] {
        let told = refusal(text, &wanted("step", &["y"]));
        assert!(told.contains("step 1 or step 1000"), "{text}: {told}");
    }
    for (text, steps) in [
        // As a table of floating-point numbers has them.
        ("step,y\n0.0,1\n1.0,2\n2.0,3\n", [0, 1, 2]),
        ("step,y\n0.000,1\n1.000,2\n2.000,3\n", [0, 1, 2]),
        ("step,y\n1.000,1\n2.000,2\n1000.000,3\n", [1, 2, 1000]),
        // Every number of the file is written the same way.
        ("step;y\n0;0,5\n1.000;1,25\n2.000;2,5\n", [0, 1000, 2000]),
        (
            "step,y\n0,0.5\n\"1,000\",1.5\n\"2,000\",2.5\n",
            [0, 1000, 2000],
        ),
        (
            "step;y\n1.000;1\n2.000;2\n1.000.000;3\n",
            [1000, 2000, 1_000_000],
        ),
        ("step,y\n0,1\n1 000,2\n1_000_000,3\n", [0, 1000, 1_000_000]),
    ] {
        let found: Vec<u64> = points(text).iter().map(|p| p.0).collect();
        assert_eq!(found, steps, "{text}");
    }
}

#[test]
fn values_are_read_in_the_notation_of_the_file() {
    for (text, values) in [
        ("step;y\n0;0,0199\n1;-12,5\n", [0.0199, -12.5]),
        ("step;y\n0;1.234,5\n1;1.234\n", [1234.5, 1234.0]),
        ("step,y\n0,1.234\n1,2.345\n", [1.234, 2.345]),
        ("step,y\n0,\"1,234\"\n1,0.5\n", [1234.0, 0.5]),
        ("step,y\n0,1e-3\n1,2E+2\n", [0.001, 200.0]),
    ] {
        let found: Vec<f64> = points(text).iter().map(|p| p.1).collect();
        assert_eq!(found, values, "{text}");
    }
    let y = wanted("step", &["y"]);
    let told = refusal("step;y\n0;1,234\n1;2,345\n", &y);
    assert!(told.contains("1.234 or as 1234"), "{told}");
    let told = refusal("step;y\n0;0,5\n1;0.5\n", &y);
    assert!(told.contains("line 2") && told.contains("line 3"), "{told}");
}

#[test]
fn steps_that_doubles_round_are_refused() {
    for step in ["9007199254740993", "1700000000000000000", "1.8e19"] {
        let told = refusal(&format!("step,y\n{step},1\n"), &wanted("step", &["y"]));
        assert!(told.contains("2^53") && told.contains("line 2"), "{told}");
    }
    assert_eq!(
        points("step,y\n9007199254740991,1\n9007199254740992,2\n"),
        [(9_007_199_254_740_991, 1.0), (9_007_199_254_740_992, 2.0)]
    );
}

#[test]
fn standard_errors_are_those_that_were_named() {
    let with = |error: &str| Wanted {
        error: Some(error.into()),
        ..wanted("t", &["y", "z"])
    };
    let rows = of("a.csv", "t,y,z,e\n1,2,3,.5\n", &with("e")).unwrap();
    assert_eq!(rows[0][0].values["e"], 0.5);
    let rows = of(
        "a.csv",
        "t,y,z,y_se\n1,2,3,.5\n",
        &wanted("t", &["y", "y_se"]),
    )
    .unwrap();
    assert_eq!(rows[0][0].values["y_se"], 0.5);
    assert!(refusal("t,y,z,e\n1,2,3,-1\n", &with("e")).contains("standard error"));
    assert!(refusal("t,y,z,e\n1,2,3,\n2,3,4,\n", &with("e")).contains("no value"));
    assert!(refusal("t,y,z,e\n1,2,3,0\n2,3,4,0.0\n", &with("e")).contains("is 0"));
    let notes = |text: &str, error: &str| series("a.csv", text, &with(error)).unwrap().notes;
    let told = notes("t,y,z,e\n1,2,3,.5\n2,3,4,\n3,4,5,0\n", "e").join("; ");
    assert!(
        told.contains("1 values of `y`") && told.contains("1 standard errors"),
        "{told}"
    );
    let told = notes("t,y,z,z_se\n1,2,3,.5\n", "z_se").join("; ");
    assert!(told.contains("`z_se` seems to be of `z`"), "{told}");
    assert!(notes("t,y,z,y_se\n1,2,3,.5\n", "y_se").is_empty());
}

#[test]
fn replicas_are_told_apart() {
    let text = "replica,step,y\nb,1,3\na,1,2\na,0,1\n";
    let all = of("a.csv", text, &wanted("step", &["y"])).unwrap();
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let only = Wanted {
        replica: Some("b".into()),
        ..wanted("step", &["y"])
    };
    assert_eq!(of("a.csv", text, &only).unwrap()[0][0].values["y"], 3.0);
    let none = Wanted {
        replica: Some("c".into()),
        ..wanted("step", &["y"])
    };
    assert!(refusal(text, &none).contains("it holds a, b"));
    assert!(refusal("step,y\n1,2\n", &none).contains("no column `replica`"));
}

#[test]
fn the_name_of_a_replica_is_text_whatever_it_says() {
    let text = "replica,step,y\nnone,1,3\nnan,1,2\nnull,0,1\nNA,0,1\n0,0,1\n01,0,1\n-,0,1\n";
    let read = series("a.csv", text, &wanted("step", &["y"])).unwrap();
    let names: Vec<&str> = read.replicas.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["-", "0", "01", "NA", "nan", "none", "null"]);
}

#[test]
fn the_column_of_replicas_may_be_named_and_may_have_capitals() {
    let count = |text: &str, column: Option<&str>| {
        let wanted = Wanted {
            replica_column: column.map(str::to_owned),
            ..wanted("step", &["y"])
        };
        series("a.csv", text, &wanted).map(|read| (read.replicas.len(), read.notes.len()))
    };
    assert_eq!(
        count("Replica,step,y\na,1,3\nb,1,2\n", None).unwrap(),
        (2, 1)
    );
    assert_eq!(
        count("seed,step,y\n0,1,3\n1,1,2\n", Some("seed")).unwrap(),
        (2, 0)
    );
    let told = count("seed,step,y\n0,1,3\n1,1,2\n", Some("sed")).unwrap_err();
    assert!(told.to_string().contains("did you mean `seed`"), "{told}");
}

#[test]
fn steps_that_come_twice_have_a_hint() {
    let y = wanted("step", &["y"]);
    let rows = |seeds: &[&str]| {
        let of = |seed: &&str| {
            (0..9)
                .map(|i| format!("{i},{seed},{i}.5\n"))
                .collect::<String>()
        };
        seeds.iter().map(of).collect::<String>()
    };
    for column in ["seed", "run_id", "which"] {
        let told = refusal(&format!("step,{column},y\n{}", rows(&["0", "1"])), &y);
        assert!(
            told.contains(&format!("--replica-column '{column}'")),
            "{told}"
        );
        assert!(
            told.contains("lines 2 and 11") && told.contains("`replica`"),
            "{told}"
        );
    }
    // A column that differs in every row names no replicas.
    let told = refusal(
        "step,time,y\n0,1,1\n1,2,2\n2,3,3\n1,4,4\n2,5,5\n3,6,6\n",
        &y,
    );
    assert!(!told.contains("--replica-column"), "{told}");
    assert!(
        told.contains("from 2 to 1 at line 5, as a restart"),
        "{told}"
    );
    assert!(told.contains("1 more") && told.contains("differ"), "{told}");
    let told = refusal("step,y\n0,1\n1,2\n1,2\n2,3\n", &y);
    assert!(
        told.contains("same values") && told.contains("restart"),
        "{told}"
    );
}

#[test]
fn what_is_wrong_in_one_replica_leaves_the_others() {
    let text = "replica,step,y\na,0,1\na,1,2\nb,0,1\nb,1,inf\nc,0,1\nc,0,2\nd,0,x\n";
    let read = series("a.csv", text, &wanted("step", &["y"])).unwrap();
    let fine: Vec<bool> = read.replicas.iter().map(|r| r.rows.is_ok()).collect();
    assert_eq!(fine, [true, false, false, false]);
}

#[test]
fn parquet_gives_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let row = |step: u64, llc: Option<f64>| MeasureRow {
        step,
        tokens: 0,
        replica: "seed-0".into(),
        values: llc.map(|v| ("llc".to_owned(), v)).into_iter().collect(),
        vectors: BTreeMap::new(),
        words: BTreeMap::new(),
    };
    let rows = vec![row(0, Some(1.5)), row(10, None), row(20, Some(-2.0))];
    write_parquet(&path, &rows).unwrap();
    let found = |path: &Path| {
        let read = read(path, &wanted("step", &["llc"])).unwrap();
        (
            read.replicas.into_iter().next().unwrap().rows.unwrap(),
            read.notes,
        )
    };
    assert_eq!(found(&path), (rows.clone(), Vec::new()));
    let told = read(&path, &wanted("step", &["lllc"]))
        .unwrap_err()
        .to_string();
    assert!(told.contains("did you mean `llc`"), "{told}");
    // The content decides, not the name.
    let other = folder.path().join("table.csv");
    std::fs::copy(&path, &other).unwrap();
    let (again, notes) = found(&other);
    assert_eq!(again, rows);
    assert!(notes.join(" ").contains("Parquet"), "{notes:?}");
    std::fs::write(&path, "step,llc\n1,2\n").unwrap();
    assert_eq!(found(&path).0[0].values["llc"], 2.0);
    let bytes = std::fs::read(&other).unwrap();
    std::fs::write(&other, &bytes[..bytes.len() / 2]).unwrap();
    let told = read(&other, &wanted("step", &["llc"]))
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("table.csv") && told.contains("cut off"),
        "{told}"
    );
    std::fs::write(&path, "step,y\n").unwrap();
    let told = read(&path, &wanted("step", &["llc"]))
        .unwrap_err()
        .to_string();
    assert!(told.contains("table.parquet"), "{told}");
}

#[test]
fn whole_numbers_of_parquet_are_not_rounded() {
    let large = 1_i64 << 53;
    let steps = Written::Int(vec![large + 1, large + 2]);
    let values = Written::Double(vec![Some(1.0), Some(2.0)]);
    let columns = [("step".to_owned(), steps), ("y".to_owned(), values)];
    let bytes = to_parquet(&columns, &[]).unwrap();
    let told = series("a.parquet", bytes, &wanted("step", &["y"])).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("row 1") && told.contains("9007199254740993"),
        "{told}"
    );
    let names = ["none", "nan"].map(|n| Some(n.to_owned())).to_vec();
    let columns = [
        ("replica".to_owned(), Written::Text(names)),
        ("step".to_owned(), Written::Int(vec![large, 3])),
        ("y".to_owned(), Written::Double(vec![Some(1.0), Some(2.0)])),
    ];
    let bytes = to_parquet(&columns, &[]).unwrap();
    let read = series("a.parquet", bytes, &wanted("step", &["y"])).unwrap();
    let names: Vec<&str> = read.replicas.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["nan", "none"]);
    let rows = read.replicas[1].rows.as_ref().unwrap();
    assert_eq!(rows[0].step, large as u64);
}
