//! Money: a whole number of minor units (cents).
//!
//! Invariant: an amount is never negative and fits an `i64`. An operation whose result would not fit returns `None`.
//! There are no currencies and no floating point.

use std::fmt;

/// An amount or a balance, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Money(i64);

/// Minor units in a unit.
const SCALE: i64 = 100;

impl Money {
    /// The largest balance.
    #[cfg(test)]
    pub(super) const MOST: Money = Money(i64::MAX);

    /// Parses `12`, `12.5` or `12.50`: digits, optionally followed by a point and one or two digits.
    ///
    /// Returns `None` for any other text (a sign, a space, an exponent, a separator), for zero and for an amount that
    /// is too large.
    pub(super) fn parse_amount(text: &str) -> Option<Money> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let cents = match fraction.as_bytes() {
            [tenths] => digit(*tenths)? * 10,
            [tenths, hundredths] => digit(*tenths)? * 10 + digit(*hundredths)?,
            _ => return None,
        };
        if whole.is_empty() {
            return None;
        }
        let units = whole.bytes().try_fold(0_i64, |sum, byte| sum.checked_mul(10)?.checked_add(digit(byte)?))?;
        let minor = units.checked_mul(SCALE)?.checked_add(cents)?;
        Some(Money(minor)).filter(|&amount| amount > Money(0))
    }

    /// Creates an amount from minor units. Returns `None` for a negative number.
    pub(super) fn of_minor(minor: i64) -> Option<Money> {
        (minor >= 0).then_some(Money(minor))
    }

    /// Returns the amount in minor units.
    pub(super) fn minor(self) -> i64 {
        self.0
    }

    /// Adds two amounts. Returns `None` if the sum is too large.
    pub(super) fn plus(self, other: Money) -> Option<Money> {
        self.0.checked_add(other.0).map(Money)
    }

    /// Subtracts an amount. Returns `None` if the result would be negative.
    pub(super) fn minus(self, other: Money) -> Option<Money> {
        self.0.checked_sub(other.0).and_then(Money::of_minor)
    }
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Total(self.0.into()).fmt(f)
    }
}

/// A sum over accounts, in minor units. May exceed the largest balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total(i128);

impl Total {
    /// Adds an amount. The sum over all possible accounts does not overflow.
    pub(super) fn add(&mut self, amount: Money) {
        self.0 += i128::from(amount.0);
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = i128::from(SCALE);
        write!(f, "{}.{:02}", self.0 / scale, self.0 % scale)
    }
}

/// An interest rate, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InterestRate(i64);

/// A rate of 100 %.
const WHOLE: i64 = 100 * SCALE;

impl InterestRate {
    /// Parses a percentage in the form of an amount: more than 0, at most 100, at most two decimals.
    pub(super) fn parse(text: &str) -> Option<InterestRate> {
        Money::parse_amount(text).map(|percent| InterestRate(percent.0)).filter(|rate| rate.0 <= WHOLE)
    }

    /// Returns the interest on a balance, rounded down to a whole minor unit.
    pub(super) fn of(self, balance: Money) -> Money {
        // An `i128` holds the product, and the quotient is at most the balance.
        let interest = i128::from(balance.0) * i128::from(self.0) / i128::from(WHOLE);
        Money(i64::try_from(interest).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for InterestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", Money(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_as_they_are_meant() {
        for (text, minor) in [
            ("12", 1200),
            ("12.5", 1250),
            ("12.50", 1250),
            ("0.01", 1),
            ("007", 700),
            ("0.1", 10),
            ("92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(Money::parse_amount(text), Some(Money(minor)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "12.",
            ".5",
            "12.505",
            "1.2.3",
            "-1",
            "+1",
            "1e3",
            "1,50",
            "1_000",
            " 1",
            "1 ",
            "0",
            "0.00",
            "00",
            "١٢",
            "12.5a",
            "inf",
            "NaN",
            "0x10",
            "92233720368547758.08",
            "92233720368547759",
            "99999999999999999999999",
        ] {
            assert_eq!(Money::parse_amount(text), None, "{text:?}");
        }
    }

    #[test]
    fn nothing_wraps_and_nothing_becomes_a_debt() {
        assert_eq!(Money::MOST.plus(Money(1)), None);
        assert_eq!(Money(5).plus(Money(6)), Some(Money(11)));
        assert_eq!(Money(5).minus(Money(6)), None);
        assert_eq!(Money(6).minus(Money(6)), Some(Money(0)));
        assert_eq!(Money::of_minor(-1), None);
        let mut total = Total::default();
        total.add(Money::MOST);
        total.add(Money::MOST);
        assert_eq!(total.to_string(), "184467440737095516.14");
    }

    #[test]
    fn interest_is_rounded_down() {
        let rate = |text| InterestRate::parse(text).expect("a good rate");
        for (percent, balance, interest) in
            [("2.5", 100, 2), ("2.5", 39, 0), ("2.5", 40, 1), ("100", i64::MAX, i64::MAX), ("0.01", 9_999, 0)]
        {
            assert_eq!(rate(percent).of(Money(balance)), Money(interest), "{percent} % of {balance}");
        }
        for text in ["0", "100.01", "-1", "1.234", "5%", ""] {
            assert_eq!(InterestRate::parse(text), None, "{text:?}");
        }
        assert_eq!(rate("2.5").to_string(), "2.50 %");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(minor in 1..=i64::MAX) {
            let shown = Money(minor).to_string();
            prop_assert_eq!(Money::parse_amount(&shown), Some(Money(minor)));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = Money::parse_amount(&text);
        }

        #[test]
        fn interest_is_never_more_than_the_rate_of_the_balance(minor in 0..=i64::MAX, rate in 1..=WHOLE) {
            let exact = i128::from(minor) * i128::from(rate);
            let paid = i128::from(InterestRate(rate).of(Money(minor)).0) * i128::from(WHOLE);
            prop_assert!(paid <= exact && exact - paid < i128::from(WHOLE));
        }
    }
}
