//! Transposition of a small matrix.

/// `to[j, i] = from[i, j]` for `rows × columns` elements, where rows of `from` lie `row` apart and
/// rows of `to` lie `to_row` apart.
///
/// # Safety
/// All elements must be readable in `from` and writable in `to`, which must not overlap.
#[inline(always)]
pub(super) unsafe fn transpose(
    from: *const f32,
    row: usize,
    [rows, columns]: [usize; 2],
    to: *mut f32,
    to_row: usize,
) {
    let (square_rows, square_columns) = if cfg!(target_arch = "x86_64") {
        (rows / 4 * 4, columns / 4 * 4)
    } else {
        (0, 0)
    };
    // SAFETY: all offsets are those of elements i < rows, j < columns, or of whole squares of them.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        for i in (0..square_rows).step_by(4) {
            for j in (0..square_columns).step_by(4) {
                square(from.add(i * row + j), row, to.add(j * to_row + i), to_row);
            }
        }
        for i in 0..rows {
            let done = if i < square_rows { square_columns } else { 0 };
            for j in done..columns {
                *to.add(j * to_row + i) = *from.add(i * row + j);
            }
        }
    }
}

/// Transposes four rows of four.
///
/// # Safety
/// Four rows of four floats must be readable at `from` and writable at `to`, with these distances.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn square(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    use std::arch::x86_64::*;
    // SAFETY: every x86-64 CPU has SSE; the caller vouches for the elements.
    unsafe {
        let mut a = _mm_loadu_ps(from);
        let mut b = _mm_loadu_ps(from.add(from_row));
        let mut c = _mm_loadu_ps(from.add(2 * from_row));
        let mut d = _mm_loadu_ps(from.add(3 * from_row));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        _mm_storeu_ps(to, a);
        _mm_storeu_ps(to.add(to_row), b);
        _mm_storeu_ps(to.add(2 * to_row), c);
        _mm_storeu_ps(to.add(3 * to_row), d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_lands_in_its_place() {
        for rows in 1..=9 {
            for columns in 1..=9 {
                let row = columns + 3;
                let from: Vec<f32> = (0..rows * row).map(|i| i as f32).collect();
                let to_row = rows + 1;
                let mut to = vec![-1.0; to_row * columns];
                // SAFETY: `from` holds `rows` rows `row` apart, `to` `columns` rows `to_row` apart.
                unsafe {
                    transpose(from.as_ptr(), row, [rows, columns], to.as_mut_ptr(), to_row);
                }
                for j in 0..columns {
                    for i in 0..rows {
                        assert_eq!(to[j * to_row + i], from[i * row + j]);
                    }
                    assert_eq!(to[j * to_row + rows], -1.0, "padding is kept");
                }
            }
        }
    }
}
