//! Items and the properties that they have, arranged in a tree (Saxe et al. 2019, arXiv
//! 1810.10531).
//!
//! Each item is a one-hot vector, its target the properties of all nodes of the tree above it. A
//! deep linear network learns the singular modes of this table one after the other, the strongest
//! first, along curves that are known in closed form.

use ontogeny_store::{Key, KeyBuilder};
use serde::{Deserialize, Serialize};

use super::Values;
use crate::DataError;
use crate::spec::positive;

/// Settings of a hierarchy.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct HierarchySpec {
    /// Branches at each level of the tree, from the root: `[2, 2]` has 4 items and 1 + 2 + 4
    /// properties. Not used with `singular_values`.
    pub branching: Vec<usize>,
    /// Singular values of the table of properties, instead of a tree: as many items and properties
    /// as there are values, with modes along the axes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub singular_values: Vec<f64>,
    /// Variance of the noise of a property, in whose terms the squared error is minus a
    /// log-likelihood.
    pub variance: f64,
}

impl Default for HierarchySpec {
    fn default() -> Self {
        Self {
            branching: vec![2, 2],
            singular_values: Vec::new(),
            variance: 0.5,
        }
    }
}

/// Most items.
const MOST: usize = 4096;

impl HierarchySpec {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        positive("variance", self.variance)?;
        if !self.singular_values.is_empty() {
            let all = self.singular_values.iter();
            return match all.clone().find(|s| !(s.is_finite() && **s > 0.0)) {
                Some(wrong) => Err(DataError::setting(
                    "singular_values",
                    format!("holds {wrong}; they are positive numbers"),
                )),
                None if all.len() > MOST => Err(DataError::setting(
                    "singular_values",
                    format!("holds {} values; {MOST} are possible", all.len()),
                )),
                None => Ok(()),
            };
        }
        let items = self
            .branching
            .iter()
            .try_fold(1_usize, |items, &branches| items.checked_mul(branches));
        match items {
            Some(items) if (1..=MOST).contains(&items) && !self.branching.is_empty() => Ok(()),
            _ => Err(DataError::setting(
                "branching",
                format!(
                    "is {:?}; it names the branches at each level, as in [2, 2], with {MOST} items \
                     at most",
                    self.branching
                ),
            )),
        }
    }

    /// The properties of each item.
    fn table(&self) -> Vec<Vec<f64>> {
        let truth = |is: bool| f64::from(u8::from(is));
        if !self.singular_values.is_empty() {
            let values = self.singular_values.iter().enumerate();
            let row = |(item, value): (usize, &f64)| {
                let all = 0..self.singular_values.len();
                all.map(|property| value * truth(property == item))
                    .collect()
            };
            return values.map(row).collect();
        }
        let items: usize = self.branching.iter().product();
        let row = |item: usize| {
            let (mut row, mut nodes) = (vec![1.0], 1);
            for &branches in &self.branching {
                nodes *= branches;
                row.extend((0..nodes).map(|node| truth(item / (items / nodes) == node)));
            }
            row
        };
        (0..items).map(row).collect()
    }
}

/// A singular mode of the table of properties.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// Its name: `all` for what all items share, then the levels of the tree, `mode1`, `mode2`, …
    /// where there is no tree.
    pub name: String,
    /// Its singular value in the table.
    pub strength: f64,
    /// Over the items, of length 1.
    pub items: Vec<f64>,
    /// Over the properties, of length 1.
    pub properties: Vec<f64>,
}

/// A hierarchy, ready to be drawn from.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    spec: HierarchySpec,
    /// The properties of each item.
    table: Vec<Vec<f64>>,
    modes: Vec<Mode>,
}

impl Hierarchy {
    pub(crate) fn new(spec: HierarchySpec) -> Self {
        let table = spec.table();
        let modes = modes(&spec, &table);
        Self { spec, table, modes }
    }

    pub(crate) fn key(&self) -> Key {
        let spec = &self.spec;
        let mut key = KeyBuilder::new("hierarchy/1");
        for &branches in &spec.branching {
            key = key.number("branches", branches as u64);
        }
        for value in &spec.singular_values {
            key = key.number("singular value", value.to_bits());
        }
        key.number("variance", spec.variance.to_bits()).finish()
    }

    /// Number of items: components of an input.
    pub fn items(&self) -> usize {
        self.table.len()
    }

    /// Number of properties: components of an output.
    pub fn properties(&self) -> usize {
        self.table.first().map_or(0, Vec::len)
    }

    pub(crate) fn variance(&self) -> f64 {
        self.spec.variance
    }

    /// The modes, the strongest first.
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// The items one after the other, again from the first where more are asked for: a batch of all
    /// items is the whole data set.
    pub(crate) fn values(&self, rows: usize) -> Values {
        let (items, properties) = (self.items(), self.properties());
        let mut inputs = vec![0.0; rows * items];
        let mut targets = Vec::with_capacity(rows * properties);
        for row in 0..rows {
            let item = row % items;
            inputs[row * items + item] = 1.0;
            targets.extend(self.table[item].iter().map(|&value| value as f32));
        }
        Values {
            inputs,
            targets,
            rows,
            positions: 1,
            weights: None,
        }
    }

    /// Mean over the items of the squared distance to their properties, of the linear map
    /// `[items, properties]`, row major: the loss over the whole data set.
    pub fn loss(&self, map: &[f64]) -> f64 {
        let away = |(i, found): (usize, &f64)| {
            let (item, property) = (i / self.properties(), i % self.properties());
            (found - self.table[item][property]).powi(2)
        };
        map.iter().enumerate().map(away).sum::<f64>() / self.items() as f64
    }

    /// How much of each mode a linear map `[items, properties]` has, row major: uᵀMv, which grows
    /// from 0 to the mode's strength.
    pub fn amplitudes(&self, map: &[f64]) -> Vec<f64> {
        let of = |mode: &Mode| {
            let rows = map.chunks_exact(self.properties()).zip(&mode.items);
            let along = |row: &[f64]| {
                row.iter()
                    .zip(&mode.properties)
                    .map(|(m, v)| m * v)
                    .sum::<f64>()
            };
            rows.map(|(row, u)| u * along(row)).sum()
        };
        self.modes.iter().map(of).collect()
    }

    /// The best linear map of rank `rank`, `[items, properties]` row major: the strongest modes.
    pub fn map_of_rank(&self, rank: usize) -> Vec<f64> {
        let mut map = vec![0.0; self.items() * self.properties()];
        for mode in self.modes.iter().take(rank) {
            for (row, u) in map.chunks_exact_mut(self.properties()).zip(&mode.items) {
                for (entry, v) in row.iter_mut().zip(&mode.properties) {
                    *entry += mode.strength * u * v;
                }
            }
        }
        map
    }

    /// Loss of the best linear map of rank `rank`: the modes left out, squared, over the items.
    pub fn loss_of_rank(&self, rank: usize) -> f64 {
        let left_out = self.modes.iter().skip(rank);
        let squares = left_out.map(|mode| mode.strength.powi(2));
        squares.fold(0.0, |sum, square| sum + square) / self.items() as f64
    }
}

/// The modes of a table. Singular vectors of equal strength are chosen by the tree: within a level
/// they tell one branch from the others.
fn modes(spec: &HierarchySpec, table: &[Vec<f64>]) -> Vec<Mode> {
    let items = table.len();
    let named = |name: String, u: Vec<f64>| {
        let mut image = vec![0.0; table.first().map_or(0, Vec::len)];
        for (row, u) in table.iter().zip(&u) {
            for (sum, value) in image.iter_mut().zip(row) {
                *sum += u * value;
            }
        }
        let strength = image.iter().map(|x| x * x).sum::<f64>().sqrt();
        Mode {
            name,
            strength,
            properties: image.into_iter().map(|x| x / strength).collect(),
            items: u,
        }
    };
    if !spec.singular_values.is_empty() {
        let mut all: Vec<Mode> = (0..items)
            .map(|i| {
                let mut u = vec![0.0; items];
                u[i] = 1.0;
                named(String::new(), u)
            })
            .collect();
        all.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        for (mode, number) in all.iter_mut().zip(1..) {
            mode.name = format!("mode{number}");
        }
        return all;
    }
    let even = 1.0 / (items as f64).sqrt();
    let mut all = vec![named("all".to_owned(), vec![even; items])];
    let mut nodes = 1;
    let levels = spec.branching.len();
    for (level, &branches) in spec.branching.iter().enumerate() {
        // Below each node, contrasts of its branches: one less than there are.
        let (width, below) = (items / nodes, items / (nodes * branches));
        let name = match (levels - level, levels) {
            (1, _) => "item".to_owned(),
            (2, 2) => "pair".to_owned(),
            _ => format!("level{}", level + 1),
        };
        for node in 0..nodes {
            for contrast in 1..branches {
                // Helmert's: the branches before against this one.
                let scale = ((contrast * (contrast + 1) * below) as f64).sqrt();
                let value = |item: usize| match (item / width == node, (item % width) / below) {
                    (true, branch) if branch < contrast => 1.0 / scale,
                    (true, branch) if branch == contrast => -(contrast as f64) / scale,
                    _ => 0.0,
                };
                all.push(named(name.clone(), (0..items).map(value).collect()));
            }
        }
        nodes *= branches;
    }
    // Levels of several modes are numbered.
    for name in all.iter().map(|mode| mode.name.clone()).collect::<Vec<_>>() {
        let alike: Vec<usize> = (0..all.len()).filter(|&i| all[i].name == name).collect();
        if alike.len() > 1 {
            for (i, number) in alike.into_iter().zip(1..) {
                all[i].name = format!("{name}{number}");
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_four_items_has_the_published_modes() {
        let tree = Hierarchy::new(HierarchySpec::default());
        assert_eq!((tree.items(), tree.properties()), (4, 7));
        let names: Vec<&str> = tree.modes().iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["all", "pair", "item1", "item2"]);
        let strengths: Vec<f64> = tree.modes().iter().map(|m| m.strength).collect();
        for (found, squared) in strengths.iter().zip([7.0, 3.0, 1.0, 1.0_f64]) {
            assert!((found - squared.sqrt()).abs() < 1e-12, "{strengths:?}");
        }
    }

    #[test]
    fn modes_add_up_to_the_table_and_are_orthonormal() {
        for branching in [vec![2, 2], vec![3], vec![2, 3, 2], vec![4, 2]] {
            let spec = HierarchySpec {
                branching: branching.clone(),
                ..HierarchySpec::default()
            };
            let tree = Hierarchy::new(spec);
            assert_eq!(tree.modes().len(), tree.items(), "{branching:?}");
            let mut left = tree.table.clone();
            for (i, mode) in tree.modes().iter().enumerate() {
                for (row, u) in left.iter_mut().zip(&mode.items) {
                    for (value, v) in row.iter_mut().zip(&mode.properties) {
                        *value -= mode.strength * u * v;
                    }
                }
                for (j, other) in tree.modes().iter().enumerate() {
                    let dot =
                        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
                    let same = f64::from(u8::from(i == j));
                    assert!((dot(&mode.items, &other.items) - same).abs() < 1e-12);
                    assert!((dot(&mode.properties, &other.properties) - same).abs() < 1e-12);
                }
            }
            let most = left
                .concat()
                .into_iter()
                .fold(0.0, |most: f64, x| most.max(x.abs()));
            assert!(most < 1e-12, "{branching:?}: {most}");
        }
    }

    #[test]
    fn losses_of_ranks_are_those_of_their_maps() {
        let tree = Hierarchy::new(HierarchySpec::default());
        for rank in 0..=4 {
            let map = tree.map_of_rank(rank);
            let expected = tree.loss_of_rank(rank);
            assert!((tree.loss(&map) - expected).abs() < 1e-12, "{rank}");
            let amplitudes = tree.amplitudes(&map);
            for (i, (found, mode)) in amplitudes.iter().zip(tree.modes()).enumerate() {
                let expected = if i < rank { mode.strength } else { 0.0 };
                assert!((found - expected).abs() < 1e-12, "{rank}: {amplitudes:?}");
            }
        }
        assert!((tree.loss_of_rank(0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_batch_of_all_items_is_the_data_set() {
        let tree = Hierarchy::new(HierarchySpec::default());
        let batch = tree.values(5);
        assert_eq!(batch.inputs[..4], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(batch.targets[..7], [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(batch.inputs[16..], batch.inputs[..4]);
    }
}
