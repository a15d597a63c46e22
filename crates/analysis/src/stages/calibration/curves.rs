//! What is measured of one development: λ̂ alone, or several curves of it.

use super::shape::{Place, Truth, middle};

/// The curves of a family. All of them have episodes at the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curves {
    /// λ̂ alone.
    Llc,
    /// λ̂, and a loss that falls in the same episodes, in a view of its own. The second episode is
    /// .6 times as large a share of its fall.
    Views,
    /// Three divergences and losses that fall, in one view: one in the first episode, one mostly in
    /// the second, one in both.
    Behaviour,
}

/// One curve with its name in the table.
pub(super) struct Named {
    pub name: &'static str,
    pub truth: Truth,
    /// Whether the table has it falling.
    pub falling: bool,
}

/// A view with its true boundaries.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its name in [`super::super::StageSettings`].
    pub view: &'static str,
    /// Its boundaries, by x.
    pub boundaries: Vec<Place>,
}

impl Curves {
    /// The curves of a development whose λ̂ would be `truth`.
    pub(super) fn of(self, truth: Truth) -> Vec<Named> {
        let falling = |name, factors: &[f64]| Named {
            name,
            truth: truth.scaled(factors),
            falling: true,
        };
        match self {
            Curves::Llc => vec![Named {
                name: "llc",
                truth,
                falling: false,
            }],
            Curves::Views => vec![
                falling("loss", &[1.0, 0.6]),
                Named {
                    name: "llc",
                    truth,
                    falling: false,
                },
            ],
            Curves::Behaviour => vec![
                falling("divergence.bigram", &[1.0, 0.0]),
                falling("divergence.trigram", &[0.3, 1.0]),
                falling("trigger_loss.repeated", &[0.7, 0.7]),
            ],
        }
    }

    /// What the views see of them.
    pub(super) fn shown(self, curves: &[Named]) -> Vec<Shown> {
        let alone = |curve: &Named| Shown {
            view: if curve.name == "llc" {
                "complexity"
            } else {
                "loss"
            },
            boundaries: curve.truth.boundaries.clone(),
        };
        if self != Curves::Behaviour {
            return curves.iter().map(alone).collect();
        }
        let all: Vec<&Truth> = curves.iter().map(|c| &c.truth).collect();
        let joint = |place: &Place| Place {
            at: middle(&all, place.between.0, place.between.1),
            ..*place
        };
        let boundaries = all.first().map_or(&[][..], |truth| &truth.boundaries);
        vec![Shown {
            view: "behaviour",
            boundaries: boundaries.iter().map(joint).collect(),
        }]
    }
}
