//! `ontogeny densify`: more checkpoints, where something happened.

use std::time::Instant;

use anyhow::Result;
use ontogeny_results::stages::ReplicaStages;
use ontogeny_store::{RunFolder, Step, fill_gaps};
use ontogeny_training::{Densified, Group, Run, TrainingError, densify, reached};
use serde_json::{Value, json};

use super::analyze::{self, STAGES};
use super::{Finish, SCHEMA, print_json, report, shown, typed};
use crate::arguments::DensifyArguments;
use crate::failure::InFile;
use crate::signals::Stop;
use crate::stretch::Stretch;
use crate::{place, watch};

/// More steps than this in a stretch are not a refinement but a typing error.
const MOST: u64 = 100_000;

/// `ontogeny densify RUN`.
pub fn command(a: &DensifyArguments, json: bool) -> Result<Finish> {
    let stop = Stop::on_request(json)?;
    let (folder, run) = place::reopen(&a.run, &[])?;
    let chosen = place::same_device(&folder, a.device.as_deref())?;
    let stretches = stretches(a, &run, &folder)?;
    let wanted = run
        .groups
        .iter()
        .zip(&stretches)
        .map(|(group, stretches)| steps(a, &run, group, &folder, stretches))
        .collect::<Result<Vec<_>>>()?;
    let _lock = folder.lock()?;
    stop.begin_work();

    let begun = Instant::now();
    let mut observer = watch::replay();
    let done = densify(
        &run,
        &folder,
        &wanted,
        &chosen,
        stop.interrupter(),
        observer.as_mut(),
    )?;
    drop(observer);
    let seconds = begun.elapsed().as_secs_f64();
    if !json {
        print(&run, &stretches, &done, seconds);
    }
    if let Some(step) = done.iter().find_map(|d| d.interrupted_at) {
        return Ok(stop.finish(&format!("the replay stopped at step {step}")));
    }
    let mut result = json!({
        "schema": SCHEMA,
        "run": shown(folder.root()),
        "groups": run.groups.iter().zip(&stretches).zip(&done).map(group_json).collect::<Vec<_>>(),
        "seconds": { "replay": seconds },
    });
    if a.analyze {
        let asked = || stop.asked();
        let Some(analysed) = analyze::analyze_in(&run, &folder, &chosen, &asked)? else {
            return Ok(stop.finish("analysis stopped"));
        };
        let (path, report_seconds) =
            report::report_in(&run, &folder, &chosen.entry, &analysed, &typed())?;
        if !json {
            analyze::print_stages(&analysed);
            outln!("report: {}", path.display());
        }
        result["seconds"]["analyze"] = json!(analysed.seconds);
        result["seconds"]["report"] = json!(report_seconds);
        result["report"] = json!(shown(&path));
        result["replicas"] = analyze::stages_json(&analysed);
    }
    if json {
        print_json(&result);
    }
    Ok(Finish::Complete)
}

/// The stretches of each group: what was typed, or what the analysis found.
fn stretches(a: &DensifyArguments, run: &Run, folder: &RunFolder) -> Result<Vec<Vec<Stretch>>> {
    let (first, last) = ends(run);
    if let Some(stretch) = a.around {
        let refuse = |reason: String| Err(InFile::error(folder.root(), reason));
        if stretch.hi > last {
            let hi = stretch.hi;
            return refuse(format!("step {hi} is beyond the run's last step, {last}"));
        }
        if stretch.lo < first {
            let lo = stretch.lo;
            return refuse(format!("the run begins at step {first}, after step {lo}"));
        }
        return Ok(vec![vec![stretch]; run.groups.len()]);
    }
    let path = folder.analysis().join(STAGES);
    if !path.exists() {
        let missing = "was not analysed yet, so no boundaries are known; run `ontogeny analyze`, or give a stretch \
                       with --around LO..HI";
        return Err(InFile::error(folder.root(), missing));
    }
    if let Err(changed) = analyze::check_written(folder, STAGES) {
        errln!("warning: {changed:#}");
    }
    let found: Vec<ReplicaStages> = serde_json::from_value(place::read_json(&path)?)
        .map_err(|e| InFile::error(&path, format!("does not hold stages: {e}")))?;
    let stretches: Vec<Vec<Stretch>> = run
        .groups
        .iter()
        .map(|group| {
            let names = group.names();
            let own = found.iter().filter(|f| names.contains(&f.replica));
            let boundaries = own.flat_map(|f| &f.report.boundaries);
            let about = boundaries.map(|b| Stretch::about(b.lo, b.hi, first, last));
            about.filter(|s| s.lo < s.hi).collect()
        })
        .collect();
    if stretches.iter().all(Vec::is_empty) {
        let none = "the analysis found no boundary; give a stretch with --around LO..HI";
        return Err(InFile::error(folder.root(), none));
    }
    Ok(stretches)
}

/// First and last step of a run.
fn ends(run: &Run) -> (Step, Step) {
    let steps = run.schedule.steps();
    let end = |step: Option<&Step>| step.copied().unwrap_or_default();
    (end(steps.first()), end(steps.last()))
}

/// The steps that a group is to have in its stretches. They depend on the run's own schedule and
/// not on what was added before, so that the same command asks for the same steps.
fn steps(
    a: &DensifyArguments,
    run: &Run,
    group: &Group,
    folder: &RunFolder,
    stretches: &[Stretch],
) -> Result<Vec<Step>> {
    let reached = reached(group, folder)?;
    let mut all: Vec<Step> = Vec::new();
    for stretch in stretches {
        let (lo, hi) = (stretch.lo, stretch.hi);
        if hi > reached {
            return Err(TrainingError::Unreached {
                path: folder.root().to_owned(),
                step: hi,
                reached,
            }
            .into());
        }
        match a.every {
            // Replicas often show the same boundary: what was chosen about one counts for the next.
            None => {
                let chosen = all.iter().filter(|s| (lo..=hi).contains(s)).count();
                let count = (a.checkpoints as usize).saturating_sub(chosen);
                all.extend(fill_gaps(
                    &[run.schedule.steps(), &all].concat(),
                    lo,
                    hi,
                    count,
                ));
            }
            Some(every) => {
                let multiples = lo.0.div_ceil(every)..=hi.0 / every;
                let count = multiples.end().saturating_sub(*multiples.start());
                if count >= MOST {
                    let many = format!(
                        "--every {every} would be more than {MOST} checkpoints from step {lo} to step {hi}"
                    );
                    return Err(InFile::error(folder.root(), many));
                }
                all.extend(multiples.map(|n| Step(n * every)));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn group_json(((group, stretches), done): ((&Group, &Vec<Stretch>), &Densified)) -> Value {
    json!({
        "replicas": group.names(),
        "stretches": stretches.iter().map(|s| json!({ "lo": s.lo, "hi": s.hi })).collect::<Vec<_>>(),
        "added": done.added,
        "present": done.present,
        "met": done.met,
        "replayed": done.replayed,
    })
}

fn print(run: &Run, stretches: &[Vec<Stretch>], done: &[Densified], seconds: f64) {
    for ((group, stretches), done) in run.groups.iter().zip(stretches).zip(done) {
        let where_: Vec<String> = stretches
            .iter()
            .map(|s| format!("{}..{}", s.lo, s.hi))
            .collect();
        let of = match (&group.folder, where_.is_empty()) {
            (_, true) => continue,
            (Some(name), _) => format!("{name}: "),
            (None, _) => String::new(),
        };
        outln!(
            "{of}{} checkpoints added in {}, {} were there; {} steps replayed, the same bits at {} checkpoints",
            done.added.len(),
            where_.join(", "),
            done.present.len(),
            done.replayed,
            done.met.len()
        );
    }
    outln!("replayed in {}", watch::duration(seconds));
}
