//! Sources that take over from one another.

use std::sync::Arc;

use crate::bench::{Bench, SMALL};

/// The step at which the second source of [`SMALL`] begins.
const AT: usize = 10;

#[test]
fn a_source_takes_over_with_the_update_of_its_step() {
    let changing = Bench::trained(SMALL);
    for replica in changing.run.replicas() {
        let phase = |step: usize| {
            let source = replica.source(step as u64);
            let same = |(_, other): &(u64, _)| Arc::ptr_eq(source, other);
            replica.phases.iter().position(same)
        };
        assert_eq!([phase(0), phase(AT - 1)], [Some(0); 2]);
        assert_eq!([phase(AT), phase(1000)], [Some(1); 2]);
    }

    let (before_phases, _) = SMALL.split_once("[[phases]]").unwrap();
    let constant = Bench::trained(before_phases);
    for seed in ["seed3", "seed5"] {
        let (found, other) = (changing.metrics_of(seed), constant.metrics_of(seed));
        assert_eq!(found[..AT], other[..AT], "{seed}");
        for (line, other) in found[AT..].iter().zip(&other[AT..]) {
            assert_ne!(line, other, "{seed}");
        }
    }
}
