//! Where a computation runs.
//!
//! The CPU is Burn's Flex backend; a GPU is reached through wgpu (Vulkan, Metal, DirectX 12), or
//! through CUDA in a build that has it.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::ModelError;

mod adapters;
mod watching;

pub use watching::{Launches, finish, was_read_from};

/// What a user asked for with `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A real GPU if there is one, the CPU otherwise; never a software adapter.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU adapter by its number in [`list`], or the first (a real one if there is any).
    Gpu(Option<usize>),
    /// An NVIDIA GPU through CUDA.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (
                kind,
                Some(number.parse::<usize>().map_err(|_| {
                    ModelError::Device(format!(
                        "device `{text}`: `{number}` is not a number; expected {kind}:0"
                    ))
                })?),
            ),
            None => (text, None),
        };
        match (kind, number) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("gpu", number) => Ok(Self::Gpu(number)),
            ("cuda", number) => Ok(Self::Cuda(number.unwrap_or(0))),
            _ => Err(ModelError::Device(format!(
                "unknown device `{text}`; expected auto, cpu, gpu, gpu:N or cuda:N"
            ))),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("gpu"),
            Self::Gpu(Some(n)) => write!(f, "gpu:{n}"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

/// A device that this build can use on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// How to ask for it: `cpu`, `gpu:0`.
    pub name: String,
    /// `cpu`, `gpu` or `cuda`: what results are keyed by.
    pub kind: String,
    /// The adapter's own description.
    pub description: String,
    /// Graphics interface, where there is one.
    pub backend: Option<String>,
    /// Whether it only imitates a GPU on the processor.
    pub software: bool,
}

/// The device that was chosen, ready for tensors.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// What it is.
    pub entry: DeviceEntry,
    /// Why this one, in a sentence.
    pub reason: String,
}

impl Chosen {
    /// Whether replicas should be split over threads instead of moved by one pass.
    pub fn is_cpu(&self) -> bool {
        self.entry.kind == "cpu"
    }
}

/// Every device that this build can use here, the processor first.
pub fn list() -> Vec<DeviceEntry> {
    let mut all = vec![cpu_entry()];
    all.extend(adapters::entries());
    all
}

/// Which device a choice comes to, without opening it, and why.
///
/// # Errors
/// [`ModelError::Device`] if what was asked for is not there.
pub fn resolve(choice: DeviceChoice) -> Result<(DeviceEntry, String), ModelError> {
    let gpus = || -> Vec<DeviceEntry> { list().into_iter().filter(|d| d.kind == "gpu").collect() };
    match choice {
        DeviceChoice::Cpu => Ok((cpu_entry(), "asked for".into())),
        DeviceChoice::Auto => Ok(match gpus().into_iter().find(|d| !d.software) {
            Some(gpu) => (gpu, "a GPU adapter was found".into()),
            None if !gpus().is_empty() => (
                cpu_entry(),
                "the only GPU adapter is a software one, slower than the CPU; --device gpu takes it"
                    .into(),
            ),
            None if cfg!(feature = "gpu") => (cpu_entry(), "no GPU adapter was found".into()),
            None => (cpu_entry(), "this build has no GPU support".into()),
        }),
        DeviceChoice::Gpu(number) => {
            if !cfg!(feature = "gpu") {
                return Err(ModelError::Device(
                    "this build has no GPU support; build with the default features".into(),
                ));
            }
            let mut gpus = gpus();
            let count = gpus.len();
            let found = match number {
                Some(n) => (n < count).then(|| gpus.swap_remove(n)),
                None => match gpus.iter().position(|d| !d.software) {
                    Some(real) => Some(gpus.swap_remove(real)),
                    None => gpus.into_iter().next(),
                },
            };
            let entry = found.ok_or_else(|| {
                ModelError::Device(format!(
                    "device `{choice}` is not there: {count} GPU adapter{} found (`ontogeny devices` lists them)",
                    if count == 1 { "" } else { "s" }
                ))
            })?;
            let reason = if entry.software {
                "asked for; it is a software adapter: right, but slower than the CPU"
            } else {
                "asked for"
            };
            Ok((entry, reason.into()))
        }
        DeviceChoice::Cuda(number) => {
            if !cfg!(feature = "cuda") {
                return Err(ModelError::Device(
                    "this build has no CUDA support; build with --features cuda".into(),
                ));
            }
            let entry = DeviceEntry {
                name: format!("cuda:{number}"),
                kind: "cuda".into(),
                description: "NVIDIA GPU".into(),
                backend: Some("CUDA".into()),
                software: false,
            };
            Ok((entry, "asked for".into()))
        }
    }
}

/// Opens the device that a choice comes to.
///
/// # Errors
/// [`ModelError::Device`] if it is not there or cannot be opened.
pub fn open(choice: DeviceChoice) -> Result<Chosen, ModelError> {
    let (entry, reason) = resolve(choice)?;
    let device = match entry.kind.as_str() {
        "cpu" => Device::flex(),
        #[cfg(feature = "cuda")]
        "cuda" => match choice {
            DeviceChoice::Cuda(n) => Device::cuda(n),
            _ => Device::cuda(0),
        },
        _ => adapters::open(&entry)?,
    };
    Ok(Chosen {
        device,
        entry,
        reason,
    })
}

fn cpu_entry() -> DeviceEntry {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    DeviceEntry {
        name: "cpu".into(),
        kind: "cpu".into(),
        description: format!("Burn Flex, {cores} cores"),
        backend: None,
        software: false,
    }
}
