//! A run that was interrupted ends with the bytes of one that was not.

use std::fs::OpenOptions;
use std::io::Write;

use ontogeny_store::{StateFolder, Step, TensorFile, read_series};

use crate::bench::{Bench, SMALL, Until};

#[test]
fn a_run_keeps_what_its_configuration_says() {
    let bench = Bench::new(SMALL);
    let (outcome, heard) = bench.train(Until::Complete);
    let outcome = outcome.unwrap();
    let ends: Vec<(&str, u64, Option<u64>)> = outcome
        .replicas
        .iter()
        .map(|r| (r.name.as_str(), r.final_step.0, r.frozen_at))
        .collect();
    assert_eq!(ends, [("seed3", 24, None), ("seed5", 24, None)]);
    let names = vec!["seed3".to_owned(), "seed5".to_owned()];
    assert_eq!(heard.begun, [(names.clone(), 0, 24)]);
    assert_eq!(heard.ended, [(24, false)]);

    let checkpoints = bench.checkpoints(0).list().unwrap();
    let steps: Vec<u64> = checkpoints.iter().map(|c| c.step.0).collect();
    // ⌊24^{j/4}⌋ for j = 0 … 4, every sixth, and the start.
    assert_eq!(steps, [0, 1, 2, 4, 6, 10, 12, 18, 24]);
    assert!(checkpoints.iter().all(|c| c.replicas == names));
    // ⌊24^{j/3}⌋ and the start for good, the last two multiples of 7 for a while.
    let states: Vec<u64> = bench
        .states(0)
        .steps()
        .unwrap()
        .iter()
        .map(|s| s.0)
        .collect();
    assert_eq!(states, [0, 1, 2, 8, 14, 21, 24]);

    let lines = read_series(&bench.folder.metrics()).unwrap();
    let places: Vec<(u64, &str)> = lines
        .iter()
        .map(|l| (l["step"].as_u64().unwrap(), l["replica"].as_str().unwrap()))
        .collect();
    // 200 log-spaced steps are every step of a run this short; the last has no batch after it.
    let expected: Vec<(u64, &str)> = (0..24)
        .flat_map(|step| [(step, "seed3"), (step, "seed5")])
        .collect();
    assert_eq!(places, expected);
    assert_eq!(heard.metrics, (0..24).collect::<Vec<u64>>());
    for line in &lines {
        // Four sequences of twelve positions to a batch.
        assert_eq!(
            line["tokens"].as_u64().unwrap(),
            line["step"].as_u64().unwrap() * 48
        );
        assert!(line["loss"].as_f64().unwrap() > 0.0 && line["gradient_norm"].as_f64().is_some());
        assert!(line.get("frozen_at").is_none());
    }
    let rate = |step: usize| lines[2 * step]["learning_rate"].as_f64().unwrap();
    assert_eq!([rate(0), rate(3), rate(4)], [0.0025, 0.01, 0.01]);
    assert!(rate(23) < 1e-9);
}

#[test]
fn an_interrupted_run_ends_as_an_uninterrupted_one() {
    let straight = Bench::trained(SMALL);
    for after in [1, 7, 11, 23] {
        let bench = Bench::new(SMALL);
        let (outcome, heard) = bench.train(Until::Stopped { group: 0, after });
        let outcome = outcome.unwrap();
        assert_eq!(outcome.interrupted_at, Some(Step(after)));
        assert_eq!(outcome.replicas[1].final_step, Step(after));
        assert_eq!(heard.ended, [(after, true)]);
        // Twice, so that a second interruption is no other case.
        bench.train(Until::Stopped {
            group: 0,
            after: after + 1,
        });
        let (outcome, heard) = bench.train(Until::Complete);
        assert_eq!(heard.begun[0].1, after + 1);
        assert_eq!(outcome.unwrap().interrupted_at, None);
        bench.assert_same(&straight, &format!("stopped after {after}"));
    }
}

#[test]
fn a_killed_run_ends_as_an_uninterrupted_one() {
    let straight = Bench::trained(SMALL);
    // Where the last state before is: the kept ones of 0, 1, 2 and 8, and every seventh.
    for (after, resumed_at) in [(1, 0), (4, 2), (13, 8), (16, 14), (23, 21)] {
        let bench = Bench::new(SMALL);
        let (outcome, _) = bench.train(Until::Killed { group: 0, after });
        assert_eq!(outcome, None);
        // The line being written at that moment.
        let mut metrics = OpenOptions::new()
            .append(true)
            .open(bench.folder.metrics())
            .unwrap();
        metrics
            .write_all(br#"{"step":99,"tokens":4752,"repl"#)
            .unwrap();
        let (_, heard) = bench.train(Until::Complete);
        assert_eq!(heard.begun[0].1, resumed_at, "killed after {after}");
        bench.assert_same(&straight, &format!("killed after {after}"));
    }
}

#[test]
fn a_complete_run_stays_as_it_is() {
    let straight = Bench::trained(SMALL);
    let bench = Bench::trained(SMALL);
    let (outcome, heard) = bench.train(Until::Complete);
    assert_eq!(heard.begun[0].1, 24);
    assert!(heard.metrics.is_empty());
    assert_eq!(outcome.unwrap().replicas[0].final_step, Step(24));
    bench.assert_same(&straight, "trained twice");
}

/// A stretch again, from a state that is kept for good, with more checkpoints around a boundary
/// that was found after the run was over.
#[test]
fn a_stretch_is_replayed_bit_for_bit() {
    let straight = Bench::trained(SMALL);
    let denser = SMALL.replace("every = 6", "every = 1");
    let replay = Bench::new(&denser);
    let mut kept = straight.states(0).at(Step(8)).unwrap();
    // The state of another run would be refused.
    kept.metadata.remove("run");
    let states = StateFolder::create(replay.folder.state()).unwrap();
    states.write(Step(8), &kept, true).unwrap();

    let (_, heard) = replay.train(Until::Complete);
    assert_eq!(heard.begun[0].1, 8);
    let found: Vec<u64> = replay
        .checkpoints(0)
        .list()
        .unwrap()
        .iter()
        .map(|c| c.step.0)
        .collect();
    assert_eq!(found, (8..=24).collect::<Vec<u64>>());
    for step in [10, 12, 18, 24] {
        // The files differ in the key of the run that they name.
        let hash = |bench: &Bench| {
            let path = bench.checkpoints(0).path_of(Step(step));
            TensorFile::read(&path).unwrap().1
        };
        assert_eq!(hash(&replay), hash(&straight), "step {step}");
    }
    for replica in ["seed3", "seed5"] {
        assert_eq!(
            replay.metrics_of(replica),
            straight.metrics_of(replica)[8..]
        );
    }
}
