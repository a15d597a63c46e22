//! A run shaped like a real one: 64 tokens, context 64, two attention-only layers of four heads,
//! 4000 steps, measured at log-spaced checkpoints.

use ontogeny_report::{
    Estimator, GroupSize, Provenance, ReplicaReport, ReportInput, Selection, TrainingPoint,
};
use ontogeny_results::stages::{Boundary, HeadRise, Stage, StageName, StageReport};

use crate::curves::{DIVERGENCES, LLC, LOSS, along, measures, smooth, wobble};

/// Tokens of one batch: 32 sequences of 64 predicted positions.
pub(crate) const TOKENS_PER_STEP: u64 = 2048;
const LAST: u64 = 4000;

/// The run with as many replicas as asked for; later ones develop later.
pub(crate) fn run(replicas: u64) -> ReportInput {
    ReportInput {
        title: "Developmental stages of a two-layer attention-only transformer".into(),
        run: "induction-20251122".into(),
        summary:
            "2 layers × 4 heads, d_model 64, context 64, 64 tokens, trained on the n-gram and \
                  induction source (bigrams, a weak trigram part, 4 trigger tokens)."
                .into(),
        created: "2025-11-22T17:30:00Z".into(),
        version: "0.1.0".into(),
        unit: String::new(),
        interval_level: 0.9,
        provenance: Provenance {
            config: CONFIG.into(),
            config_key: "9f2c4d1a7b3e58c06d1f9a2b4c8e7d6f5a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d".into(),
            source_key: "1b7e9a3c5d2f4e6a8b0c1d3e5f7a9b2c4d6e8f0a1b3c5d7e9f2a4b6c8d0e1f3a".into(),
            device: "CPU (Flex, 2 threads)".into(),
            method: "measures 1, stages 1".into(),
            groups: vec![GroupSize {
                network: String::new(),
                replicas: 2,
                parameters: 41_216,
                tokens: LAST * TOKENS_PER_STEP,
                checkpoints: checkpoint_steps().len() as u64,
            }],
            train_seconds: Some(38.4),
            analyze_seconds: Some(131.0),
            measure_seconds: Some(128.0),
            stages_seconds: Some(2.0),
            report_seconds: Some(0.1),
            command: "ontogeny run configs/induction.toml --device cpu".into(),
        },
        estimator: Some(Estimator {
            sampler: "SGLD".into(),
            epsilon: 3e-4,
            nbeta: 100.0,
            gamma: 100.0,
            chains: 4,
            draws: 150,
            burn_in: 50,
        }),
        replicas: (0..replicas).map(replica).collect(),
        warnings: Vec::new(),
        dynamics: None,
        notes: vec![
            "Late in training the standard error of λ̂ grows, because single chains leave the \
             neighbourhood of the checkpoint."
                .into(),
        ],
    }
}

/// Log-spaced steps from 0 to the last, each once.
pub(crate) fn checkpoint_steps() -> Vec<u64> {
    let mut steps: Vec<u64> = (0..58)
        .map(|j| (LAST as f64).powf(j as f64 / 57.0).round() as u64)
        .collect();
    steps.insert(0, 0);
    steps.dedup();
    steps
}

fn replica(seed: u64) -> ReplicaReport {
    let delay = 1.0 + 0.22 * seed as f64;
    let salt = 1.0 + seed as f64;
    let place = |step: f64| step * delay;
    let boundaries = [(794.0, 640.0, 905.0), (1288.0, 1150.0, 1430.0)];
    let stage = |name, start: [f64; 3], end: Option<[f64; 3]>| Stage {
        name,
        start: place(start[0]),
        start_lo: place(start[1]),
        start_hi: place(start[2]),
        end: end.map(|end| place(end[0])),
        end_lo: end.map(|end| place(end[1])),
        end_hi: end.map(|end| place(end[2])),
        ..Stage::default()
    };
    let rise = |head: &str, score: &str, from, to| HeadRise {
        head: head.into(),
        score: score.into(),
        from,
        to,
    };
    let stages = vec![
        Stage {
            delta_loss: -2.04,
            delta_llc: Some(74.3),
            nearest_oracle: Some(("bigram".into(), 0.22)),
            why: "Divergence from the bigram oracle falls to its least, .22 nats, where the stage ends.".into(),
            ..stage(StageName::Bigram, [12.0, 8.0, 17.0], Some([794.0, 640.0, 905.0]))
        },
        Stage {
            delta_loss: -0.18,
            delta_llc: Some(31.2),
            nearest_oracle: Some(("trigram".into(), 0.3)),
            heads_rising: vec![
                rise("0.1", "previous_token", 0.21, 0.63),
                rise("0.3", "previous_token", 0.08, 0.2),
            ],
            why: "The output leaves the bigram oracle and nears the trigram oracle.".into(),
            ..stage(StageName::Ngram, [794.0, 640.0, 905.0], Some([1288.0, 1150.0, 1430.0]))
        },
        Stage {
            delta_loss: -0.37,
            delta_llc: Some(50.8),
            nearest_oracle: Some(("in_context".into(), 0.15)),
            heads_rising: vec![
                rise("1.2", "induction", 0.18, 0.79),
                rise("1.0", "induction", 0.05, 0.4),
                rise("1.2", "recurrence", 0.16, 0.71),
            ],
            why: "Loss at repeated triggers falls to .19, below the 1.74 of the bag-of-context oracle.".into(),
            ..stage(
                StageName::Induction,
                [1288.0, 1150.0, 1430.0],
                Some([2600.0, 2350.0, 2900.0]),
            )
        },
    ];
    // What lies beyond the end of the run was not seen.
    let last = LAST as f64;
    let stages = stages
        .into_iter()
        .filter(|stage| stage.start < last)
        .map(|stage| match stage.end {
            Some(end) if end >= last => Stage {
                end: None,
                end_lo: None,
                end_hi: None,
                ..stage
            },
            _ => stage,
        })
        .collect();
    ReplicaReport {
        name: format!("base-s{seed}"),
        arm: "base".into(),
        seed,
        frozen: None,
        training: (1..=LAST)
            .map(|step| TrainingPoint {
                step,
                tokens: step * TOKENS_PER_STEP,
                loss: along(LOSS, step as f64 / delay) - 0.01
                    + 0.09 * wobble(step as f64, salt + 40.0),
            })
            .collect(),
        selection: vec![
            Selection {
                stage: 1,
                from: 12,
                to: 794,
                delta_loss: -130.6,
                delta_llc: 74.3,
                delta_llc_se: 1.2,
                later_in_the_end: true,
                ..Selection::default()
            },
            Selection {
                stage: 2,
                from: 794,
                to: 1288,
                delta_loss: -1.52,
                delta_llc: 31.2,
                delta_llc_se: 0.9,
                critical: Some(94.3),
                critical_interval: Some([84.0, 104.9]),
                crossing: 1.0,
                later_in_the_end: true,
            },
        ],
        rows: checkpoint_steps()
            .iter()
            .map(|&step| measures(step as f64, delay, salt))
            .collect(),
        stages: StageReport {
            boundaries: boundaries
                .iter()
                .filter(|boundary| place(boundary.0) < last)
                .map(|&(at, lo, hi)| Boundary {
                    at: place(at),
                    lo: place(lo),
                    hi: place(hi),
                    evidence: 8.0,
                    views: vec!["complexity".into()],
                    places: Vec::new(),
                })
                .collect(),
            stages,
            smooth: vec![
                smooth("llc", LLC, delay),
                smooth("loss", LOSS, delay),
                smooth("divergence.bigram", DIVERGENCES[1].1, delay),
            ],
        },
    }
}

const CONFIG: &str = r#"[run]
name = "induction"
steps = 4000
seeds = [0]

[model]
n_layers = 2
n_heads = 4
d_model = 64
n_ctx = 64

[source]
kind = "ngram_induction"
triggers = 4

[optimizer]
kind = "adamw"
lr = 0.001

[checkpoints]
log = 58

[llc]
epsilon = 3e-4
nbeta = 100.0
gamma = 100.0
"#;
