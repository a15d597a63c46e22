//! How the generator's kernel is called through Burn, fusion included.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::CubeDim;

use super::Distribution;
use super::kernel::threefry_noise;

/// The generator as Burn routes it.
#[backend_extension(Cube, Fusion)]
pub(crate) trait NoiseOps: Backend {
    /// `[replica, rows, columns]` from keys `[replica, 4]`; standard normals, or uniforms.
    #[fusion(dtype = DType::F32, shape = shape_of(keys, rows, columns))]
    fn noise(
        keys: IntTensor<Self>,
        index: u64,
        rows: usize,
        columns: usize,
        normal: bool,
    ) -> FloatTensor<Self>;
}

fn shape_of(keys: &Shape, rows: &usize, columns: &usize) -> Shape {
    Shape::new([keys[0], *rows, *columns])
}

/// Launches the kernel; nothing is waited for.
pub(super) fn draw(
    keys: Tensor<2, Int>,
    distribution: Distribution,
    index: u64,
    [rows, columns]: [usize; 2],
) -> Tensor<3> {
    let normal = distribution == Distribution::Normal;
    let keys = keys.into_dispatch();
    Tensor::from_dispatch(Dispatch::noise(keys, index, rows, columns, normal))
}

impl NoiseOps for CubeBackend {
    fn noise(
        keys: IntTensor<Self>,
        index: u64,
        rows: usize,
        columns: usize,
        normal: bool,
    ) -> FloatTensor<Self> {
        let keys = into_contiguous(keys);
        let client = keys.client.clone();
        let replicas = keys.meta.shape()[0];
        let each = rows * columns;
        let out = empty_device_contiguous_dtype(
            client.clone(),
            keys.device.clone(),
            Shape::new([replicas, rows, columns]),
            DType::F32,
        );
        let units = replicas * each.div_ceil(4);
        if units == 0 {
            return out;
        }
        let cube = CubeDim::new(&client, units);
        let count = calculate_cube_count_elemwise(&client, units, cube);
        threefry_noise::launch(
            &client,
            count,
            cube,
            keys.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            index as u32,
            (index >> 32) as u32,
            each as u32,
            normal,
        );
        out
    }
}
