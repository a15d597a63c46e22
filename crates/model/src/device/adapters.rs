//! GPU adapters as wgpu reports them; a build without GPU support sees none.

#[cfg(not(feature = "gpu"))]
pub(super) use absent::{entries, open};
#[cfg(feature = "gpu")]
pub(super) use present::{entries, open};

#[cfg(feature = "gpu")]
mod present {
    use std::pin::pin;
    use std::sync::OnceLock;
    use std::task::{Context, Poll, Waker};

    use burn::tensor::{Device, DeviceKind};
    use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
    use burn_wgpu::wgpu;

    use crate::device::DeviceEntry;
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

    pub(in crate::device) fn entries() -> Vec<DeviceEntry> {
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
    pub(in crate::device) fn open(entry: &DeviceEntry) -> Result<Device, ModelError> {
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
mod absent {
    use burn::tensor::Device;

    use crate::device::DeviceEntry;
    use crate::error::ModelError;

    pub(in crate::device) fn entries() -> Vec<DeviceEntry> {
        Vec::new()
    }

    pub(in crate::device) fn open(entry: &DeviceEntry) -> Result<Device, ModelError> {
        Err(ModelError::Device(format!(
            "device `{}`: this build has no GPU support",
            entry.name
        )))
    }
}
