//! What holds for every table and every name of a component, whatever is in it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, helpers outside test functions too"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ontogeny_analysis::component;
use ontogeny_analysis::series::{self, SeriesError, Wanted};
use ontogeny_analysis::table::{MeasureRow, write_parquet};
use ontogeny_model::{Activation, Init, NetworkConfig, Norm, Positions, TransformerConfig};
use ontogeny_store::excerpt;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn wanted(step: &str, value: &str) -> Wanted {
    Wanted {
        step: step.to_owned(),
        values: vec![value.to_owned()],
        error: None,
        replica_column: None,
        replica: None,
    }
}

/// The rows of a file, one replica after the other.
fn rows_of(path: &Path, wanted: &Wanted) -> Result<Vec<MeasureRow>, SeriesError> {
    let replicas = series::read(path, wanted)?.replicas.into_iter();
    let rows: Result<Vec<_>, _> = replicas.map(|replica| replica.rows).collect();
    Ok(rows?.concat())
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Whether the error names its file.
fn named(error: &SeriesError, file: &str) -> Result<(), TestCaseError> {
    let said = error.to_string();
    prop_assert!(
        said.contains(file) && error.place().0.ends_with(file),
        "{}",
        said
    );
    prop_assert!(said.lines().count() <= 10, "{}", said);
    Ok(())
}

/// Values at steps, some of them absent.
fn curve() -> impl Strategy<Value = BTreeMap<u32, Option<f64>>> {
    btree_map(
        any::<u32>(),
        prop::option::weighted(0.9, -1e300..1e300_f64),
        1..30,
    )
}

fn network() -> NetworkConfig {
    let config = TransformerConfig {
        n_layers: 2,
        n_heads: 3,
        d_model: 8,
        d_head: 4,
        d_mlp: 16,
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
    };
    config.into()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn values_come_back_from_a_table_bit_for_bit(
        curve in curve(),
        end in prop_oneof![Just("\n"), Just("\r\n")],
        tabs in any::<bool>(),
        quoted in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (name, separator) = if tabs { ("a.tsv", '\t') } else { ("a.csv", ',') };
        let quote = if quoted { "\"" } else { "" };
        let mut text = format!("step{separator}{quote}loss{quote}{end}");
        for (step, value) in &curve {
            let value = value.map(|v| format!("{v:?}")).unwrap_or_default();
            text.push_str(&format!("{step}{separator}{quote}{value}{quote}{end}"));
        }
        let path = put(folder.path(), name, text.as_bytes());
        let rows = rows_of(&path, &wanted("step", "loss")).unwrap();
        let rows: Vec<(u32, Option<f64>)> = rows
            .iter()
            .map(|row| (u32::try_from(row.step).unwrap(), row.values.get("loss").copied()))
            .collect();
        prop_assert_eq!(rows, curve.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..150),
            "[step,loss;\\t\"\n\r0-9.#eE\u{feff}-]{0,150}".prop_map(String::into_bytes),
        ],
    ) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.csv", "a.tsv", "a.txt", "a.parquet"] {
            let path = put(folder.path(), name, &bytes);
            if let Err(error) = rows_of(&path, &wanted("step", "loss")) {
                named(&error, name)?;
            }
        }
    }

    #[test]
    fn a_cell_that_is_no_number_is_told_with_its_line_and_column(
        before in 0_usize..40,
        cell in "[a-z]{3,9}",
    ) {
        let other = cell.parse::<f64>().is_err() && !["null", "none"].contains(&cell.as_str());
        prop_assume!(other);
        let folder = tempfile::tempdir().unwrap();
        let good: String = (0..before).map(|step| format!("{step},1.5\n")).collect();
        let text = format!("step,loss\n{good}{before},{cell}\n");
        let path = put(folder.path(), "a.csv", text.as_bytes());
        let error = rows_of(&path, &wanted("step", "loss")).expect_err("no number");
        named(&error, "a.csv")?;
        let (_, line, column) = error.place();
        prop_assert_eq!((line, column), (Some(before + 2), Some("loss")));
        prop_assert!(error.to_string().contains(&cell), "{}", error);
    }

    #[test]
    fn components_are_displayed_as_they_are_read(
        pieces in vec(
            prop_oneof![
                Just("all".to_owned()), Just("embed".to_owned()), Just("unembed".to_owned()),
                Just("norm".to_owned()), Just("attn".to_owned()), Just("mlp".to_owned()),
                (0..2_usize).prop_map(|l| format!("attn:{l}")),
                (0..2_usize).prop_map(|l| format!("mlp:{l}")),
                (0..2_usize).prop_map(|l| format!("layer:{l}")),
                (0..2_usize, 0..3_usize).prop_map(|(l, h)| format!("head:{l}.{h}")),
            ],
            1..5,
        ),
        space in prop_oneof![Just(""), Just(" ")],
    ) {
        let read = component::parse(&pieces.join(&format!("{space}+{space}")), &network()).unwrap();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(read[0].to_string(), pieces.join("+"));
        prop_assert_eq!(component::parse(&read[0].to_string(), &network()).unwrap(), read);
    }

    #[test]
    fn no_name_makes_the_reader_panic(
        name in prop_oneof![".{0,40}", "(all|head|heads|layer|mlp|[:.+ 0-9-]){0,8}"],
    ) {
        match component::parse(&name, &network()) {
            Ok(read) => prop_assert!(!read.is_empty()),
            Err(error) => prop_assert!(error.to_string().contains(&excerpt(&name))),
        }
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_parquet_table_comes_back_and_a_damaged_one_is_refused_by_name(
        curve in curve(),
        at in any::<prop::sample::Index>(),
        byte in 1..=255_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let rows: Vec<MeasureRow> = curve
            .iter()
            .map(|(step, value)| MeasureRow {
                step: u64::from(*step),
                tokens: 0,
                replica: "seed0".to_owned(),
                values: value.map(|v| ("loss".to_owned(), v)).into_iter().collect(),
                vectors: BTreeMap::new(),
                words: BTreeMap::new(),
            })
            .collect();
        prop_assume!(rows.iter().any(|row| !row.values.is_empty()));
        write_parquet(&path, &rows).unwrap();
        let wanted = wanted("step", "loss");
        prop_assert_eq!(rows_of(&path, &wanted).unwrap(), rows);

        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
        for damaged in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            put(folder.path(), "a.parquet", damaged);
            if let Err(error) = rows_of(&path, &wanted) {
                named(&error, "a.parquet")?;
            }
        }
    }
}
