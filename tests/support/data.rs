//! Bytes without a pattern that a bug could reproduce, the same in every run.

/// Knuth's linear congruential generator (MMIX): the same in every run that begins with the same number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns a number from 0 to `end`, exclusive.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

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
