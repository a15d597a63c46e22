//! Everything that can happen in a short sequence of a small program, for tests: 4 tokens, length
//! 5.

use super::NgramInductionSpec;
use super::program::Program;

pub(super) const LEN: usize = 5;
pub(super) const D: usize = 4;

/// The program written down a second time, as the probability of a sequence given the latents.
pub(super) struct Enumeration {
    /// Probability of each sequence, by its number in base `D`, first token most significant.
    pub(super) joint: Vec<f64>,
}

pub(super) fn spec(change: impl FnOnce(&mut NgramInductionSpec)) -> NgramInductionSpec {
    let mut spec = NgramInductionSpec {
        seed: 3,
        d_vocab: D,
        bigram_concentration: 0.6,
        trigram_concentration: 0.5,
        n_triggers: 2,
        recurrence: 0.2,
        ..NgramInductionSpec::default()
    };
    change(&mut spec);
    spec
}

/// A few programs that differ in what is hidden.
pub(super) fn specs() -> Vec<NgramInductionSpec> {
    vec![
        spec(|_| ()),
        spec(|s| s.reliability = 0.7),
        spec(|s| s.active = Some(1)),
        spec(|s| {
            s.active = Some(1);
            s.reliability = 0.6;
            s.zipf = 0.8;
        }),
        spec(|s| {
            s.n_triggers = 3;
            s.active = Some(2);
            s.recurrence = 0.4;
        }),
        spec(|s| {
            s.n_triggers = 1;
            s.trigger_tokens = vec![2];
            s.recurrence = 0.0;
        }),
        spec(|s| s.active = Some(0)),
        spec(|s| s.n_triggers = 0),
        spec(|s| (s.burstiness, s.recurrence) = (0.8, 0.5)),
        spec(|s| {
            s.n_triggers = 3;
            s.burstiness = 1.0;
            s.reliability = 0.7;
            s.recurrence = 0.6;
        }),
    ]
}

pub(super) fn digits(number: usize, len: usize) -> Vec<u32> {
    let mut rest = number;
    let mut tokens = vec![0; len];
    for token in tokens.iter_mut().rev() {
        *token = (rest % D) as u32;
        rest /= D;
    }
    tokens
}

impl Enumeration {
    pub(super) fn new(spec: &NgramInductionSpec) -> Self {
        let program = Program::build(spec).unwrap();
        let k = program.triggers.len();
        let mut joint = vec![0.0; D.pow(LEN as u32)];
        let sets: Vec<u32> = (0..1 << k)
            .filter(|set: &u32| set.count_ones() as usize == spec.n_active())
            .collect();
        let n_successors = program.successors.len();
        let assignments = n_successors.pow(k as u32);
        for &set in &sets {
            for assignment in 0..assignments {
                let successor = |place: usize| {
                    program.successors[assignment / n_successors.pow(place as u32) % n_successors]
                };
                let prior = 1.0 / (sets.len() * assignments) as f64;
                for (number, p) in joint.iter_mut().enumerate() {
                    let tokens = digits(number, LEN);
                    *p += prior * likelihood(&program, spec, set, &successor, &tokens);
                }
            }
        }
        Self { joint }
    }

    /// The same where sequences repeat their beginning.
    pub(super) fn repeating(spec: &NgramInductionSpec, segment: usize) -> Self {
        let mut once = Self::new(spec);
        let repeated: Vec<f64> = (0..once.joint.len())
            .map(|number| {
                let tokens = digits(number, LEN);
                let periodic = (segment..LEN).all(|t| tokens[t] == tokens[t - segment]);
                let of_segment = once.of_prefix(&tokens[..segment]);
                if periodic { of_segment } else { 0.0 }
            })
            .collect();
        for (p, repeated) in once.joint.iter_mut().zip(repeated) {
            *p = spec.repeat * repeated + (1.0 - spec.repeat) * *p;
        }
        once
    }

    /// Probability that a sequence begins like this.
    pub(super) fn of_prefix(&self, prefix: &[u32]) -> f64 {
        let number = prefix.iter().fold(0, |n, &t| n * D + t as usize);
        let rest = D.pow((LEN - prefix.len()) as u32);
        self.joint[number * rest..(number + 1) * rest].iter().sum()
    }
}

fn likelihood(
    program: &Program,
    spec: &NgramInductionSpec,
    set: u32,
    successor: &dyn Fn(usize) -> u32,
    tokens: &[u32],
) -> f64 {
    let mut p = program.start[tokens[0] as usize];
    for t in 1..tokens.len() {
        let (last, next) = (tokens[t - 1], tokens[t]);
        let before = (t > 1).then(|| tokens[t - 2]);
        let mut tables = [0.0; D];
        program.tables.next_into(before, last, &mut tables);
        let tables = tables[next as usize];
        let place = |token| {
            program
                .triggers
                .iter()
                .position(|&trigger| trigger == token)
        };
        let is_active = |place: usize| set >> place & 1 == 1;
        let shown = |k: usize| tokens[..t].contains(&program.triggers[k]);
        let n_shown = (0..program.triggers.len()).filter(|&k| shown(k)).count();
        p *= match place(last) {
            Some(k) if is_active(k) => {
                let hit = if successor(k) == next { 1.0 } else { 0.0 };
                spec.reliability * hit + (1.0 - spec.reliability) * tables
            }
            Some(_) => tables,
            None if spec.n_active() == 0 => tables,
            None => {
                let hit = match place(next) {
                    Some(k) if is_active(k) => {
                        let any = 1.0 / spec.n_active() as f64;
                        let bursty = match n_shown {
                            0 => any,
                            n => f64::from(u8::from(shown(k))) / n as f64,
                        };
                        spec.burstiness * bursty + (1.0 - spec.burstiness) * any
                    }
                    _ => 0.0,
                };
                spec.recurrence * hit + (1.0 - spec.recurrence) * tables
            }
        };
    }
    p
}
