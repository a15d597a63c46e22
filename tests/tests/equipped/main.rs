//! End to end with what not every machine has: pages in a real browser, and the binary on a GPU.

mod browser;
mod gpu;
mod pages;

use std::process::ExitCode;

use ontogeny_tests::needs::{self, Equipped, Need};

fn main() -> ExitCode {
    let mut tests = vec![
        Equipped {
            name: "pages::the_report_of_a_run_shows_its_charts",
            need: Need::Browser,
            test: pages::the_report_of_a_run_shows_its_charts,
        },
        Equipped {
            name: "pages::what_was_not_measured_is_said_not_to_be",
            need: Need::Browser,
            test: pages::what_was_not_measured_is_said_not_to_be,
        },
        Equipped {
            name: "pages::a_frozen_replica_is_named",
            need: Need::Browser,
            test: pages::a_frozen_replica_is_named,
        },
        Equipped {
            name: "pages::a_comparison_shows_its_knob",
            need: Need::Browser,
            test: pages::a_comparison_shows_its_knob,
        },
    ];
    let found = gpu::found();
    // A binary without GPU support has nothing to show, whatever the machine has.
    if found != gpu::Found::NoSupport {
        tests.push(Equipped {
            name: "gpu::it_gives_the_losses_of_the_processor",
            need: Need::Gpu,
            test: gpu::it_gives_the_losses_of_the_processor,
        });
    }
    needs::run(&tests, |need| match need {
        Need::Browser => browser::name().is_some(),
        Need::Gpu => found == gpu::Found::Adapter,
    })
}
