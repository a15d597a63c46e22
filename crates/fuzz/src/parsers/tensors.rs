//! Tensor files and checkpoints.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use ontogeny_store::{Checkpoint, CheckpointFolder, NamedTensor, TensorFile};
use serde_json::{Value, json};

use super::{Adapter, Scratch, Verdict};
use crate::dice::Dice;
use crate::mutate::mutate_json;

/// Tensor files, some of them checkpoints.
pub struct Tensors {
    scratch: Scratch,
    files: Vec<Vec<u8>>,
}

const WORDS: [&str; 16] = [
    "__metadata__",
    "\"dtype\":\"F32\"",
    "\"BF16\"",
    "\"I64\"",
    "\"F4\"",
    "\"shape\":[",
    "\"data_offsets\":[",
    "0,0]",
    "{",
    "}",
    "\"format\":\"pt\"",
    "\"hash\":\"",
    "\"step\":\"1\"",
    "\"replicas\":\"[]\"",
    "18446744073709551615",
    "[]",
];

/// A few tensors with names, shapes and values by chance.
fn tensors(dice: &mut Dice, replicas: usize) -> Vec<NamedTensor> {
    (0..dice.below(4))
        .map(|at| {
            let mut shape = vec![replicas];
            shape.extend((0..dice.below(3)).map(|_| dice.below(5)));
            let size = shape.iter().product();
            NamedTensor {
                name: format!("blocks.{at}.{}", dice.pick(&["attn.W_Q", "é", "x y"])),
                shape,
                data: (0..size)
                    .map(|_| f32::from_bits(dice.bits() as u32))
                    .collect(),
            }
        })
        .collect()
}

impl Tensors {
    /// Writes some files.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut dice = Dice::new(0, "files of tensors", 0);
        let mut files = Vec::new();
        for step in 0..24_u64 {
            let path = scratch.path().join("whole.safetensors");
            let file = TensorFile {
                metadata: BTreeMap::new(),
                tensors: tensors(&mut dice, 2),
            };
            file.write(&path)?;
            files.push(fs::read(&path)?);
            let folder = scratch.path().join(format!("checkpoints-{step}"));
            let config =
                json!({ "d_model": dice.below(100), "norm": "pre", "init": { "scale": 0.5 } });
            let checkpoint = Checkpoint {
                step: step.into(),
                replicas: vec!["a.seed0".to_owned(), "é".to_owned()],
                config: config.clone(),
                tensors: tensors(&mut dice, 2),
            };
            let entry = CheckpointFolder::create(&folder, &config)?.write(&checkpoint)?;
            files.push(fs::read(entry.path)?);
        }
        Ok(Self { scratch, files })
    }

    fn header(file: &[u8]) -> Option<(Value, &[u8])> {
        let (length, rest) = file.split_first_chunk()?;
        let (header, data) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
        Some((serde_json::from_slice(header).ok()?, data))
    }
}

impl Adapter for Tensors {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let file = &self.files[dice.below(self.files.len())];
        match Self::header(file) {
            // Something else in the header, whose length is right.
            Some((mut header, data)) if dice.once_in(2) => {
                for _ in 0..=dice.below(3) {
                    mutate_json(dice, &mut header);
                }
                let header = header.to_string();
                [
                    &(header.len() as u64).to_le_bytes(),
                    header.as_bytes(),
                    data,
                ]
                .concat()
            }
            _ => file.clone(),
        }
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let path = self.scratch.put("step-0000000001.safetensors", input);
        let _ = TensorFile::read_metadata(&path);
        let checkpoint = Checkpoint::read(&path);
        let (file, key) = match (TensorFile::read(&path), checkpoint) {
            (Ok(file), _) => file,
            (Err(error), Err(_)) => return Verdict::Refused(error.to_string()),
            (Err(_), Ok(_)) => {
                return Verdict::Wrong("a checkpoint that is no tensor file".to_owned());
            }
        };
        let again = self.scratch.path().join("again.safetensors");
        match file.write(&again).and_then(|_| TensorFile::read(&again)) {
            Ok((_, same)) if same == key => Verdict::Accepted,
            Ok(_) => Verdict::Wrong("written again it has another hash".to_owned()),
            Err(error) => Verdict::Wrong(format!("it cannot be written again: {error}")),
        }
    }
}
