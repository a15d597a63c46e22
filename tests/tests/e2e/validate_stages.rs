//! `validate --stages`: from training to stages where the truth is known.

use ontogeny_tests::Sandbox;

#[test]
fn stages_are_held_against_their_closed_forms() {
    let sandbox = Sandbox::new();
    let found = sandbox.run(&["validate", "--stages", "--json"]).json();
    assert_eq!(found["failed"], 0);
    let findings = found["findings"].as_array().expect("findings");
    for start in ["decoupled", "random"] {
        let of = |what: &str| {
            findings
                .iter()
                .filter(|f| {
                    f["start"] == start && f["what"].as_str().is_some_and(|w| w.contains(what))
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of("half-rise").len(), 3);
        assert_eq!(of("boundary of modes").len(), 2);
        for finding in of("half-rise").into_iter().chain(of("at the end")) {
            assert_eq!(finding["passed"], true, "{finding}");
        }
    }
    // ½/4 ln(1/a₀ − 1) at a₀ = 10⁻³, in steps of 1/400: computed here again.
    let first = findings[0]["expected"].as_f64().expect("a step");
    assert!((first - 400.0 * 999_f64.ln() / 8.0).abs() < 1e-6, "{first}");
}

#[test]
fn stages_and_single_cases_do_not_mix() {
    let sandbox = Sandbox::new();
    let refused = sandbox.run(&["validate", "--stages", "--case", "rrr", "--json"]);
    assert!(refused.refusal().message.contains("cannot be used with"));
}
