//! What a step costs beside time: memory, and kernels on a device.

use anyhow::Result;
use burn::tensor::Device;
use ontogeny_model::device::Launches;

/// Largest resident set so far, in MB; `None` where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

/// Memory in use on a device, in MB; `None` where it does not tell.
pub fn device_mb(device: &Device) -> Option<f64> {
    let usage = device.memory_pool_usage()?;
    Some(usage.bytes_in_use as f64 / 1e6)
}

/// Kernels that are started on a device while `work` runs.
pub fn launches(device: &Device, work: impl FnOnce() -> Result<()>) -> Result<Option<usize>> {
    let launches = Launches::watch(device)?;
    work()?;
    Ok(launches.count(device)?)
}
