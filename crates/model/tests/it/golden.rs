//! The golden values of `tests/golden`, and how near is near enough.
//!
//! The tests of training read the same files through this module.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::Device;
use ontogeny_model::{Init, Network, NetworkConfig, weights};
use ontogeny_store::NamedTensor;
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/tests/golden");
const VARIANTS: [&str; 5] = [
    "attention_only",
    "gelu_tied",
    "shortformer_relu",
    "rotary_no_norm",
    "relative",
];

/// The most that rounding to single precision changes a number by, relative to it.
const ROUNDING: f32 = f32::EPSILON / 2.0;

/// One variant's file.
pub struct Golden {
    pub variant: &'static str,
    /// Shape and values.
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    metadata: HashMap<String, String>,
}

impl Golden {
    /// Every variant.
    pub fn all() -> impl Iterator<Item = Self> {
        VARIANTS.into_iter().map(Self::open)
    }

    fn open(variant: &'static str) -> Self {
        let bytes = std::fs::read(format!("{FOLDER}/{variant}.safetensors")).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let tensors = SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .map(|(key, view)| {
                let values = view.data().chunks_exact(4);
                let values = values.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                (key.to_owned(), (view.shape().to_vec(), values.collect()))
            })
            .collect();
        Self {
            variant,
            tensors,
            metadata: header.metadata().clone().unwrap(),
        }
    }

    /// An entry of the metadata.
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_str(&self.metadata[key]).unwrap()
    }

    /// The configuration, in the words of this crate and with an initialisation, which the golden
    /// weights make no use of.
    fn config(&self) -> NetworkConfig {
        let mut config: Value = self.json("config");
        let fields = config.as_object_mut().unwrap();
        let activation = fields.remove("act").unwrap();
        fields.insert("activation".to_owned(), activation);
        fields.insert(
            "init".to_owned(),
            serde_json::to_value(Init::default()).unwrap(),
        );
        serde_json::from_value(config).unwrap()
    }

    /// The golden weights as a stack of one.
    pub fn network(&self) -> Network {
        let tensors: Vec<NamedTensor> = self
            .tensors
            .iter()
            .filter_map(|(key, (shape, values))| {
                Some(NamedTensor {
                    name: key.strip_prefix("weights/")?.to_owned(),
                    shape: [&[1], shape.as_slice()].concat(),
                    data: values.clone(),
                })
            })
            .collect();
        weights::from_named(&self.config(), 1, &tensors, &Device::flex()).unwrap()
    }

    /// The values under a key, row major.
    pub fn values(&self, key: &str) -> &[f32] {
        let Some((_, values)) = self.tensors.get(key) else {
            panic!("{}: no {key}", self.variant)
        };
        values
    }

    /// Compares with the values under a key.
    ///
    /// The golden values are computed in double precision. `f32_gap` says how far a correct
    /// computation in single precision, PyTorch's, is from them in each group of keys. Ours rounds
    /// as often but in another order, which depends on the vector instructions at hand, so its
    /// error is another draw of the same kind: at its largest it may be a few times the other's (it
    /// comes to 2.5 times, in a gradient norm with portable instructions), so four times is
    /// allowed. To that come eight roundings of the largest value, since the gap of a single number
    /// may be small by luck.
    pub fn check(&self, key: &str, found: &[f32]) {
        let expected = self.values(key);
        assert_eq!(found.len(), expected.len(), "{}: {key}", self.variant);
        let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let tolerance = 4.0 * self.gap(key) + 8.0 * ROUNDING * largest;
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!(
                (f - e).abs() <= tolerance,
                "{}: {key}, element {i}: {f}, expected {e} ± {tolerance:e}",
                self.variant
            );
        }
    }

    /// `f32_gap` of the group that a key belongs to: `grads` of `grads/embed.W_E`.
    fn gap(&self, key: &str) -> f32 {
        let gaps: BTreeMap<String, f32> = self.json("f32_gap");
        let of_key = |group: &String| key == group || key.starts_with(&format!("{group}/"));
        let group = gaps.into_iter().find(|(group, _)| of_key(group));
        group
            .unwrap_or_else(|| panic!("{}: no gap of {key}", self.variant))
            .1
    }
}
