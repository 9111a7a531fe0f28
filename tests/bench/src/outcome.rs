//! All that was measured in a case, and what is read from it: spreads, and ratios within the rounds.

use std::fmt;

use crate::cases::Case;
use crate::contest::Round;
use crate::stats::Spread;

/// The rounds of one case.
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// The contestants, in the order of the figures of a round.
    pub(crate) names: Vec<&'static str>,
    pub(crate) rounds: Vec<Round>,
}

impl Outcome {
    /// The figure number `nth` of a contestant over all rounds. None if it did not compete, or failed in any of them.
    pub(crate) fn spread(&self, name: &str, nth: usize) -> Option<Spread> {
        Some(Spread::of(self.series(name, nth)?))
    }

    /// The same divided by that of another one, round by round.
    pub(crate) fn ratio(&self, (name, other): (&str, &str), nth: usize) -> Option<Spread> {
        let pairs = self.series(name, nth)?.into_iter().zip(self.series(other, nth)?);
        Some(Spread::of(pairs.map(|(one, other)| one / other)))
    }

    fn series(&self, name: &str, nth: usize) -> Option<Vec<f64>> {
        let place = self.names.iter().position(|other| *other == name)?;
        let figures: Vec<f64> = self.rounds.iter().map(|round| round[place][nth]).collect();
        (!figures.is_empty() && figures.iter().all(|figure| figure.is_finite())).then_some(figures)
    }
}

/// A line for each contestant of each round, its fields divided by tabs.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, round) in self.rounds.iter().enumerate() {
            for (name, figures) in self.names.iter().zip(round) {
                write!(f, "{}\tround {}\t{name}", self.case.name(), number + 1)?;
                for (figure, value) in self.case.figures().iter().zip(figures) {
                    write!(f, "\t{figure} {value:.4}")?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contest::{FLOOR, OURS};

    /// Two rounds, in the second of which the machine is ten times slower, and a peer that failed in it.
    pub(crate) fn drifting() -> Outcome {
        let rounds = vec![
            vec![vec![300.0, 1.0], vec![200.0, 2.0], vec![100.0, 3.0]],
            vec![vec![30.0, 1.0], vec![20.0, 2.0], vec![f64::NAN, f64::NAN]],
        ];
        Outcome { case: Case::Connect, names: vec![OURS, FLOOR, "peer"], rounds }
    }

    #[test]
    fn a_ratio_is_taken_within_the_round() {
        let ratio = drifting().ratio((OURS, FLOOR), 0).expect("both competed");
        assert_eq!(format!("{:.2} {:.2} {:.2}", ratio.low, ratio.median, ratio.high), "1.50 1.50 1.50");
    }

    #[test]
    fn a_contestant_that_failed_or_was_absent_has_no_figure() {
        assert!(drifting().spread("peer", 0).is_none());
        assert!(drifting().ratio((OURS, "nobody"), 0).is_none());
    }

    #[test]
    fn the_raw_figures_are_a_line_a_contestant_a_round() {
        let text = drifting().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[4], "connect, ask, close\tround 2\tfloor\tconnections/s 20.0000\tCPU us/connection 2.0000");
    }
}
