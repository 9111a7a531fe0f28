//! What polite clients say.
//!
//! Invariant: a line follows from its speaker and its number, so each hearer can make it anew and compare. All
//! of it is text that no server may change (except to capitals): no control characters, and nothing that is a command.

/// How many digits the number of a line has.
const DIGITS: usize = 6;

/// No letter that has a capital of another length.
const LETTERS: [char; 32] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w',
    'x', 'y', 'z', ':', '*', '[', '→', '.', ' ',
];

/// How every polite nickname begins, and no other.
pub(crate) const POLITE: &str = "polite";

/// The nickname of a polite client.
pub(crate) fn name(speaker: usize) -> String {
    format!("{POLITE}{speaker:02}")
}

/// The line with this number, without its end.
pub(crate) fn line(speaker: usize, number: u64) -> String {
    let mut state = (speaker as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number + 1);
    let length = next(&mut state) % 96;
    let filler = (0..length).map(|_| LETTERS[(next(&mut state) % 32) as usize]);
    let mut line = format!("{number:0DIGITS$}.");
    line.extend(filler);
    line.push('.');
    line
}

/// The number that a line begins with.
pub(crate) fn number(line: &str) -> Option<u64> {
    line.get(..DIGITS)?.parse().ok()
}

/// Bytes that look random and are the same in every run. `seed` is not 0.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    (0..length).map(|_| next(&mut state) as u8).collect()
}

/// The next number of a xorshift sequence; its upper half, which is the better one.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_its_number_and_no_two_are_the_same() {
        let mut lines: Vec<_> = (0..20).flat_map(|speaker| (0..50).map(move |number| line(speaker, number))).collect();
        assert!(lines.iter().enumerate().all(|(nth, line)| number(line) == Some(nth as u64 % 50)));
        assert!(lines.iter().all(|line| !line.contains(char::is_control) && !line.starts_with('/')));
        lines.sort_unstable();
        lines.dedup();
        assert!(lines.len() > 950, "only {} of 1000 differ", lines.len());
    }

    #[test]
    fn what_has_no_number_has_none() {
        assert!(["", "abc", "12345", "→→→→→→"].iter().all(|text| number(text).is_none()));
    }
}
