//! `ontogeny export`: one replica for other tools.

use anyhow::Result;
use ontogeny_store::Checkpoint;
use serde_json::json;

use super::{SCHEMA, print_json, replica_of, shown};
use crate::arguments::ExportArguments;

/// `ontogeny export CHECKPOINT --replica NAME`.
pub fn command(a: &ExportArguments, json: bool) -> Result<()> {
    let (checkpoint, _) = Checkpoint::read(&a.checkpoint)?;
    let name = replica_of(&checkpoint, &a.checkpoint, a.replica.as_deref())?;
    let path = checkpoint.export(&name, &a.out)?;
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "model": shown(&path),
            "config": shown(&a.out.join("config.json")),
            "replica": name,
            "step": checkpoint.step,
        }));
    } else {
        outln!("{name} at step {}: {}", checkpoint.step, path.display());
    }
    Ok(())
}
