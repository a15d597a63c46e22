//! Where a computation runs.
//!
//! The CPU is Burn's Flex backend; a GPU is reached through wgpu (Vulkan, Metal, DirectX 12), or
//! through CUDA in a build that has it.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::ModelError;

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

#[cfg(feature = "gpu")]
mod adapters {
    //! GPU adapters as wgpu reports them.

    use std::pin::pin;
    use std::sync::OnceLock;
    use std::task::{Context, Poll, Waker};

    use burn::tensor::{Device, DeviceKind};
    use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
    use burn_wgpu::wgpu;

    use super::DeviceEntry;
    use crate::error::ModelError;

    /// Waits for a future that needs no reactor: native adapter look-ups are ready at once.
    fn wait<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => return value,
                Poll::Pending => std::thread::yield_now(),
            }
        }
    }

    /// Adapters do not come and go while the program runs, and drivers are slow to ask.
    fn infos() -> &'static [wgpu::AdapterInfo] {
        static INFOS: OnceLock<Vec<wgpu::AdapterInfo>> = OnceLock::new();
        INFOS.get_or_init(look)
    }

    fn look() -> Vec<wgpu::AdapterInfo> {
        let backends = wgpu::Backends::from(AutoGraphicsApi::backend());
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        wait(instance.enumerate_adapters(backends))
            .iter()
            .map(wgpu::Adapter::get_info)
            // Compute shaders on OpenGL are too slow to be of use: a step takes half a minute.
            .filter(|info| info.backend != wgpu::Backend::Gl)
            .collect()
    }

    pub(super) fn entries() -> Vec<DeviceEntry> {
        infos()
            .iter()
            .enumerate()
            .map(|(n, info)| DeviceEntry {
                name: format!("gpu:{n}"),
                kind: "gpu".into(),
                description: info.name.clone(),
                backend: Some(format!("{:?}", info.backend)),
                software: info.device_type == wgpu::DeviceType::Cpu,
            })
            .collect()
    }

    /// Burn numbers adapters within their kind, in the order in which wgpu lists them.
    pub(super) fn open(entry: &DeviceEntry) -> Result<Device, ModelError> {
        let infos = infos();
        let gone = || ModelError::Device(format!("device `{}` is no longer there", entry.name));
        let number: usize = entry
            .name
            .strip_prefix("gpu:")
            .and_then(|n| n.parse().ok())
            .ok_or_else(gone)?;
        let kind = infos.get(number).ok_or_else(gone)?.device_type;
        let within = infos[..number]
            .iter()
            .filter(|i| i.device_type == kind)
            .count();
        let kind = match kind {
            wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(within),
            wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(within),
            wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu(within),
            wgpu::DeviceType::Cpu => DeviceKind::Cpu,
            wgpu::DeviceType::Other => DeviceKind::DefaultDevice,
        };
        Device::wgpu_options()
            .device_kind(kind)
            .init()
            .map_err(|e| ModelError::Device(format!("device `{}`: {e}", entry.name)))
    }
}

#[cfg(not(feature = "gpu"))]
mod adapters {
    //! A build without GPU support sees no adapter.

    use burn::tensor::Device;

    use super::DeviceEntry;
    use crate::error::ModelError;

    pub(super) fn entries() -> Vec<DeviceEntry> {
        Vec::new()
    }

    pub(super) fn open(entry: &DeviceEntry) -> Result<Device, ModelError> {
        Err(ModelError::Device(format!(
            "device `{}`: this build has no GPU support",
            entry.name
        )))
    }
}
