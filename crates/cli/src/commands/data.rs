//! `ontogeny data`: what a network is going to see.

use std::fmt::Write;

use anyhow::Result;
use ontogeny_data::{Estimate, Features, InContextRegression, Language, Oracle, Source, Split};
use ontogeny_store::Stream;
use serde_json::json;

use super::{SCHEMA, print_json};
use crate::arguments::DataArguments;
use crate::place;

/// Held-out sequences that figures are averaged over.
const SEQUENCES: usize = 256;
/// Tokens of the frequency list that a person is shown.
const FREQUENT: usize = 12;

/// `ontogeny data CONFIG`.
pub fn command(a: &DataArguments, json: bool) -> Result<()> {
    let loaded = place::configuration(a.config.as_deref(), &a.set)?;
    let (run, made) = place::build(&loaded, None)?;
    made.take();
    let mut shown: Vec<(String, &Source)> = Vec::new();
    for replica in run.replicas() {
        for (at, source) in &replica.phases {
            if shown.iter().all(|(_, s)| s.key() != source.key()) {
                shown.push((format!("{} from step {at}", replica.entry.arm), source));
            }
        }
    }
    for (name, source) in &run.evals {
        shown.push((format!("eval {name}"), source));
    }
    let mut all = Vec::new();
    for (name, source) in shown {
        let seed = run.config.analysis.seed;
        let told = match source {
            Source::Language(language) => show(&name, language, seed, a.samples, json),
            Source::Features(features) => show_features(&name, source, features, json),
            Source::Regression(regression) => show_regression(&name, regression, seed, json),
        };
        all.extend(told);
    }
    if json {
        print_json(&json!({ "schema": SCHEMA, "sources": all }));
    }
    Ok(())
}

/// A source of sequences: as JSON, or for a person.
fn show(
    name: &str,
    source: &Language,
    seed: u64,
    samples: usize,
    json: bool,
) -> Option<serde_json::Value> {
    let description = source.describe(&Stream::new(seed, "described sequences", &[]), SEQUENCES);
    let frequencies = source.token_frequencies();
    let stream = Stream::new(seed, "samples", &[]);
    let samples = source.sequences(Split::Train, &stream, 0, samples);
    let decoded: Vec<Vec<String>> = samples.iter().map(|s| source.decode(s)).collect();
    if json {
        return Some(json!({
            "name": name,
            "description": description,
            "notices": source.notices(),
            "frequencies": frequencies,
            "samples": decoded,
        }));
    }
    outln!(
        "{name}: {} tokens, sequences of {} positions",
        source.d_vocab(),
        source.n_ctx()
    );
    out!("{}", describe(&description));
    let mut order: Vec<usize> = (0..frequencies.len()).collect();
    order.sort_by(|&i, &j| frequencies[j].total_cmp(&frequencies[i]));
    let most: Vec<String> = order
        .iter()
        .take(FREQUENT)
        .map(|&i| {
            format!(
                "{:?} {:.2} %",
                source.decode(&[i as u32]).concat(),
                100.0 * frequencies[i]
            )
        })
        .collect();
    outln!("  most frequent: {}", most.join("  "));
    for sample in decoded {
        let separator = if description.train.is_some() { "" } else { " " };
        outln!("  sample: {}", sample.join(separator).replace('\n', "⏎"));
    }
    None
}

/// A source of vectors: what is known of it exactly.
fn show_features(
    name: &str,
    source: &Source,
    features: &Features,
    json: bool,
) -> Option<serde_json::Value> {
    let known: Vec<(String, f64)> = match features {
        Features::Superposition(toy) => toy
            .polygons()
            .into_iter()
            .map(|(polygon, loss)| (format!("loss of the {polygon}"), loss))
            .collect(),
        Features::Hierarchy(tree) => {
            let strengths = tree.modes().iter();
            let strengths = strengths.map(|m| (format!("strength of mode {}", m.name), m.strength));
            let ranks = (0..=tree.modes().len())
                .map(|rank| (format!("loss of rank {rank}"), tree.loss_of_rank(rank)));
            strengths.chain(ranks).collect()
        }
    };
    let (d_in, d_out) = (features.d_in(), features.d_out());
    if json {
        let known: serde_json::Map<String, serde_json::Value> = known
            .into_iter()
            .map(|(what, value)| (what, value.into()))
            .collect();
        return Some(json!({
            "name": name,
            "key": source.key().to_string(),
            "d_in": d_in,
            "d_out": d_out,
            "known": known,
        }));
    }
    outln!("{name}: vectors of {d_in} numbers, to become vectors of {d_out}");
    for (what, value) in known {
        outln!("  {what}: {value:.5}");
    }
    None
}

/// A source of in-context regression: the losses of its exact predictors.
fn show_regression(
    name: &str,
    source: &InContextRegression,
    seed: u64,
    json: bool,
) -> Option<serde_json::Value> {
    let d = source.describe(&Stream::new(seed, "described sequences", &[]), SEQUENCES);
    if json {
        return Some(json!({ "name": name, "description": d }));
    }
    let tasks = match d.tasks {
        Some(tasks) => format!("tasks from a pool of {tasks}"),
        None => "a fresh task for each sequence".to_owned(),
    };
    outln!(
        "{name}: sequences of {} pairs, x of {} numbers, noise of variance {}, {tasks}",
        d.pairs,
        d.dimension,
        d.variance
    );
    let shown = |e: Estimate| format!("{:.3} ± {:.3}", e.mean, e.standard_error);
    for p in d.predictors {
        outln!(
            "  {:<15} loss {}, at the first pair {}, at the last {}",
            p.predictor.name(),
            shown(p.loss),
            shown(p.loss_first),
            shown(p.loss_last)
        );
    }
    None
}

fn describe(d: &ontogeny_data::Description) -> String {
    let mut text = format!(
        "  {:<15} loss {:.3} nats a token\n",
        "uniform", d.uniform_loss
    );
    let told_already = |oracle: Oracle| oracle == Oracle::Uniform;
    for o in d.oracles.iter().filter(|o| !told_already(o.oracle)) {
        let repeated = o
            .trigger_loss_repeated
            .map_or(String::new(), |l| format!(", at repeated triggers {l:.3}"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {:<15} loss {:.3} ± {:.3}, entropy {:.3}{repeated}",
            o.oracle.name(),
            o.loss,
            o.loss_standard_error,
            o.entropy
        );
    }
    // A source of chains has a rate of its own, and neither triggers nor frequencies that say much.
    if let Some(rate) = d.entropy_rate {
        let _ = writeln!(
            text,
            "  {:<15} {rate:.3}, what no predictor falls below",
            "entropy rate"
        );
        return text;
    }
    let _ = writeln!(
        text,
        "  triggers: {:.1} first and {:.1} repeated occurrences a sequence",
        d.first_per_sequence, d.repeated_per_sequence
    );
    let _ = writeln!(
        text,
        "  repeats per sequence, in training: {:.2}",
        d.repeats_per_sequence
    );
    for corpus in &d.corpora {
        let _ = writeln!(
            text,
            "  corpus {}: {:.1} % of the sequences, {} training and {} held-out tokens",
            corpus.path,
            100.0 * corpus.share,
            corpus.train.tokens,
            corpus.held_out.tokens
        );
    }
    let _ = writeln!(
        text,
        "  Zipf exponent of the realised frequencies: {:.2}",
        d.zipf.exponent
    );
    text
}
