//! Names of components.

use ontogeny_analysis::component;
use ontogeny_model::{Activation, Init, NetworkConfig, Norm, Positions, TransformerConfig};

use super::{Adapter, Verdict};
use crate::dice::Dice;

/// Names for a network of two layers and three heads.
pub struct Components {
    network: NetworkConfig,
}

const WORDS: [&str; 17] = [
    "all", "embed", "unembed", "norm", "attn", "attn:", "mlp", "mlp:", "layer:", "head:", "heads",
    "heads:", "layers", "+", ".", ":", " ",
];

impl Components {
    /// The network.
    pub fn new() -> Self {
        Self {
            network: NetworkConfig::Transformer(TransformerConfig {
                n_layers: 2,
                n_heads: 3,
                d_model: 8,
                d_head: 4,
                d_mlp: 16,
                activation: Activation::Gelu,
                norm: Norm::Pre,
                positions: Positions::Learned,
                tied: false,
                bias: true,
                block: ontogeny_model::Block::Standard,
                vectors: None,
                n_ctx: 6,
                d_vocab: 11,
                init: Init::default(),
            }),
        }
    }
}

impl Adapter for Components {
    fn generate(&self, dice: &mut Dice) -> Vec<u8> {
        let mut pieces = Vec::new();
        for _ in 0..=dice.below(4) {
            let (layer, head) = (dice.below(2), dice.below(3));
            pieces.push(match dice.below(7) {
                0 => format!("head:{layer}.{head}"),
                1 => format!("attn:{layer}"),
                2 => format!("mlp:{layer}"),
                3 => format!("layer:{layer}"),
                _ => dice
                    .pick(&["all", "embed", "unembed", "norm", "attn", "mlp"])
                    .to_owned(),
            });
        }
        match dice.below(8) {
            0 => dice
                .pick(&["heads", "layers", "heads:1", " heads "])
                .as_bytes()
                .to_vec(),
            _ => pieces.join("+").into_bytes(),
        }
    }

    fn words(&self) -> &[&'static str] {
        &WORDS
    }

    fn read(&mut self, input: &[u8]) -> Verdict {
        let text = String::from_utf8_lossy(input);
        let components = match component::parse(&text, &self.network) {
            Ok(components) => components,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        for one in &components {
            let name = one.to_string();
            let again = component::parse(&name, &self.network);
            if again.as_deref() != Ok(std::slice::from_ref(one)) {
                return Verdict::Wrong(format!("`{name}` is read as {again:?}"));
            }
        }
        Verdict::Accepted
    }
}
