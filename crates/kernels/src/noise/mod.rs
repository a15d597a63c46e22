//! Random numbers made where they are used.
//!
//! The generator is Threefry-4x32-20 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2,
//! 3): a function of a key of four words, an index, and a position. A device that has kernels
//! computes it there, from the very integers that the host would; elsewhere the host fills the
//! memory. Nothing but the keys ever travels to the device.

#[cfg(any(feature = "gpu", feature = "cuda"))]
mod device;
#[cfg(any(feature = "gpu", feature = "cuda"))]
mod kernel;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::on_flex;

/// Keys of the replicas of a stack, where their noise is wanted.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `[replica, 4]`, the words of a key as they are.
    words: Tensor<2, Int>,
}

/// What becomes of random words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Uniform in [0, 1), multiples of 2⁻²⁴.
    Uniform,
    /// Standard normal, by the transform of Box and Muller.
    Normal,
}

impl Keys {
    /// The keys of the replicas, on a device.
    pub fn new(keys: &[[u32; 4]], device: &Device) -> Self {
        let words: Vec<i32> = keys
            .as_flattened()
            .iter()
            .map(|&word| word as i32)
            .collect();
        Self {
            words: Tensor::from_data(TensorData::new(words, [keys.len(), 4]), device),
        }
    }

    /// Numbers `[replica, rows, columns]`, element i of a replica from word i of its sequence
    /// `index`.
    ///
    /// Where there is no kernel for the device, `host` fills each replica's memory.
    pub fn draw(
        &self,
        distribution: Distribution,
        index: u64,
        [rows, columns]: [usize; 2],
        host: impl Fn(usize, &mut [f32]),
    ) -> Tensor<3> {
        let [replicas, _] = self.words.dims();
        let device = self.words.device();
        #[cfg(any(feature = "gpu", feature = "cuda"))]
        if !on_flex(&device) {
            return device::draw(self.words.clone(), distribution, index, [rows, columns]);
        }
        debug_assert!(
            on_flex(&device),
            "a build without kernels has no other device"
        );
        let _ = (distribution, index);
        let mut values = vec![0.0; replicas * rows * columns];
        if rows * columns > 0 {
            for (replica, own) in values.chunks_exact_mut(rows * columns).enumerate() {
                host(replica, own);
            }
        }
        Tensor::from_data(TensorData::new(values, [replicas, rows, columns]), &device)
    }
}
