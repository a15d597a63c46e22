//! How each measure of the example run moves, from knots read off real runs.

use ontogeny_results::stages::SmoothCurve;
use ontogeny_results::table::MeasureRow;

use crate::fixture::TOKENS_PER_STEP;

/// Linear interpolation between knots over log(step + 1).
pub(crate) fn along(knots: &[(f64, f64)], step: f64) -> f64 {
    let x = step.ln_1p();
    let right = knots
        .iter()
        .position(|knot| knot.0.ln_1p() >= x)
        .unwrap_or(knots.len() - 1)
        .max(1);
    let ((a, at_a), (b, at_b)) = (knots[right - 1], knots[right]);
    let (a, b) = (a.ln_1p(), b.ln_1p());
    at_a + (x - a) / (b - a) * (at_b - at_a)
}

/// A small deterministic wobble in −1..1.
pub(crate) fn wobble(step: f64, salt: f64) -> f64 {
    let x = (step * 12.9898 + salt * 78.233).sin() * 43758.547;
    2.0 * (x - x.floor()) - 1.0
}

/// From `from` to `to`, turning at `middle` with the given sharpness on the log axis.
fn turn(step: f64, middle: f64, sharpness: f64, from: f64, to: f64) -> f64 {
    from + (to - from) / (1.0 + (-(step.ln_1p() - middle.ln_1p()) * sharpness).exp())
}

pub(crate) const LLC: &[(f64, f64)] = &[
    (0.0, 2.0),
    (8.0, 9.0),
    (25.0, 27.0),
    (125.0, 43.0),
    (251.0, 57.0),
    (501.0, 74.0),
    (630.0, 80.0),
    (794.0, 86.0),
    (1000.0, 98.0),
    (1584.0, 138.0),
    (2511.0, 169.0),
    (3162.0, 171.0),
    (4000.0, 175.0),
];
pub(crate) const LOSS: &[(f64, f64)] = &[
    (0.0, 4.62),
    (8.0, 4.5),
    (25.0, 4.02),
    (60.0, 3.55),
    (125.0, 3.12),
    (251.0, 2.76),
    (501.0, 2.5),
    (794.0, 2.38),
    (1000.0, 2.31),
    (1584.0, 2.08),
    (2511.0, 1.83),
    (4000.0, 1.77),
];
pub(crate) const DIVERGENCES: &[(&str, &[(f64, f64)])] = &[
    (
        "unigram",
        &[
            (0.0, 0.95),
            (30.0, 0.46),
            (125.0, 0.7),
            (800.0, 1.24),
            (4000.0, 1.62),
        ],
    ),
    (
        "bigram",
        &[
            (0.0, 1.92),
            (25.0, 1.5),
            (125.0, 0.78),
            (251.0, 0.46),
            (501.0, 0.27),
            (794.0, 0.22),
            (1000.0, 0.25),
            (1584.0, 0.36),
            (2511.0, 0.49),
            (4000.0, 0.54),
        ],
    ),
    (
        "trigram",
        &[
            (0.0, 2.2),
            (25.0, 1.8),
            (125.0, 1.08),
            (501.0, 0.52),
            (794.0, 0.44),
            (1300.0, 0.3),
            (2511.0, 0.29),
            (4000.0, 0.31),
        ],
    ),
    (
        "bag_of_context",
        &[
            (0.0, 1.05),
            (50.0, 0.62),
            (300.0, 0.86),
            (1000.0, 1.15),
            (4000.0, 1.4),
        ],
    ),
    (
        "in_context",
        &[
            (0.0, 2.62),
            (25.0, 2.2),
            (125.0, 1.45),
            (501.0, 0.83),
            (1000.0, 0.66),
            (1584.0, 0.41),
            (2511.0, 0.16),
            (4000.0, 0.1),
        ],
    ),
];

/// `delay` stretches the time of everything that happens.
pub(crate) fn measures(step: f64, delay: f64, salt: f64) -> MeasureRow {
    let time = step / delay;
    let noise = |size: f64, line: f64| size * wobble(step, salt * 17.0 + line);
    let mut row = MeasureRow {
        step: step as u64,
        tokens: step as u64 * TOKENS_PER_STEP,
        ..MeasureRow::default()
    };
    let mut put = |name: &str, value: f64| {
        row.values.insert(name.to_owned(), value);
    };
    put("loss", along(LOSS, time) + noise(0.008, 1.0));
    let se = 0.6 + 3.0 * (time / 2500.0).powi(2).min(1.8);
    put("llc", along(LLC, time) + noise(1.5 * se, 2.0));
    put("llc_se", se);
    for (line, (oracle, knots)) in DIVERGENCES.iter().enumerate() {
        put(
            &format!("divergence.{oracle}"),
            along(knots, time) + noise(0.006, 3.0 + line as f64),
        );
    }
    for (oracle, loss) in [
        ("unigram", 3.71),
        ("bigram", 2.22),
        ("trigram", 1.96),
        ("in_context", 1.66),
    ] {
        put(&format!("oracle_loss.{oracle}"), loss);
    }
    let repeated = [
        (0.0, 4.6),
        (30.0, 3.4),
        (125.0, 2.3),
        (400.0, 1.86),
        (1000.0, 1.8),
        (1584.0, 0.95),
        (2511.0, 0.2),
        (4000.0, 0.12),
    ];
    put(
        "trigger_loss.first",
        turn(time, 20.0, 2.0, 4.6, 4.2) + noise(0.03, 9.0),
    );
    put(
        "trigger_loss.repeated",
        along(&repeated, time) + noise(0.02, 10.0),
    );
    put("trigger_loss.repeated.bag_of_context", 1.74);
    put("trigger_loss.repeated.in_context", 0.05);
    put(
        "icl_score",
        turn(time, 1500.0, 5.0, -0.04, -0.52) + noise(0.012, 11.0),
    );
    for layer in 0..2u8 {
        for head in 0..4u8 {
            let line = f64::from(12 + layer * 4 + head);
            let previous = match (layer, head) {
                (0, 1) => turn(time, 1050.0, 5.0, 0.03, 0.86),
                (0, 3) => turn(time, 1200.0, 4.0, 0.03, 0.34),
                (0, _) => turn(time, 600.0, 2.0, 0.03, 0.11),
                _ => turn(time, 500.0, 1.5, 0.03, 0.06),
            };
            let induction = match (layer, head) {
                (1, 2) => turn(time, 1600.0, 6.0, 0.015, 0.81),
                (1, 0) => turn(time, 1900.0, 6.0, 0.015, 0.44),
                _ => 0.016,
            };
            let name = format!("{layer}.{head}");
            put(
                &format!("previous_token.{name}"),
                (previous + noise(0.012, line)).max(0.0),
            );
            put(
                &format!("induction.{name}"),
                (induction + noise(0.008, line + 8.0)).max(0.0),
            );
            put(
                &format!("recurrence.{name}"),
                (induction * 0.9 + noise(0.01, line + 16.0)).max(0.0),
            );
        }
    }
    for kind in ["q", "k", "v"] {
        for (earlier, later) in (0..16u8).map(|pair| (pair / 4, pair % 4)) {
            let rise = if kind == "k" && earlier == 1 && (later == 2 || later == 0) {
                0.22
            } else {
                0.02
            };
            let value = turn(time, 1400.0, 4.0, 0.125, 0.125 + rise);
            let salt = f64::from(earlier * 4 + later) + 60.0;
            put(
                &format!("composition.{kind}.0.{earlier}-1.{later}"),
                value + noise(0.003, salt),
            );
        }
    }
    put(
        "weight_norm",
        along(
            &[(0.0, 93.0), (100.0, 94.0), (1000.0, 101.0), (4000.0, 112.0)],
            time,
        ),
    );
    for (line, (part, size)) in [
        ("embed", 64.0),
        ("pos_embed", 63.0),
        ("blocks.0.attn", 9.5),
        ("blocks.1.attn", 9.5),
        ("unembed", 4.7),
    ]
    .iter()
    .enumerate()
    {
        let grown = size * (1.0 + (0.02 + 0.05 * line as f64) * (time / 600.0).ln_1p());
        put(&format!("weight_norm.{part}"), grown);
    }
    let base = along(LOSS, time) + 0.05;
    let gain = turn(time, 1500.0, 5.0, 0.02, 0.62);
    let positions = (0..64)
        .map(|k| {
            let context = f64::from(k).ln_1p() / 64f64.ln();
            let second = if k == 0 {
                turn(time, 200.0, 2.0, 0.0, 1.1)
            } else {
                0.0
            };
            base + second + gain * (0.5 - context) + 0.02 * wobble(step, f64::from(k) + salt)
        })
        .collect();
    row.vectors.insert("loss_by_position".into(), positions);
    row
}

pub(crate) fn smooth(name: &str, knots: &[(f64, f64)], delay: f64) -> SmoothCurve {
    let steps: Vec<f64> = (0..=160)
        .map(|i| (f64::from(i) / 160.0 * 4001f64.ln()).exp() - 1.0)
        .collect();
    // A moving mean over a fifth of a decade stands in for the Gaussian process.
    let at = |step: f64| {
        let mean: f64 = (-6..=6)
            .map(|k| {
                along(
                    knots,
                    ((step + 1.0) * (f64::from(k) * 0.05).exp() - 1.0).clamp(0.0, 4000.0) / delay,
                )
            })
            .sum();
        mean / 13.0
    };
    let mean: Vec<f64> = steps.iter().map(|&step| at(step)).collect();
    let speed = steps
        .iter()
        .map(|&step| (at((step + 1.0) * 1.05 - 1.0) - at(step)) / 1.05f64.ln())
        .collect();
    SmoothCurve {
        name: name.into(),
        lo: mean.iter().map(|value| value - 1.5).collect(),
        hi: mean.iter().map(|value| value + 1.5).collect(),
        steps,
        mean,
        speed,
    }
}
