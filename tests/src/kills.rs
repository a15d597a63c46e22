//! Whole runs that are killed at random moments, and end with the same bytes all the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Sandbox;
use crate::workload::{Phase, Workload, differences, lasting};

/// Attempts at a kill; a process may be done before its moment comes.
const ATTEMPTS: usize = 20;
/// Between two looks at a run.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills runs `kills` times in all, each at a moment that `seed` chooses, has the same command go
/// on to the end and compares every byte that stays with a run that was left alone. What happens is
/// told to `say`, a line at a time. Returns the number of runs that came out otherwise.
///
/// The phases of a run get as many kills each, however short they are; every fourth run is killed
/// twice.
///
/// # Panics
/// If a command cannot be started, or does not come to an end.
pub fn kill_runs(kills: usize, seed: u64, say: &dyn Fn(&str)) -> u64 {
    let mut chance = Chance(seed);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut findings = 0;
    let mut left = kills;
    for (at, workload) in Workload::ALL.into_iter().enumerate() {
        let share = left / (Workload::ALL.len() - at);
        left -= share;
        let alone = workload.sandbox();
        let lengths = timed(&alone);
        let expected = lasting(&alone);
        let mut done = 0;
        while done < share {
            let sandbox = workload.sandbox();
            let twice = done % 4 == 3 && done + 1 < share;
            let mut moments = Vec::new();
            for _ in 0..=usize::from(twice) {
                let so_far: usize = counts.values().sum();
                let phase = Phase::ALL[so_far % Phase::ALL.len()];
                // A run that goes on is past the phases before.
                let Some(killed) = kill_in(&sandbox, phase, &lengths, &mut chance) else {
                    break;
                };
                *counts.entry(format!("{killed:?}")).or_default() += 1;
                moments.push(format!("{killed:?}"));
                done += 1;
            }
            if moments.is_empty() {
                say(&format!(
                    "{}: no moment was found to kill it",
                    workload.name()
                ));
                findings += 1;
                break;
            }
            let ended = sandbox.run(&Workload::COMMAND);
            let mut wrong = differences(&lasting(&sandbox), &expected);
            if !ended.status.success() {
                wrong.push(format!("the same command again: {ended}"));
            }
            if !wrong.is_empty() {
                findings += 1;
                let killed = moments.join(" and ");
                say(&format!(
                    "finding: {}, killed in {killed}: {}",
                    workload.name(),
                    wrong.join("; ")
                ));
            }
        }
    }
    let phases: Vec<String> = counts
        .iter()
        .map(|(phase, n)| format!("{phase} {n}"))
        .collect();
    say(&format!(
        "kills: {} ({}), {findings} runs that came out otherwise",
        counts.values().sum::<usize>(),
        phases.join(", ")
    ));
    findings
}

/// Runs to the end; how long each phase took.
fn timed(sandbox: &Sandbox) -> BTreeMap<Phase, Duration> {
    let mut lengths = BTreeMap::new();
    let mut run = sandbox.start(&Workload::COMMAND);
    let (mut phase, mut since) = (Phase::Building, Instant::now());
    while run.is_running() {
        let now = Phase::of(sandbox);
        if now != phase {
            lengths.insert(phase, since.elapsed());
            (phase, since) = (now, Instant::now());
        }
        std::thread::sleep(PAUSE);
    }
    lengths.insert(phase, since.elapsed());
    run.wait().success();
    lengths
}

/// Kills a run in a phase, or in a later one; says in which. `None` if it always ended before.
fn kill_in(
    sandbox: &Sandbox,
    phase: Phase,
    lengths: &BTreeMap<Phase, Duration>,
    chance: &mut Chance,
) -> Option<Phase> {
    let length = lengths.get(&phase).copied().unwrap_or_default();
    for attempt in 0..ATTEMPTS {
        let mut run = sandbox.start(&Workload::COMMAND);
        while Phase::of(sandbox) < phase && run.is_running() {
            std::thread::sleep(PAUSE);
        }
        // Earlier and earlier, if it was too late before.
        std::thread::sleep(length.mul_f64(chance.next() * 0.8_f64.powi(attempt as i32)));
        if run.is_running() {
            let killed = Phase::of(sandbox);
            run.kill();
            return Some(killed);
        }
        // There is nothing left to kill: as if it had never run.
        for name in ["run", "runs"] {
            let _ = std::fs::remove_dir_all(sandbox.path(name));
        }
    }
    None
}

/// Numbers from 0 to 1 (SplitMix64, Steele et al. 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}
