//! `ontogeny devices`: what there is to compute on.

use anyhow::Result;
use ontogeny_model::device::{self, DeviceChoice};
use serde_json::json;

use super::{SCHEMA, print_json};

/// `ontogeny devices`.
pub fn command(json: bool) -> Result<()> {
    let devices = device::list();
    let (auto, reason) = device::resolve(DeviceChoice::Auto)?;
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "devices": devices,
            "auto": auto.name,
            "reason": reason,
        }));
        return Ok(());
    }
    for d in &devices {
        let backend = d
            .backend
            .as_ref()
            .map_or(String::new(), |b| format!(", {b}"));
        let software = if d.software { ", software" } else { "" };
        outln!("{:<7} {}{backend}{software}", d.name, d.description);
    }
    outln!("auto takes {}: {reason}", auto.name);
    Ok(())
}
