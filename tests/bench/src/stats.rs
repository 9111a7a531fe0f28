//! Medians, quartiles and percentiles. No means: one bad second of the machine would own them.

/// The middle of some figures, and where the middle half of them lies.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// NaN throughout if there is no figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Spread { median: quantile(&sorted, 0.5), low: quantile(&sorted, 0.25), high: quantile(&sorted, 0.75) }
    }
}

/// The sample at `share` of the way through sorted samples; NaN if there is none.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).map_or(f64::NAN, |sample| f64::from(*sample))
}

/// Between two figures it is in proportion to both, so that the median of an even count is fair.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = last as f64 * share;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        let spread = Spread::of([3.0, 1.0, 2.0, 5.0, 1e9]);
        assert!(near(spread.median, 3.0) && near(spread.low, 2.0) && near(spread.high, 5.0));
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_its_middle_two() {
        assert!(near(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5));
    }

    #[test]
    fn nothing_has_no_median() {
        assert!(Spread::of([]).median.is_nan() && percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let samples: Vec<u32> = (0..=100).collect();
        assert!(near(percentile(&samples, 0.99), 99.0) && near(percentile(&samples, 1.0), 100.0));
    }
}
