//! The corpus that comes with the crate.

use ontogeny_data::{Oracle, Split, TextSpec};
use ontogeny_store::Stream;

use crate::{build, text};

/// The source's key, by the content of the corpus, the defaults and 32 positions: it names results
/// that lie on disks, so an option that is not set must not change it.
const KEY: &str = "f1224adcc86aa6955ea38ecadf9f4f66beb3dfb1b27e1606d90812fd2621f788";

#[test]
fn it_is_whole_and_its_oracles_are_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let source = build(&TextSpec::default(), folder.path()).unwrap();
    let (train, held_out) = (
        text(&source).part(Split::Train),
        text(&source).part(Split::HeldOut),
    );
    assert_eq!(train.documents + held_out.documents, 233);
    assert_eq!(source.key().to_string(), KEY);
    assert_eq!(train.bytes + held_out.bytes, 10_761_413);
    // Training the tokenizer is deterministic: these are the numbers on every machine.
    assert_eq!(source.d_vocab(), 1000);
    assert_eq!((train.tokens, held_out.tokens), (3_433_537, 209_448));

    let expected = [
        Oracle::Unigram,
        Oracle::Bigram,
        Oracle::Trigram,
        Oracle::BagOfContext,
    ];
    assert_eq!(source.oracles(), expected);
    let description = source.describe(&Stream::new(1, "test", &[]), 60);
    let losses: Vec<f64> = description.oracles.iter().map(|o| o.loss).collect();
    // Over 1920 tokens, with standard errors of about .05; a context of 32 tokens tells a bag
    // little, so that it must only do no harm beyond what its fit may err by.
    assert!(losses[0] > 5.5 && losses[0] < 6.3, "{losses:?}");
    assert!(losses[1] > 3.5 && losses[1] < 4.1, "{losses:?}");
    assert!(losses[2] > 2.7 && losses[2] < 3.3, "{losses:?}");
    assert!(losses[3] < losses[2] + 0.02, "{losses:?}");
    assert!(description.repeated_per_sequence > 0.1, "{description:?}");
    let total: f64 = source.token_frequencies().iter().sum();
    assert!((total - 1.0).abs() < 1e-9);
}
