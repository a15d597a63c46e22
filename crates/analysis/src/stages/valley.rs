//! The valley of speed between two episodes, and its middle.
//!
//! A boundary could be the place of least speed. That place is not unique on a plateau, where all of it is equally slow, and where it is
//! unique it is hardly to be found: near a minimum speed changes little, so that noise, and every smoother, moves it by a good part of the
//! valley. An episode that ends abruptly and is followed by one that begins slowly has it in its very corner, which no smooth
//! curve can follow. So a boundary is the middle of the valley at half its depth: where the speed has fallen half-way from that of
//! the slower episode to the least, and where it has risen half-way again. Both edges lie where speed changes most. On a plateau
//! this is the middle of the plateau, and where the valley is symmetric it is the place of least speed.

/// Where it is slow between two episodes, on the axis of the speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Valley {
    /// Where the speed first is half-way down.
    pub from: f64,
    /// Where it last is.
    pub to: f64,
}

impl Valley {
    /// The place of the boundary.
    pub fn middle(self) -> f64 {
        0.5 * (self.from + self.to)
    }

    /// Whether the two have at least half of the shorter in common.
    pub fn shares(self, other: Valley) -> bool {
        let common = self.to.min(other.to) - self.from.max(other.from);
        let shorter = (self.to - self.from).min(other.to - other.from);
        common >= 0.5 * shorter
    }

    /// The valley of `speed`, at the places `x`, which reach from one episode to the next; `pace` is the speed of the slower of the two. `None` if
    /// nothing is slower than that.
    pub fn of(x: &[f64], speed: &[f64], pace: f64) -> Option<Valley> {
        let least = speed.iter().copied().fold(f64::INFINITY, f64::min);
        if least.is_nan() || least >= pace {
            return None;
        }
        let level = 0.5 * (least + pace);
        let slow = |s: &f64| *s <= level;
        let (first, last) = (speed.iter().position(slow)?, speed.iter().rposition(slow)?);
        // Between a slow place and its fast neighbour, in a straight line; a jump has no speed, and its edge is the slow place.
        let edge = |slow: usize, fast: Option<usize>| match fast.filter(|&f| speed[f].is_finite()) {
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
    fn edges_are_half_way_between_the_slower_episode_and_the_least() {
        let x: Vec<f64> = (0..=8).map(f64::from).collect();
        // Down from 10 to 2 and up to 4: half-way is at 3.
        let speed = [10.0, 7.0, 4.0, 2.0, 2.0, 2.0, 2.5, 3.5, 4.0];
        let valley = Valley::of(&x, &speed, 4.0).unwrap();
        assert!((valley.from - 2.5).abs() < 1e-12 && (valley.to - 6.5).abs() < 1e-12);
        assert!((valley.middle() - 4.5).abs() < 1e-12);
        assert_eq!(Valley::of(&x, &speed, 2.0), None);
        assert_eq!(Valley::of(&x, &[f64::NAN; 9], 2.0), None);
    }

    #[test]
    fn valleys_are_shared_that_have_half_of_the_shorter_in_common() {
        let valley = |from: f64, to: f64| Valley { from, to };
        assert!(valley(1.0, 5.0).shares(valley(4.0, 6.0)));
        assert!(valley(4.0, 6.0).shares(valley(1.0, 5.0)));
        assert!(!valley(1.0, 5.0).shares(valley(4.1, 6.0)));
        assert!(!valley(1.0, 2.0).shares(valley(3.0, 3.0)));
    }

    #[test]
    fn a_plateau_between_jumps_reaches_from_one_to_the_other() {
        let jump = f64::INFINITY;
        let valley = Valley::of(
            &[1.0, 1.0, 2.0, 3.0, 3.0],
            &[jump, 0.0, 0.0, 0.0, jump],
            5.0,
        );
        assert_eq!(valley, Some(Valley { from: 1.0, to: 3.0 }));
    }
}
