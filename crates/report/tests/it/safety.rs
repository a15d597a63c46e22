//! Text and numbers that could break a page, and requests that it must not make.

use ontogeny_report::render;
use ontogeny_results::stages::Boundary;
use serde_json::Value;

use crate::fixture;
use crate::reading::{data, keep, text};

#[test]
fn hostile_text_stays_text_everywhere() {
    let hostile = "</script><script>alert(\"1\")</script>'<!--\u{2028}&amp;";
    let mut input = fixture::run(2);
    input.title = hostile.into();
    input.run = hostile.into();
    input.summary = hostile.into();
    input.created = hostile.into();
    input.version = hostile.into();
    input.notes = vec![hostile.into()];
    input.warnings = vec![hostile.into()];
    let from = &mut input.provenance;
    for field in [
        &mut from.config,
        &mut from.config_key,
        &mut from.source_key,
        &mut from.device,
        &mut from.method,
        &mut from.command,
    ] {
        *field = hostile.into();
    }
    input.estimator.get_or_insert_default().sampler = hostile.into();
    let replica = &mut input.replicas[1];
    replica.name = hostile.into();
    replica.arm = hostile.into();
    replica.frozen = Some(hostile.into());
    replica.rows[0].values.insert(hostile.into(), 1.0);
    for row in &mut replica.rows {
        row.values.insert(format!("llc.{hostile}"), 1.0);
        row.words
            .insert(format!("llc_verdict.{hostile}"), hostile.into());
        row.words
            .insert(format!("llc_reason.{hostile}"), hostile.into());
    }
    replica.stages.smooth[0].name = hostile.into();
    let stage = &mut replica.stages.stages[2];
    stage.why = hostile.into();
    stage.nearest_oracle = Some((hostile.into(), 0.1));
    stage.heads_rising[0].head = hostile.into();
    stage.heads_rising[0].score = hostile.into();

    let page = render(&input);
    keep("hostile.html", &page);
    // One element for the data and one for the scripts, as in a page with harmless text.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<!--") && !page.contains("alert(\"1\")"));
    let data = data(&page);
    assert_eq!(data["run"], hostile);
    assert_eq!(data["replicas"][1]["name"], hostile);
    assert_eq!(data["replicas"][1]["values"][hostile][0], 1.0);
}

#[test]
fn what_is_not_finite_never_reaches_the_page() {
    let mut input = fixture::run(1);
    input.interval_level = f64::NAN;
    input.provenance.train_seconds = Some(f64::INFINITY);
    let replica = &mut input.replicas[0];
    for row in &mut replica.rows {
        row.values.insert("icl_score".into(), f64::NAN);
        row.values
            .insert("divergence.bigram".into(), f64::NEG_INFINITY);
        row.vectors
            .insert("loss_by_position".into(), vec![f64::NAN; 8]);
    }
    replica.rows[3].values.insert("loss".into(), f64::INFINITY);
    replica.training[7].loss = f64::NAN;
    replica.stages.smooth[0].mean[5] = f64::NAN;
    replica.stages.boundaries.push(Boundary {
        at: f64::NAN,
        ..Boundary::default()
    });
    let stage = &mut replica.stages.stages[0];
    stage.delta_loss = f64::NAN;
    stage.delta_llc = Some(f64::INFINITY);
    stage.start_lo = f64::NEG_INFINITY;
    stage.end_hi = Some(f64::INFINITY);

    let page = render(&input);
    let before_scripts = &page[..page.rfind("<script>").expect("the scripts come last")];
    for word in ["NaN", "inf", "Infinity"] {
        assert!(
            !text(before_scripts).contains(&format!(" {word} ")),
            "{word}"
        );
    }
    let data = data(&page);
    let replica = &data["replicas"][0];
    assert_eq!(replica["values"]["loss"][3], Value::Null);
    assert!(replica["values"]["loss"][2].is_f64());
    assert!(replica["values"].get("divergence.bigram").is_none());
    assert_eq!(replica["smooth"]["llc"]["mean"][5], Value::Null);
    assert_eq!(replica["boundaries"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        replica["stages"][0]["end"],
        serde_json::json!([794.0, 640.0, null])
    );
    let absent = replica["absent"].as_object().expect("sentences by chart");
    assert_eq!(absent.keys().collect::<Vec<_>>(), ["icl", "positions"]);
}

#[test]
fn the_page_asks_no_other_place_for_anything() {
    let page = render(&fixture::run(1));
    assert!(page.contains("default-src 'none'"));
    // Names of XML namespaces are the only addresses, and no browser opens those.
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    for request in [
        "http://",
        "https://",
        "src=\"",
        "href=\"",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!rest.contains(request), "{request}");
    }
}
