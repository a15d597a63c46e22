//! An allocator that counts, so that the memory which one input needs is known.
//!
//! Only what Rust allocates is counted. A compressor written in C has memory of its own, which its
//! window bounds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator with a count of the bytes in use.
pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Beyond this many bytes in use an allocation fails, so that a length that was made up ends the
/// process and not the machine.
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);

/// What one input may need before its process is ended, in bytes.
const MOST: usize = 3 << 30;

impl Counting {
    fn fits(more: usize) -> bool {
        LIVE.load(Relaxed).saturating_add(more) <= CEILING.load(Relaxed)
    }

    fn grew(by: usize) {
        let live = LIVE.fetch_add(by, Relaxed) + by;
        if live > PEAK.load(Relaxed) {
            PEAK.fetch_max(live, Relaxed);
        }
    }
}

// SAFETY: every call is passed on to the system's allocator, which keeps the contract; counting
// allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !Self::fits(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            Self::grew(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let more = size.saturating_sub(layout.size());
        if !Self::fits(more) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract.
        let moved = unsafe { System.realloc(memory, layout, size) };
        if !moved.is_null() {
            Self::grew(more);
            LIVE.fetch_sub(layout.size().saturating_sub(size), Relaxed);
        }
        moved
    }
}

/// What `work` returns, and the most bytes that were in use at once while it ran, beyond those
/// before.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    CEILING.store(before.saturating_add(MOST), Relaxed);
    let result = work();
    CEILING.store(usize::MAX, Relaxed);
    (result, PEAK.load(Relaxed).saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, since the counts are the process's.
    #[test]
    fn the_peak_is_counted_and_what_cannot_be_is_refused() {
        let (_, peak) = peak_of(|| {
            drop(std::hint::black_box(vec![1_u8; 96 << 20]));
            std::hint::black_box(vec![1_u8; 1 << 20])
        });
        // Other tests allocate a little meanwhile.
        assert!((90 << 20..110 << 20).contains(&peak), "{peak}");
        let (reserved, _) = peak_of(|| Vec::<u8>::new().try_reserve_exact(MOST + (64 << 20)));
        assert!(reserved.is_err());
    }
}
