//! An integer as a client writes it: an optional sign and decimal digits.
//!
//! Invariant: the number of digits is limited, so parsing takes bounded time for any line. Only ASCII digits count: no
//! `_`, no `1e9`, no `0x10`, no digits of other scripts.

use num_bigint::{BigInt, BigUint, Sign};

/// The longest integer, in digits, without leading zeros. 16384 digits take less than a millisecond to parse and to
/// print; twice the digits take four times as long.
pub(super) const MOST_DIGITS: usize = 16_384;

/// The reason why a line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not an integer in decimal digits.
    NotAnInteger,
    /// More than [`MOST_DIGITS`].
    TooManyDigits,
}

/// Parses a line. Blanks around the integer are ignored.
pub(super) fn parse(line: &[u8]) -> Result<BigInt, Refusal> {
    let (sign, digits) = match line.trim_ascii() {
        [b'-', digits @ ..] => (Sign::Minus, digits),
        [b'+', digits @ ..] | digits => (Sign::Plus, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::NotAnInteger);
    }
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = &digits[zeros..];
    if digits.len() > MOST_DIGITS {
        return Err(Refusal::TooManyDigits);
    }
    // An empty slice means that all digits were zeros.
    let magnitude = BigUint::parse_bytes(digits, 10).unwrap_or_default();
    Ok(BigInt::from_biguint(sign, magnitude))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_read_with_a_sign_and_with_blanks_around_them() {
        for (line, number) in [
            ("0", 0),
            ("42", 42),
            ("+42", 42),
            ("-7", -7),
            ("-0", 0),
            ("+0", 0),
            ("007", 7),
            ("-00012", -12),
            (" \t 5 \t", 5),
            ("5\r", 5),
            ("000", 0),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(BigInt::from(number)), "{line:?}");
        }
    }

    #[test]
    fn nothing_else_is_an_integer() {
        for line in [
            "", " ", "+", "-", "--1", "+-1", "- 1", "1 2", "1,000", "1_000", "_1", "0x10", "ff", "1e3", "1.0", "1.",
            ".5", "１２", "٣", "²", "−5", "5\0", "\u{a0}5", "NaN", "five",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Refusal::NotAnInteger), "{line:?}");
        }
        assert_eq!(parse(b"5\xff"), Err(Refusal::NotAnInteger));
    }

    #[test]
    fn digits_are_limited_and_leading_zeros_are_none() {
        let longest = "9".repeat(MOST_DIGITS);
        let number = parse(longest.as_bytes()).expect("at the limit");
        assert_eq!(number.to_string(), longest);
        for sign in ["", "-", "+"] {
            assert_eq!(parse(format!("{sign}1{longest}").as_bytes()), Err(Refusal::TooManyDigits));
        }
        let padded = format!("{}7", "0".repeat(10 * MOST_DIGITS));
        assert_eq!(parse(padded.as_bytes()), Ok(BigInt::from(7)));
        assert_eq!(parse(format!("{longest}{longest}x").as_bytes()), Err(Refusal::NotAnInteger));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(number: i128) {
            prop_assert_eq!(parse(number.to_string().as_bytes()), Ok(BigInt::from(number)));
        }

        #[test]
        fn only_digits_signs_and_blanks_are_ever_taken(line: Vec<u8>) {
            if parse(&line).is_ok() {
                prop_assert!(line.iter().all(|byte| byte.is_ascii_digit() || b"+- \t\r\n\x0c".contains(byte)));
            }
        }
    }
}
