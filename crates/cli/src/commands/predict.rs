//! `ontogeny predict`: what a checkpoint expects next.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::{Int, Tensor, TensorData, activation};
use ontogeny_data::{EncodedText, Source};
use ontogeny_model::{Inputs, weights};
use serde_json::json;

use super::{SCHEMA, print_json, replica_of};
use crate::arguments::PredictArguments;
use crate::{place, spot};

/// Most likely next tokens that a person is shown.
const SHOWN: usize = 5;

/// `ontogeny predict CHECKPOINT`.
pub fn command(a: &PredictArguments, json: bool) -> Result<()> {
    let (checkpoint, _) = spot::read(&a.checkpoint)?;
    let name = replica_of(&checkpoint, &a.checkpoint, a.replica.as_deref())?;
    let checkpoint = checkpoint.alone(&name)?;
    let chosen = place::device(&a.device)?;
    let network = weights::from_checkpoint(&checkpoint, &a.checkpoint, &chosen.device)?;
    let config = network.config();
    anyhow::ensure!(
        config.transformer().is_some(),
        "{}: its network reads vectors; predict is for networks that read tokens",
        a.checkpoint.display()
    );
    let (n_ctx, d_vocab) = (config.n_ctx(), config.d_out());

    let source = source_beside(&a.checkpoint);
    let EncodedText { tokens, notices } = match (&a.tokens, &a.text) {
        (Some(tokens), _) => EncodedText {
            tokens: tokens.clone(),
            notices: Vec::new(),
        },
        (None, text) => {
            let source = source.as_ref().map_err(|e| anyhow::anyhow!("{e:#}"));
            let source = source.context("--text needs the tokenizer of the checkpoint's run")?;
            let source = source.language().context("the run has no texts")?;
            source.encode_noting(utf8(text.as_deref().unwrap_or_default())?)?
        }
    };
    anyhow::ensure!(!tokens.is_empty(), "there is no token to predict from");
    anyhow::ensure!(
        tokens.len() <= n_ctx,
        "{} tokens are more than the {} positions of the network: give fewer",
        tokens.len(),
        n_ctx
    );
    for notice in &notices {
        errln!("note: {notice}");
    }
    if let Some(stranger) = tokens.iter().find(|&&t| t as usize >= d_vocab) {
        anyhow::bail!(
            "token {stranger} is not in the vocabulary; tokens go from 0 to {}",
            d_vocab - 1
        );
    }
    let ids: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
    let inputs =
        Tensor::<2, Int>::from_data(TensorData::new(ids, [1, tokens.len()]), &chosen.device);
    let logits = network.outputs(&Inputs::Tokens(inputs), tokens.len());
    let values = activation::log_softmax(logits, 2)
        .try_into_vec_as::<f32>()
        .map_err(|e| anyhow::anyhow!("could not read the result: {e}"))?;
    let rows: Vec<&[f32]> = values.chunks_exact(d_vocab).collect();
    if json {
        print_json(&json!({ "schema": SCHEMA, "tokens": tokens, "log_probs": rows }));
        return Ok(());
    }
    let spell = |token: u32| match &source {
        Ok(source) => match source.language() {
            Some(source) => source.decode(&[token]).concat(),
            None => token.to_string(),
        },
        Err(_) => token.to_string(),
    };
    for (token, row) in tokens.iter().zip(&rows) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&i, &j| row[j].total_cmp(&row[i]));
        let best: Vec<String> = order
            .iter()
            .take(SHOWN)
            .map(|&i| format!("{:?} {:.3}", spell(i as u32), row[i]))
            .collect();
        outln!(
            "{:>12} → {}",
            format!("{:?}", spell(*token)),
            best.join("  ")
        );
    }
    Ok(())
}

/// The text of the command line.
fn utf8(text: &OsStr) -> Result<&str> {
    let bytes = text.as_encoded_bytes();
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        anyhow::anyhow!(
            "--text is not UTF-8: the byte 0x{:02X} at offset {at} begins no valid character",
            bytes[at]
        )
    })
}

/// The source that the run of a checkpoint was trained on, if the run lies around it.
fn source_beside(checkpoint: &Path) -> Result<std::sync::Arc<Source>> {
    let root = checkpoint
        .ancestors()
        .find(|folder| ontogeny_store::RunFolder::exists(folder))
        .with_context(|| format!("{} lies in no run's folder", checkpoint.display()))?;
    let (_, run) = place::reopen(root, &[])?;
    let replica = run.replicas().next().context("the run has no replica")?;
    Ok(replica.phases[0].1.clone())
}
