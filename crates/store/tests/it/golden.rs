//! Values made by `tests/golden/golden.py`, an implementation of its own.

use ontogeny_store::{KeyBuilder, Stream};
use rand::Rng;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Golden {
    key: String,
    streams: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    seed: u64,
    purpose: String,
    coordinates: Vec<u64>,
    children: Vec<Child>,
    index: u64,
    words: Vec<u32>,
    uniform_bits: Vec<u32>,
    normal_bits: Vec<u32>,
}

#[derive(Deserialize)]
struct Child {
    purpose: String,
    coordinates: Vec<u64>,
}

fn check(case: &Case) {
    let name = &case.name;
    let mut stream = Stream::new(case.seed, &case.purpose, &case.coordinates);
    for child in &case.children {
        stream = stream.child(&child.purpose, &child.coordinates);
    }

    let mut rng = stream.at(case.index);
    let words: Vec<u32> = case.words.iter().map(|_| rng.next_u32()).collect();
    assert_eq!(words, case.words, "{name}");

    let mut uniform = vec![0.0f32; case.uniform_bits.len()];
    stream.fill_uniform(case.index, &mut uniform);
    let bits: Vec<u32> = uniform.iter().map(|u| u.to_bits()).collect();
    assert_eq!(bits, case.uniform_bits, "{name}");

    let mut normal = [0.0f32; 280];
    stream.fill_normal(case.index, &mut normal);
    let ends = normal[..12].iter().chain(&normal[268..]);
    let bits: Vec<u32> = ends.map(|z| z.to_bits()).collect();
    assert_eq!(bits, case.normal_bits, "{name}");
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/golden.json")).unwrap()
}

#[test]
fn streams_are_what_they_always_were() {
    let cases = golden().streams;
    assert_eq!(cases.len(), 4);
    cases.iter().for_each(check);
}

#[test]
fn keys_are_what_they_always_were() {
    let key = KeyBuilder::new("golden/1")
        .bytes("bytes", &[0, 255])
        .text("text", "ä")
        .number("number", 1 << 40)
        .key("key", &KeyBuilder::new("inner").finish())
        .f32s("f32s", &[1.0, -0.0, 0.1])
        .json("json", &json!({ "z": [1, -2, 0.5, null, true], "a": "x" }))
        .finish();
    assert_eq!(key.to_string(), golden().key);
}
