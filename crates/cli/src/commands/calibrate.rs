//! `ontogeny calibrate`: settings of the sampler from measurements.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use ontogeny_analysis::calibrate::{Calibration, Cell, Effort, Place, calibrate};
use ontogeny_analysis::llc::{Minibatches, NetworkLoss, Word};
use ontogeny_store::{RunFolder, write_atomically};
use serde_json::json;

use super::{SCHEMA, analyze, print_json, shown};
use crate::arguments::CalibrateArguments;
use crate::{place, spot};

mod picture;

/// The recommended block, in the analysis folder.
const BLOCK: &str = "calibration.toml";
/// The picture of the grid, beside it.
const PICTURE: &str = "calibration.svg";

/// `ontogeny calibrate CHECKPOINT…|RUN`.
pub fn command(a: &CalibrateArguments, json: bool) -> Result<()> {
    let begun = Instant::now();
    let (folder, run) = spot::run_of(&a.places[0], &a.set)?;
    let paths: Vec<PathBuf> = match RunFolder::exists(&a.places[0]) {
        true if a.places.len() == 1 => spot::spread(&run, &folder, a.checkpoints)?,
        true => bail!("give one run, or checkpoints of one run"),
        false => a.places.clone(),
    };
    let root = spot::root_of(&a.places[0])?;
    for path in &paths {
        if spot::root_of(path)? != root {
            bail!("{} is a checkpoint of another run", path.display());
        }
    }
    let kind = folder.read_manifest()?.device_kind;
    let chosen = place::device(a.device.as_deref().unwrap_or(&kind))?;
    let section = &run.config.analysis.llc;
    let settings = analyze::llc_settings(section, run.config.analysis.seed);
    let spots = paths
        .iter()
        .map(|path| spot::open(path, a.replica.as_deref(), &run, &chosen))
        .collect::<Result<Vec<_>>>()?;
    let data = section.data();
    let minibatches: Vec<Minibatches<'_>> = spots
        .iter()
        .map(|spot| spot::minibatches(spot, &run, &data, &chosen))
        .collect();
    let configs: Vec<_> = spots.iter().map(|s| s.network.config().clone()).collect();
    let landscapes: Vec<NetworkLoss<'_>> = configs
        .iter()
        .zip(&minibatches)
        .map(|(config, minibatches)| NetworkLoss::new(config, minibatches))
        .collect();
    let anchors: Vec<_> = spots
        .iter()
        .map(|s| s.network.clone().into_parameters())
        .collect();
    let places: Vec<Place<'_>> = spots
        .iter()
        .zip(&landscapes)
        .zip(&anchors)
        .map(|((spot, landscape), anchor)| Place {
            name: format!("step {}", spot.step),
            landscape,
            anchor,
        })
        .collect();
    let effort = Effort {
        rule: settings.rule,
        nbeta: settings.sampler.nbeta,
        chains: a.chains,
        draws: a.draws,
        seed: settings.seed,
    };
    let calibration = calibrate(&places, &effort, &|done, total| {
        if done > 0 && !json {
            let left = begun.elapsed().as_secs_f64() / done as f64 * (total - done) as f64;
            errln!("  {done} of {total}, about {left:.0} s left");
        }
    })?;
    let block = block(&calibration);
    let analysis = folder.analysis();
    std::fs::create_dir_all(&analysis)?;
    let (picture, toml) = (analysis.join(PICTURE), analysis.join(BLOCK));
    write_atomically(&picture, picture::draw(&calibration).as_bytes())?;
    if let Some(block) = &block {
        write_atomically(&toml, block.as_bytes())?;
    }
    if json {
        print_json(&json!({
            "schema": SCHEMA,
            "grids": calibration.grids,
            "localizations": calibration.localizations,
            "epsilons": calibration.epsilons,
            "recommended": calibration.recommended,
            "block": block,
            "picture": shown(&picture),
            "seconds": begun.elapsed().as_secs_f64(),
        }));
    } else {
        print(&calibration);
        match &block {
            Some(block) => {
                outln!("\n{block}\nwritten to {}", toml.display());
            }
            None => {
                outln!("\nnothing to recommend: no setting of the grid can be used everywhere")
            }
        }
        outln!("the grid as a picture: {}", picture.display());
    }
    Ok(())
}

/// The configuration block.
fn block(calibration: &Calibration) -> Option<String> {
    let best = calibration.recommended.as_ref()?;
    Some(format!(
        "# {}\n[analysis.llc]\nepsilon = {:e}\nnbeta = {}\nlocalization = {}\nchains = {}\ndraws = {}\nburn_in = {}\n",
        best.reason,
        best.epsilon,
        best.nbeta,
        best.localization,
        best.chains,
        best.draws,
        best.burn_in
    ))
}

fn print(calibration: &Calibration) {
    for grid in &calibration.grids {
        outln!("{}: steepest curvature {:.3}", grid.name, grid.curvature);
        for row in &grid.rows {
            out!("  γ {:>8}", row[0].localization);
            for cell in row {
                out!("   {}", word(cell));
            }
            outln!();
        }
        out!("  {:>10}", "ε");
        for cell in &grid.rows[0] {
            out!("   {:<16}", format!("about {:.0e}", cell.epsilon));
        }
        outln!();
        for cell in &grid.temperatures {
            outln!(
                "  nβ {:>6.0}: {}  (γ {:.0}, ε {:.1e})",
                cell.nbeta,
                word(cell),
                cell.localization,
                cell.epsilon
            );
        }
    }
    if let Some(best) = &calibration.recommended {
        outln!("{}", best.reason);
    }
}

/// A cell in sixteen columns: λ̂ and its error, and a mark where something speaks against it.
fn word(cell: &Cell) -> String {
    let mark = match cell.word {
        Word::Ok => ' ',
        Word::Suspect => '?',
        Word::Failed => '×',
    };
    match (cell.llc, cell.se) {
        (Some(llc), Some(se)) => format!("{:<16}", format!("{llc:.1} ± {se:.1} {mark}")),
        (Some(llc), None) => format!("{:<16}", format!("{llc:.1} {mark}")),
        _ => format!("{:<16}", "died ×"),
    }
}
