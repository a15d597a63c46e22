//! Replicas in training: parameters, moments, and one update.

use burn::tensor::{Device, Tensor, TensorData};
use ontogeny_data::Examples;
use ontogeny_model::{Batch, ModelError, Network, Parameters, weights};
use ontogeny_store::{NamedTensor, Stream};
use rayon::prelude::*;

use crate::optimizer::{Moments, Optimizer, Rates, clip_factor, gradient_norm};

/// `frozen_at` of a replica that goes on.
const ALIVE: f32 = -1.0;

/// Several replicas that one pass moves.
///
/// On a GPU that is every replica of a shape; on a CPU each replica is a stack of its own and
/// stacks are spread over threads. The numbers are the same.
#[derive(Debug, Clone)]
pub struct Stack {
    network: Network,
    moments: Vec<Moments>,
    /// Step at which each replica was frozen, `[R, 1, 1]`; [`ALIVE`] for one that goes on.
    frozen_at: Tensor<3>,
    hyper: Hyper,
    dropout: Option<Dropout>,
}

/// Chance p that a number of the residual stream is left out of an update, and where each replica's
/// choices come from. What stays is multiplied by 1/(1 − p).
#[derive(Debug, Clone)]
pub struct Dropout {
    /// p.
    pub chance: f64,
    /// The stream of each replica.
    pub streams: Vec<Stream>,
}

impl Dropout {
    /// The factors of the update after `step` updates, `[R, rows, d_model]` for each site: a
    /// function of stream and step.
    fn masks(&self, step: u64, sites: usize, shape: [usize; 2], device: &Device) -> Vec<Tensor<3>> {
        let [rows, d_model] = shape;
        let kept = (1.0 / (1.0 - self.chance)) as f32;
        let of_update: Vec<Stream> = self
            .streams
            .iter()
            .map(|stream| stream.child("step", &[step]))
            .collect();
        (0..sites as u64)
            .map(|site| {
                let mut all = vec![0.0_f32; of_update.len() * rows * d_model];
                for (own, stream) in all.chunks_exact_mut(rows * d_model).zip(&of_update) {
                    stream.fill_uniform(site, own);
                    for x in own {
                        *x = if f64::from(*x) < self.chance {
                            0.0
                        } else {
                            kept
                        };
                    }
                }
                let shape = [of_update.len(), rows, d_model];
                Tensor::from_data(TensorData::new(all, shape), device)
            })
            .collect()
    }
}

/// Hyper-parameters that may differ between replicas, `[R, 1, 1]` each, and the rule they share.
#[derive(Debug, Clone)]
pub struct Hyper {
    /// The update rule.
    pub optimizer: Optimizer,
    /// Peak learning rate.
    pub learning_rate: Tensor<3>,
    /// Weight decay.
    pub weight_decay: Tensor<3>,
    /// Greatest gradient norm; 0 for none.
    pub clip: Tensor<3>,
}

/// What one update reported, on the device until it is read.
#[derive(Debug, Clone)]
pub struct Outcome {
    loss: Tensor<1>,
    gradient_norm: Tensor<3>,
    frozen_at: Tensor<3>,
}

/// What one update reported for one replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicaOutcome {
    /// Mean cross-entropy of the batch before the update, in nats.
    pub loss: f32,
    /// Euclidean norm of the whole gradient before clipping.
    pub gradient_norm: f32,
    /// Updates done when the loss or the gradient stopped being finite.
    pub frozen_at: Option<u64>,
}

/// A column of one number for each replica, `[R, 1, 1]`.
pub fn column(values: &[f64], device: &Device) -> Tensor<3> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    let shape = [values.len(), 1, 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The batches of all replicas as one. In sequences each token is to be predicted from those
/// before.
///
/// # Panics
/// If there is none, or they differ in kind or shape: they come from sources of one kind.
pub fn batch_of(batches: &[Examples], device: &Device) -> Batch {
    let shape = |batch: &Examples| (batch.rows(), batch.positions());
    let (mut sequences, mut inputs, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    let mut weights = None;
    for batch in batches {
        assert_eq!(shape(batch), shape(&batches[0]), "batches of one shape");
        match batch {
            Examples::Sequences(batch) => sequences.extend(batch.iter()),
            Examples::Values(batch) => {
                inputs.extend_from_slice(&batch.inputs);
                targets.extend_from_slice(&batch.targets);
                weights = batch.weights.as_deref();
            }
        }
    }
    let replicas = batches.len();
    match inputs.is_empty() {
        true => Batch::of_sequences(&sequences, replicas, device),
        false => {
            let (rows, positions) = shape(&batches[0]);
            let shape = [replicas, rows, positions];
            Batch::of_vectors(inputs, targets, shape, weights, device)
        }
    }
}

impl Stack {
    /// Replicas before their first update.
    pub fn new(network: Network, hyper: Hyper) -> Self {
        let parameters = network.parameters().tensors().iter();
        let moments = parameters.map(|p| hyper.optimizer.start(p)).collect();
        let frozen_at = hyper.learning_rate.zeros_like() + f64::from(ALIVE);
        Self {
            network,
            moments,
            frozen_at,
            hyper,
            dropout: None,
        }
    }

    /// The same, whose updates leave numbers out.
    #[must_use]
    pub fn with_dropout(mut self, dropout: Option<Dropout>) -> Self {
        self.dropout = dropout;
        self
    }

    /// The networks as they are now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// One update of every replica that is not frozen, from one batch for each.
    ///
    /// `step` is the number of updates done before it; `schedule` the factor of the learning rate.
    pub fn update(&mut self, step: u64, schedule: f64, batches: &[Examples]) -> Outcome {
        let mut batch = batch_of(batches, &self.network.device());
        if let (Some(dropout), Some(c)) = (&self.dropout, self.network.config().transformer()) {
            let sites = self.network.config().dropout_sites();
            let [_, rows] = batch.dims();
            let shape = [rows, c.d_model];
            batch.dropout = dropout.masks(step, sites, shape, &self.network.device());
        }
        let (loss, gradients) = self.network.loss_and_gradients(&batch);

        let norm = gradient_norm(&gradients);
        let replicas = loss.dims()[0];
        let sound = (loss.clone().reshape([replicas, 1, 1]) + norm.clone()).is_finite();
        let goes_on = self.frozen_at.clone().equal_elem(ALIVE);
        self.frozen_at = self
            .frozen_at
            .clone()
            .mask_fill(goes_on.bool_and(sound.bool_not()), step as f64);

        let rates = Rates::new(
            self.hyper.learning_rate.clone() * schedule,
            self.hyper.weight_decay.clone(),
            clip_factor(&norm, &self.hyper.clip),
            self.frozen_at.clone().equal_elem(ALIVE).float(),
        );
        let moments = std::mem::take(&mut self.moments);
        let mut next = Vec::with_capacity(moments.len());
        for ((parameter, gradient), old) in self
            .network
            .clone()
            .into_parameters()
            .into_iter()
            .zip(gradients)
            .zip(moments)
        {
            let (parameter, moments) =
                self.hyper
                    .optimizer
                    .update(step + 1, parameter, gradient, old, &rates);
            next.push(parameter);
            self.moments.push(moments);
        }
        self.network = self.network.with(Parameters::new(next));
        Outcome {
            loss,
            gradient_norm: norm,
            frozen_at: self.frozen_at.clone(),
        }
    }
}

/// One update of several stacks, spread over threads; each stack asks for its own batches by its
/// number.
///
/// `step` and `schedule` are those of [`Stack::update`].
pub fn update_all(
    stacks: &mut [Stack],
    step: u64,
    schedule: f64,
    batches: impl Fn(usize) -> Vec<Examples> + Sync,
) -> Vec<Outcome> {
    stacks
        .par_iter_mut()
        .enumerate()
        .map(|(number, stack)| stack.update(step, schedule, &batches(number)))
        .collect()
}

impl Outcome {
    /// Reads what happened to each replica; on a GPU this waits for the step to finish.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the device fails.
    pub fn read(&self) -> Result<Vec<ReplicaOutcome>, ModelError> {
        let replicas = self.loss.dims()[0];
        let column = self.loss.clone().reshape([replicas, 1, 1]);
        let all = Tensor::cat(
            vec![column, self.gradient_norm.clone(), self.frozen_at.clone()],
            2,
        );
        let [values] = weights::read(&[all])?.try_into().unwrap_or_default();
        Ok(values
            .chunks_exact(3)
            .map(|v| ReplicaOutcome {
                loss: v[0],
                gradient_norm: v[1],
                frozen_at: (v[2] != ALIVE).then_some(v[2] as u64),
            })
            .collect())
    }
}

/// Name of [`Stack`]'s own column in a resume state.
const FROZEN_AT: &str = "frozen_at";

impl Stack {
    /// The step at which each replica was frozen; `None` for one that goes on.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the device fails.
    pub fn frozen_at(&self) -> Result<Vec<Option<u64>>, ModelError> {
        let values = weights::read(std::slice::from_ref(&self.frozen_at))?.concat();
        Ok(values
            .into_iter()
            .map(|v| (v != ALIVE).then_some(v as u64))
            .collect())
    }

    /// Everything that the next update depends on, as named tensors `[R, ..]`.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the device fails.
    pub fn state(&self) -> Result<Vec<NamedTensor>, ModelError> {
        let specs = self.network.config().parameters();
        let mut named: Vec<(String, Tensor<3>)> = Vec::new();
        let parameters = self.network.parameters().tensors();
        for ((spec, parameter), moments) in specs.iter().zip(parameters).zip(&self.moments) {
            named.push((format!("weights/{}", spec.name), parameter.clone()));
            named.push((format!("first/{}", spec.name), moments.first.clone()));
            if let Some(second) = &moments.second {
                named.push((format!("second/{}", spec.name), second.clone()));
            }
        }
        named.push((FROZEN_AT.to_owned(), self.frozen_at.clone()));
        let (names, tensors): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let shapes: Vec<_> = tensors.iter().map(|t| t.dims().to_vec()).collect();
        let values = weights::read(&tensors)?;
        Ok(names
            .into_iter()
            .zip(shapes)
            .zip(values)
            .map(|((name, shape), data)| NamedTensor { name, shape, data })
            .collect())
    }

    /// Puts the stack where a state was taken, bit for bit. `first` is the stack's first replica
    /// in the state, which may hold more.
    ///
    /// # Errors
    /// A sentence naming the tensor that is missing or of another shape.
    pub fn restore(&mut self, state: &[NamedTensor], first: usize) -> Result<(), String> {
        let device = self.network.device();
        let count = self.network.replicas();
        let get = |name: &str, rows: usize, cols: usize| -> Result<Tensor<3>, String> {
            let found = state
                .iter()
                .find(|t| t.name == name)
                .ok_or_else(|| format!("tensor `{name}` is missing"))?;
            match found.shape.as_slice() {
                [all, r, c] if (*r, *c) == (rows, cols) && first + count <= *all => {
                    let size = rows * cols;
                    let values = found.data[first * size..(first + count) * size].to_vec();
                    Ok(Tensor::from_data(
                        TensorData::new(values, [count, rows, cols]),
                        &device,
                    ))
                }
                shape => Err(format!(
                    "tensor `{name}` has shape {shape:?}, expected [at least {}, {rows}, {cols}]",
                    first + count
                )),
            }
        };
        let specs = self.network.config().parameters();
        let mut parameters = Vec::with_capacity(specs.len());
        let mut moments = Vec::with_capacity(specs.len());
        for (spec, old) in specs.iter().zip(&self.moments) {
            let part = |part: &str| get(&format!("{part}/{}", spec.name), spec.rows, spec.cols);
            parameters.push(part("weights")?);
            moments.push(Moments {
                first: part("first")?,
                second: match old.second {
                    Some(_) => Some(part("second")?),
                    None => None,
                },
            });
        }
        self.frozen_at = get(FROZEN_AT, 1, 1)?;
        self.moments = moments;
        self.network = self.network.with(Parameters::new(parameters));
        Ok(())
    }
}

/// Stacks of the same shape as one, along the replica axis.
///
/// # Panics
/// If the stacks do not hold the same tensors.
pub fn join(stacks: Vec<Vec<NamedTensor>>) -> Vec<NamedTensor> {
    stacks
        .into_iter()
        .reduce(|mut all, more| {
            for (whole, part) in all.iter_mut().zip(more) {
                assert_eq!(whole.name, part.name, "stacks hold the same tensors");
                whole.shape[0] += part.shape[0];
                whole.data.extend(part.data);
            }
            all
        })
        .unwrap_or_default()
}
