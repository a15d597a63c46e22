//! Parts of a network by name, for refined coefficients (Wang et al. 2024, arXiv 2410.02984).
//!
//! `all`, `embed`, `unembed`, `norm`, `attn`, `attn:L`, `mlp`, `mlp:L`, `layer:L`, `head:L.H`, and
//! unions of them with `+`. `heads`, `heads:L` and `layers` stand for a list, one component for
//! each head or layer.

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_model::{HeadAxis, NetworkConfig, ParameterSpec, Part as Place};
use ontogeny_store::excerpt;

use crate::sampler::{Mask, Part};

/// Some of a network's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    All,
    Embed,
    Unembed,
    Norm,
    Attn(Option<usize>),
    Mlp(Option<usize>),
    Layer(usize),
    Head(usize, usize),
}

/// A name that is no component of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no component of this network: {reason}")]
pub struct UnknownComponent {
    /// What was asked for, cut in the middle if it is long.
    pub name: String,
    /// Why there is none.
    pub reason: String,
}

/// What a network has that can be named.
struct Anatomy {
    layers: usize,
    heads: usize,
    /// Whether it is a transformer: with embeddings, attention and layer norms.
    transformer: bool,
    mlp: bool,
}

impl Anatomy {
    fn of(config: &NetworkConfig) -> Self {
        match config {
            NetworkConfig::Transformer(c) => Self {
                layers: c.n_layers,
                heads: c.n_heads,
                transformer: true,
                mlp: c.d_mlp > 0,
            },
            NetworkConfig::Mlp(c) => Self {
                layers: c.widths.len().saturating_sub(1),
                heads: 0,
                transformer: false,
                mlp: false,
            },
        }
    }

    fn layer(&self, text: &str) -> Result<usize, String> {
        number(text, "layer", self.layers)
    }

    /// The piece, if a transformer is there to have it.
    fn of_transformer(&self, piece: Piece) -> Result<Piece, String> {
        match self.transformer {
            true => Ok(piece),
            false => Err("it is no transformer; its parts are all, layer:L and layers".to_owned()),
        }
    }

    fn of_mlp(&self, piece: Piece) -> Result<Piece, String> {
        match self.mlp {
            true => self.of_transformer(piece),
            false => Err("it has no MLP".to_owned()),
        }
    }
}

/// The components that a name stands for, in their order.
///
/// # Errors
/// [`UnknownComponent`] if it is not in the language, or names what the network does not have.
pub fn parse(name: &str, config: &NetworkConfig) -> Result<Vec<Component>, UnknownComponent> {
    let has = Anatomy::of(config);
    let wrong = |reason: String| UnknownComponent {
        name: excerpt(name),
        reason,
    };
    let one = |piece| Component {
        pieces: vec![piece],
    };
    let heads = |layer| (0..has.heads).map(move |head| one(Piece::Head(layer, head)));
    let list: Option<Vec<Component>> = match name.trim() {
        "heads" => {
            has.of_transformer(Piece::All).map_err(wrong)?;
            Some((0..has.layers).flat_map(heads).collect())
        }
        "layers" => Some((0..has.layers).map(|l| one(Piece::Layer(l))).collect()),
        other => match other.strip_prefix("heads:") {
            Some(layer) => {
                has.of_transformer(Piece::All).map_err(wrong)?;
                Some(heads(has.layer(layer).map_err(wrong)?).collect())
            }
            None => None,
        },
    };
    if let Some(list) = list {
        return Ok(list);
    }
    let pieces = name
        .split('+')
        .map(|piece| piece_of(piece.trim(), &has).map_err(wrong))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![Component { pieces }])
}

fn piece_of(text: &str, has: &Anatomy) -> Result<Piece, String> {
    match text.split_once(':') {
        None => match text {
            "all" => Ok(Piece::All),
            "embed" => has.of_transformer(Piece::Embed),
            "unembed" => has.of_transformer(Piece::Unembed),
            "norm" => has.of_transformer(Piece::Norm),
            "attn" => has.of_transformer(Piece::Attn(None)),
            "mlp" => has.of_mlp(Piece::Mlp(None)),
            _ => Err(format!("`{}` is none of {LANGUAGE}", excerpt(text))),
        },
        Some(("attn", l)) => has.of_transformer(Piece::Attn(Some(has.layer(l)?))),
        Some(("mlp", l)) => has.of_mlp(Piece::Mlp(Some(has.layer(l)?))),
        Some(("layer", l)) => Ok(Piece::Layer(has.layer(l)?)),
        Some(("head", at)) => {
            has.of_transformer(Piece::All)?;
            let (l, h) = at
                .split_once('.')
                .ok_or_else(|| "a head is `head:LAYER.HEAD`".to_owned())?;
            Ok(Piece::Head(has.layer(l)?, number(h, "head", has.heads)?))
        }
        _ => Err(format!("`{}` is none of {LANGUAGE}", excerpt(text))),
    }
}

/// What can be written.
pub const LANGUAGE: &str = "all, embed, unembed, norm, attn, attn:L, mlp, mlp:L, layer:L, \
                            head:L.H, unions of these with +, and the lists heads, heads:L and \
                            layers";

fn number(text: &str, what: &str, count: usize) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if n < count => Ok(n),
        Ok(n) => Err(format!(
            "there is no {what} {n}; the last is {}",
            count.saturating_sub(1)
        )),
        Err(_) => Err(format!("`{}` is not the number of a {what}", excerpt(text))),
    }
}

impl Component {
    /// Whether it is the whole network.
    pub fn is_all(&self) -> bool {
        self.pieces.contains(&Piece::All)
    }

    /// Its weights, for a stack of one.
    pub fn mask(&self, config: &NetworkConfig, device: &Device) -> Mask {
        if self.is_all() {
            return Mask::all();
        }
        let part = |spec: &ParameterSpec| self.part(spec, config, device);
        Mask::new(config.parameters().iter().map(part).collect())
    }

    fn part(&self, spec: &ParameterSpec, config: &NetworkConfig, device: &Device) -> Part {
        let shares: Vec<Share> = self.pieces.iter().map(|p| p.share(spec.part)).collect();
        if shares.contains(&Share::All) {
            return Part::All;
        }
        let mut own: Vec<(usize, HeadAxis)> = Vec::new();
        for share in shares {
            if let Share::Head(head, axis) = share {
                own.push((head, axis));
            }
        }
        let Some(&(_, axis)) = own.first() else {
            return Part::Nothing;
        };
        let d_head = config.transformer().map_or(1, |c| c.d_head);
        let moves: Vec<f32> = (0..spec.rows * spec.cols)
            .map(|i| {
                let place = match axis {
                    HeadAxis::Rows => i / spec.cols,
                    HeadAxis::Columns => i % spec.cols,
                };
                f32::from(own.iter().any(|(head, _)| *head == place / d_head))
            })
            .collect();
        let moves =
            Tensor::<3>::from_data(TensorData::new(moves, [1, spec.rows, spec.cols]), device);
        Part::Some(Box::new(moves.greater_elem(0.5)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    All,
    Nothing,
    Head(usize, HeadAxis),
}

impl Piece {
    /// What of a parameter at this place of the network belongs to it.
    fn share(self, place: Place) -> Share {
        let whole = |is: bool| if is { Share::All } else { Share::Nothing };
        match (self, place) {
            (Self::All, _) => Share::All,
            (Self::Embed, _) => whole(place == Place::Embedding),
            (Self::Unembed, _) => whole(place == Place::Unembedding),
            (Self::Norm, _) => whole(matches!(place, Place::Norm { .. })),
            (Self::Layer(l), _) => whole(place.layer() == Some(l)),
            (Self::Attn(of), Place::Attention { layer, .. })
            | (Self::Mlp(of), Place::Mlp { layer }) => whole(of.is_none_or(|l| l == layer)),
            (
                Self::Head(l, head),
                Place::Attention {
                    layer,
                    heads: Some(axis),
                },
            ) if l == layer => Share::Head(head, axis),
            (Self::Attn(_) | Self::Mlp(_) | Self::Head(..), _) => Share::Nothing,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, piece) in self.pieces.iter().enumerate() {
            if i > 0 {
                f.write_str("+")?;
            }
            match piece {
                Piece::All => f.write_str("all"),
                Piece::Embed => f.write_str("embed"),
                Piece::Unembed => f.write_str("unembed"),
                Piece::Norm => f.write_str("norm"),
                Piece::Attn(None) => f.write_str("attn"),
                Piece::Attn(Some(l)) => write!(f, "attn:{l}"),
                Piece::Mlp(None) => f.write_str("mlp"),
                Piece::Mlp(Some(l)) => write!(f, "mlp:{l}"),
                Piece::Layer(l) => write!(f, "layer:{l}"),
                Piece::Head(l, h) => write!(f, "head:{l}.{h}"),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontogeny_model::{Activation, Init, Norm, Positions, TransformerConfig};

    fn config(d_mlp: usize) -> NetworkConfig {
        let config = TransformerConfig {
            n_layers: 2,
            n_heads: 3,
            d_model: 8,
            d_head: 4,
            d_mlp,
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
        };
        config.into()
    }

    /// Weights that a component moves.
    fn size(name: &str, config: &NetworkConfig) -> u64 {
        let shapes: Vec<[usize; 2]> = config
            .parameters()
            .iter()
            .map(|p| [p.rows, p.cols])
            .collect();
        let all = parse(name, config).unwrap();
        let one = |c: &Component| c.mask(config, &Device::flex()).weights(&shapes);
        all.iter().map(one).sum()
    }

    #[test]
    fn every_component_has_its_weights() {
        let c = config(16);
        let all = c.n_parameters() as u64;
        // Q, K, V and O of a head, and the biases of the first three.
        let head = 4 * 8 * 4 + 3 * 4;
        assert_eq!(size("head:1.2", &c), head);
        assert_eq!(size("heads", &c), 6 * head);
        assert_eq!(size("heads:0", &c), 3 * head);
        // Heads and the bias of the output.
        assert_eq!(size("attn:0", &c), 3 * head + 8);
        assert_eq!(size("mlp:1", &c), 2 * 8 * 16 + 16 + 8);
        assert_eq!(size("embed", &c), 11 * 8 + 6 * 8);
        assert_eq!(size("unembed", &c), 8 * 11 + 11);
        assert_eq!(size("norm", &c), 5 * 16);
        assert_eq!(size("all", &c), all);
        // The parts are disjoint and leave nothing out; unions count nothing twice.
        assert_eq!(size("embed+unembed+norm+attn+mlp", &c), all);
        assert_eq!(size("attn+head:0.1+attn:0", &c), size("attn", &c));
        assert_eq!(size("layers", &c) + size("embed+unembed", &c) + 16, all);
    }

    #[test]
    fn a_head_is_columns_of_q_and_rows_of_o() {
        let c = config(0);
        let head = &parse("head:1.2", &c).unwrap()[0];
        let mask = head.mask(&c, &Device::flex());
        for (i, spec) in c.parameters().iter().enumerate() {
            let expected: Vec<bool> = (0..spec.rows * spec.cols)
                .map(|k| {
                    let (row, column) = (k / spec.cols, k % spec.cols);
                    let place = if spec.name == "blocks.1.attn.W_O" {
                        row
                    } else {
                        column
                    };
                    let own = ["W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"]
                        .map(|name| format!("blocks.1.attn.{name}"));
                    own.contains(&spec.name) && (8..12).contains(&place)
                })
                .collect();
            let found = match mask.part(i) {
                Part::All => vec![true; expected.len()],
                Part::Nothing => vec![false; expected.len()],
                Part::Some(moves) => (**moves).clone().try_into_vec_as::<bool>().unwrap(),
            };
            assert_eq!(found, expected, "{}", spec.name);
        }
    }

    #[test]
    fn names_come_back_and_what_is_not_there_is_refused() {
        let c = config(16);
        for name in [
            "all",
            "head:0.2+mlp:1",
            "attn",
            "layer:1",
            "embed+unembed+norm",
        ] {
            let found = parse(name, &c).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].to_string(), name);
        }
        for (name, reason) in [
            ("head:2.0", "there is no layer 2"),
            ("head:0.3", "there is no head 3"),
            ("head:1", "a head is `head:LAYER.HEAD`"),
            ("layer:x", "`x` is not the number of a layer"),
            ("all+brain", "`brain` is none of"),
            ("", "is none of"),
        ] {
            let error = parse(name, &c).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
        let error = parse("mlp", &config(0)).unwrap_err().to_string();
        assert!(error.contains("it has no MLP"), "{error}");
    }
}
