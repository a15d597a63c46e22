//! The valley of speed between two episodes, and its middle.
//!
//! A boundary could be the place of least speed. That place is not unique on a plateau, where all
//! of it is equally slow, and where it is unique it is hardly to be found: near a minimum speed
//! changes little, so that noise, and every smoother, moves it by a good part of the valley. So a
//! boundary is the middle of the stretch in which a curve all but stands: from where the speed has
//! fallen nine tenths of the way from that of the slower episode to the least, to where it has
//! risen by a tenth of it again ([`DEPTH`]). At both edges speed changes, so they can be found. On
//! a plateau this is the middle of the plateau, and where the valley is symmetric it is the place
//! of least speed.
//!
//! A greater share would be found still better: with a half, intervals are half as wide, and also
//! those hold the truth whose episodes end like relaxations. But real valleys are lopsided. A
//! network that slows down early and stands late has its middle, at half the depth, long before
//! anything stands: at step 636 where λ̂ of the published language model is slowest at 823 and its
//! authors read 900, and so early before induction that the end of the bigram stage falls together
//! with its onset.

/// The share of the way from the least speed to that of the slower episode up to which a place
/// belongs to the valley.
const DEPTH: f64 = 0.1;

/// Where it is slow between two episodes, on the axis of the speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Valley {
    /// Where the speed first is as low.
    pub from: f64,
    /// Where it last is.
    pub to: f64,
}

impl Valley {
    /// The place of the boundary.
    pub fn middle(self) -> f64 {
        0.5 * (self.from + self.to)
    }

    /// The valley of `speed`, at the places `x`, which reach from one episode to the next; `pace`
    /// is the speed of the slower of the two. `None` if nothing is slower than that.
    pub fn of(x: &[f64], speed: &[f64], pace: f64) -> Option<Valley> {
        let least = speed.iter().copied().fold(f64::INFINITY, f64::min);
        if least.is_nan() || least >= pace {
            return None;
        }
        let level = least + DEPTH * (pace - least);
        let slow = |s: &f64| *s <= level;
        let (first, last) = (speed.iter().position(slow)?, speed.iter().rposition(slow)?);
        // Between a slow place and its fast neighbour, in a straight line; beside a jump there is
        // none, and the edge is the slow place.
        let edge = |slow: usize, fast: Option<usize>| match fast {
            Some(fast) => {
                let share = (level - speed[slow]) / (speed[fast] - speed[slow]);
                x[slow] + share * (x[fast] - x[slow])
            }
            None => x[slow],
        };
        Some(Valley {
            from: edge(first, first.checked_sub(1)),
            to: edge(last, Some(last + 1).filter(|&i| i < x.len())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_a_tenth_of_the_way_from_the_least_to_the_slower_episode() {
        let x: Vec<f64> = (0..=8).map(f64::from).collect();
        // Down from 10 to 2 and up to 12: the slower has 10, and the level is 2.8.
        let speed = [10.0, 7.0, 3.6, 2.0, 2.0, 2.0, 2.4, 4.4, 12.0];
        let valley = Valley::of(&x, &speed, 10.0).unwrap();
        assert!((valley.from - 2.5).abs() < 1e-12 && (valley.to - 6.2).abs() < 1e-12);
        assert!((valley.middle() - 4.35).abs() < 1e-12);
        assert_eq!(Valley::of(&x, &speed, 2.0), None);
        assert_eq!(Valley::of(&x, &[f64::NAN; 9], 2.0), None);
    }

    #[test]
    fn a_plateau_between_jumps_reaches_from_one_to_the_other() {
        // Nothing is as fast as a jump, whose own speed is not among them.
        let valley = Valley::of(&[1.0, 2.0, 3.0], &[0.0; 3], f64::MAX);
        assert_eq!(valley, Some(Valley { from: 1.0, to: 3.0 }));
    }
}
