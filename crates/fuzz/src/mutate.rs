//! How a valid input is damaged.

use serde_json::Value;

use crate::dice::Dice;

/// Inputs are not made longer than this, in bytes.
const LONGEST: usize = 1 << 18;

/// Whole numbers that are written over lengths and counts.
const LENGTHS: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

/// Bytes that belong to no text in UTF-8, and marks of other encodings.
const NO_TEXT: [&[u8]; 6] = [
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf5\x80\x80\x80",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
];

/// Damages `input` in one to eight places. `other` is a valid input to splice with, `words` are
/// what the parser knows.
pub fn mutate(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    for _ in 0..=dice.below(8).min(dice.below(8)) {
        one(dice, input, other, words);
        input.truncate(LONGEST);
    }
}

fn one(dice: &mut Dice, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = dice.below(input.len() + 1);
    let (from, to) = range(dice, input.len());
    match dice.below(18) {
        0 | 1 if !input.is_empty() => {
            let at = dice.below(input.len());
            input[at] ^= 1 << dice.below(8);
        }
        2 if !input.is_empty() => {
            let at = dice.below(input.len());
            input[at] = dice.bits() as u8;
        }
        3 => input.truncate(at),
        4 => drop(input.drain(from..to)),
        5 => {
            let piece = input[from..to].to_vec();
            insert(input, at, &piece);
        }
        6 => {
            let (from, to) = range(dice, other.len());
            insert(input, at, &other[from..to]);
        }
        7 => {
            input.truncate(at);
            input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        8 | 9 if !words.is_empty() => {
            let word = dice.pick(words);
            insert(input, at, word.as_bytes());
        }
        10 | 11 => edit_number(dice, input, at),
        12 => {
            let piece = dice.pick(&NO_TEXT);
            insert(input, at, piece);
        }
        13 => {
            let n = LENGTHS[dice.below(LENGTHS.len())];
            let width = [1, 2, 4, 8][dice.below(4)];
            overwrite(input, at, &n.to_le_bytes()[..width]);
        }
        14 => {
            let depth = 1 << dice.below(14);
            let (open, close) =
                [("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("\"", "\"")][dice.below(4)];
            insert(input, to, close.repeat(depth).as_bytes());
            insert(input, from, open.repeat(depth).as_bytes());
        }
        15 => {
            let n = dice.length();
            let byte = input.get(at).copied().unwrap_or(b'a');
            insert(input, at, &vec![byte; n]);
        }
        16 => edit_line(dice, input),
        _ => {
            let n = dice.below(16);
            let bytes = dice.bytes(n);
            insert(input, at, &bytes);
        }
    }
}

fn range(dice: &mut Dice, length: usize) -> (usize, usize) {
    let from = dice.below(length + 1);
    let most = dice.length().min(length - from);
    (from, from + most)
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

fn overwrite(input: &mut [u8], at: usize, piece: &[u8]) {
    for (there, byte) in input[at..].iter_mut().zip(piece) {
        *there = *byte;
    }
}

/// Writes another number in the place of the next one at or after `at`.
fn edit_number(dice: &mut Dice, input: &mut Vec<u8>, at: usize) {
    let Some(from) = input[at..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let from = at + from;
    let end = |byte: &u8| !byte.is_ascii_digit();
    let to = input[from..]
        .iter()
        .position(end)
        .map_or(input.len(), |n| from + n);
    let number = dice.number();
    input.splice(from..to, number.bytes());
}

/// Removes, doubles or moves a line, or changes how lines end.
fn edit_line(dice: &mut Dice, input: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = input
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let (a, b) = (dice.below(lines.len()), dice.below(lines.len()));
    let mut end: &[u8] = b"\n";
    match dice.below(5) {
        0 => drop(lines.remove(a)),
        1 => lines.insert(b, lines[a].clone()),
        2 => lines.swap(a, b),
        3 => end = b"\r\n",
        _ => end = b"\r",
    }
    *input = lines.join(end);
}

/// Puts something else in one place of a JSON value.
pub fn mutate_json(dice: &mut Dice, value: &mut Value) {
    let nested = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    };
    if nested && !dice.once_in(5) {
        match value {
            Value::Array(items) => {
                let at = dice.below(items.len());
                match dice.below(12) {
                    0 => drop(items.remove(at)),
                    1 => items.push(items[at].clone()),
                    _ => mutate_json(dice, &mut items[at]),
                }
            }
            Value::Object(members) => {
                let names: Vec<String> = members.keys().cloned().collect();
                let name = &names[dice.below(names.len())];
                match dice.below(12) {
                    0 => drop(members.remove(name)),
                    1 => {
                        if let Some(member) = members.remove(name) {
                            members.insert(dice.word().to_owned(), member);
                        }
                    }
                    _ => {
                        if let Some(member) = members.get_mut(name) {
                            mutate_json(dice, member);
                        }
                    }
                }
            }
            _ => {}
        }
        return;
    }
    *value = match dice.below(9) {
        0 => Value::Null,
        1 => Value::from(dice.once_in(2)),
        2 => Value::from(dice.bits() >> dice.below(64)),
        3 => Value::from(-(dice.below(1000) as i64)),
        4 => Value::from(f64::from_bits(dice.bits())),
        5 => Value::from(dice.words(3)),
        6 => Value::Array(vec![std::mem::take(value)]),
        7 => Value::Object(
            [(dice.word().to_owned(), std::mem::take(value))]
                .into_iter()
                .collect(),
        ),
        _ => serde_json::from_str(&dice.number()).unwrap_or_else(|_| Value::from(dice.word())),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_an_index_decide_the_damage() {
        let damaged = |index| {
            let mut dice = Dice::new(7, "test", index);
            let mut input = b"{\"a\": [1, 2, 3], \"b\": \"text\"}\n".to_vec();
            mutate(
                &mut dice,
                &mut input,
                b"step,loss\n1,2\n",
                &["null", "true"],
            );
            input
        };
        let all: std::collections::HashSet<Vec<u8>> = (0..500).map(damaged).collect();
        assert!(all.len() > 400, "{}", all.len());
        assert!((0..500).all(|index| damaged(index) == damaged(index)));
    }

    #[test]
    fn nothing_is_damaged_without_end() {
        let mut dice = Dice::new(1, "test", 0);
        let (mut bytes, mut value) = (Vec::new(), Value::Null);
        for _ in 0..20_000 {
            mutate(&mut dice, &mut bytes, b"", &[]);
            mutate_json(&mut dice, &mut value);
        }
        assert!(bytes.len() <= LONGEST);
    }
}
