//! `ontogeny select`: which of two checkpoints a posterior prefers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use ontogeny_analysis::select::{Difference, Favoured, Selection};
use ontogeny_analysis::statistics::{mean, standard_error};
use ontogeny_analysis::table::MeasureRow;
use ontogeny_analysis::{LlcData, Plan, Settings, llc_at, paired, sequence_losses};
use ontogeny_data::Source;
use ontogeny_model::device::Chosen;
use ontogeny_store::{RunFolder, RunLock};
use ontogeny_training::Run;
use serde_json::{Value, json};

use super::{SCHEMA, analyze, print_json, shown};
use crate::arguments::SelectArguments;
use crate::failure::InFile;
use crate::place;
use crate::spot::{self, Spot};

/// What has to be known to read the figures.
pub const CAVEATS: [&str; 4] = [
    "The expansion holds about minima of the population's loss. A checkpoint in mid-training is none: read the figures as \
     what the posterior would say if training rested there.",
    "λ̂ is relative: at a finite nβ and localization γ it counts the directions that are steep enough to be seen there. \
     Its level, and with it the critical n, moves with both.",
    "n counts sequences, each with the summed loss of its tokens, since sequences are what is drawn independently. Counted in \
     tokens, as though those were independent, Δλ̂ weighs more by ln(tokens of a sequence).",
    "Terms of order ln ln n, and the volumes of the two neighbourhoods, are left out: at small n they count.",
];

/// The n of the table: powers of ten.
const POWERS: std::ops::RangeInclusive<i32> = 0..=6;

/// One side of the comparison.
struct Side {
    run: Run,
    folder: RunFolder,
    root: PathBuf,
    spot: Spot,
    /// Whose held-out loss is compared.
    source: Arc<Source>,
}

/// `ontogeny select A B`.
pub fn command(a: &SelectArguments, json: bool) -> Result<()> {
    if !(a.level > 0.0 && a.level < 1.0) {
        bail!(
            "--level is a probability above 0 and below 1; found {}",
            a.level
        );
    }
    if a.replica.len() > 2 {
        bail!(
            "--replica names one replica, or two separated by a comma; found {}",
            a.replica.join(",")
        );
    }
    let named = |side: usize| a.replica.get(side.min(a.replica.len().saturating_sub(1)));
    let resolve = |path: &Path, side| spot::resolve(path, named(side).map(String::as_str));
    let paths = [resolve(&a.a, 0)?, resolve(&a.b, 1)?];
    let (first, _) = spot::run_of(&paths[0], &a.set)?;
    let kind = first.read_manifest()?.device_kind;
    let chosen = place::device(a.device.as_deref().unwrap_or(&kind))?;
    let [left, right] = [0, 1].map(|k| side(&paths[k], named(k).map(String::as_str), a, &chosen));
    let (left, right) = (left?, right?);
    comparable(&left, &right)?;

    // Both are asked the same questions: those of A's run.
    let analysis = &left.run.config.analysis;
    let mut llc = analyze::llc_plan(&analysis.llc, analysis.seed);
    llc.components = vec!["all".to_owned()];
    let settings = Settings {
        llc: Some(llc),
        ..analyze::settings(analysis)
    };
    let mut locks = vec![left.folder.lock()?];
    if left.root != right.root {
        locks.push(right.folder.lock()?);
    }
    let rows = [&left, &right].map(|side| estimate(side, &settings, &left.run, &chosen));
    let [row_a, row_b] = rows;
    let (row_a, row_b) = (row_a?, row_b?);
    drop::<Vec<RunLock>>(locks);
    let Some((llc, llc_se)) = paired::change(&row_a, &row_b) else {
        bail!(
            "there is no paired Δλ̂: it needs two chains at least, all of them alive at both checkpoints; \
             `ontogeny llc` shows what became of them, and `--set analysis.llc.chains=4` or a smaller \
             `--set analysis.llc.epsilon=…` may mend it"
        );
    };
    let chains = row_a.vectors.get("llc_by_chain").map_or(0, Vec::len);
    let count = a.sequences.map_or(analysis.held_out, |n| n as usize);
    let Some(source) = left.source.language() else {
        bail!("checkpoints are compared by the losses of sequences, and this run has none");
    };
    let losses = |side: &Side| sequence_losses(&side.spot.network, source, analysis.seed, count);
    let (of_a, of_b) = (losses(&left)?, losses(&right)?);
    let change: Vec<f64> = of_a.iter().zip(&of_b).map(|(a, b)| b - a).collect();
    let Some(loss_se) = standard_error(&change) else {
        bail!("the error of Δℓ needs two held-out sequences at least; give --sequences");
    };
    let difference = Difference {
        loss: mean(&change),
        loss_se,
        llc,
        llc_se,
        llc_degrees: chains - 1,
    };
    let found = Found {
        sides: [(&left, mean(&of_a), &row_a), (&right, mean(&of_b), &row_b)],
        difference,
        tokens: source.n_ctx(),
        sequences: count,
        chains,
        level: a.level,
    };
    match json {
        true => print_json(&found.json()),
        false => found.print(),
    }
    Ok(())
}

fn side(path: &Path, replica: Option<&str>, a: &SelectArguments, chosen: &Chosen) -> Result<Side> {
    let (folder, run) = spot::run_of(path, &a.set)?;
    let root = std::fs::canonicalize(folder.root())?;
    let spot = spot::open(path, replica, &run, chosen)?;
    let eval = match analyze::llc_plan(&run.config.analysis.llc, 0).data {
        LlcData::Eval(name) => run.evals.iter().find(|(n, _)| *n == name).cloned(),
        LlcData::Source(_) => None,
    };
    let source = eval.map_or_else(|| spot.source.clone(), |(_, source)| source);
    Ok(Side {
        run,
        folder,
        root,
        spot,
        source,
    })
}

/// Two different solutions of one problem.
fn comparable(a: &Side, b: &Side) -> Result<()> {
    let place = |side: &Side| std::fs::canonicalize(&side.spot.path);
    if place(a)? == place(b)? && a.spot.replica == b.spot.replica {
        let same = "A and B are the same checkpoint of the same replica";
        return Err(InFile::error(&a.spot.path, same));
    }
    if a.source.key() != b.source.key() {
        let other = format!(
            "was trained on other data than {}; log-odds compare two solutions of one problem. If both runs have a \
             common `[[evals]]`, name it: --set 'analysis.llc.data=\"NAME\"'",
            a.spot.path.display()
        );
        return Err(InFile::error(&b.spot.path, other));
    }
    Ok(())
}

/// λ̂ of one side, in its own run's folder.
fn estimate(side: &Side, settings: &Settings, asking: &Run, chosen: &Chosen) -> Result<MeasureRow> {
    let groups = analyze::groups(&side.run, &side.folder)?;
    let plan = Plan {
        groups: &groups,
        evals: &asking.evals,
        settings,
        chosen,
        results: side.folder.analysis(),
        stop: &|| false,
        progress: &|_, _| {},
    };
    let of_this = groups.iter().find_map(|group| {
        let own = group
            .replicas
            .iter()
            .find(|r| r.name == side.spot.replica)?;
        Some((group, own))
    });
    let Some((group, replica)) = of_this else {
        bail!("the run has no replica `{}`", side.spot.replica);
    };
    let here = std::fs::canonicalize(&side.spot.path)?;
    let entries = group.checkpoints.list()?;
    let entry = entries
        .into_iter()
        .find(|e| std::fs::canonicalize(&e.path).is_ok_and(|path| path == here));
    match entry {
        Some(entry) => Ok(llc_at(&plan, group, replica, entry)?),
        None => {
            let stray = format!(
                "is not one of the run's checkpoints in {}",
                group.checkpoints.path().display()
            );
            Err(InFile::error(&side.spot.path, stray))
        }
    }
}

/// All that is printed.
struct Found<'a> {
    /// Each with its loss and its λ̂.
    sides: [(&'a Side, f64, &'a MeasureRow); 2],
    difference: Difference,
    /// Tokens of a sequence that are predicted.
    tokens: usize,
    sequences: usize,
    chains: usize,
    level: f64,
}

impl Found<'_> {
    fn by_sequence(&self) -> Selection {
        let n: Vec<f64> = POWERS.map(|power| 10_f64.powi(power)).collect();
        self.difference.select(&n, self.level)
    }

    fn by_token(&self) -> Selection {
        let parts = self.difference.counted_in_parts(self.tokens as f64);
        parts.select(&[], self.level)
    }

    fn json(&self) -> Value {
        let [a, b] = self.sides.map(|(side, loss, row)| {
            json!({
                "checkpoint": shown(&side.spot.path),
                "step": side.spot.step,
                "replica": side.spot.replica,
                "loss": loss,
                "llc": row.values.get("llc"),
                "llc_se": row.values.get("llc_se"),
                "verdict": row.words.get("llc_verdict"),
                "reason": row.words.get("llc_reason"),
            })
        });
        let d = &self.difference;
        let critical = |selection: &Selection| {
            json!({
                "n": selection.critical,
                "interval": selection.critical_interval,
                "probability": selection.crossing,
            })
        };
        let by_sequence = self.by_sequence();
        json!({
            "schema": SCHEMA,
            "a": a,
            "b": b,
            "n_counts": "sequences",
            "tokens_per_sequence": self.tokens,
            "sequences": self.sequences,
            "chains": self.chains,
            "level": self.level,
            "delta_loss": d.loss,
            "delta_loss_se": d.loss_se,
            "delta_llc": d.llc,
            "delta_llc_se": d.llc_se,
            "odds": by_sequence.odds,
            "critical": critical(&by_sequence),
            "critical_in_tokens": critical(&self.by_token()),
            "preferred_in_the_end": by_sequence.in_the_end,
            "caveats": CAVEATS,
        })
    }

    fn print(&self) {
        for (name, (side, loss, row)) in ["A", "B"].into_iter().zip(self.sides) {
            let figure = |key: &str| row.values.get(key).copied().unwrap_or(f64::NAN);
            let word = row.words.get("llc_verdict").map_or("", String::as_str);
            outln!(
                "{name}  {} ({})",
                side.spot.path.display(),
                side.spot.replica
            );
            outln!(
                "   step {}, loss {:.4} nats per token, λ̂ {:.2} ± {:.2} ({word})",
                side.spot.step,
                loss / self.tokens as f64,
                figure("llc"),
                figure("llc_se"),
            );
            if word != "ok"
                && let Some(reason) = row.words.get("llc_reason")
            {
                outln!("   {reason}");
            }
        }
        let (d, tokens) = (&self.difference, self.tokens as f64);
        outln!(
            "Δℓ = ℓ(B) − ℓ(A)  {:+.4} ± {:.4} nats per sequence of {tokens} tokens ({:+.5} ± {:.5} per token), paired over \
             {} held-out sequences",
            d.loss,
            d.loss_se,
            d.loss / tokens,
            d.loss_se / tokens,
            self.sequences
        );
        outln!(
            "Δλ̂ = λ̂(B) − λ̂(A)  {:+.3} ± {:.3}, paired over {} chains",
            d.llc,
            d.llc_se,
            self.chains
        );
        let by_sequence = self.by_sequence();
        let level = 100.0 * self.level;
        outln!(
            "\n{:>11} {:>11}  {:>12}  {:>27}  {:>9}",
            "sequences",
            "tokens",
            "log-odds A:B",
            format!("{level:.0} % interval"),
            "P(A wins)"
        );
        for odds in &by_sequence.odds {
            outln!(
                "{:>11} {:>11}  {:>12}  {:>27}  {:>9.3}",
                count(odds.n),
                count(odds.n * tokens),
                signed(odds.log_odds),
                format!("{} to {}", signed(odds.lo), signed(odds.hi)),
                odds.prefers_a
            );
        }
        outln!();
        for (unit, selection) in [("sequences", &by_sequence), ("tokens", &self.by_token())] {
            outln!("{}", crossing(unit, selection, level));
        }
        outln!();
        for caveat in CAVEATS {
            outln!("- {caveat}");
        }
    }
}

/// Where one gives way to the other, in a sentence.
fn crossing(unit: &str, found: &Selection, level: f64) -> String {
    let (late, early) = match found.in_the_end {
        Favoured::A => ("A", "B"),
        Favoured::B => ("B", "A"),
    };
    let mut text = match found.critical {
        Some(n) => format!(
            "counting {unit}: {early} is preferred up to n = {}, {late} beyond",
            count(n)
        ),
        None => format!("counting {unit}: {late} is preferred at every n"),
    };
    if let Some([lo, hi]) = found.critical_interval {
        text.push_str(&format!(
            "; a critical n exists with probability {:.3}, and is then between {} and {} ({level:.0} %)",
            found.crossing,
            count(lo),
            count(hi)
        ));
    }
    text
}

/// A number of samples, in at most four digits where it is large.
fn count(n: f64) -> String {
    match n {
        n if n >= 1e6 => format!("{n:.2e}"),
        n if n.fract() == 0.0 => format!("{n:.0}"),
        n if n >= 100.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

fn signed(x: f64) -> String {
    match x.abs() {
        size if size >= 99_999.5 => format!("{x:+.2e}"),
        size if size >= 100.0 => format!("{x:+.0}"),
        _ => format!("{x:+.2}"),
    }
}
