//! Bytes without a pattern that a bug could reproduce, the same in every run.

/// `length` bytes of a xorshift sequence that starts at `seed` (not 0).
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `count` numbered lines, none blank, of lengths up to about `longest`.
pub(crate) fn lines(count: usize, longest: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        text += &number.to_string();
        text += &"x".repeat(number % longest);
        text.push('\n');
    }
    text
}

/// Fails with the first position that differs, instead of printing megabytes.
#[track_caller]
pub(crate) fn assert_same(got: &[u8], wanted: &[u8]) {
    if got == wanted {
        return;
    }
    let place = got.iter().zip(wanted).position(|(a, b)| a != b);
    let place = place.unwrap_or_else(|| got.len().min(wanted.len()));
    panic!("{} bytes instead of {}, different from byte {place} on", got.len(), wanted.len());
}
