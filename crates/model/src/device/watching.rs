//! What a device is made to do: kernels started, and numbers read back.

use burn::tensor::Device;

use crate::error::ModelError;

/// Counts the kernels that this process starts on devices, from its making on. Only one count can
/// be under way at a time.
pub struct Launches {
    #[cfg(any(feature = "gpu", feature = "cuda"))]
    counter: std::sync::Arc<counting::Counter>,
    #[cfg(any(feature = "gpu", feature = "cuda"))]
    _observation: cubecl::logging::LaunchObservation,
}

impl Launches {
    /// Begins to count, once all that was asked of `device` before is done.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    pub fn watch(device: &Device) -> Result<Self, ModelError> {
        finish(device)?;
        #[cfg(any(feature = "gpu", feature = "cuda"))]
        {
            let counter = std::sync::Arc::new(counting::Counter::default());
            Ok(Self {
                _observation: cubecl::logging::LaunchObservation::new(counter.clone()),
                counter,
            })
        }
        #[cfg(not(any(feature = "gpu", feature = "cuda")))]
        Ok(Self {})
    }

    /// Kernels started so far, once all that was asked of `device` is done; `None` in a build
    /// without devices that have kernels.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the device fails.
    pub fn count(&self, device: &Device) -> Result<Option<usize>, ModelError> {
        finish(device)?;
        #[cfg(any(feature = "gpu", feature = "cuda"))]
        return Ok(Some(self.counter.get()));
        #[cfg(not(any(feature = "gpu", feature = "cuda")))]
        Ok(None)
    }
}

/// Waits until a device has done all that was asked of it.
///
/// # Errors
/// [`ModelError::Device`] if the device fails.
pub fn finish(device: &Device) -> Result<(), ModelError> {
    device.sync().map_err(|e| ModelError::Device(e.to_string()))
}

#[cfg(any(feature = "gpu", feature = "cuda"))]
mod counting {
    //! An observer of launches.

    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    pub(super) struct Counter(AtomicUsize);

    impl Counter {
        pub(super) fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl cubecl::logging::LaunchObserver for Counter {
        fn launched(&self, _kernel: &'static str) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether anything was ever read back from a device in this process; `None` for one without memory
/// of its own. Memory through which a device hands over numbers is set aside when it is first
/// needed.
pub fn was_read_from(device: &Device) -> Option<bool> {
    #[cfg(any(feature = "gpu", feature = "cuda"))]
    {
        use burn::backend::DispatchDevice;
        let mut device = device.as_dispatch();
        if let DispatchDevice::Autodiff(inner) = device {
            device = inner;
        }
        let DispatchDevice::Cube(device) = device else {
            return None;
        };
        let report = device.client().memory_report(cubecl::MemoryScope::Device);
        let through_host = report
            .streams
            .iter()
            .flat_map(|stream| &stream.auxiliary)
            .filter(|memory| memory.name == "Staging CPU Memory");
        let mut pools = through_host.flat_map(|memory| &memory.pools.dynamic);
        Some(pools.any(|pool| pool.pages_peak > 0))
    }
    #[cfg(not(any(feature = "gpu", feature = "cuda")))]
    {
        let _ = device;
        None
    }
}
