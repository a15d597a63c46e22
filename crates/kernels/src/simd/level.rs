//! Which instructions to use, asked of the CPU once.

use super::Simd;
use super::portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};
use std::sync::OnceLock;

/// A loop over memory that can be compiled for any set of instructions.
pub(crate) trait Kernel {
    /// What the loop returns beside what it writes.
    type Output;

    /// Runs the loop. Must be `#[inline(always)]`, with everything it calls.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// A set of instructions by name, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What the compilation target has.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// Environment variable that bounds [`Level::current`] from above; for tests and for comparing
/// machines.
const VARIABLE: &str = "ONTOGENY_SIMD";

impl Level {
    /// The name used in `ONTOGENY_SIMD`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    fn from_name(name: &str) -> Option<Level> {
        [Level::Portable, Level::Avx2, Level::Avx512]
            .into_iter()
            .find(|level| level.name() == name)
    }

    /// The best set of the running CPU.
    fn detected() -> Level {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Level::Avx512;
            }
            if avx2 {
                return Level::Avx2;
            }
        }
        Level::Portable
    }

    /// The set in use: the CPU's best, or less where `ONTOGENY_SIMD` asks for less.
    pub(crate) fn current() -> Level {
        #[cfg(test)]
        if let Some(level) = FORCED.get() {
            return level;
        }
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let Ok(name) = std::env::var(VARIABLE) else {
                return Level::detected();
            };
            let asked = Level::from_name(&name);
            assert!(
                asked.is_some(),
                "{VARIABLE} is {name:?}; it may be portable, avx2 or avx512"
            );
            asked.map_or(Level::detected(), |level| level.min(Level::detected()))
        })
    }

    /// Runs `kernel` with the instructions of this level, or of the CPU's best if that is lower.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.min(Level::detected()) {
            Level::Portable => kernel.run(Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detected` found AVX2 and FMA on this CPU.
            Level::Avx2 => unsafe { run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detected` found the AVX-512 subsets (and AVX2 and FMA) on this CPU.
            Level::Avx512 => unsafe { run_avx512(kernel) },
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 => kernel.run(Portable),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2::new())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::new())
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// Runs `body` once for each level of this CPU, with [`Level::current`] on this thread set to it.
#[cfg(test)]
pub(crate) fn with_level(body: impl Fn(Level)) {
    for level in [Level::Portable, Level::Avx2, Level::Avx512] {
        if level <= Level::detected() {
            FORCED.set(Some(level));
            body(level);
        }
    }
    FORCED.set(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
        assert_eq!(Level::from_name("AVX2"), None);
        assert_eq!(Level::from_name(""), None);
    }

    #[test]
    fn forced_levels_end_with_the_body() {
        let before = Level::current();
        with_level(|level| assert_eq!(Level::current(), level));
        assert_eq!(Level::current(), before);
    }
}
