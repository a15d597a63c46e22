//! Places in a run's history, as they are typed.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use ontogeny_store::Step;

/// A stretch of a run: `400..800`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// First step.
    pub lo: Step,
    /// Last step, later than the first.
    pub hi: Step,
}

impl FromStr for Stretch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let steps = text
            .split_once("..")
            .map(|(lo, hi)| (lo.trim().parse(), hi.trim().parse()));
        match steps {
            Some((Ok(lo), Ok(hi))) if lo < hi => Ok(Self { lo, hi }),
            Some((Ok(lo), Ok(hi))) => Err(format!("step {hi} is not after step {lo}")),
            _ => Err("a stretch is written LO..HI, as in 400..800".to_owned()),
        }
    }
}

impl Stretch {
    /// An interval widened by half its width on the axis ln(step + 1) on each side, in whole steps
    /// of a run from `first` to `last`.
    pub fn about(lo: f64, hi: f64, first: Step, last: Step) -> Self {
        let (from, to) = (lo.ln_1p(), hi.ln_1p());
        let half = (to - from) / 2.0;
        let whole = |step: f64| Step(step.max(0.0) as u64).clamp(first, last);
        Self {
            lo: whole((from - half).exp_m1().floor()),
            hi: whole((to + half).exp_m1().ceil()),
        }
    }
}

/// Where runs are to be forked: `RUN@400,800`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkPoint {
    /// The run's folder.
    pub run: PathBuf,
    /// The steps, ascending and without repetition; at least one.
    pub steps: Vec<Step>,
}

/// Splits `RUN@STEP` at its last @: a folder's name may hold one itself. The name is bytes, the
/// rest has to be text.
pub fn at_step(text: &OsStr) -> Option<(PathBuf, &str)> {
    let bytes = text.as_encoded_bytes();
    let at = bytes.iter().rposition(|&byte| byte == b'@')?;
    let steps = std::str::from_utf8(&bytes[at + 1..]).ok()?;
    Some((beginning(text, at)?, steps))
}

/// The first `length` bytes of a path.
#[cfg(unix)]
fn beginning(text: &OsStr, length: usize) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(OsStr::from_bytes(&text.as_bytes()[..length]).into())
}

#[cfg(not(unix))]
fn beginning(text: &OsStr, length: usize) -> Option<PathBuf> {
    Some(text.to_str()?.get(..length)?.into())
}

impl ForkPoint {
    /// Reads `RUN@STEP,STEP`.
    ///
    /// # Errors
    /// How it is written, if it is written otherwise.
    pub fn parse(text: OsString) -> Result<Self, String> {
        let wrong = || {
            "a run's folder and a step are written RUN@STEP, as in runs/induction-1a2b3c4d@400"
                .to_owned()
        };
        let (run, steps) = at_step(&text).ok_or_else(wrong)?;
        let steps = steps.split(',').map(|step| step.trim().parse());
        let mut steps: Vec<Step> = steps.collect::<Result<_, _>>().map_err(|_| wrong())?;
        if run.as_os_str().is_empty() {
            return Err(wrong());
        }
        steps.sort_unstable();
        steps.dedup();
        Ok(Self { run, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(lo: u64, hi: u64) -> Stretch {
        Stretch {
            lo: Step(lo),
            hi: Step(hi),
        }
    }

    #[test]
    fn stretches_are_read() {
        assert_eq!("400..800".parse(), Ok(stretch(400, 800)));
        assert_eq!(" 0 .. 1 ".parse(), Ok(stretch(0, 1)));
        for bad in ["400", "400-800", "800..400", "4..4", "..4", "4..", "-1..4"] {
            assert!(bad.parse::<Stretch>().is_err(), "{bad}");
        }
    }

    #[test]
    fn intervals_are_widened_on_a_log_axis() {
        // From ln 100 to ln 400 is ln 4; half of it is ln 2.
        let about = |first, last| Stretch::about(99.0, 399.0, Step(first), Step(last));
        let wide = about(0, 10_000);
        // Rounding outwards may take one more step where the exponential falls just beside.
        assert!((48..=49).contains(&wide.lo.0) && (799..=800).contains(&wide.hi.0));
        assert_eq!(about(60, 500), stretch(60, 500));
    }

    #[test]
    fn fork_points_are_read() {
        let point = |run: &str, steps: &[u64]| ForkPoint {
            run: run.into(),
            steps: steps.iter().copied().map(Step).collect(),
        };
        let read = |text: &str| ForkPoint::parse(text.into());
        assert_eq!(read("runs/a-1@400"), Ok(point("runs/a-1", &[400])));
        assert_eq!(read("a@b@8,4,4"), Ok(point("a@b", &[4, 8])));
        for bad in ["runs/a-1", "@4", "a@", "a@x", "a@4,", "a@-4"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_name_of_a_run_is_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let read = |text: &[u8]| ForkPoint::parse(OsStr::from_bytes(text).to_owned());
        let point = read(b"a\xff@4").map(|point| point.run.into_os_string());
        assert_eq!(point, Ok(OsStr::from_bytes(b"a\xff").to_owned()));
        assert!(read(b"a@\xff").is_err());
    }
}
