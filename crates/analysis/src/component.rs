//! Parts of a network by name, for refined coefficients (Wang et al. 2024, arXiv 2410.02984).
//!
//! `all`, `embed`, `unembed`, `norm`, `attn`, `attn:L`, `mlp`, `mlp:L`, `layer:L`, `head:L.H`, and unions of them with `+`.
//! `heads`, `heads:L` and `layers` stand for a list, one component for each head or layer.

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_model::{ParameterSpec, TransformerConfig};

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
    /// What was asked for.
    pub name: String,
    /// Why there is none.
    pub reason: String,
}

/// The components that a name stands for, in their order.
///
/// # Errors
/// [`UnknownComponent`] if it is not in the language, or names what the network does not have.
pub fn parse(name: &str, config: &TransformerConfig) -> Result<Vec<Component>, UnknownComponent> {
    let one = |piece| Component {
        pieces: vec![piece],
    };
    let heads = |layer| (0..config.n_heads).map(move |head| one(Piece::Head(layer, head)));
    let wrong = |reason: String| UnknownComponent {
        name: name.to_owned(),
        reason,
    };
    let list: Option<Vec<Component>> = match name.trim() {
        "heads" => Some((0..config.n_layers).flat_map(heads).collect()),
        "layers" => Some((0..config.n_layers).map(|l| one(Piece::Layer(l))).collect()),
        other => match other.strip_prefix("heads:") {
            Some(layer) => {
                Some(heads(number(layer, "layer", config.n_layers).map_err(wrong)?).collect())
            }
            None => None,
        },
    };
    if let Some(list) = list {
        return Ok(list);
    }
    let pieces = name
        .split('+')
        .map(|piece| piece_of(piece.trim(), config).map_err(wrong))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![Component { pieces }])
}

fn piece_of(text: &str, config: &TransformerConfig) -> Result<Piece, String> {
    let layer = |text: &str| number(text, "layer", config.n_layers);
    let mlp = |piece| match config.d_mlp {
        0 => Err("it has no MLP".to_owned()),
        _ => Ok(piece),
    };
    Ok(match text.split_once(':') {
        None => match text {
            "all" => Piece::All,
            "embed" => Piece::Embed,
            "unembed" => Piece::Unembed,
            "norm" => Piece::Norm,
            "attn" => Piece::Attn(None),
            "mlp" => mlp(Piece::Mlp(None))?,
            _ => return Err(format!("`{text}` is none of {LANGUAGE}")),
        },
        Some(("attn", l)) => Piece::Attn(Some(layer(l)?)),
        Some(("mlp", l)) => mlp(Piece::Mlp(Some(layer(l)?)))?,
        Some(("layer", l)) => Piece::Layer(layer(l)?),
        Some(("head", at)) => {
            let (l, h) = at
                .split_once('.')
                .ok_or_else(|| "a head is `head:LAYER.HEAD`".to_owned())?;
            Piece::Head(layer(l)?, number(h, "head", config.n_heads)?)
        }
        _ => return Err(format!("`{text}` is none of {LANGUAGE}")),
    })
}

/// What can be written.
pub const LANGUAGE: &str = "all, embed, unembed, norm, attn, attn:L, mlp, mlp:L, layer:L, head:L.H, unions of these with +, \
                            and the lists heads, heads:L and layers";

fn number(text: &str, what: &str, count: usize) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if n < count => Ok(n),
        Ok(n) => Err(format!(
            "there is no {what} {n}; the last is {}",
            count.saturating_sub(1)
        )),
        Err(_) => Err(format!("`{text}` is not the number of a {what}")),
    }
}

impl Component {
    /// Whether it is the whole network.
    pub fn is_all(&self) -> bool {
        self.pieces.contains(&Piece::All)
    }

    /// Its weights, for a stack of one.
    pub fn mask(&self, config: &TransformerConfig, device: &Device) -> Mask {
        if self.is_all() {
            return Mask::all();
        }
        let part = |spec: &ParameterSpec| self.part(spec, config, device);
        Mask::new(config.parameters().iter().map(part).collect())
    }

    fn part(&self, spec: &ParameterSpec, config: &TransformerConfig, device: &Device) -> Part {
        let shares: Vec<Share> = self.pieces.iter().map(|p| p.share(&spec.name)).collect();
        if shares.contains(&Share::All) {
            return Part::All;
        }
        let heads: Vec<usize> = shares
            .iter()
            .filter_map(|s| match s {
                Share::Head(h) => Some(*h),
                _ => None,
            })
            .collect();
        if heads.is_empty() {
            return Part::Nothing;
        }
        // Heads lie side by side in the columns of Q, K and V and in the rows of O.
        let by_row = spec.name.ends_with("W_O");
        let moves: Vec<f32> = (0..spec.rows * spec.cols)
            .map(|i| {
                let place = if by_row { i / spec.cols } else { i % spec.cols };
                f32::from(heads.contains(&(place / config.d_head)))
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
    Head(usize),
}

impl Piece {
    /// What of a parameter belongs to it.
    fn share(self, name: &str) -> Share {
        let whole = |is: bool| if is { Share::All } else { Share::Nothing };
        let in_layer = |l: usize| name.starts_with(&format!("blocks.{l}."));
        let norm = name.contains("ln");
        match self {
            Self::All => Share::All,
            Self::Embed => whole(name.starts_with("embed.") || name.starts_with("pos_embed.")),
            Self::Unembed => whole(name.starts_with("unembed.")),
            Self::Norm => whole(norm),
            Self::Attn(l) => whole(name.contains(".attn.") && l.is_none_or(in_layer)),
            Self::Mlp(l) => whole(name.contains(".mlp.") && l.is_none_or(in_layer)),
            Self::Layer(l) => whole(in_layer(l)),
            // The bias of the output belongs to no head.
            Self::Head(l, h) => {
                match name.contains(".attn.") && in_layer(l) && !name.ends_with("b_O") {
                    true => Share::Head(h),
                    false => Share::Nothing,
                }
            }
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
